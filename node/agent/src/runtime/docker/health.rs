//! Health checks by the engine: what it is told to do, and what it says came of it.

use super::{ContainerState, ContainerSummary, HealthConfig, HealthStatusEnum};
use crate::runtime::{Health, HealthCheck, HealthStatus};

const NANO_PER_S: i64 = 1_000_000_000;
/// The engine takes 0 for "as the image says", and refuses anything shorter than this.
const NO_START_PERIOD_NANO: i64 = 1_000_000;

/// What the engine is told. Without a check it is told so, or it would carry out the image's own, which ECS does not.
pub(super) fn config(check: Option<&HealthCheck>) -> HealthConfig {
    let Some(check) = check else {
        return HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..Default::default()
        };
    };
    let nano = |seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Some(seconds.saturating_mul(NANO_PER_S))
    };
    HealthConfig {
        test: Some(check.command.clone()),
        interval: nano(check.interval_s),
        timeout: nano(check.timeout_s),
        retries: i64::try_from(check.retries).ok(),
        start_period: nano(check.start_period_s).map(|period| period.max(NO_START_PERIOD_NANO)),
        ..Default::default()
    }
}

/// How well a container in a list is; nothing if nothing is checked. Engines of all versions put it behind the time: `Up 5 minutes (healthy)`.
pub(super) fn of_summary(summary: &ContainerSummary) -> Option<HealthStatus> {
    let (_, health) = summary.status.as_deref()?.rsplit_once('(')?;
    match health.trim_end_matches(')') {
        "health: starting" => Some(HealthStatus::Unknown),
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        _ => None,
    }
}

/// How well a container is that was looked at by itself, with the newest of what its check printed.
pub(super) fn of_state(state: &ContainerState) -> Health {
    let Some(health) = &state.health else {
        return Health::default();
    };
    let status = match health.status {
        Some(HealthStatusEnum::HEALTHY) => HealthStatus::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => HealthStatus::Unhealthy,
        Some(HealthStatusEnum::STARTING | HealthStatusEnum::NONE | HealthStatusEnum::EMPTY)
        | None => HealthStatus::Unknown,
    };
    let newest = health.log.iter().flatten().next_back();
    let output = newest.and_then(|run| run.output.as_deref()).unwrap_or("");
    Health::new(status, output.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_tell_health_behind_the_time() {
        let of = |status: &str| {
            of_summary(&ContainerSummary {
                status: Some(status.to_owned()),
                ..Default::default()
            })
        };
        assert_eq!(of("Up 5 minutes"), None);
        assert_eq!(of("Up 5 minutes (Paused)"), None);
        assert_eq!(of("Exited (0) 3 seconds ago"), None);
        assert_eq!(
            of("Up 1 second (health: starting)"),
            Some(HealthStatus::Unknown)
        );
        assert_eq!(of("Up 2 days (healthy)"), Some(HealthStatus::Healthy));
        assert_eq!(of("Up 2 days (unhealthy)"), Some(HealthStatus::Unhealthy));
    }

    #[test]
    fn the_images_own_check_and_start_period_count_for_nothing() {
        assert_eq!(config(None).test, Some(vec!["NONE".to_owned()]));
        let check = HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            interval_s: 30,
            timeout_s: 5,
            retries: 3,
            start_period_s: 0,
        };
        let told = config(Some(&check));
        assert_eq!(told.interval, Some(30 * NANO_PER_S));
        assert_eq!(told.start_period, Some(NO_START_PERIOD_NANO));
    }
}
