//! Three nodes in one process, each with its gateway, over real sockets and disks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::ids::NodeId;
use quorate_core::{Policy, Realm};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;

use super::super::{Answer, Call, Gateway, Principal, Service};
use crate::consensus::{Consensus, ConsensusConfig, EngineKind, Member, start};
use crate::entropy;
use crate::planner::Planner;

/// How long a call or a change of leader may take: the machines that run tests are busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Node {
    pub(super) consensus: Consensus,
    pub(super) gateway: Gateway,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<u64, Node>,
    _directory: TempDir,
}

impl Cluster {
    /// Three nodes with a leader.
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (mut listeners, mut members) = (Vec::new(), Vec::new());
        for node in 1..=3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer_address = listener.local_addr().unwrap().to_string();
            members.push(Member {
                node: NodeId(node),
                peer_address,
                api_address: format!("127.0.0.1:{node}"),
            });
            listeners.push((node, listener));
        }
        let mut nodes = BTreeMap::new();
        for (node, listener) in listeners {
            let place = directory.path().join(node.to_string());
            let mut config = ConsensusConfig::new(NodeId(node), members.clone(), place);
            config.engine = EngineKind::Segments;
            nodes.insert(node, Node::start(config, listener).await);
        }
        let cluster = Self {
            nodes,
            _directory: directory,
        };
        cluster.leader().await;
        cluster
    }

    /// The node that all running ones take for the leader.
    pub(super) async fn leader(&self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let views = self
                .nodes
                .values()
                .map(|node| node.consensus.leadership().borrow().clone());
            let leaders: Vec<_> = views
                .map(|view| view.leader.map(|leader| leader.node.0))
                .collect();
            match leaders[0] {
                Some(leader)
                    if leaders.iter().all(|one| *one == Some(leader))
                        && self.nodes.contains_key(&leader) =>
                {
                    return leader;
                }
                _ => assert!(Instant::now() < deadline, "no leader in time: {leaders:?}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The nodes that do not lead.
    pub(super) async fn followers(&self) -> Vec<u64> {
        let leader = self.leader().await;
        self.nodes
            .keys()
            .copied()
            .filter(|node| *node != leader)
            .collect()
    }

    /// Ends a node as a death does: nothing is handed over.
    pub(super) async fn end(&mut self, node: u64) {
        let node = self.nodes.remove(&node).unwrap();
        node.stop.cancel();
        let _ = node.serving.await;
        node.consensus.shutdown().await;
    }

    pub(super) fn on(&self, node: u64) -> &Gateway {
        &self.nodes[&node].gateway
    }
}

impl Node {
    async fn start(config: ConsensusConfig, listener: TcpListener) -> Self {
        let consensus = start(config).await.unwrap();
        let stop = CancellationToken::new();
        let planner = Planner::start(consensus.clone(), stop.clone(), &TaskTracker::new());
        let realm = Realm {
            region: "us-east-1".into(),
            account: "000000000000".into(),
        };
        let gateway = Gateway::new(consensus.clone(), planner, realm, Policy::default());
        let router = Server::builder()
            .add_service(consensus.raft_service())
            .add_service(gateway.relay_service());
        let stopping = stop.clone();
        let serving = consensus.runtime().spawn(async move {
            let serving = router.serve_with_incoming(TcpListenerStream::new(listener));
            let _ = stopping.run_until_cancelled(serving).await;
        });
        Self {
            consensus,
            gateway,
            serving,
            stop,
        }
    }
}

/// A call that may be made more than once.
pub(super) fn call(operation: &str, input: &Value) -> Call {
    let service = if operation == "ListNodes" {
        Service::Quorate
    } else {
        Service::Ecs
    };
    Call {
        service,
        operation: operation.to_owned(),
        body: Bytes::from(input.to_string()),
        request_id: uuid::Uuid::from_u128(entropy::number()).to_string(),
        principal: Principal {
            arn: "arn:aws:iam::000000000000:user/dev".into(),
            account: "000000000000".into(),
            access_key_id: "AK".into(),
            user_id: "AIDADEV".into(),
        },
        deadline: Instant::now() + PATIENCE,
    }
}

/// The answer's body.
pub(super) fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}
