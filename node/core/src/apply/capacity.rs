//! Capacity providers: made, updated, deleted, attached to clusters.

use super::Desk;
use crate::command::{Change, NewProvider, Rejection, Reply};
use crate::documents::{Capacity, Document};
use crate::ids::{ClusterName, ProviderName};
use crate::state::{CapacityProvider, Cluster, ProviderStatus, TaskStatus};

impl Desk<'_> {
    pub(super) fn create_provider(&mut self, new: &NewProvider) -> Result<Reply, Rejection> {
        if self.state.has_provider(&new.name) {
            return Err(Rejection::ProviderExists(new.name.clone()));
        }
        let group = new.spec.group.as_ref();
        let is_twin = |one: &&CapacityProvider| {
            let is_active = one.status == ProviderStatus::Active;
            is_active && group.is_some() && one.spec.group.as_ref() == group
        };
        if let Some(twin) = self.state.providers().find(is_twin) {
            return Err(Rejection::GroupTaken(twin.name.clone()));
        }
        Ok(self.put_provider(CapacityProvider {
            name: new.name.clone(),
            status: ProviderStatus::Active,
            document: new.document.clone(),
            spec: new.spec.clone(),
            tags: new.tags.clone(),
            created_at: self.now,
            updated_at: None,
        }))
    }

    /// Its Auto Scaling group is its own for life.
    pub(super) fn update_provider(
        &mut self,
        name: &ProviderName,
        document: &Document,
    ) -> Result<Reply, Rejection> {
        let mut provider = self.active_provider(name)?;
        provider.document = document.clone();
        provider.updated_at = Some(self.now);
        Ok(self.put_provider(provider))
    }

    pub(super) fn delete_provider(&mut self, name: &ProviderName) -> Result<Reply, Rejection> {
        let mut provider = self.active_provider(name)?;
        let has_it = |cluster: &&Cluster| cluster.capacity.providers.contains(name);
        if let Some(cluster) = self.state.clusters().find(has_it) {
            return Err(Rejection::ProviderAttached {
                provider: name.clone(),
                cluster: cluster.name.clone(),
            });
        }
        provider.status = ProviderStatus::Inactive;
        Ok(self.put_provider(provider))
    }

    fn active_provider(&self, name: &ProviderName) -> Result<CapacityProvider, Rejection> {
        let provider = self.state.provider(name).cloned();
        provider
            .filter(|one| one.status == ProviderStatus::Active)
            .ok_or_else(|| Rejection::ProviderNotFound(name.clone()))
    }

    fn put_provider(&mut self, provider: CapacityProvider) -> Reply {
        let name = provider.name.clone();
        self.touch(Change::Provider(name.clone()));
        self.state.put_provider(provider);
        Reply::Provider(name)
    }

    pub(super) fn put_cluster_capacity(
        &mut self,
        name: &ClusterName,
        capacity: &Capacity,
    ) -> Result<Reply, Rejection> {
        self.active_cluster(name)?;
        self.check_capacity(name, capacity)?;
        let cluster = self.state.cluster(name).cloned();
        let mut cluster = cluster.expect("it is ACTIVE");
        let before = cluster.capacity.providers.iter();
        let mut gone = before.filter(|provider| !capacity.providers.contains(provider));
        if let Some(used) = gone.find(|provider| self.is_used(name, provider)) {
            return Err(Rejection::ProviderInUse(used.clone()));
        }
        cluster.capacity = capacity.clone();
        self.touch(Change::Cluster(name.clone()));
        self.state.put_cluster(cluster);
        Ok(Reply::Cluster(name.clone()))
    }

    /// All providers are there, and the strategy names no others.
    pub(super) fn check_capacity(
        &self,
        cluster: &ClusterName,
        capacity: &Capacity,
    ) -> Result<(), Rejection> {
        let mut providers = capacity.providers.iter();
        if let Some(name) = providers.find(|name| !self.state.has_provider(name)) {
            return Err(Rejection::ProviderNotFound(name.clone()));
        }
        let mut named = capacity.strategy.iter().map(|item| &item.provider);
        match named.find(|name| !capacity.providers.contains(name)) {
            Some(name) => Err(not_attached(cluster, name)),
            None => Ok(()),
        }
    }

    /// What is to run on a provider may: its cluster has it.
    pub(super) fn check_attached(
        &self,
        cluster: &ClusterName,
        provider: Option<&ProviderName>,
    ) -> Result<(), Rejection> {
        let attached = self
            .state
            .cluster(cluster)
            .map(|one| &one.capacity.providers);
        match provider.filter(|name| attached.is_none_or(|all| !all.contains(name))) {
            Some(name) => Err(not_attached(cluster, name)),
            None => Ok(()),
        }
    }

    /// Whether a task, one that waits or a service of the cluster would be without it.
    fn is_used(&self, cluster: &ClusterName, provider: &ProviderName) -> bool {
        let mut tasks = self.state.tasks_in(cluster);
        let mut waiting = self.state.waiting_in(cluster);
        let mut services = self.state.deployed_on();
        tasks.any(|task| {
            task.last != TaskStatus::Stopped && task.provider.as_ref() == Some(provider)
        }) || waiting.any(|task| task.new.wish.provider == *provider)
            || services.any(|(of, name)| of == cluster && name == provider)
    }
}

fn not_attached(cluster: &ClusterName, provider: &ProviderName) -> Rejection {
    Rejection::ProviderNotAttached {
        provider: provider.clone(),
        cluster: cluster.clone(),
    }
}
