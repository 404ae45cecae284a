//! A capacity provider, as it is. FARGATE and FARGATE_SPOT are there without a row.

use serde::{Deserialize, Serialize};

use crate::documents::{Document, ProviderSpec, Tags};
use crate::ids::ProviderName;
use crate::time::Millis;

/// Where a capacity provider is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProviderStatus {
    /// May be attached to clusters.
    Active,
    /// Deleted; still described.
    Inactive,
}

impl ProviderStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// A capacity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityProvider {
    /// Its name, unique.
    pub name: ProviderName,
    /// ACTIVE or INACTIVE.
    pub status: ProviderStatus,
    /// As its author wrote it, with updates worked in, without name and tags.
    pub document: Document,
    /// The same, parsed.
    pub spec: ProviderSpec,
    /// Its tags.
    pub tags: Tags,
    /// When it was made or last revived.
    pub created_at: Millis,
    /// When it was updated last.
    pub updated_at: Option<Millis>,
}
