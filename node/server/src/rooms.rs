//! What a node consists of behind its listeners: consensus and the rooms on top of it, opened, handed out as services, and closed in order.
//!
//! Sockets, HTTP and health are not here: [`crate::run`] puts them on top, and a simulation puts its own network there.

use quorate_core::{Policy, Realm};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::consensus::Consensus;
use crate::dispatch::Dispatch;
use crate::gateway::Gateway;
use crate::planner::Planner;
use crate::steward::Steward;

/// The rooms of one node, at work.
pub struct Rooms {
    consensus: Consensus,
    dispatch: Dispatch,
    gateway: Gateway,
    /// Ends the planner's desk and the steward.
    leader_stop: CancellationToken,
    leader: TaskTracker,
}

impl Rooms {
    /// Sets all rooms to work on `consensus`, on the caller's runtime.
    #[must_use]
    pub fn open(consensus: Consensus, realm: Realm, policy: Policy) -> Self {
        let (leader_stop, leader) = (CancellationToken::new(), TaskTracker::new());
        let node = consensus.status().node;
        let dispatch = Dispatch::new(consensus.clone(), realm.clone(), node);
        let planner = Planner::start(consensus.clone(), leader_stop.clone(), &leader);
        let steward = Steward::new(consensus.clone(), policy);
        leader.spawn(steward.run(leader_stop.clone()));
        Self {
            gateway: Gateway::new(consensus.clone(), planner, realm, policy),
            consensus,
            dispatch,
            leader_stop,
            leader,
        }
    }

    /// What all rooms stand on.
    #[must_use]
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// The way in for calls of users.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
    }

    /// The way in for nodes and agents. Serve it in [`Consensus::runtime`].
    #[must_use]
    pub fn routes(&self) -> Routes {
        Routes::new(self.consensus.raft_service())
            .add_service(self.gateway.relay_service())
            .add_service(self.dispatch.service())
    }

    /// Ends the rooms in order: agents are sent elsewhere, the leader's work ends, leadership is handed over, the log is closed. Whoever serves
    /// calls of users has to have ended before, and serves nodes until after.
    pub async fn close(self) {
        self.dispatch.shutdown().await;
        self.leader_stop.cancel();
        self.leader.close();
        self.leader.wait().await;
        self.consensus.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use parking_lot::Mutex;
    use quorate_core::ids::NodeId;
    use tokio::time::Instant;
    use tonic::Status;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::consensus::{
        Connect, ConsensusConfig, EngineKind, Member, StopReason, Threads, Wire, start,
    };
    use crate::gateway::{Answer, Call, Principal, Service};

    /// How long a call may take, elections included: the machines that run tests are busy.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Who is reached at which address.
    type Network = Arc<Mutex<BTreeMap<String, Routes>>>;

    fn connect(network: &Network) -> Connect {
        let network = Arc::clone(network);
        Connect::new(move |address| {
            let (network, address) = (Arc::clone(&network), address.to_owned());
            Wire::new(service_fn(move |request: http::Request<_>| {
                let routes = network.lock().get(&address).cloned();
                async move {
                    let routes = routes.ok_or_else(|| Status::unavailable("nobody is there"))?;
                    routes
                        .oneshot(request)
                        .await
                        .map_err(|never| match never {})
                }
            }))
        })
    }

    fn member(node: u64) -> Member {
        Member {
            node: NodeId(node),
            peer_address: format!("n{node}:6571"),
            api_address: format!("n{node}:6570"),
        }
    }

    async fn open(node: u64, directory: &Path, network: &Network) -> Rooms {
        let members = (1..=3).map(member).collect();
        let place = directory.join(node.to_string());
        let mut config = ConsensusConfig::new(NodeId(node), members, place);
        config.engine = EngineKind::Segments;
        config.threads = Threads::Shared;
        config.connect = connect(network);
        let realm = Realm {
            region: "us-east-1".into(),
            account: "000000000000".into(),
        };
        let rooms = Rooms::open(start(config).await.unwrap(), realm, Policy::default());
        let address = member(node).peer_address;
        network.lock().insert(address, rooms.routes());
        rooms
    }

    async fn call(rooms: &Rooms, number: u32, operation: &str, body: &'static str) -> Answer {
        let call = Call {
            service: Service::Ecs,
            operation: operation.to_owned(),
            body: body.into(),
            request_id: format!("{number:032x}"),
            principal: Principal {
                arn: "arn:aws:iam::000000000000:user/dev".into(),
                account: "000000000000".into(),
                access_key_id: "AK".into(),
                user_id: "AIDADEV".into(),
            },
            deadline: Instant::now() + PATIENCE,
        };
        rooms.gateway().call(call).await
    }

    #[tokio::test]
    async fn nodes_without_sockets_are_a_cluster_too() {
        let directory = tempfile::tempdir().unwrap();
        let network = Network::default();
        let mut nodes = Vec::new();
        for node in 1..=3 {
            nodes.push(open(node, directory.path(), &network).await);
        }
        let create = r#"{"clusterName":"c"}"#;
        let describe = r#"{"clusters":["c"]}"#;
        // Two of these go one hop further.
        for (number, rooms) in (1..).zip(&nodes) {
            let answer = call(rooms, number, "CreateCluster", create).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        // A node leaves; the others go on without it.
        let gone = nodes.remove(0);
        network.lock().remove(&member(1).peer_address);
        let consensus = gone.consensus().clone();
        gone.close().await;
        assert_eq!(consensus.stopped().await, StopReason::Shutdown);
        for (number, rooms) in (11..).zip(&nodes) {
            let answer = call(rooms, number, "DescribeClusters", describe).await;
            let found = String::from_utf8_lossy(&answer.body).contains("cluster/c");
            assert!(answer.status == 200 && found, "{answer:?}");
        }
        for rooms in nodes {
            rooms.close().await;
        }
    }
}
