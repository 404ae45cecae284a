//! A container instance, as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_bugs::{Bug, is_seeded};
use serde::{Deserialize, Serialize};

use super::resources::{PortRange, Resources};
use crate::documents::Tags;
use crate::ids::{ClusterName, InstanceId, NodeId, SessionId};
use crate::time::Millis;

/// Where an instance is in its life. Whether its agent is connected is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstanceStatus {
    /// Takes tasks.
    Active,
    /// Takes no more tasks.
    Draining,
    /// Deregistered.
    Inactive,
}

impl InstanceStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// Versions of what runs on an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceVersion {
    /// Of the agent.
    pub agent_version: String,
    /// Of the agent's source.
    pub agent_hash: String,
    /// Of the engine, as ECS writes it (`DockerVersion: 20.10.24`); empty without one.
    pub docker_version: String,
}

/// A container instance. Each task that begins or ends makes a new one: what is large and stays the same is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id for life.
    pub id: InstanceId,
    /// Its cluster for life.
    pub cluster: ClusterName,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: InstanceStatus,
    /// Whether its agent's stream stands.
    pub connected: bool,
    /// The newest session of its agent.
    pub session: SessionId,
    /// The node that its agent is, or last was, connected to.
    pub node: NodeId,
    /// Which life of its registration this is: rises when its tasks were given up.
    pub incarnation: u64,
    /// The token of its first registration.
    pub token: String,
    /// What it has; its ports are those that others hold.
    pub registered: Resources,
    /// What its tasks hold.
    pub reserved: Resources,
    /// Where dynamic host ports are taken from.
    pub dynamic_ports: PortRange,
    /// The dynamic port given last; the search goes on behind it, so that a freed port rests.
    pub dynamic_cursor: u16,
    /// True when it came back with less than its tasks hold; nothing is placed on it until it fits again.
    pub is_overcommitted: bool,
    /// What its agent says it is; the value is empty where there is none.
    pub attributes: Arc<BTreeMap<String, String>>,
    /// What people say it is (PutAttributes), kept apart: they outlive a registration and win over the agent's.
    #[serde(default)]
    pub custom_attributes: Arc<BTreeMap<String, String>>,
    /// Its tags.
    pub tags: Tags,
    /// Of agent and engine.
    pub version: InstanceVersion,
    /// Its host's name.
    pub hostname: String,
    /// When it was registered first.
    pub registered_at: Millis,
    /// When `connected` changed last.
    pub connection_changed_at: Millis,
    /// Rises by one with each change of the instance or its resources, as ECS counts (`version`).
    pub change_count: u64,
}

impl Instance {
    /// CPU units not reserved.
    #[must_use]
    pub fn cpu_units_free(&self) -> u64 {
        self.registered
            .cpu_units
            .saturating_sub(self.reserved.cpu_units)
    }

    /// MiB not reserved.
    #[must_use]
    pub fn memory_mib_free(&self) -> u64 {
        self.registered
            .memory_mib
            .saturating_sub(self.reserved.memory_mib)
    }

    /// GPUs not reserved.
    #[must_use]
    pub fn gpus_free(&self) -> u64 {
        self.registered.gpus.saturating_sub(self.reserved.gpus)
    }

    /// The value of an attribute, the custom one first; empty where it has the attribute without a value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let custom = self.custom_attributes.get(name);
        custom
            .or_else(|| self.attributes.get(name))
            .map(String::as_str)
    }

    /// All attributes by name, each with the value that counts.
    #[must_use]
    pub fn all_attributes(&self) -> BTreeMap<&str, &str> {
        let all = self.attributes.iter().chain(self.custom_attributes.iter());
        all.map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Whether new tasks may be placed on it at all.
    #[must_use]
    pub fn takes_tasks(&self) -> bool {
        let is_in_service = self.status == InstanceStatus::Active
            || self.status == InstanceStatus::Draining && is_seeded(Bug::DrainedTakesTasks);
        is_in_service && self.connected && !self.is_overcommitted
    }

    /// Whether its tasks hold more than it has.
    #[must_use]
    pub fn exceeds(&self) -> bool {
        self.reserved.cpu_units > self.registered.cpu_units
            || self.reserved.memory_mib > self.registered.memory_mib
            || self.reserved.gpus > self.registered.gpus
            || !self.reserved.ports.is_disjoint(&self.registered.ports)
    }
}
