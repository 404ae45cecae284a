//! The state machine: holds the state in memory, is the only caller of `quorate_core::apply`, and shows everyone else what came of it.
//!
//! What is applied becomes visible in this order: the state, the index, the changes, the answers. So whoever has an answer, or waited for an
//! index, finds it in the state.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder, alias};
use quorate_core::{Change, Reply, State, apply};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::decisions::Decisions;
use super::disk::Disk;
use super::events::{Events, Told};
use super::heard::Contacts;
use super::log_store::LogStore;
use super::snapshot::{CATALOGUED, Kept, Moment, SnapshotError, Snapshots};
use super::types::{Entry, LogId, Payload, Response, SnapshotFile, StoredMembership, Types};

/// Entries applied between two publications: few enough that readers see a busy node move, enough that a catch-up does not publish at each.
const PUBLISH_AFTER: usize = 256;
/// Change sets a reader may fall behind before it has to start over from the state.
const CHANGES_KEPT: usize = 1024;

/// What one entry touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// The entry.
    pub index: u64,
    /// What it touched, in order.
    pub changes: Vec<Change>,
    /// The whole state came in a snapshot: anything may have changed, so start over from the state.
    pub replaced: bool,
}

/// Where readers look. Clones look at the same.
#[derive(Clone)]
pub(super) struct View {
    state: Arc<ArcSwap<State>>,
    decisions: Decisions,
    events: Events,
    applied: watch::Sender<u64>,
    changes: broadcast::Sender<Arc<ChangeSet>>,
}

impl View {
    fn of(state: &State, last: Option<LogId>) -> Self {
        let index = last.map_or(0, |id| id.index());
        Self {
            state: Arc::new(ArcSwap::from_pointee(state.clone())),
            decisions: Decisions::default(),
            events: Events::behind(index),
            applied: watch::Sender::new(index),
            changes: broadcast::Sender::new(CHANGES_KEPT),
        }
    }

    /// The state as last published.
    pub(super) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// What placed tasks lately.
    pub(super) fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// What entries told lately.
    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    /// The index up to which entries are in [`View::state`].
    pub(super) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// What entries touch, from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Arc<ChangeSet>> {
        self.changes.subscribe()
    }
}

/// What entries touched and told, until it is published.
#[derive(Default)]
struct News {
    touched: Vec<Arc<ChangeSet>>,
    told: Vec<Arc<Told>>,
}

/// The replicated state, and its place in the log.
pub(crate) struct Machine {
    state: State,
    moment: Moment,
    view: View,
    snapshots: Snapshots,
    log: LogStore,
    contacts: Contacts,
}

impl Machine {
    /// Opens the snapshots in `directory` on `disk`, and begins where the newest ends; with an empty state where there is none. `log` keeps the
    /// catalogue.
    pub(super) fn open(
        disk: Disk,
        directory: &Path,
        cluster: &str,
        log: LogStore,
    ) -> Result<Self, SnapshotError> {
        let (snapshots, state) = Snapshots::open(disk, directory, cluster)?;
        snapshots.expect(log.catalogue_get(CATALOGUED))?;
        let moment = snapshots.newest().map_or(
            Moment {
                last: None,
                membership: StoredMembership::default(),
            },
            |kept| kept.moment,
        );
        let state = state.unwrap_or_default();
        let view = View::of(&state, moment.last);
        Ok(Self {
            state,
            moment,
            view,
            snapshots,
            log,
            contacts: Contacts::default(),
        })
    }

    /// Where readers look.
    pub(super) fn view(&self) -> View {
        self.view.clone()
    }

    /// The snapshots of this node; the wire puts incoming ones there.
    pub(super) fn snapshots(&self) -> Snapshots {
        self.snapshots.clone()
    }

    /// Who was heard: where this node leads, a registration is a sign of life, and is known before the state shows it.
    pub(super) fn contacts(&self) -> Contacts {
        self.contacts.clone()
    }

    /// The last entry in the state.
    pub(super) fn last(&self) -> Option<LogId> {
        self.moment.last
    }

    fn take(&mut self, entry: Entry, news: &mut News) -> io::Result<Response> {
        let index = entry.log_id.index();
        let outcomes = match entry.payload {
            Payload::Blank => Response::new(),
            Payload::Membership(membership) => {
                self.moment.membership = StoredMembership::new(Some(entry.log_id), membership);
                Response::new()
            }
            Payload::Normal(command) => {
                let entry = quorate_core::Entry::decode(&command.0)
                    .map_err(|source| refuse(index, source))?;
                let before = Decisions::is_one(&entry).then(|| self.state.clone());
                let state = &mut self.state;
                // A broken invariant of core panics. The node stops on it with the index in its log, rather than lose its apply task in silence.
                let applied = catch_unwind(AssertUnwindSafe(|| apply(state, index, &entry)))
                    .map_err(|panic| refuse(index, panic_text(&*panic)))?;
                let registered = applied.outcomes.iter().filter_map(|outcome| match outcome {
                    Ok(Reply::Instance { id, .. }) => Some((*id, Duration::ZERO)),
                    Ok(_) | Err(_) => None,
                });
                self.contacts.take_in(registered, Instant::now());
                if let Some(before) = before {
                    self.view.decisions.keep(index, before, &command.0);
                }
                news.told.extend(Events::number(index, applied.events));
                news.touched.push(Arc::new(ChangeSet {
                    index,
                    changes: applied.changes,
                    replaced: false,
                }));
                applied.outcomes
            }
        };
        self.moment.last = Some(entry.log_id);
        Ok(outcomes)
    }

    /// Of the last entry in the state.
    fn index(&self) -> u64 {
        self.moment.last.map_or(0, |id| id.index())
    }

    fn publish(&self, touched: Vec<Arc<ChangeSet>>) {
        self.view.state.store(Arc::new(self.state.clone()));
        self.view.applied.send_replace(self.index());
        for set in touched {
            // Nobody may be listening, which is not an error.
            let _ = self.view.changes.send(set);
        }
    }

    fn take_all(&mut self, batch: Vec<EntryResponder<Types>>) -> io::Result<()> {
        let mut answers: Vec<(ApplyResponder<Types>, Response)> = Vec::new();
        let mut news = News::default();
        for (entry, responder) in batch {
            let outcomes = self.take(entry, &mut news)?;
            if let Some(responder) = responder {
                answers.push((responder, outcomes));
            }
        }
        // Told before it is published: who waited for these entries to be applied finds what they told.
        self.view.events.tell(news.told, self.index());
        self.publish(news.touched);
        for (responder, outcomes) in answers {
            responder.send(outcomes);
        }
        Ok(())
    }
}

/// The error that stops this node: going on without an entry would make it differ from the others for good.
fn refuse(index: u64, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    let cause = cause.into();
    tracing::error!(index, error = %cause, "this program cannot apply an entry of the log; the node stops");
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("apply panicked: {}", text.unwrap_or("no text"))
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.moment.last, self.moment.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(PUBLISH_AFTER);
        while let Some(batch) = batches.next().await {
            self.take_all(batch.into_iter().collect::<io::Result<_>>()?)?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            state: self.state.clone(),
            moment: self.moment.clone(),
            snapshots: self.snapshots.clone(),
            log: self.log.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &alias::SnapshotMetaOf<Types>,
        snapshot: SnapshotFile,
    ) -> io::Result<()> {
        let snapshots = self.snapshots.clone();
        let (kept, state) =
            blocking(&self.snapshots, move || snapshots.take_in(&snapshot.path)).await?;
        catalogue(&self.log, &self.snapshots).await?;
        self.state = state;
        self.moment = kept.moment;
        let index = self.index();
        self.view.events.skip_to(index);
        self.publish(vec![Arc::new(ChangeSet {
            index,
            changes: Vec::new(),
            replaced: true,
        })]);
        tracing::info!(index, bytes = kept.file.length, "snapshot installed");
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<alias::SnapshotOf<Types, SnapshotFile>>> {
        Ok(self.snapshots.newest().map(as_openraft))
    }
}

/// Writes the state of one moment, while the machine goes on.
pub(crate) struct Builder {
    state: State,
    moment: Moment,
    snapshots: Snapshots,
    log: LogStore,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<alias::SnapshotOf<Types, SnapshotFile>> {
        let (state, moment, snapshots) = (
            self.state.clone(),
            self.moment.clone(),
            self.snapshots.clone(),
        );
        let began = Instant::now();
        let kept = blocking(&self.snapshots, move || snapshots.write(&state, moment)).await?;
        catalogue(&self.log, &self.snapshots).await?;
        let took = began.elapsed();
        metrics::histogram!("quorate_snapshot_write_duration_seconds").record(took.as_secs_f64());
        metrics::gauge!("quorate_snapshot_bytes").set(kept.file.length as f64);
        tracing::info!(last = ?kept.moment.last, bytes = kept.file.length, ?took, "snapshot written");
        Ok(as_openraft(kept))
    }
}

/// Notes how far snapshots reach, before Raft may shorten the log for them.
async fn catalogue(log: &LogStore, snapshots: &Snapshots) -> io::Result<()> {
    log.catalogue_put(CATALOGUED, snapshots.entry()).await
}

/// Runs what waits for the disk of the snapshots without holding up Raft.
async fn blocking<T: Send + 'static>(
    snapshots: &Snapshots,
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> io::Result<T> {
    let done = snapshots.disk().aside(work).await?;
    done.map_err(io::Error::other)
}

fn as_openraft(kept: Kept) -> alias::SnapshotOf<Types, SnapshotFile> {
    let meta = openraft::SnapshotMeta {
        last_log_id: kept.moment.last,
        last_membership: kept.moment.membership,
    };
    openraft::Snapshot {
        meta,
        snapshot: kept.file,
    }
}
