//! Which of several fitting instances is best: the least score.

use std::cmp::Reverse;

use super::problem::{Candidate, Need};
use crate::ids::InstanceId;

/// Compared member by member, in this order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    same_group: usize,
    memory_mib_free_after: Reverse<u64>,
    cpu_units_free_after: Reverse<u64>,
    id: InstanceId,
}

pub(super) fn of(candidate: &Candidate<'_>, need: &Need) -> Score {
    Score {
        same_group: candidate.same_group,
        memory_mib_free_after: Reverse(candidate.memory_mib_free - need.memory_mib),
        cpu_units_free_after: Reverse(candidate.cpu_units_free - need.cpu_units),
        id: candidate.instance.id,
    }
}
