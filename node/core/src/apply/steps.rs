//! What the scheduler decided about a service, carried out whole or refused; and what a task's fate means for its service.

use quorate_bugs::{Bug, is_seeded};

use super::services::deployment;
use super::tasks::Origin;
use super::{Desk, task_sets};
use crate::command::{
    Change, NewEvent, NewTask, Rejection, Reply, ServiceStart, ServiceStep, ServiceStop, Turn,
};
use crate::events::Action;
use crate::ids::{ClusterName, DeploymentId, InstanceId, ServiceKey, TaskId};
use crate::state::health::was_healthy;
use crate::state::{
    Deployment, EVENTS_KEPT, Membership, Rollback, Rollout, RolloutStatus, Said, Service,
    ServiceEvent, ServiceStatus, Stability, StopCode, Task,
};

impl Desk<'_> {
    pub(super) fn step_service(&mut self, step: &ServiceStep) -> Result<Reply, Rejection> {
        let is_news = self.check_step(step)?;
        let tasks: Vec<&NewTask> = step.start.iter().map(|start| &start.task).collect();
        let instances = self.check_all(&tasks, Origin::Service)?;
        self.reserve_all(instances);
        for start in &step.start {
            let member = Membership {
                name: step.key.name.clone(),
                deployment: start.deployment,
            };
            self.start(&start.task, Some(member));
        }
        for stop in &step.stop {
            self.stop_member(&step.key, stop)?;
        }
        let mut service = self
            .state
            .service(&step.key)
            .cloned()
            .expect("checked in check_step");
        for turn in &step.turns {
            self.turn(&mut service, turn);
        }
        let was_rebalancing = service.is_rebalancing();
        for topic in &step.settled {
            service
                .said
                .retain(|said| said.of.is_some() || said.topic != *topic);
        }
        for (set, topic) in &step.settled_of {
            let is_it = |said: &Said| said.of == Some(*set) && said.topic == *topic;
            service.said.retain(|said| !is_it(said));
        }
        for event in &step.events {
            self.say(&mut service, event);
        }
        let is_rebalanced = was_rebalancing && !service.is_rebalancing() && service.spec.rebalances;
        service.look_at = if is_news {
            Some(self.now)
        } else {
            step.look_at
        };
        service.wants_room = step.wants_room;
        service.balance.crowd = step.crowd;
        service.balance.is_stirred = false;
        service.steps += 1;
        service.step_mark = step.mark;
        self.touch(Change::Service(step.key.clone()));
        self.put_service(service);
        if is_rebalanced {
            self.note_action(&step.key, Action::RebalancingCompleted);
        }
        for event in &step.events {
            self.note_said(&step.key, event);
        }
        Ok(Reply::Done)
    }

    /// Refuses what was outdated meanwhile; otherwise, whether something has changed that the decision did not see.
    fn check_step(&self, step: &ServiceStep) -> Result<bool, Rejection> {
        let moved = || Rejection::ServiceMoved(step.key.clone());
        let service = self
            .state
            .service(&step.key)
            .ok_or_else(|| Rejection::ServiceNotFound(step.key.clone()))?;
        let counts_on_all = !step.stop.is_empty() || step.turns.iter().any(is_settling);
        let is_outrun = counts_on_all && service.losses != step.seen_losses;
        let is_behind = service.steps == step.seen_steps && service.step_mark == step.seen_mark;
        if !is_behind && !is_seeded(Bug::StepsNotCounted)
            || is_outrun && !is_seeded(Bug::LossesOverlooked)
        {
            return Err(moved());
        }
        let is_still_there = |instance: &InstanceId| {
            let mut live = self.state.live_tasks_on(instance);
            live.any(|task| task.service_key().as_ref() == Some(&step.key))
        };
        if step.lost.iter().any(is_still_there) {
            return Err(moved());
        }
        let is_ours = |start: &ServiceStart| {
            service.deployment(start.deployment).is_some() && start.task.cluster == step.key.cluster
        };
        if !step.start.iter().all(is_ours) {
            return Err(moved());
        }
        let lives = |stop: &ServiceStop| {
            let task = self.state.task(&stop.task);
            task.is_some_and(|task| {
                task.service_key().as_ref() == Some(&step.key) && task.holds_resources()
            })
        };
        if !step.stop.iter().all(lives)
            || !step.turns.iter().all(|turn| self.fits(service, step, turn))
        {
            return Err(moved());
        }
        Ok(service.changes != step.seen_changes)
    }

    /// Whether the turn speaks of deployments that are there, and takes none away in which the same step starts a task.
    fn fits(&self, service: &Service, step: &ServiceStep, turn: &Turn) -> bool {
        let is_listed = |id: &DeploymentId| service.deployment(*id).is_some();
        let is_set = |id: &DeploymentId| service.task_set(*id).is_some();
        let rolls = |id: &DeploymentId| is_listed(id) && !is_set(id);
        let is_empty = |id: &DeploymentId| {
            let mut live = self.state.live_tasks_of(&service.key);
            let lives = live.any(|task| task.service.as_ref().is_some_and(|m| m.deployment == *id));
            !lives && step.start.iter().all(|start| start.deployment != *id)
        };
        match turn {
            Turn::Want(_) | Turn::EndMove => true,
            Turn::Move(moving) => self.may_leave(service, moving),
            Turn::Recover(id) => is_listed(id),
            Turn::Complete(id) | Turn::TimeOut(id) => rolls(id),
            Turn::Fail { deployment, .. } => rolls(deployment),
            Turn::Pause { deployment, stage } => {
                let record = self.state.service_deployment(*deployment);
                let mut pauses = record.into_iter().flat_map(|one| &one.pauses);
                rolls(deployment) && !pauses.any(|one| one.stage == *stage)
            }
            Turn::RollBack { from, to, .. } => {
                let known = self.state.revision(*to);
                rolls(from) && known.is_some_and(|revision| revision.service == service.key)
            }
            Turn::Stabilize { set, .. } => is_set(set),
            Turn::Retire(id) => is_listed(id) && is_empty(id),
            Turn::End => {
                step.start.is_empty() && self.state.live_tasks_of(&service.key).next().is_none()
            }
        }
    }

    fn turn(&mut self, service: &mut Service, turn: &Turn) {
        match turn {
            Turn::Want(count) => self.want(service, *count),
            Turn::Recover(id) => self.edit(service, *id, |one| one.failed_in_row = 0),
            Turn::Complete(id) => self.complete(service, *id),
            Turn::Fail {
                deployment,
                reason,
                tripped,
            } => self.fail(service, *deployment, reason, *tripped),
            Turn::RollBack {
                from,
                to,
                reason,
                back_reason,
            } => self.roll_back(service, (*from, *to), reason, back_reason),
            Turn::Pause { deployment, stage } => self.pause(service, *deployment, *stage),
            Turn::TimeOut(id) => self.time_out(*id),
            Turn::Move(moving) => self.begin_move(service, *moving),
            Turn::EndMove => service.balance.moving = None,
            Turn::Stabilize { set, stability } => {
                let mut all = service.deployments.iter_mut();
                let one = all.find(|one| one.id == *set);
                if let Some(set) = one.and_then(|one| one.set.as_mut()) {
                    set.stabilize(*stability, self.now);
                }
            }
            Turn::Retire(id) => self.retire(service, *id),
            Turn::End => {
                service.status = ServiceStatus::Inactive;
                let left: Vec<_> = service.deployments.iter().map(|one| one.id).collect();
                for id in left {
                    self.retire(service, id);
                }
            }
        }
    }

    fn want(&mut self, service: &mut Service, count: u64) {
        if service.spec.desired_count != count {
            service.spec.desired_count = count;
            self.note_action(&service.key, Action::DesiredCountUpdated);
        }
    }

    fn retire(&mut self, service: &mut Service, id: DeploymentId) {
        if service.task_set(id).is_some() {
            self.remove_task_set(service, id);
        } else {
            service.deployments.retain(|one| one.id != id);
        }
    }

    pub(super) fn edit(
        &self,
        service: &mut Service,
        id: DeploymentId,
        change: impl FnOnce(&mut Deployment),
    ) {
        let listed = service.deployments.iter_mut().find(|one| one.id == id);
        if let Some(one) = listed {
            one.updated_at = self.now;
            change(one);
        }
    }

    fn complete(&mut self, service: &mut Service, id: DeploymentId) {
        self.edit(service, id, |one| {
            one.rollout = Rollout::Completed;
            one.rollout_reason = format!("ECS deployment {id} completed.");
        });
        service.completed = Some(id);
        self.end_rollout(service, id, RolloutStatus::Successful, "");
        if let Some(failed) = service.rolling_back.take() {
            let reason = self
                .state
                .service_deployment(failed)
                .map(|record| record.reason.clone())
                .unwrap_or_default();
            self.end_rollout(service, failed, RolloutStatus::RollbackSuccessful, &reason);
        }
    }

    fn fail(&mut self, service: &mut Service, id: DeploymentId, reason: &str, tripped: bool) {
        self.edit(service, id, |one| {
            one.rollout = Rollout::Failed;
            reason.clone_into(&mut one.rollout_reason);
        });
        if let Some(mut record) = self.state.service_deployment(id).cloned() {
            record.tripped |= tripped;
            self.state.put_service_deployment(record);
        }
        self.end_rollout(service, id, RolloutStatus::Stopped, reason);
        if let Some(earlier) = service.rolling_back.take() {
            self.end_rollout(service, earlier, RolloutStatus::RollbackFailed, reason);
        }
    }

    /// The earlier deployment is PRIMARY again under its own id, with whatever tasks it still has.
    fn roll_back(
        &mut self,
        service: &mut Service,
        (from, to): (DeploymentId, DeploymentId),
        reason: &str,
        back_reason: &str,
    ) {
        let revision = self.state.revision(to).expect("checked in fits");
        let definition = revision.spec.definition.clone();
        let mut back = deployment(to, &definition, revision.created_at, self.now);
        back_reason.clone_into(&mut back.rollout_reason);
        service.deployments.retain(|one| one.id != to);
        service.deployments.insert(0, back);
        let failure_count = service.deployment(from).map_or(0, |one| one.failed_in_row);
        self.edit(service, from, |one| {
            one.rollout = Rollout::Failed;
            reason.clone_into(&mut one.rollout_reason);
        });
        if let Some(mut record) = self.state.service_deployment(from).cloned() {
            record.tripped = record.status == RolloutStatus::InProgress;
            record.status = RolloutStatus::RollbackInProgress;
            record.failure_count = failure_count;
            reason.clone_into(&mut record.reason);
            record.updated_at = self.now;
            record.rollback = Some(Rollback {
                reason: reason.to_owned(),
                started_at: self.now,
                to,
            });
            self.state.put_service_deployment(record);
        }
        service.rolling_back = Some(from);
        service.updates += 1;
    }

    fn stop_member(&mut self, key: &ServiceKey, stop: &ServiceStop) -> Result<Reply, Rejection> {
        if stop.is_failure {
            self.count_failure(key, stop.task);
        }
        self.stop_task(stop.task, StopCode::ServiceSchedulerInitiated, &stop.reason)
    }

    fn count_failure(&mut self, key: &ServiceKey, task: TaskId) {
        let task = self.state.task(&task);
        let id = task.and_then(|task| task.service.as_ref().map(|member| member.deployment));
        let service = self.state.service(key).cloned();
        if let (Some(id), Some(mut service)) = (id, service) {
            self.failed(&mut service, id);
            self.put_service(service);
        }
    }

    fn failed(&self, service: &mut Service, id: DeploymentId) {
        self.edit(service, id, |one| {
            one.failed_in_row += 1;
            one.failed_in_all += 1;
            one.failed_at = Some(self.now);
        });
    }

    fn say(&mut self, service: &mut Service, event: &NewEvent) {
        service.event_count += 1;
        if let Some(topic) = event.topic {
            let is_other = |said: &Said| said.topic != topic || said.of != event.of;
            service.said.retain(is_other);
            service.said.push(Said {
                topic,
                of: event.of,
                message: event.message.clone(),
                at: self.now,
            });
        }
        self.state.put_event(ServiceEvent {
            service: service.key.clone(),
            number: service.event_count,
            at: self.now,
            message: event.message.clone(),
        });
        let oldest = service.event_count.saturating_sub(EVENTS_KEPT);
        self.state.remove_event(&service.key, oldest);
    }

    /// A task changes that is not STOPPED: its service is to be looked at.
    pub(super) fn stir(&mut self, task: &TaskId) {
        let live = self.state.task(task).filter(|task| task.holds_resources());
        let Some(key) = live.and_then(Task::service_key) else {
            return;
        };
        let mut service = self
            .state
            .service(&key)
            .cloned()
            .expect("a task's service is never removed");
        service.changes += 1;
        service.look_at = Some(service.look_at.map_or(self.now, |at| at.min(self.now)));
        self.touch(Change::Service(key));
        self.put_service(service);
    }

    /// A task is lost to its service: told to stop, ended or no longer healthy.
    pub(super) fn note_loss(&mut self, task: &Task) {
        if let Some(mut service) = self.service_of(task) {
            self.count_loss(&mut service, task);
            self.put_service(service);
        }
    }

    /// A task ends. Ended before it was healthy, and nobody asked it to: a failure of its deployment.
    pub(super) fn note_end(&mut self, task: &Task) {
        let Some(mut service) = self.service_of(task) else {
            return;
        };
        let was_told = task.stopping_at.is_some();
        let is_own_fault = match task.stop_code {
            Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited) | None => true,
            Some(
                StopCode::UserInitiated
                | StopCode::ServiceSchedulerInitiated
                | StopCode::SpotInterruption
                | StopCode::TerminationNotice
                | StopCode::InfrastructureHealth,
            ) => false,
        };
        let member = task.service.as_ref().map(|member| member.deployment);
        if let Some(id) = member
            && is_own_fault
            && !was_told
            && !was_healthy(task, self.now)
        {
            self.failed(&mut service, id);
        }
        self.count_loss(&mut service, task);
        self.put_service(service);
    }

    fn count_loss(&self, service: &mut Service, task: &Task) {
        service.losses += 1;
        if let Some(member) = &task.service {
            task_sets::unsettle(service, member.deployment, self.now);
        }
    }

    fn service_of(&self, task: &Task) -> Option<Service> {
        let key = task.service_key()?;
        self.state.service(&key).cloned()
    }

    /// Instances of the cluster changed: whoever follows them is to look.
    pub(super) fn stir_followers(&mut self, cluster: &ClusterName) {
        self.stir_queue(cluster);
        let following: Vec<ServiceKey> = self
            .state
            .followers_in(cluster)
            .map(|service| service.key.clone())
            .collect();
        for key in following {
            let Some(mut service) = self.state.service(&key).cloned() else {
                continue;
            };
            service.changes += 1;
            service.look_at = Some(self.now);
            self.touch(Change::Service(key));
            self.put_service(service);
        }
    }
}

/// A task set is steady only if no task of it was lost meanwhile.
fn is_settling(turn: &Turn) -> bool {
    matches!(turn, Turn::Stabilize { stability, .. } if *stability == Stability::SteadyState)
}
