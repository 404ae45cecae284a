//! The log in sled 0.34.7, by the rules that make it survive power cuts (measured, not assumed):
//!
//! - 16 MiB segments and values of at most 64 KiB, so that no page ever becomes a "blob" file, which sled never syncs;
//! - `flush` alone is not durable on Linux: after it we sync sled's file ourselves;
//! - one tree and one batch for each group commit, so that vote and entries cannot be reordered or torn apart;
//! - one value for a chunk of entries, not for each entry; chunks are purged whole, a truncation rewrites at most one;
//! - the half-written snapshots a crash leaves are removed before opening, which sled itself forgets and then fails on.
//!
//! sled does not notice that it lost everything; the guard file does (`guard`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use prost::Message;
use quorate_proto::peer;

use super::record::{decode_all, encode, encoded_len};
use super::runs::{Run, Runs, check_records, read_runs};
use super::{Batch, EngineError, Footprint, Head, LogEngine, Record, disk};
use crate::files::Fs;

/// Above a quarter of this a page goes to a blob file; 16 MiB is the most sled takes.
const SEGMENT_BYTES: usize = 16 << 20;
/// A leaf holds up to 16 values before it splits: 64 KiB each keeps it far below the quarter of a segment.
const VALUE_BYTES: usize = 64 << 10;
/// Recent entries are cached above the engine; sled's own cache only serves old ones.
const CACHE_BYTES: u64 = 64 << 20;
/// sled reclaims segments mostly in its flusher thread; this is the interval that passed the power-cut runs.
const FLUSH_EVERY_MS: u64 = 500;
/// How often, and how far apart, a database is tried that this process has only just closed: ten seconds in all, which only a
/// stalled machine needs.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Format, CRC32C, and then the message.
const NOTE_PREFIX_BYTES: usize = 5;
/// The format of votes, positions and catalogue values.
const NOTE_FORMAT: u8 = 1;

const CHUNK: u8 = b'L';
const CATALOGUE: u8 = b'C';
const VOTE: &[u8] = b"M|vote";
const COMMITTED: &[u8] = b"M|committed";
const PURGED: &[u8] = b"M|purged";

/// How many values a chunk is spread over; more than one only if it is a single large record.
type Pieces = u16;

/// A log in a sled database of its own.
pub(super) struct SledLog {
    dir: PathBuf,
    db: sled::Db,
    /// sled's one file, opened once more to be synced.
    file: File,
    runs: RwLock<Runs<Pieces>>,
}

impl SledLog {
    /// Opens or creates the database and reads all of it.
    pub(super) fn open(dir: &Path) -> Result<(SledLog, Head), EngineError> {
        fs::create_dir_all(dir).map_err(EngineError::io("create", dir))?;
        remove_half_snapshots(dir)?;
        let db = open_db(dir)?;
        let path = dir.join("db");
        let file = File::open(&path).map_err(EngineError::io("open", &path))?;
        db.flush().map_err(in_sled("flush"))?;
        disk::sync_files(&Fs, dir).map_err(EngineError::io("sync", dir))?;

        let (runs, last) = scan_chunks(&db)?;
        let mut head = read_notes(&db)?;
        head.locate(runs.first().map(|run| run.first), last)?;
        Ok((
            SledLog {
                dir: dir.to_owned(),
                db,
                file,
                runs: RwLock::new(runs),
            },
            head,
        ))
    }

    /// The batch as sled's, and the index as it will be. A failed write leaves the index ahead of the disk, which does no
    /// harm: nothing is read or written after it.
    fn plan(&self, batch: &Batch) -> Result<sled::Batch, EngineError> {
        let mut change = sled::Batch::default();
        let mut runs = self.runs.write();
        check_records(&runs, batch)?;
        if let Some(from) = batch.truncate_from {
            let (gone, cut) = runs.truncate_from(from);
            remove_chunks(&gone, &mut change);
            if let Some(cut) = cut {
                let mut kept = decode_all(load_chunk(&self.db, cut)?)?;
                kept.retain(|record| record.index < from);
                insert_chunk(&kept, &mut change);
            }
        }
        if let Some(purged) = &batch.purged {
            remove_chunks(&runs.purge(purged.index), &mut change);
            change.insert(PURGED, note(purged));
        }
        for records in chunks_of(&batch.records) {
            runs.push(insert_chunk(records, &mut change));
        }
        if let Some(vote) = &batch.vote {
            change.insert(VOTE, note(vote));
        }
        if let Some(committed) = &batch.committed {
            change.insert(COMMITTED, note(committed));
        }
        for entry in &batch.catalogue {
            let key = [&[CATALOGUE], entry.name.as_bytes()].concat();
            match &entry.value {
                Some(value) => change.insert(key, note_bytes(value)),
                None => change.remove(key),
            }
        }
        Ok(change)
    }
}

impl LogEngine for SledLog {
    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let change = self.plan(batch)?;
        self.db
            .apply_batch(change)
            .map_err(in_sled("apply a batch"))?;
        self.db.flush().map_err(in_sled("flush"))?;
        self.file
            .sync_data()
            .map_err(EngineError::io("sync", &self.dir))
    }

    fn read(&self, first: u64, last: u64, bytes: usize) -> Result<Vec<Record>, EngineError> {
        read_runs(&self.runs, (first, last), bytes, |run| {
            decode_all(load_chunk(&self.db, run)?)
        })
    }

    fn footprint(&self) -> Result<Footprint, EngineError> {
        let blobs = self.dir.join("blobs");
        let (bytes, _) =
            disk::weigh(&Fs, &self.dir).map_err(EngineError::io("measure", &self.dir))?;
        let (blob_bytes, blob_files) =
            disk::weigh(&Fs, &blobs).map_err(EngineError::io("measure", &blobs))?;
        Ok(Footprint {
            bytes: bytes + blob_bytes,
            blob_files,
        })
    }
}

/// Opens the database. The data directory's lock keeps other processes out, so a lock of sled's can only be an earlier handle of
/// this process, which sled's own threads let go a little after it was dropped: that is worth waiting for.
#[expect(
    clippy::disallowed_methods,
    reason = "opening a store blocks its thread anyway, and is not simulated"
)]
fn open_db(dir: &Path) -> Result<sled::Db, EngineError> {
    let config = sled::Config::new()
        .path(dir)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES);
    for _ in 1..LOCK_TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(LOCK_PAUSE);
            }
            opened => return opened.map_err(in_sled("open")),
        }
    }
    config.open().map_err(in_sled("open"))
}

/// Removes what a crash during sled's own start leaves behind; the next start would take it for damage.
fn remove_half_snapshots(dir: &Path) -> Result<(), EngineError> {
    let entries = fs::read_dir(dir).map_err(EngineError::io("list", dir))?;
    for entry in entries {
        let path = entry.map_err(EngineError::io("list", dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).map_err(EngineError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Splits records into chunks that fit one value; a record that does not fit is a chunk by itself.
fn chunks_of(mut records: &[Record]) -> impl Iterator<Item = &[Record]> {
    std::iter::from_fn(move || {
        let mut bytes = encoded_len(records.first()?);
        let more = records[1..].iter().take_while(|record| {
            bytes += encoded_len(record);
            bytes <= VALUE_BYTES
        });
        let (chunk, rest) = records.split_at(1 + more.count());
        records = rest;
        Some(chunk)
    })
}

fn insert_chunk(records: &[Record], change: &mut sled::Batch) -> Run<Pieces> {
    let first = records
        .first()
        .expect("a chunk holds at least one record")
        .index;
    let mut chunk = BytesMut::new();
    records.iter().for_each(|record| encode(record, &mut chunk));
    let mut pieces: Pieces = 0;
    for piece in chunk.chunks(VALUE_BYTES) {
        change.insert(&chunk_key(first, pieces)[..], piece);
        pieces += 1;
    }
    Run {
        first,
        last: first + records.len() as u64 - 1,
        place: pieces,
    }
}

fn remove_chunks(runs: &[Run<Pieces>], change: &mut sled::Batch) {
    for run in runs {
        (0..run.place).for_each(|piece| change.remove(&chunk_key(run.first, piece)[..]));
    }
}

fn load_chunk(db: &sled::Db, run: Run<Pieces>) -> Result<Bytes, EngineError> {
    let value = |piece| {
        let value = db
            .get(chunk_key(run.first, piece))
            .map_err(in_sled("read a chunk"))?;
        value.ok_or(EngineError::Missing { index: run.first })
    };
    if run.place == 1 {
        return Ok(Bytes::from_owner(value(0)?));
    }
    let mut chunk = BytesMut::new();
    for piece in 0..run.place {
        chunk.extend_from_slice(&value(piece)?);
    }
    Ok(chunk.freeze())
}

fn chunk_key(first: u64, piece: Pieces) -> [u8; 11] {
    let mut key = [CHUNK; 11];
    key[1..9].copy_from_slice(&first.to_be_bytes());
    key[9..].copy_from_slice(&piece.to_be_bytes());
    key
}

fn parse_chunk_key(key: &[u8]) -> Result<(u64, Pieces), EngineError> {
    let malformed = || EngineError::damaged("a chunk has a malformed key");
    let first = key
        .get(1..9)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(malformed)?;
    let piece = key
        .get(9..)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(malformed)?;
    Ok((u64::from_be_bytes(first), Pieces::from_be_bytes(piece)))
}

/// Reads and checks every chunk: the sparse index, and the position of the last record.
fn scan_chunks(db: &sled::Db) -> Result<(Runs<Pieces>, Option<peer::LogId>), EngineError> {
    let (mut runs, mut last) = (Runs::default(), None);
    let mut chunk: Option<(u64, Pieces, BytesMut)> = None;
    for item in db.scan_prefix([CHUNK]) {
        let (key, value) = item.map_err(in_sled("scan the log"))?;
        let (first, piece) = parse_chunk_key(&key)?;
        match &mut chunk {
            Some((open, pieces, bytes)) if *open == first && *pieces == piece => {
                *pieces += 1;
                bytes.extend_from_slice(&value);
            }
            _ if piece != 0 => {
                return Err(EngineError::damaged(format!(
                    "a piece of chunk {first} is absent"
                )));
            }
            _ => {
                let done = chunk.replace((first, 1, BytesMut::from(&value[..])));
                last = done.map_or(Ok(last), |done| close_chunk(done, &mut runs).map(Some))?;
            }
        }
    }
    last = chunk.map_or(Ok(last), |done| close_chunk(done, &mut runs).map(Some))?;
    Ok((runs, last))
}

fn close_chunk(
    (first, pieces, bytes): (u64, Pieces, BytesMut),
    runs: &mut Runs<Pieces>,
) -> Result<peer::LogId, EngineError> {
    let records = decode_all(bytes.freeze())?;
    let consecutive = records
        .iter()
        .zip(first..)
        .all(|(record, index)| record.index == index);
    let last = records
        .last()
        .ok_or_else(|| EngineError::damaged(format!("chunk {first} is empty")))?;
    if !consecutive || runs.next().is_some_and(|next| next != first) {
        return Err(EngineError::damaged(format!(
            "records around {first} are not consecutive"
        )));
    }
    runs.push(Run {
        first,
        last: last.index,
        place: pieces,
    });
    Ok(last.id())
}

fn read_notes(db: &sled::Db) -> Result<Head, EngineError> {
    let mut head = Head {
        vote: read_note(db, VOTE)?,
        ..Head::default()
    };
    head.committed = read_note(db, COMMITTED)?;
    head.purged = read_note(db, PURGED)?;
    for item in db.scan_prefix([CATALOGUE]) {
        let (key, value) = item.map_err(in_sled("scan the catalogue"))?;
        let name = String::from_utf8(key[1..].to_vec())
            .map_err(|_| EngineError::damaged("a name in the catalogue is not text"))?;
        head.catalogue
            .insert(name, Bytes::copy_from_slice(checked_note(&value)?));
    }
    Ok(head)
}

fn read_note<M: Message + Default>(db: &sled::Db, key: &[u8]) -> Result<Option<M>, EngineError> {
    let Some(value) = db.get(key).map_err(in_sled("read a note"))? else {
        return Ok(None);
    };
    let message = M::decode(checked_note(&value)?);
    message
        .map(Some)
        .map_err(|error| EngineError::damaged(format!("a note does not decode: {error}")))
}

fn note(message: &impl Message) -> Vec<u8> {
    note_bytes(&message.encode_to_vec())
}

fn note_bytes(body: &[u8]) -> Vec<u8> {
    [
        &[NOTE_FORMAT],
        &crc32c::crc32c(body).to_be_bytes()[..],
        body,
    ]
    .concat()
}

fn checked_note(value: &[u8]) -> Result<&[u8], EngineError> {
    let (prefix, body) = value
        .split_at_checked(NOTE_PREFIX_BYTES)
        .ok_or_else(|| EngineError::damaged("a note is cut short"))?;
    if prefix[0] != NOTE_FORMAT || prefix[1..] != crc32c::crc32c(body).to_be_bytes() {
        return Err(EngineError::damaged("a note fails its checksum"));
    }
    Ok(body)
}

fn in_sled(doing: &'static str) -> impl FnOnce(sled::Error) -> EngineError {
    move |source| EngineError::Sled { doing, source }
}
