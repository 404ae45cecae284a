//! Task sets of services under an EXTERNAL controller: CreateTaskSet, UpdateTaskSet, DeleteTaskSet, DescribeTaskSets,
//! UpdateServicePrimaryTaskSet.

use bytes::Bytes;
use quorate_core::command::{NewTaskSet, TaskSetDeletion, TaskSetRejection, TaskSetUpdate};
use quorate_core::documents::{Controller, Scale, Tags, tags};
use quorate_core::ids::{DeploymentId, TaskSetKey};
use quorate_core::state::{Service, ServiceStatus, TaskSetToken};
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::exception::{Exception, Kind};
use super::super::input::{Input, check_length, check_list};
use super::super::render::task_set::task_set;
use super::super::render::{self, Failure};
use super::super::{Intent, Outcome, Scene, clusters, refusals, strategy};
use super::create::{TOKEN_MAX, deployment, runnable};
use super::named;
use super::spec::{OF_REVISION, refuse_unsupported_revision};

/// Task sets in one DescribeTaskSets. ECS has no number for it; a service has five.
const DESCRIBED_MAX: usize = 100;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Create {
    cluster: String,
    service: String,
    task_definition: String,
    external_id: String,
    client_token: String,
    scale: Option<Percent>,
    tags: Tags,
}

/// Without a value none: clients leave a zero out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Percent {
    value: f64,
}

impl Percent {
    fn scale(&self) -> Result<Scale, Exception> {
        Scale::of_percent(self.value)
            .ok_or_else(|| Exception::invalid_parameter("Scale value must be between 0 and 100."))
    }
}

/// CreateTaskSet: of the whole service unless the caller says how much of it.
pub(in super::super) fn create(scene: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let create: Create = input.clone().read()?;
    check_length("clientToken", &create.client_token, TOKEN_MAX)?;
    tags::check(&create.tags).map_err(|error| refusals::tags(&error))?;
    let service = changeable(scene, &create.cluster, &create.service)?;
    let scale = create.scale.map_or(Ok(Scale::WHOLE), |one| one.scale())?;
    input.take("clientToken");
    input.put("cluster", service.key.cluster.as_str());
    input.put("service", service.key.name.as_str());
    let token = TaskSetToken {
        token: create.client_token,
        fingerprint: input.fingerprint(),
    };
    if let Some(known) = known(service, &token) {
        return Ok(Intent::Already(Outcome::of(Reply::TaskSet(known))));
    }
    let mut of_revision = of_revision(&mut input);
    refuse_unsupported_revision(&of_revision)?;
    if create.task_definition.is_empty() {
        return Err(Exception::invalid_parameter(
            "TaskDefinition can not be blank.",
        ));
    }
    let definition = runnable(scene, &create.task_definition)?;
    let is_asked = of_revision.contains_key("launchType");
    let cluster = clusters::active(scene, &service.key.cluster)?;
    let launch = strategy::of_revision(scene, cluster, &mut of_revision)?;
    strategy::check_compatible(definition, &launch, is_asked)?;
    Ok(Intent::Change(Command::CreateTaskSet(Box::new(
        NewTaskSet {
            service: service.key.clone(),
            deploy: deployment(scene, definition, launch, &of_revision)?,
            scale,
            external_id: create.external_id,
            token: Some(token).filter(|token| !token.token.is_empty()),
            tags: create.tags,
        },
    ))))
}

fn of_revision(input: &mut Input) -> Map<String, Value> {
    let taken = OF_REVISION.map(|member| (member.to_owned(), input.take(member)));
    let given = taken.into_iter();
    given.filter_map(|(m, value)| Some((m, value?))).collect()
}

/// What this request made before. The same token with another input is refused by `apply`.
fn known(service: &Service, token: &TaskSetToken) -> Option<TaskSetKey> {
    let mut all = service.task_sets();
    let (one, _) = all.find(|(_, set)| set.token.as_ref() == Some(token))?;
    Some(key_of(service, one.id))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    cluster: String,
    service: String,
    task_set: String,
    primary_task_set: String,
    scale: Percent,
    force: bool,
}

/// UpdateTaskSet: how much of the service it is.
pub(in super::super) fn update(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let named: Named = input.read()?;
    let service = changeable(scene, &named.cluster, &named.service)?;
    Ok(Intent::Change(Command::UpdateTaskSet(TaskSetUpdate {
        key: existing(scene, service, &named.task_set)?,
        scale: named.scale.scale()?,
    })))
}

/// DeleteTaskSet.
pub(in super::super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let named: Named = input.read()?;
    let service = changeable(scene, &named.cluster, &named.service)?;
    Ok(Intent::Change(Command::DeleteTaskSet(TaskSetDeletion {
        key: existing(scene, service, &named.task_set)?,
        force: named.force,
    })))
}

/// UpdateServicePrimaryTaskSet.
pub(in super::super) fn make_primary(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let named: Named = input.read()?;
    let service = changeable(scene, &named.cluster, &named.service)?;
    let key = existing(scene, service, &named.primary_task_set)?;
    Ok(Intent::Change(Command::MakePrimary(key)))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Describe {
    cluster: String,
    service: String,
    task_sets: Vec<String>,
    include: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    task_sets: Vec<Value>,
    failures: Vec<Failure>,
}

/// DescribeTaskSets.
pub(in super::super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let describe: Describe = input.read()?;
    let cluster = clusters::existing(scene, Some(&describe.cluster))?;
    let service = external(named(scene, cluster, &describe.service)?)?;
    if service.status == ServiceStatus::Inactive {
        return Err(not_active());
    }
    check_list("Task Sets", &describe.task_sets, DESCRIBED_MAX)?;
    let with_tags = describe.include.iter().any(|field| field == "TAGS");
    let mut described = Described {
        task_sets: Vec::new(),
        failures: Vec::new(),
    };
    for text in &describe.task_sets {
        let key = key(scene, service, text)?;
        let is_ours = key.service == service.key;
        match service.task_set(key.id).filter(|_| is_ours) {
            Some(one) => {
                let shown = task_set(scene.state, scene.realm, service, one, with_tags);
                described.task_sets.push(shown);
            }
            None => {
                let arn = scene.realm.task_set(&key);
                described.failures.push(Failure::missing(arn));
            }
        }
    }
    Ok(render::body(&described))
}

/// The service, if task sets of it may be made and changed.
fn changeable<'a>(
    scene: &Scene<'a>,
    cluster: &str,
    service: &str,
) -> Result<&'a Service, Exception> {
    let cluster = clusters::named(scene, Some(cluster))?;
    let cluster = clusters::active(scene, &cluster)?;
    let service = named(scene, cluster, service)?;
    if service.status != ServiceStatus::Active {
        return Err(not_active());
    }
    external(service)
}

/// The service, if it has task sets at all.
fn external(service: &Service) -> Result<&Service, Exception> {
    match service.spec.controller {
        Controller::External => Ok(service),
        Controller::Ecs => Err(refusals::task_set(&TaskSetRejection::NotExternal(
            service.key.clone(),
        ))),
    }
}

fn not_active() -> Exception {
    Exception::new(Kind::ServiceNotActive, "Service was not ACTIVE.")
}

fn key_of(service: &Service, id: DeploymentId) -> TaskSetKey {
    TaskSetKey {
        service: service.key.clone(),
        id,
    }
}

fn key(scene: &Scene<'_>, service: &Service, text: &str) -> Result<TaskSetKey, Exception> {
    let key = scene.realm.parse_task_set(text, &service.key);
    key.map_err(|_| Exception::invalid_parameter("Task Set Identifier is invalid"))
}

/// A task set of the service that has to be there.
fn existing(scene: &Scene<'_>, service: &Service, text: &str) -> Result<TaskSetKey, Exception> {
    let key = key(scene, service, text)?;
    if key.service == service.key && service.task_set(key.id).is_some() {
        Ok(key)
    } else {
        Err(refusals::task_set(&TaskSetRejection::NotFound(key)))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    task_set: Value,
}

/// The answer of all that change a task set.
pub(in super::super) fn changed(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::TaskSet(key) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let service = scene.state.service(&key.service);
    let found = service.and_then(|service| Some((service, service.task_set(key.id)?)));
    let gone = || refusals::task_set(&TaskSetRejection::NotFound(key.clone()));
    let (service, one) = found.ok_or_else(gone)?;
    Ok(render::body(&Answer {
        task_set: task_set(scene.state, scene.realm, service, one, true),
    }))
}
