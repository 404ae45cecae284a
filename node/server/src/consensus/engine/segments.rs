//! The log in append-only files of our own: every commit is one checked frame at the end of the newest segment, then one
//! fdatasync. A new segment begins with all that is known but the records, so that older segments go once their records are
//! purged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quorate_bugs::{Bug, is_seeded};

use super::batch::CatalogueChange;
use super::frame::{self, Found, Spot};
use super::runs::{Run, Runs, check_records, read_runs};
use super::{Batch, EngineError, Footprint, Head, LogEngine, Record, disk};
use crate::files::{File, Files, Open};

/// A segment is closed once it is this long: large enough that closing is rare, small enough that purging frees space soon.
const SEGMENT_BYTES: u64 = 16 << 20;
const SUFFIX: &str = "segment";

/// Where a frame lies and how long it is.
#[derive(Clone, Copy, Debug)]
struct Place {
    spot: Spot,
    bytes: u64,
}

/// A log in segment files.
pub(super) struct Segments {
    files: Arc<dyn Files>,
    dir: PathBuf,
    runs: RwLock<Runs<Place>>,
    tail: Mutex<Tail>,
}

/// What only the writer needs.
struct Tail {
    file: Box<dyn File>,
    /// Where the next frame goes.
    spot: Spot,
    /// The oldest segment that is still there.
    oldest: u64,
    /// What a new segment has to begin with; its record positions are not kept up to date.
    head: Head,
}

impl Segments {
    /// Opens or creates the segments and reads all of them.
    pub(super) fn open(files: Arc<dyn Files>, dir: &Path) -> Result<(Segments, Head), EngineError> {
        files
            .create_dir_all(dir)
            .map_err(EngineError::io("create", dir))?;
        disk::sync_files(&*files, dir).map_err(EngineError::io("sync", dir))?;
        let Replay {
            mut head,
            runs,
            oldest,
            end,
        } = Replay::run(&*files, dir)?;
        let tail = match end {
            // Nothing whole in the newest segment: a crash came while it was begun.
            Some(Spot { segment, offset: 0 }) => {
                start_segment(&*files, dir, segment, oldest, head.clone())?
            }
            Some(spot) => Tail {
                file: cut_tail(&*files, dir, spot)?,
                spot,
                oldest,
                head: head.clone(),
            },
            None => start_segment(&*files, dir, 1, 1, head.clone())?,
        };
        let (first, next) = (runs.first().map(|run| run.first), runs.next());
        let engine = Segments {
            files,
            dir: dir.to_owned(),
            runs: RwLock::new(runs),
            tail: Mutex::new(tail),
        };
        let last = next
            .map(|next| engine.read(next - 1, next - 1, 1))
            .transpose()?;
        head.locate(
            first,
            last.and_then(|records| records.first().map(Record::id)),
        )?;
        Ok((engine, head))
    }

    /// Removes the segments that hold no record any more, oldest first.
    fn drop_purged(&self, tail: &mut Tail) -> Result<(), EngineError> {
        let needed = self
            .runs
            .read()
            .first()
            .map_or(tail.spot.segment, |run| run.place.spot.segment);
        while tail.oldest < needed {
            let path = segment_path(&self.dir, tail.oldest);
            self.files
                .remove_file(&path)
                .map_err(EngineError::io("remove", &path))?;
            tail.oldest += 1;
        }
        Ok(())
    }
}

impl LogEngine for Segments {
    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut tail = self.tail.lock();
        if tail.spot.offset >= SEGMENT_BYTES {
            *tail = start_segment(
                &*self.files,
                &self.dir,
                tail.spot.segment + 1,
                tail.oldest,
                tail.head.clone(),
            )?;
        }
        check_records(&self.runs.read(), batch)?;
        let frame = frame::encode(batch, tail.spot);
        tail.file
            .write_all_at(&frame, tail.spot.offset)
            .map_err(EngineError::io("append to", &self.dir))?;
        if !is_seeded(Bug::AckBeforeFlush) {
            tail.file
                .sync_data()
                .map_err(EngineError::io("sync", &self.dir))?;
        }
        let place = Place {
            spot: tail.spot,
            bytes: frame.len() as u64,
        };
        tail.spot.offset += place.bytes;
        tail.head.absorb(batch);
        index_batch(&mut self.runs.write(), batch, place);
        if batch.purged.is_some() {
            self.drop_purged(&mut tail)?;
        }
        Ok(())
    }

    fn read(&self, first: u64, last: u64, bytes: usize) -> Result<Vec<Record>, EngineError> {
        read_runs(&self.runs, (first, last), bytes, |run| {
            let path = segment_path(&self.dir, run.place.spot.segment);
            let mut frame = vec![
                0;
                usize::try_from(run.place.bytes)
                    .expect("a frame was in memory when it was written")
            ];
            self.files
                .open(&path, Open::Read)
                .and_then(|file| file.read_exact_at(&mut frame, run.place.spot.offset))
                .map_err(EngineError::io("read", &path))?;
            let decoded = frame::decode(&Bytes::from(frame), run.place.spot);
            let (batch, _) = decoded
                .ok_or_else(|| EngineError::damaged(format!("frame of record {}", run.first)))?;
            let records = batch.records.into_iter();
            Ok(records
                .filter(|record| (run.first..=run.last).contains(&record.index))
                .collect())
        })
    }

    fn footprint(&self) -> Result<Footprint, EngineError> {
        let (bytes, _) =
            disk::weigh(&*self.files, &self.dir).map_err(EngineError::io("measure", &self.dir))?;
        Ok(Footprint {
            bytes,
            blob_files: 0,
        })
    }
}

/// Everything that the files say, in the order in which it was written.
struct Replay {
    head: Head,
    runs: Runs<Place>,
    oldest: u64,
    /// Behind the last whole frame; `None` if there is no segment.
    end: Option<Spot>,
}

impl Replay {
    fn run(files: &dyn Files, dir: &Path) -> Result<Replay, EngineError> {
        let all = list_segments(files, dir)?;
        // A removed segment can come back by a power cut. Its successor is gone then, and nothing of it is missed.
        let kept = all
            .iter()
            .rev()
            .zip((0..=all.last().copied().unwrap_or(0)).rev())
            .take_while(|(a, b)| **a == *b)
            .count();
        let (stray, segments) = all.split_at(all.len() - kept);
        let oldest = segments.first().copied().unwrap_or(1);
        let mut replay = Replay {
            head: Head::default(),
            runs: Runs::default(),
            oldest,
            end: None,
        };
        for segment in segments {
            replay.segment(files, dir, *segment, Some(segment) == segments.last())?;
        }
        for segment in stray {
            let path = segment_path(dir, *segment);
            files
                .remove_file(&path)
                .map_err(EngineError::io("remove", &path))?;
        }
        Ok(replay)
    }

    fn segment(
        &mut self,
        files: &dyn Files,
        dir: &Path,
        segment: u64,
        is_newest: bool,
    ) -> Result<(), EngineError> {
        let path = segment_path(dir, segment);
        let file = Bytes::from(files.read(&path).map_err(EngineError::io("read", &path))?);
        let mut spot = Spot { segment, offset: 0 };
        loop {
            match frame::find(&file, spot) {
                Found::Frame { batch, next } => {
                    check_records(&self.runs, &batch)?;
                    self.head.absorb(&batch);
                    index_batch(
                        &mut self.runs,
                        &batch,
                        Place {
                            spot,
                            bytes: next - spot.offset,
                        },
                    );
                    spot.offset = next;
                }
                Found::Broken if !is_newest || frame::any_behind(&file, spot) => {
                    return Err(EngineError::damaged(format!(
                        "{} at byte {}",
                        path.display(),
                        spot.offset
                    )));
                }
                // The end, or a frame that a crash tore before anyone was told of it.
                Found::End | Found::Broken => break,
            }
        }
        self.end = Some(spot);
        Ok(())
    }
}

fn index_batch(runs: &mut Runs<Place>, batch: &Batch, place: Place) {
    if let Some(from) = batch.truncate_from {
        runs.truncate_from(from);
    }
    if let Some(purged) = &batch.purged {
        runs.purge(purged.index);
    }
    if let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) {
        runs.push(Run {
            first: first.index,
            last: last.index,
            place,
        });
    }
}

/// Creates a segment whose first frame holds all that the older ones say besides records.
fn start_segment(
    files: &dyn Files,
    dir: &Path,
    segment: u64,
    oldest: u64,
    head: Head,
) -> Result<Tail, EngineError> {
    let path = segment_path(dir, segment);
    let spot = Spot { segment, offset: 0 };
    let frame = frame::encode(&checkpoint(&head), spot);
    let create = || {
        let file = files.open(&path, Open::Create)?;
        file.write_all_at(&frame, 0)?;
        file.sync_data()?;
        files.sync_dir(dir)?;
        Ok(file)
    };
    let file = create().map_err(EngineError::io("create", &path))?;
    Ok(Tail {
        file,
        spot: Spot {
            segment,
            offset: frame.len() as u64,
        },
        oldest,
        head,
    })
}

fn checkpoint(head: &Head) -> Batch {
    let catalogue = head.catalogue.iter();
    Batch {
        vote: head.vote,
        committed: head.committed,
        purged: head.purged,
        catalogue: catalogue
            .map(|(name, value)| CatalogueChange {
                name: name.clone(),
                value: Some(value.clone()),
            })
            .collect(),
        ..Batch::default()
    }
}

/// Opens the newest segment for appending, without the torn frame that may lie behind its last whole one.
///
/// It is written again as it was read. A sync that failed in an earlier life of the program leaves what it should have written in the
/// kernel's memory, where it can be read, and where no later sync finds it: only what is written anew is sure to reach the disk. Older
/// segments were closed after a sync that did not fail.
fn cut_tail(files: &dyn Files, dir: &Path, end: Spot) -> Result<Box<dyn File>, EngineError> {
    let path = segment_path(dir, end.segment);
    let cut = || {
        let file = files.open(&path, Open::ReadWrite)?;
        file.set_len(end.offset)?;
        let whole = files.read(&path)?;
        file.write_all_at(&whole, 0)?;
        file.sync_data()?;
        Ok(file)
    };
    cut().map_err(EngineError::io("open", &path))
}

fn segment_path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:016x}.{SUFFIX}"))
}

/// The numbers of the segments that are there, in order.
fn list_segments(files: &dyn Files, dir: &Path) -> Result<Vec<u64>, EngineError> {
    let names = files.list(dir).map_err(EngineError::io("list", dir))?;
    let stems = names
        .iter()
        .filter_map(|name| name.strip_suffix(SUFFIX)?.strip_suffix('.'));
    let mut segments: Vec<u64> = stems
        .filter_map(|stem| u64::from_str_radix(stem, 16).ok())
        .collect();
    segments.sort_unstable();
    Ok(segments)
}
