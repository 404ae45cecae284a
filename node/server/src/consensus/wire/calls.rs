//! What a node asks another besides replication, each as one call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::ids::{InstanceId, StoreId};
use quorate_proto::peer;
use quorate_proto::peer::raft_client::RaftClient;
use tonic::{Request, Response, Status};

use super::super::membership::Member;
use super::super::witness::Kept;
use super::channel::{Channels, Lane, Wire};
use super::{Address, MESSAGE_BYTES};

/// The way to ask other nodes. Clones share connections.
#[derive(Clone)]
pub(in super::super) struct Calls {
    /// This node and its cluster.
    pub(in super::super) from: Address,
    /// The connections to use.
    pub(in super::super) channels: Arc<Channels>,
}

impl Calls {
    fn client(&self, to: &Member, lane: Lane) -> RaftClient<Wire> {
        RaftClient::new(self.channels.to(&to.peer_address, lane))
            .max_decoding_message_size(MESSAGE_BYTES)
    }

    fn request<T>(message: T, patience: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(patience);
        request
    }

    /// Asks the leader for its commit index, confirmed by a quorum.
    pub(in super::super) async fn read_barrier(
        &self,
        to: &Member,
        probe: u64,
        patience: Duration,
    ) -> Result<peer::ReadBarrierReply, Status> {
        let message = peer::ReadBarrierRequest {
            probe,
            cluster_id: self.from.cluster.clone(),
            target: to.node.0,
        };
        self.client(to, Lane::Urgent)
            .read_barrier(Self::request(message, patience))
            .await
            .map(Response::into_inner)
    }

    /// Has the leader propose encoded items.
    pub(in super::super) async fn propose(
        &self,
        to: &Member,
        items: Vec<Bytes>,
        patience: Duration,
    ) -> Result<peer::ProposeReply, Status> {
        let message = peer::ProposeRequest {
            items,
            cluster_id: self.from.cluster.clone(),
            target: to.node.0,
            deadline_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        };
        self.client(to, Lane::Calls)
            .propose(Self::request(message, patience))
            .await
            .map(Response::into_inner)
    }

    /// Tells the leader which instances were heard, and how long ago.
    pub(in super::super) async fn heard(
        &self,
        to: &Member,
        notes: &[(InstanceId, Duration)],
        patience: Duration,
    ) -> Result<(), Status> {
        let note = |(instance, age): &(InstanceId, Duration)| peer::HeardInstance {
            instance_id: instance.to_string(),
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        };
        let message = peer::HeardRequest {
            node: self.from.node,
            instances: notes.iter().map(note).collect(),
            cluster_id: self.from.cluster.clone(),
            target: to.node.0,
        };
        self.client(to, Lane::Calls)
            .heard(Self::request(message, patience))
            .await
            .map(drop)
    }

    /// Asks whether this node may vote with the disk it has.
    pub(in super::super) async fn admit(
        &self,
        to: &Member,
        store: StoreId,
        found: Kept,
        patience: Duration,
    ) -> Result<peer::AdmitReply, Status> {
        let message = peer::AdmitRequest {
            cluster_id: self.from.cluster.clone(),
            node: self.from.node,
            store_id: store.to_string(),
            vote: found.vote,
            end: found.end,
        };
        self.client(to, Lane::Urgent)
            .admit(Self::request(message, patience))
            .await
            .map(Response::into_inner)
    }

    /// Tells what this node's disk holds.
    pub(in super::super) async fn witness(
        &self,
        to: &Member,
        promised: &peer::Promised,
        patience: Duration,
    ) -> Result<(), Status> {
        let message = peer::WitnessRequest {
            node: self.from.node,
            promised: Some(promised.clone()),
            cluster_id: self.from.cluster.clone(),
            target: to.node.0,
        };
        self.client(to, Lane::Calls)
            .witness(Self::request(message, patience))
            .await
            .map(drop)
    }
}
