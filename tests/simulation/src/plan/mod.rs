//! What a seed decides before the run begins: how big the world is, what clients do, and which faults happen when. A plan is a value
//! that can be written down, read back and made smaller.

mod draw;
mod fault;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::workload::Mix;
use crate::world::network::Weather;

pub use fault::{Fault, Target, What};

/// Everything about a run. Two runs of equal plans are equal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// What was drawn from, and all that is drawn during the run.
    pub seed: u64,
    /// How many nodes: 1, 3 or 5.
    pub nodes: u64,
    /// How many machines with agents.
    pub hosts: u32,
    /// How many clients.
    pub clients: u32,
    /// How long faults happen, in simulated milliseconds.
    pub safety_ms: u64,
    /// How long everything may take to come to rest after that.
    pub liveness_ms: u64,
    /// Entries between two snapshots, and entries kept behind one: few, so that both happen often.
    pub snapshot_every: u64,
    /// Entries kept behind a snapshot.
    pub entries_kept: u64,
    /// How often leaders show that they are there.
    pub heartbeat_ms: u64,
    /// How long followers wait for it, at least and at most.
    pub election_ms: (u64, u64),
    /// An instance silent for longer loses its tasks.
    pub lost_after_ms: u64,
    /// How long ended tasks stay visible.
    pub stopped_kept_ms: u64,
    /// How long ended containers stay on their machines.
    pub cleanup_wait_ms: u64,
    /// What a sync of a disk takes, in microseconds.
    pub sync_us: (u64, u64),
    /// The network when nothing is broken.
    pub weather: Weather,
    /// What clients do.
    pub mix: Mix,
    /// What goes wrong, by the time at which it begins.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// How long the part with faults is.
    #[must_use]
    pub fn safety(&self) -> Duration {
        Duration::from_millis(self.safety_ms)
    }

    /// How long the part without faults may take.
    #[must_use]
    pub fn liveness(&self) -> Duration {
        Duration::from_millis(self.liveness_ms)
    }
}
