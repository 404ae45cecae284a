//! Tasks in PROVISIONING: they wait for room with their capacity provider, on no instance.
//!
//! They stand in a table of their own, because a [`super::Task`] is on one instance for life: all that holds of it (reservations, ports,
//! who is told to run it) would otherwise hold unless. One that finds room leaves the table and becomes a task under the same id; one
//! that is stopped before stays, STOPPED, until it is forgotten like others.

use serde::{Deserialize, Serialize};

use super::task::{DesiredStatus, StopCode, TaskStatus};
use crate::command::NewWaiting;
use crate::ids::ClusterName;
use crate::time::Millis;

/// A task that waits, or was stopped while it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingTask {
    /// What was asked for.
    pub new: NewWaiting,
    /// Its place in the order of its cluster: the lowest is looked at first.
    pub number: u64,
    /// When it was asked for.
    pub created_at: Millis,
    /// Its end, if nobody waits for it any more.
    pub stopped: Option<WaitingStop>,
}

/// How a task ended before it was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingStop {
    /// When.
    pub at: Millis,
    /// Why, in ECS's codes.
    pub code: StopCode,
    /// Why, for people.
    pub reason: String,
}

impl WaitingTask {
    /// RUNNING, until it is stopped.
    #[must_use]
    pub const fn desired(&self) -> DesiredStatus {
        match self.stopped {
            None => DesiredStatus::Running,
            Some(_) => DesiredStatus::Stopped,
        }
    }

    /// PROVISIONING, until it is stopped.
    #[must_use]
    pub const fn last(&self) -> TaskStatus {
        match self.stopped {
            None => TaskStatus::Provisioning,
            Some(_) => TaskStatus::Stopped,
        }
    }

    /// Rises by one with each change that makes an event.
    #[must_use]
    pub const fn version(&self) -> u64 {
        match self.stopped {
            None => 1,
            Some(_) => 2,
        }
    }
}

/// The tasks that wait in one cluster; there while there are any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Whose.
    pub cluster: ClusterName,
    /// Rises with each look: one decided on an older count is refused.
    pub steps: u64,
    /// Rises when a task joins, or room may have become free.
    pub changes: u64,
    /// The number of the task that joined last.
    pub last_number: u64,
    /// When they have to be looked at.
    pub look_at: Millis,
}
