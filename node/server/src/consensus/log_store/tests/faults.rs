//! A disk that fails: the node learns it, every waiter gets an answer, and nothing is written any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;

use super::super::super::engine::{Batch, EngineError, Footprint, Head, LogEngine, Record};
use super::super::super::guard::{Guard, Promises};
use super::super::super::types::Vote;
use super::super::open::serve;
use super::{EngineKind, LogStore, append, disk, entry};

/// How the disk fails.
#[derive(Clone, Copy)]
enum Failure {
    Error,
    Panic,
}

/// A real engine whose commits fail from the third on.
struct Failing {
    engine: Box<dyn LogEngine>,
    commits: Arc<AtomicU32>,
    failure: Failure,
}

impl LogEngine for Failing {
    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        match (self.commits.fetch_add(1, Ordering::SeqCst), self.failure) {
            (0 | 1, _) => self.engine.commit(batch),
            (_, Failure::Error) => Err(EngineError::Damaged {
                what: "injected".into(),
            }),
            (_, Failure::Panic) => panic!("injected"),
        }
    }

    fn read(&self, first: u64, last: u64, bytes: usize) -> Result<Vec<Record>, EngineError> {
        self.engine.read(first, last, bytes)
    }

    fn footprint(&self) -> Result<Footprint, EngineError> {
        self.engine.footprint()
    }
}

fn failing(dir: &std::path::Path, failure: Failure) -> (LogStore, Arc<AtomicU32>) {
    let disk = disk();
    let lock = disk.files.lock(&dir.join("lock")).unwrap().unwrap();
    let guard = Guard::create(&*disk.files, dir, Promises::default()).unwrap();
    let (engine, head) = EngineKind::Segments
        .open(&disk.files, &dir.join("log"))
        .unwrap();
    assert_eq!(head, Head::default());
    let commits = Arc::new(AtomicU32::new(0));
    let engine = Failing {
        engine,
        commits: Arc::clone(&commits),
        failure,
    };
    (
        serve(&disk, dir, lock, guard, Arc::new(engine), head).unwrap(),
        commits,
    )
}

#[tokio::test]
async fn a_failed_flush_stops_the_store_for_good() {
    for failure in [Failure::Error, Failure::Panic] {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, commits) = failing(dir.path(), failure);
        let mut fatal = store.fatal();
        append(&mut store, [entry(1, 0, 10)]).await.unwrap();
        store.save_vote(&Vote::new(2, 1)).await.unwrap();
        assert!(fatal.borrow_and_update().is_none());

        let lost = append(&mut store, [entry(2, 1, 10)]).await;
        assert!(
            lost.unwrap_err()
                .to_string()
                .contains("a write to the log failed")
        );
        fatal.changed().await.unwrap();
        assert!(fatal.borrow().is_some());

        assert!(store.save_vote(&Vote::new(3, 1)).await.is_err());
        assert!(append(&mut store, [entry(2, 2, 10)]).await.is_err());
        assert!(store.catalogue_put("snapshot", None).await.is_err());
        assert!(store.stop().await.is_err());
        assert_eq!(store.read_vote().await.unwrap(), Some(Vote::new(2, 1)));
        assert_eq!(
            commits.load(Ordering::SeqCst),
            3,
            "nothing is written after a failure"
        );
    }
}
