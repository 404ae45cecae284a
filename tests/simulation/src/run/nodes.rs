//! Keeps one node alive: starts it with what its disk holds, notices its end, however it comes, and starts it again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::ids::NodeId;
use quorate_core::{Millis, Policy, Realm};
use quorate_server::Rooms;
use quorate_server::clock::Clock;
use quorate_server::consensus::{
    self, Connect, Consensus, ConsensusConfig, EngineKind, Member, StartError, StopReason, Threads,
};
use quorate_server::gateway::Gateway;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use crate::moment::NodeView;
use crate::plan::Plan;
use crate::trace::{Event, Trace};
use crate::world::clocks::WallClock;
use crate::world::files::Disk;
use crate::world::network::Network;
use crate::world::{Life, Place};

/// How long it takes until a node that ended by itself is started again, by whatever supervises it.
const SUPERVISED: Duration = Duration::from_secs(1);
/// Where a node keeps all it has.
const DIRECTORY: &str = "/quorate/consensus";

/// One node, whether it runs or not. Clones are the same node.
#[derive(Clone)]
pub(super) struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    id: NodeId,
    config: ConsensusConfig,
    policy: Policy,
    disk: Disk,
    clock: WallClock,
    network: Network,
    trace: Trace,
    now: Mutex<Now>,
    /// From now on it is started without delay.
    recovered: CancellationToken,
}

/// What is the case now.
#[derive(Default)]
struct Now {
    lives: u32,
    life: Option<Life>,
    running: Option<Running>,
    /// How the present life is to end, once somebody has decided that.
    end: Option<End>,
}

struct Running {
    consensus: Consensus,
    gateway: Gateway,
    /// Asks the keeper to stop the node in order.
    stop: CancellationToken,
}

/// How a life ends, and when the next begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) loses_power: bool,
    pub(super) down: Duration,
}

/// Why the keeper stopped waiting.
enum Ended {
    /// The life is over: power, or a kill.
    Crash,
    /// It stopped by itself.
    ByItself(StopReason),
    /// It was asked to stop.
    InOrder,
}

impl Node {
    pub(super) fn new(
        plan: &Plan,
        id: NodeId,
        members: Vec<Member>,
        network: &Network,
        trace: &Trace,
    ) -> Self {
        let mut config = ConsensusConfig::new(id, members, PathBuf::from(DIRECTORY));
        config.engine = EngineKind::Segments;
        config.threads = Threads::Shared;
        config.heartbeat = Duration::from_millis(plan.heartbeat_ms);
        let (shortest, longest) = plan.election_ms;
        config.election = Duration::from_millis(shortest)..Duration::from_millis(longest);
        config.snapshot_every = plan.snapshot_every;
        config.entries_kept = plan.entries_kept;
        let policy = Policy {
            silent_after_ms: plan.lost_after_ms / 2,
            lost_after_ms: plan.lost_after_ms,
            stop_grace_ms: plan.lost_after_ms,
            stopped_kept_ms: plan.stopped_kept_ms,
            ..Policy::default()
        };
        let clock = WallClock::new(0);
        let read = clock.clone();
        config.clock = Clock::new(move || Millis(read.wall_ms()));
        let shared = Shared {
            id,
            config,
            policy,
            disk: Disk::new(plan.seed.rotate_left(8) ^ id.0, plan.sync_us, trace.clone()),
            clock,
            network: network.clone(),
            trace: trace.clone(),
            now: Mutex::default(),
            recovered: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.shared.disk
    }

    pub(super) fn clock(&self) -> &WallClock {
        &self.shared.clock
    }

    /// Its consensus, while it runs.
    pub(super) fn consensus(&self) -> Option<Consensus> {
        let now = self.shared.now.lock();
        now.running
            .as_ref()
            .map(|running| running.consensus.clone())
    }

    /// Where clients' calls go, while it runs.
    pub(super) fn way_in(&self) -> Option<(Life, Gateway)> {
        let now = self.shared.now.lock();
        let running = now.running.as_ref()?;
        Some((now.life.clone()?, running.gateway.clone()))
    }

    /// What promises see of it, while it runs.
    pub(super) fn view(&self) -> Option<NodeView> {
        let now = self.shared.now.lock();
        let running = now.running.as_ref()?;
        if now.life.as_ref()?.is_over() {
            return None;
        }
        Some(NodeView {
            life: now.lives,
            state: running.consensus.state(),
            status: running.consensus.status(),
        })
    }

    /// Ends the present life without notice, if there is one.
    pub(super) fn crash(&self, end: End) {
        let mut now = self.shared.now.lock();
        if let Some(life) = now.life.clone().filter(|life| !life.is_over()) {
            now.end = Some(end);
            life.end();
        }
    }

    /// Says how the present life ends, should something else end it.
    pub(super) fn prepare(&self, end: End) {
        self.shared.now.lock().end = Some(end);
    }

    /// Stops the node in order; it is started again after that.
    pub(super) fn restart(&self, down: Duration) {
        let mut now = self.shared.now.lock();
        if let Some(running) = &now.running {
            running.stop.cancel();
            now.end = Some(End {
                loses_power: false,
                down,
            });
        }
    }

    /// Nothing is wrong with it any more, and it is started at once if it is down.
    pub(super) fn recover(&self) {
        self.shared.disk.repair();
        self.shared.clock.set_right();
        self.shared.recovered.cancel();
    }

    /// Keeps the node alive until the run ends, or until it may not come back.
    pub(super) async fn keep(self, cluster: Cluster) {
        loop {
            let life = self.begin();
            let end = match self.live(&life, &cluster).await {
                Some(end) => end,
                None => return,
            };
            if end.loses_power {
                self.shared.disk.lose_power();
            }
            let down = sleep(end.down);
            tokio::select! {
                // A node that cannot start is not tried again without a pause either.
                () = self.shared.recovered.cancelled() => sleep(SUPERVISED.min(end.down)).await,
                () = down => {}
            }
        }
    }

    fn begin(&self) -> Life {
        let mut now = self.shared.now.lock();
        now.lives += 1;
        now.end = None;
        let life = Life::begin(Place::Node(self.shared.id.0), now.lives);
        now.life = Some(life.clone());
        life
    }

    /// One life from its start to its end; nothing if it must stay the last.
    async fn live(&self, life: &Life, cluster: &Cluster) -> Option<End> {
        let (shared, node) = (&self.shared, self.shared.id);
        let started = tokio::select! {
            biased;
            () = life.over() => None,
            started = consensus::start(self.config(life)) => Some(started),
        };
        let consensus = match started {
            Some(Ok(consensus)) => consensus,
            Some(Err(error)) if !life.is_over() => return self.refused(life, &error),
            Some(Err(_)) | None => return Some(self.crashed(life)),
        };
        let rooms = self.open(life, consensus.clone());
        shared.trace.tell(Event::NodeStarted {
            node,
            life: life.number,
        });
        cluster.look();
        tokio::spawn(follow(cluster.clone(), life.clone(), consensus.clone()));
        let stop = self.stop_token();
        let ended = tokio::select! {
            biased;
            () = life.over() => Ended::Crash,
            reason = consensus.stopped() => Ended::ByItself(reason),
            () = stop.cancelled() => Ended::InOrder,
        };
        match ended {
            Ended::Crash => {
                let end = self.crashed(life);
                // Cut off from disk and network, what is left of it comes to its end without effect on anybody.
                tokio::spawn(rooms.close());
                Some(end)
            }
            Ended::ByItself(reason) => {
                shared.trace.tell(Event::NodeStopped {
                    node,
                    life: life.number,
                    why: reason.to_string(),
                });
                let end = self.over(life);
                tokio::spawn(rooms.close());
                may_return(&reason).then_some(end)
            }
            Ended::InOrder => {
                tokio::select! {
                    biased;
                    () = life.over() => {}
                    () = rooms.close() => {}
                }
                let why = "asked to".to_owned();
                shared.trace.tell(Event::NodeStopped {
                    node,
                    life: life.number,
                    why,
                });
                Some(self.over(life))
            }
        }
    }

    fn config(&self, life: &Life) -> ConsensusConfig {
        let mut config = self.shared.config.clone();
        config.files = Arc::new(self.shared.disk.mount(life));
        let (network, life) = (self.shared.network.clone(), life.clone());
        config.connect = Connect::new(move |address| network.wire(&life, address));
        config
    }

    fn open(&self, life: &Life, consensus: Consensus) -> Rooms {
        let shared = &self.shared;
        let realm = Realm {
            region: "us-east-1".into(),
            account: "000000000000".into(),
        };
        let rooms = Rooms::open(consensus.clone(), realm, shared.policy);
        shared.network.serve(&self.address(), life, rooms.routes());
        shared.now.lock().running = Some(Running {
            consensus,
            gateway: rooms.gateway(),
            stop: CancellationToken::new(),
        });
        rooms
    }

    /// Where other nodes and agents reach it.
    fn address(&self) -> String {
        let mut members = self.shared.config.members.iter();
        let me = members.find(|member| member.node == self.shared.id);
        me.map(|member| member.peer_address.clone())
            .unwrap_or_default()
    }

    fn stop_token(&self) -> CancellationToken {
        let now = self.shared.now.lock();
        now.running
            .as_ref()
            .map(|running| running.stop.clone())
            .unwrap_or_default()
    }

    fn crashed(&self, life: &Life) -> End {
        let (node, life_number) = (self.shared.id, life.number);
        self.shared.trace.tell(Event::NodeCrashed {
            node,
            life: life_number,
        });
        self.over(life)
    }

    /// A life is over: nothing of it is to be seen any more.
    fn over(&self, life: &Life) -> End {
        life.end();
        self.shared.network.vanish(&self.address(), life);
        let mut now = self.shared.now.lock();
        (now.life, now.running) = (None, None);
        now.end.take().unwrap_or(End {
            loses_power: false,
            down: SUPERVISED,
        })
    }

    /// It did not even start. A disk that failed may be better next time; a disk that holds too little will not.
    fn refused(&self, life: &Life, error: &StartError) -> Option<End> {
        let why = causes(error);
        let node = self.shared.id;
        self.shared.trace.tell(Event::NodeStopped {
            node,
            life: life.number,
            why,
        });
        Some(self.over(life))
    }
}

/// Whether a node that stopped for this reason is started again. One that the others refuse stays out.
fn may_return(reason: &StopReason) -> bool {
    !matches!(reason, StopReason::Refused(_))
}

/// An error with everything behind it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Looks whenever the node has applied something.
async fn follow(cluster: Cluster, life: Life, consensus: Consensus) {
    let mut applied = consensus.applied();
    loop {
        tokio::select! {
            biased;
            () = life.over() => return,
            changed = applied.changed() => {
                if changed.is_err() {
                    return;
                }
                cluster.look();
            }
        }
    }
}
