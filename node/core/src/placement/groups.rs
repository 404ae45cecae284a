//! Where the tasks of a problem's group are.

use std::collections::BTreeMap;

use super::problem::Problem;
use crate::ids::InstanceId;

/// How many tasks of the group that are not STOPPED each instance has; those without one are left out.
pub(super) fn mates(problem: &Problem<'_>) -> BTreeMap<InstanceId, u32> {
    let mut mates = BTreeMap::new();
    for instance in problem.live() {
        let tasks = problem.state.live_tasks_on(&instance.id);
        let count = tasks.filter(|task| task.group == problem.group).count();
        if count > 0 {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            mates.insert(instance.id, count);
        }
    }
    mates
}
