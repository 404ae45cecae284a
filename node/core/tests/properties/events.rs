//! What holds of all events: nothing is left out, told twice or out of order, and every node tells the same.

use proptest::prelude::*;
use proptest::sample::Index;
use quorate_core::{Entry, State, snapshot};

use super::reader::Reader;
use super::world::{after, next};
use super::{config, one_by_one, world};

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn a_reader_knows_all_that_is(log in world::log()) {
        let (mut state, mut reader) = (State::default(), Reader::default());
        for entry in log.iter().flat_map(one_by_one) {
            let applied = next(&mut state, &entry);
            reader.hear(&applied.events, &state);
        }
    }

    /// The tail that a node tells which came by a snapshot is the tail of what all others tell.
    #[test]
    fn two_halves_are_the_whole(log in world::log(), cut in any::<Index>()) {
        let cut = cut.index(log.len() + 1);
        let told = |state: &mut State, log: &[Entry]| -> Vec<_> {
            log.iter().flat_map(|entry| next(state, entry).events).collect()
        };
        let whole = told(&mut State::default(), &log);
        let mut halves = told(&mut State::default(), &log[..cut]);
        let mut bytes = Vec::new();
        snapshot::write(&after(&log[..cut]), &mut bytes).unwrap();
        let mut late = snapshot::read(&mut bytes.as_slice()).unwrap();
        halves.extend(told(&mut late, &log[cut..]));
        prop_assert_eq!(halves, whole);
    }
}
