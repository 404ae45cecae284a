//! The store's promises, each seen to hold on both engines: openraft's own suite, kills, vetoes, failing disks.
// These tests wait for real processes, which no paused clock can stand in for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod damage;
mod faults;
mod kill;
mod reads;
mod suite;
mod veto;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use super::super::config::Threads;
use super::super::disk::Disk;
use super::super::engine::EngineKind;
use super::super::types::{Command, Entry, LogId, Payload, Types};
use super::{LogStore, StoreConfig, StoreError, open};
use crate::files::Fs;

const ENGINES: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Segments];

/// The machine's own, with a writer on a thread.
fn disk() -> Disk {
    Disk {
        files: Arc::new(Fs),
        threads: Threads::Own(1),
    }
}

fn config(dir: &Path, engine: EngineKind) -> StoreConfig {
    StoreConfig {
        disk: disk(),
        dir: dir.to_owned(),
        engine,
        cluster_id: "test".into(),
        node: 1,
        store_id: "store".into(),
    }
}

/// Opens a directory that another process (a killed one) or thread may hold for a moment longer.
fn reopen(dir: &Path, engine: EngineKind) -> Result<LogStore, StoreError> {
    for _ in 0..500 {
        match open(&config(dir, engine)) {
            Err(StoreError::InUse { .. }) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
    open(&config(dir, engine))
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A number from the environment, for runs that are longer than usual or repeated.
fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}"))
    })
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let data = vec![u8::try_from(index % 251).unwrap(); bytes];
    Entry::new(
        LogId::new_term_index(term, index),
        Payload::Normal(Command(Bytes::from(data))),
    )
}

/// Appends and waits until the entries are durable.
async fn append(
    store: &mut LogStore,
    entries: impl IntoIterator<Item = Entry>,
) -> std::io::Result<()> {
    let entries: Vec<Entry> = entries.into_iter().collect();
    let (done, durable) = Types::oneshot();
    store.append(entries, IOFlushed::signal(done)).await?;
    durable.await.unwrap()
}
