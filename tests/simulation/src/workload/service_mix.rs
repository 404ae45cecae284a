//! What clients are like in a world with services: how many there are, what they ask for, and how often.

use rand::Rng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use super::mix::pick;

/// What a client can wish for around services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// RegisterTaskDefinition of something that serves, mostly with a health check.
    Register,
    /// CreateService.
    Create,
    /// UpdateService: scaled, deployed, forced, otherwise bounded.
    Update,
    /// DeleteService.
    Delete,
    /// DescribeServices.
    Describe,
    /// ListServices.
    List,
    /// ListTasks of a service, so that the next StopTask may hit one.
    ListTasks,
    /// UpdateContainerInstancesState, both ways.
    SetState,
    /// PutAttributes.
    PutAttributes,
    /// DeleteAttributes.
    DeleteAttributes,
    /// ListAttributes.
    ListAttributes,
    /// ListServiceDeployments.
    ListDeployments,
    /// DescribeServiceDeployments.
    DescribeDeployments,
    /// DescribeServiceRevisions.
    DescribeRevisions,
    /// StopServiceDeployment.
    StopDeployment,
    /// ContinueServiceDeployment.
    ContinueDeployment,
    /// UpdateTaskProtection.
    Protect,
    /// GetTaskProtection.
    GetProtection,
}

impl ServiceKind {
    /// All kinds, and how often each is usual.
    pub(super) const ALL: [(Self, u32); 18] = [
        (Self::Register, 12),
        (Self::Create, 12),
        (Self::Update, 30),
        (Self::Delete, 1),
        (Self::Describe, 12),
        (Self::List, 3),
        (Self::ListTasks, 14),
        (Self::SetState, 8),
        (Self::PutAttributes, 5),
        (Self::DeleteAttributes, 2),
        (Self::ListAttributes, 2),
        (Self::ListDeployments, 6),
        (Self::DescribeDeployments, 5),
        (Self::DescribeRevisions, 2),
        (Self::StopDeployment, 3),
        (Self::ContinueDeployment, 5),
        (Self::Protect, 4),
        (Self::GetProtection, 2),
    ];
}

/// What clients are like around services. All numbers can be made smaller by hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceMix {
    /// One in so many wishes is about services.
    pub one_in: u32,
    /// How many names of services there are in a cluster.
    pub names: u32,
    /// How many families of task definitions that serve.
    pub families: u32,
    /// Tasks that a service wants, at most.
    pub desired: u32,
    /// One in so many services is a DAEMON.
    pub daemon_one_in: u32,
    /// One in so many services has a constraint, or a strategy of its own.
    pub rule_one_in: u32,
    /// One in so many services has a PAUSE hook.
    pub hook_one_in: u32,
    /// Minimum and maximum healthy percent that are asked for.
    pub percents: Vec<(u32, u32)>,
    /// One in so many definitions has an image of `ill`.
    pub ill_one_in: u32,
    /// Images whose tasks do not live, or not well.
    pub ill: Vec<String>,
    /// How often each kind of wish is drawn, against the others.
    pub weights: Vec<(ServiceKind, u32)>,
}

impl ServiceMix {
    /// What clients are like, as `rng` decides.
    #[must_use]
    pub fn draw(rng: &mut SmallRng) -> Self {
        let ill = [
            "sick:900",
            "sick:4000",
            "job:400:0",
            "job:3000:7",
            "crash",
            "nopull",
            "nostart",
        ];
        let percents = [
            (100, 200),
            (50, 200),
            (50, 100),
            (0, 100),
            (66, 150),
            (100, 100),
        ];
        let mut kept: Vec<(u32, u32)> = percents
            .into_iter()
            .filter(|_| rng.random_ratio(1, 2))
            .collect();
        kept.push((50, 150));
        let ill = ill.iter().filter(|_| rng.random_ratio(1, 3));
        Self {
            ill: ill.map(|image| (*image).to_owned()).collect(),
            one_in: *pick(rng, &[2, 2, 3]),
            names: rng.random_range(1..=4),
            families: rng.random_range(1..=2),
            desired: rng.random_range(2..=6),
            daemon_one_in: *pick(rng, &[2, 4, 50]),
            rule_one_in: *pick(rng, &[2, 4, 50]),
            hook_one_in: *pick(rng, &[4, 50]),
            percents: kept,
            ill_one_in: *pick(rng, &[3, 8]),
            weights: weights(rng),
        }
    }

    /// What to do next.
    pub(super) fn kind(&self, rng: &mut SmallRng) -> ServiceKind {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut left = rng.random_range(0..total.max(1));
        for (kind, weight) in &self.weights {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        ServiceKind::Describe
    }
}

/// Each kind as often as usual, twice as often, or never; services are always made and changed, or nothing else would happen.
fn weights(rng: &mut SmallRng) -> Vec<(ServiceKind, u32)> {
    let drawn = ServiceKind::ALL.iter().map(|(kind, weight)| {
        let times = match kind {
            ServiceKind::Register | ServiceKind::Create | ServiceKind::Update => {
                *pick(rng, &[1, 1, 2])
            }
            _ => *pick(rng, &[0, 1, 1, 2]),
        };
        (*kind, weight * times)
    });
    drawn.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn equal_seeds_draw_equal_clients_and_others_differ() {
        let text = |seed| format!("{:?}", ServiceMix::draw(&mut SmallRng::seed_from_u64(seed)));
        assert_eq!(text(5), text(5));
        let all: BTreeSet<String> = (0..20).map(text).collect();
        assert_eq!(all.len(), 20);
    }

    #[test]
    fn every_kind_is_drawn_by_its_weight() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut mix = ServiceMix::draw(&mut rng);
        mix.weights = vec![
            (ServiceKind::Create, 3),
            (ServiceKind::Delete, 0),
            (ServiceKind::List, 1),
        ];
        let drawn: Vec<ServiceKind> = (0..400).map(|_| mix.kind(&mut rng)).collect();
        let count = |kind| drawn.iter().filter(|one| **one == kind).count();
        assert_eq!(count(ServiceKind::Delete), 0);
        assert!((250..350).contains(&count(ServiceKind::Create)));
        assert!((50..150).contains(&count(ServiceKind::List)));
    }
}
