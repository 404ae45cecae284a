//! What is proposed of tasks: the tasks themselves, placed, and what they were asked for with.

use serde::{Deserialize, Serialize};

use crate::documents::{Document, ServiceConstraint, ServiceStrategy, Tags};
use crate::ids::{ClusterName, ContainerId, DefinitionId, InstanceId, ProviderName, TaskId};
use crate::state::{HostPort, PortBinding};

/// A client's idempotency token (RunTask, StartTask) and what it was given with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// The cluster it was used in.
    pub cluster: ClusterName,
    /// Up to 64 printable characters.
    pub token: String,
    /// SHA-256 of the request's parameters: the same token with others is a conflict.
    pub fingerprint: [u8; 32],
}

/// What a call asked of placement. Nothing acts on it any more: where its tasks go is decided. Kept as texts, because an entry must be read
/// by every later version, whatever has become of the language of its expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its constraints, without those of the definition.
    pub constraints: Vec<ServiceConstraint>,
    /// Its strategies.
    pub strategies: Vec<ServiceStrategy>,
    /// What lots were drawn with.
    pub seed: u64,
    /// It named the instances itself (StartTask).
    pub is_named: bool,
}

/// A task, placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTask {
    /// Minted by the leader.
    pub id: TaskId,
    /// Its cluster.
    pub cluster: ClusterName,
    /// What it runs.
    pub definition: DefinitionId,
    /// Where it runs.
    pub instance: InstanceId,
    /// CPU units and memory reserved.
    pub reserved: Reservation,
    /// Its containers, in the definition's order.
    pub containers: Vec<NewContainer>,
    /// `family:NAME` unless the caller gave another.
    pub group: String,
    /// Who started it; empty if nobody said.
    pub started_by: String,
    /// TaskOverride, verbatim.
    pub overrides: Document,
    /// Its tags.
    pub tags: Tags,
    /// EC2 | EXTERNAL | FARGATE, as the caller asked.
    pub launch_type: String,
    /// The capacity provider that it was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// How long its containers may take from SIGTERM to the end.
    pub stop_timeout_ms: u64,
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
}

/// What a task takes from its instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// CPU units.
    pub cpu_units: u64,
    /// MiB.
    pub memory_mib: u64,
    /// GPUs.
    #[serde(default)]
    pub gpus: u64,
    /// Host ports, static and dynamic.
    pub ports: Vec<HostPort>,
}

/// A container of a task, placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewContainer {
    /// Last part of its ARN.
    pub id: ContainerId,
    /// Its name in the definition.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether its end is the task's.
    pub essential: bool,
    /// CPU units asked for; shown by DescribeTasks.
    pub cpu_units: u64,
    /// Hard memory limit; 0 = none.
    pub memory_mib: u64,
    /// Soft memory limit; 0 = none.
    pub memory_reservation_mib: u64,
    /// Which host port each of its ports gets.
    pub bindings: Vec<PortBinding>,
    /// Whether its definition has a health check.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_health_check: bool,
}
