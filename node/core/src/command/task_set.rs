//! What is proposed of task sets, and what of it is refused.

use serde::{Deserialize, Serialize};

use super::NewDeployment;
use crate::documents::{Scale, Tags};
use crate::ids::{ServiceKey, TaskSetKey};
use crate::state::TaskSetToken;

/// CreateTaskSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTaskSet {
    /// Whose.
    pub service: ServiceKey,
    /// Its number, and the parameters that its author wrote.
    pub deploy: NewDeployment,
    /// How much of the service it is.
    pub scale: Scale,
    /// Its name in the caller's system; empty if there is none.
    pub external_id: String,
    /// The same task set again is no error; with another input it is.
    pub token: Option<TaskSetToken>,
    /// Its tags.
    pub tags: Tags,
}

/// UpdateTaskSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSetUpdate {
    /// Which.
    pub key: TaskSetKey,
    /// How much of the service it is now.
    pub scale: Scale,
}

/// DeleteTaskSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSetDeletion {
    /// Which.
    pub key: TaskSetKey,
    /// Also while it is PRIMARY or wants tasks, and with protected ones.
    pub force: bool,
}

/// What is refused because of task sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum TaskSetRejection {
    /// A task set of a service whose controller is not EXTERNAL.
    #[error("service {0} is not under an EXTERNAL controller")]
    NotExternal(ServiceKey),
    /// A deployment of a service whose controller is.
    #[error("service {0} is deployed by task sets only")]
    External(ServiceKey),
    /// DeleteService without force while there are task sets.
    #[error("service {0} has task sets")]
    Remain(ServiceKey),
    /// No such task set.
    #[error("task set {0} does not exist")]
    NotFound(TaskSetKey),
    /// One more than ECS takes.
    #[error("service {service} has {count} task sets")]
    TooMany {
        /// Whose.
        service: ServiceKey,
        /// How many there are.
        count: u64,
    },
    /// CreateTaskSet with the token of another request.
    #[error("task set {0} was made by another request with the same token")]
    Exists(TaskSetKey),
    /// DeleteTaskSet without force while it wants tasks.
    #[error("task set {0} is scaled above 0")]
    Scaled(TaskSetKey),
    /// DeleteTaskSet without force of the one that is PRIMARY.
    #[error("task set {0} is PRIMARY")]
    Primary(TaskSetKey),
    /// A change to one that was deleted.
    #[error("task set {0} is DRAINING")]
    Draining(TaskSetKey),
}
