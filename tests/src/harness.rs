//! A cluster for one test, and waiting without sleeping: a condition is looked at until it holds or its deadline is over.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::Duration;

use quorate_chaos::cluster::{Cluster, ClusterOptions};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::ecs::Ecs;

/// How often a condition is looked at: often enough not to blur what is measured, seldom enough to leave the CPU alone.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A call to a living cluster is over long before; a call during an election may need most of it.
pub const CALL_LIMIT: Duration = Duration::from_secs(20);

/// A whole cluster on a busy machine with two cores serves in a few seconds.
pub const SERVING_LIMIT: Duration = Duration::from_secs(60);

/// Looks until `condition` gives a value.
///
/// # Panics
/// When the limit is over: with `what` was waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "after {limit:?} still not: {what}"
        );
        sleep(LOOK_EVERY).await;
    }
}

/// Looks again and again, for some time, whether a condition still holds.
///
/// # Panics
/// When it does not: with `what` was to stay.
pub async fn holds<F: Future<Output = bool>>(
    what: &str,
    time: Duration,
    mut condition: impl FnMut() -> F,
) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        assert!(condition().await, "no longer as before: {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// The `quorate` binary under test: the one that `QUORATE_BIN` names, else the one of the same build as this test.
///
/// # Panics
/// If it is not there. A test that needs it never passes without it.
#[must_use]
pub fn quorate_binary() -> PathBuf {
    built("QUORATE_BIN", "quorate")
}

/// A binary of the workspace: the one that `variable` names, else the one of the same build as this test.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn built(variable: &str, name: &str) -> PathBuf {
    let beside = || {
        let own = std::env::current_exe().expect("a test knows its own file");
        // Tests lie in deps/, binaries beside that folder; a benchmark is itself a binary.
        let profile = own
            .ancestors()
            .skip(1)
            .find(|folder| !folder.ends_with("deps"))
            .expect("a build has a folder");
        profile.join(name)
    };
    let path = std::env::var_os(variable).map_or_else(beside, PathBuf::from);
    assert!(
        path.is_file(),
        "{} is not there: cargo build --workspace --bins",
        path.display()
    );
    path
}

/// A cluster that ends with the test, together with every file of it. When the test fails, the ends of its logs are shown.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    // After the cluster, which must have ended before its folder goes.
    _folder: TempDir,
}

impl TestCluster {
    /// Starts a cluster and waits until it serves. `adjust` changes what differs from three nodes and two agents.
    ///
    /// # Panics
    /// If the cluster does not serve in time.
    pub async fn start(adjust: impl FnOnce(&mut ClusterOptions)) -> Self {
        let mut cluster = Self::launch(adjust);
        cluster.serve().await;
        cluster
    }

    /// Starts the processes of a cluster and does not wait for them.
    ///
    /// # Panics
    /// If a process cannot be started.
    #[must_use]
    pub fn launch(adjust: impl FnOnce(&mut ClusterOptions)) -> Self {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let mut options = ClusterOptions::new(quorate_binary(), folder.path().join("cluster"));
        adjust(&mut options);
        let cluster =
            Cluster::launch(&options).unwrap_or_else(|error| panic!("launch a cluster: {error:?}"));
        Self {
            cluster,
            _folder: folder,
        }
    }

    /// Waits until every living node is ready and every living agent connected.
    ///
    /// # Panics
    /// If that takes longer than [`SERVING_LIMIT`].
    pub async fn serve(&mut self) {
        self.cluster
            .serving(SERVING_LIMIT)
            .await
            .unwrap_or_else(|error| panic!("the cluster does not serve: {error}"));
    }

    /// The name of the leader, once there is one that every living node agrees on.
    ///
    /// # Panics
    /// If there is none in time.
    pub async fn the_leader(&self) -> String {
        eventually("a leader", SERVING_LIMIT, || self.cluster.leader()).await
    }

    /// The names of the nodes that do not lead.
    ///
    /// # Panics
    /// If there is no leader in time.
    pub async fn followers(&self) -> Vec<String> {
        let leader = self.the_leader().await;
        self.living_nodes()
            .map(|(member, _)| member.name.clone())
            .filter(|name| *name != leader)
            .collect()
    }

    /// Calls to these nodes, in turn, and to no other.
    ///
    /// # Panics
    /// If one of them is no node.
    #[must_use]
    pub fn ecs(&self, nodes: &[&str]) -> Ecs {
        Ecs::new(
            self.cluster
                .client(nodes, CALL_LIMIT)
                .unwrap_or_else(|error| panic!("{error:?}")),
        )
    }

    /// Calls to any node.
    #[must_use]
    pub fn any(&self) -> Ecs {
        let nodes: Vec<&str> = self
            .members()
            .iter()
            .filter(|member| member.addresses.is_some())
            .map(|member| member.name.as_str())
            .collect();
        self.ecs(&nodes)
    }
}

impl Deref for TestCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl DerefMut for TestCluster {
    fn deref_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in self.cluster.names() {
                eprintln!(
                    "--- the end of {name}'s log\n{}",
                    self.cluster.log_tail(&name)
                );
            }
        }
    }
}
