//! A cluster with some instances and tasks on them: what placement is tried on.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::command::{NewInstance, NewTask, Reservation, TaskObserved};
use quorate_core::documents::Document;
use quorate_core::ids::{ClusterName, DefinitionId, InstanceId, NodeId, SessionId, TaskId};
use quorate_core::placement::{GROUP, PROVIDER, ZONE};
use quorate_core::state::{InstanceVersion, Resources, TaskStatus};
use quorate_core::{Command, Millis, State};

use super::{DYNAMIC, attribute, beginning, container, entry, family, next, port, text};

const INSTANCES: u128 = 9;

fn instance() -> impl Strategy<Value = NewInstance> {
    let size = (
        select(vec![300_u64, 1000, 2000]),
        select(vec![300_u64, 1000, 2000]),
    );
    let names = select(vec!["gpu", "arm", ZONE, ZONE, PROVIDER, GROUP]).prop_map(str::to_owned);
    let attributes = btree_map(names, text(), 0..4);
    let version = select(vec!["", "1.9.0", "1.14.5"]);
    let ports = prop::collection::btree_set(port(), 0..2);
    let parts = (1..=INSTANCES, size, 0_u64..3, ports, attributes, version);
    parts.prop_map(
        |(number, (cpu_units, memory_mib), gpus, ports, attributes, version)| {
            let id = InstanceId::from_u128(number);
            NewInstance {
                id,
                returning: number <= 2,
                cluster: ClusterName::default_cluster(),
                token: format!("of {id}"),
                session: SessionId::from_u128(1),
                node: NodeId(1),
                resources: Resources {
                    cpu_units,
                    memory_mib,
                    gpus,
                    ports,
                },
                dynamic_ports: DYNAMIC,
                attributes,
                tags: Vec::new(),
                version: InstanceVersion {
                    agent_version: version.into(),
                    ..InstanceVersion::default()
                },
                hostname: String::new(),
            }
        },
    )
}

/// A task, and whether it runs, or has ended.
fn task() -> impl Strategy<Value = (NewTask, Option<TaskStatus>)> {
    let amounts = (
        select(vec![0_u64, 100, 200]),
        select(vec![0_u64, 100, 200]),
        0_u64..2,
    );
    let group = select(vec!["family:web", "family:web", "family:api", "family:db"]);
    let status = select(vec![
        None,
        Some(TaskStatus::Running),
        Some(TaskStatus::Stopped),
    ]);
    let parts = (
        any::<u64>(),
        1..=INSTANCES,
        amounts,
        vec(port(), 0..2),
        group,
        status,
    );
    parts.prop_map(
        |(number, instance, (cpu_units, memory_mib, gpus), ports, group, status)| {
            let id = TaskId::from_u128(u128::from(number));
            let instance = InstanceId::from_u128(instance);
            let reserved = Reservation {
                cpu_units,
                memory_mib,
                gpus,
                ports,
            };
            (started(id, instance, group, reserved), status)
        },
    )
}

/// A task of revision 1 of `web`, placed.
pub(crate) fn started(
    id: TaskId,
    instance: InstanceId,
    group: &str,
    reserved: Reservation,
) -> NewTask {
    NewTask {
        id,
        cluster: ClusterName::default_cluster(),
        definition: DefinitionId {
            family: family(),
            revision: 1,
        },
        instance,
        reserved,
        containers: vec![container(id, "a")],
        group: group.into(),
        started_by: String::new(),
        overrides: Document::default(),
        tags: Vec::new(),
        launch_type: "EXTERNAL".into(),
        provider: None,
        stop_timeout_ms: 30_000,
        enable_execute_command: false,
    }
}

/// Some instances with some tasks, as far as they fit; now and then one is cut off or comes back as something else.
pub(crate) fn crowd() -> impl Strategy<Value = State> {
    let gone = vec(1..=INSTANCES, 0..2);
    let parts = (
        vec(instance(), 1..12),
        vec(task(), 0..25),
        gone,
        vec(instance(), 0..2),
        vec(attribute(), 0..3),
        vec(1..=INSTANCES, 0..2),
    );
    parts.prop_map(|(instances, tasks, gone, returned, attributes, draining)| {
        let mut state = State::default();
        next(&mut state, &beginning());
        let mut commands = Vec::new();
        let register = |new: NewInstance| Command::RegisterInstance(Box::new(new));
        commands.extend(instances.into_iter().map(register));
        for (new, status) in tasks {
            let (id, instance) = (new.id, new.instance);
            commands.push(Command::StartTasks {
                token: None,
                tasks: vec![new],
                asked: None,
            });
            let session = SessionId::from_u128(1);
            let seen = |status| vec![observed(id, status)];
            commands.extend(status.map(|status| Command::Observe {
                instance,
                session,
                tasks: seen(status),
            }));
        }
        let known: BTreeMap<_, _> = returned.into_iter().map(|new| (new.id, new)).collect();
        commands.extend(known.into_values().map(|new| {
            register(NewInstance {
                returning: true,
                ..new
            })
        }));
        let session = SessionId::from_u128(1);
        let cut = |number| Command::Disconnect {
            instance: InstanceId::from_u128(number),
            session,
        };
        commands.extend(gone.into_iter().map(cut));
        commands.push(Command::PutAttributes { attributes });
        let instances = draining.into_iter().map(InstanceId::from_u128).collect();
        commands.push(Command::SetDraining {
            instances,
            is_draining: true,
        });
        for (number, command) in commands.into_iter().enumerate() {
            next(&mut state, &entry(Millis(2000), number as u128, command));
        }
        state
    })
}

fn observed(task: TaskId, status: TaskStatus) -> TaskObserved {
    TaskObserved {
        task,
        status,
        containers: Vec::new(),
        pull_started_at: None,
        pull_stopped_at: None,
        execution_stopped_at: None,
        stop_code: None,
        reason: String::new(),
    }
}
