//! What services say, in ECS's words: deploy tools read them.

use super::launch::closeness;
use super::plan::Plan;
use super::sight::{Member, Sight, Standing};
use crate::documents::Controller;
use crate::ids::{DeploymentId, TaskId};
use crate::placement::{Refusal, Refused, RuleError};

/// Ends messages about placement, as in ECS.
const MORE: &str =
    "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";

fn of(sight: &Sight<'_>, text: impl AsRef<str>) -> String {
    let (name, text) = (&sight.service.key.name, text.as_ref());
    match sight.set {
        Some(id) => format!("(service {name}, taskSet {id}) {text}"),
        None => format!("(service {name}) {text}"),
    }
}

/// What a step starts and stops.
pub(super) fn moves(sight: &Sight<'_>, plan: &mut Plan) {
    let sick: Vec<TaskId> = plan
        .stop
        .iter()
        .filter(|stop| stop.is_failure)
        .map(|stop| stop.task)
        .collect();
    for task in sick {
        let text = format!("(task {task}) failed container health checks.");
        plan.say(of(sight, text));
    }
    let started: Vec<TaskId> = plan.start.iter().map(|start| start.task.id).collect();
    if !started.is_empty() {
        let text = format!("has started {} tasks: {}.", started.len(), list(&started));
        plan.say(of(sight, text));
    }
    let stopped: Vec<TaskId> = plan.stop.iter().map(|stop| stop.task).collect();
    if !stopped.is_empty() {
        let text = format!(
            "has stopped {} running tasks: {}.",
            stopped.len(),
            list(&stopped)
        );
        plan.say(of(sight, text));
    }
}

fn list(tasks: &[TaskId]) -> String {
    let each: Vec<String> = tasks.iter().map(|task| format!("(task {task})")).collect();
    each.join(" ")
}

/// stoppedReason of a task that its service stops.
pub(super) fn stop_reason(sight: &Sight<'_>, member: &Member<'_>) -> String {
    let by = match sight.service.spec.controller {
        Controller::Ecs => sight.service.primary().map(|one| ("deployment", one.id)),
        Controller::External => {
            let of = member.task.service.as_ref();
            of.map(|of| ("taskSet", of.deployment))
        }
    };
    match member.standing {
        Standing::Unhealthy => "Task failed container health checks".to_owned(),
        Standing::Draining => "Service scheduler: container instance is DRAINING".to_owned(),
        Standing::Staying | Standing::Outdated | Standing::Ending => match by {
            Some((kind, id)) => format!("Scaling activity initiated by ({kind} {id})"),
            None => "Scaling activity initiated by the service scheduler".to_owned(),
        },
    }
}

/// The same of one that is stopped because another of the service's tasks was started where it is better placed.
pub(super) fn moved(sight: &Sight<'_>) -> String {
    match sight.service.primary() {
        Some(primary) => format!(
            "Rebalancing activity initiated by (deployment {})",
            primary.id
        ),
        None => "Rebalancing activity initiated by the service scheduler".to_owned(),
    }
}

pub(super) fn rebalancing(sight: &Sight<'_>) -> String {
    let text =
        "has started rebalancing its tasks across Availability Zones and container instances.";
    of(sight, text)
}

pub(super) fn rebalanced(sight: &Sight<'_>) -> String {
    let text =
        "has completed rebalancing its tasks across Availability Zones and container instances.";
    of(sight, text)
}

pub(super) fn steady(sight: &Sight<'_>) -> String {
    of(sight, "has reached a steady state.")
}

pub(super) fn completed(sight: &Sight<'_>, id: DeploymentId) -> String {
    of(sight, format!("(deployment {id}) deployment completed."))
}

pub(super) fn tripped(sight: &Sight<'_>, id: DeploymentId) -> String {
    let text = format!("(deployment {id}) deployment failed: tasks failed to start.");
    of(sight, text)
}

pub(super) fn stopped_by_caller(sight: &Sight<'_>, id: DeploymentId) -> String {
    let text = format!("(deployment {id}) deployment failed: stopped by StopServiceDeployment.");
    of(sight, text)
}

pub(super) fn held(sight: &Sight<'_>, id: DeploymentId) -> String {
    let text = format!("(deployment {id}) deployment failed: a lifecycle hook was not continued.");
    of(sight, text)
}

pub(super) fn rolling_back(sight: &Sight<'_>, to: DeploymentId) -> String {
    of(sight, format!("rolling back to deployment {to}."))
}

pub(super) fn impaired(sight: &Sight<'_>) -> String {
    of(sight, "is unable to consistently start tasks successfully.")
}

pub(super) fn blocked(sight: &Sight<'_>) -> String {
    of(
        sight,
        "was unable to stop or start tasks during a deployment because of the service deployment configuration. \
         Update the minimumHealthyPercent or maximumPercent value and try again.",
    )
}

pub(super) fn protected(sight: &Sight<'_>) -> String {
    let count = sight.members.iter().filter(|one| one.is_protected).count();
    of(
        sight,
        format!("was unable to stop tasks: {count} tasks are under task protection."),
    )
}

/// Why a task was not placed: no instances at all, or what is in the way on the one that came closest.
pub(super) fn not_placed(sight: &Sight<'_>, refused: &[Refused]) -> String {
    let head =
        "was unable to place a task because no container instance met all of its requirements.";
    // Of those that came equally far, the lowest id.
    let closest = refused.iter().rev().max_by_key(|one| closeness(&one.why));
    let why = match closest {
        None => "Reason: No Container Instances were found in your cluster.".to_owned(),
        Some(one) => format!(
            "The closest matching (container-instance {}) {}",
            one.instance,
            in_the_way(&one.why)
        ),
    };
    of(sight, format!("{head} {why} {MORE}"))
}

/// Rules that were taken when they were written, and that this version cannot read.
pub(super) fn unreadable(sight: &Sight<'_>, why: &RuleError) -> String {
    let head = "was unable to place a task because its placement rules can not be read:";
    of(sight, format!("{head} {why}"))
}

fn in_the_way(why: &Refusal) -> String {
    match why {
        Refusal::Cpu => "has insufficient CPU units available.".to_owned(),
        Refusal::Memory | Refusal::Overcommitted => "has insufficient memory available.".to_owned(),
        Refusal::Ports(_) => "is already using a port required by your task.".to_owned(),
        Refusal::Attribute(_) => "is missing an attribute required by your task.".to_owned(),
        Refusal::Capacity(_)
        | Refusal::NotActive
        | Refusal::AgentDisconnected
        | Refusal::Gpu
        | Refusal::MemberOf(_)
        | Refusal::DistinctInstance => format!("encountered error \"{why}\"."),
    }
}
