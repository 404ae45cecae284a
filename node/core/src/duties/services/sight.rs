//! What is there of a service: its live tasks, each with what it is to the service now.

use quorate_bugs::{Bug, is_seeded};

use super::plan::Plan;
use super::{daemon, pauses, replica};
use crate::documents::Scheduling;
use crate::duties::Policy;
use crate::ids::DeploymentId;
use crate::mint::Mint;
use crate::state::health::{healthy_at, is_healthy, unhealthy_at};
use crate::state::{
    Deployment, DesiredStatus, InstanceStatus, Rollout, Service, State, Task, TaskSet, TaskStatus,
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

/// A service at one look, or one of its task sets.
pub(super) struct Sight<'a> {
    pub(super) state: &'a State,
    pub(super) service: &'a Service,
    pub(super) policy: &'a Policy,
    pub(super) now: Millis,
    /// The task set that is looked at; `None`: the service as a whole.
    pub(super) set: Option<DeploymentId>,
    /// How many tasks are wanted of what is looked at.
    pub(super) desired: u64,
    /// The deployment that tasks should be of: PRIMARY, or the one before while PRIMARY waits for its first task.
    pub(super) lead: Option<&'a Deployment>,
    /// By id of their tasks.
    pub(super) members: Vec<Member<'a>>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(
        state: &'a State,
        service: &'a Service,
        policy: &'a Policy,
        now: Millis,
    ) -> Self {
        let lead = pauses::lead(state, service);
        let primary = lead.map(|lead| lead.id);
        let tasks = state.live_tasks_of(&service.key);
        Self {
            state,
            service,
            policy,
            now,
            set: None,
            desired: service.spec.desired_count,
            lead,
            members: tasks
                .map(|task| member(state, service, primary, task, now))
                .collect(),
        }
    }

    /// One of the service's task sets: its tasks alone, and as many as are wanted of it. Nothing protects tasks of one that was deleted
    /// by force.
    pub(super) fn of_set(&self, one: &'a Deployment, set: &TaskSet) -> Self {
        let tasks = self.members.iter().filter(|member| member.is_of(one.id));
        let seen = |task| member(self.state, self.service, Some(one.id), task, self.now);
        let mut members: Vec<Member<'a>> = tasks.map(|known| seen(known.task)).collect();
        if set.is_forced {
            members.iter_mut().for_each(|one| one.is_protected = false);
        }
        Self {
            state: self.state,
            service: self.service,
            policy: self.policy,
            now: self.now,
            set: Some(one.id),
            desired: self.service.wanted_of(set),
            lead: Some(one),
            members,
        }
    }

    /// What should move, by the service's kind.
    pub(super) fn moves(&self, plan: &mut Plan, mint: &mut Mint) {
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
        self.lead
            .filter(|lead| lead.rollout != Rollout::Failed && !lead.is_draining())
    }

    /// What failures are counted of: PRIMARY, or the task set.
    pub(super) fn current(&self) -> Option<&'a Deployment> {
        match self.set {
            Some(id) => self.service.deployment(id),
            None => self.service.primary(),
        }
    }

    /// Fewest healthy tasks that a decision may leave.
    pub(super) fn healthy_min(&self) -> u64 {
        self.service.spec.healthy_min_of(self.desired)
    }

    /// Most tasks that a start may lead to.
    pub(super) fn running_max(&self) -> u64 {
        self.service.spec.running_max_of(self.desired)
    }

    /// Whether all tasks are wanted ones, healthy, and as many as wanted.
    pub(super) fn is_steady(&self) -> bool {
        let all_well = self
            .members
            .iter()
            .all(|member| member.standing == Standing::Staying && member.is_healthy);
        all_well && self.members.len() as u64 == self.desired
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

fn member<'a>(
    state: &State,
    service: &Service,
    primary: Option<DeploymentId>,
    task: &'a Task,
    now: Millis,
) -> Member<'a> {
    Member {
        task,
        standing: standing(state, service, primary, task, now),
        is_healthy: is_healthy(task, now) || is_seeded(Bug::HealthyFromStart),
        is_protected: task.is_protected(now),
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
