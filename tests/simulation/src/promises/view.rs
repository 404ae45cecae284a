//! What a node says of itself, as promises look at it.

use std::collections::BTreeMap;

use quorate_core::ids::NodeId;
use quorate_server::consensus::Status;

/// How a node is doing, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Which node.
    pub node: NodeId,
    /// The how manieth of its lives this is.
    pub life: u32,
    /// Its term.
    pub term: u64,
    /// Who leads in that term, as far as it knows.
    pub leader: Option<NodeId>,
    /// Whether it leads.
    pub is_leader: bool,
    /// How many nodes vote.
    pub voters: usize,
    /// Index of the last entry of its log.
    pub last_index: u64,
    /// Index up to which it knows entries to be committed.
    pub committed_index: u64,
    /// Index up to which they are in its state.
    pub applied_index: u64,
    /// Index up to which a snapshot has them.
    pub snapshot_index: u64,
    /// On the leader: up to where each log is known to match.
    pub matched: BTreeMap<NodeId, u64>,
}

impl NodeView {
    /// The view that a status gives.
    #[must_use]
    pub fn of(life: u32, status: &Status) -> Self {
        let leader = status.leadership.leader.as_ref();
        Self {
            node: status.node,
            life,
            term: status.leadership.term,
            leader: leader.map(|member| member.node),
            is_leader: status.leadership.is_me,
            voters: status.voters.len(),
            last_index: status.last_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            snapshot_index: status.snapshot_index,
            matched: status.matched.clone(),
        }
    }
}
