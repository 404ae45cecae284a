//! Clusters: made, revived, deleted.

use super::Desk;
use crate::command::{Change, Rejection, Reply};
use crate::documents::{Capacity, Document, Tag};
use crate::ids::ClusterName;
use crate::state::{Cluster, ClusterStatus, InstanceStatus, ServiceStatus, TaskStatus};

impl Desk<'_> {
    pub(super) fn create_cluster(
        &mut self,
        name: &ClusterName,
        tags: &[Tag],
        document: &Document,
        capacity: &Capacity,
    ) -> Result<Reply, Rejection> {
        let is_active = self
            .state
            .cluster(name)
            .is_some_and(|cluster| cluster.status == ClusterStatus::Active);
        if !is_active {
            self.check_capacity(name, capacity)?;
            self.state.put_cluster(Cluster {
                name: name.clone(),
                status: ClusterStatus::Active,
                created_at: self.now,
                tags: tags.to_vec(),
                document: document.clone(),
                capacity: capacity.clone(),
            });
            self.touch(Change::Cluster(name.clone()));
        }
        Ok(Reply::Cluster(name.clone()))
    }

    pub(super) fn update_cluster(
        &mut self,
        name: &ClusterName,
        document: &Document,
    ) -> Result<Reply, Rejection> {
        self.active_cluster(name)?;
        let cluster = self.state.cluster(name).cloned();
        if let Some(mut cluster) = cluster.filter(|cluster| cluster.document != *document) {
            cluster.document = document.clone();
            self.state.put_cluster(cluster);
            self.touch(Change::Cluster(name.clone()));
        }
        Ok(Reply::Cluster(name.clone()))
    }

    /// Tasks are looked at first: each is on an instance, and so would never be named.
    pub(super) fn delete_cluster(&mut self, name: &ClusterName) -> Result<Reply, Rejection> {
        let cluster = self
            .state
            .cluster(name)
            .ok_or_else(|| Rejection::ClusterNotFound(name.clone()))?;
        let mut cluster = cluster.clone();
        if self
            .state
            .tasks_in(name)
            .any(|task| task.last != TaskStatus::Stopped)
            || self.state.queue(name).is_some()
        {
            return Err(Rejection::ClusterHasTasks(name.clone()));
        }
        if self
            .state
            .instances_in(name)
            .any(|instance| instance.status != InstanceStatus::Inactive)
        {
            return Err(Rejection::ClusterHasInstances(name.clone()));
        }
        if self
            .state
            .services_in(name)
            .any(|service| service.status != ServiceStatus::Inactive)
        {
            return Err(Rejection::ClusterHasServices(name.clone()));
        }
        cluster.status = ClusterStatus::Inactive;
        // Its capacity providers are free of it.
        cluster.capacity = Capacity::default();
        self.state.put_cluster(cluster);
        self.touch(Change::Cluster(name.clone()));
        Ok(Reply::Cluster(name.clone()))
    }

    /// The cluster, if things may be put into it.
    pub(super) fn active_cluster(&self, name: &ClusterName) -> Result<(), Rejection> {
        match self.state.cluster(name).map(|cluster| cluster.status) {
            Some(ClusterStatus::Active) => Ok(()),
            Some(ClusterStatus::Inactive) => Err(Rejection::ClusterInactive(name.clone())),
            None => Err(Rejection::ClusterNotFound(name.clone())),
        }
    }
}
