//! What is proposed of capacity providers, and of tasks that wait for room with one.

use serde::{Deserialize, Serialize};

use super::{NewContainer, NewTask, Reservation};
use crate::documents::{Document, ProviderSpec, ServiceConstraint, ServiceStrategy, Tags};
use crate::ids::{ClusterName, DefinitionId, ProviderName, TaskId};
use crate::time::Millis;

/// CreateCapacityProvider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewProvider {
    /// Its name.
    pub name: ProviderName,
    /// As its author wrote it, without name and tags.
    pub document: Document,
    /// The same, parsed by the leader.
    pub spec: ProviderSpec,
    /// Its tags.
    pub tags: Tags,
}

/// A task that waits for room with its capacity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWaiting {
    /// Minted by the leader; the task keeps it when it is placed.
    pub id: TaskId,
    /// Its cluster.
    pub cluster: ClusterName,
    /// What it waits for.
    pub wish: Wish,
    /// What it will take from its instance; no ports yet.
    pub reserved: Reservation,
    /// Its containers, in the definition's order; no bindings yet.
    pub containers: Vec<NewContainer>,
    /// Who started it; empty if nobody said.
    pub started_by: String,
    /// Its tags.
    pub tags: Tags,
    /// How long its containers may take from SIGTERM to the end.
    pub stop_timeout_ms: u64,
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
}

/// What decides where a waiting task can go: tasks with equal wishes wait for the same room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What it runs.
    pub definition: DefinitionId,
    /// Whose instances.
    pub provider: ProviderName,
    /// `family:NAME` unless the caller gave another.
    pub group: String,
    /// TaskOverride, verbatim.
    pub overrides: Document,
    /// placementConstraints of the call.
    pub constraints: Vec<ServiceConstraint>,
    /// placementStrategy of the call.
    pub strategies: Vec<ServiceStrategy>,
}

/// What a look at the tasks that wait in a cluster came to. All of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStep {
    /// Whose.
    pub cluster: ClusterName,
    /// Steps before this one; another count and it is refused: no decision is carried out twice.
    pub seen_steps: u64,
    /// Changes seen; others have come meanwhile, and it is looked again at once.
    pub seen_changes: u64,
    /// Tasks that found room, placed, under the ids that they waited with.
    pub tasks: Vec<NewTask>,
    /// When to look again, if nothing changes before.
    pub look_at: Millis,
}
