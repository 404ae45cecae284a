//! Who there is: members as the rest of the program sees them, and the cluster's id.

use std::fmt;

use quorate_core::ids::NodeId;
use sha2::{Digest, Sha256};

use super::types;

/// A member of the control plane, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its id; never reused.
    pub node: NodeId,
    /// Where nodes and agents speak to it, `host:port`.
    pub peer_address: String,
    /// Where people and SDKs speak to it, `host:port`.
    pub api_address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} at {}", self.node, self.peer_address)
    }
}

impl Member {
    pub(super) fn of(node: types::NodeId, member: &types::Member) -> Self {
        Self {
            node: NodeId(node),
            peer_address: member.peer_address.clone(),
            api_address: member.api_address.clone(),
        }
    }

    pub(super) fn as_raft(&self) -> (types::NodeId, types::Member) {
        let member = types::Member {
            peer_address: self.peer_address.clone(),
            api_address: self.api_address.clone(),
        };
        (self.node.0, member)
    }
}

/// The id of the cluster that `name` and its first members make: every one of them comes to the same, without asking anyone.
///
/// API addresses are left out, so that moving an API to another port does not make a node a stranger.
pub(super) fn cluster_id(name: &str, members: &[Member]) -> String {
    let mut sorted: Vec<_> = members
        .iter()
        .map(|member| (member.node, &member.peer_address))
        .collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    for text in std::iter::once(name.to_owned()).chain(
        sorted
            .into_iter()
            .map(|(node, address)| format!("{node}={address}")),
    ) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: u64, port: u16) -> Member {
        Member {
            node: NodeId(node),
            peer_address: format!("host:{port}"),
            api_address: format!("host:{}", port + 1),
        }
    }

    #[test]
    fn the_cluster_id_follows_from_name_and_peers_in_any_order() {
        let (one, two) = (member(1, 10), member(2, 20));
        let id = cluster_id("main", &[one.clone(), two.clone()]);
        assert_eq!(id.len(), 32);
        assert_eq!(id, cluster_id("main", &[two.clone(), one.clone()]));
        assert_ne!(id, cluster_id("other", &[one.clone(), two.clone()]));
        assert_ne!(id, cluster_id("main", &[one.clone(), member(2, 21)]));
        let moved = Member {
            api_address: "host:99".to_owned(),
            ..one
        };
        assert_eq!(id, cluster_id("main", &[moved, two]));
    }
}
