//! Snapshots: the whole state in one checked file, so that the log before it can go and a node that is far behind can be given it.
//!
//! A snapshot gets its name, which carries its position, by a rename after its bytes are on disk, and each file says what it is and checks itself.
//! The catalogue, kept beside the log, then notes how far snapshots reach: a directory that holds less has lost what the log was shortened for.
//! Two are kept: the newest, and the one before it, which may still be on its way to another node.

mod file;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use quorate_core::State;
use quorate_proto::peer;

use super::convert::{from_log_id, to_log_id};
use super::disk::Disk;
use super::types::{LogId, SnapshotFile, StoredMembership};
use crate::files::Files;
pub(super) use file::{FileError, Header};

/// How many snapshots stay: the newest, and the one that may be on its way to another node while the newest is made.
const KEPT: usize = 2;
/// Names of complete snapshots end so.
const SUFFIX: &str = ".snapshot";
/// Names of files that are being written or received begin so; what is left of them is removed at start.
const UNFINISHED: &str = "unfinished-";

/// Reading or writing snapshots failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    /// The file system refused.
    #[error("{doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The newest snapshot cannot be read; an older one would have a hole before the log.
    #[error("read snapshot {path}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The directory holds less than the catalogue knows.
    #[error("the newest snapshot ends at {found:?}, but one up to {promised} was complete")]
    Lost {
        /// The last entry of the snapshot that was complete.
        promised: u64,
        /// The last entry of the newest that is there.
        found: Option<u64>,
    },
    /// The catalogue's entry cannot be read.
    #[error("read the snapshot catalogue")]
    Catalogue(#[from] prost::DecodeError),
}

/// The catalogue's entry for how far snapshots reach.
pub(super) const CATALOGUED: &str = "snapshot";

/// What a snapshot holds, and of which moment.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// The last entry in it.
    pub(super) last: Option<LogId>,
    /// The membership at that entry.
    pub(super) membership: StoredMembership,
}

/// A snapshot on this node's disk.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Of which moment.
    pub(super) moment: Moment,
    /// The file.
    pub(super) file: SnapshotFile,
}

/// The snapshots of this node. Clones are the same snapshots.
#[derive(Clone)]
pub(super) struct Snapshots {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Disk,
    directory: PathBuf,
    cluster: String,
    newest: Mutex<Option<Kept>>,
    /// How many snapshots were received; keeps two that come at one time apart.
    conversations: AtomicU64,
}

impl Snapshots {
    /// Opens the directory, and reads the newest snapshot in it where there is one.
    pub(super) fn open(
        disk: Disk,
        directory: &Path,
        cluster: &str,
    ) -> Result<(Self, Option<State>), SnapshotError> {
        let at = |doing| {
            move |source| SnapshotError::Io {
                doing,
                path: directory.to_owned(),
                source,
            }
        };
        let files = &*disk.files;
        create(files, directory).map_err(at("create"))?;
        remove_unfinished(files, directory).map_err(at("clean"))?;
        let newest = names(files, directory).map_err(at("list"))?.pop();
        let shared = Shared {
            disk,
            directory: directory.to_owned(),
            cluster: cluster.to_owned(),
            newest: Mutex::new(None),
            conversations: AtomicU64::new(0),
        };
        let this = Self {
            shared: Arc::new(shared),
        };
        let Some(name) = newest else {
            return Ok((this, None));
        };
        let path = directory.join(name);
        let (kept, state) = this.read(&path)?;
        *this.shared.newest.lock() = Some(kept);
        Ok((this, Some(state)))
    }

    /// Makes sure that snapshots reach as far as `catalogued`, the catalogue's entry, says that they did.
    pub(super) fn expect(&self, catalogued: Option<Bytes>) -> Result<(), SnapshotError> {
        let Some(entry) = catalogued else {
            return Ok(());
        };
        let promised = to_log_id(peer::LogId::decode(entry)?);
        let found = self.newest().and_then(|kept| kept.moment.last);
        if found >= Some(promised) {
            return Ok(());
        }
        let found = found.map(|id| id.index());
        Err(SnapshotError::Lost {
            promised: promised.index(),
            found,
        })
    }

    /// The catalogue's entry for the newest snapshot; none before there is one.
    pub(super) fn entry(&self) -> Option<Bytes> {
        let last = self.newest()?.moment.last?;
        Some(from_log_id(last).encode_to_vec().into())
    }

    /// The newest snapshot.
    pub(super) fn newest(&self) -> Option<Kept> {
        self.shared.newest.lock().clone()
    }

    /// Writes `state` as the snapshot of `moment`. Takes as long as the disk needs; not for an async task.
    pub(super) fn write(&self, state: &State, moment: Moment) -> Result<Kept, SnapshotError> {
        let path = self.unfinished("own", &moment);
        let header = Header {
            cluster: self.shared.cluster.clone(),
            moment: moment.clone(),
        };
        file::write(self.files(), &path, &header, state).map_err(|source| SnapshotError::Io {
            doing: "write",
            path: path.clone(),
            source,
        })?;
        self.adopt(&path, moment)
    }

    /// Checks a snapshot that another node sent as the one that ends with `last`.
    pub(super) async fn check(
        &self,
        received: &Path,
        last: Option<LogId>,
    ) -> Result<(), SnapshotError> {
        let (this, path) = (self.clone(), received.to_owned());
        let checked = self.shared.disk.aside(move || {
            let header = file::check(this.files(), &path)?;
            let is_ours = header.cluster == this.shared.cluster && header.moment.last == last;
            if is_ours {
                Ok(())
            } else {
                Err(FileError::OtherSnapshot {
                    cluster: header.cluster,
                    last: header.moment.last,
                })
            }
        });
        let checked = checked.await.map_err(FileError::Io).flatten();
        checked.map_err(|source| SnapshotError::Damaged {
            path: received.to_owned(),
            source,
        })
    }

    /// Takes in a snapshot that another node sent: checks it, reads it, and makes it one of ours.
    pub(super) fn take_in(&self, received: &Path) -> Result<(Kept, State), SnapshotError> {
        let (kept, state) = self.read(received)?;
        if received.parent() == Some(&*self.shared.directory) && !is_unfinished(received) {
            return Ok((kept, state));
        }
        Ok((self.adopt(received, kept.moment)?, state))
    }

    /// The disk they are on.
    pub(super) fn disk(&self) -> &Disk {
        &self.shared.disk
    }

    /// Where the bytes of a snapshot that is being received are put.
    pub(super) fn place_for_incoming(&self, last: Option<LogId>) -> PathBuf {
        let conversation = self.shared.conversations.fetch_add(1, Ordering::Relaxed);
        self.shared.directory.join(format!(
            "{UNFINISHED}incoming-{conversation}-{}",
            name(last)
        ))
    }

    fn files(&self) -> &dyn Files {
        &*self.shared.disk.files
    }

    fn unfinished(&self, kind: &str, moment: &Moment) -> PathBuf {
        self.shared
            .directory
            .join(format!("{UNFINISHED}{kind}-{}", name(moment.last)))
    }

    fn read(&self, path: &Path) -> Result<(Kept, State), SnapshotError> {
        let damaged = |source| SnapshotError::Damaged {
            path: path.to_owned(),
            source,
        };
        let (header, state, length) = file::read(self.files(), path).map_err(damaged)?;
        if header.cluster != self.shared.cluster {
            return Err(damaged(FileError::OtherSnapshot {
                cluster: header.cluster,
                last: header.moment.last,
            }));
        }
        Ok((
            Kept {
                moment: header.moment,
                file: SnapshotFile {
                    path: path.to_owned(),
                    length,
                },
            },
            state,
        ))
    }

    /// Gives a complete, synced file its name, and lets the oldest go.
    fn adopt(&self, written: &Path, moment: Moment) -> Result<Kept, SnapshotError> {
        let directory = &self.shared.directory;
        let path = directory.join(name(moment.last));
        let at = |doing| {
            let path = path.clone();
            move |source| SnapshotError::Io {
                doing,
                path,
                source,
            }
        };
        let files = self.files();
        let length = files.metadata(written).map_err(at("measure"))?.len;
        files.rename(written, &path).map_err(at("name"))?;
        files
            .sync_dir(directory)
            .map_err(at("sync the directory of"))?;
        let kept = Kept {
            moment,
            file: SnapshotFile {
                path: path.clone(),
                length,
            },
        };
        let mut newest = self.shared.newest.lock();
        if newest
            .as_ref()
            .is_none_or(|known| known.moment.last <= kept.moment.last)
        {
            *newest = Some(kept.clone());
        }
        drop(newest);
        self.forget_old();
        Ok(kept)
    }

    /// Removes all but the newest. What cannot be removed costs space, not safety.
    fn forget_old(&self) {
        let Ok(names) = names(self.files(), &self.shared.directory) else {
            return;
        };
        let surplus = names.len().saturating_sub(KEPT);
        for name in &names[..surplus] {
            if let Err(error) = self.files().remove_file(&self.shared.directory.join(name)) {
                tracing::warn!(%name, %error, "an old snapshot could not be removed");
            }
        }
    }
}

/// The name of the snapshot that ends with `last`; names sort as positions do.
fn name(last: Option<LogId>) -> String {
    let (index, term) = last.map_or((0, 0), |id| (id.index(), id.committed_leader_id().term));
    format!("{index:020}-{term:020}{SUFFIX}")
}

/// Creates the directory, for good: what a snapshot holds is no longer in the log.
fn create(files: &dyn Files, directory: &Path) -> io::Result<()> {
    files.create_dir_all(directory)?;
    directory
        .parent()
        .map_or(Ok(()), |parent| files.sync_dir(parent))
}

/// Names of complete snapshots, oldest first.
fn names(files: &dyn Files, directory: &Path) -> io::Result<Vec<String>> {
    let mut names = files.list(directory)?;
    names.retain(|name| name.ends_with(SUFFIX) && !name.starts_with(UNFINISHED));
    Ok(names)
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(UNFINISHED))
}

fn remove_unfinished(files: &dyn Files, directory: &Path) -> io::Result<()> {
    let names = files.list(directory)?.into_iter();
    for name in names.filter(|name| name.starts_with(UNFINISHED)) {
        files.remove_file(&directory.join(name))?;
    }
    Ok(())
}
