//! Proposals made on this node: admitted up to a limit, and grouped into entries while earlier entries are on their way.
//!
//! An entry costs every node a message, a share of a flush and a wake-up, whatever is in it; a command in it costs little. So what arrives while
//! the window of entries is full goes into the next entry together, without any timer: alone when it is quiet, many at once under load.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use quorate_core::{Entry, Millis, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::machine::Machine;
use super::membership::Member;
use super::types::{Command, Types};
use crate::clock::Clock;

/// Items that may wait or be on their way. Beyond that a caller is told so at once, instead of waiting for what comes too late.
const ADMITTED_ITEMS: usize = 4096;
/// The same in bytes: what proposals may hold of this node's memory.
const ADMITTED_BYTES: usize = 32 << 20;
/// Items of one entry: bounds the time that applying it takes from readers.
const ENTRY_ITEMS: usize = 256;
/// Bytes of items of one entry: fits a chunk of the log on disk.
const ENTRY_BYTES: usize = 64 << 10;
/// Bytes that the items of one proposal may have; they go into one entry, and an entry into one message.
const PROPOSAL_BYTES: usize = 768 << 10;
/// Entries on their way at once: one being flushed and replicated while the next is made. More would only make entries smaller.
const ENTRIES_IN_FLIGHT: usize = 2;

/// What a proposal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The entry that carried it.
    pub index: u64,
    /// One for each item, in order.
    pub outcomes: Vec<Outcome>,
}

/// Why a proposal has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Nothing was proposed: this node does not lead.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, as far as is known here.
        leader: Option<Member>,
    },
    /// The outcome is unknown: it did not come in time, or leadership was lost or this node stopped while the entry was on its way. Try again
    /// with the same request ids.
    #[error("no outcome in time; it may have been carried out or not")]
    Timeout,
    /// Nothing was proposed: this node's consensus has stopped.
    #[error("this node has stopped")]
    Stopped,
    /// Nothing was proposed: as much is on its way as this node takes.
    #[error("too much is being written; try again later")]
    Overloaded,
    /// Nothing was proposed: the items do not fit one entry.
    #[error("{bytes} bytes are too many for one proposal; {limit} fit")]
    TooLarge {
        /// What the items have.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
}

type Answer = Result<Proposed, ProposeError>;
type Raft = openraft::Raft<Types, Machine>;

struct Proposal {
    items: Vec<Bytes>,
    bytes: usize,
    answer: oneshot::Sender<Answer>,
    admitted: [OwnedSemaphorePermit; 2],
}

/// The way in for proposals. Clones share the limits.
#[derive(Clone)]
pub(super) struct Proposer {
    queue: mpsc::Sender<Proposal>,
    items: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Makes the way in, and the work behind it, which runs until `stop`.
pub(super) fn proposer(
    raft: Raft,
    clock: Clock,
    stop: CancellationToken,
) -> (Proposer, impl Future<Output = ()>) {
    let (queue, waiting) = mpsc::channel(ADMITTED_ITEMS);
    let items = Arc::new(Semaphore::new(ADMITTED_ITEMS));
    let bytes = Arc::new(Semaphore::new(ADMITTED_BYTES));
    let desk = Desk {
        raft,
        clock,
        waiting,
        next: None,
    };
    (
        Proposer {
            queue,
            items,
            bytes,
        },
        desk.run(stop),
    )
}

impl Proposer {
    /// Proposes encoded `items`, all in one entry, and waits for what they come to.
    pub(super) async fn propose(&self, items: Vec<Bytes>, deadline: Instant) -> Answer {
        if deadline <= Instant::now() {
            // Nobody waits for it any more: it is not made at all.
            return Err(ProposeError::Timeout);
        }
        let bytes = items.iter().map(Bytes::len).sum();
        fits(bytes)?;
        let admitted = [admit(&self.items, items.len())?, admit(&self.bytes, bytes)?];
        let (answer, answered) = oneshot::channel();
        let proposal = Proposal {
            items,
            bytes,
            answer,
            admitted,
        };
        self.queue.try_send(proposal).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ProposeError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopped,
        })?;
        // Who would have answered may be gone while the entry goes its way: then nobody here knows what came of it.
        match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(ProposeError::Timeout),
        }
    }

    /// Items that wait or are on their way.
    pub(super) fn pending(&self) -> usize {
        ADMITTED_ITEMS - self.items.available_permits()
    }
}

/// Refuses items that no entry could carry.
pub(super) fn fits(bytes: usize) -> Result<(), ProposeError> {
    if bytes > PROPOSAL_BYTES {
        Err(ProposeError::TooLarge {
            bytes,
            limit: PROPOSAL_BYTES,
        })
    } else {
        Ok(())
    }
}

fn admit(limit: &Arc<Semaphore>, amount: usize) -> Result<OwnedSemaphorePermit, ProposeError> {
    let amount = u32::try_from(amount).map_err(|_| ProposeError::Overloaded)?;
    Arc::clone(limit)
        .try_acquire_many_owned(amount)
        .map_err(|_| ProposeError::Overloaded)
}

/// Where proposals wait and are made into entries.
struct Desk {
    raft: Raft,
    clock: Clock,
    waiting: mpsc::Receiver<Proposal>,
    /// Taken from the queue, but too big for the entry before.
    next: Option<Proposal>,
}

impl Desk {
    async fn run(mut self, stop: CancellationToken) {
        let mut on_their_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = on_their_way.next() => {}
                Some(first) = self.take(), if on_their_way.len() < ENTRIES_IN_FLIGHT => {
                    let group = self.group(first);
                    if !group.is_empty() {
                        on_their_way.push(carry(self.raft.clone(), self.clock.wall(), group));
                    }
                }
            }
        }
    }

    async fn take(&mut self) -> Option<Proposal> {
        match self.next.take() {
            Some(proposal) => Some(proposal),
            None => self.waiting.recv().await,
        }
    }

    /// `first`, and what waits behind it, as far as one entry carries it. Nobody waits for what is given up already: it is left out.
    fn group(&mut self, first: Proposal) -> Vec<Proposal> {
        let (mut group, mut items, mut bytes) = (Vec::new(), 0, 0);
        let mut candidate = Some(first);
        while let Some(proposal) = candidate {
            if !proposal.answer.is_closed() {
                items += proposal.items.len();
                bytes += proposal.bytes;
                if !group.is_empty() && (items > ENTRY_ITEMS || bytes > ENTRY_BYTES) {
                    self.next = Some(proposal);
                    break;
                }
                group.push(proposal);
            }
            candidate = self.waiting.try_recv().ok();
        }
        group
    }
}

/// Carries a group through Raft as one entry, and gives each proposal its part of the answer.
async fn carry(raft: Raft, at: Millis, group: Vec<Proposal>) {
    let mut items = Vec::with_capacity(ENTRY_ITEMS);
    let mut waiting = Vec::with_capacity(group.len());
    for proposal in group {
        waiting.push((proposal.items.len(), proposal.answer, proposal.admitted));
        items.extend(proposal.items);
    }
    match raft
        .client_write(Command(Entry::encode_with(at, &items)))
        .await
    {
        Ok(written) => {
            let ClientWriteResponse { log_id, data, .. } = written;
            let mut outcomes = data.into_iter();
            for (count, answer, _) in waiting {
                let outcomes = outcomes.by_ref().take(count).collect();
                // A caller that gave up meanwhile does not hear it.
                let _ = answer.send(Ok(Proposed {
                    index: log_id.index(),
                    outcomes,
                }));
            }
        }
        Err(error) => {
            let error = why_not(error);
            metrics::counter!("quorate_proposals_failed_total").increment(items.len() as u64);
            for (_, answer, _) in waiting {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

fn why_not(error: RaftError<Types, ClientWriteError<Types>>) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            ProposeError::NotLeader {
                leader: forward
                    .leader_id
                    .zip(forward.leader_node)
                    .map(|(node, member)| Member::of(node, &member)),
            }
        }
        // A core that ends may have written the entry before.
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) | RaftError::Fatal(_) => {
            ProposeError::Timeout
        }
        RaftError::APIError(
            ClientWriteError::ChangeMembershipError(_) | ClientWriteError::PreconditionFailed(_),
        ) => {
            unreachable!("a plain write changes no membership and has no precondition")
        }
    }
}
