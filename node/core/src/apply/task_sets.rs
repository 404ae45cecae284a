//! Task sets as their authors want them: made, scaled, PRIMARY, deleted. Their tasks are the scheduler's business.

use super::Desk;
use super::services::deployment;
use crate::command::{
    NewTaskSet, Rejection, Reply, TaskSetDeletion, TaskSetRejection, TaskSetUpdate,
};
use crate::documents::Controller;
use crate::ids::{DeploymentId, ServiceKey, TaskSetKey};
use crate::state::{
    Deployment, Service, Stability, TASK_SETS_MAX, TaskSet, TaskSetStatus, TaskSetToken,
};
use crate::time::Millis;

impl Desk<'_> {
    pub(super) fn create_task_set(&mut self, new: &NewTaskSet) -> Result<Reply, Rejection> {
        let mut service = self.external_service(&new.service)?;
        let key = |id| TaskSetKey {
            service: new.service.clone(),
            id,
        };
        if let Some((id, known)) = new.token.as_ref().and_then(|t| made_with(&service, t)) {
            return if Some(known) == new.token.as_ref() {
                Ok(Reply::TaskSet(key(id)))
            } else {
                Err(TaskSetRejection::Exists(key(id)).into())
            };
        }
        if service.deployments.len() >= TASK_SETS_MAX {
            let (service, count) = (service.key, service.deployments.len() as u64);
            return Err(TaskSetRejection::TooMany { service, count }.into());
        }
        self.check_deployment(&new.service, None, Some(&new.deploy))?;
        self.put_revision_of(&new.service, &new.deploy);
        let id = new.deploy.id;
        let set = TaskSet {
            scale: new.scale,
            stability: Stability::Stabilizing,
            stability_at: self.now,
            is_draining: false,
            is_forced: false,
            external_id: new.external_id.clone(),
            token: new.token.clone(),
            tags: new.tags.clone(),
        };
        let one = Deployment {
            set: Some(set),
            ..deployment(id, &new.deploy.spec.definition, self.now, self.now)
        };
        service.deployments.insert(0, one);
        self.put_stepped(service);
        Ok(Reply::TaskSet(key(id)))
    }

    pub(super) fn update_task_set(&mut self, update: &TaskSetUpdate) -> Result<Reply, Rejection> {
        let mut service = self.external_service(&update.key.service)?;
        let place = changeable(&service, &update.key)?;
        let desired = service.spec.desired_count;
        let one = &mut service.deployments[place];
        one.updated_at = self.now;
        if let Some(set) = &mut one.set {
            let is_other = set.scale.of(desired) != update.scale.of(desired);
            set.scale = update.scale;
            if is_other {
                set.stabilize(Stability::Stabilizing, self.now);
            }
        }
        self.put_stepped(service);
        Ok(Reply::TaskSet(update.key.clone()))
    }

    pub(super) fn make_primary(&mut self, key: &TaskSetKey) -> Result<Reply, Rejection> {
        let mut service = self.external_service(&key.service)?;
        let place = changeable(&service, key)?;
        let before = service.primary_set.filter(|before| *before != key.id);
        service.deployments[place].updated_at = self.now;
        service.primary_set = Some(key.id);
        if let Some(before) = before {
            self.edit(&mut service, before, |_| {});
            self.forget_parameters(&service, before);
        }
        self.put_stepped(service);
        Ok(Reply::TaskSet(key.clone()))
    }

    /// Repeating it while tasks are ending is no error; force may be added.
    pub(super) fn delete_task_set(
        &mut self,
        deletion: &TaskSetDeletion,
    ) -> Result<Reply, Rejection> {
        let key = &deletion.key;
        let mut service = self.external_service(&key.service)?;
        let place = place(&service, key)?;
        let one = &service.deployments[place];
        let is_wanted = one.set.as_ref().is_some_and(|s| service.wanted_of(s) > 0);
        if !deletion.force {
            match service.status_of(one) {
                TaskSetStatus::Primary => return Err(TaskSetRejection::Primary(key.clone()).into()),
                TaskSetStatus::Active if is_wanted => {
                    return Err(TaskSetRejection::Scaled(key.clone()).into());
                }
                TaskSetStatus::Active | TaskSetStatus::Draining => {}
            }
        }
        let one = &mut service.deployments[place];
        one.updated_at = self.now;
        if let Some(set) = &mut one.set {
            set.is_draining = true;
            set.is_forced |= deletion.force;
            set.stabilize(Stability::Stabilizing, self.now);
        }
        self.put_stepped(service);
        Ok(Reply::TaskSet(key.clone()))
    }

    /// The service, if task sets of it may be changed.
    fn external_service(&self, key: &ServiceKey) -> Result<Service, Rejection> {
        let service = self.active_service(key)?;
        match service.spec.controller {
            Controller::External => Ok(service),
            Controller::Ecs => Err(TaskSetRejection::NotExternal(key.clone()).into()),
        }
    }

    /// A service under an EXTERNAL controller deploys nothing itself.
    pub(super) fn check_controller(
        &self,
        key: &ServiceKey,
        controller: Controller,
        deploys: bool,
    ) -> Result<(), Rejection> {
        if deploys && controller == Controller::External {
            return Err(TaskSetRejection::External(key.clone()).into());
        }
        Ok(())
    }

    /// A task set has no tasks any more, and leaves.
    pub(super) fn remove_task_set(&mut self, service: &mut Service, id: DeploymentId) {
        service.deployments.retain(|one| one.id != id);
        service.said.retain(|said| said.of != Some(id));
        if service.primary_set != Some(id) {
            self.forget_parameters(service, id);
        }
    }

    /// The parameters of a task set that is gone, unless it is still there.
    pub(super) fn forget_parameters(&mut self, service: &Service, id: DeploymentId) {
        if service.deployment(id).is_none() {
            self.state.remove_revision(id);
        }
    }
}

/// The service wants another number of tasks: so do task sets, as far as their part of it is another.
pub(super) fn unsettle_where_counts_differ(
    service: &mut Service,
    desired_before: u64,
    now: Millis,
) {
    let desired = service.spec.desired_count;
    for set in service
        .deployments
        .iter_mut()
        .filter_map(|d| d.set.as_mut())
    {
        if !set.is_draining && set.scale.of(desired_before) != set.scale.of(desired) {
            set.stabilize(Stability::Stabilizing, now);
        }
    }
}

/// A task of the set was lost to it.
pub(super) fn unsettle(service: &mut Service, id: DeploymentId, now: Millis) {
    let mut all = service.deployments.iter_mut();
    let set = all
        .find(|one| one.id == id)
        .and_then(|one| one.set.as_mut());
    if let Some(set) = set {
        set.stabilize(Stability::Stabilizing, now);
    }
}

/// What the token made.
fn made_with<'a>(
    service: &'a Service,
    token: &TaskSetToken,
) -> Option<(DeploymentId, &'a TaskSetToken)> {
    let mut all = service.task_sets();
    all.find_map(|(one, set)| {
        let known = set.token.as_ref().filter(|t| t.token == token.token)?;
        Some((one.id, known))
    })
}

fn place(service: &Service, key: &TaskSetKey) -> Result<usize, Rejection> {
    let mut all = service.deployments.iter();
    let place = all.position(|one| one.id == key.id);
    place.ok_or_else(|| TaskSetRejection::NotFound(key.clone()).into())
}

fn changeable(service: &Service, key: &TaskSetKey) -> Result<usize, Rejection> {
    let place = place(service, key)?;
    match service.status_of(&service.deployments[place]) {
        TaskSetStatus::Draining => Err(TaskSetRejection::Draining(key.clone()).into()),
        TaskSetStatus::Primary | TaskSetStatus::Active => Ok(place),
    }
}
