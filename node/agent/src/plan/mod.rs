//! What an agent should do now: a pure function of what it is assigned and what it sees. It can be asked at any time, and says
//! the same again until what it asked for has been begun, so that nothing has to be remembered between two calls.

mod cleanup;
#[cfg(test)]
mod properties;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use cleanup::Keep;

use crate::assigned::{Assigned, AssignedTask};
use crate::observe::{Observed, ObservedContainer, ObservedTask, Phase};
use crate::runtime::{ContainerSpec, Key, TaskId};

/// A kill that had no effect (an engine that hung) is tried again after this.
const KILL_AGAIN: Duration = Duration::from_secs(5);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Pull if needed, make and start.
    Start(Box<ContainerSpec>),
    /// Give up a start that has not come to a container yet.
    Cancel(Key),
    /// Ask it to stop.
    Stop(Key),
    /// It had its time.
    Kill(Key),
    /// Remove it and what it left.
    Remove(Key),
    /// Nothing is left of the task: drop it from the picture.
    Forget(TaskId),
}

/// Decides. `observed` must be settled with the same `assigned`.
pub(crate) fn plan(
    assigned: &Assigned,
    observed: &Observed,
    now: Instant,
    keep: Keep,
) -> Vec<Action> {
    let mut actions = Vec::new();
    for (id, seen) in &observed.tasks {
        match (assigned.task(id), &seen.cause) {
            (Some(task), None) => start_missing(task, seen, &mut actions),
            (None, None) => {}
            (_, Some(_)) => stop_all(seen, now, &mut actions),
        }
    }
    for (id, seen) in cleanup::due(assigned, observed, keep) {
        remove_all(id, seen, &mut actions);
    }
    actions
}

fn start_missing(task: &AssignedTask, seen: &ObservedTask, actions: &mut Vec<Action>) {
    // Containers of a later assignment are here: this one is an echo.
    if seen.fencing() > task.fencing {
        return;
    }
    for (name, spec) in &task.containers {
        match seen.containers.get(name).map(|container| &container.phase) {
            None | Some(Phase::Created) => actions.push(Action::Start(Box::new(spec.clone()))),
            Some(Phase::Starting | Phase::Running | Phase::Exited(_)) => {}
        }
    }
}

fn stop_all(seen: &ObservedTask, now: Instant, actions: &mut Vec<Action>) {
    for container in seen.containers.values() {
        let key = container.tag.key.clone();
        match container.phase {
            Phase::Starting if !container.cancelled => actions.push(Action::Cancel(key)),
            Phase::Running => actions.extend(stop_step(container, now).map(|step| step(key))),
            Phase::Exited(_) if container.runs_on => {
                actions.extend(stop_step(container, now).map(|step| step(key)));
            }
            Phase::Starting | Phase::Created | Phase::Exited(_) => {}
        }
    }
}

fn stop_step(container: &ObservedContainer, now: Instant) -> Option<fn(Key) -> Action> {
    let timeout = Duration::from_secs(container.tag.stop_timeout_s);
    match (container.signalled_at, container.killed_at) {
        (None, _) => Some(Action::Stop),
        (Some(signalled), None) => (now >= signalled + timeout).then_some(Action::Kill),
        (Some(_), Some(killed)) => (now >= killed + KILL_AGAIN).then_some(Action::Kill),
    }
}

fn remove_all(id: &TaskId, seen: &ObservedTask, actions: &mut Vec<Action>) {
    let left: Vec<_> = seen
        .containers
        .values()
        .filter(|container| container.runtime_id.is_some())
        .collect();
    if left.is_empty() {
        actions.push(Action::Forget(id.clone()));
    }
    for container in left
        .into_iter()
        .filter(|container| !container.is_being_removed && !container.runs_on)
    {
        actions.push(Action::Remove(container.tag.key.clone()));
    }
}
