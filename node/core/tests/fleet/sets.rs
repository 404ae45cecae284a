//! Task sets of the fleet: what may happen to them, and a judge that counts their tasks by who started them.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use quorate_core::command::{
    NewDeployment, NewTaskSet, ServiceStep, TaskSetDeletion, TaskSetUpdate,
};
use quorate_core::documents::{Document, RevisionSpec, Scale};
use quorate_core::ids::{DefinitionId, DeploymentId, ServiceKey, TaskSetKey};
use quorate_core::state::{Service, Stability, Task, TaskSet, TaskStatus};
use quorate_core::{Command, State};

use super::judge::is_healthy;

/// What may happen to task sets; `which` chooses one of those that are there.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    Create { percent: u32 },
    Scale { which: usize, percent: u32 },
    Promote { which: usize },
    Delete { which: usize, force: bool },
}

pub(crate) fn any_move() -> impl Strategy<Value = Move> {
    let percent = || prop_oneof![3 => Just(100_u32), 1 => Just(0), 2 => 1_u32..100];
    let which = 0_usize..5;
    prop_oneof![
        4 => percent().prop_map(|percent| Move::Create { percent }),
        3 => (which.clone(), percent()).prop_map(|(which, percent)| Move::Scale { which, percent }),
        1 => which.clone().prop_map(|which| Move::Promote { which }),
        2 => (which, any::<bool>()).prop_map(|(which, force)| Move::Delete { which, force }),
    ]
}

fn scale(percent: u32) -> Scale {
    Scale::of_percent(f64::from(percent)).unwrap()
}

/// The command that makes it happen, if there is such a task set; `number` is one that was never given.
pub(super) fn command(
    service: &Service,
    wanted: &Move,
    number: u64,
    definition: DefinitionId,
) -> Option<Command> {
    let key = |which: usize| {
        let one = service.deployments.get(which)?;
        Some(TaskSetKey {
            service: service.key.clone(),
            id: one.id,
        })
    };
    Some(match *wanted {
        Move::Create { percent } => Command::CreateTaskSet(Box::new(NewTaskSet {
            service: service.key.clone(),
            deploy: NewDeployment {
                id: DeploymentId(number),
                document: Document::default(),
                spec: RevisionSpec {
                    definition,
                    launch_type: "EXTERNAL".into(),
                    strategy: Vec::new(),
                },
            },
            scale: scale(percent),
            external_id: String::new(),
            token: None,
            tags: Vec::new(),
        })),
        Move::Scale { which, percent } => Command::UpdateTaskSet(TaskSetUpdate {
            key: key(which)?,
            scale: scale(percent),
        }),
        Move::Promote { which } => Command::MakePrimary(key(which)?),
        Move::Delete { which, force } => Command::DeleteTaskSet(TaskSetDeletion {
            key: key(which)?,
            force,
        }),
    })
}

fn tasks<'a>(
    state: &'a State,
    key: &ServiceKey,
    set: DeploymentId,
) -> impl Iterator<Item = &'a Task> {
    let (group, by) = (format!("service:{}", key.name), set.to_string());
    state.tasks().filter(move |task| {
        task.group == group && task.started_by == by && task.last != TaskStatus::Stopped
    })
}

fn wanted(service: &Service, set: &TaskSet) -> u64 {
    let part = service.spec.desired_count as f64 * set.scale.percent() / 100.0;
    if set.is_draining {
        0
    } else {
        part.ceil() as u64
    }
}

/// Each task set keeps within the percentages of what is wanted of it, and nothing that is protected is stopped but by force.
pub(super) fn check(
    before: &State,
    after: &State,
    step: &ServiceStep,
) -> Result<(), TestCaseError> {
    let now = after.now();
    // What was stepped is what it was before: a set that left has no tasks.
    let service = before.service(&step.key).unwrap();
    for (one, set) in service.task_sets() {
        let desired = wanted(service, set);
        let (spec, count) = (
            &service.spec,
            tasks(after, &step.key, one.id).count() as u64,
        );
        let healthy = tasks(after, &step.key, one.id).filter(|task| is_healthy(now, task));
        let stopped = || {
            let all = step
                .stop
                .iter()
                .map(|stop| before.task(&stop.task).unwrap());
            all.filter(|task| task.started_by == one.id.to_string())
        };
        let starts = step.start.iter().any(|start| start.deployment == one.id);
        let most = desired * spec.maximum_percent / 100;
        prop_assert!(
            !starts || count <= most,
            "{} of {}: {:?}",
            count,
            most,
            step
        );
        let least = (desired * spec.minimum_percent).div_ceil(100);
        let ends_healthy = stopped().any(|task| is_healthy(now, task));
        let healthy = healthy.count() as u64;
        prop_assert!(
            !ends_healthy || healthy >= least,
            "{} of {}: {:?}",
            healthy,
            least,
            step
        );
        let is_protected = |task: &Task| task.protected_until.is_some_and(|at| at > now);
        prop_assert!(set.is_forced || !stopped().any(is_protected), "{:?}", step);
        let kept = after
            .service(&step.key)
            .and_then(|now| now.task_set(one.id));
        if kept.is_some_and(|(_, set)| set.stability == Stability::SteadyState) {
            prop_assert_eq!(healthy, desired, "{:?}", step);
        }
    }
    Ok(())
}

/// After a long time without faults.
pub(super) fn is_at_rest(state: &State, service: &Service) -> Result<(), TestCaseError> {
    for (one, set) in service.task_sets() {
        let all: Vec<&Task> = tasks(state, &service.key, one.id).collect();
        prop_assert!(!set.is_draining, "{:?}", service);
        prop_assert_eq!(all.len() as u64, wanted(service, set), "{:?}", service);
        prop_assert!(all.iter().all(|task| is_healthy(state.now(), task)));
        prop_assert_eq!(set.stability, Stability::SteadyState, "{:?}", service);
    }
    Ok(())
}
