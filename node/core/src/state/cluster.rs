//! A cluster, as it is.

use serde::{Deserialize, Serialize};

use crate::documents::{Capacity, Document, Tags};
use crate::ids::ClusterName;
use crate::time::Millis;

/// Where a cluster is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterStatus {
    /// Takes instances and tasks.
    Active,
    /// Deleted; still described.
    Inactive,
}

impl ClusterStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name, unique.
    pub name: ClusterName,
    /// ACTIVE or INACTIVE.
    pub status: ClusterStatus,
    /// When it was made or last revived.
    pub created_at: Millis,
    /// Its tags.
    pub tags: Tags,
    /// settings, configuration and the like, verbatim.
    pub document: Document,
    /// What it runs tasks on.
    #[serde(default)]
    pub capacity: Capacity,
}
