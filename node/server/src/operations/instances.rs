//! Container instances: List, Describe, Deregister. They come to be by their agents, over another door.

use bytes::Bytes;
use quorate_core::state::{Cluster, Instance, InstanceStatus};
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};

use super::exception::Exception;
use super::input::{Input, check_list};
use super::page::{Order, Paging};
use super::render::instance::{Include, InstanceJson};
use super::render::{self, Failure};
use super::{Intent, Outcome, Scene, clusters, refusals};

/// ECS: instances in one DescribeContainerInstances.
const DESCRIBED_MAX: usize = 100;
/// ECS: instances in one UpdateContainerInstancesState.
const SET_MAX: usize = 10;

/// An instance of `cluster` by id or ARN. An ARN of another cluster is a mistake, a text that is neither names nothing.
pub(super) fn find<'a>(
    scene: &Scene<'a>,
    cluster: &Cluster,
    text: &str,
) -> Result<Option<&'a Instance>, Exception> {
    let Ok(named) = scene.realm.parse_instance(text) else {
        return Ok(None);
    };
    scene.check_cluster(named.cluster.as_ref(), cluster)?;
    let found = scene.state.instance(&named.id);
    Ok(found.filter(|instance| instance.cluster == cluster.name))
}

/// The same, where it has to be.
pub(super) fn named<'a>(
    scene: &Scene<'a>,
    cluster: &Cluster,
    text: &str,
) -> Result<&'a Instance, Exception> {
    find(scene, cluster, text)?.ok_or_else(refusals::instance_not_found)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filter {
    cluster: Option<String>,
    filter: Option<String>,
    status: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    container_instance_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListContainerInstances: all but INACTIVE ones unless asked otherwise, by id.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    if filter
        .filter
        .is_some_and(|expression| !expression.trim().is_empty())
    {
        return Err(refusals::unsupported(
            "A filter in the cluster query language",
        ));
    }
    let cluster = clusters::existing(scene, filter.cluster.as_deref())?;
    let status = filter.status.as_deref();
    let wanted = |instance: &&Instance| match status {
        Some(status) => instance.status.as_str() == status,
        None => instance.status != InstanceStatus::Inactive,
    };
    let instances = scene.state.instances_in(&cluster.name).filter(wanted);
    let page = filter
        .paging
        .page(Order::Ascending, instances, |instance| instance.id)?;
    let arn = |instance: &&Instance| scene.realm.instance(&instance.cluster, instance.id);
    Ok(render::body(&Listed {
        container_instance_arns: page.items.iter().map(arn).collect(),
        next_token: page.next_token,
    }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Describe {
    cluster: Option<String>,
    container_instances: Vec<String>,
    include: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    container_instances: Vec<InstanceJson<'a>>,
    failures: Vec<Failure>,
}

/// DescribeContainerInstances.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let describe: Describe = input.read()?;
    check_list(
        "Container instances",
        &describe.container_instances,
        DESCRIBED_MAX,
    )?;
    let cluster = clusters::existing(scene, describe.cluster.as_deref())?;
    let wanted = |field: &str| describe.include.iter().any(|one| one == field);
    let include = Include {
        health: wanted("CONTAINER_INSTANCE_HEALTH"),
        tags: wanted("TAGS"),
    };
    let mut described = Described {
        container_instances: Vec::new(),
        failures: Vec::new(),
    };
    for text in &describe.container_instances {
        match find(scene, cluster, text)? {
            Some(instance) => {
                let shown = InstanceJson::of(scene.state, scene.realm, instance, include);
                described.container_instances.push(shown);
            }
            None => described.failures.push(missing(scene, cluster, text)),
        }
    }
    Ok(render::body(&described))
}

/// What is said of an instance that does not exist.
pub(super) fn missing(scene: &Scene<'_>, cluster: &Cluster, text: &str) -> Failure {
    Failure::missing_in(scene.realm, &cluster.name, "container-instance", text)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Deregister {
    cluster: Option<String>,
    container_instance: String,
    force: bool,
}

/// DeregisterContainerInstance.
pub(super) fn deregister(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let deregister: Deregister = input.read()?;
    let cluster = clusters::existing(scene, deregister.cluster.as_deref())?;
    let instance = named(scene, cluster, &deregister.container_instance)?;
    let command = Command::DeregisterInstance {
        instance: instance.id,
        force: deregister.force,
    };
    Ok(Intent::Change(command))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deregistered<'a> {
    container_instance: InstanceJson<'a>,
}

/// The answer of DeregisterContainerInstance.
pub(super) fn deregistered(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Instance { id, .. } = outcome.reply else {
        return Err(outcome.strange());
    };
    let instance = scene
        .state
        .instance(&id)
        .expect("instances are never removed from the state");
    let include = Include {
        health: false,
        tags: true,
    };
    let container_instance = InstanceJson::of(scene.state, scene.realm, instance, include);
    Ok(render::body(&Deregistered { container_instance }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SetState {
    cluster: Option<String>,
    container_instances: Vec<String>,
    status: String,
}

/// UpdateContainerInstancesState: DRAINING, and back to ACTIVE.
pub(super) fn set_state(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let set: SetState = input.read()?;
    check_list("Container instances", &set.container_instances, SET_MAX)?;
    let is_draining = match set.status.as_str() {
        "DRAINING" => true,
        "ACTIVE" => false,
        other => {
            return Err(Exception::invalid_parameter(format!(
                "Container instances can be set to ACTIVE or DRAINING, not to {other}."
            )));
        }
    };
    let cluster = clusters::existing(scene, set.cluster.as_deref())?;
    let (mut instances, mut failures) = (Vec::new(), Vec::new());
    for text in &set.container_instances {
        match find(scene, cluster, text)? {
            Some(one) if one.status == InstanceStatus::Inactive => failures.push(Failure {
                arn: scene.realm.instance(&cluster.name, one.id),
                reason: "INACTIVE".into(),
                detail: None,
            }),
            Some(one) => instances.push(one.id),
            None => failures.push(missing(scene, cluster, text)),
        }
    }
    let command = Command::DrainInstances {
        instances,
        is_draining,
    };
    Ok(Intent::Partly(command, failures))
}

/// The answer of UpdateContainerInstancesState.
pub(super) fn state_set(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Instances(ids) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let include = Include {
        health: false,
        tags: true,
    };
    let known = ids.iter().filter_map(|id| scene.state.instance(id));
    Ok(render::body(&Described {
        container_instances: known
            .map(|one| InstanceJson::of(scene.state, scene.realm, one, include))
            .collect(),
        failures: outcome.failures.clone(),
    }))
}
