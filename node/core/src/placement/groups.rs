//! Where the tasks of a problem's group are.

use super::problem::Problem;
use crate::ids::InstanceId;
use crate::state::{Group, GroupZone};

/// The group of a problem, as the state has it: tasks that are not STOPPED.
#[derive(Clone, Copy)]
pub(super) struct Mates<'a>(Option<&'a Group>);

impl<'a> Mates<'a> {
    pub(super) fn of(problem: &Problem<'a>) -> Self {
        let ground = problem.state.ground(problem.cluster);
        Self(ground.and_then(|ground| ground.groups.get(problem.group)))
    }

    /// How many are on an instance.
    pub(super) fn on(self, instance: InstanceId) -> u32 {
        self.0
            .and_then(|group| group.on.get(&instance))
            .copied()
            .unwrap_or(0)
    }

    /// Those in a zone.
    pub(super) fn in_zone(self, zone: &str) -> Option<&'a GroupZone> {
        self.0?.zones.get(zone)
    }
}
