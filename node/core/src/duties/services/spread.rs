//! How a service's tasks are spread, level by level, and which of them would be better off elsewhere.
//!
//! The levels are those that its strategies spread over before they ask anything else; where they ask nothing else, instances are the
//! last, as in placement's tie-break.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::launch;
use super::sight::{Member, Sight};
use crate::documents::ServiceSpec;
use crate::ids::InstanceId;
use crate::placement::{Over, Strategy, ZONE};
use crate::state::{Crowd, Instance};

/// Where a task is, on one level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Instance(InstanceId),
    /// Of an attribute.
    Value(&'a str),
}

/// One thing that is spread over, and how many tasks are in each place of it.
struct Level<'a> {
    over: Over,
    counts: BTreeMap<Place<'a>, u64>,
}

impl Level<'_> {
    fn place<'i>(&self, instance: &'i Instance) -> Place<'i> {
        match &self.over {
            Over::Instance => Place::Instance(instance.id),
            Over::Attribute(name) => Place::Value(instance.attribute(name).unwrap_or_default()),
        }
    }

    fn at(&self, instance: &Instance) -> u64 {
        let place = self.place(instance);
        self.counts.get(&place).copied().unwrap_or(0)
    }
}

/// The spread of a service.
pub(super) struct Spread<'a>(Vec<Level<'a>>);

impl<'a> Spread<'a> {
    pub(super) fn of(sight: &Sight<'a>) -> Self {
        let level = |over: Over| {
            let mut level = Level {
                over,
                counts: BTreeMap::new(),
            };
            for member in &sight.members {
                if let Some(instance) = sight.state.instance(&member.task.instance) {
                    let place = level.place(instance);
                    *level.counts.entry(place).or_default() += 1;
                }
            }
            level
        };
        Self(levels(&sight.service.spec).into_iter().map(level).collect())
    }

    /// The tasks to ask about, the most crowded first: of those that share all places but their instance, the youngest on the fullest
    /// instance. What is no better off elsewhere then, no other of them would be.
    pub(super) fn candidates<'m>(&self, sight: &'m Sight<'a>) -> Vec<&'m Member<'a>> {
        let free = sight.members.iter().filter(|one| !one.is_protected);
        let ranked = free.filter_map(|one| {
            let instance = sight.state.instance(&one.task.instance)?;
            let counts: Vec<u64> = self.0.iter().map(|level| level.at(instance)).collect();
            let shares = counts.iter().any(|count| *count > 1);
            let rank = (counts, one.task.created_at, one.task.id);
            shares.then_some((rank, instance, one))
        });
        let mut all: Vec<_> = ranked.collect();
        all.sort_by(|(a, ..), (b, ..)| b.cmp(a));
        let mut met = BTreeSet::new();
        all.retain(|(_, instance, _)| {
            let shared = self.0.iter().filter(|level| level.over != Over::Instance);
            let places: Vec<Place<'_>> = shared.map(|level| level.place(instance)).collect();
            met.insert(places)
        });
        all.into_iter().map(|(_, _, one)| one).collect()
    }

    /// Whether the service would be better spread with `member` on `to`: the first level that differs decides.
    pub(super) fn is_better(&self, sight: &Sight<'_>, member: &Member<'_>, to: &Instance) -> bool {
        let Some(from) = sight.state.instance(&member.task.instance) else {
            return false;
        };
        let differing = self
            .0
            .iter()
            .filter(|level| level.place(from) != level.place(to));
        let without = |level: &Level<'_>| level.at(from).saturating_sub(1);
        let mut orders = differing.map(|level| level.at(to).cmp(&without(level)));
        orders.find(|order| *order != Ordering::Equal) == Some(Ordering::Less)
    }

    /// What would help, if nothing that is there does.
    pub(super) fn crowd(&self, sight: &Sight<'_>) -> Crowd {
        let crowds = self.0.iter().map(|level| {
            let most = level.counts.values().copied().max().unwrap_or(0);
            let is_zone = level.over == Over::Attribute(ZONE.to_owned());
            if most < 2 {
                Crowd::None
            } else if is_zone && most < least_in_a_zone(sight, level) + 2 {
                Crowd::Zone
            } else {
                Crowd::Instance
            }
        });
        crowds.max().unwrap_or_default()
    }
}

/// The fewest tasks in a zone that has an instance which takes any.
fn least_in_a_zone(sight: &Sight<'_>, level: &Level<'_>) -> u64 {
    let ground = sight.state.ground(&sight.service.key.cluster);
    let zones = ground.into_iter().flat_map(|ground| ground.zones.keys());
    let counts = zones.map(|zone| level.counts.get(&Place::Value(zone)));
    let counts = counts.map(|count| count.copied().unwrap_or(0));
    counts.min().unwrap_or(0)
}

fn levels(spec: &ServiceSpec) -> Vec<Over> {
    let strategies = launch::strategies(spec).unwrap_or_default();
    let spreads = strategies.iter().map_while(|strategy| match strategy {
        Strategy::Spread(over) => Some(over.clone()),
        Strategy::Binpack(_) | Strategy::Random => None,
    });
    let mut levels: Vec<Over> = spreads.collect();
    if levels.len() == strategies.len() && !levels.contains(&Over::Instance) {
        levels.push(Over::Instance);
    }
    levels
}
