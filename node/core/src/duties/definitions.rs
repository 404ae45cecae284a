//! Revisions of task definitions that are being deleted.

use crate::command::Command;
use crate::state::State;
use crate::time::Millis;

pub(super) fn owed(state: &State, now: Millis) -> Option<Command> {
    let mut due = state.deletions_due(now);
    due.next().map(|_| Command::PurgeDefinitions)
}
