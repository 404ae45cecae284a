//! Agents that do as they should: what is to run runs and is healthy, what is to stop stops.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{Command, ContainerObserved, TaskObserved};
use crate::ids::{InstanceId, TaskId};
use crate::state::{Container, ContainerStatus, DesiredStatus, Health, State, TaskStatus};

/// What agents report next of these tasks, an instance a report.
pub(super) fn reports(state: &State, tasks: &BTreeSet<TaskId>) -> Vec<Command> {
    let mut by_instance: BTreeMap<InstanceId, Vec<TaskObserved>> = BTreeMap::new();
    for id in tasks {
        if let (Some(task), Some(seen)) = (state.task(id), report(state, id)) {
            by_instance.entry(task.instance).or_default().push(seen);
        }
    }
    let told = by_instance.into_iter().filter_map(|(instance, tasks)| {
        let session = state.instance(&instance)?.session;
        Some(Command::Observe {
            instance,
            session,
            tasks,
        })
    });
    told.collect()
}

/// What the task's agent reports next, if it is there and there is anything.
pub(super) fn report(state: &State, task: &TaskId) -> Option<TaskObserved> {
    let task = state.task(task).filter(|task| task.holds_resources())?;
    state.instance(&task.instance).filter(|one| one.connected)?;
    let is_told = task.desired == DesiredStatus::Stopped;
    // One that failed its check stays as it is: it is its service that acts on it.
    let is_unsure = |one: &Container| one.health == Some(Health::Unknown);
    let is_new = task.last < TaskStatus::Running || task.containers.iter().any(is_unsure);
    let status = match (is_told, is_new) {
        (true, _) => TaskStatus::Stopped,
        (false, true) => TaskStatus::Running,
        (false, false) => return None,
    };
    let containers = task.containers.iter().map(|one| container(one, is_told));
    Some(TaskObserved {
        containers: containers.collect(),
        ..TaskObserved::of(task.id, status)
    })
}

fn container(container: &Container, is_told: bool) -> ContainerObserved {
    let runs_well = container.health == Some(Health::Unknown);
    ContainerObserved {
        name: container.name.clone(),
        status: if is_told {
            ContainerStatus::Stopped
        } else {
            ContainerStatus::Running
        },
        runtime_id: String::new(),
        exit_code: is_told.then_some(0),
        reason: String::new(),
        image_digest: String::new(),
        bindings: Vec::new(),
        health: runs_well.then_some(Health::Healthy),
        last_output: String::new(),
    }
}
