//! How tables and their indexes change together. Called by `apply` and, at start, by `snapshot`; by nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Cluster, Ground, Instance, NodeRecord, Remembered, State, Task, TaskDefinition, TokenRecord,
};
use crate::ids::{ClusterName, DefinitionId, Family, RequestId, TaskId};
use crate::state::{DesiredStatus, FamilyRecord};
use crate::time::Millis;

/// How many instances of its zone an instance is compared with when it registers: enough to meet one of each frequent kind.
const ASKED_FOR_ATTRIBUTES: usize = 16;

impl State {
    pub(crate) fn put_cluster(&mut self, cluster: Cluster) {
        self.clusters
            .insert_mut(cluster.name.clone(), Arc::new(cluster));
    }

    pub(crate) fn put_family(&mut self, family: Family, record: FamilyRecord) {
        self.families.insert_mut(family, record);
    }

    pub(crate) fn put_definition(&mut self, definition: TaskDefinition) {
        self.forget_deletion(&definition.id);
        if let Some(at) = definition.purge_at {
            self.index.deletions.insert_mut((at, definition.id.clone()));
        }
        self.definitions
            .insert_mut(definition.id.clone(), Arc::new(definition));
    }

    pub(crate) fn remove_definition(&mut self, id: &DefinitionId) {
        self.forget_deletion(id);
        self.definitions.remove_mut(id);
    }

    fn forget_deletion(&mut self, id: &DefinitionId) {
        if let Some(at) = self.definitions.get(id).and_then(|known| known.purge_at) {
            self.index.deletions.remove_mut(&(at, id.clone()));
        }
    }

    /// Cluster and token are an instance's for life.
    pub(crate) fn put_instance(&mut self, mut instance: Instance) {
        let before = self.instances.get(&instance.id).map(Arc::clone);
        let known = before.as_ref().map(|before| &before.attributes);
        if known.is_none_or(|known| !Arc::ptr_eq(known, &instance.attributes)) {
            self.share_attributes(before.as_deref(), &mut instance);
        }
        if before.is_none() {
            self.index
                .instances_by_cluster
                .insert_mut((instance.cluster.clone(), instance.id));
            self.index
                .instances_by_token
                .insert_mut(instance.token.clone(), instance.id);
        }
        let instance = Arc::new(instance);
        self.put_on_ground(before.as_deref(), &instance);
        self.instances.insert_mut(instance.id, instance);
    }

    /// Instances of one kind have equal attributes: one copy for many is less memory, and near at hand when placement compares them.
    fn share_attributes(&self, before: Option<&Instance>, instance: &mut Instance) {
        let ground = self.index.ground.get(&instance.cluster);
        let zone = ground.and_then(|ground| ground.zones.get(instance.zone()));
        let some = zone.into_iter().flat_map(|zone| zone.values());
        let some = some.take(ASKED_FOR_ATTRIBUTES).map(Arc::as_ref);
        let equal = before
            .into_iter()
            .chain(some)
            .find(|other| other.attributes == instance.attributes);
        if let Some(other) = equal {
            instance.attributes = Arc::clone(&other.attributes);
        }
    }

    fn put_on_ground(&mut self, before: Option<&Instance>, instance: &Arc<Instance>) {
        let cluster = &instance.cluster;
        if self.index.ground.get(cluster).is_none() {
            let ground = Ground::default();
            self.index.ground.insert_mut(cluster.clone(), ground);
        }
        let ground = self.index.ground.get_mut(cluster).expect("inserted above");
        if ground.put_instance(before, instance) {
            let tasks = self.live_tasks_on(&instance.id);
            let groups: BTreeSet<String> = tasks.map(|task| task.group.clone()).collect();
            let ground = self.index.ground.get_mut(cluster).expect("as before");
            ground.move_groups(before, instance, &groups);
        }
    }

    /// Counts a task in or out of its group.
    fn count_in_group(&mut self, task: &Task, is_more: bool) {
        let Some(instance) = self.instances.get(&task.instance) else {
            return;
        };
        let at = (instance.zone(), instance.takes_tasks());
        if let Some(ground) = self.index.ground.get_mut(&task.cluster) {
            ground.count(&task.group, task.instance, at, is_more);
        }
    }

    pub(crate) fn put_node(&mut self, node: NodeRecord) {
        self.nodes.insert_mut(node.node, node);
    }

    pub(crate) fn put_task(&mut self, task: Task) {
        let before = self.tasks.get(&task.id);
        let was_live = before.is_some_and(|old| old.holds_resources());
        let before = before.map(|old| (stopping_key(old), stopped_key(old)));
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
        let (live, is_live) = ((task.instance, task.id), task.holds_resources());
        if is_live != was_live {
            self.count_in_group(&task, is_live);
        }
        if is_live && !was_live {
            self.index.live_by_instance.insert_mut(live);
        } else if was_live && !is_live {
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
        if task.holds_resources() {
            self.count_in_group(&task, false);
        }
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
