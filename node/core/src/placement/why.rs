//! Why a task goes where it goes: one row for each instance, and what the best had over the next. The same filters and scores as
//! `place`, on each instance; shown to people, so that it may cost a look at all of them.

use std::collections::BTreeMap;

use super::feasible::{self, Refusal};
use super::groups::Mates;
use super::problem::{Candidate, Problem};
use super::rules::{Over, STRATEGIES_MAX, Strategy};
use super::score::{self, Score};
use crate::ids::InstanceId;
use crate::state::Instance;

/// What speaks for and against each instance, for the first task of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Those that could take it, the best first; then those that could not, by id. None is left out but deregistered ones.
    pub rows: Vec<Row>,
    /// Where it goes.
    pub winner: Option<Winner>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub instance: InstanceId,
    /// The first filter that it failed, or its score.
    pub verdict: Result<Score, Refusal>,
}

/// The instance that is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner {
    /// Which.
    pub instance: InstanceId,
    /// What it had over the next.
    pub by: Advantage,
    /// The next; none if no other could take the task.
    pub over: Option<InstanceId>,
}

/// The first part of the scores in which two instances differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advantage {
    /// There was no other.
    Alone,
    /// The strategy of that place in the list, from 0.
    Strategy(usize),
    /// Fewer tasks of the group.
    SameGroup,
    /// More memory left.
    Memory,
    /// More CPU left.
    Cpu,
    /// The lower id.
    Id,
}

/// Where the first task of the problem goes, and why not elsewhere.
#[must_use]
pub fn why(problem: &Problem<'_>) -> Why {
    why_after(problem, &BTreeMap::new())
}

/// The same of a later task of a plan. Those before it are in the state; `drawn` says how many each instance got, which lots count.
#[must_use]
pub fn why_after(problem: &Problem<'_>, drawn: &BTreeMap<InstanceId, u32>) -> Why {
    let mates = Mates::of(problem);
    let crowds = crowds(problem);
    let row = |instance: &Instance| {
        let mut candidate = Candidate::new(instance, mates.on(instance.id));
        candidate.planned = drawn.get(&instance.id).copied().unwrap_or(0);
        let at =
            |place: usize| crowd_at(&problem.rules.strategies[place], &crowds[place], &candidate);
        let verdict =
            feasible::fit(problem, &candidate).map(|_| score::of(problem, &candidate, at));
        Row {
            instance: instance.id,
            verdict,
        }
    };
    let mut rows: Vec<Row> = problem.live().map(row).collect();
    let rank = |row: &Row| {
        let score = row.verdict.as_ref().ok().copied();
        (score.is_none(), score, row.instance)
    };
    rows.sort_by_key(rank);
    let mut fitting = rows.iter().filter_map(|row| row.verdict.as_ref().ok());
    let winner = fitting
        .next()
        .map(|best| Winner::over(best, fitting.next()));
    Why { rows, winner }
}

/// For each strategy that spreads over an attribute: how many tasks of the group are where it has each value.
type Crowds<'a> = Vec<BTreeMap<&'a str, u64>>;

fn crowds<'a>(problem: &Problem<'a>) -> Crowds<'a> {
    let mates = Mates::of(problem);
    let of = |strategy: &'a Strategy| {
        let mut crowds = BTreeMap::new();
        if let Strategy::Spread(Over::Attribute(name)) = strategy {
            for instance in problem.live() {
                let value = instance.attribute(name).unwrap_or_default();
                *crowds.entry(value).or_default() += u64::from(mates.on(instance.id));
            }
        }
        crowds
    };
    score::strategies(problem).map(of).collect()
}

/// How many are where the candidate is.
fn crowd_at(strategy: &Strategy, crowds: &BTreeMap<&str, u64>, candidate: &Candidate<'_>) -> u64 {
    match strategy {
        Strategy::Spread(Over::Attribute(name)) => {
            let value = candidate.instance.attribute(name).unwrap_or_default();
            crowds.get(value).copied().unwrap_or(0)
        }
        Strategy::Spread(Over::Instance) | Strategy::Binpack(_) | Strategy::Random => 0,
    }
}

impl Winner {
    fn over(best: &Score, next: Option<&Score>) -> Self {
        Self {
            instance: best.id,
            by: next.map_or(Advantage::Alone, |next| advantage(best, next)),
            over: next.map(|next| next.id),
        }
    }
}

fn advantage(best: &Score, next: &Score) -> Advantage {
    let differs = |place: &usize| best.by_strategy[*place] != next.by_strategy[*place];
    if let Some(place) = (0..STRATEGIES_MAX).find(differs) {
        Advantage::Strategy(place)
    } else if best.same_group != next.same_group {
        Advantage::SameGroup
    } else if best.memory_mib_free_after != next.memory_mib_free_after {
        Advantage::Memory
    } else if best.cpu_units_free_after != next.cpu_units_free_after {
        Advantage::Cpu
    } else {
        Advantage::Id
    }
}
