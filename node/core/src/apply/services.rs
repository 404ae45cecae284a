//! Services as their authors want them: made, updated, deleted; their deployments stopped, their tasks protected.

use super::{Desk, task_sets};
use crate::command::{
    Change, NewDeployment, NewService, Rejection, Reply, ServiceUpdate, TaskSetRejection,
};
use crate::documents::{Controller, Scheduling};
use crate::ids::{DefinitionId, DeploymentId, ServiceKey, TaskId};
use crate::state::{
    Balance, DefinitionStatus, Deployment, ROLLOUTS_KEPT, Revision, Rollout, RolloutStatus,
    Service, ServiceDeployment, ServiceStatus, TaskStatus,
};
use crate::time::Millis;

/// statusReason of a service deployment that a newer one replaced.
const REPLACED_REASON: &str = "A newer deployment replaced this one.";
/// statusReason of a service deployment whose service was deleted.
const DELETED_REASON: &str = "The service was deleted.";

impl Desk<'_> {
    pub(super) fn create_service(&mut self, new: &NewService) -> Result<Reply, Rejection> {
        let key = || new.key.clone();
        self.active_cluster(&new.key.cluster)?;
        match self.state.service(&new.key) {
            Some(service) if service.status == ServiceStatus::Draining => {
                return Err(Rejection::ServiceDraining(key()));
            }
            Some(service) if service.status == ServiceStatus::Active => {
                let is_same = service.fingerprint == new.fingerprint;
                return if is_same {
                    Ok(Reply::Service(key()))
                } else {
                    Err(Rejection::ServiceExists(key()))
                };
            }
            Some(_) | None => {}
        }
        self.check_controller(&new.key, new.spec.controller, new.deploy.is_some())?;
        self.check_deployment(&new.key, None, new.deploy.as_ref())?;
        self.forget_events(&new.key);
        self.forget_last_primary(&new.key);
        let mut service = self.new_service(new);
        if let Some(deploy) = &new.deploy {
            self.begin_deployment(&mut service, deploy);
        }
        self.touch(Change::Service(key()));
        self.put_service(service);
        Ok(Reply::Service(key()))
    }

    fn new_service(&self, new: &NewService) -> Service {
        // Its steps go on from those of an earlier service of this name: no step decided for that one fits this one.
        let earlier = self.state.service(&new.key);
        Service {
            key: new.key.clone(),
            status: ServiceStatus::Active,
            document: new.document.clone(),
            spec: new.spec.clone(),
            tags: new.tags.clone(),
            created_at: self.now,
            created_by: new.created_by.clone(),
            fingerprint: new.fingerprint,
            deployments: Vec::new(),
            completed: None,
            primary_set: None,
            rolling_back: None,
            event_count: 0,
            said: Vec::new(),
            updates: earlier.map_or(0, |service| service.updates) + 1,
            steps: earlier.map_or(0, |service| service.steps) + 1,
            step_mark: earlier.map_or(0, |service| service.step_mark),
            changes: 0,
            losses: 0,
            look_at: Some(self.now),
            wants_room: false,
            balance: Balance::default(),
        }
    }

    /// What is deployed must exist, under a new number, and be ACTIVE unless the service runs it already.
    pub(super) fn check_deployment(
        &self,
        key: &ServiceKey,
        runs: Option<&DefinitionId>,
        deploy: Option<&NewDeployment>,
    ) -> Result<(), Rejection> {
        let Some(deploy) = deploy else {
            return Ok(());
        };
        let id = &deploy.spec.definition;
        let definition = self
            .state
            .definition(id)
            .ok_or_else(|| Rejection::DefinitionNotFound(id.clone()))?;
        if definition.status != DefinitionStatus::Active && runs != Some(id) {
            return Err(Rejection::DefinitionInactive(id.clone()));
        }
        for item in &deploy.spec.strategy {
            self.check_attached(&key.cluster, Some(&item.provider))?;
        }
        if self.state.revision(deploy.id).is_some() {
            return Err(Rejection::ServiceMoved(key.clone()));
        }
        Ok(())
    }

    /// A new PRIMARY; what was in progress is over.
    fn begin_deployment(&mut self, service: &mut Service, new: &NewDeployment) {
        self.end_rollouts(service, RolloutStatus::Stopped, REPLACED_REASON);
        let sources = service.deployments.iter().map(|one| one.id).collect();
        self.put_revision_of(&service.key, new);
        self.state.put_service_deployment(ServiceDeployment {
            id: new.id,
            service: service.key.clone(),
            status: RolloutStatus::InProgress,
            reason: String::new(),
            sources,
            created_at: self.now,
            updated_at: self.now,
            finished_at: None,
            rollback: None,
            failure_count: 0,
            tripped: false,
            pauses: Vec::new(),
        });
        let primary = deployment(new.id, &new.spec.definition, self.now, self.now);
        service.deployments.insert(0, primary);
        self.forget_rollouts(service);
    }

    /// What a deployment brings, for as long as it is needed.
    pub(super) fn put_revision_of(&mut self, service: &ServiceKey, new: &NewDeployment) {
        self.state.put_revision(Revision {
            id: new.id,
            service: service.clone(),
            document: new.document.clone(),
            spec: new.spec.clone(),
            created_at: self.now,
        });
    }

    /// What ended long ago makes room, unless the service may still go back to it.
    fn forget_rollouts(&mut self, service: &Service) {
        let is_needed = |one: &ServiceDeployment| {
            !one.status.is_final()
                || service.deployment(one.id).is_some()
                || service.completed == Some(one.id)
        };
        let all = self.state.deployments_of(&service.key);
        let old: Vec<DeploymentId> = all
            .skip(ROLLOUTS_KEPT)
            .filter(|one| !is_needed(one))
            .map(|one| one.id)
            .collect();
        for id in old {
            self.state.remove_rollout(id);
        }
    }

    /// Ends whatever service deployment of the service is not final.
    pub(super) fn end_rollouts(
        &mut self,
        service: &mut Service,
        status: RolloutStatus,
        reason: &str,
    ) {
        let open = service.rolling_back.take();
        let listed = service.deployments.iter().map(|one| one.id);
        for id in listed.chain(open).collect::<Vec<_>>() {
            self.end_rollout(service, id, status, reason);
        }
    }

    /// Ends one service deployment, unless it has ended.
    pub(super) fn end_rollout(
        &mut self,
        service: &Service,
        id: DeploymentId,
        status: RolloutStatus,
        reason: &str,
    ) {
        let open = self
            .state
            .service_deployment(id)
            .filter(|one| !one.status.is_final());
        let Some(mut record) = open.cloned() else {
            return;
        };
        record.status = status;
        reason.clone_into(&mut record.reason);
        record.updated_at = self.now;
        record.finished_at = Some(self.now);
        if let Some(listed) = service.deployment(id) {
            record.failure_count = listed.failed_in_row;
        }
        self.state.put_service_deployment(record);
    }

    pub(super) fn update_service(&mut self, update: &ServiceUpdate) -> Result<Reply, Rejection> {
        let mut service = self.active_service(&update.key)?;
        if service.updates != update.seen_updates {
            return Err(Rejection::ServiceMoved(update.key.clone()));
        }
        let (found, controller) = (service.spec.desired_count, service.spec.controller);
        self.check_controller(&update.key, controller, update.deploy.is_some())?;
        let runs = service.primary().map(|primary| &primary.definition);
        self.check_deployment(&update.key, runs, update.deploy.as_ref())?;
        service.document = update.document.clone();
        service.spec = update.spec.clone();
        service.spec.controller = controller;
        if service.spec.scheduling == Scheduling::Daemon {
            service.spec.desired_count = found;
        }
        if let Some(deploy) = &update.deploy {
            self.begin_deployment(&mut service, deploy);
        }
        task_sets::unsettle_where_counts_differ(&mut service, found, self.now);
        service.updates += 1;
        self.put_stepped(service);
        Ok(Reply::Service(update.key.clone()))
    }

    /// Repeating it while tasks are ending is no error.
    pub(super) fn delete_service(
        &mut self,
        key: &ServiceKey,
        force: bool,
    ) -> Result<Reply, Rejection> {
        let service = self.state.service(key).cloned();
        let mut service = service.ok_or_else(|| Rejection::ServiceNotFound(key.clone()))?;
        match service.status {
            ServiceStatus::Inactive => return Err(Rejection::ServiceNotFound(key.clone())),
            ServiceStatus::Draining => return Ok(Reply::Service(key.clone())),
            ServiceStatus::Active => {}
        }
        let is_replica = service.spec.scheduling == Scheduling::Replica;
        if is_replica && service.spec.desired_count > 0 && !force {
            return Err(Rejection::ServiceScaled(key.clone()));
        }
        let is_external = service.spec.controller == Controller::External;
        if is_external && !service.deployments.is_empty() && !force {
            return Err(TaskSetRejection::Remain(key.clone()).into());
        }
        self.end_rollouts(&mut service, RolloutStatus::Stopped, DELETED_REASON);
        service.status = ServiceStatus::Draining;
        service.spec.desired_count = 0;
        service.updates += 1;
        self.put_stepped(service);
        Ok(Reply::Service(key.clone()))
    }

    pub(super) fn stop_deployment(
        &mut self,
        id: DeploymentId,
        is_rollback: bool,
    ) -> Result<Reply, Rejection> {
        let record = self.state.service_deployment(id).cloned();
        let mut record = record.ok_or(Rejection::DeploymentNotFound(id))?;
        let wanted = if is_rollback {
            RolloutStatus::RollbackRequested
        } else {
            RolloutStatus::StopRequested
        };
        if record.status == wanted {
            return Ok(Reply::Deployment(id));
        }
        if record.status != RolloutStatus::InProgress {
            return Err(Rejection::DeploymentEnded(id));
        }
        let service = self.active_service(&record.service)?;
        record.status = wanted;
        record.updated_at = self.now;
        self.state.put_service_deployment(record);
        self.put_stepped(service);
        Ok(Reply::Deployment(id))
    }

    /// Tasks that no service has, or that have ended, are left alone: the caller is told so from the state.
    pub(super) fn protect_tasks(&mut self, tasks: &[TaskId], for_ms: Option<u64>) -> Reply {
        let until = for_ms.map(|span_ms| self.now.plus_ms(span_ms));
        let mut protected = Vec::new();
        for id in tasks {
            let of_service = |task: &&crate::state::Task| {
                task.service.is_some() && task.last != TaskStatus::Stopped
            };
            let Some(mut task) = self.state.task(id).filter(of_service).cloned() else {
                continue;
            };
            if task.protected_until != until {
                task.protected_until = until;
                task.version += 1;
            }
            self.touch(Change::Task {
                task: *id,
                instance: task.instance,
            });
            self.put_task(task);
            protected.push(*id);
        }
        Reply::Tasks(protected)
    }

    /// The service, if it may be changed.
    pub(super) fn active_service(&self, key: &ServiceKey) -> Result<Service, Rejection> {
        let service = self.state.service(key).cloned();
        let service = service.ok_or_else(|| Rejection::ServiceNotFound(key.clone()))?;
        if service.status != ServiceStatus::Active {
            return Err(Rejection::ServiceNotActive(key.clone()));
        }
        Ok(service)
    }

    /// Puts a service that was changed by its author: whatever was decided about it before is outdated.
    pub(super) fn put_stepped(&mut self, mut service: Service) {
        service.steps += 1;
        service.look_at = Some(self.now);
        self.touch(Change::Service(service.key.clone()));
        self.put_service(service);
    }

    /// An earlier service of this name may have left the parameters of its last task set.
    fn forget_last_primary(&mut self, key: &ServiceKey) {
        let earlier = self.state.service(key);
        if let Some(id) = earlier.and_then(|earlier| earlier.primary_set) {
            self.state.remove_revision(id);
        }
    }

    fn forget_events(&mut self, key: &ServiceKey) {
        let numbers: Vec<u64> = self.state.events_of(key).map(|one| one.number).collect();
        for number in numbers {
            self.state.remove_event(key, number);
        }
    }
}

/// A deployment that begins.
pub(super) fn deployment(
    id: DeploymentId,
    definition: &DefinitionId,
    created_at: Millis,
    now: Millis,
) -> Deployment {
    Deployment {
        id,
        definition: definition.clone(),
        rollout: Rollout::InProgress,
        rollout_reason: format!("ECS deployment {id} in progress."),
        created_at,
        updated_at: now,
        failed_in_row: 0,
        failed_in_all: 0,
        failed_at: None,
        set: None,
    }
}
