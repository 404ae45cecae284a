//! I11: what tasks hold of an instance is counted exactly, fits what the instance has, and no host port is held twice.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::State;
use quorate_core::ids::InstanceId;
use quorate_core::state::{Instance, Resources, Task, TaskStatus};

use super::{Promise, Scene, Seen, Step};

/// The state checks itself at one step in so many: that walks through everything and builds all indexes again.
const SAMPLE: u64 = 64;

/// See the file.
#[derive(Default)]
pub(super) struct Held;

impl Promise for Held {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Step(step) => {
                look_at_touched(step, scene);
                if step.after.applied_index().is_multiple_of(SAMPLE) {
                    check(&step.after, scene);
                }
            }
            Seen::Ended => {
                if let Some(newest) = scene.timeline.newest().cloned() {
                    check(&newest, scene);
                }
            }
            Seen::Event(_) | Seen::Answer(_) | Seen::Published(_) | Seen::Status(_) => {}
        }
    }
}

/// All that the state itself can say of its invariants.
fn check(state: &State, scene: &mut Scene<'_>) {
    for violation in state.check() {
        scene.broken(
            None,
            format!("index {}: {violation}", state.applied_index()),
        );
    }
}

fn look_at_touched(step: &Step, scene: &mut Scene<'_>) {
    let (before, after) = (&step.before, &step.after);
    let of_tasks = step
        .touched
        .tasks
        .iter()
        .filter_map(|id| after.task(id).or_else(|| before.task(id)));
    let mut instances: BTreeSet<InstanceId> = of_tasks.map(|task| task.instance).collect();
    instances.extend(&step.touched.instances);
    if instances.is_empty() {
        return;
    }
    let mut live: BTreeMap<InstanceId, Vec<&Task>> = BTreeMap::new();
    for task in after
        .tasks()
        .filter(|task| task.last != TaskStatus::Stopped && instances.contains(&task.instance))
    {
        live.entry(task.instance).or_default().push(task);
    }
    for id in instances {
        if let Some(instance) = after.instance(&id) {
            let tasks = live.get(&id).map(Vec::as_slice).unwrap_or_default();
            look_at_instance(instance, tasks, after.applied_index(), scene);
        }
    }
}

fn look_at_instance(instance: &Instance, tasks: &[&Task], index: u64, scene: &mut Scene<'_>) {
    let mut sum = Resources::default();
    for task in tasks {
        sum.cpu_units += task.reserved.cpu_units;
        sum.memory_mib += task.reserved.memory_mib;
        sum.gpus += task.reserved.gpus;
        for port in &task.reserved.ports {
            if !sum.ports.insert(*port) {
                scene.broken(
                    None,
                    format!("index {index}: {port:?} of {} is held twice", instance.id),
                );
            }
        }
    }
    if sum != instance.reserved {
        let text = format!(
            "index {index}: tasks on {} hold {sum:?}, it says {:?}",
            instance.id, instance.reserved
        );
        scene.broken(None, text);
    }
    let registered = &instance.registered;
    let too_much = sum.cpu_units > registered.cpu_units
        || sum.memory_mib > registered.memory_mib
        || sum.gpus > registered.gpus
        || !sum.ports.is_disjoint(&registered.ports);
    if too_much && !instance.is_overcommitted {
        scene.broken(
            None,
            format!(
                "index {index}: tasks on {} hold {sum:?} of {registered:?}",
                instance.id
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;

    #[test]
    fn tasks_that_come_and_go_are_right() {
        let mut stage = Stage::judging("I11 resources");
        let task = stage.run_task("w1");
        stage.show(1);
        stage.run_task("w2");
        stage.observe_stopped(task, 0);
        stage.show(1);
        stage.end();
        stage.assert_kept();
    }

    #[test]
    fn a_sum_that_is_not_exact_is_found() {
        let mut stage = Stage::judging("I11 resources");
        stage.run_task("w1");
        stage.forge_instances(|instance| instance.reserved.memory_mib += 1);
        stage.show(1);
        stage.assert_broken("it says");
    }

    #[test]
    fn more_than_there_is_is_found() {
        let mut stage = Stage::judging("I11 resources");
        stage.run_task("w1");
        stage.forge_instances(|instance| instance.registered.cpu_units = 50);
        stage.show(1);
        stage.assert_broken("hold");
    }

    #[test]
    fn a_port_that_is_held_twice_is_found() {
        use quorate_core::documents::Protocol;
        use quorate_core::state::HostPort;
        let mut stage = Stage::judging("I11 resources");
        stage.run_task("w1");
        stage.run_task("w2");
        let port = HostPort {
            protocol: Protocol::Tcp,
            port: 80,
        };
        stage.forge_tasks(|task| task.reserved.ports.push(port));
        stage.show(1);
        stage.assert_broken("held twice");
    }

    #[test]
    fn what_the_state_says_of_itself_counts_too() {
        let mut stage = Stage::judging("I11 resources");
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.forge_tasks(|task| task.started_at = None);
        stage.show(1);
        stage.end();
        stage.assert_broken("TaskTimesMatchStatus");
    }
}
