//! What TagResource and UntagResource are about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{
    ClusterName, DefinitionId, InstanceId, ProviderName, ServiceKey, TaskId, TaskSetKey,
};

/// A resource that has tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tagged {
    /// A cluster.
    Cluster(ClusterName),
    /// A revision of a task definition.
    Definition(DefinitionId),
    /// A container instance.
    Instance(InstanceId),
    /// A task, also one that waits for room.
    Task(TaskId),
    /// A service.
    Service(ServiceKey),
    /// A task set.
    TaskSet(TaskSetKey),
    /// A capacity provider.
    Provider(ProviderName),
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(name) => write!(f, "cluster {name}"),
            Self::Definition(id) => write!(f, "task definition {id}"),
            Self::Instance(id) => write!(f, "container instance {id}"),
            Self::Task(id) => write!(f, "task {id}"),
            Self::Service(key) => write!(f, "service {key}"),
            Self::TaskSet(key) => write!(f, "task set {key}"),
            Self::Provider(name) => write!(f, "capacity provider {name}"),
        }
    }
}
