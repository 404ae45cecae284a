//! How well containers are by their own checks, and what that makes of their task. Agents carry the checks out; `apply` keeps what they saw.

use serde::{Deserialize, Serialize};

use super::task::{Container, Task};

/// `healthStatus`. Unlike `lastStatus` it may go back and forth while a container runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nothing is checked, or nothing is known yet.
    #[default]
    Unknown,
    /// The check passes.
    Healthy,
    /// The check failed as often as its definition allows.
    Unhealthy,
}

impl Health {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

impl Container {
    /// How well it is; UNKNOWN where nothing is checked.
    #[must_use]
    pub fn health_status(&self) -> Health {
        self.health.unwrap_or_default()
    }
}

impl Task {
    /// How well it is, by the essential containers that have a check: HEALTHY if all are, UNHEALTHY if any is, otherwise UNKNOWN.
    /// What is not essential, or not checked, counts for nothing (ECS, healthStatus of a task).
    #[must_use]
    pub fn health(&self) -> Health {
        let is_any = |wanted| self.checked().any(|one| one == wanted);
        if is_any(Health::Unhealthy) {
            Health::Unhealthy
        } else if is_any(Health::Healthy) && !is_any(Health::Unknown) {
            Health::Healthy
        } else {
            Health::Unknown
        }
    }

    /// Whether its health means anything: some essential container has a check.
    #[must_use]
    pub fn has_health_check(&self) -> bool {
        self.checked().next().is_some()
    }

    fn checked(&self) -> impl Iterator<Item = Health> {
        let essential = self.containers.iter().filter(|one| one.essential);
        essential.filter_map(|one| one.health)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::codec::{decode, encode};
    use crate::command::NewContainer;
    use crate::ids::ContainerId;

    #[test]
    fn what_was_written_before_there_were_checks_is_read_and_written_the_same() {
        let container = NewContainer {
            id: ContainerId::from_u128(1),
            name: "web".into(),
            image: "web".into(),
            essential: true,
            cpu_units: 0,
            memory_mib: 0,
            memory_reservation_mib: 0,
            bindings: Vec::new(),
            has_health_check: false,
        };
        let bytes = encode(&container);
        let is_told = |member: &str| bytes.windows(member.len()).any(|w| w == member.as_bytes());
        assert!(is_told("bindings") && !is_told("has_health_check"));
        assert_eq!(
            decode::<NewContainer>("container", &bytes).unwrap(),
            container
        );
    }
}
