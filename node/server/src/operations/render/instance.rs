//! A container instance as DescribeContainerInstances and DeregisterContainerInstance show it.

use quorate_core::documents::{Protocol, Tag};
use quorate_core::state::{HostPort, Instance, Task, TaskStatus};
use quorate_core::{Millis, Realm, State};
use serde::Serialize;

use super::{Nothing, text};

/// What a caller wants to see beside the usual (`include`).
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Include {
    pub(in super::super) health: bool,
    pub(in super::super) tags: bool,
}

/// A container instance in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct InstanceJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_provider_name: Option<String>,
    #[serde(flatten)]
    facts: FactsJson<'a>,
    running_tasks_count: usize,
    pending_tasks_count: usize,
    attachments: Nothing,
    tags: &'a [Tag],
    #[serde(skip_serializing_if = "Option::is_none")]
    health_status: Option<HealthJson>,
}

/// What an instance says of itself, without a look at anything else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FactsJson<'a> {
    container_instance_arn: String,
    ec2_instance_id: String,
    version: u64,
    version_info: VersionJson<'a>,
    remaining_resources: Vec<ResourceJson>,
    registered_resources: Vec<ResourceJson>,
    status: &'static str,
    agent_connected: bool,
    attributes: Vec<AttributeJson<'a>>,
    registered_at: f64,
}

impl<'a> InstanceJson<'a> {
    pub(in super::super) fn of(
        state: &State,
        realm: &Realm,
        instance: &'a Instance,
        include: Include,
    ) -> Self {
        let tasks = || state.tasks_on(&instance.id);
        let is_pending = |task: &&Task| task.last < TaskStatus::Running;
        Self {
            capacity_provider_name: state.provider_of(instance).map(|name| name.to_string()),
            facts: facts(realm, instance),
            running_tasks_count: tasks()
                .filter(|task| task.last == TaskStatus::Running)
                .count(),
            pending_tasks_count: tasks().filter(is_pending).count(),
            attachments: [],
            tags: super::tags(&instance.tags, include.tags),
            health_status: include
                .health
                .then(|| HealthJson::of(instance, state.now())),
        }
    }
}

pub(super) fn facts<'a>(realm: &Realm, instance: &'a Instance) -> FactsJson<'a> {
    let registered = &instance.registered;
    let taken = registered.ports.union(&instance.reserved.ports);
    let attributes = instance.all_attributes().into_iter();
    FactsJson {
        container_instance_arn: realm.instance(&instance.cluster, instance.id),
        ec2_instance_id: instance.id.to_string(),
        version: instance.change_count,
        version_info: VersionJson {
            agent_version: text(&instance.version.agent_version),
            agent_hash: text(&instance.version.agent_hash),
            docker_version: text(&instance.version.docker_version),
        },
        remaining_resources: resources(
            instance.cpu_units_free(),
            instance.memory_mib_free(),
            (registered.gpus > 0).then(|| instance.gpus_free()),
            taken,
        ),
        registered_resources: resources(
            registered.cpu_units,
            registered.memory_mib,
            (registered.gpus > 0).then_some(registered.gpus),
            registered.ports.iter(),
        ),
        status: instance.status.as_str(),
        agent_connected: instance.connected,
        attributes: attributes
            .map(|(name, value)| AttributeJson {
                name,
                value: text(value),
            })
            .collect(),
        registered_at: instance.registered_at.as_epoch_seconds(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_version: Option<&'a str>,
}

#[derive(Serialize)]
struct AttributeJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

/// A resource: ECS shows the two kinds of number also where neither is meant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceJson {
    name: &'static str,
    r#type: &'static str,
    double_value: f64,
    long_value: i64,
    integer_value: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_set_value: Option<Vec<String>>,
}

/// GPUs are shown where there are any. ECS lists their ids; agents say how many only.
fn resources<'a>(
    cpu_units: u64,
    memory_mib: u64,
    gpus: Option<u64>,
    ports: impl Iterator<Item = &'a HostPort> + Clone,
) -> Vec<ResourceJson> {
    let of = |wanted| {
        let mine = ports.clone().filter(move |port| port.protocol == wanted);
        mine.map(|port| port.port.to_string()).collect()
    };
    let four = [
        integer("CPU", cpu_units),
        integer("MEMORY", memory_mib),
        set("PORTS", of(Protocol::Tcp)),
        set("PORTS_UDP", of(Protocol::Udp)),
    ];
    let gpus = gpus.map(|count| integer("GPU", count));
    four.into_iter().chain(gpus).collect()
}

/// The API's integers have 32 bits; more CPU or memory than fits is shown as the most that does.
fn integer(name: &'static str, value: u64) -> ResourceJson {
    ResourceJson {
        name,
        r#type: "INTEGER",
        double_value: 0.0,
        long_value: 0,
        integer_value: i32::try_from(value).unwrap_or(i32::MAX),
        string_set_value: None,
    }
}

fn set(name: &'static str, values: Vec<String>) -> ResourceJson {
    ResourceJson {
        name,
        r#type: "STRINGSET",
        double_value: 0.0,
        long_value: 0,
        integer_value: 0,
        string_set_value: Some(values),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthJson {
    overall_status: &'static str,
    details: [HealthDetailJson; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthDetailJson {
    r#type: &'static str,
    status: &'static str,
    last_updated: f64,
    last_status_change: f64,
}

impl HealthJson {
    fn of(instance: &Instance, now: Millis) -> Self {
        let status = if instance.connected { "OK" } else { "IMPAIRED" };
        let detail = HealthDetailJson {
            r#type: "AGENT_CONNECTIVITY",
            status,
            last_updated: now.as_epoch_seconds(),
            last_status_change: instance.connection_changed_at.as_epoch_seconds(),
        };
        Self {
            overall_status: status,
            details: [detail],
        }
    }
}
