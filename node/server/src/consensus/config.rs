//! What consensus is told at its start: who this node is, who else there is, where its disk is, and how patient it is.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, ConfigError, SnapshotPolicy};
use quorate_core::ids::NodeId;
use tokio::task::spawn_blocking;

use super::engine::EngineKind;
use super::membership::Member;
use super::wire::Connect;
use crate::clock::Clock;
use crate::files::{Files, Fs};

/// Entries between two snapshots. A snapshot walks the whole state, so it has to be rare; replaying this many entries takes about a second.
const SNAPSHOT_EVERY: u64 = 20_000;
/// Entries kept behind a snapshot: a node that was away for a while is brought up from them, which is far cheaper than a snapshot.
const ENTRIES_KEPT: u64 = 50_000;
/// Entries of one append. It is cut by bytes as well, on disk and on the wire.
const APPEND_ENTRIES: u64 = 1024;
/// How long a node may take to check, read and install a snapshot after it has it all: seconds for each gigabyte, and a slow disk.
const INSTALL_PATIENCE: Duration = Duration::from_secs(300);

/// Where consensus runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On a runtime of its own with this many workers, so that calls, however many, cannot hold up a heartbeat.
    Own(usize),
    /// On the caller's runtime and nowhere else: a simulation runs all nodes on one, with time stopped.
    Shared,
}

impl Threads {
    /// Does work that takes long or waits for a disk where it holds up nobody; without threads, here and now.
    ///
    /// # Errors
    /// If the work panicked, or the runtime ended before it was begun.
    pub(crate) async fn aside<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Own(_) => spawn_blocking(work).await.map_err(io::Error::other),
            Self::Shared => Ok(work()),
        }
    }
}

/// Everything consensus is told.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// This node; one of `members`.
    pub node: NodeId,
    /// Part of the cluster's identity; keeps clusters apart that use the same addresses one after the other.
    pub cluster_name: String,
    /// The nodes the cluster begins with, the same on each of them.
    pub members: Vec<Member>,
    /// A directory of its own.
    pub directory: PathBuf,
    /// What keeps the log.
    pub engine: EngineKind,
    /// How often the leader shows that it is there.
    pub heartbeat: Duration,
    /// How long followers wait for it, drawn anew from this range each time.
    pub election: Range<Duration>,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept behind a snapshot.
    pub entries_kept: u64,
    /// Where it runs.
    pub threads: Threads,
    /// Its disk. sled keeps files of its own, whatever this says.
    pub files: Arc<dyn Files>,
    /// Its wall clock.
    pub clock: Clock,
    /// How it reaches other nodes.
    pub connect: Connect,
    /// Version of this program, for the record.
    pub version: String,
}

impl ConsensusConfig {
    /// The usual settings for a node in a local network.
    #[must_use]
    pub fn new(node: NodeId, members: Vec<Member>, directory: PathBuf) -> Self {
        Self {
            node,
            cluster_name: "quorate".to_owned(),
            members,
            directory,
            engine: EngineKind::default(),
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(600)..Duration::from_millis(1200),
            snapshot_every: SNAPSHOT_EVERY,
            entries_kept: ENTRIES_KEPT,
            threads: Threads::Own(2),
            files: Arc::new(Fs),
            clock: Clock::system(),
            connect: Connect::tcp(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// This node among the members.
    pub(super) fn me(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.node == self.node)
    }

    /// The same for openraft, which checks that the times fit each other.
    pub(super) fn for_raft(&self, cluster: &str) -> Result<Arc<Config>, ConfigError> {
        let timeouts = self.election_timeouts();
        let config = Config {
            cluster_name: cluster.to_owned(),
            heartbeat_interval: as_ms(self.heartbeat),
            election_timeout_min: as_ms(timeouts.start),
            election_timeout_max: as_ms(timeouts.end),
            enable_pre_vote: Some(true),
            // Not before this node is admitted; then it is switched on.
            enable_elect: false,
            // By default a restarted leader goes on leading in its old term. But its followers may have committed entries that its
            // own disk never got: it would write other entries under the same ids. It has to stand for election like anybody else.
            enable_leader_restore: Some(false),
            max_payload_entries: APPEND_ENTRIES,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.entries_kept,
            replication_lag_threshold: self.entries_kept + self.snapshot_every,
            install_snapshot_timeout: as_ms(INSTALL_PATIENCE),
            ..Config::default()
        };
        config.validate().map(Arc::new)
    }

    /// openraft's followers wait for the leader's lease, which is as long as the longest timeout, and then for a timeout besides: so the range
    /// that is meant is shared out between the two.
    fn election_timeouts(&self) -> Range<Duration> {
        let lease = (self.election.end / 2).max(2 * self.heartbeat);
        let shortest = self
            .election
            .start
            .saturating_sub(lease)
            .max(self.heartbeat * 3 / 2);
        shortest..lease
    }
}

fn as_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_wait_within_the_range_that_is_set() {
        let mut config = ConsensusConfig::new(NodeId(1), Vec::new(), PathBuf::new());
        for (heartbeat, min, max) in [(100, 600, 1200), (100, 1000, 2000), (50, 200, 400)] {
            config.heartbeat = Duration::from_millis(heartbeat);
            config.election = Duration::from_millis(min)..Duration::from_millis(max);
            let raft = config.for_raft("c").expect("times that fit");
            let lease = raft.election_timeout_max;
            assert!(
                lease + raft.election_timeout_min >= min,
                "{heartbeat} {min}..{max}"
            );
            assert!(
                lease + raft.election_timeout_max <= max,
                "{heartbeat} {min}..{max}"
            );
        }
    }
}
