//! A small world for properties: few names, so that random commands meet; and logs of such commands.

pub(crate) mod capacity;
pub(crate) mod crowd;
pub(crate) mod judge;
mod services;
pub(crate) mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::command::{
    Applied, ClientToken, ContainerObserved, InstanceAttribute, NewContainer, NewInstance, NewTask,
    Reservation, TaskObserved,
};
use quorate_core::documents::{Capacity, DefinitionSpec, Document, Protocol};
use quorate_core::ids::{
    ClusterName, ContainerId, DefinitionId, Family, InstanceId, NodeId, RequestId, SessionId,
    StoreId, TaskId,
};
use quorate_core::placement::{GROUP, PROVIDER, ZONE};
use quorate_core::state::{
    ContainerStatus, Health, HostPort, InstanceVersion, PortRange, Resources, StopCode, TaskStatus,
};
use quorate_core::{Command, Entry, Item, Millis, State, apply};

/// Requests that nothing else in a log has.
const OWN_REQUESTS: u128 = 1_000_000;
/// Few enough dynamic ports that they run out.
pub(crate) const DYNAMIC: PortRange = PortRange {
    first: 61_000,
    last: 61_003,
};

pub(crate) fn cluster() -> impl Strategy<Value = ClusterName> {
    prop_oneof![9 => Just("default"), 1 => Just("other")].prop_map(|name| name.parse().unwrap())
}

fn family() -> Family {
    "web".parse().unwrap()
}

fn definition() -> impl Strategy<Value = DefinitionId> {
    prop_oneof![8 => Just(1_u64), 1 => Just(2), 1 => Just(3)].prop_map(|revision| DefinitionId {
        family: family(),
        revision,
    })
}

pub(crate) fn instance() -> impl Strategy<Value = InstanceId> {
    (1_u128..=3).prop_map(InstanceId::from_u128)
}

fn task() -> impl Strategy<Value = TaskId> {
    (1_u128..=12).prop_map(TaskId::from_u128)
}

fn session() -> impl Strategy<Value = SessionId> {
    prop_oneof![4 => Just(1_u128), 1 => Just(2)].prop_map(SessionId::from_u128)
}

pub(crate) fn port() -> impl Strategy<Value = HostPort> {
    let protocol = prop_oneof![3 => Just(Protocol::Tcp), 1 => Just(Protocol::Udp)];
    let number = select(vec![80_u16, 61_000, 61_001, 61_002, 61_003]);
    (protocol, number).prop_map(|(protocol, port)| HostPort { protocol, port })
}

fn text() -> impl Strategy<Value = String> {
    select(vec!["", "one", "two"]).prop_map(str::to_owned)
}

fn time() -> impl Strategy<Value = Option<Millis>> {
    option::of((1_u64..1000).prop_map(Millis))
}

fn new_task() -> impl Strategy<Value = NewTask> {
    let amounts = (
        select(vec![0_u64, 100, 400, 900]),
        select(vec![0_u64, 100, 400, 900]),
    );
    let parts = (
        task(),
        cluster(),
        definition(),
        instance(),
        amounts,
        vec(port(), 0..3),
        0_u64..3,
        text(),
    );
    parts.prop_map(
        |(id, cluster, definition, instance, (cpu_units, memory_mib), ports, stop, started_by)| {
            NewTask {
                id,
                cluster,
                definition,
                instance,
                reserved: Reservation {
                    cpu_units,
                    memory_mib,
                    gpus: 0,
                    ports,
                },
                containers: ["a", "b"].map(|name| container(id, name)).to_vec(),
                group: if started_by == "one" {
                    "family:web".into()
                } else {
                    "family:api".into()
                },
                started_by,
                overrides: Document::default(),
                tags: Vec::new(),
                launch_type: "EXTERNAL".into(),
                provider: None,
                stop_timeout_ms: stop * 30_000,
                enable_execute_command: false,
            }
        },
    )
}

pub(crate) fn container(task: TaskId, name: &str) -> NewContainer {
    NewContainer {
        id: ContainerId::from_u128(task.as_u128() * 2 + u128::from(name == "b")),
        name: name.into(),
        image: "web".into(),
        essential: true,
        cpu_units: 0,
        memory_mib: 0,
        memory_reservation_mib: 0,
        bindings: Vec::new(),
        has_health_check: name == "a",
    }
}

fn new_instance() -> impl Strategy<Value = NewInstance> {
    let size = (
        select(vec![300_u64, 1000, 2000]),
        select(vec![300_u64, 1000, 2000]),
    );
    let attributes = btree_map(
        select(vec!["gpu".to_owned(), "arm".to_owned(), ZONE.to_owned()]),
        text(),
        0..2,
    );
    let parts = (
        instance(),
        any::<bool>(),
        cluster(),
        0_u8..12,
        session(),
        size,
        btree_set(port(), 0..2),
        attributes,
    );
    parts.prop_map(
        |(id, returning, cluster, token, session, (cpu_units, memory_mib), ports, attributes)| {
            NewInstance {
                id,
                returning,
                cluster,
                // Mostly its own; now and then one of few that others may have, too.
                token: if token < 2 {
                    format!("shared {token}")
                } else {
                    format!("of {id}")
                },
                session,
                node: NodeId(1),
                resources: Resources {
                    cpu_units,
                    memory_mib,
                    gpus: 0,
                    ports,
                },
                dynamic_ports: DYNAMIC,
                attributes,
                tags: Vec::new(),
                version: InstanceVersion::default(),
                hostname: String::new(),
            }
        },
    )
}

fn observed() -> impl Strategy<Value = TaskObserved> {
    use TaskStatus::{Pending, Running, Stopped, Stopping};
    let status = prop_oneof![2 => Just(Pending), 4 => Just(Running), 3 => Just(Stopped), 1 => Just(Stopping)];
    let code = option::of(select(vec![
        StopCode::EssentialContainerExited,
        StopCode::TaskFailedToStart,
    ]));
    let parts = (
        task(),
        status,
        vec(container_observed(), 0..3),
        time(),
        time(),
        time(),
        code,
        text(),
    );
    parts.prop_map(
        |(task, status, containers, pulling, pulled, ended, stop_code, reason)| TaskObserved {
            task,
            status,
            containers,
            pull_started_at: pulling,
            pull_stopped_at: pulled,
            execution_stopped_at: ended,
            stop_code,
            reason,
        },
    )
}

fn container_observed() -> impl Strategy<Value = ContainerObserved> {
    use ContainerStatus::{Pending, Running, Stopped};
    let parts = (
        select(vec!["a", "b", "c"]),
        select(vec![Pending, Running, Stopped]),
        text(),
        option::of(0..3),
        text(),
        option::of(select(vec![
            Health::Unknown,
            Health::Healthy,
            Health::Unhealthy,
        ])),
    );
    parts.prop_map(
        |(name, status, runtime_id, exit_code, reason, health)| ContainerObserved {
            name: name.into(),
            status,
            runtime_id,
            exit_code,
            last_output: reason.clone(),
            reason,
            image_digest: String::new(),
            bindings: Vec::new(),
            health,
        },
    )
}

/// Any command, the frequent ones more often.
pub(crate) fn command() -> impl Strategy<Value = Command> {
    let token = (cluster(), text(), 1_u8..3).prop_map(|(cluster, token, parameters)| ClientToken {
        cluster,
        token,
        fingerprint: [parameters; 32],
    });
    let node = (1_u64..3, 1_u128..3).prop_map(|(node, store)| Command::RecordNode {
        node: NodeId(node),
        store: StoreId::from_u128(store),
        peer_address: "127.0.0.1:6571".into(),
        api_address: "127.0.0.1:6570".into(),
        version: "0.1.0".into(),
    });
    prop_oneof![
        2 => cluster().prop_map(|name| Command::CreateCluster { name, tags: Vec::new(), document: Document::default(), capacity: Capacity::default() }),
        1 => cluster().prop_map(|name| Command::DeleteCluster { name }),
        1 => Just(register_definition()),
        1 => definition().prop_map(|id| Command::DeregisterDefinition { id }),
        10 => (option::weighted(0.3, token), vec(new_task(), 0..3))
            .prop_map(|(token, tasks)| Command::StartTasks { token, tasks, asked: None }),
        3 => (task(), text()).prop_map(|(task, reason)| Command::StopTask { task, code: StopCode::UserInitiated, reason }),
        4 => new_instance().prop_map(|new| Command::RegisterInstance(Box::new(new))),
        1 => (instance(), session()).prop_map(|(instance, session)| Command::Disconnect { instance, session }),
        1 => vec(attribute(), 1..3).prop_map(|attributes| Command::PutAttributes { attributes }),
        1 => vec(attribute(), 1..3).prop_map(|attributes| Command::DeleteAttributes { attributes }),
        1 => (vec(instance(), 0..3), any::<bool>())
            .prop_map(|(instances, is_draining)| Command::SetDraining { instances, is_draining }),
        1 => (instance(), any::<bool>()).prop_map(|(instance, force)| Command::DeregisterInstance { instance, force }),
        1 => (instance(), session()).prop_map(|(instance, session)| Command::LoseInstance { instance, session }),
        10 => (instance(), session(), vec(observed(), 0..4))
            .prop_map(|(instance, session, tasks)| Command::Observe { instance, session, tasks }),
        1 => vec(task(), 0..3).prop_map(|tasks| Command::ExpireStops { tasks }),
        2 => vec(task(), 0..3).prop_map(|tasks| Command::Forget { tasks }),
        1 => node,
        10 => services::command(),
        10 => capacity::command(),
    ]
}

pub(crate) fn attribute() -> impl Strategy<Value = InstanceAttribute> {
    let name = select(vec!["gpu", "arm", ZONE, PROVIDER, GROUP]).prop_map(str::to_owned);
    let parts = (instance(), name, text());
    parts.prop_map(|(instance, name, value)| InstanceAttribute {
        instance,
        name,
        value,
    })
}

fn register_definition() -> Command {
    Command::RegisterDefinition {
        family: family(),
        document: Document::default(),
        spec: Arc::new(DefinitionSpec::default()),
        tags: Vec::new(),
        registered_by: "arn:aws:iam::000000000000:user/test".into(),
    }
}

/// A log: what makes the world, then anything. Some requests come twice.
pub(crate) fn log() -> impl Strategy<Value = Vec<Entry>> {
    let item = (option::weighted(0.1, 0_u128..6), command());
    let step = prop_oneof![8 => 0_u64..5000, 1 => Just(200_000), 1 => Just(4_000_000)];
    vec((step, vec(item, 1..4)), 0..24).prop_map(|steps| {
        let mut requests = OWN_REQUESTS..;
        let mut at = Millis(1000);
        let mut log = vec![beginning()];
        for (step_ms, items) in steps {
            at = at.plus_ms(step_ms);
            let items = items.into_iter().map(|(request, command)| Item {
                request: RequestId::from_u128(request.unwrap_or_else(|| requests.next().unwrap())),
                command,
            });
            log.push(Entry {
                at,
                items: items.collect(),
            });
        }
        log
    })
}

/// Two clusters, a definition, two instances, and capacity providers that one of the clusters has.
pub(crate) fn beginning() -> Entry {
    let create = |name: &str| Command::CreateCluster {
        name: name.parse().unwrap(),
        tags: Vec::new(),
        document: Document::default(),
        capacity: Capacity::default(),
    };
    let register = |number| Command::RegisterInstance(Box::new(plain(number)));
    let commands = [
        create("default"),
        create("other"),
        register_definition(),
        register(1),
        register(2),
    ];
    let commands = commands.into_iter().chain(capacity::beginning());
    let items = (OWN_REQUESTS * 2..).zip(commands);
    Entry {
        at: Millis(1000),
        items: items
            .map(|(request, command)| Item {
                request: RequestId::from_u128(request),
                command,
            })
            .collect(),
    }
}

/// An instance of the default cluster that nothing is special about.
pub(crate) fn plain(number: u128) -> NewInstance {
    let id = InstanceId::from_u128(number);
    NewInstance {
        id,
        returning: false,
        cluster: ClusterName::default_cluster(),
        token: format!("of {id}"),
        session: SessionId::from_u128(1),
        node: NodeId(1),
        resources: Resources {
            cpu_units: 1000,
            memory_mib: 1000,
            gpus: 0,
            ports: BTreeSet::new(),
        },
        dynamic_ports: DYNAMIC,
        attributes: BTreeMap::new(),
        tags: Vec::new(),
        version: InstanceVersion::default(),
        hostname: String::new(),
    }
}

/// Applies the next entry.
pub(crate) fn next(state: &mut State, entry: &Entry) -> Applied {
    let index = state.applied_index() + 1;
    apply(state, index, entry)
}

/// The state after a log.
pub(crate) fn after(log: &[Entry]) -> State {
    let mut state = State::default();
    for entry in log {
        next(&mut state, entry);
    }
    state
}

/// The state after an entry in which nothing happens: what remains when a command changes nothing.
pub(crate) fn after_nothing(state: &State, at: Millis) -> State {
    let mut state = state.clone();
    next(
        &mut state,
        &Entry {
            at,
            items: Vec::new(),
        },
    );
    state
}

/// An entry of one command, under a request that nothing else has.
pub(crate) fn entry(at: Millis, number: u128, command: Command) -> Entry {
    let request = RequestId::from_u128(OWN_REQUESTS * 3 + number);
    Entry {
        at,
        items: vec![Item { request, command }],
    }
}
