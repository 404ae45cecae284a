//! How much of a service a task set is.

use serde::{Deserialize, Serialize};

/// The part of a service's desired count that a task set keeps running. The API has fractions of a percent, of which it keeps six digits:
/// replicas reckon with whole numbers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scale(u32);

impl Scale {
    /// So many parts are a percent.
    const PER_PERCENT: u32 = 1_000_000;
    /// As many tasks as the service wants.
    pub const WHOLE: Self = Self(100 * Self::PER_PERCENT);

    /// The scale of so many percent; `None` unless they are from 0 to 100. However few, they are not nothing.
    #[must_use]
    pub fn of_percent(percent: f64) -> Option<Self> {
        let parts = || (percent * f64::from(Self::PER_PERCENT)).round() as u32;
        let is_legal = (0.0..=100.0).contains(&percent);
        is_legal.then(|| Self(parts().max(u32::from(percent > 0.0))))
    }

    /// As the API gives it.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / f64::from(Self::PER_PERCENT)
    }

    /// How many tasks of `desired` it is (`computedDesiredCount`): rounded up, as ECS does.
    #[must_use]
    pub fn of(self, desired: u64) -> u64 {
        let parts = u128::from(desired) * u128::from(self.0);
        let tasks = parts.div_ceil(u128::from(Self::WHOLE.0));
        u64::try_from(tasks).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_part_of_a_task_is_a_task() {
        let tasks = |percent, desired| Scale::of_percent(percent).unwrap().of(desired);
        assert_eq!(tasks(30.0, 10), 3);
        assert_eq!(tasks(33.3, 10), 4);
        assert_eq!(tasks(0.000_000_1, 10), 1);
        assert_eq!((tasks(0.0, 10), tasks(100.0, 10)), (0, 10));
        assert_eq!(tasks(100.0, u64::MAX), u64::MAX);
    }

    #[test]
    fn percents_are_given_back_as_they_came_and_stay_within_a_hundred() {
        for percent in [0.0, 0.1, 1.2, 33.3, 66.666_667, 99.9, 100.0] {
            assert_eq!(Scale::of_percent(percent).unwrap().percent(), percent);
        }
        for wrong in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Scale::of_percent(wrong), None, "{wrong}");
        }
    }
}
