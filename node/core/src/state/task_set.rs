//! Task sets: deployments of a service under an EXTERNAL controller. A caller decides how much there is of each, which of them is
//! PRIMARY, and when one goes.

use serde::{Deserialize, Serialize};

use super::service::{Deployment, Service};
use crate::documents::{Scale, Tags};
use crate::ids::DeploymentId;
use crate::time::Millis;

/// ECS takes no more task sets of one service, DRAINING ones included.
pub const TASK_SETS_MAX: usize = 5;

/// Whether a task set is as it should be (`stabilityStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stability {
    /// Tasks are missing, too many, not healthy or on instances that are drained.
    Stabilizing,
    /// As many as wanted, and all are well.
    SteadyState,
}

impl Stability {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stabilizing => "STABILIZING",
            Self::SteadyState => "STEADY_STATE",
        }
    }
}

/// What a task set is to its service (`status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSetStatus {
    /// It serves, and its parameters are the service's.
    Primary,
    /// It is beside it.
    Active,
    /// Deleted; its tasks are ending.
    Draining,
}

impl TaskSetStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
        }
    }
}

/// A client's idempotency token, and what it was given with. Known as long as its task set is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSetToken {
    /// Up to 36 printable characters.
    pub token: String,
    /// SHA-256 of the request's parameters.
    pub fingerprint: [u8; 32],
}

/// What a deployment is more if it is a task set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSet {
    /// How much of the service it is.
    pub scale: Scale,
    /// Whether it is as it should be.
    pub stability: Stability,
    /// Since when.
    pub stability_at: Millis,
    /// It was deleted.
    pub is_draining: bool,
    /// By force: task protection holds none of its tasks.
    pub is_forced: bool,
    /// Its name in the caller's system; not unique, empty if there is none.
    pub external_id: String,
    /// What makes its creation idempotent.
    pub token: Option<TaskSetToken>,
    /// Its tags.
    pub tags: Tags,
}

impl TaskSet {
    /// Says how it stands from `now` on.
    pub(crate) fn stabilize(&mut self, stability: Stability, now: Millis) {
        if self.stability != stability {
            self.stability = stability;
            self.stability_at = now;
        }
    }
}

impl Deployment {
    /// Whether it is a task set that was deleted.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.set.as_ref().is_some_and(|set| set.is_draining)
    }
}

impl Service {
    /// One of its task sets.
    #[must_use]
    pub fn task_set(&self, id: DeploymentId) -> Option<(&Deployment, &TaskSet)> {
        let one = self.deployment(id)?;
        Some((one, one.set.as_ref()?))
    }

    /// Its task sets, newest first.
    pub fn task_sets(&self) -> impl Iterator<Item = (&Deployment, &TaskSet)> {
        let all = self.deployments.iter();
        all.filter_map(|one| Some((one, one.set.as_ref()?)))
    }

    /// What a task set is to the service.
    #[must_use]
    pub fn status_of(&self, one: &Deployment) -> TaskSetStatus {
        if one.is_draining() {
            TaskSetStatus::Draining
        } else if self.primary_set == Some(one.id) {
            TaskSetStatus::Primary
        } else {
            TaskSetStatus::Active
        }
    }

    /// How many tasks are wanted of a task set (`computedDesiredCount`).
    #[must_use]
    pub fn wanted_of(&self, set: &TaskSet) -> u64 {
        if set.is_draining {
            0
        } else {
            set.scale.of(self.spec.desired_count)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::codec::{decode, encode};
    use crate::state::{Rollout, Said, Topic};

    #[test]
    fn what_was_written_before_there_were_task_sets_is_read_and_written_the_same() {
        let one = Deployment {
            id: DeploymentId(1),
            definition: "web:1".parse().unwrap(),
            rollout: Rollout::Completed,
            rollout_reason: String::new(),
            created_at: Millis(1),
            updated_at: Millis(1),
            failed_in_row: 0,
            failed_in_all: 0,
            failed_at: None,
            set: None,
        };
        let said = Said {
            topic: Topic::SteadyState,
            of: None,
            message: "steady".into(),
            at: Millis(1),
        };
        let bytes = [encode(&one), encode(&said)];
        // A text of MessagePack begins with its length.
        let tells = |bytes: &[u8], member: &[u8]| bytes.windows(member.len()).any(|w| w == member);
        assert!(tells(&bytes[0], b"\xa9failed_at") && !tells(&bytes[0], b"\xa3set"));
        assert!(tells(&bytes[1], b"\xa5topic") && !tells(&bytes[1], b"\xa2of"));
        assert_eq!(decode::<Deployment>("deployment", &bytes[0]).unwrap(), one);
        assert_eq!(decode::<Said>("said", &bytes[1]).unwrap(), said);
    }
}
