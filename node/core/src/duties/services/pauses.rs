//! Deployments that wait at PAUSE hooks: before their first task, and when all their tasks are healthy.

use super::plan::Plan;
use super::sight::Sight;
use crate::command::Turn;
use crate::documents::Stage;
use crate::state::{Deployment, PauseStatus, Rollout, Service, ServiceDeployment, State};

/// Stages before the first task of a deployment.
const BEFORE: [Stage; 2] = [Stage::ReconcileService, Stage::PreScaleUp];

/// The first of `stages` that the service's hooks make the deployment wait at and that is not behind it.
fn gate(service: &Service, record: &ServiceDeployment, stages: &[Stage]) -> Option<Stage> {
    let has_hook = |stage: &Stage| {
        let mut hooks = service.spec.hooks.iter();
        let applies = *stage != Stage::ReconcileService || record.sources.len() > 1;
        applies && hooks.any(|hook| hook.stages.contains(stage))
    };
    let waits = |stage: &Stage| {
        let mut of_stage = record.pauses.iter().filter(|one| one.stage == *stage);
        let is_new = of_stage.clone().next().is_none() && has_hook(stage);
        is_new || of_stage.any(|one| one.status == PauseStatus::Awaiting)
    };
    stages.iter().copied().find(waits)
}

/// The deployment that tasks should be of. While PRIMARY may not start its first, the last completed one is kept up.
pub(super) fn lead<'a>(state: &State, service: &'a Service) -> Option<&'a Deployment> {
    let primary = service.primary()?;
    let record = state.service_deployment(primary.id);
    let waits = primary.rollout == Rollout::InProgress
        && record.is_some_and(|record| {
            !record.status.is_final() && gate(service, record, &BEFORE).is_some()
        });
    if waits {
        let before = service.completed.filter(|id| *id != primary.id)?;
        service.deployment(before)
    } else {
        Some(primary)
    }
}

/// Lets PRIMARY wait where it has to; whether it does.
pub(super) fn holds(sight: &Sight<'_>, plan: &mut Plan, primary: &Deployment, at: When) -> bool {
    let Some(record) = sight.state.service_deployment(primary.id) else {
        return false;
    };
    let stages: &[Stage] = match at {
        When::BeforeTasks => &BEFORE,
        When::AllHealthy => &[Stage::PostScaleUp],
    };
    let is_open = primary.rollout == Rollout::InProgress && !record.status.is_final();
    let Some(stage) = gate(sight.service, record, stages).filter(|_| is_open) else {
        return false;
    };
    let mut awaiting = record.pauses.iter().filter(|one| one.stage == stage);
    if awaiting.clone().next().is_none() {
        let deployment = primary.id;
        plan.turns.push(Turn::Pause { deployment, stage });
        plan.is_turning_back = true;
    } else if awaiting
        .clone()
        .any(|one| one.status == PauseStatus::Awaiting && one.expires_at <= sight.now)
    {
        plan.turns.push(Turn::TimeOut(primary.id));
        plan.is_turning_back = true;
    } else {
        awaiting
            .by_ref()
            .filter(|one| one.status == PauseStatus::Awaiting)
            .for_each(|one| plan.look_at(Some(one.expires_at)));
    }
    true
}

/// Which of a deployment's stages are asked about.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// Before its first task is started.
    BeforeTasks,
    /// When all its tasks are healthy.
    AllHealthy,
}
