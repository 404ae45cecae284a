//! The agent's loop without a machine: containers, network, store and clock are the test's own.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::{pending, ready};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_agent::runtime::{
    ContainerSpec, Exit, Key, Runtime, RuntimeError, Seen, Sighting, StartError, Started,
    StopSignal,
};
use quorate_agent::{
    Addresses, AgentError, Clock, Connect, Host, Identity, IdentityStore, Surroundings, Wire,
    run_in,
};
use quorate_proto::agent as wire;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::agent::{FENCING, assignment, container, shell, task_id};
use crate::gateway::Node;

/// The time on the wall, where it hangs still.
const NOW_MS: i64 = 1_700_000_000_000;

/// An image that cannot be had.
const NOWHERE: &str = "nowhere";

/// A machine that outlives its agent.
#[derive(Clone, Debug, Default)]
struct Machine {
    containers: Arc<Mutex<BTreeMap<Key, Sighting>>>,
    stored: Arc<Mutex<Option<Vec<u8>>>>,
    starts: Arc<Mutex<u32>>,
}

impl Machine {
    fn boot(&self, wire: &Wire) -> JoinHandle<Result<(), AgentError>> {
        let wire = wire.clone();
        let surroundings = Surroundings {
            nodes: Addresses::new(vec!["198.51.100.1:6571".to_owned()]).unwrap(),
            identity: Identity::load(self.clone()).unwrap(),
            host: Host {
                cluster: "default".to_owned(),
                hostname: "nowhere".to_owned(),
                cpu_units: 1024,
                memory_mib: 512,
                reserved_ports: BTreeSet::new(),
                listening: |_| BTreeSet::new(),
                attributes: BTreeMap::new(),
                docker_version: String::new(),
                dynamic_ports: None,
            },
            runtime: self.clone(),
            connect: Connect::new(move |_| ready(Ok::<_, Status>(wire.clone()))),
            clock: Clock::new(|| NOW_MS),
            cleanup_wait: Duration::ZERO,
        };
        tokio::spawn(run_in(surroundings, CancellationToken::new()))
    }

    fn end_all(&self, code: i32) {
        for sighting in self.containers.lock().unwrap().values_mut() {
            sighting.state = Seen::Exited(Exit {
                code: Some(code),
                reason: String::new(),
                never_started: false,
                at_ms: NOW_MS,
                last_output: String::new(),
            });
        }
    }
}

impl IdentityStore for Machine {
    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.stored.lock().unwrap().clone())
    }

    fn store(&self, bytes: &[u8]) -> io::Result<()> {
        *self.stored.lock().unwrap() = Some(bytes.to_vec());
        Ok(())
    }
}

impl Runtime for Machine {
    fn version(&self) -> (&'static str, String) {
        ("memory", "1".to_owned())
    }

    async fn list(&self, instances: &[String]) -> Result<Vec<Sighting>, RuntimeError> {
        let all = self.containers.lock().unwrap();
        let ours = all
            .values()
            .filter(|sighting| instances.contains(&sighting.tag.instance_id));
        Ok(ours.cloned().collect())
    }

    async fn start(
        &self,
        spec: &ContainerSpec,
        _cancel: &CancellationToken,
    ) -> Result<Started, StartError> {
        if spec.image == NOWHERE {
            return Err(StartError::CannotPull("no such image".to_owned()));
        }
        let runtime_id = spec.tag.key.to_string();
        let sighting = Sighting {
            tag: spec.tag.clone(),
            runtime_id: runtime_id.clone(),
            state: Seen::Running,
            health: None,
        };
        self.containers
            .lock()
            .unwrap()
            .insert(spec.tag.key.clone(), sighting);
        *self.starts.lock().unwrap() += 1;
        Ok(Started {
            runtime_id,
            ..Started::default()
        })
    }

    async fn signal(&self, _runtime_id: &str, _signal: StopSignal) -> Result<(), RuntimeError> {
        self.end_all(143);
        Ok(())
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), RuntimeError> {
        let mut all = self.containers.lock().unwrap();
        all.retain(|key, _| key.to_string() != runtime_id);
        Ok(())
    }

    async fn watch(&self, _poke: Arc<Notify>) -> Infallible {
        pending().await
    }
}

#[tokio::test]
async fn an_agent_lives_and_dies_where_nothing_is_real() {
    let (mut node, wire) = Node::nearby();
    let machine = Machine::default();
    let task = task_id();
    let wanted = vec![assignment(&task, vec![shell("main", "run")])];

    let agent = machine.boot(&wire);
    let mut talk = node.host(FENCING, wanted.clone()).await;
    assert_eq!(talk.register.hostname, "nowhere");
    talk.until(&task, "RUNNING").await;
    agent.abort();
    assert!(agent.await.unwrap_err().is_cancelled());

    let _agent = machine.boot(&wire);
    let mut talk = node.host(FENCING, wanted).await;
    assert_eq!(talk.register.instance_id, node.instance);
    talk.until(&task, "RUNNING").await;
    assert_eq!(
        *machine.starts.lock().unwrap(),
        1,
        "adopted, not begun anew"
    );
    machine.end_all(7);
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(container(&ended, "main").exit_code, Some(7));
}

#[tokio::test]
async fn what_is_not_essential_and_cannot_start_holds_no_task_up() {
    let (mut node, wire) = Node::nearby();
    let machine = Machine::default();
    let task = task_id();
    let beside = wire::Container {
        image: NOWHERE.to_owned(),
        essential: false,
        ..shell("beside", "run")
    };
    let wanted = vec![assignment(&task, vec![shell("main", "run"), beside])];

    let _agent = machine.boot(&wire);
    let mut talk = node.host(FENCING, wanted).await;
    let running = talk.until(&task, "RUNNING").await;
    assert_eq!(container(&running, "main").status, "RUNNING");
    assert_eq!(container(&running, "beside").status, "STOPPED");
}
