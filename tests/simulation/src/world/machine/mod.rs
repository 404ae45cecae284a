//! Machines that agents run on: what their container runtimes hold and do. Containers belong to the machine, not to the agent: they go
//! on when it dies, and the next agent finds them.
//!
//! `engine` is the product's `Runtime` on a machine. What a container does follows from the name of its image, see [`Behaviour`].

mod engine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_agent::runtime::{Exit, Health, HealthStatus, Key, Seen, Sighting, Tag};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;

use super::clocks::WallClock;
use crate::moment::ContainerView;
use crate::trace::{Event, Trace};

pub use engine::Engine;

/// Exit codes of containers that a signal ended.
const TERMINATED: i32 = 143;
const KILLED: i32 = 137;

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    /// `run`: it runs until it is stopped.
    Runs,
    /// `job:MS:CODE`: it ends by itself.
    Ends { after: Duration, exit: i32 },
    /// `crash`: it ends at a drawn time.
    Crashes,
    /// `deaf`: it has to be killed.
    Deaf,
    /// `sick:MS`: it runs, and where it is checked it is well at first, then not, and after the same time again.
    Sickens { after: Duration },
    /// `nopull`: its image cannot be had.
    NoImage,
    /// `nostart`: it cannot be started.
    NoStart,
}

impl Behaviour {
    fn of(image: &str) -> Self {
        let mut words = image.split(':');
        match words.next() {
            Some("job") => {
                let mut number = || words.next().and_then(|word| word.parse().ok());
                let after = Duration::from_millis(number().unwrap_or(1_000));
                let exit = number().and_then(|code| i32::try_from(code).ok());
                Self::Ends {
                    after,
                    exit: exit.unwrap_or(0),
                }
            }
            Some("crash") => Self::Crashes,
            Some("deaf") => Self::Deaf,
            Some("sick") => {
                let after = words.next().and_then(|word| word.parse().ok());
                Self::Sickens {
                    after: Duration::from_millis(after.unwrap_or(1_000)),
                }
            }
            Some("nopull") => Self::NoImage,
            Some("nostart") => Self::NoStart,
            _ => Self::Runs,
        }
    }
}

/// One machine. Clones are the same machine.
#[derive(Clone)]
pub struct Machine {
    number: u32,
    inner: Arc<Mutex<Inner>>,
    clock: WallClock,
    trace: Trace,
}

struct Inner {
    rng: SmallRng,
    containers: BTreeMap<Key, Container>,
    made: u32,
    /// Every answer takes longer by up to this.
    slower_by: Duration,
    /// It refuses everything.
    is_refusing: bool,
    /// Who wants to know that something changed.
    pokes: Vec<Arc<Notify>>,
    view: Option<Arc<Vec<ContainerView>>>,
}

struct Container {
    id: String,
    tag: Tag,
    behaviour: Behaviour,
    state: Seen,
    /// Absent where nothing is checked.
    health: Option<HealthStatus>,
    started: Option<Duration>,
    ended: Option<Duration>,
}

impl Machine {
    /// A machine without containers.
    #[must_use]
    pub fn new(number: u32, seed: u64, clock: WallClock, trace: Trace) -> Self {
        let inner = Inner {
            rng: SmallRng::seed_from_u64(seed),
            containers: BTreeMap::new(),
            made: 0,
            slower_by: Duration::ZERO,
            is_refusing: false,
            pokes: Vec::new(),
            view: None,
        };
        Self {
            number,
            inner: Arc::new(Mutex::new(inner)),
            clock,
            trace,
        }
    }

    /// Its wall clock.
    #[must_use]
    pub fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// Everything its runtime is asked takes longer by up to this.
    pub fn set_slower(&self, by: Duration) {
        self.inner.lock().slower_by = by;
    }

    /// Its runtime refuses everything, or does not any more.
    pub fn set_refusing(&self, is_refusing: bool) {
        self.inner.lock().is_refusing = is_refusing;
    }

    /// The power goes: every container ends.
    pub fn lose_power(&self) {
        let running: Vec<Key> = {
            let inner = self.inner.lock();
            let running = inner
                .containers
                .iter()
                .filter(|(_, container)| container.state == Seen::Running);
            running.map(|(key, _)| key.clone()).collect()
        };
        for key in running {
            self.end(&key, KILLED);
        }
    }

    /// What it holds; the same value as long as nothing changes.
    #[must_use]
    pub fn view(&self) -> Arc<Vec<ContainerView>> {
        let mut inner = self.inner.lock();
        if let Some(view) = &inner.view {
            return Arc::clone(view);
        }
        let view = Arc::new(
            inner
                .containers
                .values()
                .filter_map(Container::view)
                .collect(),
        );
        inner.view = Some(Arc::clone(&view));
        view
    }

    /// What follows when a container has begun to run.
    fn live(&self, key: &Key, id: &str, behaviour: Behaviour) {
        let (after, exit) = match behaviour {
            Behaviour::Ends { after, exit } => (after, exit),
            Behaviour::Crashes => {
                let mut inner = self.inner.lock();
                let after = inner.rng.random_range(200..10_000);
                (
                    Duration::from_millis(after),
                    inner.rng.random_range(1..=139),
                )
            }
            Behaviour::Sickens { after } => return self.sicken(key, id, after),
            Behaviour::Runs | Behaviour::Deaf | Behaviour::NoImage | Behaviour::NoStart => return,
        };
        let (machine, key, id) = (self.clone(), key.clone(), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if machine.is_same(&key, &id) {
                machine.end(&key, exit);
            }
        });
    }

    /// It becomes unhealthy, and recovers, if it still runs then.
    fn sicken(&self, key: &Key, id: &str, after: Duration) {
        let (machine, key, id) = (self.clone(), key.clone(), id.to_owned());
        tokio::spawn(async move {
            for health in [HealthStatus::Unhealthy, HealthStatus::Healthy] {
                tokio::time::sleep(after).await;
                machine.change(&key, |container, _| {
                    let is_it = container.id == id && container.state == Seen::Running;
                    is_it.then(|| container.health = container.health.map(|_| health))
                });
            }
        });
    }

    fn is_same(&self, key: &Key, id: &str) -> bool {
        let inner = self.inner.lock();
        inner
            .containers
            .get(key)
            .is_some_and(|container| container.id == id)
    }

    /// A container begins to run, unless something else happened to it meanwhile.
    fn begin(&self, key: &Key) {
        let begun = self.change(key, |container, now| {
            if container.state != Seen::Created {
                return None;
            }
            container.state = Seen::Running;
            container.started = Some(now);
            container.health = container.health.map(|_| HealthStatus::Healthy);
            Some((container.id.clone(), container.behaviour))
        });
        if let Some((id, behaviour)) = begun {
            let task = key.task.to_string();
            self.trace.tell(Event::ContainerStarted {
                host: self.number,
                id: id.clone(),
                task,
            });
            self.live(key, &id, behaviour);
        }
    }

    /// A container that runs ends.
    fn end(&self, key: &Key, code: i32) {
        let at_ms = i64::try_from(self.clock.wall_ms()).unwrap_or(i64::MAX);
        let ended = self.change(key, |container, now| {
            if container.state != Seen::Running {
                return None;
            }
            container.ended = Some(now);
            container.state = Seen::Exited(Exit {
                code: Some(code),
                reason: String::new(),
                never_started: false,
                at_ms,
                last_output: String::new(),
            });
            Some(container.id.clone())
        });
        if let Some(id) = ended {
            self.trace.tell(Event::ContainerEnded {
                host: self.number,
                id,
                exit: code,
            });
        }
    }

    fn change<T>(
        &self,
        key: &Key,
        change: impl FnOnce(&mut Container, Duration) -> Option<T>,
    ) -> Option<T> {
        let now = self.trace.now();
        let mut inner = self.inner.lock();
        let changed = inner
            .containers
            .get_mut(key)
            .and_then(|container| change(container, now));
        if changed.is_some() {
            inner.changed();
        }
        changed
    }
}

impl Inner {
    fn changed(&mut self) {
        self.view = None;
        // An agent that is gone holds no end of its poke any more.
        self.pokes.retain(|poke| Arc::strong_count(poke) > 1);
        self.pokes.iter().for_each(|poke| poke.notify_one());
    }

    fn find(&self, id: &str) -> Option<(Key, &Container)> {
        let found = self
            .containers
            .iter()
            .find(|(_, container)| container.id == id);
        found.map(|(key, container)| (key.clone(), container))
    }
}

impl Container {
    fn sighting(&self) -> Sighting {
        Sighting {
            tag: self.tag.clone(),
            runtime_id: self.id.clone(),
            state: self.state.clone(),
            health: self.health.map(|status| Health {
                status,
                output: String::new(),
            }),
        }
    }

    /// What promises see: containers that ran.
    fn view(&self) -> Option<ContainerView> {
        let exit = match &self.state {
            Seen::Exited(exit) => exit.code.unwrap_or(0),
            Seen::Created | Seen::Running => 0,
        };
        Some(ContainerView {
            id: self.id.clone(),
            instance: self.tag.instance_id.clone(),
            task: self.tag.key.task.to_string(),
            name: self.tag.key.container.clone(),
            fencing: self.tag.fencing,
            started: self.started?,
            ended: self.ended.map(|at| (at, exit)),
        })
    }
}
