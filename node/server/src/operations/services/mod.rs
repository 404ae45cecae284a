//! Services: how they are named, and what is done with them and their task sets. What is deployed of them is in `rollouts`.

mod create;
mod external;
mod read;
mod spec;
pub(super) mod task_sets;
mod update;

use quorate_core::Reply;
use quorate_core::ids::ServiceKey;
use quorate_core::state::{Cluster, Service};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exception::Exception;
use super::input::Input;
use super::render;
use super::render::service::service;
use super::{Intent, Outcome, Scene, clusters};

pub(super) use create::create;
pub(super) use read::{describe, list, list_by_namespace};
pub(super) use update::update;

/// A service of `cluster` by name or ARN; INACTIVE ones included. An ARN of another cluster is a mistake.
pub(super) fn find<'a>(
    scene: &Scene<'a>,
    cluster: &Cluster,
    text: &str,
) -> Result<Option<&'a Service>, Exception> {
    let Ok(named) = scene.realm.parse_service(text) else {
        return Ok(None);
    };
    scene.check_cluster(named.cluster.as_ref(), cluster)?;
    Ok(scene.state.service(&ServiceKey {
        cluster: cluster.name.clone(),
        name: named.id,
    }))
}

/// The same, where it has to be.
pub(super) fn named<'a>(
    scene: &Scene<'a>,
    cluster: &Cluster,
    text: &str,
) -> Result<&'a Service, Exception> {
    find(scene, cluster, text)?.ok_or_else(Exception::service_not_found)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delete {
    cluster: Option<String>,
    service: String,
    force: bool,
}

/// DeleteService.
pub(super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let delete: Delete = input.read()?;
    let cluster = clusters::existing(scene, delete.cluster.as_deref())?;
    let service = named(scene, cluster, &delete.service)?;
    Ok(Intent::Change(quorate_core::Command::DeleteService {
        service: service.key.clone(),
        force: delete.force,
    }))
}

#[derive(Serialize)]
struct Answer {
    service: Value,
}

/// The answer of CreateService, UpdateService and DeleteService.
pub(super) fn changed(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Service(key) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let one = scene
        .state
        .service(key)
        .expect("services are never removed from the state");
    let service = service(scene.state, scene.realm, one, true);
    Ok(render::body(&Answer { service }))
}

/// Whether a member says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
