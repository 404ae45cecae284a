//! A task, as it is, and the moves it may make.

use serde::{Deserialize, Serialize};

use super::health_status::Health;
use super::resources::PortBinding;
use crate::command::Reservation;
use crate::documents::{Document, Tags};
use crate::ids::{
    ClusterName, ContainerId, DefinitionId, DeploymentId, InstanceId, ProviderName, ServiceKey,
    ServiceName, TaskId,
};
use crate::time::Millis;

/// `lastStatus`: only forward, in this order (ECS, task lifecycle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskStatus {
    /// Work before launch.
    Provisioning,
    /// Waiting for its agent.
    Pending,
    /// Registering targets.
    Activating,
    /// Its essential containers run.
    Running,
    /// Deregistering targets.
    Deactivating,
    /// Told to stop.
    Stopping,
    /// Work after its end.
    Deprovisioning,
    /// Ended. Final.
    Stopped,
}

impl TaskStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }

    /// Whether a task may go from this status to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        next > self
    }
}

/// `desiredStatus`: RUNNING until it is STOPPED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DesiredStatus {
    /// It should run.
    Running,
    /// It should end.
    Stopped,
}

impl DesiredStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// `stopCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// It never reached RUNNING.
    TaskFailedToStart,
    /// An essential container ended.
    EssentialContainerExited,
    /// StopTask.
    UserInitiated,
    /// Scale-in, deployment, health.
    ServiceSchedulerInitiated,
    /// Spot.
    SpotInterruption,
    /// The host was going away.
    TerminationNotice,
    /// The host was lost.
    InfrastructureHealth,
}

impl StopCode {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
            Self::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            Self::SpotInterruption => "SpotInterruption",
            Self::TerminationNotice => "TerminationNotice",
            Self::InfrastructureHealth => "InfrastructureHealth",
        }
    }

    /// The code that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::TaskFailedToStart,
            Self::EssentialContainerExited,
            Self::UserInitiated,
            Self::ServiceSchedulerInitiated,
            Self::SpotInterruption,
            Self::TerminationNotice,
            Self::InfrastructureHealth,
        ];
        all.into_iter().find(|code| code.as_str() == text)
    }
}

/// A container's `lastStatus`; only forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContainerStatus {
    /// Not started yet.
    Pending,
    /// Its process runs.
    Running,
    /// Its process ended, or never began.
    Stopped,
}

impl ContainerStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// A container of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Last part of its ARN.
    pub id: ContainerId,
    /// Its name in the definition.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether its end is the task's.
    pub essential: bool,
    /// PENDING, RUNNING or STOPPED.
    pub status: ContainerStatus,
    /// CPU units asked for.
    pub cpu_units: u64,
    /// Hard memory limit; 0 = none.
    pub memory_mib: u64,
    /// Soft memory limit; 0 = none.
    pub memory_reservation_mib: u64,
    /// The engine's id for it; empty before it exists.
    pub runtime_id: String,
    /// How its process ended. Set once.
    pub exit_code: Option<i32>,
    /// Why, where there is more to say. Set once.
    pub reason: String,
    /// Digest of the image used; empty if unknown.
    pub image_digest: String,
    /// Which host port each of its ports has.
    pub bindings: Vec<PortBinding>,
    /// What its check says; absent where its definition has none. After its end: what it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What it printed last, where it did not end with 0. Set once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_output: String,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id for life.
    pub id: TaskId,
    /// Its cluster for life.
    pub cluster: ClusterName,
    /// What it runs.
    pub definition: DefinitionId,
    /// Where it runs, for life.
    pub instance: InstanceId,
    /// The life of the instance's registration in which it was assigned.
    pub incarnation: u64,
    /// Raft index of its assignment: greater wins (fencing token).
    pub assigned_index: u64,
    /// What the leader wants.
    pub desired: DesiredStatus,
    /// What its agent saw.
    pub last: TaskStatus,
    /// Rises by one with each change that makes an event.
    pub version: u64,
    /// In the definition's order.
    pub containers: Vec<Container>,
    /// What it takes from its instance until it is STOPPED.
    pub reserved: Reservation,
    /// `family:NAME` unless the caller gave another.
    pub group: String,
    /// Who started it; empty if nobody said.
    pub started_by: String,
    /// TaskOverride, verbatim.
    pub overrides: Document,
    /// Its tags.
    pub tags: Tags,
    /// EC2 | EXTERNAL | FARGATE.
    pub launch_type: String,
    /// The capacity provider that it was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
    /// How long its containers may take from SIGTERM to the end.
    pub stop_timeout_ms: u64,
    /// Entered PENDING.
    pub created_at: Millis,
    /// PENDING to RUNNING.
    pub started_at: Option<Millis>,
    /// First image pull began.
    pub pull_started_at: Option<Millis>,
    /// Last image pull ended.
    pub pull_stopped_at: Option<Millis>,
    /// Was told to stop, or began to end.
    pub stopping_at: Option<Millis>,
    /// Its containers ended.
    pub execution_stopped_at: Option<Millis>,
    /// Became STOPPED.
    pub stopped_at: Option<Millis>,
    /// Why it ends. Set once.
    pub stop_code: Option<StopCode>,
    /// The same for people. Set once, with the code.
    pub stopped_reason: String,
    /// The service that started it.
    #[serde(default)]
    pub service: Option<Membership>,
    /// Since when its health checks say that it is HEALTHY; absent while they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_at: Option<Millis>,
    /// Until when the service does not stop it for scaling, deployments and draining.
    #[serde(default)]
    pub protected_until: Option<Millis>,
}

/// Which service a task belongs to, for life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The service, in the task's cluster.
    pub name: ServiceName,
    /// The deployment that started it.
    pub deployment: DeploymentId,
}

impl Task {
    /// The service that it belongs to.
    #[must_use]
    pub fn service_key(&self) -> Option<ServiceKey> {
        self.service.as_ref().map(|member| ServiceKey {
            cluster: self.cluster.clone(),
            name: member.name.clone(),
        })
    }

    /// Whether its service must not stop it of its own accord.
    #[must_use]
    pub fn is_protected(&self, now: Millis) -> bool {
        self.protected_until.is_some_and(|until| until > now)
    }

    /// Whether it still holds what it reserved.
    #[must_use]
    pub fn holds_resources(&self) -> bool {
        self.last != TaskStatus::Stopped
    }
}
