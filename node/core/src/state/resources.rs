//! What instances have and tasks take: CPU units, memory, host ports.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::documents::Protocol;

/// A port of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostPort {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// Which host port a container port gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// Inside the container.
    pub container_port: u16,
    /// On the host.
    pub host: HostPort,
    /// The mapping's name, where it has one.
    pub name: Option<String>,
}

/// Host ports from which dynamic ones are taken, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRange {
    /// Lowest.
    pub first: u16,
    /// Highest.
    pub last: u16,
}

impl Default for PortRange {
    /// Above Linux's own ephemeral ports (32768 to 60999), so that no outgoing connection sits on a port that is handed out.
    fn default() -> Self {
        Self {
            first: 61_000,
            last: 65_535,
        }
    }
}

impl PortRange {
    /// The port after `port`, round the range; the first if `port` lies outside.
    #[must_use]
    pub fn after(self, port: u16) -> u16 {
        if (self.first..self.last).contains(&port) {
            port + 1
        } else {
            self.first
        }
    }

    /// How many ports there are.
    #[must_use]
    pub fn count(self) -> usize {
        usize::from(self.last.saturating_sub(self.first)) + 1
    }
}

/// What an instance has, or what its tasks took of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU units, 1024 a core.
    pub cpu_units: u64,
    /// MiB.
    pub memory_mib: u64,
    /// GPUs; 0 unless the agent says otherwise.
    #[serde(default)]
    pub gpus: u64,
    /// Host ports: of an instance, those taken by others; of tasks, those they hold.
    pub ports: BTreeSet<HostPort>,
}
