//! What the log store asks of a disk, and nothing more: commit a batch so that it survives a power cut, and read records back.
//! Two engines keep the promise: sled by the rules that make it safe (`sled_log`), and plain segment files (`segments`). Engines
//! are synchronous, know no Raft beyond term and index, and are written by one thread.

mod batch;
mod disk;
mod frame;
mod record;
mod runs;
mod segments;
mod sled_log;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use quorate_proto::peer;

use crate::files::Files;
pub(crate) use batch::{Batch, Record};

/// The largest command that may be proposed. It keeps one entry from stalling a group commit and fits a peer message.
pub(crate) const COMMAND_BYTES_MAX: usize = 1 << 20;
/// The largest record an engine takes: a command and what wraps it. Whoever proposes checks the command, so that meeting a larger
/// record is a bug and stops the node.
const RECORD_BYTES_MAX: usize = COMMAND_BYTES_MAX + 4096;

/// Keeps the log, the vote and the small catalogue on disk. One thread calls `commit`; any thread may `read`.
pub(crate) trait LogEngine: Send + Sync + 'static {
    /// Writes the batch, all of it or nothing, and returns once it would survive a power cut.
    ///
    /// # Errors
    /// Any error is final: what the disk holds is unknown, the engine must not be written again.
    fn commit(&self, batch: &Batch) -> Result<(), EngineError>;

    /// Records from `first` on, in order and without holes, up to `last` or until they exceed `bytes`; at least one.
    ///
    /// # Errors
    /// If a record in the range is absent or damaged.
    fn read(&self, first: u64, last: u64, bytes: usize) -> Result<Vec<Record>, EngineError>;

    /// What the engine occupies, for the metrics.
    ///
    /// # Errors
    /// If the directory cannot be read.
    fn footprint(&self) -> Result<Footprint, EngineError>;
}

/// What an engine found on its disk when it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Head {
    /// The last vote written.
    pub(crate) vote: Option<peer::Vote>,
    /// The last commit position written; entries beyond it may be committed as well.
    pub(crate) committed: Option<peer::LogId>,
    /// Everything up to here was given up in favour of a snapshot.
    pub(crate) purged: Option<peer::LogId>,
    /// Index of the first record that is there and not purged, if any is.
    pub(crate) first: Option<u64>,
    /// The last record that is there, if any is.
    pub(crate) last: Option<peer::LogId>,
    /// Small named values, such as which snapshot is current.
    pub(crate) catalogue: BTreeMap<String, Bytes>,
}

impl Head {
    /// Where the log ends: at its last record, or where it was purged.
    pub(crate) fn end(&self) -> Option<peer::LogId> {
        self.last.or(self.purged)
    }

    /// Whether nothing was ever written.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Head::default()
    }

    /// Sets where the records lie that an engine found, less those that were purged.
    fn locate(&mut self, first: Option<u64>, last: Option<peer::LogId>) -> Result<(), EngineError> {
        let begin = self.purged.map_or(0, |purged| purged.index + 1);
        self.last = last.filter(|last| last.index >= begin);
        self.first = self.last.and(first).map(|first| first.max(begin));
        // Only a log that was never purged may begin anywhere.
        match self.first {
            Some(first) if self.purged.is_some() && first > begin => Err(EngineError::damaged(
                format!("records {begin} to {} are absent", first - 1),
            )),
            _ => Ok(()),
        }
    }

    /// Takes over all of the batch but its records, whose place only the engine knows.
    fn absorb(&mut self, batch: &Batch) {
        self.vote = batch.vote.or(self.vote);
        self.committed = batch.committed.or(self.committed);
        self.purged = batch.purged.or(self.purged);
        for change in &batch.catalogue {
            match &change.value {
                Some(value) => self.catalogue.insert(change.name.clone(), value.clone()),
                None => self.catalogue.remove(&change.name),
            };
        }
    }
}

/// Disk space and files of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Bytes of all its files.
    pub(crate) bytes: u64,
    /// Files that sled keeps outside its log and never syncs. Must stay 0.
    pub(crate) blob_files: u64,
}

/// Why a disk did not do what it was asked. Never retried: see [`LogEngine::commit`].
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file operation failed.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// sled failed.
    #[error("{doing} in sled")]
    Sled {
        /// What was being done.
        doing: &'static str,
        /// What sled said.
        source: sled::Error,
    },
    /// The disk does not hold what was written to it.
    #[error("the log is damaged: {what}")]
    Damaged {
        /// What is wrong, and where.
        what: String,
    },
    /// A record was asked for that is not there.
    #[error("record {index} is not in the log")]
    Missing {
        /// Its index.
        index: u64,
    },
    /// A record is larger than an engine takes.
    #[error("record {index} of {bytes} bytes exceeds the limit of {RECORD_BYTES_MAX}")]
    TooLarge {
        /// Its index.
        index: u64,
        /// Its size.
        bytes: usize,
    },
    /// A record would leave a hole.
    #[error("record {index} does not follow the log, which ends before {next}")]
    Gap {
        /// Its index.
        index: u64,
        /// The index that is due.
        next: u64,
    },
    /// The library under the engine panicked.
    #[error("the log engine panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

impl EngineError {
    /// For `map_err` on file operations.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EngineError {
        move |source| EngineError::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    fn damaged(what: impl Into<String>) -> EngineError {
        EngineError::Damaged { what: what.into() }
    }
}

/// Which engine keeps a node's log. Chosen once for a data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// sled 0.34, by the rules written in `sled_log`.
    #[default]
    Sled,
    /// Append-only files of our own.
    Segments,
}

impl EngineKind {
    /// The word for it in settings and in the guard file.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Sled => "sled",
            EngineKind::Segments => "segments",
        }
    }

    /// Opens the engine's log in `dir`, checks every byte of it, and says what it holds. A library that panics on damage
    /// is an error here. sled keeps files of its own, not these.
    ///
    /// # Errors
    /// If the log cannot be read or is damaged.
    pub(crate) fn open(
        self,
        files: &Arc<dyn Files>,
        dir: &Path,
    ) -> Result<(Box<dyn LogEngine>, Head), EngineError> {
        guarded(|| {
            Ok(match self {
                EngineKind::Sled => {
                    let (engine, head) = sled_log::SledLog::open(dir)?;
                    (Box::new(engine) as Box<dyn LogEngine>, head)
                }
                EngineKind::Segments => {
                    let (engine, head) = segments::Segments::open(Arc::clone(files), dir)?;
                    (Box::new(engine) as Box<dyn LogEngine>, head)
                }
            })
        })
    }
}

/// A word that names no engine.
#[derive(Debug, thiserror::Error)]
#[error("no log engine is called {0:?}; there are \"sled\" and \"segments\"")]
pub struct UnknownEngine(String);

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(word: &str) -> Result<Self, UnknownEngine> {
        [EngineKind::Sled, EngineKind::Segments]
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| UnknownEngine(word.to_owned()))
    }
}

/// Runs `work`, turning a panic into an error. The engine must be given up afterwards.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(EngineError::Panicked {
            message: message_of(&*panic),
        })
    })
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
