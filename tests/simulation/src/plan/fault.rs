//! Faults: what goes wrong, where, when and for how long. How each is done is in `run::nemesis`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::world::Place;
use crate::world::network::Weather;

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// When it begins, in milliseconds since the run began.
    pub at_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// What it is.
    pub what: What,
}

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Whoever leads when the fault begins; the first node if nobody does.
    Leader,
    /// This node.
    Node(u64),
    /// This machine.
    Host(u32),
    /// This client.
    Client(u32),
}

/// Kinds of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Nothing gets from the one to the other; the other way is open.
    Cut(Target, Target),
    /// Nothing gets to or from it.
    Isolate(Target),
    /// What it says is not heard by anybody.
    Mute(Target),
    /// It hears nothing.
    Deafen(Target),
    /// Nothing gets from these places to all others, nor back.
    Split(Vec<Place>),
    /// Messages from the one to the other take longer, by so many milliseconds.
    Slow(Target, Target, u64),
    /// The whole network is like this.
    Storm(Weather),
    /// The node's process is killed; the machine goes on. Afterwards it starts again.
    Kill(Target),
    /// The node's machine loses power. Afterwards it starts again.
    Power(Target),
    /// The same, just before this operation of its disk, counted from when the fault begins.
    PowerAfter(Target, u64),
    /// All nodes lose power at once.
    Blackout,
    /// The node is stopped in order and started again.
    Restart(Target),
    /// An operation of the node's disk fails, after so many from when the fault begins.
    DiskFails(Target, u64),
    /// The node's disk has no room.
    DiskFull(Target),
    /// A sync of the node's disk takes longer, by so many milliseconds.
    DiskSlow(Target, u64),
    /// The wall clock there jumps by so many milliseconds, and back afterwards.
    ClockJump(Target, i64),
    /// The agent there is killed and started again.
    KillAgent(u32),
    /// The agent there is killed over and over.
    FlapAgent(u32),
    /// A second agent with the same identity runs on a machine of its own.
    CloneAgent(u32),
    /// The machine loses power, with its agent and all containers.
    HostPower(u32),
    /// The container runtime there takes longer, by up to so many milliseconds.
    RuntimeSlow(u32, u64),
    /// The container runtime there refuses everything.
    RuntimeRefuses(u32),
}

impl What {
    /// The kind, for tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cut(..) => "cut",
            Self::Isolate(_) => "isolate",
            Self::Mute(_) => "mute",
            Self::Deafen(_) => "deafen",
            Self::Split(_) => "split",
            Self::Slow(..) => "slow",
            Self::Storm(_) => "storm",
            Self::Kill(_) => "kill",
            Self::Power(_) => "power",
            Self::PowerAfter(..) => "power-after",
            Self::Blackout => "blackout",
            Self::Restart(_) => "restart",
            Self::DiskFails(..) => "disk-fails",
            Self::DiskFull(_) => "disk-full",
            Self::DiskSlow(..) => "disk-slow",
            Self::ClockJump(..) => "clock-jump",
            Self::KillAgent(_) => "kill-agent",
            Self::FlapAgent(_) => "flap-agent",
            Self::CloneAgent(_) => "clone-agent",
            Self::HostPower(_) => "host-power",
            Self::RuntimeSlow(..) => "runtime-slow",
            Self::RuntimeRefuses(_) => "runtime-refuses",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {} ms", self.what, self.for_ms)
    }
}
