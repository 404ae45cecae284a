//! What people say of instances: custom attributes, put and deleted; and whether an instance takes tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Desk;
use crate::command::{Change, InstanceAttribute, Rejection, Reply};
use crate::ids::InstanceId;
use crate::state::{Instance, InstanceStatus};

/// ECS: custom attributes of one instance.
const CUSTOM_ATTRIBUTES_MAX: usize = 10;

impl Desk<'_> {
    /// All or none. Of one name given twice, the last counts.
    pub(super) fn put_attributes(
        &mut self,
        attributes: &[InstanceAttribute],
    ) -> Result<Reply, Rejection> {
        let mut changed: BTreeMap<InstanceId, Instance> = BTreeMap::new();
        for one in attributes {
            let instance = self.to_be_changed(&mut changed, one.instance)?;
            let custom = Arc::make_mut(&mut instance.custom_attributes);
            custom.insert(one.name.clone(), one.value.clone());
            if custom.len() > CUSTOM_ATTRIBUTES_MAX {
                return Err(Rejection::TooManyAttributes(one.instance));
            }
        }
        self.put_changed(changed);
        Ok(Reply::Attributes(attributes.to_vec()))
    }

    /// The reply has those that were there, with their values.
    pub(super) fn delete_attributes(
        &mut self,
        attributes: &[InstanceAttribute],
    ) -> Result<Reply, Rejection> {
        let mut changed: BTreeMap<InstanceId, Instance> = BTreeMap::new();
        let mut deleted = Vec::new();
        for one in attributes {
            let instance = self.to_be_changed(&mut changed, one.instance)?;
            let custom = Arc::make_mut(&mut instance.custom_attributes);
            deleted.extend(custom.remove(&one.name).map(|value| InstanceAttribute {
                value,
                ..one.clone()
            }));
        }
        self.put_changed(changed);
        Ok(Reply::Attributes(deleted))
    }

    /// Those that are ACTIVE or DRAINING become what is wanted; others are left alone, and not in the reply. Services look at their
    /// tasks there; standalone tasks stay as they are.
    pub(super) fn set_draining(&mut self, instances: &[InstanceId], is_draining: bool) -> Reply {
        let status = if is_draining {
            InstanceStatus::Draining
        } else {
            InstanceStatus::Active
        };
        let (mut changed, mut done) = (BTreeMap::new(), Vec::new());
        for id in instances {
            if let Ok(instance) = self.to_be_changed(&mut changed, *id) {
                instance.status = status;
                done.push(*id);
            }
        }
        for instance in self.put_changed(changed) {
            let tasks: Vec<_> = self
                .state
                .live_tasks_on(&instance)
                .map(|task| task.id)
                .collect();
            tasks.iter().for_each(|task| self.stir(task));
        }
        Reply::Instances(done)
    }

    /// The instance as it will be, unless it was deregistered.
    fn to_be_changed<'a>(
        &self,
        changed: &'a mut BTreeMap<InstanceId, Instance>,
        id: InstanceId,
    ) -> Result<&'a mut Instance, Rejection> {
        let instance = self.state.instance(&id);
        let instance = instance.ok_or(Rejection::InstanceNotFound(id))?;
        if instance.status == InstanceStatus::Inactive {
            return Err(Rejection::InstanceInactive(id));
        }
        Ok(changed.entry(id).or_insert_with(|| instance.clone()))
    }

    /// Puts those that differ from what is there, and says which. Services that follow the instances of a cluster are to look.
    fn put_changed(&mut self, mut changed: BTreeMap<InstanceId, Instance>) -> Vec<InstanceId> {
        changed.retain(|id, instance| self.state.instance(id) != Some(instance));
        let ids = changed.keys().copied().collect();
        let mut clusters = BTreeSet::new();
        for (id, mut instance) in changed {
            instance.change_count += 1;
            clusters.insert(instance.cluster.clone());
            let before = self.state.instance(&id).cloned();
            self.put_instance(instance);
            self.touch(Change::Instance(id));
            self.welcome(before.as_ref(), id);
        }
        for cluster in &clusters {
            self.stir_followers(cluster);
        }
        ids
    }
}
