//! What an agent is owed: the difference between the state and what its stream has carried. Pure.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::State;
use quorate_core::ids::{InstanceId, SessionId, TaskId};
use quorate_core::state::{DesiredStatus, InstanceStatus, Task};

/// What one stream has carried so far: each task, and whether it was told to stop.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sent(BTreeMap<TaskId, bool>);

impl Sent {
    /// `owed` is on its way.
    pub(super) fn note(&mut self, owed: &Owed) {
        self.0.extend(owed.told.iter().copied());
        for task in &owed.forgotten {
            self.0.remove(task);
        }
    }
}

/// What is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Owed {
    /// Tasks to run or, where it says so, to stop.
    pub(super) told: Vec<(TaskId, bool)>,
    /// Tasks that were sent and are the agent's no more: they have ended, or were given up.
    pub(super) forgotten: Vec<TaskId>,
}

/// All that the agent of `instance` is owed.
pub(super) fn owed(state: &State, instance: InstanceId, sent: &Sent) -> Owed {
    let live = state.live_tasks_on(&instance).map(|task| task.id);
    let tasks: BTreeSet<TaskId> = live.chain(sent.0.keys().copied()).collect();
    owed_of(state, instance, sent, &tasks)
}

/// What it is owed of these tasks. STOPPED ones are none of the agent's: what it still runs of them is an orphan to it.
pub(super) fn owed_of(
    state: &State,
    instance: InstanceId,
    sent: &Sent,
    tasks: &BTreeSet<TaskId>,
) -> Owed {
    let mut owed = Owed::default();
    for id in tasks {
        let is_its_own = |task: &&Task| task.instance == instance && task.holds_resources();
        let due = state.task(id).filter(is_its_own).map(must_stop);
        match (due, sent.0.get(id)) {
            (Some(stop), Some(told)) if stop == *told => {}
            (Some(stop), _) => owed.told.push((*id, stop)),
            (None, Some(_)) => owed.forgotten.push(*id),
            (None, None) => {}
        }
    }
    owed
}

fn must_stop(task: &Task) -> bool {
    task.desired == DesiredStatus::Stopped
}

/// How a session stands in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The newest of its instance, and connected.
    Current,
    /// A newer session took its place.
    Superseded,
    /// The leader counts it as disconnected, or lost; only a new session mends that.
    Lapsed,
    /// The instance was deregistered, or is unknown.
    Gone,
}

/// How this session of the instance stands.
pub(super) fn standing(state: &State, id: InstanceId, session: SessionId) -> Standing {
    match state.instance(&id) {
        None => Standing::Gone,
        Some(instance) if instance.status == InstanceStatus::Inactive => Standing::Gone,
        Some(instance) if instance.session != session => Standing::Superseded,
        Some(instance) if !instance.connected => Standing::Lapsed,
        Some(_) => Standing::Current,
    }
}
