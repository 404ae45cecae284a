//! The handle on this node's consensus, and what it holds.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use parking_lot::Mutex;
use quorate_core::ids::{InstanceId, NodeId, StoreId};
use quorate_core::{Heard, Item, State};
use quorate_proto::peer::raft_server::RaftServer;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Gate;
use super::barrier::{BarrierError, Barriers};
use super::config::ConsensusConfig;
use super::decisions::Decisions;
use super::events::Events;
use super::heard::Contacts;
use super::leadership::{Leadership, StopReason};
use super::log_store::LogStore;
use super::machine::{ChangeSet, Machine, View};
use super::membership::Member;
use super::proposals::{ProposeError, Proposed};
use super::snapshot::Snapshots;
use super::status::{Known, LEADER, Status};
use super::submit::Submitter;
use super::types::Types;
use super::wire::{Address, Channels, Lane, MESSAGE_BYTES, RaftService, Wire};
use super::witness::{Kept, Witness};
use crate::clock::Clock;

/// A leader that shuts down hands over first; the others would notice its absence by themselves, only later.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);

pub(super) type Raft = openraft::Raft<Types, Machine>;

/// This node's part in the cluster. Clones are the same part.
#[derive(Clone)]
pub struct Consensus {
    pub(super) shared: Arc<Shared>,
}

/// What the handle and the wire share.
pub(super) struct Shared {
    pub(super) config: ConsensusConfig,
    /// The cluster's time.
    pub(super) clock: Clock,
    pub(super) me: Member,
    /// This node and its cluster, as others must address it.
    pub(super) address: Address,
    pub(super) store_id: StoreId,
    pub(super) raft: Raft,
    pub(super) log: LogStore,
    pub(super) view: View,
    pub(super) snapshots: Snapshots,
    pub(super) channels: Arc<Channels>,
    pub(super) submitter: Submitter,
    pub(super) barriers: Barriers,
    pub(super) contacts: Contacts,
    pub(super) gate: Gate,
    pub(super) witness: Witness,
    /// What the disk held when this node started.
    pub(super) found: Kept,
    /// Who has answered whether this node may vote, and so may hear what it holds.
    pub(super) admitted_by: Mutex<BTreeSet<NodeId>>,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) stopped: watch::Sender<Option<StopReason>>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) threads: RaftThreads,
}

/// Where Raft runs: a runtime of its own, which ends with this value, or the caller's.
pub(super) struct RaftThreads {
    pub(super) handle: Handle,
    pub(super) own: Mutex<Option<Runtime>>,
}

impl Drop for RaftThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.own.get_mut().take() {
            // Dropping a runtime waits for it, which async code must not.
            runtime.shutdown_background();
        }
    }
}

impl Consensus {
    /// The service other nodes speak to; mount it on the peer listener.
    #[must_use]
    pub fn raft_service(&self) -> RaftServer<RaftService> {
        RaftServer::new(RaftService::new(Arc::clone(&self.shared)))
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    /// Where Raft runs. Serve the peer listener there, so that calls cannot hold up what elections depend on.
    #[must_use]
    pub fn runtime(&self) -> Handle {
        self.shared.threads.handle.clone()
    }

    /// The cluster's time as this node would go on with it: its wall clock, unless that is behind.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Does work that takes long where it holds up nobody.
    ///
    /// # Errors
    /// If the work panicked, or the runtime ended before it was begun.
    pub async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        self.shared.config.threads.aside(work).await
    }

    /// The state as applied here. Cheap, and never in the way of `apply`.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.shared.view.state()
    }

    /// What placed tasks lately, as this node applied it.
    pub(crate) fn decisions(&self) -> &Decisions {
        self.shared.view.decisions()
    }

    /// What entries told lately, as this node applied them.
    pub(crate) fn events(&self) -> &Events {
        self.shared.view.events()
    }

    /// The index up to which entries are in [`Consensus::state`].
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.shared.view.applied()
    }

    /// What entries touch, from now on. A reader that lags, or sees `replaced`, starts over from [`Consensus::state`].
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Arc<ChangeSet>> {
        self.shared.view.changes()
    }

    /// Who leads.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.clone()
    }

    /// Proposes `items`, all in one entry, if this node leads.
    ///
    /// # Errors
    /// [`ProposeError`] says which of its cases leave the outcome unknown.
    pub async fn propose(
        &self,
        items: Vec<Item>,
        deadline: Instant,
    ) -> Result<Proposed, ProposeError> {
        let items = items.iter().map(Item::encode).collect();
        self.shared.propose(items, deadline).await
    }

    /// Proposes `items` through whoever leads, again with the same request ids after a change of leader, until the deadline.
    ///
    /// # Errors
    /// As [`Consensus::propose`].
    pub async fn submit(
        &self,
        items: Vec<Item>,
        deadline: Instant,
    ) -> Result<Proposed, ProposeError> {
        self.shared.submitter.submit(items, deadline).await
    }

    /// Waits until all that was committed when the call began is in [`Consensus::state`]; gives the index of it.
    ///
    /// # Errors
    /// If no leader confirms in time, or this node does not catch up in time.
    pub async fn barrier(&self, deadline: Instant) -> Result<u64, BarrierError> {
        self.shared.barriers.pass(deadline).await
    }

    /// An agent connected to this node gave a sign of life. The leader knows within about a second.
    pub fn hear(&self, instance: &InstanceId) {
        self.shared.contacts.note(*instance, Instant::now());
    }

    /// On the leader: how long each instance has been silent. Elsewhere nothing, and no time in office.
    #[must_use]
    pub fn heard(&self) -> Heard {
        let now = self.shared.leadership.borrow().clone();
        if now.is_me {
            self.shared.contacts.heard(now.term, Instant::now())
        } else {
            Heard::default()
        }
    }

    /// How this node is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// A connection to another node, for what other rooms have to say to it. Nodes are connected here only.
    #[must_use]
    pub fn channel(&self, peer_address: &str) -> Wire {
        let _inside = self.shared.threads.handle.enter();
        self.shared.channels.to(peer_address, Lane::Calls)
    }

    /// Waits until consensus on this node is over, and says why. The program has to end then: it cannot serve any more.
    pub async fn stopped(&self) -> StopReason {
        let mut stopped = self.shared.stopped.subscribe();
        let reason = stopped
            .wait_for(Option::is_some)
            .await
            .map(|reason| reason.clone());
        reason.ok().flatten().unwrap_or(StopReason::Shutdown)
    }

    /// Leaves in order: hands leadership over, ends what runs, closes the log.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        let _ = timeout(HAND_OVER_PATIENCE, self.hand_over()).await;
        shared.stopped.send_if_modified(|reason| {
            reason.is_none() && reason.replace(StopReason::Shutdown).is_none()
        });
        shared.stop.cancel();
        shared.tasks.close();
        shared.tasks.wait().await;
        if let Err(error) = shared.raft.shutdown().await {
            tracing::warn!(%error, "raft did not end in order");
        }
        if let Err(error) = shared.log.stop().await {
            tracing::warn!(%error, "the log was not closed in order");
        }
        if let Some(runtime) = shared.threads.own.lock().take() {
            runtime.shutdown_background();
        }
    }

    /// Gives leadership to the follower whose log is longest, and waits until it has it.
    async fn hand_over(&self) {
        let shared = &self.shared;
        let (me, matched) = (shared.me.node, self.status().matched);
        let Some((next, _)) = matched
            .into_iter()
            .filter(|(node, _)| *node != me)
            .max_by_key(|(_, index)| *index)
        else {
            return;
        };
        if shared.raft.trigger().transfer_leader(next.0).await.is_ok() {
            let mut leadership = shared.leadership.clone();
            let _ = leadership.wait_for(|now| !now.is_me).await;
        }
    }
}

impl Shared {
    /// As [`Consensus::propose`], with the items encoded.
    pub(super) async fn propose(
        &self,
        items: Vec<Bytes>,
        deadline: Instant,
    ) -> Result<Proposed, ProposeError> {
        let now = self.leadership.borrow().clone();
        if !now.is_me {
            return Err(ProposeError::NotLeader { leader: now.leader });
        }
        self.submitter.proposer.propose(items, deadline).await
    }

    pub(super) fn status(&self) -> Status {
        let known = Known::of(&self.raft.metrics().borrow_watched());
        let applied_index = *self.view.applied().borrow();
        // What is reported follows what openraft says a moment later; who does not lead by either does not lead.
        let mut leadership = self.leadership.borrow().clone();
        leadership.is_me &= known.role == LEADER;
        Status {
            node: self.me.node,
            cluster_id: self.address.cluster.clone(),
            leadership,
            role: known.role,
            members: known.members,
            voters: known.voters,
            last_index: known.last_index,
            committed_index: known.committed_index,
            applied_index,
            snapshot_index: known.snapshot_index,
            matched: known.matched,
            proposals_pending: self.submitter.proposer.pending(),
            stopped: self.stopped.borrow().clone(),
        }
    }
}
