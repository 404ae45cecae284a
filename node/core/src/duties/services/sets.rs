//! A service under an EXTERNAL controller: each of its task sets is kept at its count as if it were a service of its own, with the
//! percentages of that count as its bounds. What is deployed, and how much of it, its caller decides: nothing is completed, failed or
//! rolled back here.

use super::plan::Plan;
use super::sight::Sight;
use super::{progress, replica, words};
use crate::command::Turn;
use crate::mint::Mint;
use crate::state::{Deployment, Stability, TaskSet, Topic};

/// What is to be done about all of them. A step starts tasks of one set only: the others are placed where these leave room, at the next.
pub(super) fn keep(sight: &Sight<'_>, plan: &mut Plan, mint: &mut Mint) {
    for (one, set) in sight.service.task_sets() {
        if plan.has_more || !plan.start.is_empty() {
            plan.has_more = true;
            return;
        }
        let sight = sight.of_set(one, set);
        let mut part = plan.part();
        keep_one(&sight, (one, set), &mut part, mint);
        part.close(&sight);
        plan.add(part);
    }
}

fn keep_one(
    sight: &Sight<'_>,
    (one, set): (&Deployment, &TaskSet),
    part: &mut Plan,
    mint: &mut Mint,
) {
    if set.is_draining && sight.members.is_empty() {
        part.turns.push(Turn::Retire(one.id));
        return;
    }
    progress::recover(sight, part);
    let stability = if sight.is_steady() {
        part.say_about(sight, Topic::SteadyState, words::steady(sight));
        Stability::SteadyState
    } else {
        Stability::Stabilizing
    };
    if stability != set.stability {
        let set = one.id;
        part.turns.push(Turn::Stabilize { set, stability });
    }
    replica::moves(sight, part, mint);
}
