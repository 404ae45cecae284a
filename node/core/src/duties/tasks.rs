//! Tasks that were told to stop long ago, and STOPPED ones that have been shown long enough.

use super::Policy;
use crate::command::Command;
use crate::ids::TaskId;
use crate::state::State;
use crate::time::Millis;

/// Tasks in one command: keeps entries far below the limit of the log (64 KiB a chunk).
const TASKS_PER_COMMAND: usize = 500;

pub(super) fn owed(state: &State, policy: &Policy, now: Millis) -> Vec<Command> {
    let overdue = state
        .overdue_stops(now.minus_ms(policy.stop_grace_ms))
        .take(TASKS_PER_COMMAND)
        .collect();
    let outlived = state
        .stopped_before(now.minus_ms(policy.stopped_kept_ms))
        .take(TASKS_PER_COMMAND)
        .collect();
    let some = |tasks: Vec<TaskId>| Some(tasks).filter(|tasks| !tasks.is_empty());
    let expire = some(overdue).map(|tasks| Command::ExpireStops { tasks });
    let forget = some(outlived).map(|tasks| Command::Forget { tasks });
    expire.into_iter().chain(forget).collect()
}
