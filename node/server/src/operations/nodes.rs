//! The nodes of the control plane: Quorate's own ListNodes. Each node speaks for itself; one that cannot be reached is listed as
//! such. No leader is needed: this is what people look at when there is none.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use quorate_proto::peer::relay_client::RelayClient;
use quorate_proto::peer::{StatusReply, StatusRequest};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::render;
use crate::consensus::{Consensus, Member};

/// A node that takes longer to say how it is counts as unreachable: people are waiting.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Answer {
    nodes: Vec<NodeJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeJson {
    node_id: u64,
    peer_address: String,
    api_address: String,
    reachable: bool,
    #[serde(flatten)]
    said: Option<SaidJson>,
}

/// What a node says of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SaidJson {
    role: String,
    term: u64,
    applied_index: u64,
    digest: String,
    version: String,
}

/// ListNodes: all members by id.
pub(super) async fn list(consensus: &Consensus, deadline: Instant) -> Bytes {
    let deadline = deadline.min(Instant::now() + PATIENCE);
    let status = consensus.status();
    let asked = status.members.into_iter().map(async |member| {
        let said = if member.node == status.node {
            Some(here(consensus).await)
        } else {
            ask(consensus, &member, deadline).await
        };
        node(member, said)
    });
    let mut nodes = join_all(asked).await;
    nodes.sort_by_key(|node| node.node_id);
    render::body(&Answer { nodes })
}

/// What this node says of itself.
pub(crate) async fn here(consensus: &Consensus) -> StatusReply {
    let (status, state) = (consensus.status(), consensus.state());
    let applied_index = state.applied_index();
    let digest = consensus.aside(move || state.digest().to_string());
    StatusReply {
        node: status.node.0,
        role: status.role.to_uppercase(),
        term: status.leadership.term,
        applied_index,
        digest: digest
            .await
            .expect("a digest is taken without failing, and never aborted"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

async fn ask(consensus: &Consensus, member: &Member, deadline: Instant) -> Option<StatusReply> {
    let mut client = RelayClient::new(consensus.channel(&member.peer_address));
    let reply = timeout_at(deadline, client.status(StatusRequest {})).await;
    // Another node at the address is not the one that was asked for.
    reply
        .ok()?
        .ok()
        .map(tonic::Response::into_inner)
        .filter(|reply| reply.node == member.node.0)
}

fn node(member: Member, said: Option<StatusReply>) -> NodeJson {
    NodeJson {
        node_id: member.node.0,
        peer_address: member.peer_address,
        api_address: member.api_address,
        reachable: said.is_some(),
        said: said.map(|reply| SaidJson {
            role: reply.role,
            term: reply.term,
            applied_index: reply.applied_index,
            digest: reply.digest,
            version: reply.version,
        }),
    }
}
