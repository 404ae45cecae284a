//! A node without threads, as a simulation runs it: on one runtime of one thread that has nothing but time, and a disk that only says how slow it is.
#![allow(clippy::unwrap_used)]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use quorate_core::Millis;
use quorate_core::ids::NodeId;
use tokio::runtime::Builder;
use tokio::time::Instant;

use super::super::{Consensus, ConsensusConfig, EngineKind, Member, Threads, start};
use super::cluster::{create, deadline, eventually, has};
use crate::clock::Clock;
use crate::files::{File, Files, Fs, Lock, Metadata, Open};

const LATENCY: Duration = Duration::from_millis(5);
const WRITES: u128 = 60;

/// The machine's files, for one thread only.
#[derive(Debug)]
struct Watched {
    home: ThreadId,
}

impl Watched {
    fn here(&self) -> Fs {
        assert_eq!(thread::current().id(), self.home, "a thread of its own");
        Fs
    }
}

impl Files for Watched {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.here().create_dir_all(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn File>> {
        self.here().open(path, how)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.here().read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.here().list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.here().metadata(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.here().rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.here().remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.here().sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.here().lock(path)
    }

    fn take_latency(&self) -> Duration {
        self.here();
        LATENCY
    }
}

async fn node(dir: &Path) -> Consensus {
    let me = Member {
        node: NodeId(1),
        peer_address: "one".to_owned(),
        api_address: "one".to_owned(),
    };
    let mut config = ConsensusConfig::new(NodeId(1), vec![me], dir.join("node"));
    config.engine = EngineKind::Segments;
    config.threads = Threads::Shared;
    config.files = Arc::new(Watched {
        home: thread::current().id(),
    });
    config.clock = Clock::new(|| Millis(86_400_000));
    config.snapshot_every = 20;
    config.entries_kept = 5;
    let consensus = start(config).await.unwrap();
    eventually("a leader", || consensus.leadership().borrow().is_me).await;
    consensus
}

async fn live_twice(dir: &Path) {
    let consensus = node(dir).await;
    for number in 0..WRITES {
        let begun = Instant::now();
        let item = create(&format!("kept-{number}"), number + 1);
        consensus.submit(vec![item], deadline()).await.unwrap();
        assert!(
            begun.elapsed() >= LATENCY,
            "answered before the disk had it"
        );
    }
    eventually("a snapshot", || consensus.status().snapshot_index > 0).await;
    // The clock stands still, and slows the cluster's time down.
    let now = consensus.state().now();
    assert!((86_400_000..86_460_000).contains(&now.0), "{now:?}");
    let told = consensus.aside(|| thread::current().id()).await.unwrap();
    assert_eq!(told, thread::current().id());
    consensus.shutdown().await;

    let consensus = node(dir).await;
    eventually("all of it back", || {
        (0..WRITES).all(|number| has(&consensus, &format!("kept-{number}")))
    })
    .await;
    consensus.shutdown().await;
}

#[test]
fn a_node_without_threads_keeps_its_promises() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(live_twice(dir.path()));
}
