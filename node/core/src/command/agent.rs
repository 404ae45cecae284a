//! What agents say: who they are, and what they see of their tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::documents::Tags;
use crate::ids::{ClusterName, InstanceId, NodeId, SessionId, TaskId};
use crate::state::{
    ContainerStatus, Health, InstanceVersion, PortBinding, PortRange, Resources, StopCode,
    TaskStatus,
};
use crate::time::Millis;

/// An agent's registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInstance {
    /// The id it has, or the one it gets if it is new.
    pub id: InstanceId,
    /// Whether the agent says that it has been registered under `id` before.
    pub returning: bool,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Made once by the agent; a repeated first registration finds its instance by it.
    pub token: String,
    /// This connection.
    pub session: SessionId,
    /// The node it is connected to.
    pub node: NodeId,
    /// What it has.
    pub resources: Resources,
    /// Where dynamic host ports are taken from.
    pub dynamic_ports: PortRange,
    /// What it is; the value is empty where there is none.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Tags,
    /// Of agent and engine.
    pub version: InstanceVersion,
    /// Its host's name.
    pub hostname: String,
}

/// What an agent saw of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskObserved {
    /// Which.
    pub task: TaskId,
    /// PENDING, RUNNING or STOPPED.
    pub status: TaskStatus,
    /// Its containers.
    pub containers: Vec<ContainerObserved>,
    /// First image pull began.
    pub pull_started_at: Option<Millis>,
    /// Last image pull ended.
    pub pull_stopped_at: Option<Millis>,
    /// Its containers ended.
    pub execution_stopped_at: Option<Millis>,
    /// Why it ended, where the agent knows.
    pub stop_code: Option<StopCode>,
    /// The same for people; empty if there is nothing to say.
    pub reason: String,
}

impl TaskObserved {
    /// The status alone: nothing is said of containers, times or reasons.
    #[must_use]
    pub const fn of(task: TaskId, status: TaskStatus) -> Self {
        Self {
            task,
            status,
            containers: Vec::new(),
            pull_started_at: None,
            pull_stopped_at: None,
            execution_stopped_at: None,
            stop_code: None,
            reason: String::new(),
        }
    }
}

/// What an agent saw of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerObserved {
    /// Its name in the definition.
    pub name: String,
    /// PENDING, RUNNING or STOPPED.
    pub status: ContainerStatus,
    /// The engine's id for it; empty before it exists.
    pub runtime_id: String,
    /// How its process ended.
    pub exit_code: Option<i32>,
    /// Why, where there is more to say.
    pub reason: String,
    /// Digest of the image used; empty if unknown.
    pub image_digest: String,
    /// Where its ports really are; empty: where the control plane said.
    pub bindings: Vec<PortBinding>,
    /// What its health check says; absent where there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What it printed last, where it did not end with 0.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_output: String,
}
