//! The judge of steps: it counts tasks one by one and knows nothing of how they were decided.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use quorate_core::command::ServiceStep;
use quorate_core::documents::{Controller, Scheduling};
use quorate_core::state::{DesiredStatus, Rollout, Service, ServiceStatus, Task, TaskStatus};
use quorate_core::{Command, Millis, State};

/// ECS: without a health check a task is healthy after so long.
const STEADY_MS: u64 = 40_000;

pub(super) fn is_healthy(now: Millis, task: &Task) -> bool {
    let started = task.started_at.map(|at| at.0 + STEADY_MS <= now.0);
    task.last == TaskStatus::Running
        && task.desired == DesiredStatus::Running
        && started == Some(true)
}

fn members<'a>(state: &'a State, service: &'a Service) -> impl Iterator<Item = &'a Task> {
    let group = format!("service:{}", service.key.name);
    state
        .tasks()
        .filter(move |task| task.group == group && task.last != TaskStatus::Stopped)
}

/// Checks the bounds of a step at the index at which it was applied.
pub(super) fn check(before: &State, after: &State, command: &Command) -> Result<(), TestCaseError> {
    let Command::StepService(step) = command else {
        return Ok(());
    };
    let service = after.service(&step.key).unwrap();
    if service.status != ServiceStatus::Active {
        return Ok(());
    }
    if service.spec.controller == Controller::External {
        return super::sets::check(before, after, step);
    }
    // The step happened at the time that its entry brought.
    let now = after.now();
    let (desired, spec) = (service.spec.desired_count, &service.spec);
    let healthy = members(after, service)
        .filter(|task| is_healthy(now, task))
        .count() as u64;
    let all = members(after, service).count() as u64;
    let ends_healthy = step
        .stop
        .iter()
        .any(|stop| is_healthy(now, before.task(&stop.task).unwrap()));
    if ends_healthy {
        let least = (desired * spec.minimum_percent).div_ceil(100);
        prop_assert!(
            healthy >= least,
            "{} healthy of at least {}: {:?}",
            healthy,
            least,
            step
        );
    }
    if !step.start.is_empty() {
        let most = desired * spec.maximum_percent / 100;
        prop_assert!(all <= most, "{} tasks of at most {}: {:?}", all, most, step);
    }
    check_protection(before, now, step)
}

fn check_protection(before: &State, now: Millis, step: &ServiceStep) -> Result<(), TestCaseError> {
    for stop in &step.stop {
        let task = before.task(&stop.task).unwrap();
        let is_protected = task.protected_until.is_some_and(|at| at > now);
        prop_assert!(!is_protected, "{} is protected", task.id);
    }
    Ok(())
}

/// After a long time without faults.
pub(super) fn is_at_rest(state: &State, service: &Service) -> Result<(), TestCaseError> {
    let all: Vec<&Task> = members(state, service).collect();
    if service.status != ServiceStatus::Active {
        prop_assert_eq!(service.status, ServiceStatus::Inactive);
        prop_assert_eq!(all.len(), 0);
        return Ok(());
    }
    if service.spec.controller == Controller::External {
        return super::sets::is_at_rest(state, service);
    }
    let spec = &service.spec;
    let has_failed = service.deployments[0].rollout == Rollout::Failed;
    let is_stuck =
        spec.minimum_percent == 100 && spec.maximum_percent < 200 || spec.desired_count < 4;
    if has_failed || is_stuck && service.deployments.len() > 1 {
        return Ok(());
    }
    prop_assert_eq!(all.len() as u64, spec.desired_count, "{:?}", service);
    prop_assert!(all.iter().all(|task| is_healthy(state.now(), task)));
    prop_assert_eq!(service.deployments.len(), 1);
    prop_assert_eq!(service.deployments[0].rollout, Rollout::Completed);
    if spec.scheduling == Scheduling::Daemon {
        let mut each: BTreeMap<_, u64> = BTreeMap::new();
        all.iter()
            .for_each(|task| *each.entry(task.instance).or_default() += 1);
        prop_assert!(each.values().all(|count| *count == 1));
    }
    Ok(())
}
