//! When a task of a service counts as healthy. One place, for the scheduler's decisions and for `apply`'s accounting.

use super::task::{DesiredStatus, Task, TaskStatus};
use crate::time::Millis;

/// ECS: without a health check, a task is healthy once it has been RUNNING for this long.
pub const STEADY_MS: u64 = 40_000;

/// When the task becomes healthy if nothing happens to it; `None`: not by waiting.
#[must_use]
pub fn healthy_at(task: &Task) -> Option<Millis> {
    let runs = task.last == TaskStatus::Running && task.desired == DesiredStatus::Running;
    task.started_at
        .filter(|_| runs)
        .map(|at| at.plus_ms(STEADY_MS))
}

/// Whether the task counts towards the minimum healthy percent.
#[must_use]
pub fn is_healthy(task: &Task, now: Millis) -> bool {
    healthy_at(task).is_some_and(|at| at <= now)
}

/// Whether the task has to be replaced for its health, `grace_ms` after its start.
#[must_use]
pub fn is_unhealthy(_task: &Task, _now: Millis, _grace_ms: u64) -> bool {
    // Container health is not reported by agents yet: nothing can fail.
    false
}

/// Whether the task has been healthy when it ends at `now`.
#[must_use]
pub(crate) fn was_healthy(task: &Task, now: Millis) -> bool {
    let ended = task.execution_stopped_at.map_or(now, |at| at.min(now));
    task.started_at
        .is_some_and(|at| at.plus_ms(STEADY_MS) <= ended)
}
