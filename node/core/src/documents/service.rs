//! What a service should be, parsed: what the scheduler acts on. The documents themselves are kept beside it, verbatim.
//!
//! Two parts, because they live differently: [`ServiceSpec`] holds now and for all of the service's tasks, a [`RevisionSpec`] is
//! what one deployment brings and stays as it is.

use serde::{Deserialize, Serialize};

use super::capacity::StrategyItem;
use crate::ids::DefinitionId;

/// How many tasks a service wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheduling {
    /// As many as its author says.
    #[default]
    Replica,
    /// One on each instance that can take it.
    Daemon,
}

impl Scheduling {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "REPLICA",
            Self::Daemon => "DAEMON",
        }
    }
}

/// Who decides what is deployed (`deploymentController`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Controller {
    /// The service scheduler.
    #[default]
    Ecs,
    /// A caller, by task sets.
    External,
}

impl Controller {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::External => "EXTERNAL",
        }
    }
}

/// Where a service's tasks get their tags from (`propagateTags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// Nowhere.
    #[default]
    None,
    /// The service.
    Service,
    /// The task definition.
    TaskDefinition,
}

impl Propagation {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Service => "SERVICE",
            Self::TaskDefinition => "TASK_DEFINITION",
        }
    }
}

/// How many failures end a deployment (`deploymentCircuitBreaker.thresholdConfiguration`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Threshold {
    /// This many.
    Count(u64),
    /// This part of the desired count, at least 3 and at most 200.
    BoundedPercent(u64),
    /// This part of the desired count.
    UnboundedPercent(u64),
}

impl Threshold {
    /// Least of BOUNDED_PERCENT.
    const BOUND_MIN: u64 = 3;
    /// Most of BOUNDED_PERCENT.
    const BOUND_MAX: u64 = 200;

    /// The number of failures at which a deployment of `desired` tasks has failed; at least one.
    #[must_use]
    pub fn failures(self, desired: u64) -> u64 {
        let part = |percent: u64| desired.saturating_mul(percent).div_ceil(100);
        match self {
            Self::Count(count) => count.max(1),
            Self::BoundedPercent(percent) => part(percent).clamp(Self::BOUND_MIN, Self::BOUND_MAX),
            Self::UnboundedPercent(percent) => part(percent).max(1),
        }
    }
}

/// `deploymentCircuitBreaker`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether it may end a deployment.
    pub enabled: bool,
    /// Whether the last completed deployment comes back then.
    pub rollback: bool,
    /// When.
    pub threshold: Threshold,
    /// Whether a task that becomes healthy sets the count back.
    pub reset_on_healthy_task: bool,
}

impl Default for Breaker {
    /// Off; ECS's numbers where only `enable` is given.
    fn default() -> Self {
        Self {
            enabled: false,
            rollback: false,
            threshold: Threshold::BoundedPercent(50),
            reset_on_healthy_task: true,
        }
    }
}

/// A stage of a deployment at which it can be made to wait, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Only where more than one revision has tasks when the deployment begins.
    ReconcileService,
    /// Before its first task is started.
    PreScaleUp,
    /// All its tasks are healthy.
    PostScaleUp,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::ReconcileService, Self::PreScaleUp, Self::PostScaleUp];

    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReconcileService => "RECONCILE_SERVICE",
            Self::PreScaleUp => "PRE_SCALE_UP",
            Self::PostScaleUp => "POST_SCALE_UP",
        }
    }
}

/// A lifecycle hook of type PAUSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseHook {
    /// Where the deployment waits.
    pub stages: Vec<Stage>,
    /// For how long, unless somebody says how it goes on.
    pub timeout_ms: u64,
    /// Whether it is rolled back then; otherwise it goes on.
    pub rolls_back: bool,
}

/// One of `placementConstraints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConstraint {
    /// `distinctInstance` or `memberOf`.
    pub kind: String,
    /// Of `memberOf`: the expression.
    pub expression: String,
}

/// One of `placementStrategy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStrategy {
    /// `spread`, `binpack` or `random`.
    pub kind: String,
    /// What is spread over, or packed.
    pub field: String,
}

/// What holds for the whole service, whatever is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// REPLICA or DAEMON; for life.
    pub scheduling: Scheduling,
    /// ECS or EXTERNAL; for life.
    pub controller: Controller,
    /// Tasks wanted. Of a DAEMON: as many as instances were found for it.
    pub desired_count: u64,
    /// minimumHealthyPercent.
    pub minimum_percent: u64,
    /// maximumPercent.
    pub maximum_percent: u64,
    /// For how long after its start a task's health checks are not held against it.
    pub grace_ms: u64,
    /// deploymentCircuitBreaker.
    pub breaker: Breaker,
    /// placementConstraints.
    pub constraints: Vec<ServiceConstraint>,
    /// placementStrategy.
    pub strategies: Vec<ServiceStrategy>,
    /// availabilityZoneRebalancing is ENABLED.
    pub rebalances: bool,
    /// Where tasks get their tags from.
    pub propagates: Propagation,
    /// enableECSManagedTags.
    pub managed_tags: bool,
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
    /// Its PAUSE hooks.
    #[serde(default)]
    pub hooks: Vec<PauseHook>,
}

impl ServiceSpec {
    /// Fewest healthy tasks that a decision may leave: `ceil(desired x minimum / 100)`.
    #[must_use]
    pub fn healthy_min(&self) -> u64 {
        self.healthy_min_of(self.desired_count)
    }

    /// The same of a task set that wants `desired` of the tasks.
    #[must_use]
    pub fn healthy_min_of(&self, desired: u64) -> u64 {
        desired.saturating_mul(self.minimum_percent).div_ceil(100)
    }

    /// Whether rebalancing can be ENABLED for it: ECS starts and stops its tasks, one more than wanted may run, and they are spread
    /// before anything else is asked of their places.
    #[must_use]
    pub fn can_rebalance(&self) -> bool {
        let first = self.strategies.first();
        self.scheduling == Scheduling::Replica
            && self.controller == Controller::Ecs
            && self.maximum_percent > 100
            && first.is_none_or(|strategy| strategy.kind == "spread")
    }

    /// Most tasks that a start may lead to: `floor(desired x maximum / 100)`.
    #[must_use]
    pub fn running_max(&self) -> u64 {
        self.running_max_of(self.desired_count)
    }

    /// The same of a task set that wants `desired` of the tasks.
    #[must_use]
    pub fn running_max_of(&self, desired: u64) -> u64 {
        desired.saturating_mul(self.maximum_percent) / 100
    }
}

/// What one deployment brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionSpec {
    /// What its tasks run.
    pub definition: DefinitionId,
    /// EC2, EXTERNAL or FARGATE.
    pub launch_type: String,
    /// How its tasks are shared out among capacity providers; empty where they go by launch type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategy: Vec<StrategyItem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_rounded_as_ecs_does() {
        let spec = |desired_count, minimum_percent, maximum_percent| ServiceSpec {
            desired_count,
            minimum_percent,
            maximum_percent,
            ..ServiceSpec::default()
        };
        assert_eq!(spec(4, 50, 200).healthy_min(), 2);
        assert_eq!(spec(3, 50, 150).healthy_min(), 2);
        assert_eq!(spec(3, 50, 150).running_max(), 4);
        assert_eq!(spec(0, 100, 200).running_max(), 0);
    }

    #[test]
    fn thresholds_are_those_of_the_circuit_breaker() {
        assert_eq!(Threshold::BoundedPercent(50).failures(25), 13);
        assert_eq!(Threshold::BoundedPercent(50).failures(1), 3);
        assert_eq!(Threshold::BoundedPercent(50).failures(1000), 200);
        assert_eq!(Threshold::UnboundedPercent(50).failures(1), 1);
        assert_eq!(Threshold::Count(7).failures(1000), 7);
    }
}
