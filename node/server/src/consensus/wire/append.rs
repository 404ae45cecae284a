//! One pipelined append stream: requests go out while replies are still on their way, up to a window; replies come back in the order of requests.
//!
//! A stream lasts for one replication session of openraft. Whatever goes wrong ends it, and openraft begins the next session at what the follower
//! is known to have: there is nothing to repair here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryFutureExt};
use openraft::alias::LogIdOf;
use openraft::errors::Timeout;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult};
use openraft::{OptionalSend, RPCTypes};
use parking_lot::Mutex;
use quorate_proto::peer::raft_client::RaftClient;
use quorate_proto::peer::{self, append_reply};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use super::super::convert::{encode_entry, from_log_id, from_vote, to_log_id, to_vote};
use super::super::types::Types;
use super::{APPEND_BYTES, Address, RpcError, Wire, rpc_error};

/// Appends on their way at once: enough to keep a follower's disk busy while the leader encodes the next.
const WINDOW_REQUESTS: usize = 16;
/// The same in bytes; bounds what a slow follower makes the leader hold.
const WINDOW_BYTES: usize = 8 << 20;
/// A follower that answers nothing for this long, with appends on their way, is treated as gone. Generous: its disk may be slow.
const REPLY_PATIENCE: Duration = Duration::from_secs(5);

type Answer = Result<StreamAppendResult<Types>, RpcError>;

/// How far each node has acknowledged the log of the term in which this node leads. Clones are the same record.
#[derive(Clone, Default)]
pub(super) struct Acknowledged(Arc<Mutex<BTreeMap<u64, Reach>>>);

#[derive(Default)]
struct Reach {
    term: u64,
    index: Option<u64>,
}

impl Acknowledged {
    /// A new term begins with nothing acknowledged.
    fn begin(&self, node: u64, term: u64) {
        let mut nodes = self.0.lock();
        let known = nodes.entry(node).or_default();
        if known.term != term {
            *known = Reach { term, index: None };
        }
    }

    /// Notes that `node` has everything up to `index`.
    pub(super) fn note(&self, node: u64, index: Option<u64>) {
        if let Some(known) = self.0.lock().get_mut(&node) {
            known.index = known.index.max(index);
        }
    }

    /// What `node` has acknowledged, if that includes `index`.
    fn beyond(&self, node: u64, index: u64) -> Option<u64> {
        let nodes = self.0.lock();
        nodes.get(&node)?.index.filter(|had| *had >= index)
    }
}

/// Opens a stream to `to` that carries `input`, and gives the answers in order.
pub(super) fn pipeline<S>(
    mut client: RaftClient<Wire>,
    from: u64,
    to: Address,
    acknowledged: Acknowledged,
    input: S,
) -> BoxStream<'static, Answer>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
{
    let (requests, body) = mpsc::channel(WINDOW_REQUESTS);
    let call = async move {
        client
            .append(ReceiverStream::new(body))
            .await
            .map(Response::into_inner)
    };
    let session = Session {
        from,
        to,
        acknowledged,
        input: Some(input),
        parts: VecDeque::new(),
        requests: Some(requests),
        replies: Box::pin(call.try_flatten_stream()),
        in_flight: VecDeque::new(),
        has_begun: false,
        ended: false,
    };
    Box::pin(stream::unfold(session, |mut session| async move {
        session.next().await.map(|answer| (answer, session))
    }))
}

struct Session<S> {
    from: u64,
    to: Address,
    acknowledged: Acknowledged,
    /// What is still to be asked for; none once it has ended.
    input: Option<S>,
    /// Parts of one append that are cut and not yet sent.
    parts: VecDeque<peer::AppendRequest>,
    /// The body of the call; none once it is closed.
    requests: Option<mpsc::Sender<peer::AppendRequest>>,
    replies: BoxStream<'static, Result<peer::AppendReply, Status>>,
    /// Size of each request without a reply, and when it was sent.
    in_flight: VecDeque<(usize, Instant)>,
    /// Something was sent. Before that the call is not made: a node that is down would refuse it at once, and openraft, which pauses
    /// before it hands over a request and nowhere else, would open stream after stream without a pause.
    has_begun: bool,
    ended: bool,
}

impl<S: Stream<Item = AppendEntriesRequest<Types>> + Unpin> Session<S> {
    async fn next(&mut self) -> Option<Answer> {
        if self.ended {
            return None;
        }
        loop {
            self.send_parts();
            if self.input.is_none() && self.parts.is_empty() {
                self.requests = None;
                if self.in_flight.is_empty() {
                    return None;
                }
            }
            let wants_more = self.parts.is_empty() && self.requests.is_some() && self.has_room();
            let oldest = self.in_flight.front().map(|(_, sent)| *sent);
            tokio::select! {
                biased;
                reply = self.replies.next(), if self.has_begun => {
                    let answer = self.answer(reply);
                    self.ended = !matches!(answer, Ok(Ok(_)));
                    return Some(answer);
                }
                request = next_of(&mut self.input), if wants_more => match request {
                    Some(request) => {
                        self.acknowledged.begin(self.to.node, request.vote.leader_id.term);
                        self.parts = cut(&self.to, request);
                    }
                    None => self.input = None,
                },
                () = until_out_of_patience(oldest), if oldest.is_some() => {
                    self.ended = true;
                    return Some(Err(self.timeout()));
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() < WINDOW_REQUESTS
            && self.in_flight.iter().map(|(bytes, _)| bytes).sum::<usize>() < WINDOW_BYTES
    }

    fn send_parts(&mut self) {
        while self.has_room() {
            let (Some(requests), Some(part)) = (&self.requests, self.parts.pop_front()) else {
                return;
            };
            let bytes = part.entries.iter().map(bytes::Bytes::len).sum();
            match requests.try_send(part) {
                Ok(()) => {
                    self.in_flight.push_back((bytes, Instant::now()));
                    self.has_begun = true;
                }
                // The call has ended; its replies say why.
                Err(_) => self.requests = None,
            }
        }
    }

    fn answer(&mut self, reply: Option<Result<peer::AppendReply, Status>>) -> Answer {
        let reply = reply
            .unwrap_or_else(|| Err(Status::aborted("the follower ended the append stream")))
            .map_err(|status| rpc_error(&status))?;
        if self.in_flight.pop_front().is_none() {
            return Err(rpc_error(&Status::internal(
                "the follower answered what it was not asked",
            )));
        }
        match reply.result {
            Some(append_reply::Result::Matched(matched)) => {
                let index = matched.log_id.map(|id| id.index);
                self.acknowledged.note(self.to.node, index);
                Ok(Ok(matched.log_id.map(to_log_id)))
            }
            Some(append_reply::Result::Conflict(id)) => {
                if let Some(had) = self.acknowledged.beyond(self.to.node, id.index) {
                    return Err(self.lost(had, id.index));
                }
                Ok(Err(StreamAppendError::Conflict(to_log_id(id))))
            }
            Some(append_reply::Result::HigherVote(vote)) => {
                Ok(Err(StreamAppendError::HigherVote(to_vote(vote))))
            }
            None => Err(rpc_error(&Status::internal(
                "the follower's answer says nothing",
            ))),
        }
    }

    /// openraft takes a log that goes back for a bug of its own, and stops. It is the follower that must not go on.
    fn lost(&self, had: u64, lacks: u64) -> RpcError {
        let node = self.to.node;
        tracing::error!(
            node,
            had,
            lacks,
            "this node lost entries that it had acknowledged, and gets no more; set its data directory aside and let it join under a new id"
        );
        rpc_error(&Status::failed_precondition(format!(
            "node {node} acknowledged entries up to {had}, and now lacks {lacks}"
        )))
    }

    fn timeout(&self) -> RpcError {
        RpcError::Timeout(Timeout {
            action: RPCTypes::AppendEntries,
            id: self.from,
            target: self.to.node,
            timeout: REPLY_PATIENCE,
        })
    }
}

async fn next_of<S: Stream + Unpin>(input: &mut Option<S>) -> Option<S::Item> {
    match input {
        Some(input) => input.next().await,
        None => std::future::pending().await,
    }
}

async fn until_out_of_patience(oldest: Option<Instant>) {
    match oldest {
        Some(sent) => sleep_until(sent + REPLY_PATIENCE).await,
        None => std::future::pending().await,
    }
}

/// The append as messages of up to [`APPEND_BYTES`] each; an entry that is bigger has one to itself.
fn cut(to: &Address, request: AppendEntriesRequest<Types>) -> VecDeque<peer::AppendRequest> {
    let message = |prev: Option<LogIdOf<Types>>| peer::AppendRequest {
        vote: Some(from_vote(request.vote)),
        prev: prev.map(from_log_id),
        committed: request.leader_commit.map(from_log_id),
        entries: Vec::new(),
        cluster_id: to.cluster.clone(),
        target: to.node,
    };
    let mut parts = VecDeque::new();
    let mut part = message(request.prev_log_id);
    let mut bytes = 0;
    let mut last = request.prev_log_id;
    for entry in &request.entries {
        let encoded = encode_entry(entry);
        if !part.entries.is_empty() && bytes + encoded.len() > APPEND_BYTES {
            parts.push_back(std::mem::replace(&mut part, message(last)));
            bytes = 0;
        }
        bytes += encoded.len();
        part.entries.push(encoded);
        last = Some(entry.log_id);
    }
    parts.push_back(part);
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use openraft::entry::RaftEntry;

    use super::super::super::convert::decode_entry;
    use super::super::super::types::{Command, Entry, LogId, Payload, Vote};
    use super::*;

    fn entry(index: u64, bytes: usize) -> Entry {
        Entry::new(
            LogId::new_term_index(1, index),
            Payload::Normal(Command(Bytes::from(vec![7; bytes]))),
        )
    }

    #[test]
    fn a_big_append_is_cut_into_parts_that_follow_each_other() {
        let to = Address {
            cluster: "c".to_owned(),
            node: 2,
        };
        let entries: Vec<_> = (5..12)
            .map(|index| entry(index, APPEND_BYTES / 2 - 100))
            .collect();
        let request = AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: Some(LogId::new_term_index(1, 4)),
            entries: entries.clone(),
            leader_commit: None,
        };
        let parts = cut(&to, request);
        assert_eq!(
            parts
                .iter()
                .map(|part| part.entries.len())
                .collect::<Vec<_>>(),
            [2, 2, 2, 1]
        );
        let mut prev = 4;
        for part in &parts {
            assert_eq!(part.prev.as_ref().unwrap().index, prev);
            prev += part.entries.len() as u64;
        }
        let back: Vec<_> = parts
            .into_iter()
            .flat_map(|part| part.entries)
            .map(|bytes| decode_entry(bytes).unwrap())
            .collect();
        assert_eq!(back, entries);
    }

    #[test]
    fn a_log_that_goes_back_within_a_term_is_noticed() {
        let acknowledged = Acknowledged::default();
        acknowledged.begin(2, 7);
        assert_eq!(acknowledged.beyond(2, 0), None);
        acknowledged.note(2, Some(10));
        acknowledged.note(2, Some(9));
        assert_eq!(acknowledged.beyond(2, 11), None, "it never had that");
        assert_eq!(acknowledged.beyond(2, 10), Some(10));
        assert_eq!(acknowledged.beyond(3, 1), None);
        // A leader of a later term may find less: what was not committed is cut off.
        acknowledged.begin(2, 8);
        assert_eq!(acknowledged.beyond(2, 10), None);
    }

    #[test]
    fn an_append_without_entries_is_still_one_message() {
        let to = Address {
            cluster: "c".to_owned(),
            node: 2,
        };
        let request = AppendEntriesRequest {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: vec![],
            leader_commit: None,
        };
        assert_eq!(cut(&to, request).len(), 1);
    }
}
