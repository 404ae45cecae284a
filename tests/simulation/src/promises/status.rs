//! I8: statuses go forward only, and how a task ended is said once.

use quorate_core::Millis;
use quorate_core::state::{Container, ContainerStatus, DesiredStatus, Task};

use super::{Promise, Scene, Seen};

/// See the file.
#[derive(Default)]
pub(super) struct Forward;

impl Promise for Forward {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Step(step) = seen else {
            return;
        };
        for id in &step.touched.tasks {
            if let (Some(before), Some(after)) = (step.before.task(id), step.after.task(id))
                && let Some(how) = backwards(before, after)
            {
                scene.broken(
                    None,
                    format!("task {id}, index {}: {how}", step.after.applied_index()),
                );
            }
        }
    }
}

fn backwards(before: &Task, after: &Task) -> Option<String> {
    if after.last < before.last {
        return Some(format!(
            "{} after {}",
            after.last.as_str(),
            before.last.as_str()
        ));
    }
    if before.desired == DesiredStatus::Stopped && after.desired == DesiredStatus::Running {
        return Some("desired RUNNING after STOPPED".to_owned());
    }
    let has_moved = before.last != after.last || before.desired != after.desired;
    if after.version < before.version || has_moved && after.version == before.version {
        return Some(format!(
            "version {} after {}, and it moved",
            after.version, before.version
        ));
    }
    let code = (before.stop_code, &before.stopped_reason);
    if before.stop_code.is_some() && code != (after.stop_code, &after.stopped_reason) {
        return Some(format!(
            "ended with {:?} after {code:?}",
            (after.stop_code, &after.stopped_reason)
        ));
    }
    if let Some((what, at)) = times(before)
        .into_iter()
        .zip(times(after))
        .find_map(|(one, other)| changed(one, other))
    {
        return Some(format!("{what} was {at} and is another"));
    }
    let pairs = before.containers.iter().zip(&after.containers);
    pairs
        .into_iter()
        .find_map(|(before, after)| container_backwards(before, after))
}

/// What was observed of a container that ended is final.
fn container_backwards(before: &Container, after: &Container) -> Option<String> {
    let name = &before.name;
    if after.status < before.status {
        return Some(format!(
            "container {name} is {} after {}",
            after.status.as_str(),
            before.status.as_str()
        ));
    }
    let end = |one: &Container| (one.exit_code, one.reason.clone());
    let is_final = before.status == ContainerStatus::Stopped;
    (is_final && end(before) != end(after)).then(|| {
        format!(
            "container {name} ended with {:?} after {:?}",
            end(after),
            end(before)
        )
    })
}

type Time = (&'static str, Option<Millis>);

fn times(task: &Task) -> [Time; 6] {
    [
        ("startedAt", task.started_at),
        ("pullStartedAt", task.pull_started_at),
        ("pullStoppedAt", task.pull_stopped_at),
        ("stoppingAt", task.stopping_at),
        ("executionStoppedAt", task.execution_stopped_at),
        ("stoppedAt", task.stopped_at),
    ]
}

fn changed((what, before): Time, (_, after): Time) -> Option<(&'static str, Millis)> {
    before.filter(|_| before != after).map(|at| (what, at))
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;
    use super::*;

    /// A task that runs, and then is changed as nothing should change it.
    fn changed_to(change: impl FnMut(&mut Task)) -> Stage {
        let mut stage = Stage::judging("I8 status");
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.stop_task(task);
        stage.show(1);
        stage.forge_tasks(change);
        stage.show(1);
        stage
    }

    #[test]
    fn a_life_from_beginning_to_end_is_right() {
        let mut stage = Stage::judging("I8 status");
        let task = stage.run_task("w1");
        stage.show(1);
        stage.observe_running(task);
        stage.show(1);
        stage.stop_task(task);
        stage.show(1);
        stage.observe_stopped(task, 3);
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn every_way_back_is_found() {
        use quorate_core::state::{StopCode, TaskStatus};
        changed_to(|task| task.last = TaskStatus::Pending).assert_broken("PENDING after RUNNING");
        changed_to(|task| task.desired = DesiredStatus::Running).assert_broken("desired RUNNING");
        changed_to(|task| task.last = TaskStatus::Stopping).assert_broken("and it moved");
        changed_to(|task| task.version -= 1).assert_broken("version");
        changed_to(|task| task.stop_code = Some(StopCode::InfrastructureHealth))
            .assert_broken("ended with");
        changed_to(|task| task.stopping_at = Some(Millis(7))).assert_broken("stoppingAt");
        changed_to(|task| task.containers[0].status = ContainerStatus::Pending)
            .assert_broken("is PENDING after RUNNING");
    }

    #[test]
    fn a_second_exit_code_is_found() {
        let mut stage = Stage::judging("I8 status");
        let task = stage.run_task("w1");
        stage.observe_stopped(task, 3);
        stage.show(1);
        stage.forge_tasks(|task| task.containers[0].exit_code = Some(0));
        stage.show(1);
        stage.assert_broken("container main ended with");
    }
}
