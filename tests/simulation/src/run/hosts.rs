//! Keeps the agent of one machine alive: starts it with the identity that it stored, notices its end, and starts it again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_agent::{
    Addresses, AgentError, Clock, Connect, Identity, IdentityStore, Surroundings, run_in,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::moment::HostView;
use crate::plan::Plan;
use crate::trace::{Event, Trace};
use crate::world::clocks::WallClock;
use crate::world::machine::{Engine, Machine};
use crate::world::network::Network;
use crate::world::{Life, Place};

/// How long it takes until an agent that ended by itself is started again, by whatever supervises it.
const SUPERVISED: Duration = Duration::from_secs(2);
/// What a machine has to give.
const CPU_UNITS: i64 = 4096;
const MEMORY_MIB: i64 = 8192;

/// One machine with its agent, whether that runs or not. Clones are the same machine.
#[derive(Clone)]
pub(crate) struct Host {
    shared: Arc<Shared>,
}

struct Shared {
    number: u32,
    clone_of: Option<u32>,
    machine: Machine,
    store: Store,
    nodes: Vec<String>,
    cleanup_wait: Duration,
    network: Network,
    trace: Trace,
    now: Mutex<Now>,
    recovered: CancellationToken,
    /// The machine is no more.
    gone: CancellationToken,
}

#[derive(Default)]
struct Now {
    lives: u32,
    life: Option<Life>,
    /// How long the machine stays without an agent when the present one is killed.
    down: Duration,
}

/// What an agent stores of its identity; it is on the disk at once.
#[derive(Clone, Debug, Default)]
struct Store {
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
}

impl IdentityStore for Store {
    fn path(&self) -> &Path {
        Path::new("/agent/identity.json")
    }

    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.bytes.lock().clone())
    }

    fn store(&self, bytes: &[u8]) -> io::Result<()> {
        *self.bytes.lock() = Some(bytes.to_vec());
        Ok(())
    }
}

impl Host {
    /// A machine without containers; its agent has the identity of `clone_of`, or none yet.
    pub(super) fn new(
        plan: &Plan,
        number: u32,
        clone_of: Option<&Host>,
        network: &Network,
        trace: &Trace,
    ) -> Self {
        let clock = WallClock::new(0);
        let seed = plan.seed.rotate_left(24) ^ u64::from(number);
        let store = Store::default();
        if let Some(original) = clone_of {
            store
                .bytes
                .lock()
                .clone_from(&original.shared.store.bytes.lock());
        }
        let shared = Shared {
            number,
            clone_of: clone_of.map(Host::number),
            machine: Machine::new(number, seed, clock, trace.clone()),
            store,
            nodes: (1..=plan.nodes).map(|id| format!("n{id}:6571")).collect(),
            cleanup_wait: Duration::from_millis(plan.cleanup_wait_ms),
            network: network.clone(),
            trace: trace.clone(),
            now: Mutex::default(),
            recovered: CancellationToken::new(),
            gone: CancellationToken::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.shared.number
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.shared.machine
    }

    /// Its agent is killed; another starts after `down`.
    pub(super) fn kill(&self, down: Duration) {
        let mut now = self.shared.now.lock();
        now.down = down;
        if let Some(life) = &now.life {
            life.end();
        }
    }

    /// Nothing is wrong with it any more, and its agent is started at once if it is down.
    pub(super) fn recover(&self) {
        self.shared.machine.set_slower(Duration::ZERO);
        self.shared.machine.set_refusing(false);
        self.shared.machine.clock().set_right();
        self.shared.recovered.cancel();
        if self.shared.clone_of.is_some() {
            self.remove();
        }
    }

    /// The machine is destroyed, with its agent and all that runs there.
    pub(super) fn remove(&self) {
        self.shared.gone.cancel();
        self.kill(Duration::ZERO);
        self.shared.machine.lose_power();
    }

    pub(super) fn view(&self) -> HostView {
        HostView {
            number: self.shared.number,
            clone_of: self.shared.clone_of,
            has_agent: self.shared.now.lock().life.is_some(),
            containers: self.shared.machine.view(),
        }
    }

    /// Keeps the agent alive until the run ends or the machine is no more.
    pub(super) async fn keep(self) {
        while !self.shared.gone.is_cancelled() {
            let life = self.begin();
            let (host, number) = (self.shared.number, life.number);
            let why = tokio::select! {
                biased;
                () = life.over() => "killed".to_owned(),
                ended = self.agent(&life) => match ended {
                    Ok(()) => "asked to".to_owned(),
                    Err(error) => error.to_string(),
                },
            };
            life.end();
            self.shared.trace.tell(Event::AgentEnded {
                host,
                life: number,
                why,
            });
            let down = self.end();
            tokio::select! {
                () = self.shared.recovered.cancelled() => sleep(SUPERVISED / 10).await,
                () = sleep(down) => {}
            }
        }
    }

    fn begin(&self) -> Life {
        let mut now = self.shared.now.lock();
        now.lives += 1;
        now.down = SUPERVISED;
        let life = Life::begin(Place::Host(self.shared.number), now.lives);
        now.life = Some(life.clone());
        let (host, life_number) = (self.shared.number, now.lives);
        self.shared.trace.tell(Event::AgentStarted {
            host,
            life: life_number,
        });
        life
    }

    fn end(&self) -> Duration {
        let mut now = self.shared.now.lock();
        now.life = None;
        now.down
    }

    async fn agent(&self, life: &Life) -> Result<(), AgentError> {
        let shared = &self.shared;
        let (network, from) = (shared.network.clone(), life.clone());
        let connect = Connect::new(move |address| {
            let (network, from, address) = (network.clone(), from.clone(), address.to_owned());
            async move { network.connect(&from, &address).await }
        });
        let clock = shared.machine.clock().clone();
        let surroundings = Surroundings {
            nodes: Addresses::new(shared.nodes.clone())?,
            identity: Identity::load(shared.store.clone())?,
            host: self.measured(),
            runtime: Engine::of(&shared.machine),
            connect,
            clock: Clock::new(move || i64::try_from(clock.wall_ms()).unwrap_or(i64::MAX)),
            cleanup_wait: shared.cleanup_wait,
        };
        run_in(surroundings, CancellationToken::new()).await
    }

    /// What the agent would measure on a real machine.
    fn measured(&self) -> quorate_agent::Host {
        let attributes = [
            ("ecs.os-type", "linux"),
            ("ecs.os-family", "LINUX"),
            ("ecs.cpu-architecture", "x86_64"),
            ("ecs.capability.container-health-check", ""),
            ("ecs.capability.task-cpu-mem-limit", ""),
            ("quorate.runtime", "simulated"),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        quorate_agent::Host {
            cluster: "default".to_owned(),
            hostname: format!("h{}", self.shared.clone_of.unwrap_or(self.shared.number)),
            cpu_units: CPU_UNITS,
            memory_mib: MEMORY_MIB,
            reserved_ports: BTreeSet::new(),
            listening: |_| BTreeSet::new(),
            attributes: BTreeMap::from(attributes),
            docker_version: String::new(),
            dynamic_ports: None,
        }
    }
}
