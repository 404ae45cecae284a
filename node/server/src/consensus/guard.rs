//! What this node has promised, kept outside the log's own files: who it is, its last vote, and how far its log reached. sled
//! can lose everything and open as if new; a node that then voted again could undo what a majority decided. So the store asks
//! this file before it serves, and refuses when the disk holds less.
//!
//! The file has two slots, each checked and numbered, written in turn: a torn write leaves the other.

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use quorate_proto::peer;

use super::engine::Head;
use super::log_store::StoreError;
use crate::files::{File, Files, Open};

/// The version of everything under the data directory that this build writes. A newer one is refused.
const DISK_FORMAT: u32 = 1;
/// One page: large enough for all promises, small enough to be one write.
const SLOT_BYTES: usize = 4096;
const MARK: &[u8; 4] = b"QGRD";
const HEADER_BYTES: usize = 12;
const FILE: &str = "guard";

/// Everything this node must not forget, whatever happens to its log.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Promises {
    /// Which of the slots is the newer one.
    #[prost(uint64, tag = "1")]
    pub(crate) generation: u64,
    /// The version of everything under the data directory.
    #[prost(uint32, tag = "2")]
    pub(crate) disk_format: u32,
    /// The cluster this data belongs to.
    #[prost(string, tag = "3")]
    pub(crate) cluster_id: String,
    /// The node this data belongs to.
    #[prost(uint64, tag = "4")]
    pub(crate) node: u64,
    /// Drawn when the directory was created: an emptied disk under the same node id has another.
    #[prost(string, tag = "5")]
    pub(crate) store_id: String,
    /// Which engine keeps the log.
    #[prost(string, tag = "6")]
    pub(crate) engine: String,
    /// Whether the node has taken part in its cluster.
    #[prost(bool, tag = "7")]
    pub(crate) initialized: bool,
    /// The last vote: written here before it is written to the log.
    #[prost(message, optional, tag = "8")]
    pub(crate) vote: Option<peer::Vote>,
    /// The last vote that is known to be in the log as well.
    #[prost(message, optional, tag = "9")]
    pub(crate) confirmed_vote: Option<peer::Vote>,
    /// A position that the durable log has reached.
    #[prost(message, optional, tag = "10")]
    pub(crate) high_water: Option<peer::LogId>,
}

/// The promises on disk. One owner writes them.
#[derive(Debug)]
pub(crate) struct Guard {
    path: PathBuf,
    file: Box<dyn File>,
    promises: Promises,
    /// Which of the two slots was synced last. It is left alone until the other one is synced too.
    synced_slot: u64,
    /// Whether the promises are on disk for certain, not only with the system.
    is_synced: bool,
}

impl Guard {
    /// Opens the guard of a data directory; `None` if the directory has none.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged in both slots, or was written by a newer version.
    pub(crate) fn open(files: &dyn Files, dir: &Path) -> Result<Option<Guard>, StoreError> {
        let path = dir.join(FILE);
        let file = match files.open(&path, Open::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(StoreError::guard(&path))?,
        };
        let bytes = files.read(&path).map_err(StoreError::guard(&path))?;
        let slots = (0..).zip(bytes.chunks(SLOT_BYTES));
        let newest = slots
            .filter_map(|(number, slot)| Some((number, read_slot(slot)?)))
            .max_by_key(|(_, promises)| promises.generation);
        let (synced_slot, promises) =
            newest.ok_or_else(|| StoreError::GuardDamaged { path: path.clone() })?;
        // What was only noted before a crash is with the system, perhaps not on disk.
        file.sync_data().map_err(StoreError::guard(&path))?;
        if promises.disk_format > DISK_FORMAT {
            return Err(StoreError::TooNew {
                found: promises.disk_format,
                known: DISK_FORMAT,
            });
        }
        Ok(Some(Guard {
            path,
            file,
            promises,
            synced_slot,
            is_synced: true,
        }))
    }

    /// Creates the guard of a new data directory, durable when this returns.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(
        files: &dyn Files,
        dir: &Path,
        promises: Promises,
    ) -> Result<Guard, StoreError> {
        let promises = Promises {
            generation: 0,
            disk_format: DISK_FORMAT,
            ..promises
        };
        let (path, draft) = (dir.join(FILE), dir.join("guard.new"));
        let write = || {
            let file = files.open(&draft, Open::Create)?;
            let slot = write_slot(&promises);
            file.write_all_at(&[slot.clone(), slot].concat(), 0)?;
            file.sync_data()?;
            files.rename(&draft, &path)?;
            files.sync_dir(dir)?;
            Ok(file)
        };
        let file = write().map_err(StoreError::guard(&path))?;
        Ok(Guard {
            path,
            file,
            promises,
            synced_slot: 0,
            is_synced: true,
        })
    }

    /// What is promised now.
    pub(crate) fn promises(&self) -> &Promises {
        &self.promises
    }

    /// Changes the promises; durable when this returns.
    ///
    /// # Errors
    /// If the slot cannot be written or synced. The node must stop then.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut Promises)) -> Result<(), StoreError> {
        self.note(change)?;
        self.file
            .sync_data()
            .map_err(StoreError::guard(&self.path))?;
        self.synced_slot = self.spare_slot();
        self.is_synced = true;
        Ok(())
    }

    /// Changes the promises without waiting for the disk: a process that dies leaves them behind, a power cut may not, and then
    /// those that were synced last hold.
    ///
    /// # Errors
    /// If the slot cannot be written. The node must stop then.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut Promises)) -> Result<(), StoreError> {
        change(&mut self.promises);
        self.promises.generation += 1;
        self.is_synced = false;
        let at = self.spare_slot() * SLOT_BYTES as u64;
        self.file
            .write_all_at(&write_slot(&self.promises), at)
            .map_err(StoreError::guard(&self.path))
    }

    /// Whether the promises are on disk for certain.
    pub(crate) fn is_synced(&self) -> bool {
        self.is_synced
    }

    fn spare_slot(&self) -> u64 {
        1 - self.synced_slot
    }

    /// Whether the log that was found keeps what is promised here.
    ///
    /// A crash between the two writes of a vote leaves the log one vote behind: that is no loss, the guard has it. A log behind
    /// the confirmed vote is an older copy, or empty.
    ///
    /// # Errors
    /// What is lost.
    pub(crate) fn check(&self, head: &Head) -> Result<(), Loss> {
        let promises = &self.promises;
        let has_promised = promises.initialized
            || promises.confirmed_vote.is_some()
            || promises.high_water.is_some();
        if has_promised && head.is_empty() {
            return Err(Loss::Everything);
        }
        if let Some(confirmed) = promises.confirmed_vote {
            let age = |vote: peer::Vote| (vote.term, vote.committed);
            match head.vote {
                Some(found) if age(found) >= age(confirmed) => {}
                found => {
                    return Err(Loss::Vote {
                        promised: confirmed.term,
                        found: found.map_or(0, |vote| vote.term),
                    });
                }
            }
        }
        if let Some(promised) = promises.high_water {
            let end = head.end();
            if end.is_none_or(|end| end.index < promised.index || end.term < promised.term) {
                return Err(Loss::Tail {
                    promised: promised.index,
                    found: end.map(|end| end.index),
                });
            }
        }
        Ok(())
    }
}

/// How a log falls short of what its node promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// The log is empty.
    #[error("the log is empty, but this node has already voted or stored entries")]
    Everything,
    /// The vote is older than the promised one.
    #[error("the log's last vote is of term {found}, but this node voted in term {promised}")]
    Vote {
        /// The term of the promised vote.
        promised: u64,
        /// The term of the vote that is there; 0 if there is none.
        found: u64,
    },
    /// The log ends too early.
    #[error("the log ends at {found:?}, but this node stored entries up to {promised}")]
    Tail {
        /// The index that the log had reached.
        promised: u64,
        /// The index at which it ends.
        found: Option<u64>,
    },
}

fn write_slot(promises: &Promises) -> Vec<u8> {
    let body = promises.encode_to_vec();
    assert!(
        HEADER_BYTES + body.len() <= SLOT_BYTES,
        "ids and positions fit a slot many times over"
    );
    let length = u32::try_from(body.len()).expect("it fits a slot");
    let mut slot = [
        &MARK[..],
        &length.to_be_bytes(),
        &crc32c::crc32c(&body).to_be_bytes(),
        &body,
    ]
    .concat();
    slot.resize(SLOT_BYTES, 0);
    slot
}

fn read_slot(slot: &[u8]) -> Option<Promises> {
    let header = slot
        .get(..HEADER_BYTES)
        .filter(|header| &header[..4] == MARK)?;
    let length = u32::from_be_bytes(header[4..8].try_into().ok()?) as usize;
    let body = slot.get(HEADER_BYTES..HEADER_BYTES + length)?;
    if header[8..] != crc32c::crc32c(body).to_be_bytes() {
        return None;
    }
    Promises::decode(body).ok()
}
