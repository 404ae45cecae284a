//! Whether placements are right, by walking through all tasks: nothing is taken from the engine's sums or indexes.

use std::collections::BTreeMap;

use quorate_core::State;
use quorate_core::ids::InstanceId;
use quorate_core::placement::Rules;
use quorate_core::state::{Instance, Task};

use crate::world::{DISK, World, ZONES};

/// What is wrong: a reservation exceeded, a constraint broken, a group spread unevenly.
pub(crate) fn placements(world: &World, rules: &Rules) -> Result<(), String> {
    let state = &world.state;
    let is_constrained = !rules.constraints.is_empty();
    let mut on: BTreeMap<InstanceId, Vec<&Task>> = BTreeMap::new();
    for task in state.tasks() {
        on.entry(task.instance).or_default().push(task);
    }
    for (id, tasks) in &on {
        let instance = state
            .instance(id)
            .ok_or_else(|| format!("{id} does not exist"))?;
        holds(instance, tasks)?;
        if is_constrained && !has_disk(instance) {
            return Err(format!("{id} has no {}", DISK.1));
        }
    }
    skew(state, is_constrained)
}

fn has_disk(instance: &Instance) -> bool {
    instance
        .attributes
        .get(DISK.0)
        .is_some_and(|disk| disk == DISK.1)
}

fn holds(instance: &Instance, tasks: &[&Task]) -> Result<(), String> {
    let cpu_units: u64 = tasks.iter().map(|task| task.reserved.cpu_units).sum();
    let memory_mib: u64 = tasks.iter().map(|task| task.reserved.memory_mib).sum();
    let mut ports: Vec<_> = tasks.iter().flat_map(|task| &task.reserved.ports).collect();
    let count = ports.len();
    ports.sort();
    ports.dedup();
    let has = &instance.registered;
    if cpu_units > has.cpu_units || memory_mib > has.memory_mib || ports.len() < count {
        return Err(format!("{} is oversubscribed", instance.id));
    }
    Ok(())
}

/// The skew of a group is the most less the fewest of its tasks, over instances that may have some; over zones, where it is spread so.
fn skew(state: &State, is_zoned: bool) -> Result<(), String> {
    let mut by_group: BTreeMap<&str, BTreeMap<InstanceId, u64>> = BTreeMap::new();
    for task in state.tasks() {
        *by_group
            .entry(&task.group)
            .or_default()
            .entry(task.instance)
            .or_default() += 1;
    }
    let able = state
        .instances()
        .filter(|one| !is_zoned || has_disk(one))
        .count();
    for (group, on) in by_group {
        let fewest = if on.len() < able {
            0
        } else {
            on.values().min().copied().unwrap_or(0)
        };
        let most = on.values().max().copied().unwrap_or(0);
        if most - fewest > 1 {
            return Err(format!(
                "{group} has {fewest} tasks on one instance and {most} on another"
            ));
        }
        let in_zone = |zone: &str| -> u64 {
            let mine = on
                .iter()
                .filter(|(id, _)| state.instance(id).is_some_and(|one| one.zone() == zone));
            mine.map(|(_, count)| count).sum()
        };
        let zones = ZONES.map(in_zone);
        if is_zoned && zones.iter().max() > zones.iter().min().map(|fewest| fewest + 1).as_ref() {
            return Err(format!("{group} has {zones:?} tasks in the zones"));
        }
    }
    Ok(())
}
