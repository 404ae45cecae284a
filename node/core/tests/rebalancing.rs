//! What holds of rebalancing from wherever a service's tasks are: it comes to an end, where no move is worth it any more, it never
//! leaves the bounds, and it does what was planned. The judge counts tasks one by one and knows nothing of placement.
#![allow(clippy::unwrap_used)]

mod town;

use proptest::prelude::*;
use quorate_core::Policy;
use quorate_core::forecast::What;

use town::{MACHINES_MAX, Town, Wanted, machine, wanted};

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_of_moves_ends_where_none_is_worth_it(
        machines in proptest::collection::vec(machine(), 1..MACHINES_MAX),
        wanted in wanted(),
    ) {
        let mut town = Town::new(&machines, &[wanted], Policy::default());
        let planned = town.foretold();
        let moves = town.settle()?;
        // A task is moved once a level at most.
        prop_assert!(moves.len() <= 2 * town.tasks_of(0).len(), "{} moves", moves.len());
        town.is_as_good_as_can_be(0)?;
        let done = moves.iter().flat_map(|one| [(What::Start, one.to), (What::Stop, one.from)]);
        prop_assert_eq!(planned, done.collect::<Vec<_>>());
        prop_assert_eq!(town.foretold(), []);
    }

    #[test]
    fn with_room_everywhere_zones_and_instances_differ_by_one_at_most(
        zones in proptest::collection::vec(0_u8..3, 1..MACHINES_MAX),
        mut wanted in wanted(),
    ) {
        let machines: Vec<_> = zones.into_iter().map(|zone| (zone, zone, 100)).collect();
        wanted.strategies = Vec::new();
        let mut town = Town::new(&machines, &[wanted], Policy::default());
        town.settle()?;
        town.is_even(0)?;
    }

    #[test]
    fn services_share_the_budget_and_the_room(
        machines in proptest::collection::vec(machine(), 1..MACHINES_MAX),
        all in proptest::collection::vec(wanted(), 2..5),
        moves_per_minute in 1_u64..4,
    ) {
        let policy = Policy { moves_per_minute, ..Policy::default() };
        let mut town = Town::new(&machines, &all, policy);
        let moves = town.settle()?;
        let budget = usize::try_from(moves_per_minute).unwrap();
        for window in moves.windows(budget + 1) {
            prop_assert!(window[budget].at.since_ms(window[0].at) >= 60_000, "{:?}", window);
        }
        for service in 0..all.len() {
            town.has_not_too_many(service)?;
        }
    }

    #[test]
    fn who_does_not_rebalance_moves_nothing(
        machines in proptest::collection::vec(machine(), 1..MACHINES_MAX),
        wanted in wanted(),
        which in 0_u8..4,
    ) {
        let mut still = Wanted { strategies: Vec::new(), ..wanted };
        let mut policy = Policy::default();
        match which {
            0 => still.rebalances = false,
            1 => still.maximum_percent = 100,
            2 => still.strategies = vec![("binpack", "memory"), ("spread", "host")],
            _ => policy.moves_per_minute = 0,
        }
        let mut town = Town::new(&machines, &[still], policy);
        prop_assert_eq!(town.settle()?.len(), 0);
        prop_assert_eq!(town.foretold(), []);
    }
}
