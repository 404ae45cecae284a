//! What is remembered of a service's spread: the move under way, when the last moves began, and whether a new place would help.

use serde::{Deserialize, Serialize};

use super::{Service, ServiceStatus, State, Topic};
use crate::ids::{ClusterName, ServiceKey, TaskId};
use crate::time::Millis;

/// The span that moves are counted over: a minute.
pub const MOVES_WINDOW_MS: u64 = 60_000;

/// What instance would let a service that is at rest spread its tasks better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Crowd {
    /// None: its tasks share nothing, or it does not rebalance.
    #[default]
    None,
    /// One in a zone that has none yet: its tasks share zones, evenly, but no instance.
    Zone,
    /// Any: its tasks share instances, or its zones are uneven.
    Instance,
}

/// A move: one task is started where there is more room for it than where another runs, which is stopped once it is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The task that is to be stopped.
    pub from: TaskId,
    /// The task that replaces it.
    pub to: TaskId,
}

/// A service's spread, as far as it is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// What would help, as of the last look.
    pub crowd: Crowd,
    /// It came: the service is to be looked at, and need not be told of another.
    pub is_stirred: bool,
    /// The move under way; never more than one.
    pub moving: Option<Moving>,
    /// When its moves of the last minute before the newest began, and the newest itself; oldest first.
    pub began_at: Vec<Millis>,
}

impl Service {
    /// Whether its tasks are being moved, one after the other: people were told that it has begun, and not that it is over.
    #[must_use]
    pub fn is_rebalancing(&self) -> bool {
        let mut said = self.said.iter();
        said.any(|said| said.topic == Topic::Rebalancing)
    }

    /// Where the index `movers` has it.
    fn waits_for_place(&self) -> Option<(ClusterName, Crowd, ServiceKey)> {
        let waits = self.status == ServiceStatus::Active && !self.balance.is_stirred;
        let crowd = Some(self.balance.crowd).filter(|crowd| waits && *crowd != Crowd::None)?;
        Some((self.key.cluster.clone(), crowd, self.key.clone()))
    }
}

impl State {
    /// When moves of tasks began, the last first.
    pub fn moves(&self) -> impl Iterator<Item = Millis> {
        self.index.moves.iter().rev().map(|(at, _)| *at)
    }

    /// The services of a cluster that an instance could help, in a zone that has others or in a new one.
    pub(crate) fn movers_in(
        &self,
        cluster: &ClusterName,
        is_new_zone: bool,
    ) -> impl Iterator<Item = &Service> {
        let least = if is_new_zone {
            Crowd::Zone
        } else {
            Crowd::Instance
        };
        let from = (
            cluster.clone(),
            least,
            super::services::least_service(cluster),
        );
        let all = self.index.movers.range(from.clone()..);
        all.take_while(move |(cluster, ..)| *cluster == from.0)
            .filter_map(|(_, _, key)| self.service(key))
    }

    /// The state as if the task did not count among its group and service; what it holds of its instance is still held. Whoever asks
    /// where the task would go now asks this one.
    pub(crate) fn without(&self, task: TaskId) -> Self {
        let mut fork = self.clone();
        fork.remove_task(task);
        fork
    }

    pub(super) fn index_balance(&mut self, before: Option<&Service>, now: &Service) {
        let (was, is) = (
            before.and_then(Service::waits_for_place),
            now.waits_for_place(),
        );
        if was != is {
            if let Some(place) = was {
                self.index.movers.remove_mut(&place);
            }
            if let Some(place) = is {
                self.index.movers.insert_mut(place);
            }
        }
        let began = before.map(|before| &before.balance.began_at);
        if began != Some(&now.balance.began_at) {
            for at in began.into_iter().flatten() {
                self.index.moves.remove_mut(&(*at, now.key.clone()));
            }
            for at in &now.balance.began_at {
                self.index.moves.insert_mut((*at, now.key.clone()));
            }
        }
    }
}
