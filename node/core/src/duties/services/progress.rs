//! What becomes of a service's deployments: failed, rolled back, completed, retired; and of a service that was deleted.

use super::pauses::When;
use super::plan::Plan;
use super::sight::{Member, Sight, Standing};
use super::{pauses, words};
use crate::command::Turn;
use crate::ids::DeploymentId;
use crate::state::health::healthy_at;
use crate::state::{Deployment, Pause, PauseStatus, Rollout, RolloutStatus, Topic};

/// rolloutStateReason of a deployment that the circuit breaker ended.
const TRIPPED: &str = "ECS deployment circuit breaker: task failed to start.";
/// The same of one that a caller ended.
const STOPPED: &str = "Stopped by StopServiceDeployment.";

/// A service that was deleted: all its tasks end, then it is INACTIVE.
pub(super) fn end(sight: &Sight<'_>, plan: &mut Plan) {
    if sight.members.is_empty() {
        plan.turns.push(Turn::End);
        return;
    }
    let live = |member: &&Member<'_>| member.standing != Standing::Ending;
    for member in sight.members.iter().filter(live) {
        plan.stop(sight, member);
    }
}

/// What becomes of the deployments before anything moves.
pub(super) fn turns(sight: &Sight<'_>, plan: &mut Plan) {
    let Some(primary) = sight.service.primary() else {
        return;
    };
    if let Some(why) = ends_early(sight, primary) {
        plan.is_turning_back = true;
        turn_back(sight, plan, primary, why);
        return;
    }
    if pauses::holds(sight, plan, primary, When::BeforeTasks) {
        return;
    }
    recover(sight, plan);
    for old in sight.service.deployments.iter().skip(1) {
        if !sight.members.iter().any(|member| member.is_of(old.id)) {
            plan.turns.push(Turn::Retire(old.id));
        }
    }
    if !sight.is_steady() {
        return;
    }
    if pauses::holds(sight, plan, primary, When::AllHealthy) {
        return;
    }
    if primary.rollout == Rollout::InProgress {
        plan.turns.push(Turn::Complete(primary.id));
        plan.say(words::completed(sight, primary.id));
    }
    if primary.rollout == Rollout::Failed {
        return;
    }
    plan.is_steady = true;
    if !sight.service.is_rebalancing() {
        plan.say_about(sight, Topic::SteadyState, words::steady(sight));
    }
}

/// The same of one that was not continued at a lifecycle hook.
const HELD: &str = "A lifecycle hook was not continued.";

/// Why a deployment ends before it is complete.
enum Early {
    /// The circuit breaker says so.
    Tripped,
    /// A caller wants it to end, or to be rolled back.
    Asked { is_rollback: bool },
    /// It was told not to go on at a hook, or not told in time.
    Held,
}

fn ends_early(sight: &Sight<'_>, primary: &Deployment) -> Option<Early> {
    if primary.rollout != Rollout::InProgress {
        return None;
    }
    let record = sight.state.service_deployment(primary.id);
    let status = record.map(|record| record.status);
    let is_rollback = status == Some(RolloutStatus::RollbackRequested);
    let is_held = |one: &Pause| matches!(one.status, PauseStatus::Failed | PauseStatus::TimedOut);
    let mut pauses = record.into_iter().flat_map(|record| &record.pauses);
    if is_rollback && pauses.any(is_held) {
        return Some(Early::Held);
    }
    if is_rollback || status == Some(RolloutStatus::StopRequested) {
        return Some(Early::Asked { is_rollback });
    }
    let spec = &sight.service.spec;
    let failures = if spec.breaker.reset_on_healthy_task {
        primary.failed_in_row
    } else {
        primary.failed_in_all
    };
    let limit = spec.breaker.threshold.failures(spec.desired_count);
    (spec.breaker.enabled && failures >= limit).then_some(Early::Tripped)
}

/// Back to the last completed deployment where there is one to go back to, else to a stop.
fn turn_back(sight: &Sight<'_>, plan: &mut Plan, primary: &Deployment, why: Early) {
    let service = sight.service;
    let (reason, wants_rollback) = match why {
        Early::Tripped => (TRIPPED, service.spec.breaker.rollback),
        Early::Asked { is_rollback } => (STOPPED, is_rollback),
        Early::Held => (HELD, true),
    };
    plan.say(match why {
        Early::Tripped => words::tripped(sight, primary.id),
        Early::Asked { .. } => words::stopped_by_caller(sight, primary.id),
        Early::Held => words::held(sight, primary.id),
    });
    let is_coming_back = service.rolling_back.is_some();
    let back = service
        .completed
        .filter(|to| wants_rollback && !is_coming_back && *to != primary.id);
    match back {
        Some(to) => {
            plan.turns.push(Turn::RollBack {
                from: primary.id,
                to,
                reason: reason.to_owned(),
                back_reason: back_reason(&why, to),
            });
            plan.say(words::rolling_back(sight, to));
        }
        None => plan.turns.push(Turn::Fail {
            deployment: primary.id,
            reason: reason.to_owned(),
            tripped: matches!(why, Early::Tripped),
        }),
    }
}

fn back_reason(why: &Early, to: DeploymentId) -> String {
    match why {
        Early::Tripped => {
            format!("ECS deployment circuit breaker: rolling back to deploymentId {to}.")
        }
        Early::Asked { .. } | Early::Held => format!("Rolling back to deploymentId {to}."),
    }
}

/// A task that became healthy after the last failure ends a row of failures.
pub(super) fn recover(sight: &Sight<'_>, plan: &mut Plan) {
    for deployment in &sight.service.deployments {
        let Some(failed_at) = deployment.failed_at else {
            continue;
        };
        let is_well = |member: &Member<'_>| {
            member.is_of(deployment.id)
                && member.is_healthy
                && healthy_at(member.task).is_some_and(|at| at > failed_at)
        };
        if deployment.failed_in_row > 0 && sight.members.iter().any(is_well) {
            plan.turns.push(Turn::Recover(deployment.id));
            plan.recovers = true;
        }
    }
}
