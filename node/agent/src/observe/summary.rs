//! What the picture of a task amounts to in the words of the wire: ECS's statuses, and what is known of each container.

use quorate_proto::agent as wire;

use super::{Cause, ObservedContainer, ObservedTask, Phase};
use crate::assigned::AssignedTask;
use crate::runtime::{Port, TaskId};

/// What one task amounts to.
pub(super) fn summarise(
    id: &TaskId,
    assigned: Option<&AssignedTask>,
    seen: &ObservedTask,
) -> wire::TaskObserved {
    let unseen = assigned
        .into_iter()
        .flat_map(|task| task.containers.keys())
        .filter(|name| !seen.containers.contains_key(*name));
    let unseen_status = if seen.ended { "STOPPED" } else { "PENDING" };
    let unseen = unseen.map(|name| wire::ContainerObserved {
        name: name.clone(),
        status: unseen_status.to_owned(),
        ..Default::default()
    });
    let status = match (seen.ended, seen.ran) {
        (true, _) => "STOPPED",
        (false, true) => "RUNNING",
        (false, false) => "PENDING",
    };
    let (stop_code, reason) = match &seen.cause {
        Some(Cause::EssentialExited) => (
            "EssentialContainerExited",
            "Essential container in task exited".to_owned(),
        ),
        Some(Cause::FailedToStart(reason)) => ("TaskFailedToStart", reason.clone()),
        Some(Cause::Requested | Cause::GivenUp) | None => ("", String::new()),
    };
    let started_exits = seen
        .containers
        .values()
        .filter_map(ObservedContainer::exit)
        .filter(|exit| !exit.never_started);
    let execution_stopped = started_exits
        .map(|exit| exit.at_ms)
        .max()
        .filter(|_| seen.ended);
    wire::TaskObserved {
        task_id: id.as_str().to_owned(),
        status: status.to_owned(),
        containers: seen
            .containers
            .values()
            .map(summarise_container)
            .chain(unseen)
            .collect(),
        pull_started_ms: seen.pull_started_ms,
        pull_stopped_ms: seen.pull_stopped_ms,
        execution_stopped_ms: execution_stopped.unwrap_or(0),
        stop_code: stop_code.to_owned(),
        reason,
    }
}

fn summarise_container(container: &ObservedContainer) -> wire::ContainerObserved {
    let status = match container.phase {
        Phase::Starting | Phase::Created => "PENDING",
        Phase::Running => "RUNNING",
        Phase::Exited(_) => "STOPPED",
    };
    let bindings = if container.has_been_started() {
        container.tag.ports.iter().map(binding).collect()
    } else {
        Vec::new()
    };
    wire::ContainerObserved {
        name: container.tag.key.container.clone(),
        status: status.to_owned(),
        runtime_id: container.runtime_id.clone().unwrap_or_default(),
        exit_code: container.exit().and_then(|exit| exit.code),
        reason: container
            .exit()
            .map(|exit| exit.reason.clone())
            .unwrap_or_default(),
        bind_ip: if bindings.is_empty() {
            String::new()
        } else {
            "0.0.0.0".to_owned()
        },
        bindings,
        image_digest: container.image_digest.clone(),
        health: health(container),
        last_output: container
            .exit()
            .map(|exit| exit.last_output.clone())
            .unwrap_or_default(),
    }
}

/// Nothing is said of what does not run: the control plane keeps what it heard last.
fn health(container: &ObservedContainer) -> String {
    let health = container
        .health
        .as_ref()
        .filter(|_| container.phase == Phase::Running);
    health.map_or_else(String::new, |health| health.status.as_str().to_owned())
}

fn binding(port: &Port) -> wire::PortMapping {
    wire::PortMapping {
        container_port: port.container.into(),
        host_port: port.host.into(),
        protocol: port.protocol.as_str().to_owned(),
        name: String::new(),
    }
}
