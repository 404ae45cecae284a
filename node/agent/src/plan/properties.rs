//! What `plan` promises, held against a small model of a runtime in which anything may happen at any time: starts succeed or
//! fail, containers ignore their stop signal, exit or vanish, the agent dies, nodes repeat themselves and lag behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use quorate_proto::agent as wire;
use tokio::time::Instant;

use super::{Action, Keep, plan};
use crate::assigned::{self, Assigned};
use crate::observe::{Observed, Phase};
use crate::runtime::{ContainerSpec, Exit, Key, Seen, Sighting, StartError, Started, TaskId};

const INSTANCE: &str = "mi-1";
const TASKS: u8 = 3;
const NAMES: [&str; 2] = ["main", "side"];
/// More rounds of doing all that is asked than any of the promises needs.
const ROUNDS: usize = 200;

#[derive(Clone, Debug)]
enum Step {
    /// A delta names a task.
    Assign {
        task: u8,
        stop: bool,
    },
    /// A full set names these tasks, from a node that may be this far behind.
    FullSet {
        tasks: Vec<u8>,
        behind: u64,
    },
    Forget {
        task: u8,
    },
    /// The oldest work under way ends, well or badly.
    Finish {
        is_good: bool,
    },
    Exit {
        task: u8,
        name: usize,
    },
    Vanish {
        task: u8,
        name: usize,
    },
    Look,
    Wait {
        seconds: u64,
    },
    /// The agent is killed and comes back; what ran, runs.
    Die,
    Acknowledge,
}

fn step() -> impl Strategy<Value = Step> {
    let task = 0..TASKS;
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (task.clone(), any::<bool>()).prop_map(|(task, stop)| Step::Assign { task, stop }),
        2 => (prop::collection::vec(task.clone(), 0..3), 0..4_u64).prop_map(|(tasks, behind)| Step::FullSet { tasks, behind }),
        1 => task.clone().prop_map(|task| Step::Forget { task }),
        6 => any::<bool>().prop_map(|is_good| Step::Finish { is_good }),
        2 => (task.clone(), name.clone()).prop_map(|(task, name)| Step::Exit { task, name }),
        1 => (task, name).prop_map(|(task, name)| Step::Vanish { task, name }),
        3 => Just(Step::Look),
        2 => (0..40_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Die),
        2 => Just(Step::Acknowledge),
    ]
}

/// The world outside `plan`.
struct World {
    began: Instant,
    now: Instant,
    cleanup_wait: Duration,
    index: u64,
    assigned: Assigned,
    observed: Observed,
    /// What really exists; it outlives the agent.
    containers: BTreeMap<Key, Sighting>,
    under_way: Vec<Action>,
    /// How often each container was made, for all time.
    made: BTreeMap<Key, u32>,
    /// The first fencing index of each task.
    fencing: BTreeMap<u8, u64>,
    said: BTreeMap<TaskId, wire::TaskObserved>,
}

impl World {
    fn new(cleanup_wait_s: u64) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            now,
            cleanup_wait: Duration::from_secs(cleanup_wait_s),
            index: 10,
            assigned: Assigned::default(),
            observed: Observed {
                instance_id: INSTANCE.to_owned(),
                ..Observed::default()
            },
            containers: BTreeMap::new(),
            under_way: Vec::new(),
            made: BTreeMap::new(),
            fencing: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    fn assignment(&mut self, task: u8, stop: bool) -> (TaskId, assigned::AssignedTask) {
        let fencing_index = *self.fencing.entry(task).or_insert_with(|| {
            self.index += 1;
            self.index
        });
        let container = |name: &&str| wire::Container {
            name: (*name).to_owned(),
            image: "image".to_owned(),
            essential: *name == "main",
            stop_timeout_s: 10,
            ..Default::default()
        };
        let known_status = self
            .said
            .get(&id(task))
            .map_or("PENDING", |said| &said.status)
            .to_owned();
        let containers = NAMES.iter().map(container).collect();
        let task_id = id(task).as_str().to_owned();
        let assignment = wire::Assignment {
            task_id,
            fencing_index,
            stop,
            containers,
            known_status,
            ..Default::default()
        };
        assigned::parse(assignment, INSTANCE).expect("the test makes valid assignments")
    }

    fn wall_ms(&self) -> i64 {
        i64::try_from((self.now - self.began).as_millis()).expect("a test takes no aeons")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Assign { task, stop } => {
                let assignment = self.assignment(*task, *stop);
                self.assigned
                    .change(self.index, vec![assignment], Vec::new());
            }
            Step::FullSet { tasks, behind } => {
                let tasks: Vec<_> = tasks
                    .iter()
                    .map(|task| self.assignment(*task, false))
                    .collect();
                let applied = self.index - behind;
                let known = tasks
                    .into_iter()
                    .filter(|(_, task)| task.fencing <= applied)
                    .collect();
                self.assigned.replace(applied, known);
            }
            Step::Forget { task } => {
                self.index += 1;
                self.assigned
                    .change(self.index, Vec::new(), vec![id(*task)]);
            }
            Step::Finish { is_good } => self.finish(*is_good),
            Step::Exit { task, name } => self.exit(&key(*task, name), 1),
            Step::Vanish { task, name } => drop(self.containers.remove(&key(*task, name))),
            Step::Look => self.look(),
            Step::Wait { seconds } => self.now += Duration::from_secs(*seconds),
            Step::Die => {
                self.under_way.clear();
                (self.assigned, self.observed.tasks) = (Assigned::default(), BTreeMap::new());
                self.look();
            }
            Step::Acknowledge => self.acknowledge(),
        }
    }

    fn look(&mut self) {
        self.now += Duration::from_millis(1);
        let listing = self.containers.values().cloned().collect();
        self.observed.absorb(listing, self.now, self.wall_ms());
    }

    fn acknowledge(&mut self) {
        for task in self.observed.tasks.values_mut().filter(|task| task.ended) {
            task.acknowledged = true;
        }
    }

    fn exit(&mut self, key: &Key, code: i32) {
        let at_ms = self.wall_ms();
        if let Some(found) = self
            .containers
            .get_mut(key)
            .filter(|found| found.state == Seen::Running)
        {
            found.state = Seen::Exited(Exit {
                code: Some(code),
                reason: String::new(),
                never_started: false,
                at_ms,
                last_output: String::new(),
            });
        }
    }

    /// Settles, asks, and begins what is asked. Says what was.
    fn ask(&mut self) -> Vec<Action> {
        let wall_ms = self.wall_ms();
        self.observed.settle(&self.assigned, self.now, wall_ms);
        let keep = Keep {
            wait: self.cleanup_wait,
            wall_ms,
        };
        let actions = plan(&self.assigned, &self.observed, self.now, keep);
        for action in &actions {
            self.begin(action);
        }
        self.judge();
        actions
    }

    fn begin(&mut self, action: &Action) {
        if let Action::Remove(key) = action {
            self.judge_removal(key);
        }
        match action {
            Action::Start(spec) => self.observed.starting(spec, self.now),
            Action::Forget(task) => drop(self.observed.tasks.remove(task)),
            Action::Cancel(key) | Action::Stop(key) | Action::Kill(key) | Action::Remove(key) => {
                let container = self
                    .observed
                    .container_mut(key)
                    .expect("plan names what is seen");
                match action {
                    Action::Cancel(_) => container.cancelled = true,
                    Action::Stop(_) => container.signalled_at = Some(self.now),
                    Action::Kill(_) => container.killed_at = Some(self.now),
                    _ => container.is_being_removed = true,
                }
            }
        }
        if !matches!(action, Action::Forget(_) | Action::Cancel(_)) {
            self.under_way.push(action.clone());
        }
    }

    fn finish(&mut self, is_good: bool) {
        if self.under_way.is_empty() {
            return;
        }
        self.now += Duration::from_millis(1);
        match self.under_way.remove(0) {
            Action::Start(spec) => self.finish_start(&spec, is_good),
            Action::Kill(key) => self.exit(&key, 137),
            // A container may be deaf to it.
            Action::Stop(key) if is_good => self.exit(&key, 143),
            Action::Remove(key) => {
                self.containers.remove(&key);
                self.observed.removed(&key);
            }
            Action::Stop(_) | Action::Cancel(_) | Action::Forget(_) => {}
        }
    }

    fn finish_start(&mut self, spec: &ContainerSpec, is_good: bool) {
        let key = spec.tag.key.clone();
        let is_cancelled = self
            .observed
            .container_mut(&key)
            .is_some_and(|container| container.cancelled);
        let result = match (is_cancelled, is_good) {
            (true, _) => Err(StartError::Cancelled),
            (false, false) => Err(StartError::CannotPull("no".to_owned())),
            (false, true) => {
                if !self.containers.contains_key(&key) {
                    *self.made.entry(key.clone()).or_default() += 1;
                    let sighting = Sighting {
                        tag: spec.tag.clone(),
                        runtime_id: key.to_string(),
                        state: Seen::Running,
                        health: None,
                    };
                    self.containers.insert(key.clone(), sighting);
                }
                Ok(Started {
                    runtime_id: key.to_string(),
                    ..Started::default()
                })
            }
        };
        let wall_ms = self.wall_ms();
        self.observed.start_ended(&key, result, self.now, wall_ms);
    }

    /// Nothing is removed before the last of its task has ended, and the cleanup wait has passed since.
    fn judge_removal(&self, key: &Key) {
        let found = self.containers.iter().filter(|(k, _)| k.task == key.task);
        for (key, found) in found {
            match &found.state {
                Seen::Running => panic!("{key} is to be removed while it runs"),
                Seen::Created => {}
                Seen::Exited(exit) => {
                    let kept_ms =
                        u64::try_from(self.wall_ms() - exit.at_ms).expect("it ended before now");
                    assert!(
                        Duration::from_millis(kept_ms) >= self.cleanup_wait,
                        "{key} is removed after {kept_ms} ms"
                    );
                }
            }
        }
    }

    /// What must hold at all times.
    fn judge(&mut self) {
        let starting: Vec<_> = self
            .under_way
            .iter()
            .filter_map(|action| match action {
                Action::Start(spec) => Some(&spec.tag.key),
                _ => None,
            })
            .collect();
        let distinct: BTreeSet<_> = starting.iter().collect();
        assert_eq!(
            starting.len(),
            distinct.len(),
            "one start at a time for one container"
        );
        for (id, now) in self.observed.summary(&self.assigned) {
            // After the agent's death nothing is said of a task until its assignment is heard again.
            if self.assigned.task(&id).is_none() && !self.assigned.is_complete() {
                continue;
            }
            if let Some(before) = self.said.get(&id) {
                assert!(
                    rank(&now.status) >= rank(&before.status),
                    "{before:?} went back to {now:?}"
                );
            }
            self.said.insert(id, now);
        }
        self.judge_kept();
    }

    /// What has ended is never said to run.
    fn judge_kept(&self) {
        let summary = self.observed.summary(&self.assigned);
        for (id, task) in &self.observed.tasks {
            let has_ended = |name: &String| {
                task.containers
                    .get(name)
                    .is_some_and(|container| container.exit().is_some())
            };
            let said = summary
                .get(id)
                .into_iter()
                .flat_map(|said| &said.containers);
            for container in said.filter(|said| has_ended(&said.name)) {
                assert_eq!(container.status, "STOPPED", "{id}");
            }
        }
    }

    /// Does all that is asked, without further accidents, until nothing is.
    fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS {
            // Longer than any deadline that may be running.
            self.now += Duration::from_secs(11);
            self.look();
            self.acknowledge();
            if self.ask().is_empty() && self.under_way.is_empty() {
                return;
            }
            while !self.under_way.is_empty() {
                self.finish(true);
            }
        }
        panic!("no rest after {ROUNDS} rounds");
    }
}

fn id(task: u8) -> TaskId {
    TaskId::parse(&format!("{task:032x}")).expect("32 digits")
}

fn key(task: u8, name: &usize) -> Key {
    Key {
        task: id(task),
        container: NAMES[*name].to_owned(),
    }
}

/// None, shorter than what the steps take, longer than all of them.
fn cleanup_wait() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..60_u64, Just(3 * 60 * 60)]
}

fn rank(status: &str) -> u8 {
    match status {
        "PENDING" => 0,
        "RUNNING" => 1,
        "STOPPED" => 2,
        other => panic!("no status of ours: {other}"),
    }
}

proptest! {
    #[test]
    fn whatever_happens_nothing_is_made_twice_and_no_status_goes_back(wait_s in cleanup_wait(), steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new(wait_s);
        for step in &steps {
            world.take(step);
            world.ask();
        }
        // Only what vanished before anyone had heard of it, with the one agent that knew of it, may be made again.
        let has = |is_it: fn(&Step) -> bool| steps.iter().any(is_it);
        let is_traceless = has(|step| matches!(step, Step::Die)) && has(|step| matches!(step, Step::Vanish { .. }));
        for (key, times) in &world.made {
            prop_assert!(*times <= 1 || is_traceless, "{key} made {times} times");
        }
    }

    #[test]
    fn when_accidents_end_the_agent_comes_to_rest_with_what_is_wanted(wait_s in cleanup_wait(), steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new(wait_s);
        for step in &steps {
            world.take(step);
            world.ask();
        }
        world.come_to_rest();
        for (id, task) in &world.observed.tasks {
            let phases: Vec<_> = task.containers.values().map(|container| &container.phase).collect();
            match &task.cause {
                None => prop_assert!(phases.iter().all(|phase| !matches!(phase, Phase::Starting)), "{id}: {phases:?}"),
                Some(_) => prop_assert!(phases.iter().all(|phase| matches!(phase, Phase::Exited(_))), "{id}: {phases:?}"),
            }
        }
        // What was asked once and done is not asked again.
        prop_assert!(world.ask().is_empty());
        // What has ended is there until its time has come, and not longer.
        world.now += world.cleanup_wait;
        world.come_to_rest();
        let is_over = |id: &TaskId| world.assigned.task(id).is_none() && world.observed.tasks.get(id).is_none_or(|task| task.ended);
        let must_be_gone = |key: &&Key| world.assigned.is_complete() && is_over(&key.task);
        prop_assert_eq!(world.containers.keys().find(must_be_gone), None);
    }

    #[test]
    fn a_stop_always_ends(is_deaf in any::<bool>(), wait_s in cleanup_wait(), steps in prop::collection::vec(step(), 0..30)) {
        let mut world = World::new(wait_s);
        for step in &steps {
            world.take(step);
            world.ask();
        }
        for task in 0..TASKS {
            world.take(&Step::Assign { task, stop: true });
        }
        let began = world.now;
        while world.containers.values().any(|found| found.state == Seen::Running) {
            world.ask();
            while !world.under_way.is_empty() {
                world.finish(!is_deaf);
            }
            world.look();
            world.now += Duration::from_millis(500);
            prop_assert!(world.now < began + Duration::from_secs(60), "still running: {:?}", world.containers);
        }
    }
}
