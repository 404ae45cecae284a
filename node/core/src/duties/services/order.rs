//! Which of several tasks is stopped first. ECS: those that are not healthy yet, then of the most crowded zone, then of the instance
//! with most tasks of the service. Ties: the youngest, then the highest id.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::TASKS_PER_STEP;
use super::sight::{Member, Sight};
use crate::ids::InstanceId;
use crate::state::Instance;

/// Where the service's tasks are: by zone and by instance.
struct Crowds<'a> {
    by_zone: BTreeMap<&'a str, u64>,
    by_instance: BTreeMap<InstanceId, u64>,
}

fn zone<'a>(sight: &Sight<'a>, member: &Member<'a>) -> &'a str {
    let instance = sight.state.instance(&member.task.instance);
    instance.map_or("", Instance::zone)
}

/// One more than a step takes: whoever asks for all sees that there are more.
const CHOSEN_MAX: u64 = TASKS_PER_STEP as u64 + 1;

/// The first `count` of `candidates`, in the order in which they are to be stopped; never many more than a step takes.
pub(super) fn first<'m, 'a>(
    sight: &Sight<'a>,
    candidates: impl Iterator<Item = &'m Member<'a>>,
    count: u64,
) -> Vec<&'m Member<'a>>
where
    'a: 'm,
{
    let count = count.min(CHOSEN_MAX);
    if count == 0 {
        return Vec::new();
    }
    let mut left: Vec<&Member<'a>> = candidates.filter(|one| !one.is_protected).collect();
    let mut crowds = Crowds {
        by_zone: BTreeMap::new(),
        by_instance: BTreeMap::new(),
    };
    for member in &sight.members {
        *crowds.by_zone.entry(zone(sight, member)).or_default() += 1;
        *crowds.by_instance.entry(member.task.instance).or_default() += 1;
    }
    let mut chosen = Vec::new();
    while (chosen.len() as u64) < count && !left.is_empty() {
        let next = (0..left.len())
            .max_by_key(|place| rank(sight, &crowds, left[*place]))
            .expect("something is left");
        let member = left.swap_remove(next);
        *crowds.by_zone.entry(zone(sight, member)).or_default() -= 1;
        *crowds.by_instance.entry(member.task.instance).or_default() -= 1;
        chosen.push(member);
    }
    chosen
}

/// Compared member by member; the greatest is stopped first.
fn rank<'a>(sight: &Sight<'a>, crowds: &Crowds<'a>, member: &Member<'a>) -> impl Ord + use<> {
    (
        Reverse(member.is_healthy),
        Reverse(member.is_running()),
        crowds.by_zone[zone(sight, member)],
        crowds.by_instance[&member.task.instance],
        member.task.created_at,
        member.task.id,
    )
}
