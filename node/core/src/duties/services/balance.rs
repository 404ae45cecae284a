//! Rebalancing: once a REPLICA service is steady, its tasks are moved, one after the other, to where placement would put them now.
//!
//! What is asked is what placement is asked: were this task gone from its group, where would one go? Only the spread counts, level by
//! level as the service's strategies say: a move is worth it where the first level that changes has at least two tasks fewer. So each
//! move lowers the sum of squares of that level's counts and leaves those of the levels before it as they are: no row of moves comes
//! back to where it began, and every row ends.
//!
//! A move starts a task, and stops the other when that one is healthy. One is under way at a time, and is remembered in the state.

use super::plan::Plan;
use super::sight::{Member, Sight};
use super::spread::Spread;
use super::{launch, throttle, words};
use crate::command::Turn;
use crate::mint::Mint;
use crate::state::{Crowd, Deployment, Instance, MOVES_WINDOW_MS, Moving, Topic};
use crate::time::Millis;

/// Goes on with the move under way. How many of `surplus` are left to be stopped by others.
pub(super) fn go_on(sight: &Sight<'_>, plan: &mut Plan, surplus: u64, healthy: &mut u64) -> u64 {
    let Some(moving) = sight.service.balance.moving else {
        return surplus;
    };
    let staying = |id| sight.staying().find(move |one| one.task.id == id);
    // Otherwise it failed, or it is needed in place of another, or more than one have to go.
    let Some(to) = staying(moving.to).filter(|_| surplus == 1) else {
        plan.turns.push(Turn::EndMove);
        return surplus;
    };
    if !to.is_healthy {
        return 0;
    }
    let from = staying(moving.from).filter(|one| !one.is_protected);
    if from.is_some_and(|from| from.is_healthy) && *healthy <= sight.service.spec.healthy_min() {
        return 0;
    }
    plan.turns.push(Turn::EndMove);
    // What may not be stopped any more stays, and the other goes again.
    let Some(leaving) = from.or(Some(to).filter(|to| !to.is_protected)) else {
        return surplus;
    };
    *healthy -= u64::from(leaving.is_healthy);
    plan.stop_for(leaving, words::moved(sight));
    0
}

/// What can be done for the spread of a steady service.
enum Next {
    /// Move this one.
    Move(Moving),
    /// There is a move to be made, but not before this.
    Wait(Millis),
    /// Nothing; what would help.
    Rest(Crowd),
}

/// Begins a move where all is well, one is worth it and the budget allows it.
pub(super) fn begin(sight: &Sight<'_>, plan: &mut Plan, mint: &mut Mint) {
    if !plan.is_steady {
        return;
    }
    if sight.service.balance.moving.is_some() {
        // It ends with this step; the next begins with another.
        plan.has_more = true;
        return;
    }
    let is_going_on = sight.service.is_rebalancing();
    match next(sight, plan, mint) {
        Next::Move(moving) => {
            plan.turns.push(Turn::Move(moving));
            plan.say_about(sight, Topic::Rebalancing, words::rebalancing(sight));
        }
        Next::Wait(at) => {
            plan.look_at(Some(at));
            if is_going_on {
                plan.say_about(sight, Topic::Rebalancing, words::rebalancing(sight));
            }
        }
        Next::Rest(crowd) => {
            plan.crowd = crowd;
            if crowd != Crowd::None {
                plan.look_at(protected_until(sight));
            }
            if is_going_on {
                if sight.service.spec.rebalances {
                    plan.say(words::rebalanced(sight));
                }
                plan.say_about(sight, Topic::SteadyState, words::steady(sight));
            }
        }
    }
}

fn next(sight: &Sight<'_>, plan: &mut Plan, mint: &mut Mint) -> Next {
    let Some(deployment) = sight.starter().filter(|_| is_wanted(sight)) else {
        return Next::Rest(Crowd::None);
    };
    let spread = Spread::of(sight);
    let better = |from: &Member<'_>, to: &Instance| spread.is_better(sight, from, to);
    let candidates = spread.candidates(sight);
    let Some((member, placed)) = launch::place_better(sight, plan, deployment, candidates, better)
    else {
        return Next::Rest(spread.crowd(sight));
    };
    if let Some(at) = may_begin_at(sight, deployment).filter(|at| *at > sight.now) {
        return Next::Wait(at);
    }
    let from = member.task.id;
    match launch::start_at(sight, plan, deployment, (member, &placed), mint) {
        Some(to) => Next::Move(Moving { from, to }),
        None => Next::Rest(Crowd::None),
    }
}

/// When the first protection ends: one more task may be moved then.
fn protected_until(sight: &Sight<'_>) -> Option<Millis> {
    let protected = sight.members.iter().filter(|one| one.is_protected);
    protected.filter_map(|one| one.task.protected_until).min()
}

fn is_wanted(sight: &Sight<'_>) -> bool {
    let spec = &sight.service.spec;
    let has_room = spec.running_max() > sight.members.len() as u64;
    spec.rebalances && spec.can_rebalance() && has_room && sight.policy.moves_per_minute > 0
}

/// When the next move may begin: as soon as fewer than the budget began within a minute, and never at once after tasks failed.
/// Nothing is short of a task that is moved: here each failure counts as a round.
fn may_begin_at(sight: &Sight<'_>, deployment: &Deployment) -> Option<Millis> {
    let budget = usize::try_from(sight.policy.moves_per_minute).unwrap_or(usize::MAX);
    let in_the_way = sight.state.moves().nth(budget.saturating_sub(1));
    let freed_at = in_the_way.map(|at| at.plus_ms(MOVES_WINDOW_MS));
    freed_at.max(throttle::may_start_at(deployment, 1))
}
