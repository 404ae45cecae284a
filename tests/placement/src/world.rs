//! A cluster of instances, and how plans become entries that are applied.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::command::{NewContainer, NewInstance, NewTask, Reservation};
use quorate_core::documents::{Capacity, DefinitionSpec, Document, PortSpec, Protocol};
use quorate_core::ids::{ClusterName, DefinitionId, InstanceId, NodeId, SessionId, TaskId};
use quorate_core::placement::{Need, Placement, ZONE};
use quorate_core::state::{InstanceVersion, PortBinding, PortRange, Resources};
use quorate_core::{Command, Entry, Item, Millis, Mint, State, apply};

/// An instance: 64 GiB and 16 cores; a task takes 1/64 of it at least.
const INSTANCE_CPU_UNITS: u64 = 16 * 1024;
const INSTANCE_MEMORY_MIB: u64 = 64 * 1024;
/// Zones that instances are in, in turn.
pub(crate) const ZONES: [&str; 3] = ["a", "b", "c"];
/// What the constraint asks for; three instances of four have it.
pub(crate) const DISK: (&str, &str) = ("disk", "ssd");
/// Commands of one entry while a cluster is built.
const SETUP_BATCH: usize = 250;

/// A state, the way to change it, and the last view of it that readers have.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cluster: ClusterName,
    pub(crate) state: State,
    mint: Mint,
    definition: DefinitionId,
}

impl World {
    pub(crate) fn new(instances: usize) -> Self {
        let family = "web".parse().expect("a family's name");
        let mut world = Self {
            cluster: ClusterName::default_cluster(),
            state: State::default(),
            mint: Mint::new([7; 32]),
            definition: DefinitionId {
                family,
                revision: 1,
            },
        };
        world.change(vec![
            Command::CreateCluster {
                name: world.cluster.clone(),
                tags: Vec::new(),
                document: Document::default(),
                capacity: Capacity::default(),
            },
            Command::RegisterDefinition {
                family: world.definition.family.clone(),
                document: Document::default(),
                spec: DefinitionSpec::default().into(),
                tags: Vec::new(),
                registered_by: String::new(),
            },
        ]);
        let mut numbers = 0..instances;
        while !numbers.is_empty() {
            let registrations = numbers.by_ref().take(SETUP_BATCH);
            let commands = registrations
                .map(|number| world.registration(number))
                .collect();
            world.change(commands);
        }
        world
    }

    fn registration(&mut self, number: usize) -> Command {
        let id = self.mint.instance();
        Command::RegisterInstance(Box::new(NewInstance {
            id,
            returning: false,
            cluster: self.cluster.clone(),
            token: id.to_string(),
            session: SessionId::from_u128(1),
            node: NodeId(1),
            resources: Resources {
                cpu_units: INSTANCE_CPU_UNITS,
                memory_mib: INSTANCE_MEMORY_MIB,
                gpus: 0,
                ports: BTreeSet::new(),
            },
            dynamic_ports: PortRange::default(),
            attributes: attributes(number),
            tags: Vec::new(),
            version: InstanceVersion::default(),
            hostname: format!("host-{number}"),
        }))
    }

    /// Applies one entry of these commands. Readers go on with the state as it was.
    pub(crate) fn change(&mut self, commands: Vec<Command>) {
        let readers = self.state.clone();
        let items = commands.into_iter().map(|command| Item {
            request: self.mint.request(),
            command,
        });
        let items: Vec<Item> = items.collect();
        let entry = Entry {
            at: Millis(self.state.applied_index() / 1000),
            items,
        };
        let index = self.state.applied_index() + 1;
        let applied = apply(&mut self.state, index, &entry);
        drop(readers);
        let refused = applied.outcomes.into_iter().find_map(Result::err);
        assert!(refused.is_none(), "a command was refused: {refused:?}");
    }

    /// The tasks of a plan.
    pub(crate) fn tasks(&mut self, need: &Need, group: &str, placed: &[Placement]) -> Vec<NewTask> {
        placed
            .iter()
            .map(|one| self.task(need, group, one))
            .collect()
    }

    fn task(&mut self, need: &Need, group: &str, placed: &Placement) -> NewTask {
        let ports = need.ports.iter().zip(&placed.ports);
        let bindings = ports.map(|(spec, host)| PortBinding {
            container_port: spec.container_port,
            host: *host,
            name: None,
        });
        let container = NewContainer {
            id: self.mint.container(),
            name: "web".into(),
            image: "registry.example.com/team/web:1.4.2".into(),
            essential: true,
            cpu_units: need.cpu_units,
            memory_mib: need.memory_mib,
            memory_reservation_mib: 0,
            bindings: bindings.collect(),
            has_health_check: false,
        };
        NewTask {
            id: self.mint.task(),
            cluster: self.cluster.clone(),
            definition: self.definition.clone(),
            instance: placed.instance,
            reserved: Reservation {
                cpu_units: need.cpu_units,
                memory_mib: need.memory_mib,
                gpus: 0,
                ports: placed.ports.clone(),
            },
            containers: vec![container],
            group: group.into(),
            started_by: "ecs-svc/1234567890123456789".into(),
            overrides: Document::default(),
            tags: Vec::new(),
            launch_type: "EXTERNAL".into(),
            provider: None,
            stop_timeout_ms: 30_000,
            enable_execute_command: false,
        }
    }

    /// The newest session of an instance: what its reports come in.
    pub(crate) fn running(&self, instance: InstanceId, tasks: &[TaskId]) -> Command {
        use quorate_core::command::{ContainerObserved, TaskObserved};
        use quorate_core::state::{ContainerStatus, TaskStatus};
        let seen = tasks.iter().map(|task| TaskObserved {
            task: *task,
            status: TaskStatus::Running,
            containers: vec![ContainerObserved {
                name: "web".into(),
                status: ContainerStatus::Running,
                runtime_id: format!("{task}{task}"),
                exit_code: None,
                reason: String::new(),
                image_digest: format!("sha256:{task}{task}"),
                bindings: Vec::new(),
                health: None,
                last_output: String::new(),
            }],
            pull_started_at: Some(Millis(1)),
            pull_stopped_at: Some(Millis(2)),
            execution_stopped_at: None,
            stop_code: None,
            reason: String::new(),
        });
        Command::Observe {
            instance,
            session: SessionId::from_u128(1),
            tasks: seen.collect(),
        }
    }
}

/// What a task needs: a part of an instance, and a port where it is said.
pub(crate) fn need(with_port: bool) -> Need {
    let port = PortSpec {
        container_port: 80,
        host_port: 0,
        protocol: Protocol::Tcp,
        name: None,
    };
    Need {
        cpu_units: 256,
        memory_mib: 512,
        ports: if with_port { vec![port] } else { Vec::new() },
        ..Need::default()
    }
}

/// About as many as an agent with Docker reports.
fn attributes(number: usize) -> BTreeMap<String, String> {
    let capabilities = (17..36).map(|minor| {
        let name = format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}");
        (name, String::new())
    });
    let own = [
        ("ecs.os-type", "linux"),
        ("ecs.cpu-architecture", "x86_64"),
        (ZONE, ZONES[number % ZONES.len()]),
        (
            DISK.0,
            if number.is_multiple_of(4) {
                "hdd"
            } else {
                DISK.1
            },
        ),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    capabilities.chain(own).collect()
}
