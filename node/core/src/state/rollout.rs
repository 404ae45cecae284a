//! What stays of a deployment: the revision that it brought, and the service deployment that tells its story.

use serde::{Deserialize, Serialize};

use crate::documents::{Document, RevisionSpec, Stage};
use crate::ids::{DeploymentId, ServiceKey};
use crate::time::Millis;

/// A service revision: what one deployment brought. Never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, also of its deployment.
    pub id: DeploymentId,
    /// Whose.
    pub service: ServiceKey,
    /// The service's document when it was made.
    pub document: Document,
    /// What the scheduler acts on.
    pub spec: RevisionSpec,
    /// When.
    pub created_at: Millis,
}

/// `serviceDeployments[].status`; only forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RolloutStatus {
    /// Tasks are being replaced.
    InProgress,
    /// A caller wants it ended where it stands.
    StopRequested,
    /// A caller wants it rolled back.
    RollbackRequested,
    /// The last completed deployment is coming back.
    RollbackInProgress,
    /// Done.
    Successful,
    /// Given up, or replaced by a newer one.
    Stopped,
    /// The last completed deployment is back.
    RollbackSuccessful,
    /// It could not come back.
    RollbackFailed,
}

impl RolloutStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::StopRequested => "STOP_REQUESTED",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::Successful => "SUCCESSFUL",
            Self::Stopped => "STOPPED",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::InProgress
            | Self::StopRequested
            | Self::RollbackRequested
            | Self::RollbackInProgress => false,
            Self::Successful | Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed => {
                true
            }
        }
    }
}

/// Where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Why.
    pub reason: String,
    /// Since when.
    pub started_at: Millis,
    /// The revision that comes back.
    pub to: DeploymentId,
}

/// How a pause stands (`lifecycleHookDetails[].status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseStatus {
    /// Somebody has to say how it goes on.
    Awaiting,
    /// It goes on.
    Succeeded,
    /// It is rolled back.
    Failed,
    /// Nobody said anything in time.
    TimedOut,
}

impl PauseStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Awaiting => "AWAITING_ACTION",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// A PAUSE hook at a stage that the deployment came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Unique in its service deployment.
    pub id: String,
    /// Where.
    pub stage: Stage,
    /// How it stands.
    pub status: PauseStatus,
    /// Until when it waits.
    pub expires_at: Millis,
    /// Whether the deployment is rolled back then.
    pub rolls_back: bool,
}

/// A service deployment: one change from what was to a new revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDeployment {
    /// Also of its target revision.
    pub id: DeploymentId,
    /// Whose.
    pub service: ServiceKey,
    /// How it stands.
    pub status: RolloutStatus,
    /// Why, where there is more to say.
    pub reason: String,
    /// Revisions that had tasks when it began.
    pub sources: Vec<DeploymentId>,
    /// When it was asked for; it starts at once.
    pub created_at: Millis,
    /// When it changed last.
    pub updated_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// Its rollback, if there was one.
    pub rollback: Option<Rollback>,
    /// Failures counted when it ended; before that, its deployment knows.
    pub failure_count: u64,
    /// Whether the circuit breaker ended it.
    pub tripped: bool,
    /// Pauses that it came to.
    #[serde(default)]
    pub pauses: Vec<Pause>,
}

impl ServiceDeployment {
    /// The pause that it waits at.
    #[must_use]
    pub fn waits_at(&self) -> Option<&Pause> {
        self.pauses
            .iter()
            .find(|pause| pause.status == PauseStatus::Awaiting)
    }
}
