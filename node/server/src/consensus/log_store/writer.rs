//! The one who writes: a thread of its own, or a task where there are no threads. It takes everything that waits, folds it into one batch, makes that durable with one flush, and
//! then tells all who waited. Batches form by themselves while the previous flush runs.

use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::IOFlushed;
use quorate_bugs::{Bug, is_seeded};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::super::convert::{encode_entry, from_log_id, from_vote};
use super::super::disk::Disk;
use super::super::engine::{Batch, EngineError, Footprint, LogEngine, Record, guarded};
use super::super::guard::Guard;
use super::super::types::{Entry, LogId, Types, Vote};
use super::view::size_of_entry;
use super::{Shared, StoreError};
use crate::files::Lock;

/// A flush carries at most this much, so that the first who waits does not wait for a stream of others.
pub(super) const GROUP_BYTES: usize = 4 << 20;
/// As `GROUP_BYTES`, for small entries.
pub(super) const GROUP_ENTRIES: usize = 4096;
/// Group commits between two syncs of how far the log has come. A lost tail shorter than this may go unnoticed after a power cut.
const HIGH_WATER_EVERY: u32 = 64;
/// Group commits between two measurements of the disk space.
const MEASURE_EVERY: u32 = 1024;

/// Told when its change is durable, or never will be.
pub(super) type Waiter = IOFlushed<Types>;

/// A change that waits for the writer.
pub(super) enum Op {
    Append { entries: Vec<Entry>, number: u64 },
    Vote(Vote),
    Truncate { from: u64, keep: Option<LogId> },
    Purge(LogId),
    Catalogue { name: String, value: Option<Bytes> },
    Initialized,
    Stop,
}

/// A change and who waits for it.
pub(super) struct Request {
    pub(super) op: Op,
    pub(super) waiter: Waiter,
}

/// Everything the writer owns; gone when it ends, and with it the directory's lock.
pub(super) struct Writer {
    pub(super) engine: Arc<dyn LogEngine>,
    pub(super) guard: Guard,
    pub(super) shared: Arc<Shared>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) fatal: watch::Sender<Option<Arc<StoreError>>>,
    pub(super) last: Option<LogId>,
    pub(super) disk: Disk,
    pub(super) lock: Box<dyn Lock>,
}

/// What one flush makes durable.
#[derive(Default)]
struct Group {
    batch: Batch,
    vote: Option<Vote>,
    initialized: bool,
    stop: bool,
    last: Option<LogId>,
    number: u64,
    bytes: usize,
    waiters: Vec<Waiter>,
}

impl Writer {
    /// Serves until it is told to stop or nobody is left to tell it; then leaves everything durable and lets go.
    pub(super) async fn run(mut self) {
        let mut carried = None;
        let mut commits: u32 = 0;
        let mut rest = loop {
            let Some(mut group) = self.collect(&mut carried).await else {
                break Group {
                    last: self.last,
                    ..Group::default()
                };
            };
            if group.stop {
                break group;
            }
            commits = commits.wrapping_add(1);
            let lowered = group.batch.truncate_from.is_some();
            let written = self.write(&mut group);
            self.disk.settle().await;
            let is_written = written.is_ok();
            self.answer(written, group);
            let is_fine = is_written
                && self
                    .after(commits, lowered)
                    .map_err(|error| self.fail(error))
                    .is_ok();
            if !is_fine {
                return self.refuse_all(carried).await;
            }
        };
        let waiters = std::mem::take(&mut rest.waiters);
        let result = self.write(&mut rest).and_then(|()| self.sync_high_water());
        self.disk.settle().await;
        self.close(result, waiters);
    }

    /// Waits for a change and takes what else is there, up to the limits of a group.
    async fn collect(&mut self, carried: &mut Option<Request>) -> Option<Group> {
        let first = match carried.take() {
            Some(carried) => carried,
            None => self.requests.recv().await?,
        };
        let mut group = Group {
            last: self.last,
            ..Group::default()
        };
        group.add(first);
        while !group.stop
            && let Ok(request) = self.requests.try_recv()
        {
            if !group.has_room_for(&request) {
                *carried = Some(request);
                break;
            }
            group.add(request);
        }
        Some(group)
    }

    /// Makes the group durable: promises first, then the log, then what is known of it.
    fn write(&mut self, group: &mut Group) -> Result<(), StoreError> {
        self.take_committed(group);
        if let Some(vote) = group.vote {
            self.guard
                .update(|promises| promises.vote = Some(from_vote(vote)))?;
        }
        let lowers = |from: u64| {
            self.guard
                .promises()
                .high_water
                .is_some_and(|mark| mark.index >= from)
        };
        if group.batch.truncate_from.is_some_and(lowers) {
            self.guard.update(|promises| promises.high_water = None)?;
        }
        if group.batch != Batch::default() {
            let begun = Instant::now();
            let committed = guarded(|| self.engine.commit(&group.batch));
            if !is_seeded(Bug::FailedFlushAcknowledged) {
                committed.map_err(|source| StoreError::Write { source })?;
            }
            metrics::histogram!("quorate_log_flush_seconds").record(begun.elapsed().as_secs_f64());
            metrics::histogram!("quorate_log_flush_entries")
                .record(group.batch.records.len() as f64);
        }
        self.last = group.last;
        self.shared.view.lock().kept = group.last;
        if group.vote.is_some() || group.initialized {
            let (vote, initialized) = (group.vote.map(from_vote), group.initialized);
            self.guard.update(|promises| {
                promises.confirmed_vote = vote.or(promises.confirmed_vote);
                promises.initialized |= initialized;
            })?;
        }
        Ok(())
    }

    /// Adds the commit position if it lies within what will be on disk.
    fn take_committed(&self, group: &mut Group) {
        let mut view = self.shared.view.lock();
        if view.committed_is_new
            && view.committed.map(|id| id.index) <= group.last.map(|id| id.index)
        {
            group.batch.committed = view.committed.map(from_log_id);
            view.committed_is_new = false;
        }
    }

    fn answer(&self, result: Result<(), StoreError>, group: Group) {
        match result {
            Ok(()) => {
                self.shared.view.lock().durable(group.number);
                group
                    .waiters
                    .into_iter()
                    .for_each(|waiter| waiter.io_completed(Ok(())));
            }
            Err(error) => {
                let error = self.fail(error);
                group
                    .waiters
                    .into_iter()
                    .for_each(|waiter| waiter.io_completed(Err(error.to_io())));
            }
        }
    }

    /// Notes how far the log has come; syncs the note every so many commits, and at once when a truncation has lowered it.
    fn after(&mut self, commits: u32, lowered: bool) -> Result<(), StoreError> {
        let last = self.last.map(from_log_id);
        if lowered || commits.is_multiple_of(HIGH_WATER_EVERY) {
            self.sync_high_water()?;
        } else if self.guard.promises().high_water != last {
            self.guard.note(|promises| promises.high_water = last)?;
        }
        if commits % MEASURE_EVERY == 1 {
            self.measure();
        }
        Ok(())
    }

    /// Shows what the log occupies. Not knowing it is no reason to stop.
    fn measure(&self) {
        match self.engine.footprint() {
            Ok(Footprint { bytes, blob_files }) => {
                metrics::gauge!("quorate_log_disk_bytes").set(bytes as f64);
                metrics::gauge!("quorate_log_blob_files").set(blob_files as f64);
                if blob_files > 0 {
                    tracing::error!(
                        blob_files,
                        "sled keeps files that it never syncs; a power cut may lose this log"
                    );
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot measure the log"
            ),
        }
    }

    fn sync_high_water(&mut self) -> Result<(), StoreError> {
        let last = self.last.map(from_log_id);
        if self.guard.promises().high_water == last && self.guard.is_synced() {
            return Ok(());
        }
        self.guard.update(|promises| promises.high_water = last)
    }

    /// Makes a failure known to the node, which has to stop.
    fn fail(&self, error: StoreError) -> Arc<StoreError> {
        let error = Arc::new(error);
        tracing::error!(
            error = &*error as &dyn std::error::Error,
            "the log cannot be written any more; this node has to stop"
        );
        self.fatal.send_replace(Some(Arc::clone(&error)));
        error
    }

    /// After a failure: nothing is written any more, and nobody waits in vain.
    async fn refuse_all(mut self, carried: Option<Request>) {
        let error = self
            .fatal
            .borrow()
            .clone()
            .unwrap_or_else(|| Arc::new(StoreError::Stopped));
        self.shared.close_engine();
        let mut next = carried;
        if next.is_none() {
            next = self.requests.recv().await;
        }
        while let Some(request) = next {
            request.waiter.io_completed(Err(error.to_io()));
            next = self.requests.recv().await;
        }
    }

    fn close(self, result: Result<(), StoreError>, waiters: Vec<Waiter>) {
        let result = result.map_err(|error| self.fail(error));
        self.shared.close_engine();
        let Writer {
            engine,
            guard,
            lock,
            mut requests,
            ..
        } = self;
        drop((engine, guard));
        drop(lock);
        for waiter in waiters {
            waiter.io_completed(match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(error.to_io()),
            });
        }
        requests.close();
        while let Ok(request) = requests.try_recv() {
            request
                .waiter
                .io_completed(Err(Arc::new(StoreError::Stopped).to_io()));
        }
    }
}

impl Group {
    fn has_room_for(&self, request: &Request) -> bool {
        match &request.op {
            Op::Append { entries, .. } => {
                self.bytes + entries.iter().map(size_of_entry).sum::<usize>() <= GROUP_BYTES
                    && self.batch.records.len() + entries.len() <= GROUP_ENTRIES
            }
            Op::Vote(_)
            | Op::Truncate { .. }
            | Op::Purge(_)
            | Op::Catalogue { .. }
            | Op::Initialized
            | Op::Stop => true,
        }
    }

    fn add(&mut self, request: Request) {
        match request.op {
            Op::Append { entries, number } => {
                self.bytes += entries.iter().map(size_of_entry).sum::<usize>();
                self.number = number;
                self.last = entries.last().map(|entry| entry.log_id).or(self.last);
                self.batch.append(entries.iter().map(record_of));
            }
            Op::Vote(vote) => {
                self.vote = Some(vote);
                self.batch.vote = Some(from_vote(vote));
            }
            Op::Truncate { from, keep } => {
                self.batch.truncate(from);
                if self.last.is_some_and(|last| last.index >= from) {
                    self.last = keep;
                }
            }
            Op::Purge(upto) => {
                self.batch.purge(from_log_id(upto));
                if self.last.is_none_or(|last| last.index < upto.index) {
                    self.last = Some(upto);
                }
            }
            Op::Catalogue { name, value } => self.batch.catalogue(name, value),
            Op::Initialized => self.initialized = true,
            Op::Stop => self.stop = true,
        }
        self.waiters.push(request.waiter);
    }
}

/// The entry as an engine keeps it.
fn record_of(entry: &Entry) -> Record {
    let id = from_log_id(entry.log_id);
    Record {
        term: id.term,
        leader: id.node,
        index: id.index,
        data: encode_entry(entry),
    }
}

/// Errors that many wait for.
pub(super) trait ToIo {
    fn to_io(&self) -> std::io::Error;
}

impl ToIo for Arc<StoreError> {
    fn to_io(&self) -> std::io::Error {
        std::io::Error::other(Arc::clone(self))
    }
}

impl From<EngineError> for std::io::Error {
    fn from(error: EngineError) -> Self {
        std::io::Error::other(error)
    }
}
