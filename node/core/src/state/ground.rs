//! What placement looks at first, kept beside the tables for each cluster: which instances take tasks, those with the most left first,
//! and where each group's tasks are. So that placing a task costs about the same among a thousand instances as among a hundred
//! thousand. Written by `write`, read by `placement`.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Instance, Map, Set};
use crate::ids::InstanceId;
use crate::placement::ZONE;

/// One cluster's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ground {
    /// Instances that take tasks, by zone, as their table has them; no zone is empty.
    pub(crate) zones: Map<Arc<str>, ZoneMap>,
    /// Groups with tasks that are not STOPPED.
    pub(crate) groups: Map<Arc<str>, Group>,
}

/// The instances of one zone that take tasks, in the order in which they would be chosen.
pub(crate) type ZoneMap = Map<Free, Arc<Instance>>;

/// An instance by what it has left: the most memory first, then the most CPU, then the lowest id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Free {
    pub(crate) memory_mib: Reverse<u64>,
    pub(crate) cpu_units: Reverse<u64>,
    pub(crate) id: InstanceId,
}

/// Where a group's tasks are that are not STOPPED.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    /// How many on each instance; none has 0.
    pub(crate) on: Map<InstanceId, u32>,
    /// How many in each zone; none has 0.
    pub(crate) zones: Map<Arc<str>, GroupZone>,
}

/// A group's tasks in one zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GroupZone {
    /// All of them.
    pub(crate) tasks: u64,
    /// The instances among theirs that take tasks, by how many they have.
    pub(crate) takers: Set<(u32, InstanceId)>,
}

impl Instance {
    /// Its zone; empty where it has none.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.attribute(ZONE).unwrap_or_default()
    }

    pub(crate) fn free(&self) -> Free {
        Free {
            memory_mib: Reverse(self.memory_mib_free()),
            cpu_units: Reverse(self.cpu_units_free()),
            id: self.id,
        }
    }
}

impl Ground {
    /// An instance is there, or has changed. Whether its tasks have to be moved with it.
    pub(crate) fn put_instance(&mut self, before: Option<&Instance>, now: &Arc<Instance>) -> bool {
        let place = |one: &Instance| one.takes_tasks().then(|| one.free());
        let (was, is) = (before.and_then(place), place(now));
        let old_zone = before.map_or(now.zone(), Instance::zone);
        let moves = old_zone != now.zone();
        if let Some(free) = was.filter(|was| moves || is != Some(*was)) {
            self.leave(old_zone, &free);
        }
        if let Some(free) = is {
            self.join(free, now);
        }
        before.is_some() && (moves || was.is_some() != is.is_some())
    }

    /// Moves the tasks of these groups with an instance that changed zone, or takes tasks now, or does not any more.
    pub(crate) fn move_groups(
        &mut self,
        before: Option<&Instance>,
        now: &Instance,
        groups: &BTreeSet<String>,
    ) {
        let Some(before) = before else { return };
        for group in groups {
            let Some(row) = self.groups.get_mut(group.as_str()) else {
                continue;
            };
            let count = row.on.get(&now.id).copied().unwrap_or(0);
            row.shift(now.id, (before.zone(), before.takes_tasks()), (count, 0));
            row.shift(now.id, (now.zone(), now.takes_tasks()), (0, count));
        }
    }

    fn join(&mut self, free: Free, instance: &Arc<Instance>) {
        let (zone, instance) = (instance.zone(), Arc::clone(instance));
        match self.zones.get_mut(zone) {
            Some(all) => all.insert_mut(free, instance),
            None => {
                let all = ZoneMap::default().insert(free, Arc::clone(&instance));
                self.zones.insert_mut(instance.zone().into(), all);
            }
        }
    }

    fn leave(&mut self, zone: &str, free: &Free) {
        let Some(all) = self.zones.get_mut(zone) else {
            return;
        };
        all.remove_mut(free);
        if all.is_empty() {
            self.zones.remove_mut(zone);
        }
    }

    /// One task of the group begins (`is_more`) or ends on an instance that is in that zone, and takes tasks or does not.
    pub(crate) fn count(&mut self, group: &str, on: InstanceId, at: (&str, bool), is_more: bool) {
        if self.groups.get(group).is_none() {
            self.groups.insert_mut(group.into(), Group::default());
        }
        let row = self.groups.get_mut(group).expect("inserted above");
        let before = row.on.get(&on).copied().unwrap_or(0);
        let now = if is_more {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        if now == 0 {
            row.on.remove_mut(&on);
        } else {
            row.on.insert_mut(on, now);
        }
        row.shift(on, at, (before, now));
        if row.on.is_empty() {
            self.groups.remove_mut(group);
        }
    }
}

impl Group {
    /// An instance had so many tasks of the group in a zone, and has so many now.
    fn shift(&mut self, on: InstanceId, (zone, takes): (&str, bool), (before, now): (u32, u32)) {
        if self.zones.get(zone).is_none() {
            self.zones.insert_mut(zone.into(), GroupZone::default());
        }
        let row = self.zones.get_mut(zone).expect("inserted above");
        row.tasks = (row.tasks + u64::from(now)).saturating_sub(u64::from(before));
        if takes && before > 0 {
            row.takers.remove_mut(&(before, on));
        }
        if takes && now > 0 {
            row.takers.insert_mut((now, on));
        }
        if row.tasks == 0 {
            self.zones.remove_mut(zone);
        }
    }
}
