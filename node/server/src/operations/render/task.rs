//! A task as RunTask, StartTask, StopTask and DescribeTasks show it.

mod waiting;

use quorate_core::documents::{Document, Tag};
use quorate_core::ids::TaskId;
use quorate_core::state::{Container, Instance, PortBinding, Task};
use quorate_core::{Realm, State};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Nothing, seconds, text};

/// The instance's zone, where it has one (ECS's attribute).
const ZONE: &str = "ecs.availability-zone";
/// The instance's CPU (ECS's attribute), which tasks repeat.
const ARCHITECTURE: &str = "ecs.cpu-architecture";

/// A task in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct TaskJson<'a> {
    attachments: Nothing,
    attributes: Vec<AttributeJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_provider_name: Option<&'a str>,
    cluster_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connectivity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connectivity_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_instance_arn: Option<String>,
    containers: Vec<ContainerJson<'a>>,
    cpu: String,
    created_at: f64,
    desired_status: &'static str,
    enable_execute_command: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_stopped_at: Option<f64>,
    group: &'a str,
    health_status: &'static str,
    last_status: &'static str,
    launch_type: &'a str,
    memory: String,
    overrides: OverridesJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_started_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_stopped_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopping_at: Option<f64>,
    tags: &'a [Tag],
    task_arn: String,
    task_definition_arn: String,
    version: u64,
}

impl<'a> TaskJson<'a> {
    /// A task that was placed, or one that waits.
    pub(in super::super) fn find(
        state: &'a State,
        realm: &Realm,
        id: TaskId,
        with_tags: bool,
    ) -> Option<Self> {
        let placed = state.task(&id);
        let placed = placed.map(|task| {
            let instance = state
                .instance(&task.instance)
                .expect("State::check: a task's instance exists");
            Self::of(realm, task, instance, with_tags)
        });
        placed.or_else(|| Some(Self::waiting(realm, state.waiting_task(&id)?, with_tags)))
    }

    /// A task that was placed, on its instance.
    pub(super) fn of(
        realm: &Realm,
        task: &'a Task,
        instance: &'a Instance,
        with_tags: bool,
    ) -> Self {
        let task_arn = realm.task(&task.cluster, task.id);
        let containers = task.containers.iter();
        let containers = containers.map(|one| ContainerJson::of(realm, task, &task_arn, one));
        Self {
            attachments: [],
            attributes: attributes(instance),
            availability_zone: instance.attribute(ZONE),
            capacity_provider_name: task.provider.as_ref().map(|name| name.as_str()),
            cluster_arn: realm.cluster(&task.cluster),
            connectivity: Some(if instance.connected {
                "CONNECTED"
            } else {
                "DISCONNECTED"
            }),
            connectivity_at: Some(
                instance
                    .connection_changed_at
                    .max(task.created_at)
                    .as_epoch_seconds(),
            ),
            container_instance_arn: Some(realm.instance(&task.cluster, task.instance)),
            containers: containers.collect(),
            cpu: task.reserved.cpu_units.to_string(),
            created_at: task.created_at.as_epoch_seconds(),
            desired_status: task.desired.as_str(),
            enable_execute_command: task.enable_execute_command,
            execution_stopped_at: seconds(task.execution_stopped_at),
            group: &task.group,
            health_status: task.health().as_str(),
            last_status: task.last.as_str(),
            launch_type: &task.launch_type,
            memory: task.reserved.memory_mib.to_string(),
            overrides: OverridesJson::of(
                &task.overrides,
                task.containers.iter().map(|one| one.name.as_str()),
            ),
            pull_started_at: seconds(task.pull_started_at),
            pull_stopped_at: seconds(task.pull_stopped_at),
            started_at: seconds(task.started_at),
            started_by: text(&task.started_by),
            stop_code: task.stop_code.map(|code| code.as_str()),
            stopped_at: seconds(task.stopped_at),
            stopped_reason: text(&task.stopped_reason),
            stopping_at: seconds(task.stopping_at),
            tags: super::tags(&task.tags, with_tags),
            task_definition_arn: realm.definition(&task.definition),
            version: task.version,
            task_arn,
        }
    }
}

#[derive(Serialize)]
struct AttributeJson<'a> {
    name: &'static str,
    value: &'a str,
}

fn attributes(instance: &Instance) -> Vec<AttributeJson<'_>> {
    let architecture = instance.attributes.get(ARCHITECTURE);
    let shown = |value| AttributeJson {
        name: ARCHITECTURE,
        value,
    };
    architecture
        .map(String::as_str)
        .map(shown)
        .into_iter()
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerJson<'a> {
    container_arn: String,
    task_arn: String,
    name: &'a str,
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_id: Option<&'a str>,
    last_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    network_bindings: Vec<BindingJson>,
    network_interfaces: Nothing,
    health_status: &'static str,
    cpu: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_reservation: Option<String>,
}

impl<'a> ContainerJson<'a> {
    fn of(realm: &Realm, task: &Task, task_arn: &str, container: &'a Container) -> Self {
        let limit = |mib: u64| (mib > 0).then(|| mib.to_string());
        Self {
            container_arn: realm.container(&task.cluster, task.id, container.id),
            task_arn: task_arn.to_owned(),
            name: &container.name,
            image: &container.image,
            image_digest: text(&container.image_digest),
            runtime_id: text(&container.runtime_id),
            last_status: container.status.as_str(),
            exit_code: container.exit_code,
            reason: text(&container.reason),
            network_bindings: container.bindings.iter().map(BindingJson::of).collect(),
            network_interfaces: [],
            health_status: container.health_status().as_str(),
            cpu: container.cpu_units.to_string(),
            memory: limit(container.memory_mib),
            memory_reservation: limit(container.memory_reservation_mib),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BindingJson {
    #[serde(rename = "bindIP")]
    bind_ip: &'static str,
    container_port: u16,
    host_port: u16,
    protocol: &'static str,
}

impl BindingJson {
    fn of(binding: &PortBinding) -> Self {
        Self {
            bind_ip: "0.0.0.0",
            container_port: binding.container_port,
            host_port: binding.host.port,
            protocol: binding.host.protocol.as_str(),
        }
    }
}

/// Overrides as ECS shows them: an entry for every container, with what was given for it.
#[derive(Serialize)]
#[serde(untagged)]
enum OverridesJson<'a> {
    /// Nothing was given.
    Names(NamesJson<'a>),
    Given(Map<String, Value>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NamesJson<'a> {
    container_overrides: Vec<NameJson<'a>>,
    inference_accelerator_overrides: Nothing,
}

#[derive(Serialize)]
struct NameJson<'a> {
    name: &'a str,
}

impl<'a> OverridesJson<'a> {
    fn of(overrides: &Document, names: impl Iterator<Item = &'a str>) -> Self {
        let mut given = overrides.object();
        if given.is_empty() {
            let container_overrides = names.map(|name| NameJson { name }).collect();
            return Self::Names(NamesJson {
                container_overrides,
                inference_accelerator_overrides: [],
            });
        }
        let mut listed = match given.remove("containerOverrides") {
            Some(Value::Array(listed)) => listed,
            _ => Vec::new(),
        };
        for name in names {
            if !listed.iter().any(|entry| entry["name"] == name) {
                listed.push(json!({ "name": name }));
            }
        }
        given.insert("containerOverrides".into(), listed.into());
        given.insert("inferenceAcceleratorOverrides".into(), json!([]));
        Self::Given(given)
    }
}
