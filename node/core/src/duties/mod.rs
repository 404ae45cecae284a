//! What a leader owes the state now. Pure: called often, by whoever leads, on the state as it is; proposing twice is harmless.

mod definitions;
mod instances;
pub(crate) mod services;
mod tasks;
mod waiting;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use quorate_bugs::{Bug, is_seeded};

use crate::command::Command;
use crate::ids::InstanceId;
use crate::mint::Mint;
use crate::state::State;
use crate::time::Millis;

/// Settings of the duties; the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// A connected agent that is silent for longer counts as disconnected.
    pub silent_after_ms: u64,
    /// An instance that is silent for longer loses its tasks.
    pub lost_after_ms: u64,
    /// How much longer than its stop timeout a task may take before it is ended without its agent.
    pub stop_grace_ms: u64,
    /// How long STOPPED tasks stay visible. ECS: at least an hour.
    pub stopped_kept_ms: u64,
    /// How many tasks, of all services together, begin to be moved within a minute to be spread better; 0: none ever.
    pub moves_per_minute: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            silent_after_ms: 10_000,
            lost_after_ms: 60_000,
            stop_grace_ms: 120_000,
            stopped_kept_ms: 3_600_000,
            moves_per_minute: 10,
        }
    }
}

/// What only a leader knows, and may lose: how long each agent has been silent, by the leader's monotonic clock.
///
/// Wall clocks have no say in whether an instance is lost, and an election never makes a healthy one lost: nobody has been silent
/// for longer than the leader is in office.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// How long this leader is in office.
    pub office_ms: u64,
    /// How long ago each instance gave a sign of life in this term of office.
    pub silent_ms: BTreeMap<InstanceId, u64>,
}

impl Heard {
    /// How long the instance has been silent, as far as this leader can know.
    #[must_use]
    pub fn silence_ms(&self, instance: &InstanceId) -> u64 {
        if is_seeded(Bug::LostTooEarly) {
            return self.silent_ms.get(instance).copied().unwrap_or(u64::MAX);
        }
        self.silent_ms
            .get(instance)
            .map_or(self.office_ms, |silent| (*silent).min(self.office_ms))
    }
}

/// All that a leader owes the state now, in the order in which it is to be done: what comes later counts on what comes before.
///
/// Costs what is due, not what exists: deadlines and services that are to be looked at are found by their time.
#[must_use]
pub fn duties(
    state: &State,
    heard: &Heard,
    policy: &Policy,
    now: Millis,
    mint: &mut Mint,
) -> Vec<Command> {
    let now = now.max(state.now());
    let mut owed = instances::owed(state, heard, policy);
    owed.extend(tasks::owed(state, policy, now));
    owed.extend(definitions::owed(state, now));
    waiting::owe(state, now, mint, &mut owed);
    services::owe(state, policy, now, mint, &mut owed);
    owed
}
