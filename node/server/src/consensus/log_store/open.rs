//! Opening a data directory: take its lock, ask the guard whose it is and what was promised, open and check the log, refuse if it
//! holds less, and only then serve.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use parking_lot::{Mutex, RwLock};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};

use super::super::config::Threads;
use super::super::convert::{from_vote, to_vote};
use super::super::disk::Disk;
use super::super::engine::{Batch, EngineKind, Head, LogEngine, guarded};
use super::super::guard::{Guard, Promises};
use super::super::types::NodeId;
use super::view::View;
use super::writer::Writer;
use super::{LogStore, Shared, StoreError, StoreIdentity, newer_vote, to_log_id};
use crate::files::{Files, Lock};

/// Changes that may wait for the writer. Raft has few calls in flight; the bound holds it back if the disk stalls.
const REQUESTS_WAITING: usize = 1024;
const LOCK_FILE: &str = "lock";
const LOG_DIR: &str = "log";

/// Which data directory to open, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct StoreConfig {
    /// Where the directory is.
    pub(crate) disk: Disk,
    /// The data directory. The log lies in `log` below it, beside the guard and the lock.
    pub(crate) dir: PathBuf,
    /// Which engine keeps the log.
    pub(crate) engine: EngineKind,
    /// The cluster the node belongs to.
    pub(crate) cluster_id: String,
    /// The node.
    pub(crate) node: NodeId,
    /// A random name, used only if the directory is new.
    pub(crate) store_id: String,
}

/// Opens the store, or creates it in an empty directory. Blocks for as long as the log takes to be read and checked.
///
/// # Errors
/// If the directory cannot be used, is in use, is somebody else's, is damaged, or holds less than was promised.
pub(crate) fn open(config: &StoreConfig) -> Result<LogStore, StoreError> {
    let (dir, files) = (&config.dir, &config.disk.files);
    files
        .create_dir_all(dir)
        .map_err(StoreError::unusable(dir))?;
    let lock = files
        .lock(&dir.join(LOCK_FILE))
        .map_err(StoreError::unusable(dir))?;
    let lock = lock.ok_or_else(|| StoreError::InUse { dir: dir.clone() })?;
    let guard = open_guard(config)?;
    let opened = config.engine.open(files, &dir.join(LOG_DIR));
    let (engine, head) = opened.map_err(|source| StoreError::Unreadable {
        dir: dir.clone(),
        source,
    })?;
    serve(&config.disk, dir, lock, guard, engine.into(), head)
}

/// Checks what was found against what was promised, and starts the writer.
pub(super) fn serve(
    disk: &Disk,
    dir: &Path,
    lock: Box<dyn Lock>,
    mut guard: Guard,
    engine: Arc<dyn LogEngine>,
    mut head: Head,
) -> Result<LogStore, StoreError> {
    guard.check(&head).map_err(|source| StoreError::Lost {
        dir: dir.to_owned(),
        source,
    })?;
    let vote =
        newer_vote(guard.promises().vote.map(to_vote), head.vote.map(to_vote)).map(from_vote);
    if guard.promises().vote != vote {
        guard.update(|promises| promises.vote = vote)?;
    }
    if head.vote != vote {
        let batch = Batch {
            vote,
            ..Batch::default()
        };
        guarded(|| engine.commit(&batch)).map_err(|source| StoreError::Write { source })?;
        head.vote = vote;
    }

    let promises = guard.promises();
    let identity = StoreIdentity {
        cluster_id: promises.cluster_id.clone(),
        node: promises.node,
        store_id: promises.store_id.clone(),
        initialized: promises.initialized,
    };
    let view = Mutex::new(View::of(&head));
    let shared = Arc::new(Shared {
        view,
        engine: RwLock::new(Some(Arc::clone(&engine))),
        disk: disk.clone(),
    });
    let (requests, waiting) = mpsc::channel(REQUESTS_WAITING);
    let (failed, fatal) = watch::channel(None);
    let last = head.end().map(to_log_id);
    let writer = Writer {
        engine,
        guard,
        shared: Arc::clone(&shared),
        requests: waiting,
        fatal: failed,
        last,
        disk: disk.clone(),
        lock,
    };
    set_to_work(writer, disk.threads)?;
    Ok(LogStore {
        shared,
        requests,
        fatal,
        identity: Arc::new(identity),
    })
}

/// Starts the writer. It ends when the store is stopped or its last handle is gone; `stop` waits until the directory is free.
fn set_to_work(writer: Writer, threads: Threads) -> Result<(), StoreError> {
    match threads {
        // It waits for the disk at every turn, so it has a thread to itself.
        Threads::Own(_) => own_thread(writer).map_err(|source| StoreError::Thread { source }),
        Threads::Shared => {
            tokio::spawn(writer.run());
            Ok(())
        }
    }
}

fn own_thread(writer: Writer) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let thread = thread::Builder::new().name("raft-log".to_owned());
    thread
        .spawn(move || runtime.block_on(writer.run()))
        .map(drop)
}

/// The guard of this node, created if the directory is new.
fn open_guard(config: &StoreConfig) -> Result<Guard, StoreError> {
    let (dir, files) = (&config.dir, &*config.disk.files);
    if let Some(guard) = Guard::open(files, dir)? {
        check_owner(config, guard.promises())?;
        return Ok(guard);
    }
    match files.metadata(&dir.join(LOG_DIR)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(StoreError::unusable(dir)(error)),
        Ok(_) => return Err(StoreError::GuardMissing { dir: dir.clone() }),
    }
    sync_way_to(files, dir).map_err(StoreError::unusable(dir))?;
    let promises = Promises {
        cluster_id: config.cluster_id.clone(),
        node: config.node,
        store_id: config.store_id.clone(),
        engine: config.engine.name().to_owned(),
        ..Promises::default()
    };
    Guard::create(files, dir, promises)
}

/// Makes every name on the way to `dir` durable: a directory in it may have been made a moment ago, here or by whoever prepared the
/// machine. A power cut that takes one of them away would leave an empty disk, and with it a node that remembers nothing.
fn sync_way_to(files: &dyn Files, dir: &Path) -> io::Result<()> {
    for above in dir.ancestors().skip(1) {
        let is_here = above.as_os_str().is_empty();
        let synced = files.sync_dir(if is_here { Path::new(".") } else { above });
        match synced {
            // Not ours to sync, so not ours to have made.
            Err(error) if is_foreign(&error) => break,
            synced => synced?,
        }
    }
    Ok(())
}

fn is_foreign(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    matches!(
        error.kind(),
        PermissionDenied | ReadOnlyFilesystem | InvalidInput
    )
}

fn check_owner(config: &StoreConfig, promises: &Promises) -> Result<(), StoreError> {
    let claims = [
        (
            "cluster",
            promises.cluster_id.clone(),
            config.cluster_id.clone(),
        ),
        ("node", promises.node.to_string(), config.node.to_string()),
        (
            "log engine",
            promises.engine.clone(),
            config.engine.name().to_owned(),
        ),
    ];
    match claims
        .into_iter()
        .find(|(_, found, wanted)| found != wanted)
    {
        Some((what, found, wanted)) => Err(StoreError::Foreign {
            dir: config.dir.clone(),
            what,
            found,
            wanted,
        }),
        None => Ok(()),
    }
}
