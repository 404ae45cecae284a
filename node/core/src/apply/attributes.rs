//! What people say of instances: custom attributes, put and deleted; and whether an instance takes tasks.

use std::collections::BTreeMap;
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

    /// Those that are ACTIVE or DRAINING become what is wanted; others are left alone, and not in the reply.
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
        self.put_changed(changed);
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

    fn put_changed(&mut self, changed: BTreeMap<InstanceId, Instance>) {
        for (id, mut instance) in changed {
            if self.state.instance(&id) != Some(&instance) {
                instance.change_count += 1;
                self.state.put_instance(instance);
                self.touch(Change::Instance(id));
            }
        }
    }
}
