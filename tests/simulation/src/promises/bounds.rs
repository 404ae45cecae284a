//! I10: no decision of the scheduler leaves fewer healthy tasks than the minimum, nor more tasks than the maximum, nor more than are wanted.
//!
//! Faults may push a service below its minimum; then nothing healthy is stopped. What happened by itself between a decision and its being
//! carried out is not held against the decision where the state machine does not have to refuse it: a task that became healthy meanwhile.

use std::collections::BTreeSet;

use quorate_core::documents::Scheduling;
use quorate_core::ids::{InstanceId, TaskId};
use quorate_core::state::health::is_healthy;
use quorate_core::state::{DesiredStatus, Health, InstanceStatus, Task};
use quorate_core::{Millis, State};

use super::decided::{Decided, decided, grounds};
use super::{Promise, Scene, Seen, Step};

/// See the file.
#[derive(Default)]
pub(super) struct Bounds {
    /// Tasks that were ever unhealthy, and instances that were ever DRAINING: when they are well again, there is one more than was counted on.
    sick: BTreeSet<TaskId>,
    drained: BTreeSet<InstanceId>,
}

impl Promise for Bounds {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Step(step) = seen else {
            return;
        };
        self.remember(step);
        for one in decided(step) {
            let wrong = too_many(step, &one)
                .or_else(|| self.more_than_wanted(step, &one))
                .or_else(|| too_few(step, &one, scene));
            if let Some(how) = wrong {
                let index = step.after.applied_index();
                let text = format!("service {}, index {index}: {how}", one.after.key);
                scene.broken(None, text);
            }
        }
    }
}

impl Bounds {
    fn remember(&mut self, step: &Step) {
        let tasks = step.touched.tasks.iter();
        let tasks = tasks.filter_map(|id| step.after.task(id));
        let sick = tasks.filter(|task| task.health() == Health::Unhealthy);
        self.sick.extend(sick.map(|task| task.id));
        let instances = step.touched.instances.iter();
        let instances = instances.filter_map(|id| step.after.instance(id));
        let drained = instances.filter(|one| one.status != InstanceStatus::Active);
        self.drained.extend(drained.map(|one| one.id));
    }

    /// A loss is made good once: whoever starts knows of all tasks that are there. A DAEMON's tasks are counted by their instances, and a task
    /// that is moved is there twice until the new one is healthy.
    fn more_than_wanted(&self, step: &Step, one: &Decided<'_>) -> Option<String> {
        let deployment = one.started.first()?.service.as_ref()?.deployment;
        let is_wanted = |task: &&Task| {
            let member = task.service.as_ref();
            task.desired == DesiredStatus::Running
                && member.is_some_and(|member| member.deployment == deployment)
                && !self.sick.contains(&task.id)
                && !self.drained.contains(&task.instance)
        };
        let live = step.after.live_tasks_of(&one.after.key);
        let count = live.filter(is_wanted).count() as u64;
        let desired = one.after.spec.desired_count;
        let moved = u64::from(one.after.balance.moving.is_some());
        let is_replica = one.after.spec.scheduling == Scheduling::Replica;
        (is_replica && count > desired + moved).then(|| {
            format!(
                "it started {:?}, has {count} of {deployment}, and wants {desired}",
                ids(&one.started)
            )
        })
    }
}

fn too_many(step: &Step, one: &Decided<'_>) -> Option<String> {
    let count = step.after.live_tasks_of(&one.after.key).count() as u64;
    let max = one.after.spec.running_max();
    (!one.started.is_empty() && count > max).then(|| {
        format!(
            "it started {:?}, has {count} tasks and may have {max}",
            ids(&one.started)
        )
    })
}

fn too_few(step: &Step, one: &Decided<'_>, scene: &Scene<'_>) -> Option<String> {
    let key = &one.before.key;
    let was_healthy = |task: &&&Task| {
        let mut states = grounds(scene.timeline, &step.before, key);
        let before = is_healthy(task, step.before.now());
        before && states.all(|state| is_healthy_in(state, &task.id))
    };
    let healthy: Vec<&Task> = one.stopped.iter().filter(was_healthy).copied().collect();
    if healthy.is_empty() {
        return None;
    }
    // Whoever was healthy before or is now may have been when the step was carried out, unless it was lost at an earlier time.
    let (now, at) = (step.after.now(), ended_at(step, healthy[0]));
    let is_left = |task: &&Task| is_healthy(task, now) && ended_at(step, task) >= at;
    let states = [&step.before, &step.after].into_iter();
    let tasks = states.flat_map(|state| state.live_tasks_of(key).filter(is_left));
    let mut left: BTreeSet<TaskId> = tasks.map(|task| task.id).collect();
    for task in &one.stopped {
        left.remove(&task.id);
    }
    let (count, min) = (left.len() as u64, one.after.spec.healthy_min());
    (count < min).then(|| {
        format!(
            "it stopped {:?}, which were healthy, and {count} are left of {min}",
            ids(&healthy)
        )
    })
}

/// When the task was told to stop, or ended by itself; the end of time for one that lives.
fn ended_at(step: &Step, task: &Task) -> Millis {
    let Some(task) = step.after.task(&task.id) else {
        return Millis(0);
    };
    let ends = [task.stopping_at, task.stopped_at].into_iter().flatten();
    ends.min().unwrap_or(Millis(u64::MAX))
}

fn is_healthy_in(state: &State, task: &TaskId) -> bool {
    state
        .task(task)
        .is_some_and(|task| is_healthy(task, state.now()))
}

fn ids(tasks: &[&Task]) -> Vec<String> {
    tasks.iter().map(|task| task.id.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::Stage;

    /// A service of two tasks that run and are healthy.
    fn steady(percents: (u64, u64)) -> (Stage, Vec<quorate_core::ids::TaskId>) {
        let mut stage = Stage::judging("I10 bounds");
        stage.create_service("s0", (2, percents.0, percents.1));
        let tasks = stage.step("s0", 2, &[]);
        tasks.iter().for_each(|task| stage.observe_running(*task));
        stage.show(1);
        stage.wait_s(60);
        stage.step("s0", 0, &[]);
        stage.show(1);
        (stage, tasks)
    }

    #[test]
    fn decisions_within_the_bounds_are_right() {
        let (mut stage, tasks) = steady((50, 200));
        stage.step("s0", 0, &tasks[..1]);
        stage.show(1);
        stage.observe_stopped(tasks[0], 143);
        stage.show(1);
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn a_stop_below_the_minimum_is_found() {
        let (mut stage, tasks) = steady((100, 200));
        stage.step("s0", 0, &tasks[..1]);
        stage.show(1);
        stage.assert_broken("1 are left of 2");
    }

    #[test]
    fn a_stop_that_overlooks_a_loss_is_found_also_within_one_step() {
        let (mut stage, tasks) = steady((50, 200));
        stage.observe_stopped(tasks[0], 1);
        stage.wait_s(1);
        stage.step("s0", 0, &tasks[1..]);
        stage.show(1);
        stage.assert_broken("0 are left of 1");
    }

    #[test]
    fn a_loss_that_nobody_decided_is_nobody_s_fault() {
        let (mut stage, tasks) = steady((100, 200));
        stage.observe_stopped(tasks[0], 1);
        stage.show(1);
        stage.stop_task(tasks[1]);
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn more_than_the_maximum_is_found() {
        let (mut stage, _) = steady((50, 100));
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_broken("has 3 tasks and may have 2");
    }

    #[test]
    fn a_replacement_too_many_is_found() {
        let (mut stage, tasks) = steady((50, 200));
        stage.observe_stopped(tasks[0], 1);
        stage.show(1);
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_kept();
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_broken("and wants 2");
    }

    #[test]
    fn what_an_author_changed_meanwhile_is_left_out() {
        let (mut stage, tasks) = steady((100, 200));
        stage.step("s0", 0, &tasks[..1]);
        stage.scale("s0", 1);
        stage.show(1);
        stage.assert_kept();
    }
}
