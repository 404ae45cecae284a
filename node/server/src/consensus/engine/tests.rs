//! Both engines against one model that is dumber than either, and the limits that keep sled safe.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_proto::peer;
use tempfile::TempDir;

use super::runs::{Run, Runs, read_runs};
use super::{Batch, EngineError, EngineKind, Head, LogEngine, RECORD_BYTES_MAX, Record};
use crate::files::{Files, Fs};

const ENGINES: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Segments];

/// One thing Raft may ask of the log.
#[derive(Clone, Debug)]
enum Step {
    Append {
        records: u64,
        bytes: usize,
    },
    /// Drops this many from the end.
    Truncate(u64),
    /// Purges this far from the first record; beyond the end as after a snapshot from the leader.
    Purge(u64),
    Vote(u64),
    Committed,
    Catalogue(u8, Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![4 => 0..200usize, 2 => 200..5_000usize, 1 => 60_000..70_000usize, 1 => 150_000..300_000usize];
    prop_oneof![
        6 => (1..30u64, bytes).prop_map(|(records, bytes)| Step::Append { records, bytes }),
        2 => (0..20u64).prop_map(Step::Truncate),
        2 => (0..60u64).prop_map(Step::Purge),
        1 => (1..9u64).prop_map(Step::Vote),
        1 => Just(Step::Committed),
        1 => (0..3u8, any::<Option<u8>>()).prop_map(|(name, value)| Step::Catalogue(name, value)),
    ]
}

/// The log as a map.
#[derive(Clone, Debug, Default)]
struct Model {
    records: BTreeMap<u64, Record>,
    head: Head,
    next: u64,
    term: u64,
}

impl Model {
    fn take(&mut self, step: Step, batch: &mut Batch) {
        match step {
            Step::Append { records, bytes } => {
                let new: Vec<Record> = (self.next..self.next + records)
                    .map(|index| record(self.term, index, bytes))
                    .collect();
                self.next += records;
                self.records
                    .extend(new.iter().cloned().map(|record| (record.index, record)));
                batch.append(new);
            }
            Step::Truncate(count) => {
                let first = self
                    .records
                    .first_key_value()
                    .map_or(self.next, |(first, _)| *first);
                self.next = self.next.saturating_sub(count).max(first);
                self.records.split_off(&self.next);
                self.term += 1;
                batch.truncate(self.next);
            }
            Step::Purge(count) => {
                let first = self
                    .records
                    .first_key_value()
                    .map_or(self.next, |(first, _)| *first);
                let upto = peer::LogId {
                    term: self.term,
                    node: 0,
                    index: first + count,
                };
                self.records = self.records.split_off(&(upto.index + 1));
                self.next = self.next.max(upto.index + 1);
                self.head.purged = Some(upto);
                batch.purge(upto);
            }
            Step::Vote(by) => {
                self.term += by;
                let vote = peer::Vote {
                    term: self.term,
                    node: by,
                    committed: by % 2 == 0,
                };
                (self.head.vote, batch.vote) = (Some(vote), Some(vote));
            }
            Step::Committed => {
                let last = self.records.last_key_value().map(|(_, record)| record.id());
                (self.head.committed, batch.committed) =
                    (last.or(self.head.committed), last.or(batch.committed));
            }
            Step::Catalogue(name, value) => {
                let (name, value) = (
                    format!("name-{name}"),
                    value.map(|value| Bytes::from(vec![value; 100])),
                );
                match &value {
                    Some(value) => self.head.catalogue.insert(name.clone(), value.clone()),
                    None => self.head.catalogue.remove(&name),
                };
                batch.catalogue(name, value);
            }
        }
    }

    fn head(&self) -> Head {
        let mut head = self.head.clone();
        head.first = self.records.first_key_value().map(|(first, _)| *first);
        head.last = self.records.last_key_value().map(|(_, record)| record.id());
        head
    }

    fn check(&self, engine: &dyn LogEngine) {
        let (Some((first, _)), Some((last, _))) = (
            self.records.first_key_value(),
            self.records.last_key_value(),
        ) else {
            return assert!(matches!(
                engine.read(self.next, self.next, 1),
                Err(EngineError::Missing { .. })
            ));
        };
        let all: Vec<Record> = self.records.values().cloned().collect();
        assert_eq!(engine.read(*first, *last, usize::MAX).unwrap(), all);
        let some = engine.read(*first, *last, 1_000).unwrap();
        assert!(!some.is_empty() && all.starts_with(&some));
        assert!(
            some[..some.len() - 1]
                .iter()
                .map(|record| record.data.len())
                .sum::<usize>()
                < 1_000
        );
        assert_eq!(engine.read(*last, *last, 1).unwrap(), all[all.len() - 1..]);
        assert!(matches!(
            engine.read(last + 1, last + 1, 1),
            Err(EngineError::Missing { .. })
        ));
    }
}

fn record(term: u64, index: u64, bytes: usize) -> Record {
    // No two bytes of a large record at the distance of a piece are alike, so that swapped pieces would show.
    let data = (0..bytes)
        .map(|at| (at / 7 + at / 65_536) as u8 ^ index as u8)
        .collect::<Vec<u8>>();
    Record {
        term,
        leader: 0,
        index,
        data: Bytes::from(data),
    }
}

fn batch_of(records: impl IntoIterator<Item = Record>) -> Batch {
    let mut batch = Batch::default();
    batch.append(records);
    batch
}

fn open(kind: EngineKind, dir: &Path) -> (Box<dyn LogEngine>, Head) {
    let files: Arc<dyn Files> = Arc::new(Fs);
    kind.open(&files, dir).unwrap()
}

/// How many histories the property test tries: few enough for every run, and as many as `PROPTEST_CASES` asks for.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(24, |cases| {
        cases.parse().expect("PROPTEST_CASES is a number")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engines_do_what_a_map_does(groups in vec((vec(step(), 1..4), any::<bool>()), 1..10)) {
        for kind in ENGINES {
            let dir = TempDir::new().unwrap();
            let mut model = Model::default();
            let (mut engine, head) = open(kind, dir.path());
            prop_assert_eq!(head, Head::default());
            for (steps, reopens) in groups.clone() {
                let mut batch = Batch::default();
                steps.into_iter().for_each(|step| model.take(step, &mut batch));
                engine.commit(&batch).unwrap();
                model.check(&*engine);
                if reopens {
                    drop(engine);
                    let (again, head) = open(kind, dir.path());
                    prop_assert_eq!(head, model.head());
                    engine = again;
                    model.check(&*engine);
                }
            }
        }
    }
}

#[test]
fn a_hole_and_an_oversized_record_are_refused() {
    for kind in ENGINES {
        let dir = TempDir::new().unwrap();
        let (engine, _) = open(kind, dir.path());
        engine.commit(&batch_of([record(1, 5, 10)])).unwrap();
        let gap = engine.commit(&batch_of([record(1, 7, 10)]));
        assert!(
            matches!(gap, Err(EngineError::Gap { index: 7, next: 6 })),
            "{gap:?}"
        );
        let large = engine.commit(&batch_of([record(1, 6, RECORD_BYTES_MAX + 1)]));
        assert!(
            matches!(large, Err(EngineError::TooLarge { index: 6, .. })),
            "{large:?}"
        );
    }
}

#[test]
fn a_run_that_is_cut_while_it_is_read_is_whole_up_to_the_cut() {
    let (last, cut) = (199, 80);
    let mut runs = Runs::default();
    runs.push(Run {
        first: 0,
        last,
        place: (),
    });
    let read = |to| {
        read_runs(&RwLock::new(runs.clone()), (50, to), usize::MAX, |_| {
            Ok((0..=cut).map(|index| record(1, index, 10)).collect())
        })
    };
    let read_to_the_cut = read(cut).unwrap();
    assert!(
        read_to_the_cut
            .iter()
            .map(|record| record.index)
            .eq(50..=cut)
    );
    assert!(
        matches!(read(cut + 1), Err(EngineError::Damaged { .. })),
        "what was asked for and is not there is damage"
    );
}

#[test]
fn sled_never_makes_a_blob_file_and_gives_space_back() {
    let dir = TempDir::new().unwrap();
    let (engine, _) = open(EngineKind::Sled, dir.path());
    for index in 1..=120 {
        let mut batch = batch_of([record(1, index, RECORD_BYTES_MAX)]);
        if index > 20 {
            batch.purge(peer::LogId {
                term: 1,
                node: 0,
                index: index - 20,
            });
        }
        engine.commit(&batch).unwrap();
    }
    let footprint = engine.footprint().unwrap();
    assert_eq!(footprint.blob_files, 0);
    assert_eq!(engine.read(101, 120, usize::MAX).unwrap().len(), 20);
    drop(engine);
    let (engine, head) = open(EngineKind::Sled, dir.path());
    assert_eq!((head.first, head.last.unwrap().index), (Some(101), 120));
    assert_eq!(
        engine.read(120, 120, 1).unwrap(),
        [record(1, 120, RECORD_BYTES_MAX)]
    );
}

#[test]
fn segments_are_removed_once_purged_and_a_torn_start_is_mended() {
    let dir = TempDir::new().unwrap();
    let (engine, _) = open(EngineKind::Segments, dir.path());
    let vote = peer::Vote {
        term: 1,
        node: 2,
        committed: true,
    };
    engine
        .commit(&Batch {
            vote: Some(vote),
            ..Batch::default()
        })
        .unwrap();
    for index in 1..=60 {
        engine
            .commit(&batch_of([record(1, index, RECORD_BYTES_MAX)]))
            .unwrap();
    }
    let mut purge = Batch::default();
    purge.purge(peer::LogId {
        term: 1,
        node: 0,
        index: 55,
    });
    engine.commit(&purge).unwrap();
    assert!(
        engine.footprint().unwrap().bytes < 40 << 20,
        "{:?}",
        engine.footprint()
    );
    drop(engine);

    // A crash while the next segment was begun.
    std::fs::write(dir.path().join(format!("{:016x}.segment", 5)), b"QLF1torn").unwrap();
    let (engine, head) = open(EngineKind::Segments, dir.path());
    assert_eq!(
        (head.vote, head.first, head.last.unwrap().index),
        (Some(vote), Some(56), 60)
    );
    engine.commit(&batch_of([record(1, 61, 10)])).unwrap();
    drop(engine);
    let (engine, head) = open(EngineKind::Segments, dir.path());
    assert_eq!((head.vote, head.last.unwrap().index), (Some(vote), 61));
    assert_eq!(engine.read(60, 61, usize::MAX).unwrap().len(), 2);
}

#[test]
fn a_half_written_snapshot_of_sled_does_not_hinder_the_next_start() {
    let dir = TempDir::new().unwrap();
    let (engine, _) = open(EngineKind::Sled, dir.path());
    engine
        .commit(&batch_of((1..=9).map(|index| record(1, index, 10))))
        .unwrap();
    drop(engine);
    let half = dir.path().join("snap.0000000000000ABC.generating");
    std::fs::write(&half, b"half").unwrap();
    let (_, head) = open(EngineKind::Sled, dir.path());
    assert_eq!(head.last.unwrap().index, 9);
    assert!(!half.exists());
}
