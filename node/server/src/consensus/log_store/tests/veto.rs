//! Starts that must be refused: a disk that holds less than was promised, or is somebody else's.

use std::fs;
use std::path::{Path, PathBuf};

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;

use super::super::super::guard::Loss;
use super::super::super::types::{LogId, Vote};
use super::{
    ENGINES, EngineKind, Fs, LogStore, StoreError, append, config, copy_dir, entry, open, reopen,
};

const ENTRIES: u64 = 50;

/// A node that voted in term 3, stored entries 0 to 49 and was stopped in order.
async fn node_with_a_past(dir: &Path, engine: EngineKind) {
    let mut store = open(&config(dir, engine)).unwrap();
    store.save_vote(&Vote::new_committed(3, 1)).await.unwrap();
    for index in 0..ENTRIES {
        append(&mut store, [entry(3, index, 3_000)]).await.unwrap();
    }
    store.mark_initialized().await.unwrap();
    store.stop().await.unwrap();
}

/// A copy of a stopped node's log, to be put back later: what a restored log or a lost tail looks like.
struct OldLog {
    log: PathBuf,
    copy: PathBuf,
}

impl OldLog {
    fn of(dir: &Path) -> Self {
        let (log, copy) = (dir.join("log"), dir.join("old"));
        copy_dir(&log, &copy);
        Self { log, copy }
    }

    fn put_back(self) {
        fs::remove_dir_all(&self.log).unwrap();
        fs::rename(&self.copy, &self.log).unwrap();
    }
}

fn refusal(opened: Result<LogStore, StoreError>) -> Loss {
    match opened.err().expect("the start must be refused") {
        error @ StoreError::Lost { .. } => {
            assert!(error.to_string().contains("NEW node id"), "{error}");
            let StoreError::Lost { source, .. } = error else {
                unreachable!("just matched")
            };
            source
        }
        other => panic!("refused for another reason: {other:?}"),
    }
}

#[tokio::test]
async fn a_stopped_node_comes_back_with_all_it_had() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        let mut store = open(&config(dir.path(), engine)).unwrap();
        assert!(store.identity().initialized);
        assert_eq!(
            store.read_vote().await.unwrap(),
            Some(Vote::new_committed(3, 1))
        );
        let entries = store.try_get_log_entries(..).await.unwrap();
        assert_eq!(
            entries,
            (0..ENTRIES)
                .map(|index| entry(3, index, 3_000))
                .collect::<Vec<_>>()
        );
        store.purge(LogId::new_term_index(3, 9)).await.unwrap();
        store
            .save_committed(Some(LogId::new_term_index(3, 40)))
            .await
            .unwrap();
        store
            .catalogue_put("snapshot", Some("s-9".into()))
            .await
            .unwrap();
        store.stop().await.unwrap();
        let mut store = open(&config(dir.path(), engine)).unwrap();
        let state = store.get_log_state().await.unwrap();
        assert_eq!(state.last_purged_log_id, Some(LogId::new_term_index(3, 9)));
        assert_eq!(
            state.last_log_id,
            Some(LogId::new_term_index(3, ENTRIES - 1))
        );
        assert_eq!(
            store.read_committed().await.unwrap(),
            Some(LogId::new_term_index(3, 40))
        );
        assert_eq!(store.catalogue_get("snapshot").unwrap(), "s-9");
        assert_eq!(
            store.limited_get_log_entries(0, 20).await.unwrap()[0]
                .log_id
                .index,
            10
        );
    }
}

#[tokio::test]
async fn a_deleted_log_is_noticed() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        fs::remove_dir_all(dir.path().join("log")).unwrap();
        assert_eq!(refusal(reopen(dir.path(), engine)), Loss::Everything);
        // Once refused, always refused: the empty log that the attempt created is no excuse.
        assert_eq!(refusal(reopen(dir.path(), engine)), Loss::Everything);
    }
}

#[tokio::test]
async fn sleds_deleted_main_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    node_with_a_past(dir.path(), EngineKind::Sled).await;
    fs::remove_file(dir.path().join("log/db")).unwrap();
    let refused = reopen(dir.path(), EngineKind::Sled).err().expect("refused");
    assert!(
        matches!(
            refused,
            StoreError::Lost { .. } | StoreError::Unreadable { .. }
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_older_copy_of_the_log_is_noticed() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        let old = OldLog::of(dir.path());
        let mut store = open(&config(dir.path(), engine)).unwrap();
        store.save_vote(&Vote::new(4, 2)).await.unwrap();
        store.stop().await.unwrap();
        old.put_back();
        assert_eq!(
            refusal(reopen(dir.path(), engine)),
            Loss::Vote {
                promised: 4,
                found: 3
            }
        );
    }
}

#[tokio::test]
async fn a_few_entries_lost_after_a_kill_are_noticed() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        let path = |name| dir.path().join(name);
        let old = OldLog::of(dir.path());
        let mut store = open(&config(dir.path(), engine)).unwrap();
        for index in ENTRIES..ENTRIES + 3 {
            append(&mut store, [entry(3, index, 10)]).await.unwrap();
        }
        // What a process that is killed now leaves of its guard. Each commit notes what the one before it left.
        fs::copy(path("guard"), path("guard.killed")).unwrap();
        store.stop().await.unwrap();
        fs::rename(path("guard.killed"), path("guard")).unwrap();
        old.put_back();
        let loss = refusal(reopen(dir.path(), engine));
        assert!(
            matches!(loss, Loss::Tail { promised, found } if promised > ENTRIES && found == Some(ENTRIES - 1)),
            "{loss:?}"
        );
    }
}

#[tokio::test]
async fn a_lost_tail_is_noticed_and_a_rightful_truncation_is_not() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        let old = OldLog::of(dir.path());
        let mut store = open(&config(dir.path(), engine)).unwrap();
        append(
            &mut store,
            (ENTRIES..ENTRIES + 9).map(|index| entry(3, index, 10)),
        )
        .await
        .unwrap();
        store.stop().await.unwrap();

        // A new leader overrules entries that were never committed: the log may end earlier then.
        let mut store = open(&config(dir.path(), engine)).unwrap();
        store
            .truncate_after(Some(LogId::new_term_index(3, ENTRIES + 4)))
            .await
            .unwrap();
        store.stop().await.unwrap();
        let store = open(&config(dir.path(), engine)).unwrap();
        store.stop().await.unwrap();

        old.put_back();
        let loss = Loss::Tail {
            promised: ENTRIES + 4,
            found: Some(ENTRIES - 1),
        };
        assert_eq!(refusal(reopen(dir.path(), engine)), loss);
    }
}

#[tokio::test]
async fn a_log_without_its_guard_or_with_a_damaged_one_is_refused() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        let guard = dir.path().join("guard");
        let sound = fs::read(&guard).unwrap();

        fs::write(&guard, vec![0xAB; sound.len()]).unwrap();
        assert!(matches!(
            reopen(dir.path(), engine).err(),
            Some(StoreError::GuardDamaged { .. })
        ));
        fs::remove_file(&guard).unwrap();
        assert!(matches!(
            reopen(dir.path(), engine).err(),
            Some(StoreError::GuardMissing { .. })
        ));

        // One torn slot is what a crash leaves; the other one still speaks.
        for slot in [0, 4096] {
            let mut torn = sound.clone();
            torn[slot + 20..slot + 40].fill(0);
            fs::write(&guard, torn).unwrap();
            let store = reopen(dir.path(), engine).unwrap();
            store.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_directory_of_another_node_cluster_or_engine_or_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    node_with_a_past(dir.path(), EngineKind::Segments).await;
    let own = config(dir.path(), EngineKind::Segments);
    let mut others = [own.clone(), own.clone(), own.clone()];
    others[0].node = 2;
    others[1].cluster_id = "other".into();
    others[2].engine = EngineKind::Sled;
    for (other, what) in others.iter().zip(["node", "cluster", "log engine"]) {
        let refused = open(other).err().expect("refused");
        assert!(
            matches!(&refused, StoreError::Foreign { what: found, .. } if *found == what),
            "{refused:?}"
        );
    }
    let _held = reopen(dir.path(), EngineKind::Segments).unwrap();
    assert!(matches!(open(&own).err(), Some(StoreError::InUse { .. })));
}

#[tokio::test]
async fn a_crash_between_the_two_writes_of_a_vote_loses_nothing() {
    use super::super::super::guard::Guard;
    let vote = quorate_proto::peer::Vote {
        term: 9,
        node: 2,
        committed: false,
    };
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        node_with_a_past(dir.path(), engine).await;
        let mut guard = Guard::open(&Fs, dir.path()).unwrap().unwrap();
        guard.update(|promises| promises.vote = Some(vote)).unwrap();
        let mut store = open(&config(dir.path(), engine)).unwrap();
        assert_eq!(store.read_vote().await.unwrap(), Some(Vote::new(9, 2)));
    }
}
