//! What the scheduler decided about a service, as far as states show it: which tasks a step started and stopped for it, and on which states
//! that can have been decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_core::State;
use quorate_core::ids::ServiceKey;
use quorate_core::state::{DesiredStatus, Service, ServiceStatus, StopCode, Task};

use super::{Step, Timeline};

/// What became of one service in one step.
pub(super) struct Decided<'a> {
    /// The service before and after: ACTIVE in both, with the same wishes of its author and the same number wanted.
    pub(super) before: &'a Service,
    pub(super) after: &'a Service,
    /// Tasks that are new.
    pub(super) started: Vec<&'a Task>,
    /// Tasks that its scheduler told to stop, as they were before.
    pub(super) stopped: Vec<&'a Task>,
}

/// What was decided in a step, service by service. A step of several entries in which an author had a say, or the number wanted changed, is
/// left out: which of the bounds a decision kept to cannot be told.
pub(super) fn decided(step: &Step) -> Vec<Decided<'_>> {
    let (before, after) = (&step.before, &step.after);
    let tasks = step.touched.tasks.iter();
    let keys: BTreeSet<ServiceKey> = tasks
        .filter_map(|id| after.task(id).or_else(|| before.task(id)))
        .filter_map(Task::service_key)
        .collect();
    keys.iter()
        .filter_map(|key| {
            let (old, new) = (before.service(key)?, after.service(key)?);
            let is_plain = old.updates == new.updates
                && old.spec.desired_count == new.spec.desired_count
                && [old.status, new.status] == [ServiceStatus::Active; 2];
            is_plain.then(|| Decided {
                before: old,
                after: new,
                started: started(step, key),
                stopped: stopped(step, key),
            })
        })
        .filter(|one| !one.started.is_empty() || !one.stopped.is_empty())
        .collect()
}

fn started<'a>(step: &'a Step, key: &ServiceKey) -> Vec<&'a Task> {
    let ids = step.touched.tasks.iter();
    let new = ids.filter(|id| step.before.task(id).is_none());
    new.filter_map(|id| step.after.task(id))
        .filter(|task| task.service_key().as_ref() == Some(key))
        .collect()
}

fn stopped<'a>(step: &'a Step, key: &ServiceKey) -> Vec<&'a Task> {
    let ids = step.touched.tasks.iter();
    let ours = ids.filter_map(|id| Some((step.before.task(id)?, step.after.task(id)?)));
    ours.filter(|(old, new)| {
        old.service_key().as_ref() == Some(key)
            && old.desired == DesiredStatus::Running
            && new.desired == DesiredStatus::Stopped
            && new.stop_code == Some(StopCode::ServiceSchedulerInitiated)
    })
    .map(|(old, _)| old)
    .collect()
}

/// The states on which what was carried out after `before` can have been decided: since then nothing else was carried out for the service.
pub(super) fn grounds<'a>(
    timeline: &'a Timeline,
    before: &State,
    key: &'a ServiceKey,
) -> impl Iterator<Item = &'a Arc<State>> {
    let steps = before.service(key).map(|service| service.steps);
    let states = timeline.between(0, before.applied_index());
    states.take_while(move |state| state.service(key).map(|service| service.steps) == steps)
}
