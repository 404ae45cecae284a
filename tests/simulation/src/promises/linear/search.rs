//! Is there an order? The search of Wing and Gong with Lowe's memory, for one object and a few dozen operations.

use std::collections::BTreeSet;

/// Operations of one search; they are told apart by the bits of a number.
pub(super) const OPERATIONS_MAX: usize = 64;
/// Configurations looked at before a search gives up.
const LOOKS_MAX: usize = 200_000;

/// An operation on one object, from its call to its return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation<O> {
    /// When it was called.
    pub(super) from_us: u64,
    /// When it returned; the end of time if it did not, and then it need not have happened at all.
    pub(super) to_us: u64,
    /// What was done, or seen.
    pub(super) what: O,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is an order in which each operation happens between its call and its return.
    Linearizable,
    /// There is none.
    Not,
    /// Too many orders to try.
    Unknown,
}

/// An object whose operations can be put in order.
pub(super) trait Object {
    /// What it can be.
    type State: Copy + Ord;
    /// What can be done to it, or seen of it.
    type What;

    /// What it may be after `what`; nothing if `what` can not have happened to it.
    fn after(state: Self::State, what: &Self::What) -> Vec<Self::State>;
}

/// Looks for an order of `operations` that begins with one of `states`.
pub(super) fn search<T: Object>(operations: &[Operation<T::What>], states: &[T::State]) -> Verdict {
    assert!(operations.len() <= OPERATIONS_MAX, "windows are cut to fit");
    let all_returned = operations
        .iter()
        .enumerate()
        .filter(|(_, one)| one.to_us < u64::MAX);
    let required = all_returned.fold(0_u64, |bits, (place, _)| bits | 1 << place);
    let mut seen: BTreeSet<(u64, T::State)> = states.iter().map(|state| (0, *state)).collect();
    let mut waiting: Vec<(u64, T::State)> = seen.iter().copied().collect();
    while let Some((done, state)) = waiting.pop() {
        if done & required == required {
            return Verdict::Linearizable;
        }
        if seen.len() > LOOKS_MAX {
            return Verdict::Unknown;
        }
        let is_open = |place: &usize| done & (1 << place) == 0;
        // Whatever returned first among those left must not come after anything that was called later.
        let first_return = (0..operations.len())
            .filter(is_open)
            .map(|place| operations[place].to_us)
            .min();
        let first_return = first_return.unwrap_or(u64::MAX);
        for place in (0..operations.len()).filter(is_open) {
            let operation = &operations[place];
            if operation.from_us > first_return {
                continue;
            }
            for next in T::after(state, &operation.what) {
                if seen.insert((done | 1 << place, next)) {
                    waiting.push((done | 1 << place, next));
                }
            }
        }
    }
    Verdict::Not
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is written and read.
    struct Register;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum What {
        Write(u8),
        Read(u8),
    }

    impl Object for Register {
        type State = u8;
        type What = What;

        fn after(state: u8, what: &What) -> Vec<u8> {
            match what {
                What::Write(value) => vec![*value],
                What::Read(value) if *value == state => vec![state],
                What::Read(_) => Vec::new(),
            }
        }
    }

    fn verdict(operations: &[(u64, u64, What)]) -> Verdict {
        let operations: Vec<_> = operations
            .iter()
            .map(|(from_us, to_us, what)| Operation {
                from_us: *from_us,
                to_us: *to_us,
                what: what.clone(),
            })
            .collect();
        search::<Register>(&operations, &[0])
    }

    #[test]
    fn overlapping_operations_find_their_order() {
        use What::{Read, Write};
        let history = [
            (1, 9, Write(1)),
            (2, 8, Write(2)),
            (3, 4, Read(2)),
            (5, 6, Read(1)),
            (10, 11, Read(1)),
        ];
        assert_eq!(verdict(&history), Verdict::Linearizable);
    }

    #[test]
    fn a_stale_read_and_a_read_that_goes_back_have_no_order() {
        use What::{Read, Write};
        assert_eq!(verdict(&[(1, 2, Write(1)), (3, 4, Read(0))]), Verdict::Not);
        let back = [(1, 20, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))];
        assert_eq!(verdict(&back), Verdict::Not);
    }

    #[test]
    fn what_never_returned_may_have_happened_late_or_never() {
        use What::{Read, Write};
        let never = u64::MAX;
        assert_eq!(
            verdict(&[(1, never, Write(1)), (2, 3, Read(0)), (4, 5, Read(1))]),
            Verdict::Linearizable
        );
        assert_eq!(
            verdict(&[(1, never, Write(1)), (2, 3, Read(0)), (4, 5, Read(0))]),
            Verdict::Linearizable
        );
        assert_eq!(
            verdict(&[(1, never, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))]),
            Verdict::Not
        );
    }

    #[test]
    fn a_search_against_all_orders_of_small_histories() {
        use What::{Read, Write};
        // Every history of four operations over a few times and values, judged by trying all orders.
        let kinds = [Write(1), Write(2), Read(0), Read(1)];
        let spans = [(1, 4), (2, 3), (5, 6), (2, u64::MAX)];
        for number in 0..4_usize.pow(4) {
            let pick = |place: u32| (number / 4_usize.pow(place)) % 4;
            let history: Vec<_> = (0..4)
                .map(|place| {
                    (
                        spans[place as usize].0,
                        spans[place as usize].1,
                        kinds[pick(place)].clone(),
                    )
                })
                .collect();
            let expected = if any_order(&history, 0, 0) {
                Verdict::Linearizable
            } else {
                Verdict::Not
            };
            assert_eq!(verdict(&history), expected, "{history:?}");
        }
    }

    fn any_order(history: &[(u64, u64, What)], done: u8, state: u8) -> bool {
        let open = |place: &usize| done & (1 << place) == 0;
        if (0..4)
            .filter(open)
            .all(|place| history[place].1 == u64::MAX)
        {
            return true;
        }
        (0..4).filter(open).any(|place| {
            let may = (0..4)
                .filter(open)
                .all(|other| other == place || history[other].1 >= history[place].0);
            let next = Register::after(state, &history[place].2);
            may && next
                .first()
                .is_some_and(|next| any_order(history, done | 1 << place, *next))
        })
    }
}
