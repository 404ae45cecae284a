//! A member of the control plane, as it made itself known.

use serde::{Deserialize, Serialize};

use crate::ids::{NodeId, StoreId};
use crate::time::Millis;

/// What the cluster knows of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its id.
    pub node: NodeId,
    /// The disk it votes with.
    pub store: StoreId,
    /// host:port for nodes and agents.
    pub peer_address: String,
    /// host:port for people.
    pub api_address: String,
    /// Version of its program.
    pub version: String,
    /// When it made itself known first.
    pub recorded_at: Millis,
}
