//! I8, the truth of it: what the state says of a container is what its runtime saw.

use quorate_core::state::{Container, ContainerStatus, Task};

use super::{Promise, Scene, Seen};

/// See the file.
#[derive(Default)]
pub(super) struct Reports;

impl Promise for Reports {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Step(step) = seen else {
            return;
        };
        for id in &step.touched.tasks {
            let Some(after) = step.after.task(id) else {
                continue;
            };
            let before = step.before.task(id);
            for (place, container) in after.containers.iter().enumerate() {
                let known = before.and_then(|task| task.containers.get(place));
                if known != Some(container)
                    && let Some(how) = untrue(after, container, scene)
                {
                    scene.broken(
                        None,
                        format!("task {id}, index {}: {how}", step.after.applied_index()),
                    );
                }
            }
        }
    }
}

/// A container that is said to run has run, and an exit code is one that a container of that name ended with. One that never ran may be
/// said to have ended, without a code.
fn untrue(task: &Task, container: &Container, scene: &Scene<'_>) -> Option<String> {
    let mut real = scene
        .truth
        .containers_of(task.id)
        .filter(|(_, one)| one.name == container.name);
    match (container.status, container.exit_code) {
        (ContainerStatus::Running, _) => {
            let ran = real.next().is_some();
            (!ran).then(|| {
                format!(
                    "container {} is said to run and never started",
                    container.name
                )
            })
        }
        (ContainerStatus::Stopped, Some(code)) => {
            let ends: Vec<_> = real.map(|(_, one)| one.ended.flatten()).collect();
            (!ends.contains(&Some(code))).then(|| {
                format!(
                    "container {} is said to have ended with {code}, and ended so: {ends:?}",
                    container.name
                )
            })
        }
        (ContainerStatus::Pending | ContainerStatus::Stopped, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;

    #[test]
    fn a_true_report_is_right() {
        let mut stage = Stage::judging("I8 reports");
        let task = stage.run_task("w1");
        stage.show(1);
        stage.container(0, "r1", task, true);
        stage.observe_running(task);
        stage.show(1);
        stage.container(0, "r1", task, false);
        stage.observe_stopped(task, 0);
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn a_task_that_runs_without_a_container_is_found() {
        let mut stage = Stage::judging("I8 reports");
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.show(1);
        stage.assert_broken("never started");
    }

    #[test]
    fn an_exit_code_that_nobody_saw_is_found() {
        let mut stage = Stage::judging("I8 reports");
        let task = stage.run_task("w1");
        stage.container(0, "r1", task, true);
        stage.container(0, "r1", task, false);
        stage.observe_stopped(task, 9);
        stage.show(1);
        stage.assert_broken("said to have ended with 9");
    }
}
