//! Raft's log on this node's disk. Appends are readable at once and durable once the writer has flushed them; what the disk
//! must not lose is guarded (`guard`), and where it lies is the engine's affair (`engine`).

mod error;
mod open;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, stream};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::{Mutex, RwLock};
use quorate_bugs::{Bug, is_seeded};
use quorate_proto::peer;
use tokio::sync::{mpsc, watch};

use super::convert::{decode_entry, from_log_id, from_vote, to_log_id};
use super::disk::Disk;
use super::engine::LogEngine;
use super::types::{Entry, LogId, NodeId, Types, Vote};

pub use error::StoreError;
pub(crate) use open::{StoreConfig, open};
use view::{View, size_of_entry};
use writer::{GROUP_BYTES, GROUP_ENTRIES, Op, Request, ToIo};

/// What one read takes from the log at most, so that a peer message stays small and applying streams instead of loading.
const READ_BYTES: usize = 1 << 20;

/// Who this data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreIdentity {
    /// The cluster.
    pub(crate) cluster_id: String,
    /// The node.
    pub(crate) node: NodeId,
    /// Drawn when the directory was created; another one under the same node id means that the disk was lost.
    pub(crate) store_id: String,
    /// Whether the node had taken part in its cluster when the store was opened.
    pub(crate) initialized: bool,
}

/// Raft's log, vote and snapshot catalogue. Clones are the same store.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    fatal: watch::Receiver<Option<Arc<StoreError>>>,
    identity: Arc<StoreIdentity>,
}

/// What the handles and the writer share.
struct Shared {
    view: Mutex<View>,
    /// `None` once the store has stopped, so that the files are closed however many handles remain.
    engine: RwLock<Option<Arc<dyn LogEngine>>>,
    disk: Disk,
}

impl Shared {
    fn close_engine(&self) {
        *self.engine.write() = None;
    }

    /// Reads records `from..to` as entries, up to about `bytes`.
    fn read_disk(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<Entry>> {
        let engine = self.engine.read().clone();
        let engine = engine.ok_or_else(|| Arc::new(StoreError::Stopped).to_io())?;
        let records = engine.read(from, to - 1, bytes)?.into_iter();
        records
            .map(|record| decode_entry(record.data).map_err(io::Error::other))
            .collect()
    }
}

impl LogStore {
    /// Whose data this is.
    pub(crate) fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    /// Becomes `Some` when the disk failed. The node must stop then.
    pub(crate) fn fatal(&self) -> watch::Receiver<Option<Arc<StoreError>>> {
        self.fatal.clone()
    }

    /// The end of the log on disk.
    pub(crate) fn end(&self) -> Option<LogId> {
        self.shared.view.lock().kept
    }

    /// What this disk holds for certain now.
    pub(crate) fn promised(&self) -> peer::Promised {
        let view = self.shared.view.lock();
        peer::Promised {
            store_id: self.identity.store_id.clone(),
            vote: view.vote.map(from_vote),
            held: view.held().map(from_log_id),
        }
    }

    /// Notes for good that this node has taken part in its cluster: from now on an empty log means a lost disk.
    ///
    /// # Errors
    /// If the disk fails or the store has stopped.
    pub(crate) async fn mark_initialized(&self) -> io::Result<()> {
        self.write(Op::Initialized).await
    }

    /// A named small value, as it was last written.
    pub(crate) fn catalogue_get(&self, name: &str) -> Option<Bytes> {
        self.shared.view.lock().catalogue.get(name).cloned()
    }

    /// Writes (or, with `None`, removes) a named small value; durable when this returns.
    ///
    /// # Errors
    /// If the disk fails or the store has stopped.
    pub(crate) async fn catalogue_put(&self, name: &str, value: Option<Bytes>) -> io::Result<()> {
        self.write(Op::Catalogue {
            name: name.to_owned(),
            value: value.clone(),
        })
        .await?;
        let mut view = self.shared.view.lock();
        match value {
            Some(value) => view.catalogue.insert(name.to_owned(), value),
            None => view.catalogue.remove(name),
        };
        Ok(())
    }

    /// Makes everything durable that was asked for, closes the files and frees the data directory.
    ///
    /// # Errors
    /// If the disk fails or the store has already stopped.
    pub(crate) async fn stop(&self) -> io::Result<()> {
        self.write(Op::Stop).await
    }

    /// Hands a change to the writer and waits until it is durable.
    async fn write(&self, op: Op) -> io::Result<()> {
        let (done, durable) = Types::oneshot();
        self.send(op, IOFlushed::signal(done)).await?;
        durable.await.unwrap_or_else(|_| Err(self.why_stopped()))
    }

    async fn send(&self, op: Op, waiter: IOFlushed<Types>) -> io::Result<()> {
        self.requests
            .send(Request { op, waiter })
            .await
            .map_err(|_| self.why_stopped())
    }

    fn why_stopped(&self) -> io::Error {
        self.fatal
            .borrow()
            .clone()
            .unwrap_or_else(|| Arc::new(StoreError::Stopped))
            .to_io()
    }

    /// The entries of `from..to` that the log contains, up to about `bytes`, at least one if there is any.
    async fn entries(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<Entry>> {
        loop {
            let located = self.shared.view.lock().locate(from, to, bytes);
            let Some((first, end)) = located.on_disk else {
                return Ok(located.cached);
            };
            let shared = Arc::clone(&self.shared);
            let disk = &self.shared.disk;
            let read = disk.aside(move || shared.read_disk(first, end, bytes));
            let read = read.await?;
            // A truncation or purge meanwhile may have taken away what was looked for, or changed what follows it.
            if self.shared.view.lock().cuts() == located.cuts {
                let mut entries = read?;
                entries.extend(located.cached);
                return Ok(entries);
            }
        }
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        self.entries(from, to, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.entries(start, end, READ_BYTES).await
    }

    /// Reads ahead by one bounded block, so that applying a long log needs little memory.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, to) = bounds(&range);
        let store = self.clone();
        let blocks = stream::try_unfold(from, move |from| {
            let store = store.clone();
            async move {
                let entries = store.entries(from, to, READ_BYTES).await?;
                let next = entries.last().map(|last| last.log_id.index + 1);
                Ok::<_, io::Error>(
                    next.map(|next| (stream::iter(entries.into_iter().map(Ok)), next)),
                )
            }
        });
        Box::pin(futures::TryStreamExt::try_flatten(blocks))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.view.lock().vote)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let view = self.shared.view.lock();
        Ok(LogState {
            last_purged_log_id: view.purged,
            last_log_id: view.last(),
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        if !is_seeded(Bug::VoteNotKept) {
            self.write(Op::Vote(*vote)).await?;
        }
        self.shared.view.lock().vote = Some(*vote);
        Ok(())
    }

    /// Goes to disk with the next change. It never causes a write of its own: after a crash the leader tells it again.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let mut view = self.shared.view.lock();
        view.committed = committed;
        view.committed_is_new = true;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.shared.view.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut groups = groups_of(entries.into_iter().collect());
        let last = groups.pop();
        for entries in groups {
            let number = self.shared.view.lock().append(&entries);
            self.send(Op::Append { entries, number }, IOFlushed::noop())
                .await?;
        }
        // The last group is durable only after all the others.
        let entries = last.unwrap_or_default();
        let number = self.shared.view.lock().append(&entries);
        self.send(Op::Append { entries, number }, callback).await
    }

    async fn truncate_after(&mut self, keep: Option<LogId>) -> io::Result<()> {
        let from = self.shared.view.lock().truncate_after(keep);
        self.send(Op::Truncate { from, keep }, IOFlushed::noop())
            .await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.shared.view.lock().purge(upto);
        self.send(Op::Purge(upto), IOFlushed::noop()).await
    }
}

/// Splits entries so that each part fits a flush.
fn groups_of(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut groups: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += size_of_entry(&entry);
        match groups.last_mut() {
            Some(group) if bytes <= GROUP_BYTES && group.len() < GROUP_ENTRIES => group.push(entry),
            _ => {
                bytes = size_of_entry(&entry);
                groups.push(vec![entry]);
            }
        }
    }
    groups
}

/// A range of indexes as `from..to`.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

/// The vote to go on with: the newer of the two. The log's can be one behind after a crash, the guard's if the file was
/// restored.
fn newer_vote(guard: Option<Vote>, log: Option<Vote>) -> Option<Vote> {
    let age = |vote: &Vote| (vote.leader_id.term, vote.committed);
    match (guard, log) {
        (Some(guard), Some(log)) if age(&log) > age(&guard) => Some(log),
        (Some(guard), _) => Some(guard),
        (None, log) => log,
    }
}
