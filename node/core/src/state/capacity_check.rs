//! What must hold of capacity providers and of tasks that wait for them; a part of [`State::check`].

use super::{Invariant, ServiceStatus, State, WaitingTask};
use crate::ids::{ClusterName, ProviderName};

impl State {
    /// What does not hold, and where.
    pub(super) fn capacity_faults(&self) -> Vec<(Invariant, String)> {
        let mut found = Vec::new();
        let mut missing = |what: String| found.push((Invariant::CapacityIsThere, what));
        for cluster in self.clusters() {
            let capacity = &cluster.capacity;
            let strategy = capacity.strategy.iter().map(|item| &item.provider);
            for name in capacity.providers.iter().filter(|n| !self.has_provider(n)) {
                missing(format!("{} has {name}", cluster.name));
            }
            for name in strategy.filter(|name| !capacity.providers.contains(name)) {
                missing(format!("{} shares out to {name}", cluster.name));
            }
        }
        for task in self.tasks().filter(|task| task.holds_resources()) {
            if task.provider.iter().any(|p| !self.has(&task.cluster, p)) {
                missing(format!("task {}", task.id));
            }
        }
        for (cluster, name) in self.deployed_on() {
            if !self.has(cluster, name) {
                missing(format!("a service of {cluster} runs on {name}"));
            }
        }
        found.extend(self.waiting_tasks().filter_map(|task| self.fault_of(task)));
        let without = self
            .clusters()
            .filter(|one| self.waiting_in(&one.name).next().is_some())
            .filter(|one| self.queue(&one.name).is_none());
        let idle = self
            .queues()
            .filter(|queue| self.waiting_in(&queue.cluster).next().is_none());
        let names = without
            .map(|one| &one.name)
            .chain(idle.map(|queue| &queue.cluster));
        found.extend(names.map(|name| (Invariant::WaitingIsWhole, format!("queue of {name}"))));
        found
    }

    /// Whether the provider is attached to the cluster.
    fn has(&self, cluster: &ClusterName, provider: &ProviderName) -> bool {
        let cluster = self.cluster(cluster);
        cluster.is_some_and(|one| one.capacity.providers.contains(provider))
    }

    /// The providers that services run on, or may go back to.
    pub(crate) fn deployed_on(&self) -> impl Iterator<Item = (&ClusterName, &ProviderName)> {
        let services = self
            .services()
            .filter(|service| service.status != ServiceStatus::Inactive);
        services.flat_map(|service| {
            let listed = service.deployments.iter().map(|one| one.id);
            let revisions = listed.chain(service.completed);
            let revisions = revisions.filter_map(|id| self.revision(id));
            let items = revisions.flat_map(|revision| &revision.spec.strategy);
            items.map(|item| (&service.key.cluster, &item.provider))
        })
    }

    fn fault_of(&self, task: &WaitingTask) -> Option<(Invariant, String)> {
        let new = &task.new;
        let is_whole = self.cluster(&new.cluster).is_some()
            && self.definition(&new.wish.definition).is_some()
            && self.task(&new.id).is_none();
        let waits = task.stopped.is_none();
        let is_attached = self.has(&new.cluster, &new.wish.provider);
        let number = self.queue(&new.cluster).map(|queue| queue.last_number);
        let is_counted = number.is_some_and(|last| task.number <= last);
        let holds = is_whole && (!waits || is_attached && is_counted);
        (!holds).then(|| (Invariant::WaitingIsWhole, format!("task {}", new.id)))
    }
}
