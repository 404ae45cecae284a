//! When a task of a service counts as healthy: what its containers' checks say, or for how long it runs. One place, for the
//! scheduler's decisions and for `apply`'s accounting.

use super::health_status::Health;
use super::task::{DesiredStatus, Task, TaskStatus};
use crate::time::Millis;

/// ECS: without a health check, a task is healthy once it has been RUNNING for this long.
pub const STEADY_MS: u64 = 40_000;

/// When the task becomes healthy if nothing happens to it; `None`: not by waiting.
#[must_use]
pub fn healthy_at(task: &Task) -> Option<Millis> {
    let started_at = task.started_at.filter(|_| runs(task))?;
    if task.has_health_check() {
        // Of a task of before that was kept its start stands for it: one that ran before a failure ends no row of failures.
        let said_at = task.healthy_at.unwrap_or(started_at);
        (task.health() == Health::Healthy).then_some(said_at.max(started_at))
    } else {
        Some(started_at.plus_ms(STEADY_MS))
    }
}

/// Whether the task counts towards the minimum healthy percent.
#[must_use]
pub fn is_healthy(task: &Task, now: Millis) -> bool {
    healthy_at(task).is_some_and(|at| at <= now)
}

/// When the task has to be replaced for its health, if its checks go on failing: at once, but not before `grace_ms` after its start.
/// `None`: they do not fail.
#[must_use]
pub fn unhealthy_at(task: &Task, grace_ms: u64) -> Option<Millis> {
    let fails = runs(task) && task.health() == Health::Unhealthy;
    let started_at = task.started_at.filter(|_| fails)?;
    Some(started_at.plus_ms(grace_ms))
}

fn runs(task: &Task) -> bool {
    task.last == TaskStatus::Running && task.desired == DesiredStatus::Running
}

/// Whether the task has been healthy when it ends at `now`. Of its checks the last word counts.
#[must_use]
pub(crate) fn was_healthy(task: &Task, now: Millis) -> bool {
    if task.has_health_check() {
        return task.health() == Health::Healthy;
    }
    let ended = task.execution_stopped_at.map_or(now, |at| at.min(now));
    task.started_at
        .is_some_and(|at| at.plus_ms(STEADY_MS) <= ended)
}
