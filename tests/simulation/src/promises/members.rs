//! I5: a task belongs to one service and one of its deployments, for life, and runs what that deployment brought.

use quorate_core::State;
use quorate_core::state::{Membership, Task};

use super::{Promise, Scene, Seen, Step};

/// See the file.
#[derive(Default)]
pub(super) struct Members;

impl Promise for Members {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Step(Step {
            before,
            after,
            touched,
        }) = seen
        else {
            return;
        };
        for task in touched.tasks.iter().filter_map(|id| after.task(id)) {
            let wrong = match before.task(&task.id) {
                Some(known) if known.service == task.service => None,
                Some(known) => Some(format!("was of {:?}, and is of another", known.service)),
                None => task
                    .service
                    .as_ref()
                    .and_then(|member| stranger(after, task, member)),
            };
            if let Some(how) = wrong {
                let index = after.applied_index();
                let text = format!(
                    "task {} of {:?}, index {index}: {how}",
                    task.id, task.service
                );
                scene.broken(None, text);
            }
        }
    }
}

/// Why a new task is not one that its service's deployment may start.
fn stranger(state: &State, task: &Task, member: &Membership) -> Option<String> {
    let key = task.service_key()?;
    let Some(service) = state.service(&key) else {
        return Some("there is no such service".to_owned());
    };
    let Some(revision) = state.revision(member.deployment) else {
        return Some("there is no such deployment".to_owned());
    };
    if revision.service != key {
        return Some(format!("the deployment is one of {}", revision.service));
    }
    if revision.spec.definition != task.definition {
        return Some(format!(
            "it runs {}, the deployment brought {}",
            task.definition, revision.spec.definition
        ));
    }
    (task.group != service.group()).then(|| format!("its group is {}", task.group))
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;

    fn with_a_task() -> Stage {
        let mut stage = Stage::judging("I5 members");
        stage.create_service("s0", (1, 100, 200));
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage
    }

    #[test]
    fn tasks_that_services_start_and_others_are_right() {
        let mut stage = with_a_task();
        stage.run_task("w1");
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn a_task_that_changes_hands_is_found() {
        let mut stage = with_a_task();
        stage.forge_tasks(|task| task.service = None);
        stage.show(1);
        stage.assert_broken("and is of another");
    }

    #[test]
    fn a_task_that_runs_something_else_is_found() {
        let mut stage = Stage::judging("I5 members");
        stage.create_service("s0", (1, 100, 200));
        stage.step("s0", 1, &[]);
        stage.forge_tasks(|task| task.definition.revision += 1);
        stage.show(1);
        stage.assert_broken("the deployment brought");
    }

    #[test]
    fn a_task_of_no_deployment_is_found() {
        let mut stage = Stage::judging("I5 members");
        stage.create_service("s0", (1, 100, 200));
        stage.step("s0", 1, &[]);
        stage.forge_tasks(|task| {
            if let Some(member) = &mut task.service {
                member.deployment.0 += 1;
            }
        });
        stage.show(1);
        stage.assert_broken("no such deployment");
    }
}
