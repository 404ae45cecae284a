//! How a plan follows from a seed. Not every fault is on in every run: a run in which everything goes wrong all the time gets nowhere,
//! and hides what only a few faults together bring out.

use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::{Fault, Plan, Target, What};
use crate::workload::{Mix, ServiceMix};
use crate::world::Place;
use crate::world::network::Weather;

/// How long a run is, unless it is shortened.
const SAFETY_MS: u64 = 45_000;
/// Elections, agents that come back, tasks that are stopped: all of it fits well into this. A run ends as soon as it rests.
const LIVENESS_MS: u64 = 40_000;
/// The same with services: tasks that are healthy after 40 seconds, one after the other, and gaps between starts that fail.
const LIVENESS_WITH_SERVICES_MS: u64 = 400_000;
/// Services are drawn from a stream of their own, so that a world without them is what it was before there were any.
const STREAM_OF_SERVICES: u64 = 0x0073_6572_7669_6365;
/// No fault begins earlier: a cluster that never began shows little.
const FIRST_FAULT_MS: u64 = 1_500;

/// How big a world is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Nodes.
    pub(super) nodes: u64,
    /// Machines with agents.
    pub(super) hosts: u32,
    /// Clients.
    pub(super) clients: u32,
}

impl Plan {
    /// The plan that follows from a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Self::draw_world(seed).draw_services()
    }

    fn draw_world(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let size = Size {
            nodes: *[1, 3, 3, 3, 3, 3, 5]
                .choose(&mut rng)
                .expect("it is not empty"),
            hosts: rng.random_range(1..=4),
            clients: rng.random_range(2..=6),
        };
        Self::draw_sized(seed, size, &mut rng)
    }

    /// The same for the size by which speed is measured: 3 nodes, 3 agents, 4 clients.
    #[must_use]
    pub fn draw_usual(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let size = Size {
            nodes: 3,
            hosts: 3,
            clients: 4,
        };
        Self::draw_sized(seed, size, &mut rng).draw_services()
    }

    /// Half of all worlds have services.
    fn draw_services(self) -> Self {
        if services_of(self.seed).0 {
            self.with_services()
        } else {
            self
        }
    }

    /// The same world with services, whatever its seed says.
    #[must_use]
    pub fn with_services(mut self) -> Self {
        self.mix.services = Some(services_of(self.seed).1);
        self.liveness_ms = LIVENESS_WITH_SERVICES_MS;
        self
    }

    /// The same world without services, whatever its seed says.
    #[must_use]
    pub fn without_services(mut self) -> Self {
        self.mix.services = None;
        self.liveness_ms = LIVENESS_MS;
        self
    }

    fn draw_sized(seed: u64, size: Size, rng: &mut SmallRng) -> Self {
        let heartbeat_ms = *[50, 100, 100].choose(rng).expect("it is not empty");
        let mut plan = Self {
            seed,
            nodes: size.nodes,
            hosts: size.hosts,
            clients: size.clients,
            safety_ms: SAFETY_MS,
            liveness_ms: LIVENESS_MS,
            snapshot_every: rng.random_range(20..=250),
            entries_kept: *[0, 5, 40, 150].choose(rng).expect("it is not empty"),
            heartbeat_ms,
            election_ms: (heartbeat_ms * 6, heartbeat_ms * 12),
            lost_after_ms: rng.random_range(6_000..=15_000),
            stopped_kept_ms: *[20_000, 3_600_000].choose(rng).expect("it is not empty"),
            cleanup_wait_ms: *[0, 2_000, 10_000].choose(rng).expect("it is not empty"),
            sync_us: *[(50, 500), (500, 3_000), (2_000, 12_000)]
                .choose(rng)
                .expect("it is not empty"),
            weather: draw_weather(rng),
            mix: Mix::draw(rng),
            faults: Vec::new(),
        };
        plan.faults = Drawing { size, rng }.faults(plan.safety_ms);
        plan
    }
}

/// Whether the world of a seed has services, and what clients do with them if it has.
fn services_of(seed: u64) -> (bool, ServiceMix) {
    let mut rng = SmallRng::seed_from_u64(seed ^ STREAM_OF_SERVICES);
    (rng.random_bool(0.5), ServiceMix::draw(&mut rng))
}

fn draw_weather(rng: &mut SmallRng) -> Weather {
    let mut weather = Weather::fair();
    match rng.random_range(0..4) {
        0 | 1 => {}
        2 => weather.delay_us = (1_000, 8_000),
        _ => {
            weather.late_permille = rng.random_range(1..=20);
            weather.late_ms = rng.random_range(20..=400);
            weather.lost_permille = rng.random_range(0..=10);
            weather.twice_permille = rng.random_range(0..=20);
        }
    }
    weather
}

/// What faults are drawn with.
struct Drawing<'a> {
    size: Size,
    rng: &'a mut SmallRng,
}

/// Draws a fault of one kind.
type Draw = fn(&mut Drawing<'_>) -> What;

/// The kinds, and how each is drawn. A new fault is a line here, a variant of [`What`] and an arm in `run::nemesis`.
const KINDS: [Draw; 22] = [
    |d| What::Cut(d.node(), d.anybody()),
    |d| What::Isolate(d.node()),
    |d| What::Mute(d.node()),
    |d| What::Deafen(d.node()),
    |d| d.split(),
    |d| What::Slow(d.node(), d.anybody(), d.rng.random_range(20..=1_500)),
    |d| d.storm(),
    |d| What::Kill(d.node()),
    |d| What::Power(d.node()),
    |d| What::PowerAfter(d.node(), d.rng.random_range(0..=200)),
    |_| What::Blackout,
    |d| What::Restart(d.node()),
    |d| What::DiskFails(d.node(), d.rng.random_range(0..=200)),
    |d| What::DiskFull(d.node()),
    |d| What::DiskSlow(d.node(), d.rng.random_range(10..=1_500)),
    |d| What::ClockJump(d.machine(), d.rng.random_range(-3_600_000..=3_600_000)),
    |d| What::KillAgent(d.host()),
    |d| What::FlapAgent(d.host()),
    |d| What::CloneAgent(d.host()),
    |d| What::HostPower(d.host()),
    |d| What::RuntimeSlow(d.host(), d.rng.random_range(100..=5_000)),
    |d| What::RuntimeRefuses(d.host()),
];

impl Drawing<'_> {
    fn faults(&mut self, safety_ms: u64) -> Vec<Fault> {
        let mut kinds = KINDS.to_vec();
        kinds.shuffle(self.rng);
        kinds.truncate(self.rng.random_range(0..=8));
        let Some(longest) = safety_ms.checked_sub(FIRST_FAULT_MS) else {
            return Vec::new();
        };
        let count = if kinds.is_empty() {
            0
        } else {
            self.rng.random_range(1..=25)
        };
        let mut faults: Vec<Fault> = (0..count)
            .map(|_| {
                let draw = kinds.choose(self.rng).expect("it is not empty");
                Fault {
                    at_ms: FIRST_FAULT_MS + self.rng.random_range(0..longest),
                    for_ms: self.span_ms(),
                    what: draw(self),
                }
            })
            .collect();
        faults.sort_by_key(|fault| fault.at_ms);
        faults
    }

    /// Most faults are short, some outlast every patience.
    fn span_ms(&mut self) -> u64 {
        match self.rng.random_range(0..10) {
            0..=4 => self.rng.random_range(50..=1_500),
            5..=7 => self.rng.random_range(1_500..=6_000),
            _ => self.rng.random_range(6_000..=20_000),
        }
    }

    fn node(&mut self) -> Target {
        if self.rng.random_bool(0.4) {
            Target::Leader
        } else {
            Target::Node(self.rng.random_range(1..=self.size.nodes))
        }
    }

    fn host(&mut self) -> u32 {
        self.rng.random_range(0..self.size.hosts)
    }

    fn machine(&mut self) -> Target {
        if self.rng.random_bool(0.6) {
            self.node()
        } else {
            Target::Host(self.host())
        }
    }

    fn anybody(&mut self) -> Target {
        match self.rng.random_range(0..6) {
            0..=3 => self.node(),
            4 => Target::Host(self.host()),
            _ => Target::Client(self.rng.random_range(0..self.size.clients)),
        }
    }

    fn split(&mut self) -> What {
        let nodes = (1..=self.size.nodes).map(Place::Node);
        let hosts = (0..self.size.hosts).map(Place::Host);
        let clients = (0..self.size.clients).map(Place::Client);
        let all = nodes.chain(hosts).chain(clients);
        What::Split(all.filter(|_| self.rng.random_bool(0.5)).collect())
    }

    fn storm(&mut self) -> What {
        What::Storm(Weather {
            delay_us: (1_000, self.rng.random_range(5_000..=120_000)),
            late_permille: self.rng.random_range(0..=200),
            late_ms: self.rng.random_range(50..=2_000),
            lost_permille: self.rng.random_range(0..=400),
            twice_permille: self.rng.random_range(0..=300),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_take_nothing_from_what_else_is_drawn() {
        for seed in 1..=50 {
            let text = |plan: Plan| serde_json::to_string(&plan).expect("a plan is JSON");
            let without = text(Plan::draw(seed).without_services());
            assert_eq!(without, text(Plan::draw_world(seed)));
            assert_eq!(
                without,
                text(Plan::draw(seed).with_services().without_services())
            );
        }
    }

    #[test]
    fn about_half_of_all_worlds_have_services() {
        let with = |seed: &u64| Plan::draw(*seed).mix.services.is_some();
        let count = (1..=400).filter(with).count();
        assert!((150..250).contains(&count), "{count}");
    }
}
