//! How a node takes up its part: it opens its disk, makes sure that it may vote, and finds or founds its cluster.

use std::error::Error;
use std::io;
use std::sync::Arc;

use openraft::storage::RaftLogStorage;
use parking_lot::Mutex;
use quorate_core::ids::StoreId;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::Gate;
use super::barrier;
use super::config::{ConsensusConfig, Threads};
use super::disk::Disk;
use super::heard::Contacts;
use super::join;
use super::leadership::{self, Leadership};
use super::log_store::{self, LogStore, StoreConfig, StoreError};
use super::machine::{Machine, View};
use super::membership::{Member, cluster_id};
use super::node::{Consensus, Raft, RaftThreads, Shared};
use super::proposals;
use super::pulse;
use super::snapshot::{SnapshotError, Snapshots};
use super::submit::Submitter;
use super::time;
use super::types::LogId;
use super::wire::{Address, Calls, Channels, Links};
use super::witness::{Kept, Witness};

/// Where the snapshots are, below the node's directory.
const SNAPSHOTS: &str = "snapshots";

/// Why consensus does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings do not name this node among the members.
    #[error("node {0} is not among the members of the cluster")]
    NotAMember(quorate_core::ids::NodeId),
    /// The settings cannot work together.
    #[error("the settings of consensus do not fit each other")]
    Settings(#[source] Box<dyn Error + Send + Sync>),
    /// The log cannot be opened, or holds less than this node promised.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The newest snapshot cannot be read.
    #[error("open the snapshots")]
    Snapshot(#[source] Box<dyn Error + Send + Sync>),
    /// Snapshots do not reach as far as the catalogue knows, or as the log was shortened for.
    #[error(
        "entries up to {promised} were in a snapshot, but the newest one on this disk ends at {found:?}: the disk holds less than this node \
         promised. Bring the snapshots back, or let this machine join the cluster again with a NEW node id"
    )]
    SnapshotLost {
        /// The last entry that a snapshot held.
        promised: u64,
        /// The last entry in the newest snapshot that is there.
        found: Option<u64>,
    },
    /// Raft does not start on what the disk holds.
    #[error("start raft")]
    Raft(#[source] Box<dyn Error + Send + Sync>),
    /// The system gives no threads.
    #[error("start the threads of consensus")]
    Threads(#[source] io::Error),
}

impl From<SnapshotError> for StartError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Lost { promised, found } => StartError::SnapshotLost { promised, found },
            other => StartError::Snapshot(other.into()),
        }
    }
}

/// Takes up this node's part. It serves others once [`Consensus::raft_service`] is mounted, and has a leader some time after; until then calls
/// wait. What ends its part later, [`Consensus::stopped`] tells.
///
/// # Errors
/// If the settings or the disk do not allow it. An empty disk of a node that is already known is found out later, from the other nodes.
pub async fn start(config: ConsensusConfig) -> Result<Consensus, StartError> {
    let threads = threads(config.threads)?;
    let handle = threads.handle.clone();
    // Everything that Raft spawns belongs to its own threads.
    let starting = handle.spawn(start_on(config, threads));
    starting
        .await
        .map_err(|error| StartError::Threads(io::Error::other(error)))?
}

fn threads(wanted: Threads) -> Result<RaftThreads, StartError> {
    let Threads::Own(workers) = wanted else {
        return Ok(RaftThreads {
            handle: Handle::current(),
            own: Mutex::new(None),
        });
    };
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers.max(1))
        .thread_name("raft")
        .enable_all()
        .build();
    let runtime = runtime.map_err(StartError::Threads)?;
    Ok(RaftThreads {
        handle: runtime.handle().clone(),
        own: Mutex::new(Some(runtime)),
    })
}

async fn start_on(config: ConsensusConfig, threads: RaftThreads) -> Result<Consensus, StartError> {
    let opened = open_raft(&config).await?;
    let shared = Arc::new(wire_up(config, threads, opened));
    take_part(&shared).await?;
    Ok(Consensus { shared })
}

/// Raft on this node's disk, and what it was opened with.
struct Opened {
    me: Member,
    address: Address,
    store_id: StoreId,
    raft: Raft,
    log: LogStore,
    witness: Witness,
    found: Kept,
    view: View,
    snapshots: Snapshots,
    contacts: Contacts,
    channels: Arc<Channels>,
}

async fn open_raft(config: &ConsensusConfig) -> Result<Opened, StartError> {
    let me = config
        .me()
        .cloned()
        .ok_or(StartError::NotAMember(config.node))?;
    let cluster = cluster_id(&config.cluster_name, &config.members);
    let raft_config = config
        .for_raft(&cluster)
        .map_err(|error| StartError::Settings(error.into()))?;
    let (log, machine) = open(config, &cluster).await?;
    let (witness, found) = (Witness::open(log.clone()), Kept::on(&log));
    let store_id = log.identity().store_id.parse::<StoreId>();
    let store_id = store_id.map_err(|error| StartError::Settings(error.into()))?;
    let (view, snapshots, contacts) = (machine.view(), machine.snapshots(), machine.contacts());
    let address = Address {
        cluster,
        node: me.node.0,
    };
    let channels = Arc::new(Channels::new(config.connect.clone()));
    let disk = snapshots.disk().clone();
    let links = Links::new(address.clone(), Arc::clone(&channels), disk);
    let raft = Raft::new(address.node, raft_config, links, log.clone(), machine).await;
    let raft = raft.map_err(|fatal| StartError::Raft(fatal.into()))?;
    Ok(Opened {
        me,
        address,
        store_id,
        raft,
        log,
        witness,
        found,
        view,
        snapshots,
        contacts,
        channels,
    })
}

/// Puts the desks around Raft where calls and peers find them, and sets them to work.
fn wire_up(config: ConsensusConfig, threads: RaftThreads, opened: Opened) -> Shared {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (leads, leadership) = watch::channel(Leadership::default());
    let (stopped, _) = watch::channel(None);
    let following = leadership::follow(
        opened.raft.metrics(),
        opened.log.fatal(),
        leads,
        opened.contacts.clone(),
        stopped.clone(),
        stop.clone(),
    );
    tasks.spawn(following);
    let calls = Calls {
        from: opened.address.clone(),
        channels: Arc::clone(&opened.channels),
    };
    let view = opened.view.clone();
    let clock = time::of_cluster(config.clock.clone(), move || view.state().now());
    let (proposer, proposing) =
        proposals::proposer(opened.raft.clone(), clock.clone(), stop.clone());
    tasks.spawn(proposing);
    let (barriers, confirming) = barrier::barriers(
        opened.raft.clone(),
        calls.clone(),
        leadership.clone(),
        opened.view.clone(),
        stop.clone(),
    );
    tasks.spawn(confirming);
    let submitter = Submitter {
        proposer,
        calls,
        leadership: leadership.clone(),
    };
    let gate = Gate::default();
    Shared {
        config,
        clock,
        me: opened.me,
        address: opened.address,
        store_id: opened.store_id,
        raft: opened.raft,
        log: opened.log,
        view: opened.view,
        snapshots: opened.snapshots,
        channels: opened.channels,
        submitter,
        barriers,
        contacts: opened.contacts,
        gate,
        witness: opened.witness,
        found: opened.found,
        admitted_by: Mutex::default(),
        leadership,
        stopped,
        stop,
        tasks,
        threads,
    }
}

/// Opens log and snapshots, and makes sure that there is no hole between them.
async fn open(config: &ConsensusConfig, cluster: &str) -> Result<(LogStore, Machine), StartError> {
    let disk = Disk {
        files: Arc::clone(&config.files),
        threads: config.threads,
    };
    let (directory, engine, node, cluster) = (
        config.directory.clone(),
        config.engine,
        config.node.0,
        cluster.to_owned(),
    );
    let opening = disk.clone();
    let opened = disk.aside(move || {
        // Drawn for a new directory; an old one keeps what it was given.
        let store_id = StoreId::from_u128(crate::entropy::number()).to_string();
        let log = log_store::open(&StoreConfig {
            disk: opening.clone(),
            dir: directory.clone(),
            engine,
            cluster_id: cluster.clone(),
            node,
            store_id,
        })?;
        let machine = Machine::open(opening, &directory.join(SNAPSHOTS), &cluster, log.clone())?;
        Ok::<_, StartError>((log, machine))
    });
    let (mut log, machine) = opened.await.map_err(StartError::Threads)??;
    let log_state = log
        .get_log_state()
        .await
        .map_err(|error| StartError::Raft(error.into()))?;
    let index = |id: LogId| id.index();
    match (
        log_state.last_purged_log_id.map(index),
        machine.last().map(index),
    ) {
        (Some(promised), found) if found.is_none_or(|found| found < promised) => {
            Err(StartError::SnapshotLost { promised, found })
        }
        _ => Ok((log, machine)),
    }
}

/// Begins all that goes on while this node has its part.
async fn take_part(shared: &Arc<Shared>) -> Result<(), StartError> {
    let has_begun = shared
        .raft
        .is_initialized()
        .await
        .map_err(|fatal| StartError::Raft(fatal.into()))?;
    let joining = Arc::clone(shared);
    shared.tasks.spawn(async move {
        let joined = joining
            .stop
            .run_until_cancelled(join::join(&joining, has_begun))
            .await;
        if let Some(Err(reason)) = joined {
            tracing::error!(%reason, "this node cannot take part");
            joining.stopped.send_replace(Some(reason));
        }
    });
    let beating = Arc::clone(shared);
    shared.tasks.spawn(async move {
        beating
            .stop
            .run_until_cancelled(pulse::pulse(&beating))
            .await;
    });
    Ok(())
}
