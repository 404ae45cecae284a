//! A service, as it is: what it should be, what is being deployed, what it has said, and when the scheduler looks at it again.

use serde::{Deserialize, Serialize};

use super::Balance;
use super::task_set::TaskSet;
use crate::documents::{Controller, Document, Scheduling, ServiceSpec, Tags};
use crate::ids::{DefinitionId, DeploymentId, ServiceKey};
use crate::time::Millis;

/// ECS keeps this many events of a service.
pub const EVENTS_KEPT: u64 = 100;

/// This many service deployments of a service stay, with their revisions, beside those that it still needs. ECS: 90 days.
pub const ROLLOUTS_KEPT: usize = 100;

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceStatus {
    /// Kept as it should be.
    Active,
    /// Deleted; its tasks are ending.
    Draining,
    /// Deleted, without tasks; still described.
    Inactive,
}

impl ServiceStatus {
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

/// How far a deployment is (`rolloutState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rollout {
    /// Tasks are being replaced.
    InProgress,
    /// All tasks are its own, and healthy.
    Completed,
    /// Given up: it starts no more tasks.
    Failed,
}

impl Rollout {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// What tasks of a service are of: one of its `deployments[]`, or of its `taskSets[]` under an EXTERNAL controller. Of deployments the first
/// is PRIMARY, the others are ACTIVE: they are being replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// `ecs-svc/N`, also of its revision.
    pub id: DeploymentId,
    /// What its tasks run.
    pub definition: DefinitionId,
    /// How far it is.
    pub rollout: Rollout,
    /// The same for people.
    pub rollout_reason: String,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it changed last.
    pub updated_at: Millis,
    /// Tasks that ended, unasked, before they were healthy; set back when one becomes healthy.
    pub failed_in_row: u64,
    /// The same, never set back.
    pub failed_in_all: u64,
    /// When the last of these ended.
    pub failed_at: Option<Millis>,
    /// What makes it a task set; nothing is rolled out then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<TaskSet>,
}

/// What is said again only when its cause has changed, or after six hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// All is as it should be.
    SteadyState,
    /// A task could not be placed.
    Placement,
    /// Tasks do not start, or end before they are healthy.
    StartImpaired,
    /// Percentages or protection leave no next step.
    Blocked,
    /// Tasks are being moved to where they are better spread.
    Rebalancing,
}

/// Something said lately that is not to be said again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// About what.
    pub topic: Topic,
    /// Of which task set; `None`: of the service as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<DeploymentId>,
    /// In these words.
    pub message: String,
    /// When.
    pub at: Millis,
}

/// One of a service's `events[]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Whose.
    pub service: ServiceKey,
    /// Its number: 1, 2, 3 ...
    pub number: u64,
    /// When.
    pub at: Millis,
    /// For people and deploy tools.
    pub message: String,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its cluster and name.
    pub key: ServiceKey,
    /// ACTIVE, DRAINING or INACTIVE.
    pub status: ServiceStatus,
    /// As its author wrote it, with updates worked in, without tags.
    pub document: Document,
    /// The same, parsed.
    pub spec: ServiceSpec,
    /// Its tags.
    pub tags: Tags,
    /// When it was made.
    pub created_at: Millis,
    /// By whom (ARN).
    pub created_by: String,
    /// SHA-256 of the request that made it: the same again is no error.
    pub fingerprint: [u8; 32],
    /// `deployments[]`, or `taskSets[]` under an EXTERNAL controller, newest first; empty once INACTIVE.
    pub deployments: Vec<Deployment>,
    /// The deployment that all tasks were of, last: what a rollback goes back to.
    pub completed: Option<DeploymentId>,
    /// The task set whose parameters are the service's: PRIMARY, or the last that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_set: Option<DeploymentId>,
    /// The service deployment that failed and is being rolled back.
    pub rolling_back: Option<DeploymentId>,
    /// How many events it has had; the newest has this number.
    pub event_count: u64,
    /// What is not to be said again.
    pub said: Vec<Said>,
    /// Rises when its author changes it, or a rollback does: an update built on an older count is refused.
    pub updates: u64,
    /// Rises with each update and each step: a step decided on an older count is refused.
    pub steps: u64,
    /// The mark of the last step.
    #[serde(default)]
    pub step_mark: u64,
    /// Rises when one of its tasks changes.
    pub changes: u64,
    /// Rises when one of its tasks is lost to it: ended, told to stop, no longer healthy.
    pub losses: u64,
    /// When the scheduler has to look at it; `None`: not before something changes.
    pub look_at: Option<Millis>,
    /// Placement found no room for it: it is looked at as soon as there is more.
    pub wants_room: bool,
    /// How its tasks are spread.
    #[serde(default)]
    pub balance: Balance,
}

impl Service {
    /// The deployment that is wanted; of task sets the one that is PRIMARY.
    #[must_use]
    pub fn primary(&self) -> Option<&Deployment> {
        match self.spec.controller {
            Controller::Ecs => self.deployments.first(),
            Controller::External => self.deployment(self.primary_set?),
        }
    }

    /// One of its deployments.
    #[must_use]
    pub fn deployment(&self, id: DeploymentId) -> Option<&Deployment> {
        self.deployments.iter().find(|one| one.id == id)
    }

    /// Whether an instance that appears, goes or changes is its business, whatever runs there.
    #[must_use]
    pub fn follows_instances(&self) -> bool {
        let is_daemon = self.spec.scheduling == Scheduling::Daemon;
        self.status == ServiceStatus::Active && (is_daemon || self.wants_room)
    }

    /// The group of its tasks.
    #[must_use]
    pub fn group(&self) -> String {
        format!("service:{}", self.key.name)
    }

    /// Whether `message` about `topic` was said less than `again_ms` before `now`, and nothing else about it since.
    #[must_use]
    pub fn has_said(&self, topic: Topic, message: &str, now: Millis, again_ms: u64) -> bool {
        let same = |said: &&Said| said.topic == topic && said.message == message;
        let last = self.said.iter().find(same);
        last.is_some_and(|said| now.since_ms(said.at) < again_ms)
    }
}
