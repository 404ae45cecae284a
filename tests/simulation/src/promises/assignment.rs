//! I5: a task is assigned to one instance, once, for its whole life; and only that instance runs it.

use std::collections::BTreeMap;

use quorate_core::ids::{InstanceId, TaskId};
use quorate_core::state::Task;

use super::{Promise, Scene, Seen, Step};
use crate::history::{ContainerNow, What};

/// See the file.
#[derive(Default)]
pub(super) struct Assignment {
    /// Every task that ever was: where it is, and the index of its assignment. Tasks that were forgotten stay here.
    tasks: BTreeMap<TaskId, (InstanceId, u64)>,
}

impl Promise for Assignment {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Step(step) => self.take(step, scene),
            Seen::Event(event) => self.look_at_container(&event.what, scene),
            Seen::Answer(_) | Seen::Published(_) | Seen::Status(_) | Seen::Ended => {}
        }
    }
}

impl Assignment {
    fn take(&mut self, step: &Step, scene: &mut Scene<'_>) {
        for id in &step.touched.tasks {
            let Some(task) = step.after.task(id) else {
                continue;
            };
            let assigned = (task.instance, task.assigned_index);
            match (self.tasks.get(id), step.before.task(id)) {
                (Some(known), _) if *known != assigned => {
                    let text =
                        format!("task {id} was assigned by {known:?}, and now by {assigned:?}");
                    scene.broken(None, text);
                }
                (Some(_), None) => {
                    scene.broken(None, format!("task {id} was forgotten and is back"));
                }
                (Some(_), Some(before)) => look_at_birth(before, task, scene),
                (None, _) => {
                    let (low, high) = (step.before.applied_index(), step.after.applied_index());
                    if !(low + 1..=high).contains(&task.assigned_index) {
                        let text = format!(
                            "task {id} appears in {high} and says it was assigned by {}",
                            assigned.1
                        );
                        scene.broken(None, text);
                    }
                    self.tasks.insert(*id, assigned);
                }
            }
        }
    }

    /// A container that starts belongs to a task that was assigned to the instance it was started for, by the assignment it names.
    fn look_at_container(&self, what: &What, scene: &mut Scene<'_>) {
        let What::Container {
            host,
            id,
            instance,
            task,
            fencing,
            now: ContainerNow::Started,
            ..
        } = what
        else {
            return;
        };
        let known = task
            .parse()
            .ok()
            .and_then(|task: TaskId| self.tasks.get(&task));
        let fits = known.is_some_and(|(where_it_is, index)| {
            where_it_is.to_string() == *instance && index == fencing
        });
        if !fits {
            let text = format!(
                "h{host} runs container {id} of task {task} for {instance} by assignment {fencing}; the task was assigned by {known:?}"
            );
            scene.broken(None, text);
        }
    }
}

/// What a task is given with its assignment never changes.
fn look_at_birth(before: &Task, after: &Task, scene: &mut Scene<'_>) {
    let birth = |task: &Task| {
        let names: Vec<_> = task
            .containers
            .iter()
            .map(|one| (one.id, one.name.clone()))
            .collect();
        let (cluster, definition) = (task.cluster.clone(), task.definition.clone());
        (
            cluster,
            definition,
            task.incarnation,
            task.created_at,
            task.reserved.clone(),
            task.started_by.clone(),
            names,
        )
    };
    if birth(before) != birth(after) {
        let text = format!(
            "task {} was {:?}, and is {:?}",
            before.id,
            birth(before),
            birth(after)
        );
        scene.broken(None, text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;

    #[test]
    fn a_task_that_lives_and_ends_where_it_was_put_is_right() {
        let mut stage = Stage::judging("I5 assignment");
        let task = stage.run_task("w1");
        stage.show(1);
        stage.container(0, "r1", task, true);
        stage.observe_running(task);
        stage.show(1);
        stage.observe_stopped(task, 0);
        stage.show(2);
        stage.assert_kept();
    }

    #[test]
    fn a_task_on_another_instance_is_found() {
        let mut stage = Stage::judging("I5 assignment");
        stage.run_task("w1");
        stage.show(1);
        stage.forge_tasks(|task| task.assigned_index += 1);
        stage.show(1);
        stage.assert_broken("was assigned by");
    }

    #[test]
    fn a_container_on_a_host_that_the_task_is_not_on_is_found() {
        let mut stage = Stage::judging("I5 assignment");
        let task = stage.run_task("w1");
        stage.show(1);
        stage.container_for(1, "r1", task, "mi-00000000000000099", stage.index());
        stage.assert_broken("h1 runs container r1");
    }

    #[test]
    fn a_task_that_comes_back_after_it_was_forgotten_is_found() {
        let mut stage = Stage::judging("I5 assignment");
        let task = stage.run_task("w1");
        stage.show(1);
        let with_it = stage.state();
        stage.observe_running(task);
        stage.observe_stopped(task, 0);
        stage.forget(task);
        stage.show(1);
        stage.replace(&with_it);
        stage.show(1);
        stage.assert_broken("forgotten and is back");
    }
}
