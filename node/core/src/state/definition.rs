//! A registered task definition and its family, as they are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::documents::{DefinitionSpec, Document, Tags};
use crate::ids::DefinitionId;
use crate::time::Millis;

/// Where a revision is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefinitionStatus {
    /// New tasks may use it.
    Active,
    /// Deregistered: only its running users keep it.
    Inactive,
    /// To be deleted once it has no users left.
    DeleteInProgress,
}

impl DefinitionStatus {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
        }
    }
}

/// One revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// family:revision.
    pub id: DefinitionId,
    /// ACTIVE, INACTIVE or DELETE_IN_PROGRESS.
    pub status: DefinitionStatus,
    /// As its author wrote it, without tags.
    pub document: Document,
    /// The same, parsed.
    pub spec: Arc<DefinitionSpec>,
    /// Its tags.
    pub tags: Tags,
    /// When it was registered.
    pub registered_at: Millis,
    /// By whom (ARN).
    pub registered_by: String,
    /// When it was deregistered.
    pub deregistered_at: Option<Millis>,
    /// When it was asked to be deleted (`deleteRequestedAt`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_requested_at: Option<Millis>,
    /// When to look whether it still has users; only while it is being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_at: Option<Millis>,
}

/// A family: which revisions exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyRecord {
    /// The highest revision ever given; never falls.
    pub last_revision: u64,
    /// How many revisions are ACTIVE.
    pub active_count: u64,
}
