//! How this node is doing: for `/readyz`, for `quorate node ls`, for metrics.

use std::collections::BTreeMap;

use openraft::{LogIdOptionExt, RaftMetrics, ServerState};
use quorate_core::ids::NodeId;

use super::leadership::{Leadership, StopReason};
use super::membership::Member;
use super::types::Types;

/// How this node is doing, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster_id: String,
    /// Who leads.
    pub leadership: Leadership,
    /// leader, follower, candidate, learner or stopping.
    pub role: &'static str,
    /// Who there is.
    pub members: Vec<Member>,
    /// Who of them votes.
    pub voters: Vec<NodeId>,
    /// Index of the last entry in this node's log.
    pub last_index: u64,
    /// Index up to which this node knows entries to be committed.
    pub committed_index: u64,
    /// Index up to which they are in this node's state.
    pub applied_index: u64,
    /// Index up to which a snapshot on disk has them.
    pub snapshot_index: u64,
    /// On the leader: up to where each node's log is known to match.
    pub matched: BTreeMap<NodeId, u64>,
    /// Items that wait for their outcome.
    pub proposals_pending: usize,
    /// Why consensus is over, where it is.
    pub stopped: Option<StopReason>,
}

impl Status {
    /// Whether this node can serve: there is a leader, and nothing has failed here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stopped.is_none() && self.leadership.leader.is_some()
    }
}

/// What openraft knows of it.
pub(super) struct Known {
    pub(super) role: &'static str,
    pub(super) members: Vec<Member>,
    pub(super) voters: Vec<NodeId>,
    pub(super) last_index: u64,
    pub(super) committed_index: u64,
    pub(super) snapshot_index: u64,
    pub(super) matched: BTreeMap<NodeId, u64>,
}

impl Known {
    pub(super) fn of(metrics: &RaftMetrics<Types>) -> Self {
        let membership = metrics.membership_config.membership();
        let matched = metrics.replication.iter().flatten();
        Self {
            role: role(metrics.state),
            members: membership
                .nodes()
                .map(|(node, member)| Member::of(*node, member))
                .collect(),
            voters: membership.voter_ids().map(NodeId).collect(),
            last_index: metrics.last_log_index.unwrap_or_default(),
            committed_index: metrics.local_committed.index().unwrap_or_default(),
            snapshot_index: metrics.snapshot.index().unwrap_or_default(),
            matched: matched
                .map(|(node, id)| (NodeId(*node), id.index().unwrap_or_default()))
                .collect(),
        }
    }
}

/// The role of who leads.
pub(super) const LEADER: &str = "leader";

fn role(state: ServerState) -> &'static str {
    match state {
        ServerState::Learner => "learner",
        ServerState::Follower => "follower",
        ServerState::Candidate => "candidate",
        ServerState::Leader => LEADER,
        ServerState::Shutdown => "stopping",
    }
}

/// Puts the status into the metrics. Counters of what is committed and applied follow the log's index: one entry each.
pub(super) fn measure(status: &Status) {
    metrics::gauge!("quorate_has_leader")
        .set(f64::from(u8::from(status.leadership.leader.is_some())));
    metrics::gauge!("quorate_is_leader").set(f64::from(u8::from(status.leadership.is_me)));
    metrics::gauge!("quorate_raft_term").set(status.leadership.term as f64);
    metrics::counter!("quorate_proposals_committed_total").absolute(status.committed_index);
    metrics::counter!("quorate_proposals_applied_total").absolute(status.applied_index);
    metrics::gauge!("quorate_proposals_pending").set(status.proposals_pending as f64);
    metrics::gauge!("quorate_raft_last_index").set(status.last_index as f64);
    metrics::gauge!("quorate_snapshot_index").set(status.snapshot_index as f64);
    for (node, index) in &status.matched {
        metrics::gauge!("quorate_peer_lag_entries", "node" => node.to_string())
            .set(status.last_index.saturating_sub(*index) as f64);
    }
}
