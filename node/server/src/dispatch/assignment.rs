//! Assignments as agents get them: the definition with the task's overrides worked in, and the host ports that were decided. Pure.

use std::collections::BTreeMap;

use quorate_core::documents::{ContainerSpec, HealthCheck, Launch, Overrides};
use quorate_core::ids::TaskId;
use quorate_core::state::{Container, DesiredStatus, PortBinding, Task};
use quorate_core::{Realm, State};
use quorate_proto::agent as wire;

use super::owed::Owed;

/// Assignments in one delta: keeps a word far below what gRPC takes, even with the largest definitions.
const ASSIGNMENTS_PER_DELTA: usize = 32;

/// Everything the agent must run or stop. `owed` is everything, as of a stream that has carried nothing.
pub(super) fn full_set(state: &State, realm: &Realm, owed: &Owed) -> wire::FullSet {
    wire::FullSet {
        applied_index: state.applied_index(),
        assignments: assignments(state, realm, &owed.told),
    }
}

/// What changed, in words of bounded size.
pub(super) fn deltas(state: &State, realm: &Realm, owed: &Owed) -> Vec<wire::Delta> {
    let applied_index = state.applied_index();
    let told = owed
        .told
        .chunks(ASSIGNMENTS_PER_DELTA)
        .map(|told| wire::Delta {
            applied_index,
            assignments: assignments(state, realm, told),
            forgotten_task_ids: Vec::new(),
        });
    let mut deltas: Vec<_> = told.collect();
    if !owed.forgotten.is_empty() {
        deltas.push(wire::Delta {
            applied_index,
            assignments: Vec::new(),
            forgotten_task_ids: owed.forgotten.iter().map(TaskId::to_string).collect(),
        });
    }
    deltas
}

fn assignments(state: &State, realm: &Realm, told: &[(TaskId, bool)]) -> Vec<wire::Assignment> {
    let tasks = told.iter().filter_map(|(id, _)| state.task(id));
    tasks.map(|task| assignment(state, realm, task)).collect()
}

fn assignment(state: &State, realm: &Realm, task: &Task) -> wire::Assignment {
    let definition = state
        .definition(&task.definition)
        .expect("revisions are never removed: Invariant::TaskRefersToWhatExists");
    let overrides = Overrides::parse(&task.overrides.object())
        .expect("overrides are parsed before a task is placed");
    let launch = Launch::new(&definition.spec, &overrides);
    let containers = launch
        .containers
        .iter()
        .zip(&task.containers)
        .map(|(spec, placed)| container(realm, task, spec, placed));
    wire::Assignment {
        task_id: task.id.to_string(),
        task_arn: realm.task(&task.cluster, task.id),
        cluster_arn: realm.cluster(&task.cluster),
        family: task.definition.family.to_string(),
        revision: task.definition.revision.to_string(),
        fencing_index: task.assigned_index,
        stop: task.desired == DesiredStatus::Stopped,
        network_mode: launch.network_mode.as_str().to_owned(),
        cpu_units: signed(launch.cpu_units),
        memory_mib: signed(launch.memory_mib),
        containers: containers.collect(),
        group: task.group.clone(),
        incarnation: task.incarnation,
        known_status: task.last.as_str().to_owned(),
    }
}

fn container(
    realm: &Realm,
    task: &Task,
    spec: &ContainerSpec,
    placed: &Container,
) -> wire::Container {
    assert_eq!(
        spec.name, placed.name,
        "containers are kept in the definition's order"
    );
    wire::Container {
        name: spec.name.clone(),
        image: spec.image.clone(),
        entry_point: spec.entry_point.clone(),
        command: spec.command.clone(),
        environment: environment(realm, task, &spec.environment),
        ports: placed.bindings.iter().map(port).collect(),
        cpu_units: signed(spec.cpu_units),
        memory_mib: signed(spec.memory_mib),
        memory_reservation_mib: signed(spec.memory_reservation_mib),
        essential: spec.essential,
        stop_timeout_s: signed(spec.stop_timeout_s),
        working_directory: spec.working_directory.clone(),
        user: spec.user.clone(),
        docker_labels: spec.docker_labels.clone(),
        privileged: spec.privileged,
        readonly_root: spec.readonly_root,
        container_arn: realm.container(&task.cluster, task.id, placed.id),
        hostname: spec.hostname.clone(),
        health_check: spec.health_check.as_ref().map(health_check),
    }
}

fn health_check(check: &HealthCheck) -> wire::HealthCheck {
    wire::HealthCheck {
        command: check.command.clone(),
        interval_s: signed(check.interval_s),
        timeout_s: signed(check.timeout_s),
        retries: signed(check.retries),
        start_period_s: signed(check.start_period_s),
    }
}

/// What ECS tells containers of where they run, and over that what the definition says. The agent adds what it knows better.
fn environment(
    realm: &Realm,
    task: &Task,
    stated: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let execution = format!("AWS_ECS_{}", task.launch_type);
    let ours = [
        ("AWS_EXECUTION_ENV", execution.as_str()),
        ("AWS_REGION", &realm.region),
        ("AWS_DEFAULT_REGION", &realm.region),
    ];
    let ours = ours.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ours.into_iter().chain(stated.clone()).collect()
}

fn port(binding: &PortBinding) -> wire::PortMapping {
    wire::PortMapping {
        container_port: binding.container_port.into(),
        host_port: binding.host.port.into(),
        protocol: binding.host.protocol.as_str().to_owned(),
        name: binding.name.clone().unwrap_or_default(),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
