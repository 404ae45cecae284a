//! What clients are like in one run: how busy, how patient, and what they like to do.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use super::service_mix::ServiceMix;
use super::wish::Kind;

/// One in so many wishes follows the last at once.
const AT_ONCE_ONE_IN: u32 = 4;

/// What clients are like in one run. All numbers can be made smaller by hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mix {
    /// Between the end of one wish and the next, on average.
    pub pause_ms: u64,
    /// How long a client waits for an answer, at least and at most.
    pub patience_ms: (u64, u64),
    /// How often one wish is tried.
    pub tries: u32,
    /// One in so many wishes repeats a token that was used before, half of them with other parameters.
    pub token_again_one_in: u32,
    /// How many clusters, families there are.
    pub clusters: u32,
    /// How many families of task definitions there are.
    pub families: u32,
    /// Tasks of one RunTask, at most.
    pub count: u32,
    /// How often each kind of wish is drawn, against the others.
    pub weights: Vec<(Kind, u32)>,
    /// The images of containers; an image is what a container does.
    pub images: Vec<String>,
    /// What they do with services; a world may be without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceMix>,
}

impl Mix {
    /// What clients are like, as `rng` decides. Some runs mostly write, some mostly read, and some never do this or that at all.
    #[must_use]
    pub fn draw(rng: &mut SmallRng) -> Self {
        let patience_ms = rng.random_range(300..=3000);
        let images = [
            "run",
            "sick:900",
            "job:400:0",
            "job:3000:7",
            "crash",
            "deaf",
            "nopull",
            "nostart",
        ];
        let kept = images
            .iter()
            .filter(|_| rng.random_ratio(3, 4))
            .map(|image| (*image).to_owned());
        let mut images: Vec<String> = kept.collect();
        images.push("run".to_owned());
        Self {
            pause_ms: *pick(rng, &[150, 300, 600, 1200]),
            patience_ms: (patience_ms, patience_ms * rng.random_range(1..=4)),
            tries: rng.random_range(2..=6),
            token_again_one_in: *pick(rng, &[4, 10, 50]),
            clusters: rng.random_range(1..=3),
            families: rng.random_range(1..=3),
            count: rng.random_range(1..=4),
            weights: weights(rng),
            images,
            services: None,
        }
    }

    /// How long to pause before the next wish: now and then not at all, since calls that meet are what breaks things.
    pub(super) fn pause(&self, rng: &mut SmallRng) -> Duration {
        if rng.random_ratio(1, AT_ONCE_ONE_IN) {
            return Duration::ZERO;
        }
        let longest = self.pause_ms * 2000 * u64::from(AT_ONCE_ONE_IN);
        Duration::from_micros(rng.random_range(0..=longest / u64::from(AT_ONCE_ONE_IN - 1)))
    }

    /// How long to wait for an answer.
    pub(super) fn patience(&self, rng: &mut SmallRng) -> Duration {
        Duration::from_millis(rng.random_range(self.patience_ms.0..=self.patience_ms.1))
    }

    /// What to do next.
    pub(super) fn kind(&self, rng: &mut SmallRng) -> Kind {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut left = rng.random_range(0..total.max(1));
        for (kind, weight) in &self.weights {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *kind,
            }
        }
        Kind::DescribeClusters
    }
}

/// Each kind as often as usual, twice as often, or never; tasks are always started, or nothing else would happen.
fn weights(rng: &mut SmallRng) -> Vec<(Kind, u32)> {
    let drawn = Kind::ALL.iter().map(|(kind, weight)| {
        let times = match kind {
            Kind::RunTask | Kind::Register => *pick(rng, &[1, 1, 2]),
            _ => *pick(rng, &[0, 1, 1, 1, 2]),
        };
        (*kind, weight * times)
    });
    drawn.collect()
}

/// One of `choices`.
pub(super) fn pick<'a, T>(rng: &mut SmallRng, choices: &'a [T]) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn equal_seeds_draw_equal_clients_and_others_differ() {
        let text = |seed| format!("{:?}", Mix::draw(&mut SmallRng::seed_from_u64(seed)));
        assert_eq!(text(5), text(5));
        let all: BTreeSet<String> = (0..20).map(text).collect();
        assert_eq!(all.len(), 20);
    }

    #[test]
    fn every_kind_is_drawn_by_its_weight() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut mix = Mix::draw(&mut rng);
        mix.weights = vec![
            (Kind::RunTask, 3),
            (Kind::StopTask, 0),
            (Kind::ListTasks, 1),
        ];
        let drawn: Vec<Kind> = (0..400).map(|_| mix.kind(&mut rng)).collect();
        let count = |kind| drawn.iter().filter(|one| **one == kind).count();
        assert_eq!(count(Kind::StopTask), 0);
        assert!((250..350).contains(&count(Kind::RunTask)));
        assert!((50..150).contains(&count(Kind::ListTasks)));
    }
}
