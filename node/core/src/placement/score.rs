//! Which of several fitting instances is best: the least score. Its parts and their order are published in `node/DESIGN.md`.

use std::cmp::Reverse;

use super::problem::{Candidate, Problem};
use super::rules::{Measure, Over, STRATEGIES_MAX, Strategy};
use crate::ids::InstanceId;

/// Compared member by member, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// What each strategy says, in the problem's order; 0 where there is none. A spread says how many tasks of the group are there,
    /// binpack how much would be left, random the lot.
    pub by_strategy: [u64; STRATEGIES_MAX],
    /// Tie-break: tasks of the group on the instance.
    pub same_group: u32,
    /// Then the most memory left.
    pub memory_mib_free_after: Reverse<u64>,
    /// Then the most CPU left.
    pub cpu_units_free_after: Reverse<u64>,
    /// Then the lowest id.
    pub id: InstanceId,
}

/// The score of an instance that the task fits on. `spread` says how many tasks of the group are where the instance is, for the
/// strategy of that place in the list, if it spreads over an attribute.
pub(super) fn of(
    problem: &Problem<'_>,
    candidate: &Candidate<'_>,
    spread: impl Fn(usize) -> u64,
) -> Score {
    let need = problem.need;
    let memory_mib_left = candidate.memory_mib_free - need.memory_mib;
    let cpu_units_left = candidate.cpu_units_free - need.cpu_units;
    let mut by_strategy = [0; STRATEGIES_MAX];
    for (place, strategy) in strategies(problem).enumerate() {
        by_strategy[place] = match strategy {
            Strategy::Spread(Over::Instance) => u64::from(candidate.same_group),
            Strategy::Spread(Over::Attribute(_)) => spread(place),
            Strategy::Binpack(Measure::Cpu) => cpu_units_left,
            Strategy::Binpack(Measure::Memory) => memory_mib_left,
            Strategy::Random => lot(problem.seed, candidate.instance.id, candidate.planned),
        };
    }
    Score {
        by_strategy,
        same_group: candidate.same_group,
        memory_mib_free_after: Reverse(memory_mib_left),
        cpu_units_free_after: Reverse(cpu_units_left),
        id: candidate.instance.id,
    }
}

/// The strategies that are looked at: callers refuse more.
pub(super) fn strategies<'a>(
    problem: &Problem<'a>,
) -> impl Iterator<Item = &'a Strategy> + use<'a> {
    problem.rules.strategies.iter().take(STRATEGIES_MAX)
}

/// The lot of an instance on which the plan has put `planned` tasks; the lowest wins.
///
/// It is the sum of so many draws and one more, each made of the seed, the id and its number, and each distributed (nearly)
/// exponentially: so every task is equally likely to go to any of the instances, whatever went before.
#[must_use]
pub fn lot(seed: u64, instance: InstanceId, planned: u32) -> u64 {
    let id = instance.as_u128();
    let own = mixed(mixed(seed ^ id as u64) ^ (id >> 64) as u64);
    (0..=u64::from(planned))
        .map(|number| waited(mixed(own ^ number)))
        .sum()
}

/// Minus the binary logarithm of a uniform draw, in units of 2^-32: whole part exact, the rest by a straight line.
fn waited(draw: u64) -> u64 {
    let whole = draw.leading_zeros();
    let fraction = draw.checked_shl(whole + 1).unwrap_or(0) >> 32;
    (u64::from(whole) << 32) + (u64::from(u32::MAX) - fraction)
}

/// SplitMix64's output function: each bit of the number stirs all others.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lot_is_as_likely_as_any_other() {
        let (mut counts, instances) = ([0_u32; 4], [1_u128, 2, 3, 4 << 64]);
        for seed in 0..1000 {
            let mut planned = [0; 4];
            for _ in 0..10 {
                let of = |place: &usize| {
                    lot(
                        seed,
                        InstanceId::from_u128(instances[*place]),
                        planned[*place],
                    )
                };
                let place = (0..4).min_by_key(of).expect("there are four");
                planned[place] += 1;
                counts[place] += 1;
            }
        }
        assert!(
            counts.iter().all(|count| (2300..2700).contains(count)),
            "{counts:?}"
        );
    }
}
