//! How consensus rooms talk: gRPC with our own messages. `channel` builds connections, `link` is openraft's way out to one node, `append` the
//! pipelined stream in it, `snapshots` the transfer of a file, `service` the way in.

mod append;
mod calls;
mod channel;
mod link;
mod service;
mod snapshots;

use tonic::{Code, Status};

pub(super) use calls::Calls;
pub(super) use channel::{Channels, Lane};
pub use channel::{Connect, Wire};
pub(super) use link::Links;
pub use service::RaftService;

use super::types::{NodeId, Types};

/// Bytes of entries in one append message. Bigger appends are cut, so that no message holds up what shares the connection for long.
const APPEND_BYTES: usize = 1 << 20;
/// What gRPC is told to take: an append may hold one entry of the greatest size besides, and frames.
pub(super) const MESSAGE_BYTES: usize = 4 * APPEND_BYTES;

/// The cluster and node a conversation is meant for, and whether that is us.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The cluster's id.
    pub(super) cluster: String,
    /// The node.
    pub(super) node: NodeId,
}

impl Address {
    /// Refuses what was meant for another cluster or node: an address can be taken over, an identity cannot.
    fn check(&self, cluster: &str, node: NodeId) -> Result<(), Status> {
        if cluster == self.cluster && node == self.node {
            return Ok(());
        }
        let Self {
            cluster: own,
            node: me,
        } = self;
        Err(Status::failed_precondition(format!(
            "meant for node {node} of cluster {cluster}; this is node {me} of cluster {own}"
        )))
    }
}

type RpcError = openraft::errors::RPCError<Types>;

/// A failed call, for openraft: whether it should try at once or leave the node alone for a while.
fn rpc_error(status: &Status) -> RpcError {
    let text = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::Unavailable | Code::FailedPrecondition | Code::Unimplemented => {
            RpcError::Unreachable(openraft::errors::Unreachable::from_string(text))
        }
        _ => RpcError::Network(openraft::errors::NetworkError::from_string(text)),
    }
}
