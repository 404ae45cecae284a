//! How tables and their indexes change together. Called by `apply` and, at start, by `snapshot`; by nothing else.

use std::sync::Arc;

use super::{Cluster, Instance, NodeRecord, Remembered, State, Task, TaskDefinition, TokenRecord};
use crate::ids::{ClusterName, Family, RequestId, TaskId};
use crate::state::{DesiredStatus, FamilyRecord};
use crate::time::Millis;

impl State {
    pub(crate) fn put_cluster(&mut self, cluster: Cluster) {
        self.clusters
            .insert_mut(cluster.name.clone(), Arc::new(cluster));
    }

    pub(crate) fn put_family(&mut self, family: Family, record: FamilyRecord) {
        self.families.insert_mut(family, record);
    }

    pub(crate) fn put_definition(&mut self, definition: TaskDefinition) {
        self.definitions
            .insert_mut(definition.id.clone(), Arc::new(definition));
    }

    pub(crate) fn put_instance(&mut self, instance: Instance) {
        self.index
            .instances_by_cluster
            .insert_mut((instance.cluster.clone(), instance.id));
        self.index
            .instances_by_token
            .insert_mut(instance.token.clone(), instance.id);
        self.instances.insert_mut(instance.id, Arc::new(instance));
    }

    pub(crate) fn put_node(&mut self, node: NodeRecord) {
        self.nodes.insert_mut(node.node, node);
    }

    pub(crate) fn put_task(&mut self, task: Task) {
        let before = self
            .tasks
            .get(&task.id)
            .map(|old| (stopping_key(old), stopped_key(old)));
        match before {
            Some((stopping, stopped)) => {
                stopping.map(|key| self.index.stopping.remove_mut(&key));
                stopped.map(|key| self.index.stopped.remove_mut(&key));
            }
            None => {
                self.index
                    .tasks_by_cluster
                    .insert_mut((task.cluster.clone(), task.id));
                self.index
                    .tasks_by_instance
                    .insert_mut((task.instance, task.id));
            }
        }
        let live = (task.instance, task.id);
        if task.holds_resources() {
            self.index.live_by_instance.insert_mut(live);
        } else {
            self.index.live_by_instance.remove_mut(&live);
        }
        if let Some(key) = stopping_key(&task) {
            self.index.stopping.insert_mut(key);
        }
        if let Some(key) = stopped_key(&task) {
            self.index.stopped.insert_mut(key);
        }
        self.index_member(&task);
        self.tasks.insert_mut(task.id, Arc::new(task));
    }

    pub(crate) fn remove_task(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id).map(Arc::clone) else {
            return;
        };
        self.index
            .tasks_by_cluster
            .remove_mut(&(task.cluster.clone(), id));
        self.index
            .tasks_by_instance
            .remove_mut(&(task.instance, id));
        self.index.live_by_instance.remove_mut(&(task.instance, id));
        stopping_key(&task).map(|key| self.index.stopping.remove_mut(&key));
        stopped_key(&task).map(|key| self.index.stopped.remove_mut(&key));
        self.forget_member(&task);
        self.tasks.remove_mut(&id);
    }

    pub(crate) fn put_token(&mut self, cluster: ClusterName, token: String, record: TokenRecord) {
        self.index
            .tokens_by_time
            .insert_mut((record.at, cluster.clone(), token.clone()));
        self.tokens.insert_mut((cluster, token), record);
    }

    pub(crate) fn put_request(&mut self, request: RequestId, remembered: Remembered) {
        self.index
            .requests_by_time
            .insert_mut((remembered.at, request));
        self.requests.insert_mut(request, remembered);
    }

    /// Forgets up to `limit` requests older than `before`.
    pub(crate) fn drop_requests(&mut self, before: Millis, limit: usize) {
        for _ in 0..limit {
            let Some(oldest) = self
                .index
                .requests_by_time
                .first()
                .copied()
                .filter(|(at, _)| *at < before)
            else {
                return;
            };
            self.index.requests_by_time.remove_mut(&oldest);
            self.requests.remove_mut(&oldest.1);
        }
    }

    /// Forgets up to `limit` client tokens older than `before`.
    pub(crate) fn drop_tokens(&mut self, before: Millis, limit: usize) {
        for _ in 0..limit {
            let Some(oldest) = self
                .index
                .tokens_by_time
                .first()
                .cloned()
                .filter(|(at, _, _)| *at < before)
            else {
                return;
            };
            self.index.tokens_by_time.remove_mut(&oldest);
            self.tokens.remove_mut(&(oldest.1, oldest.2));
        }
    }
}

/// Where the index `stopping` has the task: told to stop, not STOPPED.
pub(super) fn stopping_key(task: &Task) -> Option<(Millis, TaskId)> {
    let told = task.desired == DesiredStatus::Stopped && task.holds_resources();
    let at = task.stopping_at.filter(|_| told)?;
    Some((at.plus_ms(task.stop_timeout_ms), task.id))
}

/// Where the index `stopped` has the task.
pub(super) fn stopped_key(task: &Task) -> Option<(Millis, TaskId)> {
    task.stopped_at.map(|at| (at, task.id))
}
