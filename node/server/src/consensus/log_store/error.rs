//! Why a node's data directory cannot be used, or can be used no longer. Each says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::super::engine::EngineError;
use super::super::guard::Loss;

/// What is wrong with the data directory.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be created or written.
    #[error("the data directory {} cannot be used", dir.display())]
    Unusable {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the data directory {} is in use by another process; each node needs a directory of its own", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// A newer version of Quorate has written it.
    #[error(
        "the data directory has format {found}, this version knows formats up to {known}; start a newer version"
    )]
    TooNew {
        /// The format it has.
        found: u32,
        /// The newest format this build reads.
        known: u32,
    },
    /// It belongs to another node, cluster or engine.
    #[error("the data directory {} belongs to {what} {found:?}, but the settings say {wanted:?}", dir.display())]
    Foreign {
        /// The data directory.
        dir: PathBuf,
        /// Which setting differs.
        what: &'static str,
        /// What the directory says.
        found: String,
        /// What the settings say.
        wanted: String,
    },
    /// There is a log, but the file that says what was promised is gone.
    #[error(
        "the data directory {} holds a log but no guard file, so nobody knows what this node has promised; {}",
        dir.display(), advice(dir)
    )]
    GuardMissing {
        /// The data directory.
        dir: PathBuf,
    },
    /// The file that says what was promised is unreadable.
    #[error("the guard file {} is damaged; {}", path.display(), advice(path.parent().unwrap_or(path)))]
    GuardDamaged {
        /// The guard file.
        path: PathBuf,
    },
    /// The guard file could not be read or written.
    #[error("read or write the guard file {}", path.display())]
    Guard {
        /// The guard file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk holds less than this node has promised to its cluster.
    #[error("the disk holds less than this node promised; {}", advice(dir))]
    Lost {
        /// The data directory.
        dir: PathBuf,
        /// What is lost.
        source: Loss,
    },
    /// The log cannot be read or is damaged.
    #[error("the log in {} cannot be opened; {}", dir.display(), advice(dir))]
    Unreadable {
        /// The data directory.
        dir: PathBuf,
        /// What the engine said.
        source: EngineError,
    },
    /// A write failed. What the disk holds is unknown until the node is started again.
    #[error("a write to the log failed; the node stops rather than write on")]
    Write {
        /// What the engine said.
        source: EngineError,
    },
    /// The thread that writes the log could not be started.
    #[error("start the log's writer thread")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// The store was stopped.
    #[error("the log store has been stopped")]
    Stopped,
}

impl StoreError {
    /// For `map_err` on the guard file.
    pub(crate) fn guard(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Guard {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` on the data directory.
    pub(super) fn unusable(dir: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Unusable {
            dir: dir.to_owned(),
            source,
        }
    }
}

/// The one safe way on: a node that may have forgotten a vote must never vote under its old id again.
fn advice(dir: &Path) -> String {
    format!(
        "move {} aside and let this machine join the cluster again with a NEW node id",
        dir.display()
    )
}
