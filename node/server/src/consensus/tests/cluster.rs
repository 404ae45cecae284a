//! A cluster for tests: real nodes with real disks and sockets, in temporary directories and on ports that the system gives.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_core::documents::{Capacity, DefinitionSpec, Document, Tags};
use quorate_core::ids::{ClusterName, NodeId, RequestId};
use quorate_core::{Command, Item};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::super::{Consensus, ConsensusConfig, EngineKind, Member, Proposed, StartError, start};

/// How long anything in these tests may take: the machines that run them are busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Soon enough for every test, late enough for a busy machine.
pub(super) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Waits until `fact` holds.
pub(super) async fn eventually(what: &str, mut fact: impl FnMut() -> bool) {
    let deadline = deadline();
    while !fact() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A change that is easy to find again.
pub(super) fn create(name: &str, request: u128) -> Item {
    let name: ClusterName = name.parse().unwrap();
    let command = Command::CreateCluster {
        name,
        tags: Tags::default(),
        document: Document::default(),
        capacity: Capacity::default(),
    };
    Item {
        request: RequestId::from_u128(request),
        command,
    }
}

pub(super) struct Running {
    pub(super) consensus: Consensus,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

pub(super) struct Cluster {
    pub(super) nodes: BTreeMap<u64, Running>,
    members: Vec<Member>,
    directory: TempDir,
    engine: EngineKind,
    adjust: fn(&mut ConsensusConfig),
}

impl Cluster {
    /// `size` nodes, all running, with a leader.
    pub(super) async fn start(size: u64, engine: EngineKind) -> Self {
        Self::start_with(size, engine, |_| ()).await
    }

    /// The same with other settings.
    pub(super) async fn start_with(
        size: u64,
        engine: EngineKind,
        adjust: fn(&mut ConsensusConfig),
    ) -> Self {
        let mut listeners = Vec::new();
        let mut members = Vec::new();
        for node in 1..=size {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer_address = listener.local_addr().unwrap().to_string();
            members.push(Member {
                node: NodeId(node),
                peer_address,
                api_address: format!("127.0.0.1:{node}"),
            });
            listeners.push((node, listener));
        }
        let directory = tempfile::tempdir().unwrap();
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            members,
            directory,
            engine,
            adjust,
        };
        for (node, listener) in listeners {
            cluster.run_on(node, listener).await;
        }
        cluster.leader().await;
        cluster
    }

    fn directory(&self, node: u64) -> PathBuf {
        self.directory.path().join(node.to_string())
    }

    fn config(&self, node: u64) -> ConsensusConfig {
        let mut config =
            ConsensusConfig::new(NodeId(node), self.members.clone(), self.directory(node));
        config.engine = self.engine;
        (self.adjust)(&mut config);
        config
    }

    async fn run_on(&mut self, node: u64, listener: TcpListener) {
        let consensus = start(self.config(node)).await.unwrap();
        let stop = CancellationToken::new();
        let service = consensus.raft_service();
        let stopping = stop.clone();
        let serving = consensus.runtime().spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            // Without waiting for open streams, as when a process ends.
            let serving = Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming);
            let _ = stopping.run_until_cancelled(serving).await;
        });
        self.nodes.insert(
            node,
            Running {
                consensus,
                serving,
                stop,
            },
        );
    }

    /// Starts a node again, at its old address and on its old disk.
    pub(super) async fn restart(&mut self, node: u64) {
        let address: SocketAddr = self.members[node as usize - 1]
            .peer_address
            .parse()
            .unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        self.run_on(node, socket.listen(64).unwrap()).await;
    }

    /// Stops a node as a shutdown does.
    pub(super) async fn stop(&mut self, node: u64) {
        let running = self.nodes.remove(&node).unwrap();
        running.consensus.shutdown().await;
        running.stop.cancel();
        let _ = running.serving.await;
    }

    /// Ends a node at once, in the middle of whatever it does: no hand-over, no last words.
    pub(super) async fn kill(&mut self, node: u64) {
        let running = self.nodes.remove(&node).unwrap();
        running.stop.cancel();
        let _ = running.serving.await;
        let threads = running.consensus.shared.threads.own.lock().take();
        threads.unwrap().shutdown_background();
    }

    /// Removes what a stopped node has on disk.
    pub(super) fn wipe(&self, node: u64) {
        std::fs::remove_dir_all(self.directory(node)).unwrap();
    }

    /// Copies what a stopped node has on disk.
    pub(super) fn copy(&self, node: u64) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(&self.directory(node), copy.path());
        copy
    }

    /// Puts a stopped node's disk back to what it was.
    pub(super) fn put_back(&self, node: u64, copy: TempDir) {
        self.wipe(node);
        copy_tree(copy.path(), &self.directory(node));
    }

    /// Removes a stopped node's snapshots only.
    pub(super) fn wipe_snapshots(&self, node: u64) {
        std::fs::remove_dir_all(self.directory(node).join("snapshots")).unwrap();
    }

    /// Starts a node that is expected not to start.
    pub(super) async fn try_start(&self, node: u64) -> Result<Consensus, StartError> {
        start(self.config(node)).await
    }

    pub(super) fn on(&self, node: u64) -> &Consensus {
        &self.nodes[&node].consensus
    }

    /// Waits until all running nodes agree on a leader that runs; gives its id.
    pub(super) async fn leader(&self) -> u64 {
        let agreed = || {
            let mut leaders = self.nodes.values().map(|running| {
                let leadership = running.consensus.leadership().borrow().clone();
                leadership
                    .leader
                    .map(|leader| (leadership.term, leader.node.0))
            });
            let first = leaders.next().flatten()?;
            let is_same = leaders.all(|other| other == Some(first));
            let leads = self
                .nodes
                .get(&first.1)?
                .consensus
                .leadership()
                .borrow()
                .is_me;
            (is_same && leads).then_some(first.1)
        };
        eventually("a leader all agree on", || agreed().is_some()).await;
        agreed().expect("it was agreed a moment ago")
    }

    /// A node that does not lead.
    pub(super) async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        *self.nodes.keys().find(|node| **node != leader).unwrap()
    }

    /// Writes a change by way of `node`.
    pub(super) async fn write(&self, node: u64, name: &str, request: u128) -> Proposed {
        self.on(node)
            .submit(vec![create(name, request)], deadline())
            .await
            .unwrap()
    }

    /// Waits until all have applied as much as any has, and compares what came of it.
    pub(super) async fn expect_equal_states(&self) {
        let applied = |running: &Running| *running.consensus.applied().borrow();
        eventually("all nodes at one index", || {
            let indexes: Vec<_> = self.nodes.values().map(applied).collect();
            indexes.iter().all(|index| *index == indexes[0])
        })
        .await;
        let digests: Vec<_> = self
            .nodes
            .values()
            .map(|running| running.consensus.state().digest())
            .collect();
        assert!(
            digests.iter().all(|digest| *digest == digests[0]),
            "equal indexes, different states: {digests:?}"
        );
        for running in self.nodes.values() {
            assert_eq!(running.consensus.state().check(), []);
        }
    }

    /// Ends the test in order.
    pub(super) async fn end(mut self) {
        let nodes: Vec<u64> = self.nodes.keys().copied().collect();
        for node in nodes {
            self.stop(node).await;
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (
            entry.as_ref().unwrap(),
            to.join(entry.as_ref().unwrap().file_name()),
        );
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Whether `node`'s state has a cluster of this name.
pub(super) fn has(consensus: &Consensus, name: &str) -> bool {
    consensus.state().cluster(&name.parse().unwrap()).is_some()
}

/// A change that would count if it were done twice: each registration makes a revision.
pub(super) fn register(family: &str, request: u128) -> Item {
    let document = serde_json::json!({
        "family": family,
        "containerDefinitions": [{ "name": "main", "image": "app", "memory": 16 }],
    });
    let object = document.as_object().unwrap();
    let command = Command::RegisterDefinition {
        family: family.parse().unwrap(),
        document: Document::new(object),
        spec: Arc::new(DefinitionSpec::parse(object).unwrap()),
        tags: Tags::default(),
        registered_by: "test".to_owned(),
    };
    Item {
        request: RequestId::from_u128(request),
        command,
    }
}
