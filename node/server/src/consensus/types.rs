//! The one choice of openraft's type parameters, and short names for what follows from it. Everything in `consensus` speaks these
//! names, so that a change of openraft's generics is an edit of this page.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use openraft::alias;

/// A member of the control plane. Never reused: a node that lost its disk comes back under a new id.
pub(crate) type NodeId = u64;

/// What the log replicates: an encoded entry of quorate-core, opaque to Raft and to the disk. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} bytes)", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What applying an entry answers: one outcome for each item of the entry, none for Raft's own entries.
pub(crate) type Response = Vec<quorate_core::Outcome>;

/// How to reach a node; part of the replicated membership.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    /// Where other nodes and agents speak to it (gRPC), `host:port`.
    pub(crate) peer_address: String,
    /// Where people and SDKs speak to it (HTTP), `host:port`.
    pub(crate) api_address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.peer_address, self.api_address)
    }
}

/// A snapshot body: a complete, checked file on this node's disk. Whoever receives the value may read the file, not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotFile {
    /// Where the file lies.
    pub(crate) path: PathBuf,
    /// Its length in bytes.
    pub(crate) length: u64,
}

openraft::declare_raft_types!(
    /// Raft as Quorate runs it: one leader per term, entries opaque, tokio.
    pub(crate) Types:
        D = Command,
        R = Response,
        NodeId = NodeId,
        Node = Member,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

/// Position of an entry: term and index.
pub(crate) type LogId = alias::LogIdOf<Types>;
/// Whom this node voted for or follows, and whether a quorum granted it.
pub(crate) type Vote = alias::VoteOf<Types>;
/// One slot of the log.
pub(crate) type Entry = alias::EntryOf<Types>;
/// What a slot of the log holds: nothing, a command, or a membership.
pub(crate) type Payload = alias::PayloadOf<Types>;
/// Who votes, who learns, and where they are.
pub(crate) type Membership = openraft::Membership<NodeId, Member>;
/// A membership with the position of the entry that set it.
pub(crate) type StoredMembership = alias::StoredMembershipOf<Types>;
