//! Services: what the scheduler decides about each that is to be looked at, one step at a time, each on the state that the steps
//! before it lead to.
//!
//! A look is pure: [`Sight`] is what is there, [`replica`], [`daemon`] and [`sets`] say what should move, [`progress`] what becomes of
//! deployments, [`balance`] what is moved when all is well, [`words`] what is said. `apply` carries a step out whole, or refuses it when
//! the service moved meanwhile.

mod balance;
mod daemon;
pub(crate) mod explain;
mod launch;
mod order;
mod pauses;
mod plan;
mod progress;
mod replica;
mod sets;
mod sight;
mod spread;
mod throttle;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use crate::apply;
use crate::command::{Command, Entry, Item, ServiceStep};
use crate::documents::{Controller, Scheduling};
use crate::ids::{InstanceId, ServiceKey};
use crate::mint::Mint;
use crate::state::{ServiceStatus, State, Task};
use crate::time::Millis;

use plan::Plan;
use sight::Sight;

/// Tasks started or stopped in one step: keeps an entry far below the limit of the log.
const TASKS_PER_STEP: usize = 100;
/// Steps of one service at one look: a large one must not hold up the others for long.
const STEPS_PER_SERVICE: usize = 8;
/// Steps at one look; whoever is left is first at the next.
const STEPS_PER_LOOK: usize = 64;

/// Adds what services are owed to `owed`, counting on what is owed before.
pub(super) fn owe(
    state: &State,
    policy: &Policy,
    now: Millis,
    mint: &mut Mint,
    owed: &mut Vec<Command>,
) {
    let lost = lost(state, owed);
    let mut view = state.clone();
    for command in owed.iter() {
        work_in(&mut view, command, now, mint);
    }
    let due: Vec<ServiceKey> = view
        .services_due(now)
        .take(STEPS_PER_LOOK)
        .map(|service| service.key.clone())
        .collect();
    let before = owed.len();
    for key in due {
        for _ in 0..STEPS_PER_SERVICE {
            if owed.len() - before >= STEPS_PER_LOOK {
                return;
            }
            let Some(mut step) = look(&view, &key, policy, now, mint) else {
                break;
            };
            step.lost = lost.get(&key).cloned().unwrap_or_default();
            let command = Command::StepService(Box::new(step));
            work_in(&mut view, &command, now, mint);
            owed.push(command);
        }
    }
}

/// By service, the instances with tasks of it that are to be given up.
fn lost(state: &State, owed: &[Command]) -> BTreeMap<ServiceKey, Vec<InstanceId>> {
    let mut lost: BTreeMap<ServiceKey, Vec<InstanceId>> = BTreeMap::new();
    for command in owed {
        let Command::LoseInstance { instance, .. } = command else {
            continue;
        };
        let tasks = state.live_tasks_on(instance);
        let services: BTreeSet<ServiceKey> = tasks.filter_map(Task::service_key).collect();
        for service in services {
            lost.entry(service).or_default().push(*instance);
        }
    }
    lost
}

/// What is to be done about a service now; `None` if it need not be looked at.
fn look(
    state: &State,
    key: &ServiceKey,
    policy: &Policy,
    now: Millis,
    mint: &mut Mint,
) -> Option<ServiceStep> {
    let service = state.service(key)?;
    service.look_at.filter(|at| *at <= now)?;
    decide(state, key, policy, now, mint)
}

/// What is to be done about a service, due or not.
fn decide(
    state: &State,
    key: &ServiceKey,
    policy: &Policy,
    now: Millis,
    mint: &mut Mint,
) -> Option<ServiceStep> {
    let service = state.service(key)?;
    let sight = Sight::new(state, service, policy, now);
    let mut plan = Plan::default();
    match service.status {
        ServiceStatus::Inactive => {}
        ServiceStatus::Draining => progress::end(&sight, &mut plan),
        ServiceStatus::Active if service.spec.controller == Controller::External => {
            sets::keep(&sight, &mut plan, mint);
            return Some(plan.into_step(&sight, mint));
        }
        ServiceStatus::Active => {
            if service.spec.scheduling == Scheduling::Daemon {
                daemon::count(&sight, &mut plan);
            }
            if !plan.is_turning_back {
                progress::turns(&sight, &mut plan);
            }
            if !plan.is_turning_back {
                sight.moves(&mut plan, mint);
            }
        }
    }
    plan.close(&sight);
    Some(plan.into_step(&sight, mint))
}

/// The view after `command`.
pub(super) fn work_in(view: &mut State, command: &Command, now: Millis, mint: &mut Mint) {
    let index = view.applied_index() + 1;
    let entry = Entry {
        at: now,
        items: vec![Item {
            request: mint.request(),
            command: command.clone(),
        }],
    };
    apply(view, index, &entry);
}
