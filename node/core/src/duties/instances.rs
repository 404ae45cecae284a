//! Silent instances: first they count as disconnected, later their tasks are given up.

use super::{Heard, Policy};
use crate::command::Command;
use crate::state::{Instance, InstanceStatus, State};

pub(super) fn owed(state: &State, heard: &Heard, policy: &Policy) -> Vec<Command> {
    let live = state
        .instances()
        .filter(|instance| instance.status != InstanceStatus::Inactive);
    live.filter_map(|instance| owed_to(state, instance, heard, policy))
        .collect()
}

fn owed_to(state: &State, instance: &Instance, heard: &Heard, policy: &Policy) -> Option<Command> {
    let silence_ms = heard.silence_ms(&instance.id);
    let (id, session) = (instance.id, instance.session);
    let has_tasks = || state.live_tasks_on(&id).next().is_some();
    if silence_ms >= policy.lost_after_ms && has_tasks() {
        return Some(Command::LoseInstance {
            instance: id,
            session,
        });
    }
    let is_silent = instance.connected && silence_ms >= policy.silent_after_ms;
    is_silent.then_some(Command::Disconnect {
        instance: id,
        session,
    })
}
