//! A REPLICA service, or a task set: as many tasks as its author wants.
//!
//! Replacements are started before anything is stopped, as far as the maximum and the instances allow. What is to be replaced is
//! stopped when a healthy replacement is there; before that only to make room, and then never below the minimum.

use super::order;
use super::plan::Plan;
use super::sight::{Member, Sight, Standing};
use super::{balance, launch, throttle, words};
use crate::mint::Mint;
use crate::state::{Deployment, Task, Topic};
use crate::time::Millis;

pub(super) fn moves(sight: &Sight<'_>, plan: &mut Plan, mint: &mut Mint) {
    let staying = sight.staying().count() as u64;
    let missing = sight.desired.saturating_sub(staying);
    let started = start(sight, plan, missing, mint);
    // What the step had no place for is not short of room, nor is what no room would help.
    let is_short = !plan.has_more && !plan.is_unplaceable;
    let short = if is_short { missing - started } else { 0 };
    let surplus = staying.saturating_sub(sight.desired);
    let mut healthy = sight.healthy_count();
    let surplus = balance::go_on(sight, plan, surplus, &mut healthy);
    let too_many = order::first(sight, sight.staying(), surplus);
    stop(sight, plan, too_many, &mut healthy);
    replace(sight, plan, short, &mut healthy, |_| false);
    tell_if_blocked(sight, plan, short, surplus);
    plan.look_at(sight.next_turn());
    balance::begin(sight, plan, mint);
}

/// Starts as many of `missing` tasks as may be started and can be placed.
fn start(sight: &Sight<'_>, plan: &mut Plan, missing: u64, mint: &mut Mint) -> u64 {
    let Some(deployment) = sight.starter() else {
        return 0;
    };
    let running_max = sight.running_max();
    let room = running_max.saturating_sub(sight.members.len() as u64);
    let wanted = missing.min(room);
    if wanted == 0 || is_throttled(sight, plan, deployment) {
        return 0;
    }
    let count = usize::try_from(wanted).unwrap_or(usize::MAX);
    let room = plan.room().min(launch::step_max(sight, deployment));
    if count > room {
        plan.has_more = true;
    }
    let placed = launch::place_anywhere(sight, plan, deployment, (count, room), mint);
    if placed < count.min(room) {
        plan.has_more = false;
    }
    placed as u64
}

/// Whether tasks failed lately, so that the next have to wait; told if it goes on.
pub(super) fn is_throttled(sight: &Sight<'_>, plan: &mut Plan, deployment: &Deployment) -> bool {
    let desired = sight.desired;
    if throttle::is_impaired(deployment, desired) {
        plan.say_about(sight, Topic::StartImpaired, words::impaired(sight));
    }
    let at = gap_end(sight, deployment);
    plan.look_at(at);
    at.is_some()
}

/// Stops those of `members` whose end the minimum allows.
pub(super) fn stop(
    sight: &Sight<'_>,
    plan: &mut Plan,
    members: Vec<&Member<'_>>,
    healthy: &mut u64,
) {
    let min = sight.healthy_min();
    for member in members {
        let is_allowed = !member.is_healthy || *healthy > min;
        if is_allowed && plan.stop(sight, member) {
            *healthy -= u64::from(member.is_healthy);
        }
    }
}

/// Stops what is to be replaced: at once what does not run yet, the rest as its replacements become healthy, or to make room for
/// `short` tasks that could not be started. What `stays` says stays for now.
pub(super) fn replace(
    sight: &Sight<'_>,
    plan: &mut Plan,
    short: u64,
    healthy: &mut u64,
    stays: impl Fn(&Task) -> bool,
) {
    let leaving = || sight.leaving().filter(|one| !stays(one.task));
    let waiting = leaving().filter(|one| !one.is_running() && one.standing != Standing::Unhealthy);
    stop(sight, plan, order::first(sight, waiting, u64::MAX), healthy);
    let running = || leaving().filter(|one| one.is_running());
    let replaced = sight.staying().filter(|one| one.is_healthy).count() as u64;
    let kept = sight.desired.saturating_sub(replaced);
    let spare = (running().count() as u64).saturating_sub(kept);
    stop(sight, plan, order::first(sight, running(), spare), healthy);
    let Some(starter) = sight.starter() else {
        return;
    };
    // Making room for tasks that may not be started yet would only take some away.
    let gap_end = gap_end(sight, starter);
    if short > 0 {
        plan.look_at(gap_end);
    }
    if gap_end.is_none() {
        let freed = sight.ending_count() + plan.stop.len() as u64;
        let more = running().filter(|one| !plan.is_stopping(&one.task.id));
        let more = order::first(sight, more, short.saturating_sub(freed));
        stop(sight, plan, more, healthy);
    }
}

/// Until when the deployment's next tasks have to wait, because others failed.
fn gap_end(sight: &Sight<'_>, deployment: &Deployment) -> Option<Millis> {
    throttle::may_start_at(deployment, sight.desired).filter(|at| *at > sight.now)
}

/// Says so when tasks should move and none can.
pub(super) fn tell_if_blocked(sight: &Sight<'_>, plan: &mut Plan, short: u64, surplus: u64) {
    let leaving = sight.leaving().count() as u64;
    let in_the_way = sight
        .members
        .iter()
        .filter(|one| one.is_leaving() || surplus > 0);
    let until = in_the_way
        .filter(|one| one.is_protected)
        .filter_map(|one| one.task.protected_until)
        .min();
    plan.look_at(until);
    let moves = !plan.start.is_empty() || !plan.stop.is_empty() || sight.ending_count() > 0;
    let is_told = plan.wants_room || plan.is_unplaceable;
    let has_hope = is_told || sight.staying().any(|one| !one.is_healthy);
    let starter = sight.starter();
    let may_start = starter.is_some_and(|one| gap_end(sight, one).is_none());
    let is_going = sight.current().is_some_and(Deployment::is_draining);
    if moves || has_hope || !(may_start || is_going) || short + leaving + surplus == 0 {
        return;
    }
    let message = if until.is_some() {
        words::protected(sight)
    } else {
        words::blocked(sight)
    };
    plan.say_about(sight, Topic::Blocked, message);
}
