//! The way of placing by the state's indexes, for the rules that are asked for most: no strategy, or spread over zones, over
//! instances, or both, with any constraints. It looks at instances in the order in which they would be chosen, and stops at the
//! first that fits: what a task costs does not grow with the cluster.
//!
//! In each zone, the order is by tasks of the group (a *level*), then by what is left. Instances that the plan has put something on
//! stand in a heap of their own; of the others, each is met once, level by level.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::feasible;
use super::groups::Mates;
use super::problem::{Candidate, Placement, Problem};
use super::rules::{Constraint, Over, Strategy, ZONE};
use super::score::{self, Score};
use crate::ids::InstanceId;
use crate::state::{Free, GroupZone, HostPort, Instance, State, ZoneMap};

/// A level of so many instances is sorted; of a larger one, the best is soon met on the way through all.
const SMALL_LEVEL: usize = 16;

/// Places as many tasks as fit, up to the problem's count; nothing for rules that are beyond it.
pub(super) fn place(problem: &Problem<'_>) -> Option<Vec<Placement>> {
    let by_zone = shape(&problem.rules.strategies)?;
    let mut zones = Zone::all(problem, by_zone);
    // What a task changes, it changes in its own zone only.
    let best = zones.iter_mut().enumerate();
    let best = best.filter_map(|(place, zone)| Some(Reverse((zone.best(problem)?, place))));
    let mut ranks: BinaryHeap<Reverse<(Score, usize)>> = best.collect();
    let mut placed = Vec::new();
    while placed.len() < problem.count {
        let Some(Reverse((_, place))) = ranks.pop() else {
            break;
        };
        placed.push(zones[place].take(problem));
        let next = zones[place].best(problem);
        ranks.extend(next.map(|score| Reverse((score, place))));
    }
    Some(placed)
}

/// Whether zones come first, if the strategies say no more than that and what the tie-break says anyway.
fn shape(strategies: &[Strategy]) -> Option<bool> {
    let is_zone = |strategy: &Strategy| match strategy {
        Strategy::Spread(Over::Attribute(name)) => name == ZONE,
        Strategy::Spread(Over::Instance) | Strategy::Binpack(_) | Strategy::Random => false,
    };
    let host = Strategy::Spread(Over::Instance);
    match strategies {
        [] => Some(false),
        [only] if *only == host => Some(false),
        [only] if is_zone(only) => Some(true),
        [first, second] if is_zone(first) && *second == host => Some(true),
        _ => None,
    }
}

/// One zone, and what the plan has done in it.
struct Zone<'a> {
    by_zone: bool,
    /// Tasks of the group in the zone, the plan's included.
    tasks: u64,
    candidates: Vec<Candidate<'a>>,
    /// Instances on which the plan has put something, the best first.
    touched: BinaryHeap<Reverse<(Score, usize)>>,
    ports_of_first: Option<Vec<HostPort>>,
    untouched: Untouched<'a>,
    /// The best of those, which fits, and the ports it would give.
    fresh: Option<(Score, Candidate<'a>, Vec<HostPort>)>,
}

impl<'a> Zone<'a> {
    fn all(problem: &Problem<'a>, by_zone: bool) -> Vec<Self> {
        let mates = Mates::of(problem);
        let ground = problem.state.ground(problem.cluster);
        let zones = ground.into_iter().flat_map(|ground| ground.zones.iter());
        let zones = zones.map(|(zone, free)| {
            let group = mates.in_zone(zone);
            Zone {
                by_zone,
                tasks: group.map_or(0, |group| group.tasks),
                candidates: Vec::new(),
                touched: BinaryHeap::new(),
                ports_of_first: None,
                untouched: Untouched::new(problem, free, mates, group),
                fresh: None,
            }
        });
        zones.collect()
    }

    fn score(&self, problem: &Problem<'_>, candidate: &Candidate<'_>) -> Score {
        score::of(problem, candidate, |_| 0)
    }

    /// The score of the best instance of the zone that takes a task.
    fn best(&mut self, problem: &Problem<'a>) -> Option<Score> {
        self.settle(problem);
        if self.fresh.is_none() {
            self.fresh = self
                .untouched
                .next(problem)
                .map(|(candidate, ports)| (self.score(problem, &candidate), candidate, ports));
        }
        let touched = self.touched.peek().map(|Reverse((score, _))| *score);
        let fresh = self.fresh.as_ref().map(|(score, ..)| *score);
        let mut best = touched.into_iter().chain(fresh).min()?;
        if self.by_zone {
            best.by_strategy[0] = self.tasks;
        }
        Some(best)
    }

    /// Drops those from the front that the task does not fit on: they will not take it later either.
    fn settle(&mut self, problem: &Problem<'_>) {
        while self.ports_of_first.is_none()
            && let Some(Reverse((_, first))) = self.touched.peek()
        {
            match feasible::fit(problem, &self.candidates[*first]) {
                Ok(ports) => self.ports_of_first = Some(ports),
                Err(_) => drop(self.touched.pop()),
            }
        }
    }

    /// Puts a task on the instance that [`Zone::best`] found.
    fn take(&mut self, problem: &Problem<'a>) -> Placement {
        let touched = self.touched.peek().map(|Reverse((score, _))| *score);
        let fresh = self.fresh.as_ref().map(|(score, ..)| *score);
        let is_fresh = fresh.is_some_and(|fresh| touched.is_none_or(|touched| fresh < touched));
        let (place, ports) = if is_fresh {
            let (_, candidate, ports) = self.fresh.take().expect("it was compared above");
            self.candidates.push(candidate);
            (self.candidates.len() - 1, ports)
        } else {
            let Reverse((_, first)) = self.touched.pop().expect("best() saw one");
            (
                first,
                self.ports_of_first.take().expect("settled by best()"),
            )
        };
        let placed = self.candidates[place].take(problem.need, ports);
        self.tasks += 1;
        if feasible::has_room(problem, &self.candidates[place]) {
            let score = self.score(problem, &self.candidates[place]);
            self.touched.push(Reverse((score, place)));
            self.ports_of_first = None;
        }
        placed
    }
}

/// The instances of a zone in the order in which they would be chosen, as the state has them.
struct Untouched<'a> {
    state: &'a State,
    free: &'a ZoneMap,
    mates: Mates<'a>,
    group: Option<&'a GroupZone>,
    /// Only instances with so much memory left are met.
    memory_mib: u64,
    is_distinct: bool,
    level: Option<u32>,
    on_level: Box<dyn Iterator<Item = &'a Instance> + 'a>,
}

impl<'a> Untouched<'a> {
    fn new(
        problem: &Problem<'a>,
        free: &'a ZoneMap,
        mates: Mates<'a>,
        group: Option<&'a GroupZone>,
    ) -> Self {
        let rules = problem.rules;
        Self {
            state: problem.state,
            free,
            mates,
            group,
            memory_mib: problem.need.memory_mib,
            is_distinct: rules.constraints.contains(&Constraint::DistinctInstance),
            level: None,
            on_level: Box::new(std::iter::empty()),
        }
    }

    /// The next that the task fits on, and its ports there.
    fn next(&mut self, problem: &Problem<'a>) -> Option<(Candidate<'a>, Vec<HostPort>)> {
        loop {
            let Some(instance) = self.on_level.next() else {
                self.next_level()?;
                continue;
            };
            let candidate = Candidate::new(instance, self.level.unwrap_or(0));
            if let Ok(ports) = feasible::fit(problem, &candidate) {
                return Some((candidate, ports));
            }
        }
    }

    fn next_level(&mut self) -> Option<()> {
        let taken = self.group.map_or(0, |group| group.takers.size());
        let level = match self.level {
            None if taken < self.free.size() => 0,
            _ if self.is_distinct => return None,
            before => self.level_after(before.unwrap_or(0))?,
        };
        self.level = Some(level);
        self.on_level = match self.small_level(level) {
            Some(few) => Box::new(few.into_iter().map(|(_, instance)| instance)),
            None => self.large_level(level),
        };
        Some(())
    }

    fn level_after(&self, level: u32) -> Option<u32> {
        let first = (level + 1, InstanceId::from_u128(0));
        let mut higher = self.group?.takers.range(first..);
        higher.next().map(|(level, _)| *level)
    }

    /// The level's instances in order, if they are few.
    fn small_level(&self, level: u32) -> Option<Vec<(Free, &'a Instance)>> {
        if level == 0 {
            return None;
        }
        let state = self.state;
        let (low, high) = (InstanceId::from_u128(0), InstanceId::from_u128(u128::MAX));
        let takers = || {
            self.group
                .map(|group| group.takers.range((level, low)..=(level, high)))
        };
        if takers()?.take(SMALL_LEVEL + 1).count() > SMALL_LEVEL {
            return None;
        }
        let some = takers()?.filter_map(|(_, id)| state.instance(id));
        let mut some: Vec<_> = some.map(|one| (one.free(), one)).collect();
        some.sort_unstable_by_key(|(free, _)| *free);
        Some(some)
    }

    /// The level's instances on the way through all that have the memory.
    fn large_level(&self, level: u32) -> Box<dyn Iterator<Item = &'a Instance> + 'a> {
        let (memory_mib, mates) = (self.memory_mib, self.mates);
        let all = self.free.iter();
        let enough = all.take_while(move |(free, _)| free.memory_mib.0 >= memory_mib);
        let on_level = enough.filter(move |(free, _)| mates.on(free.id) == level);
        Box::new(on_level.map(|(_, instance)| instance.as_ref()))
    }
}
