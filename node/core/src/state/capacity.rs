//! How capacity providers and waiting tasks are read, and how their tables and indexes change together.

use std::sync::Arc;

use super::{CapacityProvider, Instance, ProviderStatus, Queue, State, WaitingTask};
use crate::ids::{ClusterName, ProviderName, TaskId};
use crate::placement::Pool;
use crate::time::Millis;

impl State {
    /// A capacity provider that somebody made, INACTIVE ones included.
    #[must_use]
    pub fn provider(&self, name: &ProviderName) -> Option<&CapacityProvider> {
        self.providers.get(name).map(Arc::as_ref)
    }

    /// All of them by name.
    pub fn providers(&self) -> impl Iterator<Item = &CapacityProvider> {
        self.providers.values().map(Arc::as_ref)
    }

    /// Whether a cluster may have it: it is ECS's own, or ACTIVE.
    #[must_use]
    pub fn has_provider(&self, name: &ProviderName) -> bool {
        let made = self.provider(name);
        name.is_reserved() || made.is_some_and(|one| one.status == ProviderStatus::Active)
    }

    /// The capacity provider that an instance is marked for.
    #[must_use]
    pub fn provider_of(&self, instance: &Instance) -> Option<ProviderName> {
        let reserved = [ProviderName::FARGATE, ProviderName::FARGATE_SPOT].map(str::parse);
        let active = self
            .providers()
            .filter(|one| one.status == ProviderStatus::Active);
        let names = active.map(|one| one.name.clone());
        let mut all = reserved.into_iter().flatten().chain(names);
        all.find(|name| Pool::of(self, name).is_some_and(|pool| pool.is_marked(instance)))
    }

    /// A task that waits, or was stopped while it did.
    #[must_use]
    pub fn waiting_task(&self, id: &TaskId) -> Option<&WaitingTask> {
        self.waiting.get(id).map(Arc::as_ref)
    }

    /// All of them by id.
    pub fn waiting_tasks(&self) -> impl Iterator<Item = &WaitingTask> {
        self.waiting.values().map(Arc::as_ref)
    }

    /// Those of a cluster that wait, in the order in which they came.
    pub fn waiting_in(&self, cluster: &ClusterName) -> impl Iterator<Item = &WaitingTask> {
        let first = (cluster.clone(), 0, TaskId::from_u128(0));
        let last = (cluster.clone(), u64::MAX, TaskId::from_u128(u128::MAX));
        let ids = self.index.waiting_by_cluster.range(first..=last);
        ids.filter_map(|(_, _, id)| self.waiting_task(id))
    }

    /// How the tasks that wait in a cluster stand; none where none waits.
    #[must_use]
    pub fn queue(&self, cluster: &ClusterName) -> Option<&Queue> {
        self.queues.get(cluster)
    }

    /// The clusters in which tasks wait.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }

    /// The cluster of a task, placed or waiting.
    #[must_use]
    pub fn cluster_of_task(&self, id: &TaskId) -> Option<&ClusterName> {
        let waiting = self.waiting_task(id).map(|one| &one.new.cluster);
        self.task(id).map(|task| &task.cluster).or(waiting)
    }

    pub(crate) fn put_provider(&mut self, provider: CapacityProvider) {
        self.providers
            .insert_mut(provider.name.clone(), Arc::new(provider));
    }

    pub(crate) fn put_waiting(&mut self, task: WaitingTask) {
        self.forget_place(task.new.id);
        if let Some(key) = stopped_key(&task) {
            self.index.stopped.insert_mut(key);
        } else {
            self.index.waiting_by_cluster.insert_mut(place(&task));
        }
        self.waiting.insert_mut(task.new.id, Arc::new(task));
    }

    pub(crate) fn remove_waiting(&mut self, id: TaskId) {
        self.forget_place(id);
        self.waiting.remove_mut(&id);
    }

    fn forget_place(&mut self, id: TaskId) {
        if let Some(before) = self.waiting.get(&id).map(Arc::clone) {
            self.index.waiting_by_cluster.remove_mut(&place(&before));
            stopped_key(&before).map(|key| self.index.stopped.remove_mut(&key));
        }
    }

    pub(crate) fn put_queue(&mut self, queue: Queue) {
        self.queues.insert_mut(queue.cluster.clone(), queue);
    }

    pub(crate) fn remove_queue(&mut self, cluster: &ClusterName) {
        self.queues.remove_mut(cluster);
    }
}

/// Where the index of those that wait has the task.
fn place(task: &WaitingTask) -> (ClusterName, u64, TaskId) {
    (task.new.cluster.clone(), task.number, task.new.id)
}

/// Where the index `stopped` has the task.
fn stopped_key(task: &WaitingTask) -> Option<(Millis, TaskId)> {
    let stopped = task.stopped.as_ref()?;
    Some((stopped.at, task.new.id))
}
