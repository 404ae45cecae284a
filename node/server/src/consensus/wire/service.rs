//! The way in: what other nodes ask of this one. Every conversation says for which cluster and node it is meant; Raft passes only once this node
//! may vote.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, VoteRequest,
};
use openraft::{Snapshot, SnapshotMeta};
use parking_lot::Mutex;
use quorate_core::ids::{InstanceId, NodeId, StoreId};
use quorate_core::{Item, codec};
use quorate_proto::peer;
use quorate_proto::peer::append_reply::Result as Replied;
use quorate_proto::peer::raft_server::Raft as RaftRpc;
use quorate_proto::peer::snapshot_chunk::Part;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::super::admission::{self, Asker};
use super::super::convert::{
    decode_entry, from_log_id, from_member, from_vote, to_log_id, to_stored_membership, to_vote,
};
use super::super::membership::Member;
use super::super::node::Shared;
use super::super::proposals::ProposeError;
use super::super::types::{SnapshotFile, StoredMembership, Types, Vote};
use super::super::witness::Kept;
use super::super::{barrier, submit};
use super::Address;
use super::snapshots::{self, Incoming};

/// Serves other nodes.
pub struct RaftService {
    shared: Arc<Shared>,
}

impl RaftService {
    pub(in super::super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Refuses what is meant for others, and all of Raft until this node may vote.
    fn check_raft(&self, cluster: &str, target: u64) -> Result<(), Status> {
        self.shared.address.check(cluster, target)?;
        self.shared.gate.check()
    }
}

#[tonic::async_trait]
impl RaftRpc for RaftService {
    type AppendStream = BoxStream<'static, Result<peer::AppendReply, Status>>;

    async fn append(
        &self,
        request: Request<Streaming<peer::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        self.shared.gate.check()?;
        // Why the requests ended, where it was not by themselves: said after the last reply.
        let broken: Broken = Arc::default();
        let requests = requests(
            request.into_inner(),
            self.shared.address.clone(),
            Arc::clone(&broken),
        );
        let replies = self
            .shared
            .raft
            .stream_append(requests)
            .map(|result| match result {
                Ok(result) => Ok(reply_of(result)),
                Err(fatal) => Err(Status::unavailable(fatal.to_string())),
            });
        let ending = stream::once(async move { broken.lock().take() })
            .filter_map(|broken| async { broken.map(Err) });
        Ok(Response::new(Box::pin(replies.chain(ending))))
    }

    async fn vote(
        &self,
        request: Request<peer::VoteRequest>,
    ) -> Result<Response<peer::VoteReply>, Status> {
        let request = request.into_inner();
        self.check_raft(&request.cluster_id, request.target)?;
        let rpc = VoteRequest {
            vote: required(request.vote)?,
            last_log_id: request.last.map(to_log_id),
            leadership_transfer: request.leader_transfer,
        };
        let raft = &self.shared.raft;
        let answer = if request.pre_vote {
            raft.pre_vote(rpc).await
        } else {
            raft.vote(rpc).await
        };
        let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(peer::VoteReply {
            vote: Some(from_vote(answer.vote)),
            granted: answer.vote_granted,
            last: answer.last_log_id.map(from_log_id),
        }))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<peer::SnapshotChunk>>,
    ) -> Result<Response<peer::SnapshotReply>, Status> {
        let mut pieces = request.into_inner();
        let Some(peer::SnapshotChunk {
            part: Some(Part::Header(header)),
        }) = pieces.message().await?
        else {
            return Err(Status::invalid_argument(
                "a snapshot begins with its header",
            ));
        };
        self.check_raft(&header.cluster_id, header.target)?;
        let vote = required(header.vote)?;
        let last = header.last.map(to_log_id);
        let meta = SnapshotMeta {
            last_log_id: last,
            last_membership: membership_of(header.membership)?,
        };
        let disk = self.shared.snapshots.disk();
        let incoming = Incoming {
            files: Arc::clone(&disk.files),
            path: self.shared.snapshots.place_for_incoming(last),
        };
        snapshots::receive(&mut pieces, header.length, disk, &incoming.path).await?;
        let snapshot = Snapshot {
            meta,
            snapshot: SnapshotFile {
                path: incoming.path.clone(),
                length: header.length,
            },
        };
        // Not in this call's own time: a sender that hangs up must not take the file away from under the installation.
        let shared = Arc::clone(&self.shared);
        let installing = self.shared.tasks.spawn(async move {
            let checked = shared
                .snapshots
                .check(&incoming.path, last)
                .await
                .map_err(|error| Status::data_loss(error.to_string()));
            checked?;
            let installed = shared.raft.install_full_snapshot(vote, snapshot).await;
            drop(incoming);
            installed.map_err(|fatal| Status::unavailable(fatal.to_string()))
        });
        let answer = installing
            .await
            .map_err(|error| Status::internal(error.to_string()))??;
        Ok(Response::new(peer::SnapshotReply {
            vote: Some(from_vote(answer.vote)),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<peer::TransferLeaderRequest>,
    ) -> Result<Response<peer::TransferLeaderReply>, Status> {
        let request = request.into_inner();
        self.check_raft(&request.cluster_id, request.target)?;
        let transfer = TransferLeaderRequest::new(
            required(request.from)?,
            request.to,
            request.last.map(to_log_id),
        );
        let answer = self.shared.raft.handle_transfer_leader(transfer).await;
        let reply = match answer.map_err(|fatal| Status::unavailable(fatal.to_string()))? {
            Ok(()) => peer::TransferLeaderReply {
                accepted: true,
                vote: None,
                last: None,
            },
            Err(TransferLeaderError::VoteChanged { actual, .. }) => peer::TransferLeaderReply {
                accepted: false,
                vote: Some(from_vote(actual)),
                last: None,
            },
            Err(TransferLeaderError::LogNotFlushed { actual, .. }) => peer::TransferLeaderReply {
                accepted: false,
                vote: None,
                last: actual.map(from_log_id),
            },
        };
        Ok(Response::new(reply))
    }

    async fn read_barrier(
        &self,
        request: Request<peer::ReadBarrierRequest>,
    ) -> Result<Response<peer::ReadBarrierReply>, Status> {
        let request = request.into_inner();
        self.check_raft(&request.cluster_id, request.target)?;
        let leadership = self.shared.leadership.borrow().clone();
        let reply = if leadership.is_me {
            let index = barrier::confirmed_here(&self.shared.raft).await?;
            peer::ReadBarrierReply {
                index,
                probe: request.probe,
                not_leader: false,
                leader: None,
            }
        } else {
            let leader = leadership.leader.as_ref().map(message_of);
            peer::ReadBarrierReply {
                index: 0,
                probe: request.probe,
                not_leader: true,
                leader,
            }
        };
        Ok(Response::new(reply))
    }

    async fn propose(
        &self,
        request: Request<peer::ProposeRequest>,
    ) -> Result<Response<peer::ProposeReply>, Status> {
        let request = request.into_inner();
        self.check_raft(&request.cluster_id, request.target)?;
        // What no node could read must not become an entry.
        let readable = request.items.iter().map(|bytes| Item::decode(bytes));
        readable
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let deadline =
            Instant::now() + Duration::from_millis(request.deadline_ms).min(LONGEST_PROPOSAL);
        let reply = match self.shared.propose(request.items, deadline).await {
            Ok(proposed) => peer::ProposeReply {
                outcomes: proposed
                    .outcomes
                    .iter()
                    .map(codec::encode_outcome)
                    .collect(),
                index: proposed.index,
                ..Default::default()
            },
            Err(ProposeError::NotLeader { leader }) => peer::ProposeReply {
                not_leader: true,
                leader: leader.as_ref().map(message_of),
                ..Default::default()
            },
            Err(error) => return Err(submit::status_of(&error)),
        };
        Ok(Response::new(reply))
    }

    async fn heard(
        &self,
        request: Request<peer::HeardRequest>,
    ) -> Result<Response<peer::HeardReply>, Status> {
        let request = request.into_inner();
        self.check_raft(&request.cluster_id, request.target)?;
        let is_leader = self.shared.leadership.borrow().is_me;
        if is_leader {
            let told = request.instances.iter().map(|note| {
                note.instance_id
                    .parse::<InstanceId>()
                    .map(|instance| (instance, Duration::from_millis(note.age_ms)))
            });
            let told = told
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            self.shared.contacts.take_in(told, Instant::now());
        }
        Ok(Response::new(peer::HeardReply {
            not_leader: !is_leader,
        }))
    }

    /// The one call that a node may make, and answer, before it has been admitted itself.
    async fn admit(
        &self,
        request: Request<peer::AdmitRequest>,
    ) -> Result<Response<peer::AdmitReply>, Status> {
        let request = request.into_inner();
        self.shared
            .address
            .check(&request.cluster_id, self.shared.address.node)?;
        let store: StoreId = request
            .store_id
            .parse()
            .map_err(|_| Status::invalid_argument("store_id is no store id"))?;
        let initialized = self
            .shared
            .raft
            .is_initialized()
            .await
            .map_err(|fatal| Status::unavailable(fatal.to_string()))?;
        let asker = Asker {
            node: NodeId(request.node),
            store,
            found: Kept {
                vote: request.vote,
                end: request.end,
            },
        };
        let witnessed = self.shared.witness.of(asker.node);
        let objection = admission::objection(&self.shared.view.state(), witnessed.as_ref(), &asker);
        Ok(Response::new(peer::AdmitReply {
            admitted: objection.is_none(),
            why: objection.unwrap_or_default(),
            initialized,
        }))
    }

    async fn witness(
        &self,
        request: Request<peer::WitnessRequest>,
    ) -> Result<Response<peer::WitnessReply>, Status> {
        let request = request.into_inner();
        self.check_raft(&request.cluster_id, request.target)?;
        let promised = request
            .promised
            .ok_or_else(|| Status::invalid_argument("nothing is promised"))?;
        self.shared.witness.take_in(NodeId(request.node), promised);
        Ok(Response::new(peer::WitnessReply {}))
    }
}

/// A forwarded proposal waits at most so long here, whatever it asks for: its sender gives up long before.
const LONGEST_PROPOSAL: Duration = Duration::from_secs(120);

type Broken = Arc<Mutex<Option<Status>>>;

/// The appends of one stream, up to the first that cannot be taken; `broken` says what was wrong with that.
fn requests(
    incoming: Streaming<peer::AppendRequest>,
    address: Address,
    broken: Broken,
) -> impl Stream<Item = AppendEntriesRequest<Types>> + Send + 'static {
    stream::unfold(
        (incoming, address, broken),
        |(mut incoming, address, broken)| async move {
            let taken = match incoming.message().await {
                Ok(Some(request)) => append_of(request, &address),
                Ok(None) => return None,
                Err(status) => Err(status),
            };
            match taken {
                Ok(request) => Some((request, (incoming, address, broken))),
                Err(status) => {
                    *broken.lock() = Some(status);
                    None
                }
            }
        },
    )
}

fn append_of(
    request: peer::AppendRequest,
    address: &Address,
) -> Result<AppendEntriesRequest<Types>, Status> {
    address.check(&request.cluster_id, request.target)?;
    let entries = request
        .entries
        .into_iter()
        .map(decode_entry)
        .collect::<Result<Vec<_>, _>>();
    Ok(AppendEntriesRequest {
        vote: required(request.vote)?,
        prev_log_id: request.prev.map(to_log_id),
        entries: entries.map_err(|error| Status::invalid_argument(error.to_string()))?,
        leader_commit: request.committed.map(to_log_id),
    })
}

fn reply_of(result: StreamAppendResult<Types>) -> peer::AppendReply {
    let result = match result {
        Ok(matched) => Replied::Matched(peer::Matched {
            log_id: matched.map(from_log_id),
        }),
        Err(StreamAppendError::Conflict(id)) => Replied::Conflict(from_log_id(id)),
        Err(StreamAppendError::HigherVote(vote)) => Replied::HigherVote(from_vote(vote)),
    };
    peer::AppendReply {
        result: Some(result),
    }
}

fn required(vote: Option<peer::Vote>) -> Result<Vote, Status> {
    vote.map(to_vote)
        .ok_or_else(|| Status::invalid_argument("the vote is missing"))
}

fn membership_of(
    membership: Option<peer::EffectiveMembership>,
) -> Result<StoredMembership, Status> {
    to_stored_membership(membership.unwrap_or_default())
        .map_err(|error| Status::invalid_argument(error.to_string()))
}

fn message_of(member: &Member) -> peer::Member {
    let (node, member) = member.as_raft();
    from_member(node, &member)
}
