//! What of an entry is told to whoever watches: changes of tasks, instances, services and deployments, in the order in which they happened.
//! `apply` notes them as it writes; how one looks outside (EventBridge's shapes) is the shell's affair.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use crate::ids::{ClusterName, DeploymentId, ServiceKey};
use crate::state::{Instance, Rollout, Task, WaitingTask};
use crate::time::Millis;

/// Something that changed. It shares the objects with the state, as they were just then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, by the state's time.
    pub at: Millis,
    /// What.
    pub what: What,
}

/// What changed, and what it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A task: each rise of its version is one event.
    Task {
        /// As it is now.
        task: Arc<Task>,
        /// Where it is.
        instance: Arc<Instance>,
    },
    /// A task that waits for room, or was stopped while it did: the same.
    Waiting(Arc<WaitingTask>),
    /// A container instance, or what is free on it.
    Instance(Arc<Instance>),
    /// A service said, or its scheduler did, what has a name of its own.
    Service(ServiceAction),
    /// A deployment of a service began, was completed or failed.
    Deployment {
        /// Whose.
        service: ServiceKey,
        /// Which.
        id: DeploymentId,
        /// How far it is.
        rollout: Rollout,
        /// The same for people.
        reason: String,
    },
}

/// A service's action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAction {
    /// Whose.
    pub service: ServiceKey,
    /// Its name.
    pub action: Action,
    /// The task set that it is about; `None`: the service as a whole.
    pub set: Option<DeploymentId>,
    /// For people; empty where the name says all.
    pub reason: String,
}

/// Names of service actions, those of ECS that happen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// All is as it should be.
    SteadyState,
    /// The same of a task set.
    TaskSetSteadyState,
    /// The scheduler, not an author, set the desired count.
    DesiredCountUpdated,
    /// Tasks do not start, or end before they are healthy.
    TaskStartImpaired,
    /// A task could not be placed.
    TaskPlacementFailure,
    /// Tasks are being moved to where they are better spread.
    RebalancingStarted,
    /// They are spread as well as they can be.
    RebalancingCompleted,
}

impl Action {
    /// ECS's word for it (`eventName`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SteadyState => "SERVICE_STEADY_STATE",
            Self::TaskSetSteadyState => "TASKSET_STEADY_STATE",
            Self::DesiredCountUpdated => "SERVICE_DESIRED_COUNT_UPDATED",
            Self::TaskStartImpaired => "SERVICE_TASK_START_IMPAIRED",
            Self::TaskPlacementFailure => "SERVICE_TASK_PLACEMENT_FAILURE",
            Self::RebalancingStarted => "SERVICE_REBALANCING_STARTED",
            Self::RebalancingCompleted => "SERVICE_REBALANCING_COMPLETED",
        }
    }

    /// How bad it is, in ECS's words (`eventType`).
    #[must_use]
    pub const fn severity(self) -> &'static str {
        match self {
            Self::SteadyState
            | Self::TaskSetSteadyState
            | Self::DesiredCountUpdated
            | Self::RebalancingStarted
            | Self::RebalancingCompleted => "INFO",
            Self::TaskStartImpaired => "WARN",
            Self::TaskPlacementFailure => "ERROR",
        }
    }
}

/// The kinds of events by which a reader may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ECS Task State Change.
    Task,
    /// ECS Container Instance State Change.
    Instance,
    /// ECS Service Action.
    Service,
    /// ECS Deployment State Change.
    Deployment,
}

impl Kind {
    /// The kind that a reader calls so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Task, Self::Instance, Self::Service, Self::Deployment];
        all.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What a reader calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Instance => "instance",
            Self::Service => "service",
            Self::Deployment => "deployment",
        }
    }
}

impl Event {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.what {
            What::Task { .. } | What::Waiting(_) => Kind::Task,
            What::Instance(_) => Kind::Instance,
            What::Service(_) => Kind::Service,
            What::Deployment { .. } => Kind::Deployment,
        }
    }

    /// The cluster in which it happened.
    #[must_use]
    pub fn cluster(&self) -> &ClusterName {
        match &self.what {
            What::Task { task, .. } => &task.cluster,
            What::Waiting(task) => &task.new.cluster,
            What::Instance(instance) => &instance.cluster,
            What::Service(action) => &action.service.cluster,
            What::Deployment { service, .. } => &service.cluster,
        }
    }
}

/// A place in the stream of all events: that of an event, or between two. The log's index comes first, so that a point means the same on
/// every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The entry.
    pub index: u64,
    /// Its event, counted from 1; 0 is before the first.
    pub place: u32,
}

impl Point {
    /// Behind all that entries up to `index` tell.
    #[must_use]
    pub const fn behind(index: u64) -> Self {
        Self {
            index: index.saturating_add(1),
            place: 0,
        }
    }
}

/// `INDEX.PLACE`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.place)
    }
}

/// A text that is no point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// No dot in it.
    #[error("a point is INDEX.PLACE")]
    NoDot,
    /// Not of numbers.
    #[error("a point is INDEX.PLACE, two numbers")]
    Number(#[from] ParseIntError),
}

impl FromStr for Point {
    type Err = PointError;

    fn from_str(text: &str) -> Result<Self, PointError> {
        let (index, place) = text.split_once('.').ok_or(PointError::NoDot)?;
        Ok(Self {
            index: index.parse()?,
            place: place.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_point_is_read_as_it_is_written() {
        let point = Point {
            index: 17,
            place: 3,
        };
        assert_eq!(point.to_string().parse(), Ok(point));
        assert!(point > Point::behind(16) && point < Point::behind(17));
        for text in ["", "17", "17.", ".3", "17.x", "-1.0", "17.3.1"] {
            assert!(text.parse::<Point>().is_err(), "{text}");
        }
    }
}
