//! TagResource, UntagResource, ListTagsForResource: of everything that has an ARN and tags.

use bytes::Bytes;
use quorate_core::Command;
use quorate_core::arn::DefinitionReference;
use quorate_core::command::Tagged;
use quorate_core::documents::tags::{self, TagError, is_reserved};
use quorate_core::documents::{Tag, Tags};
use quorate_core::ids::{ClusterName, ServiceKey};
use quorate_core::state::{ClusterStatus, InstanceStatus, ServiceStatus, TaskStatus};
use serde::{Deserialize, Serialize};

use super::exception::{Exception, Kind};
use super::input::{Input, check_at_most, check_list};
use super::render;
use super::{Intent, Outcome, Scene, refusals};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    resource_arn: String,
    tags: Tags,
    tag_keys: Vec<String>,
}

/// TagResource: a key that is there gets the new value, the others stay.
pub(super) fn tag(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.read()?;
    let resource = changeable(scene, &asked.resource_arn)?;
    check_list("Tags", &asked.tags, tags::TAGS_MAX)?;
    tags::check(&asked.tags).map_err(|error| refusals::tags(&error))?;
    Ok(Intent::Change(Command::Tag {
        resource,
        tags: asked.tags,
    }))
}

/// UntagResource: a key that is not there is no error.
pub(super) fn untag(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.read()?;
    let resource = changeable(scene, &asked.resource_arn)?;
    check_at_most("Tag keys", &asked.tag_keys, tags::TAGS_MAX)?;
    if let Some(key) = asked.tag_keys.iter().find(|key| is_reserved(key)) {
        return Err(refusals::tags(&TagError::Key(key.clone())));
    }
    Ok(Intent::Change(Command::Untag {
        resource,
        keys: asked.tag_keys,
    }))
}

/// The answer of TagResource and UntagResource: an empty object.
pub(super) fn changed(_: &Scene<'_>, _: &Outcome) -> Result<Bytes, Exception> {
    Ok(Bytes::from_static(b"{}"))
}

#[derive(Serialize)]
struct Listed<'a> {
    tags: &'a [Tag],
}

/// ListTagsForResource: also of what has ended, as long as it is described.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let asked: Asked = input.read()?;
    let resource = named(scene, &asked.resource_arn)?;
    let tags = scene.state.tags_of(&resource);
    let tags = tags.ok_or_else(|| match resource {
        Tagged::Cluster(_) => Exception::cluster_not_found(),
        // The model has no ResourceNotFoundException here.
        _ => Exception::invalid_parameter(NOT_FOUND),
    })?;
    Ok(render::body(&Listed { tags }))
}

const NOT_FOUND: &str =
    "The specified resource was not found. Specify a valid resource ARN and try again.";

/// A resource that does not exist, where tags are changed.
pub(super) fn not_found(resource: &Tagged) -> Exception {
    match resource {
        Tagged::Cluster(_) => Exception::cluster_not_found(),
        _ => Exception::new(Kind::ResourceNotFound, NOT_FOUND),
    }
}

/// The resource, if it exists and has not ended.
fn changeable(scene: &Scene<'_>, arn: &str) -> Result<Tagged, Exception> {
    let resource = named(scene, arn)?;
    if scene.state.tags_of(&resource).is_none() {
        return Err(not_found(&resource));
    }
    let state = scene.state;
    let ended = match &resource {
        Tagged::Cluster(name) => {
            let cluster = state.cluster(name);
            let is_inactive = cluster.is_some_and(|one| one.status == ClusterStatus::Inactive);
            is_inactive.then_some("cluster is inactive. Specify an active cluster")
        }
        Tagged::Service(key) => {
            let service = state.service(key);
            let is_inactive = service.is_some_and(|one| one.status == ServiceStatus::Inactive);
            is_inactive.then_some("service is inactive. Specify an active service")
        }
        Tagged::Instance(id) => {
            let instance = state.instance(id);
            let is_inactive = instance.is_some_and(|one| one.status == InstanceStatus::Inactive);
            is_inactive
                .then_some("container instance is inactive. Specify an active container instance")
        }
        Tagged::Task(id) => {
            let last = state.task(id).map(|task| task.last);
            let last = last.or_else(|| state.waiting_task(id).map(|task| task.last()));
            (last == Some(TaskStatus::Stopped)).then_some("task is stopped. Specify a running task")
        }
        Tagged::Definition(_) | Tagged::TaskSet(_) | Tagged::Provider(_) => None,
    };
    match ended {
        Some(text) => Err(Exception::invalid_parameter(format!(
            "The specified {text} and try again."
        ))),
        None => Ok(resource),
    }
}

/// What an ARN names, whether it exists or not. A name alone could be of anything.
fn named(scene: &Scene<'_>, arn: &str) -> Result<Tagged, Exception> {
    let realm = scene.realm;
    let wrong = || {
        Exception::invalid_parameter(format!(
            "Invalid identifier: {arn:?} is not the ARN of a resource that has tags."
        ))
    };
    // arn:aws:ecs:REGION:ACCOUNT:KIND/...
    let resource = arn.splitn(6, ':').nth(5).ok_or_else(wrong)?;
    let (kind, _) = resource.split_once('/').ok_or_else(wrong)?;
    let parsed = match kind {
        "cluster" => realm.parse_cluster(arn).map(Tagged::Cluster),
        "task-definition" => match realm.parse_definition(arn) {
            Ok(DefinitionReference::Exact(id)) => Ok(Tagged::Definition(id)),
            Ok(DefinitionReference::Newest(_)) => return Err(wrong()),
            Err(error) => Err(error),
        },
        "task" => realm.parse_task(arn).map(|one| Tagged::Task(one.id)),
        "container-instance" => realm
            .parse_instance(arn)
            .map(|one| Tagged::Instance(one.id)),
        "service" => realm.parse_service(arn).map(|one| {
            Tagged::Service(ServiceKey {
                cluster: one.cluster.unwrap_or_else(ClusterName::default_cluster),
                name: one.id,
            })
        }),
        "task-set" => {
            // Only where it is no ARN does it matter of which service.
            let nobody = ServiceKey {
                cluster: ClusterName::default_cluster(),
                name: "none".parse().map_err(|_| wrong())?,
            };
            realm.parse_task_set(arn, &nobody).map(Tagged::TaskSet)
        }
        "capacity-provider" => realm.parse_provider(arn).map(Tagged::Provider),
        _ => return Err(wrong()),
    };
    parsed.map_err(|error| refusals::reference(&error))
}
