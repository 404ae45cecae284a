//! What is proposed of services: what their authors want, and each step that the scheduler decides.

use serde::{Deserialize, Serialize};

use super::NewTask;
use crate::documents::{Document, RevisionSpec, ServiceSpec, Stage, Tags};
use crate::ids::{DeploymentId, InstanceId, ServiceKey, TaskId};
use crate::state::{Crowd, Moving, Stability, Topic};
use crate::time::Millis;

/// CreateService.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewService {
    /// Its cluster and name.
    pub key: ServiceKey,
    /// What its author wrote of the service as a whole, verbatim.
    pub document: Document,
    /// The same, parsed by the leader.
    pub spec: ServiceSpec,
    /// Its first deployment; none under an EXTERNAL controller.
    pub deploy: Option<NewDeployment>,
    /// Its tags.
    pub tags: Tags,
    /// ARN of who made it.
    pub created_by: String,
    /// SHA-256 of the request's parameters: the same service again is no error.
    pub fingerprint: [u8; 32],
}

/// A deployment, and the revision that it brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDeployment {
    /// Minted by the leader.
    pub id: DeploymentId,
    /// What its author wrote of the revision, verbatim.
    pub document: Document,
    /// The same, parsed by the leader.
    pub spec: RevisionSpec,
}

/// UpdateService.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUpdate {
    /// Which.
    pub key: ServiceKey,
    /// The service's count of updates that this one builds on; another one and it is refused.
    pub seen_updates: u64,
    /// The service's document with the update worked in.
    pub document: Document,
    /// The same, parsed by the leader.
    pub spec: ServiceSpec,
    /// What it deploys, if it does.
    pub deploy: Option<NewDeployment>,
}

/// What the scheduler does about a service at one look. All of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStep {
    /// Which.
    pub key: ServiceKey,
    /// The service's steps when this was decided; another count and it is refused: no decision is carried out twice.
    pub seen_steps: u64,
    /// The mark of the last step that was carried out then. A step is decided behind others that may never be carried out: counts alone
    /// could come to the same another way.
    #[serde(default)]
    pub seen_mark: u64,
    /// Its own mark, unlike any other's.
    #[serde(default)]
    pub mark: u64,
    /// Its changes; others have come meanwhile, and it is looked at again at once.
    pub seen_changes: u64,
    /// Its losses; with more, nothing is stopped, and the step is refused.
    pub seen_losses: u64,
    /// Instances whose loss was decided together with this. A loss may be refused, because the agent came back: while tasks of the
    /// service are still there, so is this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<InstanceId>,
    /// Tasks to start, placed.
    pub start: Vec<ServiceStart>,
    /// Tasks to stop.
    pub stop: Vec<ServiceStop>,
    /// What becomes of its deployments, in this order.
    pub turns: Vec<Turn>,
    /// What is said about it.
    pub events: Vec<NewEvent>,
    /// Topics whose cause is gone: what is said about them next is news.
    pub settled: Vec<Topic>,
    /// The same of its task sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled_of: Vec<(DeploymentId, Topic)>,
    /// When to look again; `None`: when something changes.
    pub look_at: Option<Millis>,
    /// Whether a task found no room.
    pub wants_room: bool,
    /// What instance would let it spread its tasks better.
    #[serde(default)]
    pub crowd: Crowd,
}

/// A task that a service starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStart {
    /// The deployment it is of.
    pub deployment: DeploymentId,
    /// The task, placed.
    pub task: NewTask,
}

/// A task that its service stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStop {
    /// Which.
    pub task: TaskId,
    /// Why, for people.
    pub reason: String,
    /// Whether it failed its health checks, which counts against its deployment.
    pub is_failure: bool,
}

/// What becomes of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    /// A DAEMON service wants this many tasks now.
    Want(u64),
    /// A task became healthy: failures are counted from zero again.
    Recover(DeploymentId),
    /// All tasks are of this one, and healthy.
    Complete(DeploymentId),
    /// It starts no more tasks.
    Fail {
        /// Which.
        deployment: DeploymentId,
        /// Why, for people.
        reason: String,
        /// Whether the circuit breaker says so.
        tripped: bool,
    },
    /// An earlier one becomes PRIMARY again.
    RollBack {
        /// Which failed.
        from: DeploymentId,
        /// Which comes back.
        to: DeploymentId,
        /// Why the one failed, for people.
        reason: String,
        /// Why the other comes back, for people.
        back_reason: String,
    },
    /// It waits at the service's hooks for this stage.
    Pause {
        /// Which.
        deployment: DeploymentId,
        /// Where it has come to.
        stage: Stage,
    },
    /// Nobody said in time how it goes on: its pauses end.
    TimeOut(DeploymentId),
    /// A task is started to replace another that is not spread as well.
    Move(Moving),
    /// The move under way is over.
    EndMove,
    /// A task set is as it should be, or is not any more.
    Stabilize {
        /// Which.
        set: DeploymentId,
        /// What it is now.
        stability: Stability,
    },
    /// It has no tasks any more and leaves `deployments[]`, or `taskSets[]`.
    Retire(DeploymentId),
    /// The service was deleted and has no tasks any more.
    End,
}

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// What about, where it is not to be repeated.
    pub topic: Option<Topic>,
    /// Of which task set; `None`: of the service as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<DeploymentId>,
    /// In ECS's words.
    pub message: String,
}
