//! A DAEMON service: one task on each ACTIVE instance that it is meant for; the last to leave an instance that is drained.

use std::collections::BTreeSet;

use super::plan::Plan;
use super::sight::{Sight, Standing};
use super::{launch, order, replica};
use crate::command::Turn;
use crate::documents::Scheduling;
use crate::ids::InstanceId;
use crate::mint::Mint;
use crate::placement::RuleError;
use crate::state::{Deployment, InstanceStatus, Task};

/// How often a daemon looks whether it is the last on an instance that is drained.
const LAST_AGAIN_MS: u64 = 5_000;

pub(super) fn moves(sight: &Sight<'_>, plan: &mut Plan, mint: &mut Mint) {
    let Some(primary) = sight.lead else {
        return;
    };
    let meant = match meant(sight, primary) {
        Ok(meant) => meant,
        // Where it is meant to be is not known: it stays where it is.
        Err(why) => return launch::unreadable(sight, plan, &why),
    };
    let served: BTreeSet<InstanceId> = sight.staying().map(|one| one.task.instance).collect();
    let missing = meant.difference(&served).count() as u64;
    let started = start(sight, plan, &meant, &served, mint);
    let short = if plan.has_more { 0 } else { missing - started };
    let mut healthy = sight.healthy_count();
    leave(sight, plan, &meant, &mut healthy);
    replica::replace(sight, plan, short, &mut healthy, goes_last(sight));
    plan.look_at(sight.next_turn());
    if sight.members.iter().any(|one| goes_last(sight)(one.task)) {
        plan.look_at(Some(sight.now.plus_ms(LAST_AGAIN_MS)));
    } else {
        replica::tell_if_blocked(sight, plan, short, 0);
    }
}

/// The bounds follow the number of instances: where it has changed, nothing else is decided with the old one.
pub(super) fn count(sight: &Sight<'_>, plan: &mut Plan) {
    let Some(primary) = sight.lead else {
        return;
    };
    let Ok(meant) = meant(sight, primary) else {
        return;
    };
    let wanted = meant.len() as u64;
    if wanted != sight.service.spec.desired_count {
        plan.turns.push(Turn::Want(wanted));
        plan.is_turning_back = true;
    }
}

/// Instances that take tasks, have what the definition requires and satisfy the constraints.
fn meant(sight: &Sight<'_>, deployment: &Deployment) -> Result<BTreeSet<InstanceId>, RuleError> {
    let is_meant_for = launch::is_meant_for(sight, deployment)?;
    let live = sight.state.instances_in(&sight.service.key.cluster);
    let meant = live
        .filter(|instance| instance.status == InstanceStatus::Active)
        .filter(|instance| is_meant_for(instance));
    Ok(meant.map(|instance| instance.id).collect())
}

/// Starts where no task is; beside one that is to be replaced only as far as the maximum allows.
fn start(
    sight: &Sight<'_>,
    plan: &mut Plan,
    meant: &BTreeSet<InstanceId>,
    served: &BTreeSet<InstanceId>,
    mint: &mut Mint,
) -> u64 {
    let Some(deployment) = sight.starter() else {
        return 0;
    };
    let max = sight.service.spec.running_max();
    let room = max.saturating_sub(sight.members.len() as u64);
    let ending = sight.members.iter();
    let ending = ending.filter(|one| one.standing == Standing::Ending);
    let ending: BTreeSet<InstanceId> = ending.map(|one| one.task.instance).collect();
    let mut bare: Vec<InstanceId> = meant.difference(served).copied().collect();
    bare.retain(|id| !ending.contains(id));
    if bare.is_empty() || room == 0 || replica::is_throttled(sight, plan, deployment) {
        return 0;
    }
    let occupied: BTreeSet<InstanceId> =
        sight.members.iter().map(|one| one.task.instance).collect();
    bare.sort_by_key(|id| (occupied.contains(id), *id));
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let most = room
        .min(plan.room())
        .min(launch::step_max(sight, deployment));
    // An instance that has no room takes nothing of what the maximum leaves to others.
    let placed = launch::place_each(sight, plan, deployment, (&bare, most), mint);
    plan.has_more |= placed == most && placed < room.min(bare.len());
    placed as u64
}

/// Stops tasks where the daemon is not meant to be, and all but the eldest where there are several.
fn leave(sight: &Sight<'_>, plan: &mut Plan, meant: &BTreeSet<InstanceId>, healthy: &mut u64) {
    let mut seen = BTreeSet::new();
    let mut by_age: Vec<_> = sight.staying().collect();
    by_age.sort_by_key(|one| (one.task.created_at, one.task.id));
    by_age.retain(|one| !meant.contains(&one.task.instance) || !seen.insert(one.task.instance));
    let count = by_age.len() as u64;
    replica::stop(
        sight,
        plan,
        order::first(sight, by_age.into_iter(), count),
        healthy,
    );
}

/// Tasks on instances that are drained whose time has not come: others that services will move are still there.
fn goes_last<'s>(sight: &'s Sight<'_>) -> impl Fn(&Task) -> bool + use<'s> {
    |task| {
        let instance = sight.state.instance(&task.instance);
        let is_drained = instance.is_some_and(|one| one.status == InstanceStatus::Draining);
        let mut others = sight.state.live_tasks_on(&task.instance);
        is_drained
            && others.any(|other| {
                let service = other
                    .service_key()
                    .and_then(|key| sight.state.service(&key));
                service.is_some_and(|one| one.spec.scheduling == Scheduling::Replica)
            })
    }
}
