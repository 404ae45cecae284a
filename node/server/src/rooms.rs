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
            gateway: Gateway::new(consensus.clone(), planner, realm),
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
