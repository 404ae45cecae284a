//! Dispatch, from the pure difference to real streams against a real node. Here: values that the stories share.
#![allow(clippy::unwrap_used)]

mod node;
mod owed;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_core::command::{
    ContainerObserved, NewContainer, NewInstance, NewTask, Reservation, TaskObserved,
};
use quorate_core::documents::{Capacity, DefinitionSpec, Document, Protocol};
use quorate_core::ids::{
    ClusterName, ContainerId, InstanceId, NodeId, RequestId, SessionId, TaskId,
};
use quorate_core::state::{
    ContainerStatus, HostPort, InstanceVersion, PortBinding, PortRange, Resources, StopCode,
    TaskStatus,
};
use quorate_core::{Command, Entry, Item, Millis, Outcome, Realm, State, apply};

fn realm() -> Realm {
    Realm {
        region: "us-east-1".into(),
        account: "000000000000".into(),
    }
}

fn instance(number: u128) -> InstanceId {
    InstanceId::from_u128(number)
}

fn task(number: u128) -> TaskId {
    TaskId::from_u128(number)
}

fn session(number: u128) -> SessionId {
    SessionId::from_u128(number)
}

fn create_default() -> Command {
    Command::CreateCluster {
        name: ClusterName::default_cluster(),
        tags: Vec::new(),
        document: Document::default(),
        capacity: Capacity::default(),
    }
}

fn register(number: u128, by: u128) -> Command {
    Command::RegisterInstance(Box::new(NewInstance {
        id: instance(number),
        returning: false,
        cluster: ClusterName::default_cluster(),
        token: format!("token-{number}"),
        session: session(by),
        node: NodeId(1),
        resources: Resources {
            cpu_units: 65_536,
            memory_mib: 65_536,
            gpus: 0,
            ports: BTreeSet::new(),
        },
        dynamic_ports: PortRange::default(),
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        version: InstanceVersion::default(),
        hostname: "host".into(),
    }))
}

/// Revision `web:1`: a container `main` with a variable, a check, a fixed port and a dynamic one.
fn define_web() -> Command {
    let json = r#"{"family":"web","containerDefinitions":[{"name":"main","image":"web:latest","memory":64,"cpu":128,
        "command":["serve"],"healthCheck":{"command":["CMD","true"],"interval":10},"environment":[{"name":"COLOUR","value":"blue"}],
        "portMappings":[{"containerPort":80,"hostPort":8080},{"containerPort":81}]}]}"#;
    let document = serde_json::from_str(json).unwrap();
    Command::RegisterDefinition {
        family: "web".parse().unwrap(),
        spec: Arc::new(DefinitionSpec::parse(&document).unwrap()),
        document: Document::new(&document),
        tags: Vec::new(),
        registered_by: String::new(),
    }
}

/// A task of `web:1` on an instance. Its ports follow from its number, so that many fit.
fn start(number: u128, on: InstanceId) -> Command {
    let port = |offset: u16| HostPort {
        protocol: Protocol::Tcp,
        port: 8080 + 2 * u16::try_from(number).unwrap() + offset,
    };
    let bind = |container_port, host| PortBinding {
        container_port,
        host,
        name: None,
    };
    let overrides = r#"{"containerOverrides":[{"name":"main","environment":[{"name":"COLOUR","value":"red"}]}]}"#;
    Command::StartTasks {
        token: None,
        tasks: vec![NewTask {
            id: task(number),
            cluster: ClusterName::default_cluster(),
            definition: "web:1".parse().unwrap(),
            instance: on,
            reserved: Reservation {
                cpu_units: 128,
                memory_mib: 64,
                gpus: 0,
                ports: vec![port(0), port(1)],
            },
            containers: vec![NewContainer {
                id: ContainerId::from_u128(number),
                name: "main".into(),
                image: "web:latest".into(),
                essential: true,
                cpu_units: 128,
                memory_mib: 64,
                memory_reservation_mib: 0,
                bindings: vec![bind(80, port(0)), bind(81, port(1))],
                has_health_check: true,
            }],
            group: "family:web".into(),
            started_by: String::new(),
            overrides: Document::new(&serde_json::from_str(overrides).unwrap()),
            tags: Vec::new(),
            launch_type: "EXTERNAL".into(),
            provider: None,
            stop_timeout_ms: 30_000,
            enable_execute_command: false,
        }],
        asked: None,
    }
}

fn stop(number: u128) -> Command {
    Command::StopTask {
        task: task(number),
        code: StopCode::UserInitiated,
        reason: "enough".into(),
    }
}

fn observe(on: InstanceId, by: u128, number: u128, status: TaskStatus) -> Command {
    let container = match status {
        TaskStatus::Stopped => ContainerStatus::Stopped,
        _ => ContainerStatus::Running,
    };
    Command::Observe {
        instance: on,
        session: session(by),
        tasks: vec![TaskObserved {
            task: task(number),
            status,
            containers: vec![ContainerObserved {
                name: "main".into(),
                status: container,
                runtime_id: String::new(),
                exit_code: None,
                reason: String::new(),
                image_digest: String::new(),
                bindings: Vec::new(),
                health: None,
                last_output: String::new(),
            }],
            pull_started_at: None,
            pull_stopped_at: None,
            execution_stopped_at: None,
            stop_code: None,
            reason: String::new(),
        }],
    }
}

/// A state that commands are applied to, without a log.
#[derive(Default)]
struct World {
    state: State,
}

impl World {
    /// With instances 1 and 2, each in the session of its number, and `web:1`.
    fn new() -> Self {
        let mut world = Self::default();
        for command in [
            create_default(),
            register(1, 1),
            register(2, 2),
            define_web(),
        ] {
            world.apply(command).unwrap();
        }
        world
    }

    fn apply(&mut self, command: Command) -> Outcome {
        let index = self.state.applied_index() + 1;
        let items = vec![Item {
            request: RequestId::from_u128(index.into()),
            command,
        }];
        let entry = Entry {
            at: Millis(index),
            items,
        };
        apply(&mut self.state, index, &entry).outcomes.remove(0)
    }
}
