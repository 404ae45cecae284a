//! One node, whole: opens what it needs, puts listeners on its rooms, and closes all in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use quorate_core::ids::NodeId;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::config::{Config, ConfigError};
use crate::consensus::{
    self, Consensus, ConsensusConfig, Member, StartError, StopReason, StoreError,
};
use crate::gateway::Gateway;
use crate::http::health::{self, Check, Checks};
use crate::http::{self, Doors, HttpConfig};
use crate::listeners::{self, BeginError, Listeners};
use crate::rooms::Rooms;
use crate::telemetry::{Metrics, TelemetryError};

/// A node that applies slower than it commits serves old reads late; beyond this many entries it says that it is not ready.
const LAG_READY_MAX: u64 = 5_000;
/// How long the last listeners may take to finish what they are at.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// Why a node did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A socket or the data directory.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Metrics could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The disk, or what it holds.
    #[error("start consensus")]
    Consensus(#[from] StartError),
    /// Consensus ended while the node ran: a disk that failed, or that another node found to hold less than it promised.
    #[error("{0}")]
    Stopped(StopReason),
}

impl ServerError {
    /// The exit code of a process that ends with this: as `sysexits.h` where it has one, 98 for a port that is taken.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 64,
            Self::Begin(BeginError::PortTaken { .. }) => 98,
            Self::Begin(BeginError::Listen { .. }) => 64,
            Self::Begin(BeginError::DataDirectory { .. }) => 73,
            Self::Consensus(StartError::Store(
                StoreError::Unusable { .. } | StoreError::InUse { .. },
            )) => 73,
            Self::Consensus(
                StartError::Store(_) | StartError::SnapshotLost { .. } | StartError::Snapshot(_),
            ) => 74,
            Self::Stopped(StopReason::Refused(_)) => 74,
            Self::Telemetry(_) | Self::Consensus(_) | Self::Stopped(_) => 1,
        }
    }
}

/// Runs a node until `stop` is cancelled, then closes it in order: no new calls, calls under way finished, agents sent elsewhere,
/// leadership handed over, the log closed.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), ServerError> {
    config.check()?;
    listeners::prepare_directory(&config.data_dir)?;
    let listeners = Listeners::bind(&config).await?;
    let metrics = Metrics::start()?;
    let consensus = consensus::start(consensus_config(&config)).await?;
    tracing::info!(node = config.node_id, api = %config.api, peer = %config.peer, health = %config.health, "node started");
    let rooms = Rooms::open(consensus, config.realm(), config.policy());
    let node = Node::open(&config, rooms, listeners, metrics);
    let ended = tokio::select! {
        () = stop.cancelled() => None,
        reason = node.rooms.consensus().stopped() => Some(reason),
    };
    node.close().await;
    tracing::info!(node = config.node_id, "node stopped");
    ended.map_or(Ok(()), |reason| Err(ServerError::Stopped(reason)))
}

/// What runs in a node, by the order in which it closes.
struct Node {
    /// Ends the API listener; calls under way are finished.
    api_stop: CancellationToken,
    api: TaskTracker,
    rooms: Rooms,
    /// Ends the listener for nodes and agents, and that for health.
    last_stop: CancellationToken,
    last: TaskTracker,
}

impl Node {
    fn open(config: &Config, rooms: Rooms, listeners: Listeners, metrics: Metrics) -> Self {
        let node = Self {
            api_stop: CancellationToken::new(),
            api: TaskTracker::new(),
            rooms,
            last_stop: CancellationToken::new(),
            last: TaskTracker::new(),
        };
        node.serve_peers(listeners.peer);
        node.api.spawn(http::serve(
            listeners.api,
            http_config(config),
            doors(node.rooms.gateway()),
            node.api_stop.clone(),
        ));
        let checks = checks(node.rooms.consensus().clone(), config.data_dir.clone());
        node.last.spawn(health::serve(
            listeners.health,
            metrics,
            checks,
            node.last_stop.clone(),
        ));
        node
    }

    /// Nodes and agents share one listener. It is served where Raft runs, so that API load cannot hold up a heartbeat.
    fn serve_peers(&self, listener: TcpListener) {
        let router = Server::builder().add_routes(self.rooms.routes());
        // The builder's own setting does not reach connections that come from a listener of ours. Without it every answer in a
        // conversation of small messages waits some 40 ms for the other side's delayed acknowledgement.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let stop = self.last_stop.clone().cancelled_owned();
        let serving = async move {
            if let Err(error) = router.serve_with_incoming_shutdown(incoming, stop).await {
                tracing::error!(%error, "the listener for nodes and agents ended");
            }
        };
        self.last
            .spawn_on(serving, &self.rooms.consensus().runtime());
    }

    async fn close(self) {
        close(&self.api_stop, &self.api).await;
        self.rooms.close().await;
        // Other nodes keep their streams to this one open until it is gone, so waiting for them would be waiting for ever.
        let _ = timeout(LAST_PATIENCE, close(&self.last_stop, &self.last)).await;
    }
}

async fn close(stop: &CancellationToken, tasks: &TaskTracker) {
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

fn doors(gateway: Gateway) -> Doors {
    let teller = gateway.clone();
    Doors {
        call: Arc::new(move |call| {
            let gateway = gateway.clone();
            async move { gateway.call(call).await }.boxed()
        }),
        watch: Arc::new(move |ask| {
            let gateway = teller.clone();
            async move { gateway.watch(ask).await }.boxed()
        }),
    }
}

fn http_config(config: &Config) -> HttpConfig {
    HttpConfig {
        region: config.region.clone(),
        account: config.account.clone(),
        access_keys: config.access_key.clone(),
    }
}

fn consensus_config(config: &Config) -> ConsensusConfig {
    let members = config.members().into_iter().map(|(id, address)| Member {
        node: NodeId(id),
        peer_address: address.peer,
        api_address: address.api,
    });
    let mut consensus = ConsensusConfig::new(
        NodeId(config.node_id),
        members.collect(),
        config.data_dir.join("consensus"),
    );
    consensus.cluster_name.clone_from(&config.cluster_name);
    consensus.engine = config.log_engine;
    consensus.heartbeat = config.heartbeat.duration();
    consensus.election = config.election.min.duration()..config.election.max.duration();
    consensus.snapshot_every = config.snapshot_every;
    consensus
}

/// What `/readyz` looks at. A follower is as ready as a leader: any node takes any call.
fn checks(consensus: Consensus, data_dir: PathBuf) -> Checks {
    Arc::new(move || {
        let status = consensus.status();
        let behind = status.committed_index.saturating_sub(status.applied_index);
        let disk = rustix::fs::access(&data_dir, rustix::fs::Access::WRITE_OK);
        vec![
            Check::new(
                "leader",
                status.leadership.leader.is_some(),
                "no leader is known",
            ),
            Check::new(
                "applied",
                behind <= LAG_READY_MAX,
                format!("{behind} entries behind"),
            ),
            Check::new(
                "disk",
                disk.is_ok(),
                format!("{} cannot be written", data_dir.display()),
            ),
            Check::new(
                "consensus",
                status.stopped.is_none(),
                "consensus has stopped",
            ),
        ]
    })
}
