//! From figures to what a person or a script reads: medians, ratios against the peer, and which goals are met.

use serde::Serialize;

/// One goal of this benchmark and how it stands. A ratio of 1.0 is the peer's own figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Goal {
    /// Its number in the project's table of goals.
    pub(super) id: &'static str,
    /// What is measured.
    pub(super) measure: String,
    /// Ours over the peer's.
    pub(super) ratio: f64,
    /// The ratio that must be reached.
    pub(super) must: f64,
    /// Whether a greater ratio is better.
    pub(super) greater_is_better: bool,
}

impl Goal {
    pub(super) fn is_met(&self) -> bool {
        if self.greater_is_better {
            self.ratio >= self.must
        } else {
            self.ratio <= self.must
        }
    }
}

/// Prints the goals beside a peer, and gives whether all are met.
pub(super) fn conclude(peer: &str, goals: &[Goal]) -> bool {
    println!();
    for goal in goals {
        let direction = if goal.greater_is_better {
            "at least"
        } else {
            "at most"
        };
        let verdict = if goal.is_met() { "met" } else { "MISSED" };
        println!(
            "{:<4}{:<44}{:>7.2}x {peer}'s   must be {direction} {:.2}x   {verdict}",
            goal.id, goal.measure, goal.ratio, goal.must
        );
    }
    goals.iter().all(Goal::is_met)
}

/// The middle of some figures; of an even number, the mean of the middle two.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[half],
        _ => f64::midpoint(figures[half - 1], figures[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_figure_that_was_not_measured_meets_nothing() {
        let goal = |greater_is_better| Goal {
            id: "G1",
            measure: String::new(),
            ratio: f64::NAN,
            must: 1.0,
            greater_is_better,
        };
        assert!(!goal(true).is_met() && !goal(false).is_met());
    }
}
