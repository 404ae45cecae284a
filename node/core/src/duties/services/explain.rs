//! Why tasks of services go where they go, and how many find no place: what the scheduler would place, asked instead of placed.

use std::collections::BTreeMap;

use super::launch::{self, Kind};
use super::plan::Plan;
use super::sight::Sight;
use crate::documents::{Controller, Scheduling};
use crate::duties::Policy;
use crate::explain::{Chooser, Explained};
use crate::ids::{DeploymentId, InstanceId, ProviderName, ServiceKey};
use crate::placement::{Pool, why_after};
use crate::state::{ServiceStatus, State};

/// A task of a step that follows others: how many tasks of its plan each instance has already, the steps of its service before, and its
/// capacity provider, if it is known.
#[derive(Default)]
pub(crate) struct Earlier {
    pub(crate) drawn: BTreeMap<InstanceId, u32>,
    pub(crate) steps: Option<u64>,
    pub(crate) provider: Option<ProviderName>,
}

/// Where the next task of a deployment goes, or of the one that leads where none is named or it is gone; `None` if none starts tasks.
pub(crate) fn why_next(
    state: &State,
    key: &ServiceKey,
    deployment: Option<DeploymentId>,
    earlier: &Earlier,
) -> Option<Explained> {
    let service = state.service(key)?;
    let policy = Policy::default();
    let sight = Sight::new(state, service, &policy, state.now());
    let named = deployment.and_then(|id| service.deployment(id));
    let deployment = named.or(sight.lead)?;
    let kind = Kind::of(&sight, &mut Plan::default(), deployment)?;
    let provider = earlier.provider.as_ref().or(kind.next_provider(&sight));
    let pool = provider.and_then(|provider| Pool::of(state, provider));
    let rules = match pool {
        Some(pool) => kind.rules.within(pool),
        None => kind.rules.clone(),
    };
    let mut problem = kind.problem(&sight, 1);
    problem.rules = &rules;
    if let Some(steps) = earlier.steps {
        let mut before = service.clone();
        before.steps = steps;
        problem.seed = launch::seed(&before, deployment);
    }
    let why = why_after(&problem, &earlier.drawn);
    Some(Explained {
        why,
        rules,
        definition: kind.definition.id.clone(),
        chooser: match service.spec.scheduling {
            Scheduling::Replica => Chooser::Placement,
            Scheduling::Daemon => Chooser::Daemon,
        },
    })
}

/// How many of the tasks that a service wants are not there, or not where they may stay.
#[must_use]
pub fn missing(state: &State, key: &ServiceKey) -> u64 {
    let service = state.service(key);
    let wants = service.filter(|one| {
        one.status == ServiceStatus::Active && one.spec.controller == Controller::Ecs
    });
    wants.map_or(0, |service| {
        let policy = Policy::default();
        let sight = Sight::new(state, service, &policy, state.now());
        let staying = sight.staying().count() as u64;
        service.spec.desired_count.saturating_sub(staying)
    })
}
