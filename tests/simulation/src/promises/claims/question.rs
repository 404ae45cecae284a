//! What can be asked of a state, and its answer in the short form that answers of the API are reduced to as well.

use quorate_core::State;
use quorate_core::ids::{ClusterName, DefinitionId, Family, InstanceId, TaskId};
use quorate_core::state::{
    ClusterStatus, DefinitionStatus, Instance, InstanceStatus, Task, TaskDefinition, TaskStatus,
};
use serde_json::{Value, json};

use super::last_part;

/// ECS: entries of a page unless the caller says otherwise.
const PAGE: usize = 100;

/// A question about the state.
#[derive(Debug)]
pub(super) enum Question {
    /// What is known of these clusters.
    Clusters(Vec<String>),
    /// Which clusters are ACTIVE.
    ClusterNames { limit: usize },
    /// What is known of these tasks of a cluster.
    Tasks { cluster: String, ids: Vec<String> },
    /// Which tasks of a cluster fit.
    TaskIds { cluster: String, filter: Value },
    /// What a revision, or the newest of a family, is.
    Definition(String),
    /// Which revisions fit.
    DefinitionIds { filter: Value },
    /// Which families fit.
    Families { filter: Value },
    /// What is known of these instances of a cluster.
    Instances { cluster: String, ids: Vec<String> },
    /// Which instances of a cluster fit.
    InstanceIds { cluster: String, filter: Value },
}

impl Question {
    /// The question behind a read.
    pub(super) fn asked(operation: &str, input: &Value) -> Option<Self> {
        let cluster = || {
            last_part(
                input["cluster"]
                    .as_str()
                    .filter(|text| !text.is_empty())
                    .unwrap_or("default"),
            )
            .to_owned()
        };
        let list = |member: &str| -> Vec<String> {
            let texts = input[member]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            texts.map(|text| last_part(text).to_owned()).collect()
        };
        let filter = || input.clone();
        Some(match operation {
            "DescribeClusters" => Self::Clusters(list("clusters")),
            "ListClusters" => Self::ClusterNames {
                limit: limit(input),
            },
            "DescribeTasks" => Self::Tasks {
                cluster: cluster(),
                ids: list("tasks"),
            },
            "ListTasks" => Self::TaskIds {
                cluster: cluster(),
                filter: filter(),
            },
            "DescribeTaskDefinition" => {
                Self::Definition(last_part(input["taskDefinition"].as_str()?).to_owned())
            }
            "ListTaskDefinitions" => Self::DefinitionIds { filter: filter() },
            "ListTaskDefinitionFamilies" => Self::Families { filter: filter() },
            "DescribeContainerInstances" => Self::Instances {
                cluster: cluster(),
                ids: list("containerInstances"),
            },
            "ListContainerInstances" => Self::InstanceIds {
                cluster: cluster(),
                filter: filter(),
            },
            _ => return None,
        })
    }

    /// The state's answer.
    pub(super) fn put_to(&self, state: &State) -> Value {
        let missing_cluster = |cluster: &str| cluster_of(state, cluster).is_none();
        match self {
            Self::Tasks { cluster, .. }
            | Self::TaskIds { cluster, .. }
            | Self::Instances { cluster, .. }
            | Self::InstanceIds { cluster, .. }
                if missing_cluster(cluster) =>
            {
                json!({ "error": "ClusterNotFoundException" })
            }
            Self::Clusters(names) => described(names, |name| {
                cluster_of(state, name).map(|name| cluster(state, &name))
            }),
            Self::ClusterNames { limit } => {
                let active = state
                    .clusters()
                    .filter(|one| one.status == ClusterStatus::Active);
                listed(active.map(|one| one.name.to_string()).collect(), *limit)
            }
            Self::Tasks { cluster, ids } => described(ids, |id| {
                let task = id.parse::<TaskId>().ok().and_then(|id| state.task(&id));
                task.filter(|task| task.cluster.as_str() == cluster)
                    .map(self::task)
            }),
            Self::TaskIds { cluster, filter } => task_ids(state, cluster, filter),
            Self::Definition(text) => definition_named(state, text)
                .map_or_else(|| json!({ "error": "ClientException" }), definition),
            Self::DefinitionIds { filter } => definition_ids(state, filter),
            Self::Families { filter } => families(state, filter),
            Self::Instances { cluster, ids } => described(ids, |id| {
                let instance = id
                    .parse::<InstanceId>()
                    .ok()
                    .and_then(|id| state.instance(&id));
                instance
                    .filter(|one| one.cluster.as_str() == cluster)
                    .map(|one| self::instance(state, one))
            }),
            Self::InstanceIds { cluster, filter } => {
                let status = filter["status"].as_str();
                let wanted = state
                    .instances()
                    .filter(|one| one.cluster.as_str() == cluster)
                    .filter(|one| match status {
                        Some(status) => one.status.as_str() == status,
                        None => one.status != InstanceStatus::Inactive,
                    });
                listed(
                    wanted.map(|one| one.id.to_string()).collect(),
                    limit(filter),
                )
            }
        }
    }
}

fn limit(input: &Value) -> usize {
    input["maxResults"]
        .as_u64()
        .map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE))
}

fn cluster_of(state: &State, name: &str) -> Option<ClusterName> {
    let name: ClusterName = name.parse().ok()?;
    state.cluster(&name).map(|cluster| cluster.name.clone())
}

fn described(names: &[String], one: impl Fn(&str) -> Option<Value>) -> Value {
    let found: Vec<Value> = names.iter().filter_map(|name| one(name)).collect();
    let missing: Vec<&String> = names.iter().filter(|name| one(name).is_none()).collect();
    json!({ "found": found, "missing": missing })
}

/// `all` in the order of the list, cut off where the page ends.
fn listed(all: Vec<String>, limit: usize) -> Value {
    let more = all.len() > limit;
    let page: Vec<String> = all.into_iter().take(limit).collect();
    json!({ "listed": page, "more": more })
}

fn cluster(state: &State, name: &ClusterName) -> Value {
    let status = state.cluster(name).map(|cluster| cluster.status.as_str());
    let instances = state
        .instances()
        .filter(|one| one.cluster == *name && one.status != InstanceStatus::Inactive);
    let tasks = || state.tasks().filter(|task| task.cluster == *name);
    let running = tasks()
        .filter(|task| task.last == TaskStatus::Running)
        .count();
    let pending = tasks()
        .filter(|task| task.last < TaskStatus::Running)
        .count();
    json!([name.as_str(), status, instances.count(), running, pending])
}

fn task(task: &Task) -> Value {
    let containers: Vec<Value> = task
        .containers
        .iter()
        .map(|one| json!([one.name, one.status.as_str(), one.exit_code]))
        .collect();
    json!([
        task.id.to_string(),
        task.last.as_str(),
        task.desired.as_str(),
        task.version,
        task.definition.to_string(),
        task.instance.to_string(),
        task.started_by,
        task.stop_code.map(|code| code.as_str()),
        containers,
    ])
}

fn task_ids(state: &State, cluster: &str, filter: &Value) -> Value {
    let on = filter["containerInstance"].as_str().map(last_part);
    let is_known = |id: &str| {
        let instance = id
            .parse::<InstanceId>()
            .ok()
            .and_then(|id| state.instance(&id));
        instance.is_some_and(|one| one.cluster.as_str() == cluster)
    };
    if on.is_some_and(|id| !is_known(id)) {
        return json!({ "error": "InvalidParameterException" });
    }
    let service = filter["serviceName"].as_str();
    let service = service.map(|name| format!("{cluster}/{}", last_part(name)));
    let is_there = |key: &String| state.services().any(|one| one.key.to_string() == *key);
    if service.as_ref().is_some_and(|key| !is_there(key)) {
        return json!({ "error": "ServiceNotFoundException" });
    }
    let is = |member: &str, have: &str| filter[member].as_str().is_none_or(|wanted| wanted == have);
    let desired = filter["desiredStatus"].as_str().unwrap_or("RUNNING");
    let wanted = state.tasks().filter(|task| {
        task.cluster.as_str() == cluster
            && task.desired.as_str() == desired
            && is("family", task.definition.family.as_str())
            && is("startedBy", &task.started_by)
            && on.is_none_or(|id| task.instance.to_string() == id)
            && service.as_ref().is_none_or(|key| {
                let own = task.service_key();
                own.is_some_and(|own| own.to_string() == *key)
            })
    });
    listed(
        wanted.map(|task| task.id.to_string()).collect(),
        limit(filter),
    )
}

fn definition_named<'a>(state: &'a State, text: &str) -> Option<&'a TaskDefinition> {
    if text.contains(':') {
        return text
            .parse::<DefinitionId>()
            .ok()
            .and_then(|id| state.definition(&id));
    }
    let family: Family = text.parse().ok()?;
    let active = state
        .definitions()
        .filter(|one| one.id.family == family && one.status == DefinitionStatus::Active);
    active.max_by_key(|one| one.id.revision)
}

fn definition(definition: &TaskDefinition) -> Value {
    json!([definition.id.to_string(), definition.status.as_str()])
}

fn definition_ids(state: &State, filter: &Value) -> Value {
    let status = filter["status"].as_str().unwrap_or("ACTIVE");
    let family = filter["familyPrefix"]
        .as_str()
        .filter(|family| !family.is_empty());
    let wanted = state.definitions().filter(|one| {
        one.status.as_str() == status
            && family.is_none_or(|family| one.id.family.as_str() == family)
    });
    let mut ids: Vec<&DefinitionId> = wanted.map(|one| &one.id).collect();
    if filter["sort"] == "DESC" {
        ids.reverse();
    }
    listed(ids.iter().map(ToString::to_string).collect(), limit(filter))
}

fn families(state: &State, filter: &Value) -> Value {
    let prefix = filter["familyPrefix"].as_str().unwrap_or_default();
    let has_active = |family: &Family| {
        state
            .definitions()
            .any(|one| one.id.family == *family && one.status == DefinitionStatus::Active)
    };
    let wanted = state
        .families()
        .map(|(family, _)| family)
        .filter(|family| match filter["status"].as_str() {
            Some("ACTIVE") => has_active(family),
            Some("INACTIVE") => !has_active(family),
            _ => true,
        });
    let names = wanted
        .map(Family::as_str)
        .filter(|name| name.starts_with(prefix));
    listed(names.map(str::to_owned).collect(), limit(filter))
}

fn instance(state: &State, instance: &Instance) -> Value {
    let tasks = || state.tasks().filter(|task| task.instance == instance.id);
    let held = |amount: fn(&Task) -> u64| {
        tasks()
            .filter(|task| task.last != TaskStatus::Stopped)
            .map(amount)
            .sum::<u64>()
    };
    let cpu_units = instance
        .registered
        .cpu_units
        .saturating_sub(held(|task| task.reserved.cpu_units));
    let memory_mib = instance
        .registered
        .memory_mib
        .saturating_sub(held(|task| task.reserved.memory_mib));
    json!([
        instance.id.to_string(),
        instance.status.as_str(),
        instance.connected,
        tasks()
            .filter(|task| task.last == TaskStatus::Running)
            .count(),
        tasks()
            .filter(|task| task.last < TaskStatus::Running)
            .count(),
        cpu_units,
        memory_mib,
    ])
}
