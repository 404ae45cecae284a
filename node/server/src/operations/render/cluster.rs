//! A cluster as CreateCluster, DescribeClusters and DeleteCluster show it.

use quorate_core::documents::Tag;
use quorate_core::ids::ProviderName;
use quorate_core::state::{Cluster, InstanceStatus, Service, ServiceStatus, TaskStatus};
use quorate_core::{Realm, State};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Nothing;
use super::service::launch_type;

/// What a caller wants to see beside the usual (`include`).
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Include {
    pub(in super::super) attachments: bool,
    pub(in super::super) configurations: bool,
    pub(in super::super) settings: bool,
    pub(in super::super) statistics: bool,
    pub(in super::super) tags: bool,
}

/// A cluster in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ClusterJson<'a> {
    cluster_arn: String,
    cluster_name: &'a str,
    status: &'static str,
    registered_container_instances_count: usize,
    running_tasks_count: usize,
    pending_tasks_count: usize,
    active_services_count: usize,
    statistics: Vec<Pair>,
    tags: &'a [Tag],
    settings: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_connect_defaults: Option<Value>,
    capacity_providers: &'a [ProviderName],
    default_capacity_provider_strategy: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Nothing>,
}

#[derive(Serialize)]
struct Pair {
    name: String,
    value: String,
}

impl<'a> ClusterJson<'a> {
    pub(in super::super) fn of(
        state: &State,
        realm: &Realm,
        cluster: &'a Cluster,
        include: Include,
    ) -> Self {
        let counts = Counts::of(state, cluster);
        let mut document = cluster.document.object();
        let live = |status| status != InstanceStatus::Inactive;
        let instances = state.instances_in(&cluster.name);
        Self {
            cluster_arn: realm.cluster(&cluster.name),
            cluster_name: cluster.name.as_str(),
            status: cluster.status.as_str(),
            registered_container_instances_count: instances.filter(|i| live(i.status)).count(),
            running_tasks_count: counts.running.iter().sum(),
            pending_tasks_count: counts.pending.iter().sum(),
            active_services_count: services_of(state, cluster, ServiceStatus::Active).count(),
            statistics: if include.statistics {
                counts.statistics(state, cluster)
            } else {
                Vec::new()
            },
            tags: super::tags(&cluster.tags, include.tags),
            settings: if include.settings {
                settings(&mut document)
            } else {
                json!([])
            },
            configuration: document
                .remove("configuration")
                .filter(|_| include.configurations),
            service_connect_defaults: document.remove("serviceConnectDefaults"),
            capacity_providers: &cluster.capacity.providers,
            default_capacity_provider_strategy: super::strategy(&cluster.capacity.strategy),
            attachments: include.attachments.then_some([]),
        }
    }
}

/// The settings as given. There is one in ECS, and it is shown also where nobody set it.
fn settings(document: &mut Map<String, Value>) -> Value {
    let given = document.remove("settings");
    given
        .filter(|settings| settings.as_array().is_some_and(|list| !list.is_empty()))
        .unwrap_or_else(|| json!([{ "name": "containerInsights", "value": "disabled" }]))
}

fn services_of<'a>(
    state: &'a State,
    cluster: &'a Cluster,
    status: ServiceStatus,
) -> impl Iterator<Item = &'a Service> {
    let all = state.services_in(&cluster.name);
    all.filter(move |service| service.status == status)
}

/// Launch types in the order of [`Counts`], by the words that statistics have for them.
const KINDS: [(&str, &str); 3] = [
    ("EC2", "EC2"),
    ("FARGATE", "Fargate"),
    ("EXTERNAL", "External"),
];
/// What our instances are, whatever the caller called them.
const EXTERNAL: usize = 2;

/// A cluster's tasks, counted by launch type.
#[derive(Default)]
struct Counts {
    running: [usize; KINDS.len()],
    pending: [usize; KINDS.len()],
}

impl Counts {
    fn of(state: &State, cluster: &Cluster) -> Self {
        let mut counts = Self::default();
        for task in state
            .tasks_in(&cluster.name)
            .filter(|task| task.holds_resources())
        {
            let kind = KINDS
                .iter()
                .position(|(launch_type, _)| *launch_type == task.launch_type);
            let kind = kind.unwrap_or(EXTERNAL);
            match task.last {
                TaskStatus::Running => counts.running[kind] += 1,
                last if last < TaskStatus::Running => counts.pending[kind] += 1,
                _ => {}
            }
        }
        counts
    }

    fn statistics(&self, state: &State, cluster: &Cluster) -> Vec<Pair> {
        let services = |status, kind: &str| {
            let all = services_of(state, cluster, status);
            all.filter(|one| launch_type(state, one) == kind).count()
        };
        let pair = |name: String, value: usize| Pair {
            name,
            value: value.to_string(),
        };
        let of_kind = |(place, (kind, word)): (usize, &(&str, &str))| {
            [
                pair(format!("running{word}TasksCount"), self.running[place]),
                pair(format!("pending{word}TasksCount"), self.pending[place]),
                pair(
                    format!("active{word}ServiceCount"),
                    services(ServiceStatus::Active, kind),
                ),
                pair(
                    format!("draining{word}ServiceCount"),
                    services(ServiceStatus::Draining, kind),
                ),
            ]
        };
        KINDS.iter().enumerate().flat_map(of_kind).collect()
    }
}
