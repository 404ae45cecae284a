//! How services are read, and how their tables and indexes change together.

use std::sync::Arc;

use super::{Revision, Service, ServiceDeployment, ServiceEvent, State, Task};
use crate::ids::{ClusterName, DeploymentId, ServiceKey, TaskId};
use crate::time::Millis;

const FIRST: TaskId = TaskId::from_u128(0);
const LAST: TaskId = TaskId::from_u128(u128::MAX);

/// No service of the cluster comes before this key.
pub(super) fn least_service(cluster: &ClusterName) -> ServiceKey {
    ServiceKey {
        cluster: cluster.clone(),
        name: "-".parse().expect("a hyphen is a name, and the least"),
    }
}

impl State {
    /// A service.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.get(key).map(Arc::as_ref)
    }

    /// All services by cluster and name, INACTIVE ones included.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values().map(Arc::as_ref)
    }

    /// The services of a cluster by name, INACTIVE ones included.
    pub fn services_in<'a>(
        &'a self,
        cluster: &'a ClusterName,
    ) -> impl Iterator<Item = &'a Service> {
        let from = self.services.range(least_service(cluster)..);
        from.take_while(move |(key, _)| key.cluster == *cluster)
            .map(|(_, service)| service.as_ref())
    }

    /// The tasks of a service by id, STOPPED ones included.
    pub fn tasks_of(&self, service: &ServiceKey) -> impl Iterator<Item = &Task> {
        let range = (service.clone(), FIRST)..=(service.clone(), LAST);
        let ids = self.index.tasks_by_service.range(range);
        ids.filter_map(|(_, id)| self.task(id))
    }

    /// The tasks of a service that are not STOPPED, by id.
    pub fn live_tasks_of(&self, service: &ServiceKey) -> impl Iterator<Item = &Task> {
        let range = (service.clone(), FIRST)..=(service.clone(), LAST);
        let ids = self.index.live_by_service.range(range);
        ids.filter_map(|(_, id)| self.task(id))
    }

    /// The services that are to be looked at by `now`, the longest due first.
    pub fn services_due(&self, now: Millis) -> impl Iterator<Item = &Service> {
        let due = self
            .index
            .looks
            .iter()
            .take_while(move |(at, _)| *at <= now);
        due.filter_map(|(_, key)| self.service(key))
    }

    /// The services of a cluster that follow its instances, by name.
    pub(crate) fn followers_in<'a>(
        &'a self,
        cluster: &'a ClusterName,
    ) -> impl Iterator<Item = &'a Service> {
        let from = self.index.followers.range(least_service(cluster)..);
        from.take_while(move |key| key.cluster == *cluster)
            .filter_map(|key| self.service(key))
    }

    /// The newest events of a service, newest first.
    pub fn events_of(&self, service: &ServiceKey) -> impl Iterator<Item = &ServiceEvent> {
        let range = (service.clone(), 0)..=(service.clone(), u64::MAX);
        let events = self.service_events.range(range).rev();
        events.map(|(_, event)| event.as_ref())
    }

    /// A revision.
    #[must_use]
    pub fn revision(&self, id: DeploymentId) -> Option<&Revision> {
        self.revisions.get(&id).map(Arc::as_ref)
    }

    /// All revisions by number.
    pub fn revisions(&self) -> impl Iterator<Item = &Revision> {
        self.revisions.values().map(Arc::as_ref)
    }

    /// A service deployment.
    #[must_use]
    pub fn service_deployment(&self, id: DeploymentId) -> Option<&ServiceDeployment> {
        self.service_deployments.get(&id).map(Arc::as_ref)
    }

    /// All service deployments by number.
    pub fn service_deployments(&self) -> impl Iterator<Item = &ServiceDeployment> {
        self.service_deployments.values().map(Arc::as_ref)
    }

    /// The service deployments of a service, newest first.
    pub fn deployments_of(&self, service: &ServiceKey) -> impl Iterator<Item = &ServiceDeployment> {
        let first = (service.clone(), Millis(0), DeploymentId(0));
        let last = (service.clone(), Millis(u64::MAX), DeploymentId(u64::MAX));
        let ids = self.index.deployments_by_service.range(first..=last).rev();
        ids.filter_map(|(_, _, id)| self.service_deployment(*id))
    }

    pub(crate) fn put_service(&mut self, service: Service) {
        let key = service.key.clone();
        let before = self.services.get(&key).map(Arc::clone);
        self.index_balance(before.as_deref(), &service);
        if let Some(at) = before.and_then(|old| old.look_at) {
            self.index.looks.remove_mut(&(at, key.clone()));
        }
        if let Some(at) = service.look_at {
            self.index.looks.insert_mut((at, key.clone()));
        }
        if service.follows_instances() {
            self.index.followers.insert_mut(key.clone());
        } else {
            self.index.followers.remove_mut(&key);
        }
        self.services.insert_mut(key, Arc::new(service));
    }

    pub(crate) fn put_event(&mut self, event: ServiceEvent) {
        let key = (event.service.clone(), event.number);
        self.service_events.insert_mut(key, Arc::new(event));
    }

    pub(crate) fn remove_event(&mut self, service: &ServiceKey, number: u64) {
        self.service_events.remove_mut(&(service.clone(), number));
    }

    pub(crate) fn put_revision(&mut self, revision: Revision) {
        self.revisions.insert_mut(revision.id, Arc::new(revision));
    }

    /// Forgets the revision of a task set, which has no service deployment.
    pub(crate) fn remove_revision(&mut self, id: DeploymentId) {
        self.revisions.remove_mut(&id);
    }

    pub(crate) fn put_service_deployment(&mut self, deployment: ServiceDeployment) {
        let key = (
            deployment.service.clone(),
            deployment.created_at,
            deployment.id,
        );
        self.index.deployments_by_service.insert_mut(key);
        self.service_deployments
            .insert_mut(deployment.id, Arc::new(deployment));
    }

    /// Forgets a service deployment and its revision.
    pub(crate) fn remove_rollout(&mut self, id: DeploymentId) {
        if let Some(old) = self.service_deployments.get(&id).map(Arc::clone) {
            let key = (old.service.clone(), old.created_at, id);
            self.index.deployments_by_service.remove_mut(&key);
            self.service_deployments.remove_mut(&id);
            self.revisions.remove_mut(&id);
        }
    }

    /// Where the indexes of services have the task.
    pub(super) fn index_member(&mut self, task: &Task) {
        let Some(service) = task.service_key() else {
            return;
        };
        let key = (service, task.id);
        if task.holds_resources() {
            self.index.live_by_service.insert_mut(key.clone());
        } else {
            self.index.live_by_service.remove_mut(&key);
        }
        self.index.tasks_by_service.insert_mut(key);
    }

    pub(super) fn forget_member(&mut self, task: &Task) {
        if let Some(service) = task.service_key() {
            let key = (service, task.id);
            self.index.live_by_service.remove_mut(&key);
            self.index.tasks_by_service.remove_mut(&key);
        }
    }
}
