//! The judge of moves: it tries every move of every task by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use quorate_core::State;
use quorate_core::command::{ServiceStep, Turn};
use quorate_core::ids::ServiceKey;
use quorate_core::state::{DesiredStatus, Instance, Service, Task, TaskStatus};

use super::{TASK_MIB, Town};

/// For each level, the sum of the squares of its counts: the lower, the better spread; the first that differs decides.
fn unevenness(service: &Service, standing: &[&Instance]) -> Vec<u64> {
    let mut names: Vec<&str> = Vec::new();
    let strategies = &service.spec.strategies;
    for strategy in strategies.iter().take_while(|one| one.kind == "spread") {
        names.push(strategy.field.trim_start_matches("attribute:"));
    }
    if strategies.is_empty() {
        names.push("ecs.availability-zone");
    }
    if names.len() == strategies.len().max(1) && !names.contains(&"host") {
        names.push("host");
    }
    let squares = |name: &&str| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for instance in standing {
            let place = match *name {
                "host" => instance.id.to_string(),
                other => instance.attribute(other).unwrap_or("").to_owned(),
            };
            *counts.entry(place).or_default() += 1;
        }
        counts.values().map(|count| count * count).sum()
    };
    names.iter().map(squares).collect()
}

fn staying<'a>(state: &'a State, key: &ServiceKey) -> Vec<&'a Task> {
    let live = state.live_tasks_of(key);
    live.filter(|task| task.desired == DesiredStatus::Running)
        .collect()
}

fn standing<'a>(state: &'a State, tasks: &[&Task]) -> Vec<&'a Instance> {
    let on = |task: &&Task| state.instance(&task.instance).unwrap();
    tasks.iter().map(on).collect()
}

/// What a step may do, and that what it moves comes out better spread.
pub(super) fn check(
    before: &State,
    after: &State,
    step: &ServiceStep,
) -> Result<(), TestCaseError> {
    let service = after.service(&step.key).unwrap();
    let live = after.live_tasks_of(&step.key).count() as u64;
    prop_assert!(live <= service.spec.running_max().max(service.spec.desired_count));
    let is_healthy = |task: &&&Task| {
        let steady_at = task.started_at.map(|at| at.0 + 40_000);
        task.last == TaskStatus::Running && steady_at.is_some_and(|at| at <= after.now().0)
    };
    let tasks = staying(after, &step.key);
    let healthy = tasks.iter().filter(is_healthy).count() as u64;
    prop_assert!(healthy >= service.spec.desired_count, "{:?}", step);
    prop_assert!(step.start.len() + step.stop.len() <= 1, "{:?}", step);
    for turn in &step.turns {
        let Turn::Move(moving) = turn else { continue };
        let was = standing(before, &staying(before, &step.key));
        let mut moved = tasks.clone();
        moved.retain(|task| task.id != moving.from);
        let is = standing(after, &moved);
        let (was, is) = (unevenness(service, &was), unevenness(service, &is));
        prop_assert!(is < was, "{:?} is no better than {:?}", is, was);
    }
    Ok(())
}

impl Town {
    pub(crate) fn has_not_too_many(&self, service: usize) -> Result<(), TestCaseError> {
        let key = self.key(service);
        let wanted = self.state.service(&key).unwrap().spec.desired_count;
        prop_assert_eq!(self.tasks_of(service).len() as u64, wanted);
        Ok(())
    }

    /// No task could be moved to an instance that has room, and the service be better spread.
    pub(crate) fn is_as_good_as_can_be(&self, service: usize) -> Result<(), TestCaseError> {
        self.has_not_too_many(service)?;
        let of = self.state.service(&self.key(service)).unwrap();
        let now = standing(&self.state, &self.tasks_of(service));
        let is = unevenness(of, &now);
        for place in 0..now.len() {
            for to in self.state.instances() {
                if to.memory_mib_free() < TASK_MIB {
                    continue;
                }
                let mut then = now.clone();
                then[place] = to;
                let would_be = unevenness(of, &then);
                prop_assert!(would_be >= is, "{} to {}", now[place].id, to.id);
            }
        }
        Ok(())
    }

    /// Zones, and within each zone instances, differ by one task at most.
    pub(crate) fn is_even(&self, service: usize) -> Result<(), TestCaseError> {
        let mut zones: BTreeMap<&str, BTreeMap<_, u64>> = BTreeMap::new();
        for instance in self.state.instances() {
            let zone = zones.entry(instance.zone()).or_default();
            zone.insert(instance.id, 0);
        }
        for on in standing(&self.state, &self.tasks_of(service)) {
            *zones.get_mut(on.zone()).unwrap().get_mut(&on.id).unwrap() += 1;
        }
        let skew = |counts: Vec<u64>| counts.iter().max().unwrap() - counts.iter().min().unwrap();
        let by_zone = zones.values().map(|zone| zone.values().sum()).collect();
        prop_assert!(skew(by_zone) <= 1, "{:?}", zones);
        for zone in zones.values() {
            prop_assert!(skew(zone.values().copied().collect()) <= 1, "{:?}", zones);
        }
        Ok(())
    }
}
