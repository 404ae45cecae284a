//! What really happens to a fleet after a change: time passes step by step, the leader does its duties, agents do as they should. And what is
//! told afterwards of why.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use quorate_core::documents::Scheduling;
use quorate_core::ids::{ClusterName, InstanceId, TaskId};
use quorate_core::state::{DesiredStatus, StopCode, Task};
use quorate_core::{Command, Entry, Forecast, Heard, Item, Policy, State, explain, forecast};

use super::{Fleet, Happening, key};

/// Between two steps of time.
const STEP_MS: u64 = 500;
/// Without a move for so long, nothing will move: the longest gap after failures is 27 minutes.
const STILL_MS: u64 = 28 * 60 * 1000;

/// A change that is thought of first.
#[derive(Clone, Debug)]
pub(crate) enum Thought {
    /// Instances are drained.
    Drain(Vec<u128>),
    /// A service is scaled, or deployed with other percentages.
    Want(Happening),
    /// Instances are cut off for good.
    Lose(Vec<u128>),
}

/// What moved: service, instance, and whether it started, was told to stop or was lost; and how often.
type Moves = BTreeMap<(String, InstanceId, &'static str), u64>;

impl Fleet {
    pub(super) fn heard(&self) -> Heard {
        let silence = |instance| {
            let since = self.silent.get(instance);
            since.map_or(0, |at| self.now.since_ms(*at))
        };
        let all = self.state.instances();
        Heard {
            office_ms: u64::MAX,
            silent_ms: all.map(|one| (one.id, silence(&one.id))).collect(),
        }
    }

    /// What a thought comes to is what is told of it.
    pub(crate) fn comes_true(&mut self, thought: &Thought) -> Result<(), TestCaseError> {
        let cluster = ClusterName::default_cluster();
        let change = self.change(thought);
        let mut mint = self.mint.clone();
        let policy = Policy::default();
        let told = forecast(&self.state, &cluster, &change, &policy, self.now, &mut mint);
        let Ok(told) = told else {
            let all_done = change
                .into_iter()
                .all(|command| self.apply(command).is_ok());
            prop_assert!(!all_done, "told that it is refused: {:?}", told);
            return Ok(());
        };
        prop_assert_eq!(told.state.check(), []);
        prop_assert!(told.is_at_rest, "{} moves", told.moves.len());
        let happened = self.live_through(change)?;
        prop_assert_eq!(&happened, &told_moves(&told));
        self.ends_as_told(&told)
    }

    fn change(&mut self, thought: &Thought) -> Vec<Command> {
        let id = |number: &u128| InstanceId::from_u128(*number);
        match thought {
            Thought::Drain(numbers) => vec![Command::SetDraining {
                instances: numbers.iter().map(id).collect(),
                is_draining: true,
            }],
            Thought::Lose(numbers) => {
                let cut_off = |number| {
                    let instance = self.state.instance(&id(number)).unwrap();
                    Command::Disconnect {
                        instance: instance.id,
                        session: instance.session,
                    }
                };
                numbers.iter().map(cut_off).collect()
            }
            Thought::Want(happening) => self.wanted(happening).into_iter().collect(),
        }
    }

    /// What moves until nothing does any more.
    fn live_through(&mut self, change: Vec<Command>) -> Result<Moves, TestCaseError> {
        for command in change {
            if let Command::Disconnect { instance, .. } = &command {
                self.silent.insert(*instance, self.now);
            }
            self.must(command);
        }
        let (mut moves, mut moved_at) = (Moves::new(), self.now);
        for step in 1_u64.. {
            let before = self.state.clone();
            self.lead()?;
            if note(&before, &self.state, &mut moves) {
                moved_at = self.now;
            }
            if self.now.since_ms(moved_at) > STILL_MS {
                break;
            }
            self.now = self.now.plus_ms(STEP_MS);
            if step.is_multiple_of(2) {
                self.go_on(u64::MAX);
            }
        }
        Ok(moves)
    }

    /// As many tasks run of each service.
    fn ends_as_told(&self, told: &Forecast) -> Result<(), TestCaseError> {
        for service in [0, 1].map(key) {
            let runs = |state: &State| state.live_tasks_of(&service).count();
            prop_assert_eq!(runs(&self.state), runs(&told.state));
        }
        Ok(())
    }

    /// Whatever the scheduler starts, it is told why there.
    pub(super) fn is_explained(
        &self,
        before: &State,
        command: &Command,
    ) -> Result<(), TestCaseError> {
        let index = self.state.applied_index();
        let entry = Entry {
            at: self.now,
            items: vec![Item {
                request: quorate_core::ids::RequestId::from_u128(0),
                command: command.clone(),
            }],
        };
        for new in explain::started(command) {
            let told = explain::decided(before, index, &entry, &new.id).unwrap();
            let key = self.state.task(&new.id).and_then(Task::service_key);
            let service = key.and_then(|key| self.state.service(&key)).unwrap();
            let fits = |row: &quorate_core::placement::Row| {
                row.instance == new.instance && row.verdict.is_ok()
            };
            let is_there = match service.spec.scheduling {
                Scheduling::Replica => {
                    told.why.winner.map(|winner| winner.instance) == Some(new.instance)
                }
                Scheduling::Daemon => told.why.rows.iter().any(fits),
            };
            prop_assert!(is_there, "{} on {}: {:?}", new.id, new.instance, told);
            let task = self.state.task(&new.id).unwrap();
            prop_assert!(explain::again(&self.state, task).is_some());
        }
        Ok(())
    }
}

fn told_moves(told: &Forecast) -> Moves {
    let mut moves = Moves::new();
    for one in &told.moves {
        let service = one.service.as_ref().map(|key| key.name.to_string());
        let what = (service.unwrap_or_default(), one.instance, one.what.as_str());
        *moves.entry(what).or_default() += 1;
    }
    moves
}

/// What differs between two states, task by task; whether anything does.
fn note(before: &State, after: &State, moves: &mut Moves) -> bool {
    let count = moves.values().sum::<u64>();
    let mut add = |task: &Task, what| {
        let service = task.service_key().map(|key| key.name.to_string());
        let moved = (service.unwrap_or_default(), task.instance, what);
        *moves.entry(moved).or_default() += 1;
    };
    let earlier = |id: &TaskId| before.task(id);
    for task in after.tasks() {
        let wanted = |task: &Task| task.desired == DesiredStatus::Running;
        let was_wanted = earlier(&task.id).is_none_or(wanted);
        let was_there = earlier(&task.id).is_none_or(Task::holds_resources);
        if earlier(&task.id).is_none() {
            add(task, "START");
        }
        if was_wanted
            && !wanted(task)
            && task.stop_code == Some(StopCode::ServiceSchedulerInitiated)
        {
            add(task, "STOP");
        }
        if was_there && !task.holds_resources() && is_lost(after, task) {
            add(task, "LOSE");
        }
    }
    moves.values().sum::<u64>() > count
}

/// Its instance began a new life since.
fn is_lost(state: &State, task: &Task) -> bool {
    let instance = state.instance(&task.instance).unwrap();
    instance.incarnation > task.incarnation
}

pub(crate) fn thought() -> impl Strategy<Value = Thought> {
    let some = proptest::collection::btree_set(1..=super::INSTANCES, 1..3);
    let some = some.prop_map(|all| all.into_iter().collect::<Vec<_>>());
    let want = super::happening().prop_filter_map("wants something", |happening| match happening {
        Happening::Want { .. } => Some(Thought::Want(happening)),
        _ => None,
    });
    prop_oneof![
        1 => some.clone().prop_map(Thought::Drain),
        1 => some.prop_map(Thought::Lose),
        2 => want,
    ]
}
