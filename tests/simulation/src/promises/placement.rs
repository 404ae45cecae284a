//! I11: a task of a service starts where it may: on an ACTIVE instance whose agent is there, that has the attributes asked for, satisfies the
//! constraints, and has no other task of the service where each is to have an instance of its own.

use quorate_core::State;
use quorate_core::documents::{Scheduling, ServiceConstraint};
use quorate_core::placement::{Expression, Facts};
use quorate_core::state::{DesiredStatus, Health, InstanceStatus, Task};

use super::decided::{Decided, decided, grounds};
use super::{Promise, Scene, Seen, Step};

/// See the file.
#[derive(Default)]
pub(super) struct Placed;

impl Promise for Placed {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Step(step) = seen else {
            return;
        };
        for one in decided(step) {
            for task in &one.started {
                let wrong = not_there(step, task)
                    .or_else(|| not_meant(step, &one, task, scene))
                    .or_else(|| crowded(step, &one, task, scene));
                if let Some(how) = wrong {
                    let index = step.after.applied_index();
                    let text = format!(
                        "service {}, index {index}: task {} on {}: {how}",
                        one.after.key, task.id, task.instance
                    );
                    scene.broken(None, text);
                }
            }
        }
    }
}

/// The instance took tasks before the step or takes them after it. In between it may have done so as well, in a step of several entries.
fn not_there(step: &Step, task: &Task) -> Option<String> {
    let takes_tasks = |state: &State| {
        let instance = state.instance(&task.instance);
        instance.is_some_and(|one| one.status == InstanceStatus::Active && one.connected)
    };
    if takes_tasks(&step.before) || takes_tasks(&step.after) {
        return None;
    }
    let one = step.before.instance(&task.instance)?;
    Some(format!(
        "it is {}, its agent is {}, and takes no tasks",
        one.status.as_str(),
        if one.connected { "connected" } else { "away" }
    ))
}

/// The attributes and expressions hold in a state on which the step can have been decided.
fn not_meant(step: &Step, one: &Decided<'_>, task: &Task, scene: &Scene<'_>) -> Option<String> {
    let mut states = grounds(scene.timeline, &step.before, &one.before.key)
        .map(AsRef::as_ref)
        .chain([step.after.as_ref()]);
    let is_meant = states.any(|state| is_meant_for(state, &one.before.spec.constraints, task));
    (!is_meant).then(|| "its attributes are not those that were asked for".to_owned())
}

fn is_meant_for(state: &State, constraints: &[ServiceConstraint], task: &Task) -> bool {
    let definition = state.definition(&task.definition);
    let (Some(instance), Some(definition)) = (state.instance(&task.instance), definition) else {
        return false;
    };
    let facts = Facts {
        state,
        instance,
        planned: None,
    };
    let of_service = constraints.iter().filter(|one| one.kind == "memberOf");
    let expressions = of_service.map(|one| &one.expression);
    let mut expressions = expressions.chain(&definition.spec.member_of);
    let mut required = definition.spec.requires_attributes.iter();
    required.all(|name| instance.attribute(name).is_some())
        && expressions.all(|text| Expression::parse(text).is_ok_and(|one| one.holds(&facts)))
}

/// Another task of the service is there that should not be beside this one: any, by `distinctInstance`; of a DAEMON, one that was as new and
/// well in every state on which the step can have been decided.
fn crowded(step: &Step, one: &Decided<'_>, task: &Task, scene: &Scene<'_>) -> Option<String> {
    let constraints = &one.before.spec.constraints;
    let is_distinct = constraints.iter().any(|one| one.kind == "distinctInstance");
    let is_daemon = one.before.spec.scheduling == Scheduling::Daemon;
    let is_like_it = |other: &Task| {
        other.service == task.service
            && other.desired == DesiredStatus::Running
            && other.health() != Health::Unhealthy
    };
    let is_twin = |other: &Task| {
        let before = grounds(scene.timeline, &step.before, &one.before.key);
        let mut before = before.filter_map(|state| state.task(&other.id).cloned());
        is_like_it(other) && before.all(|other| is_like_it(&other))
    };
    let live = step.after.live_tasks_of(&one.after.key);
    let mut beside = live.filter(|other| other.instance == task.instance && other.id != task.id);
    let other = beside.find(|other| is_distinct || is_daemon && is_twin(other))?;
    Some(format!("task {} of the same service is there", other.id))
}

#[cfg(test)]
mod tests {
    use quorate_core::state::{Health, InstanceStatus};

    use super::super::tests::stage::Stage;

    fn stage() -> Stage {
        let mut stage = Stage::judging("I11 placement");
        stage.create_service("s0", (2, 0, 200));
        stage.show(1);
        stage
    }

    #[test]
    fn tasks_where_they_may_be_are_right() {
        let mut stage = stage();
        stage.step("s0", 2, &[]);
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn a_task_on_an_instance_that_is_drained_is_found() {
        let mut stage = stage();
        stage.forge_instances(|one| one.status = InstanceStatus::Draining);
        stage.show(1);
        stage.forge_instances(|one| one.status = InstanceStatus::Active);
        stage.step("s0", 1, &[]);
        stage.forge_instances(|one| one.status = InstanceStatus::Draining);
        stage.show(1);
        stage.assert_broken("it is DRAINING");
    }

    #[test]
    fn a_task_beside_another_that_wants_to_be_alone_is_found() {
        let mut stage = stage();
        stage.constrain("s0", "distinctInstance", "");
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_kept();
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_broken("of the same service is there");
    }

    #[test]
    fn a_task_where_its_constraint_does_not_hold_is_found() {
        let mut stage = stage();
        stage.constrain("s0", "memberOf", "attribute:rack == r1");
        stage.show(1);
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_broken("not those that were asked for");
    }

    #[test]
    fn a_second_task_of_a_daemon_is_found() {
        let mut stage = stage();
        stage.make_daemon("s0");
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_kept();
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_broken("of the same service is there");
    }

    #[test]
    fn a_daemon_beside_one_that_became_well_meanwhile_is_right() {
        let mut stage = stage();
        stage.make_daemon("s0");
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.forge_tasks(|task| task.containers[0].health = Some(Health::Unhealthy));
        stage.show(1);
        stage.forge_tasks(|task| task.containers[0].health = Some(Health::Healthy));
        stage.step("s0", 1, &[]);
        stage.show(1);
        stage.assert_kept();
    }
}
