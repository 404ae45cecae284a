//! Reads: from memory while entries are recent, from disk beyond, and never a mixture of before and after.

use futures::TryStreamExt;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;

use super::super::super::engine::COMMAND_BYTES_MAX;
use super::super::super::types::{Entry, LogId};
use super::{ENGINES, append, config, entry, open};

#[tokio::test]
async fn a_log_larger_than_the_cache_reads_as_one() {
    // Ten more than the cache holds.
    const ENTRIES: u64 = 74;
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&config(dir.path(), engine)).unwrap();
        for index in 0..ENTRIES {
            append(&mut store, [entry(1, index, COMMAND_BYTES_MAX)])
                .await
                .unwrap();
        }
        let is_whole = |entries: &[Entry]| {
            entries
                .iter()
                .zip(0..)
                .all(|(found, index)| *found == entry(1, index, COMMAND_BYTES_MAX))
        };
        let all = store.try_get_log_entries(..).await.unwrap();
        assert!(all.len() as u64 == ENTRIES && is_whole(&all));
        let streamed: Vec<Entry> = store.entries_stream(0..).await.try_collect().await.unwrap();
        assert!(streamed.len() as u64 == ENTRIES && is_whole(&streamed));
        let some = store.limited_get_log_entries(70, ENTRIES).await.unwrap();
        assert!(
            some.len() <= 2 && some[0].log_id.index == 70,
            "a bounded read stays bounded"
        );
        store.stop().await.unwrap();
    }
}

#[tokio::test]
async fn readers_beside_truncations_see_one_history_or_the_other() {
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(&config(dir.path(), engine)).unwrap();
        append(&mut store, (0..200).map(|index| entry(1, index, 500)))
            .await
            .unwrap();
        store.stop().await.unwrap();
        // Opened anew, so that nothing is in memory.
        let mut store = open(&config(dir.path(), engine)).unwrap();
        let mut reader = store.clone();
        let reading = tokio::spawn(async move {
            for _ in 0..200 {
                let entries = reader.try_get_log_entries(50..150).await.unwrap();
                let terms: Vec<u64> = entries
                    .iter()
                    .map(|entry| entry.log_id.committed_leader_id().term)
                    .collect();
                assert!(terms.is_sorted() && entries.len() <= 100);
                assert!(
                    entries
                        .iter()
                        .zip(50..)
                        .all(|(entry, index)| entry.log_id.index == index),
                    "a hole"
                );
            }
        });
        for term in 2..40 {
            let keep = 100 - term;
            let kept = store.try_get_log_entries(keep..=keep).await.unwrap()[0].log_id;
            store.truncate_after(Some(kept)).await.unwrap();
            append(
                &mut store,
                (keep + 1..150).map(|index| entry(term, index, 300)),
            )
            .await
            .unwrap();
        }
        reading.await.unwrap();
        store.purge(LogId::new_term_index(1, 55)).await.unwrap();
        assert_eq!(store.try_get_log_entries(0..=60).await.unwrap().len(), 5);
        store.stop().await.unwrap();
    }
}
