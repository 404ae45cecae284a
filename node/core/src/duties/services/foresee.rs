//! What rebalancing would do: the scheduler itself, on a fork of the state on which tasks do at once as they are told.

use super::{decide, work_in};
use crate::command::{Command, ContainerObserved, ServiceStep, TaskObserved, Turn};
use crate::duties::Policy;
use crate::ids::{InstanceId, ServiceKey, TaskId};
use crate::mint::Mint;
use crate::state::health::STEADY_MS;
use crate::state::{ContainerStatus, DesiredStatus, Health, State, Task, TaskStatus};
use crate::time::Millis;

/// No task needs as many steps to be moved, on all levels; a bound where a mistake would have none.
const STEPS_PER_TASK: u64 = 100;

/// A task that would be moved: started anew on `to`, and stopped on `from` when it is healthy there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which; one that itself came by an earlier move of the same plan has an id that nobody knows.
    pub task: TaskId,
    /// Where it is.
    pub from: InstanceId,
    /// Where it would be.
    pub to: InstanceId,
}

/// The moves that rebalancing would make of a service from now on, in their order: exactly those that the scheduler makes if every task
/// does as it should and nothing else happens. None where the service does not rebalance, or is as well spread as it can be.
///
/// The budget of moves per minute is left out: it says when, not what.
#[must_use]
pub fn plan_moves(state: &State, service: &ServiceKey, now: Millis) -> Vec<Move> {
    let mut fork = Fork {
        state: state.clone(),
        now: now.max(state.now()),
        // Its ids are seen by nobody.
        mint: Mint::new([0; 32]),
    };
    let policy = Policy {
        moves_per_minute: u64::MAX,
        ..Policy::default()
    };
    let desired = state.service(service).map(|one| one.spec.desired_count);
    let live = state.live_tasks_of(service).count() as u64;
    let steps_max = desired.unwrap_or(0).saturating_add(live + 1) * STEPS_PER_TASK;
    let mut moves = Vec::new();
    for _ in 0..steps_max {
        let Some(step) = decide(&fork.state, service, &policy, fork.now, &mut fork.mint) else {
            break;
        };
        moves.extend(moves_of(&fork.state, &step));
        let is_idle = step.start.is_empty() && step.stop.is_empty() && step.turns.is_empty();
        fork.carry_out(Command::StepService(Box::new(step)));
        if !fork.obey(service) && is_idle && !fork.skip_a_wait(service) {
            break;
        }
    }
    moves
}

fn moves_of(state: &State, step: &ServiceStep) -> Vec<Move> {
    let begun = step.turns.iter().filter_map(|turn| match turn {
        Turn::Move(moving) => Some(moving),
        Turn::Want(_)
        | Turn::Recover(_)
        | Turn::Complete(_)
        | Turn::Fail { .. }
        | Turn::RollBack { .. }
        | Turn::Pause { .. }
        | Turn::TimeOut(_)
        | Turn::EndMove
        | Turn::Stabilize { .. }
        | Turn::Retire(_)
        | Turn::End => None,
    });
    let whole = begun.filter_map(|moving| {
        let mut starts = step.start.iter();
        Some(Move {
            task: moving.from,
            from: state.task(&moving.from)?.instance,
            to: starts.find(|one| one.task.id == moving.to)?.task.instance,
        })
    });
    whole.collect()
}

/// A state that nobody else has.
struct Fork {
    state: State,
    now: Millis,
    mint: Mint,
}

impl Fork {
    fn carry_out(&mut self, command: Command) {
        work_in(&mut self.state, &command, self.now, &mut self.mint);
    }

    /// Tasks that should run do, and have done so for long enough; those that were told to stop have. Whether that is news.
    fn obey(&mut self, service: &ServiceKey) -> bool {
        let live: Vec<Task> = self.state.live_tasks_of(service).cloned().collect();
        let before = self.state.service(service).map(|one| one.changes);
        for task in &live {
            let Some(instance) = self.state.instance(&task.instance) else {
                continue;
            };
            self.carry_out(Command::Observe {
                instance: task.instance,
                session: instance.session,
                tasks: vec![obeyed(task)],
            });
        }
        let is_news = self.state.service(service).map(|one| one.changes) != before
            || self.state.live_tasks_of(service).count() != live.len();
        if is_news {
            self.now = self.now.plus_ms(STEADY_MS);
        }
        is_news
    }

    /// Goes on to when a service in the middle of its moves looks again; whether it is.
    fn skip_a_wait(&mut self, service: &ServiceKey) -> bool {
        let waiting = self.state.service(service);
        let at = waiting
            .filter(|one| one.is_rebalancing())
            .and_then(|one| one.look_at);
        self.now = self.now.max(at.unwrap_or_default());
        at.is_some()
    }
}

fn obeyed(task: &Task) -> TaskObserved {
    let (status, of_containers) = match task.desired {
        DesiredStatus::Stopped => (TaskStatus::Stopped, ContainerStatus::Stopped),
        DesiredStatus::Running => (TaskStatus::Running, ContainerStatus::Running),
    };
    let containers = task.containers.iter().map(|container| ContainerObserved {
        name: container.name.clone(),
        status: of_containers,
        runtime_id: String::new(),
        exit_code: None,
        reason: String::new(),
        image_digest: String::new(),
        bindings: Vec::new(),
        health: container.health.map(|_| Health::Healthy),
    });
    TaskObserved {
        containers: containers.collect(),
        ..TaskObserved::of(task.id, status)
    }
}
