//! What holds of the service scheduler whatever happens to tasks and instances: a fleet that fails at random, and a judge that counts
//! tasks one by one. A failure prints the least story that shows it.
#![allow(clippy::unwrap_used)]

mod fleet;
mod reader;

use fleet::real::thought;
use fleet::{Fleet, Happening, happening};
use proptest::collection::vec;
use proptest::prelude::*;

/// Less than all services together may want.
const SCARCE_MIB: u64 = 800;
/// More than that.
const ENOUGH_MIB: u64 = 2400;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decisions_keep_the_bounds_and_come_to_an_end(story in vec(happening(), 1..40)) {
        let mut fleet = Fleet::new(SCARCE_MIB);
        for happening in &story {
            fleet.go(happening)?;
        }
    }

    #[test]
    fn when_faults_end_services_come_to_rest(story in vec(happening(), 1..25)) {
        let mut fleet = Fleet::new(ENOUGH_MIB);
        for happening in &story {
            fleet.go(happening)?;
        }
        fleet.recover();
        // The longest gap after failures.
        fleet.go(&Happening::Wait { ms: 27 * 60 * 1000 })?;
        for _ in 0..20 {
            fleet.go(&Happening::AllWell)?;
            fleet.go(&Happening::Wait { ms: 45_000 })?;
        }
        fleet.is_at_rest()?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_foretold_is_what_happens(story in vec(happening(), 0..25), thought in thought()) {
        let mut fleet = Fleet::new(SCARCE_MIB);
        for happening in &story {
            fleet.go(happening)?;
        }
        fleet.comes_true(&thought)?;
    }
}
