//! The container runtime of a machine, as the agent that runs there uses it. Everything takes time, and what has been begun goes on
//! when the agent dies over it.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use quorate_agent::runtime::{
    ContainerSpec, HealthStatus, Key, Runtime, RuntimeError, Seen, Sighting, StartError, Started,
    StopSignal,
};
use rand::Rng;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Behaviour, Container, KILLED, Machine, TERMINATED};

/// The longest each step takes on a machine that is well.
const LIST: Duration = Duration::from_millis(5);
const PULL: Duration = Duration::from_millis(300);
const START: Duration = Duration::from_millis(100);
const STOP: Duration = Duration::from_millis(200);
const KILL: Duration = Duration::from_millis(10);
const REMOVE: Duration = Duration::from_millis(20);

/// A machine's container runtime.
pub struct Engine {
    machine: Machine,
}

impl Engine {
    /// The runtime of this machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        Self {
            machine: machine.clone(),
        }
    }

    /// Takes the time that a step takes.
    async fn take(&self, longest: Duration) {
        sleep(self.machine.draw_time(longest)).await;
    }

    fn check(&self, doing: &str) -> Result<(), RuntimeError> {
        if !self.machine.inner.lock().is_refusing {
            return Ok(());
        }
        Err(RuntimeError::System {
            doing: doing.to_owned(),
            source: io::ErrorKind::ConnectionRefused.into(),
        })
    }
}

impl Machine {
    fn draw_time(&self, longest: Duration) -> Duration {
        let mut inner = self.inner.lock();
        let longest = longest + inner.slower_by;
        inner.rng.random_range(Duration::ZERO..=longest)
    }

    /// Makes a container unless it is there; says what it is called and whether it has yet to be started.
    fn make(&self, spec: &ContainerSpec, behaviour: Behaviour) -> (String, bool) {
        let mut inner = self.inner.lock();
        if let Some(container) = inner.containers.get(&spec.tag.key) {
            return (container.id.clone(), container.state == Seen::Created);
        }
        inner.made += 1;
        let id = format!("h{}-{}", self.number, inner.made);
        let container = Container {
            id: id.clone(),
            tag: spec.tag.clone(),
            behaviour,
            state: Seen::Created,
            health: spec.health_check.as_ref().map(|_| HealthStatus::Unknown),
            started: None,
            ended: None,
        };
        inner.containers.insert(spec.tag.key.clone(), container);
        inner.changed();
        (id, true)
    }

    fn drop_container(&self, key: &Key) {
        let mut inner = self.inner.lock();
        inner.containers.remove(key);
        inner.changed();
    }

    fn is_ended(&self, key: &Key) -> bool {
        let inner = self.inner.lock();
        inner
            .containers
            .get(key)
            .is_none_or(|container| matches!(container.state, Seen::Exited(_)))
    }
}

impl Runtime for Engine {
    fn version(&self) -> (&'static str, String) {
        ("simulated", "1".to_owned())
    }

    async fn list(&self, instances: &[String]) -> Result<Vec<Sighting>, RuntimeError> {
        self.take(LIST).await;
        self.check("list containers")?;
        let inner = self.machine.inner.lock();
        let ours = inner
            .containers
            .values()
            .filter(|container| instances.contains(&container.tag.instance_id));
        Ok(ours.map(Container::sighting).collect())
    }

    async fn start(
        &self,
        spec: &ContainerSpec,
        cancel: &CancellationToken,
    ) -> Result<Started, StartError> {
        let behaviour = Behaviour::of(&spec.image);
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(StartError::Cancelled),
            () = self.take(PULL) => {}
        }
        if behaviour == Behaviour::NoImage {
            return Err(StartError::CannotPull("no such image".to_owned()));
        }
        if let Err(error) = self.check("create a container") {
            return Err(StartError::CannotCreate(error.to_string()));
        }
        let (runtime_id, is_new) = self.machine.make(spec, behaviour);
        if is_new {
            let (machine, key) = (self.machine.clone(), spec.tag.key.clone());
            let delay = machine.draw_time(START);
            // Whoever asked may die; what was asked for happens all the same.
            let starting = tokio::spawn(async move {
                sleep(delay).await;
                if behaviour == Behaviour::NoStart {
                    machine.drop_container(&key);
                } else {
                    machine.begin(&key);
                }
            });
            let _ = starting.await;
        }
        if behaviour == Behaviour::NoStart {
            return Err(StartError::CannotStart("no such program".to_owned()));
        }
        Ok(Started {
            runtime_id,
            ..Started::default()
        })
    }

    async fn signal(&self, runtime_id: &str, signal: StopSignal) -> Result<(), RuntimeError> {
        self.take(LIST).await;
        self.check("signal a container")?;
        let found = {
            let inner = self.machine.inner.lock();
            inner
                .find(runtime_id)
                .map(|(key, container)| (key, container.behaviour))
        };
        let Some((key, behaviour)) = found else {
            return Ok(());
        };
        let (longest, code) = match signal {
            StopSignal::Stop if behaviour == Behaviour::Deaf => return Ok(()),
            StopSignal::Stop => (STOP, TERMINATED),
            StopSignal::Kill => (KILL, KILLED),
        };
        let (machine, delay) = (self.machine.clone(), self.machine.draw_time(longest));
        let id = runtime_id.to_owned();
        tokio::spawn(async move {
            sleep(delay).await;
            if machine.is_same(&key, &id) {
                machine.end(&key, code);
            }
        });
        Ok(())
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), RuntimeError> {
        self.take(REMOVE).await;
        self.check("remove a container")?;
        let found = self
            .machine
            .inner
            .lock()
            .find(runtime_id)
            .map(|(key, _)| key);
        match found {
            None => Ok(()),
            Some(key) if self.machine.is_ended(&key) => {
                self.machine.drop_container(&key);
                Ok(())
            }
            Some(_) => Err(RuntimeError::System {
                doing: "remove a container that runs".to_owned(),
                source: io::ErrorKind::ResourceBusy.into(),
            }),
        }
    }

    async fn watch(&self, poke: Arc<Notify>) -> Infallible {
        self.machine.inner.lock().pokes.push(poke);
        std::future::pending().await
    }
}
