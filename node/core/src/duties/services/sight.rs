//! What is there of a service: its live tasks, each with what it is to the service now.

use quorate_bugs::{Bug, is_seeded};

use super::plan::Plan;
use super::{daemon, pauses, replica};
use crate::documents::{Controller, Scheduling};
use crate::ids::DeploymentId;
use crate::mint::Mint;
use crate::state::health::{healthy_at, is_healthy, unhealthy_at};
use crate::state::{
    Deployment, DesiredStatus, InstanceStatus, Rollout, Service, State, Task, TaskStatus,
};
use crate::time::Millis;

/// What a live task is to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// One of those that are wanted.
    Staying,
    /// Of a deployment that is being replaced.
    Outdated,
    /// On an instance that takes no more tasks.
    Draining,
    /// It failed its health checks.
    Unhealthy,
    /// Told to stop.
    Ending,
}

/// A live task of the service.
pub(super) struct Member<'a> {
    pub(super) task: &'a Task,
    pub(super) standing: Standing,
    pub(super) is_healthy: bool,
    pub(super) is_protected: bool,
}

impl Member<'_> {
    /// It is to be replaced.
    pub(super) fn is_leaving(&self) -> bool {
        match self.standing {
            Standing::Outdated | Standing::Draining | Standing::Unhealthy => true,
            Standing::Staying | Standing::Ending => false,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.task.last == TaskStatus::Running
    }

    pub(super) fn is_of(&self, deployment: DeploymentId) -> bool {
        let member = self.task.service.as_ref();
        member.is_some_and(|member| member.deployment == deployment)
    }
}

/// A service at one look.
pub(super) struct Sight<'a> {
    pub(super) state: &'a State,
    pub(super) service: &'a Service,
    pub(super) now: Millis,
    /// The deployment that tasks should be of: PRIMARY, or the one before while PRIMARY waits for its first task.
    pub(super) lead: Option<&'a Deployment>,
    /// By id of their tasks.
    pub(super) members: Vec<Member<'a>>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(state: &'a State, service: &'a Service, now: Millis) -> Self {
        let lead = pauses::lead(state, service);
        let primary = lead.map(|lead| lead.id);
        let member = |task: &'a Task| Member {
            task,
            standing: standing(state, service, primary, task, now),
            is_healthy: is_healthy(task, now) || is_seeded(Bug::HealthyFromStart),
            is_protected: task.is_protected(now),
        };
        Self {
            state,
            service,
            now,
            lead,
            members: state.live_tasks_of(&service.key).map(member).collect(),
        }
    }

    /// What should move, by the service's kind.
    pub(super) fn moves(&self, plan: &mut Plan, mint: &mut Mint) {
        if self.service.spec.controller == Controller::External {
            return;
        }
        match self.service.spec.scheduling {
            Scheduling::Replica => replica::moves(self, plan, mint),
            Scheduling::Daemon => daemon::moves(self, plan, mint),
        }
    }

    pub(super) fn staying(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members
            .iter()
            .filter(|member| member.standing == Standing::Staying)
    }

    pub(super) fn leaving(&self) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().filter(|member| member.is_leaving())
    }

    pub(super) fn ending_count(&self) -> u64 {
        let ending = |member: &&Member<'_>| member.standing == Standing::Ending;
        self.members.iter().filter(ending).count() as u64
    }

    pub(super) fn healthy_count(&self) -> u64 {
        self.members.iter().filter(|one| one.is_healthy).count() as u64
    }

    /// The deployment that may start tasks.
    pub(super) fn starter(&self) -> Option<&'a Deployment> {
        self.lead.filter(|lead| lead.rollout != Rollout::Failed)
    }

    /// Whether all tasks are wanted ones, healthy, and as many as wanted.
    pub(super) fn is_steady(&self) -> bool {
        let all_well = self
            .members
            .iter()
            .all(|member| member.standing == Standing::Staying && member.is_healthy);
        all_well && self.members.len() as u64 == self.service.spec.desired_count
    }

    /// When the next task becomes healthy, or has to be replaced for its health, if nothing happens to it.
    pub(super) fn next_turn(&self) -> Option<Millis> {
        let waiting = self.members.iter().filter(|member| !member.is_healthy);
        let turns = waiting.flat_map(|member| {
            let unhealthy_at = unhealthy_at(member.task, self.service.spec.grace_ms);
            [healthy_at(member.task), unhealthy_at]
        });
        turns.flatten().filter(|at| *at > self.now).min()
    }
}

fn standing(
    state: &State,
    service: &Service,
    primary: Option<DeploymentId>,
    task: &Task,
    now: Millis,
) -> Standing {
    let deployment = task.service.as_ref().map(|member| member.deployment);
    let instance = state.instance(&task.instance);
    let takes_tasks = instance.is_some_and(|one| one.status == InstanceStatus::Active);
    if task.desired == DesiredStatus::Stopped {
        Standing::Ending
    } else if unhealthy_at(task, service.spec.grace_ms).is_some_and(|at| at <= now) {
        Standing::Unhealthy
    } else if !takes_tasks {
        Standing::Draining
    } else if deployment != primary {
        Standing::Outdated
    } else {
        Standing::Staying
    }
}
