//! openraft's way out: one link for each peer and purpose. Links hold no connection of their own; the channels are shared.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use openraft::errors::{ReplicationClosed, StreamingError};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2, alias};
use quorate_proto::peer;
use quorate_proto::peer::raft_client::RaftClient;
use tonic::{Request, Status};

use super::super::convert::{from_log_id, from_vote, to_log_id, to_vote};
use super::super::disk::Disk;
use super::super::types::{Member, NodeId, SnapshotFile, Types, Vote};
use super::append::Acknowledged;
use super::channel::{Channels, Lane, Wire};
use super::{Address, MESSAGE_BYTES, RpcError, append, rpc_error, snapshots};

/// Pauses before a node that could not be reached is tried again. The last repeats: a node that comes back waits at most so long for the log.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// Makes links; given to openraft.
#[derive(Clone)]
pub(in super::super) struct Links {
    /// This node and its cluster.
    from: Address,
    /// The connections to use.
    channels: Arc<Channels>,
    acknowledged: Acknowledged,
    /// Where the snapshots are that it sends.
    disk: Disk,
}

impl Links {
    /// Links from this node over `channels`, for snapshots on `disk`.
    pub(in super::super) fn new(from: Address, channels: Arc<Channels>, disk: Disk) -> Self {
        Self {
            from,
            channels,
            disk,
            acknowledged: Acknowledged::default(),
        }
    }

    fn link(&self, target: NodeId, member: &Member, lane: Lane) -> Link {
        let to = Address {
            cluster: self.from.cluster.clone(),
            node: target,
        };
        let peer_address = member.peer_address.clone();
        Link {
            from: self.from.node,
            to,
            peer_address,
            lane,
            channels: Arc::clone(&self.channels),
            acknowledged: self.acknowledged.clone(),
            disk: self.disk.clone(),
        }
    }
}

impl RaftNetworkFactory<Types> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Link {
        self.link(target, node, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Member) -> Link {
        self.link(target, node, Lane::Urgent)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &Member) -> Link {
        self.link(target, node, Lane::Snapshot)
    }
}

/// The way to one peer, for one purpose.
pub(in super::super) struct Link {
    from: NodeId,
    to: Address,
    peer_address: String,
    lane: Lane,
    channels: Arc<Channels>,
    acknowledged: Acknowledged,
    disk: Disk,
}

impl Link {
    fn client(&self, lane: Lane) -> RaftClient<Wire> {
        RaftClient::new(self.channels.to(&self.peer_address, lane))
            .max_decoding_message_size(MESSAGE_BYTES)
    }

    async fn ask_for_vote(
        &self,
        rpc: VoteRequest<Types>,
        pre_vote: bool,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RpcError> {
        let mut request = Request::new(peer::VoteRequest {
            vote: Some(from_vote(rpc.vote)),
            last: rpc.last_log_id.map(from_log_id),
            pre_vote,
            cluster_id: self.to.cluster.clone(),
            target: self.to.node,
            leader_transfer: rpc.leadership_transfer,
        });
        request.set_timeout(option.soft_ttl());
        let reply = self
            .client(Lane::Urgent)
            .vote(request)
            .await
            .map_err(|status| rpc_error(&status))?
            .into_inner();
        let vote = required(reply.vote)?;
        Ok(VoteResponse::new(
            vote,
            reply.last.map(to_log_id),
            reply.granted,
        ))
    }
}

/// The vote that every answer about votes carries.
fn required(vote: Option<peer::Vote>) -> Result<Vote, RpcError> {
    vote.map(to_vote)
        .ok_or_else(|| rpc_error(&Status::internal("the answer lacks the vote")))
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RpcError> {
        let one = stream::iter([rpc]);
        let mut answers = self.stream_append(one, option).await?;
        let mut last = Err(rpc_error(&Status::aborted("the follower answered nothing")));
        while let Some(answer) = answers.next().await {
            last = answer;
        }
        last.map(AppendEntriesResponse::from)
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>, RpcError>>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let answers = append::pipeline(
            self.client(self.lane),
            self.from,
            self.to.clone(),
            self.acknowledged.clone(),
            input,
        );
        async move { Ok(answers) }.boxed()
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RpcError> {
        self.ask_for_vote(rpc, false, option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RpcError> {
        self.ask_for_vote(rpc, true, option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: alias::SnapshotOf<Types, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let last = snapshot.meta.last_log_id.map(|id| id.index);
        let sent = snapshots::send(
            self.client(Lane::Snapshot),
            self.to.clone(),
            self.disk.clone(),
            vote,
            snapshot,
            option.soft_ttl(),
        );
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            reply = sent => {
                let reply = reply.map_err(|status| rpc_error(&status))?;
                let theirs = required(reply.vote)?;
                if theirs == vote {
                    self.acknowledged.note(self.to.node, last);
                }
                Ok(SnapshotResponse::new(theirs))
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RpcError> {
        let mut request = Request::new(peer::TransferLeaderRequest {
            from: Some(from_vote(*req.from_leader())),
            to: *req.to_node_id(),
            last: req.last_log_id().copied().map(from_log_id),
            cluster_id: self.to.cluster.clone(),
            target: self.to.node,
        });
        request.set_timeout(option.soft_ttl());
        let reply = self
            .client(Lane::Urgent)
            .transfer_leader(request)
            .await
            .map_err(|status| rpc_error(&status))?
            .into_inner();
        Ok(match (reply.accepted, reply.vote) {
            (true, _) => Ok(()),
            (false, Some(vote)) => Err(TransferLeaderError::VoteChanged {
                expected: *req.from_leader(),
                actual: to_vote(vote),
            }),
            (false, None) => Err(TransferLeaderError::LogNotFlushed {
                expected: req.last_log_id().copied(),
                actual: reply.last.map(to_log_id),
            }),
        })
    }

    fn backoff(&self) -> Option<Backoff> {
        let longest = *BACKOFF.last().expect("the table has rows");
        Some(Backoff::new(
            BACKOFF.into_iter().chain(std::iter::repeat(longest)),
        ))
    }
}
