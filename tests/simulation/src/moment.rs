//! The world at one moment, as promises look at it: what every node that runs holds, and what really runs on every host.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_core::State;
use quorate_core::ids::NodeId;
use quorate_server::consensus::Status;

/// The part of the run that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Faults happen; what must never be, must not be.
    Safety,
    /// No faults any more; everything has to come to rest.
    Liveness,
}

/// The world at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Simulated time since the run began.
    pub at: Duration,
    /// Which part of the run this is.
    pub phase: Phase,
    /// The nodes that run.
    pub nodes: BTreeMap<NodeId, NodeView>,
    /// Every machine, whether its agent runs or not. Machines of cloned agents are added at the end and stay, empty, after their end.
    pub hosts: Vec<HostView>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Counts the node's starts, from 1.
    pub life: u32,
    /// Its state.
    pub state: Arc<State>,
    /// Term, leader, and how far log, commit, snapshot and state are.
    pub status: Status,
}

/// One host: an instance's machine, with its container runtime.
#[derive(Clone, Debug)]
pub struct HostView {
    /// Counts machines from 0; those of the plan come first.
    pub number: u32,
    /// Its disk was copied from this machine, with the identity of the agent; until faults are over there may be both.
    pub clone_of: Option<u32>,
    /// Whether an agent runs here now.
    pub has_agent: bool,
    /// The containers that ever ran here, until they are removed; the same value as long as nothing changes.
    pub containers: Arc<Vec<ContainerView>>,
}

/// One container as it really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// The runtime's id for it, unique in the run.
    pub id: String,
    /// The instance id it was started for, `mi-...`.
    pub instance: String,
    /// Its task, 32 hex digits.
    pub task: String,
    /// Its name in the task definition.
    pub name: String,
    /// Index of the assignment it was started by.
    pub fencing: u64,
    /// When it started.
    pub started: Duration,
    /// When and how it ended, if it did.
    pub ended: Option<(Duration, i32)>,
}
