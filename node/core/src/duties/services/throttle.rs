//! How long a service waits before it starts tasks again that did not start, or did not live until they were healthy.
//!
//! ECS publishes only that the gaps grow up to 27 minutes. Ours: failures in a row are counted in rounds of the desired count, and
//! the gap doubles each round from ten seconds on. A healthy task, or a new deployment, ends it.

use crate::state::Deployment;
use crate::time::Millis;

/// The first gap.
const FIRST_MS: u64 = 10_000;
/// The longest gap: ECS's 27 minutes.
const LONGEST_MS: u64 = 27 * 60 * 1000;
/// From this round on, people are told.
const TOLD_ROUND: u64 = 3;

/// How many rounds of `desired` tasks have failed in a row.
fn rounds(deployment: &Deployment, desired: u64) -> u64 {
    deployment.failed_in_row.div_ceil(desired.max(1))
}

/// The gap after so many rounds: 0, 10 s, 20 s, 40 s ... 27 min.
fn gap_ms(rounds: u64) -> u64 {
    match rounds {
        0 => 0,
        _ => FIRST_MS
            .saturating_mul(1 << (rounds - 1).min(20))
            .min(LONGEST_MS),
    }
}

/// When the deployment may start tasks again, if it has failed.
pub(super) fn may_start_at(deployment: &Deployment, desired: u64) -> Option<Millis> {
    let gap_ms = gap_ms(rounds(deployment, desired));
    deployment.failed_at.map(|at| at.plus_ms(gap_ms))
}

/// Whether it has failed so often that people are to know.
pub(super) fn is_impaired(deployment: &Deployment, desired: u64) -> bool {
    rounds(deployment, desired) >= TOLD_ROUND
}

#[cfg(test)]
mod tests {
    use super::gap_ms;

    #[test]
    fn gaps_double_up_to_27_minutes() {
        let seconds: Vec<u64> = (0..11).map(|rounds| gap_ms(rounds) / 1000).collect();
        let steps = [0, 10, 20, 40, 80, 160, 320, 640, 1280, 1620, 1620];
        assert_eq!(seconds, steps);
        assert_eq!(gap_ms(u64::MAX), 1_620_000);
    }
}
