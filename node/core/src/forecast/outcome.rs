//! What a forecast ends with: how many tasks each service has, and what found no place.

use std::collections::BTreeSet;

use super::Move;
use crate::duties::services::explain::missing;
use crate::explain::{self, Explained};
use crate::ids::{ClusterName, ServiceKey};
use crate::state::{
    DesiredStatus, Rollout, Service, ServiceStatus, State, Task, TaskStatus, Topic,
};

/// A service as it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Which.
    pub service: ServiceKey,
    /// Tasks that it wants.
    pub desired: u64,
    /// Tasks that run and are to run.
    pub running: u64,
    /// Tasks that are to run and do not yet.
    pub pending: u64,
    /// How far its PRIMARY deployment is.
    pub rollout: Option<Rollout>,
}

/// A service that ends with fewer tasks than it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// Which.
    pub service: ServiceKey,
    /// How many are missing.
    pub missing: u64,
    /// What each instance has against one more; `None` if its deployment starts none.
    pub why: Option<Explained>,
    /// What it says of it itself.
    pub said: Vec<String>,
}

pub(super) fn short(state: &State, cluster: &ClusterName) -> Vec<Short> {
    let of = |key: &ServiceKey| {
        let missing = missing(state, key);
        (missing > 0).then(|| Short {
            service: key.clone(),
            missing,
            why: explain::next(state, key),
            said: said(state, key),
        })
    };
    state
        .services_in(cluster)
        .filter_map(|one| of(&one.key))
        .collect()
}

fn said(state: &State, key: &ServiceKey) -> Vec<String> {
    let said = state.service(key).into_iter().flat_map(|one| &one.said);
    said.filter(|one| one.topic != Topic::SteadyState)
        .map(|one| one.message.clone())
        .collect()
}

pub(super) fn counts(state: &State, cluster: &ClusterName, moves: &[Move]) -> Vec<Count> {
    let moved: BTreeSet<&ServiceKey> = moves
        .iter()
        .filter_map(|one| one.service.as_ref())
        .collect();
    let concerned = state.services_in(cluster).filter(|one| {
        let is_live = one.status != ServiceStatus::Inactive;
        is_live && (moved.contains(&one.key) || missing(state, &one.key) > 0)
    });
    let count = |service: &Service| {
        let wanted = || {
            let live = state.live_tasks_of(&service.key);
            live.filter(|task| task.desired == DesiredStatus::Running)
        };
        let runs = |task: &&Task| task.last == TaskStatus::Running;
        let running = wanted().filter(runs).count() as u64;
        Count {
            service: service.key.clone(),
            desired: service.spec.desired_count,
            running,
            pending: wanted().count() as u64 - running,
            rollout: service.primary().map(|one| one.rollout),
        }
    };
    concerned.map(count).collect()
}
