//! CreateService: a service, checked whole, with its first deployment; under an EXTERNAL controller without one.

use quorate_core::Command;
use quorate_core::command::{NewDeployment, NewService};
use quorate_core::documents::{
    Controller, Document, RevisionSpec, Scheduling, ServiceSpec, Tags, tags,
};
use quorate_core::ids::{DeploymentId, ServiceKey, ServiceName};
use quorate_core::state::{Cluster, ServiceStatus, TaskDefinition};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::exception::Exception;
use super::super::input::{Input, check_length};
use super::super::strategy::{self, Launch};
use super::super::{Intent, Outcome, Scene, beyond, clusters, definitions, refusals};
use super::spec::{OF_REVISION, Wanted, refuse_unsupported_revision};
use super::{external, is_empty};

/// ECS: characters of a client token.
pub(super) const TOKEN_MAX: usize = 36;
/// What is kept of a service beside its name and tags. ECS has no number for it; this is far above what its shapes hold.
const DOCUMENT_MAX_BYTES: usize = 64 * 1024;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Create {
    cluster: Option<String>,
    service_name: String,
    task_definition: String,
    client_token: String,
    tags: Tags,
}

/// CreateService. The same request again is answered with the service as it is.
pub(in super::super) fn create(scene: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let create: Create = input.clone().read()?;
    check_length("clientToken", &create.client_token, TOKEN_MAX)?;
    let name: ServiceName = create.service_name.parse().map_err(|_| {
        Exception::invalid_parameter(
            "Service names have up to 255 letters, numbers, hyphens and underscores.",
        )
    })?;
    tags::check(&create.tags).map_err(|error| refusals::tags(&error))?;
    let cluster = clusters::named(scene, create.cluster.as_deref())?;
    let cluster = clusters::active(scene, &cluster)?;
    input.take("clientToken");
    input.put("cluster", cluster.name.as_str());
    let fingerprint = input.fingerprint();
    let key = ServiceKey {
        cluster: cluster.name.clone(),
        name,
    };
    if let Some(known) = known(scene, &key, fingerprint) {
        return Ok(known);
    }
    let (mut of_service, of_revision) = split(input);
    let spec = Wanted::read(&of_service)?.spec()?;
    let deploy = match spec.controller {
        Controller::Ecs => {
            let definition = &create.task_definition;
            Some(first(scene, cluster, &spec, definition, of_revision)?)
        }
        Controller::External => {
            external::check_new(&of_revision)?;
            of_service.extend(of_revision);
            None
        }
    };
    Ok(Intent::Change(Command::CreateService(Box::new(
        NewService {
            key,
            document: document(&of_service)?,
            spec,
            deploy,
            tags: create.tags,
            created_by: scene.caller.arn.clone(),
            fingerprint,
        },
    ))))
}

/// What a new service deploys.
fn first(
    scene: &Scene<'_>,
    cluster: &Cluster,
    spec: &ServiceSpec,
    definition: &str,
    mut of_revision: Map<String, Value>,
) -> Result<NewDeployment, Exception> {
    refuse_unsupported_revision(&of_revision)?;
    if definition.is_empty() {
        return Err(Exception::invalid_parameter(
            "TaskDefinition can not be blank.",
        ));
    }
    let definition = runnable(scene, definition)?;
    let is_asked = of_revision.contains_key("launchType");
    let launch = launch(scene, cluster, spec, &mut of_revision)?;
    strategy::check_compatible(definition, &launch, is_asked)?;
    deployment(scene, definition, launch, &of_revision)
}

/// The service that this request made before. What only the state can refuse, `apply` refuses.
fn known(scene: &Scene<'_>, key: &ServiceKey, fingerprint: [u8; 32]) -> Option<Intent> {
    let service = scene.state.service(key)?;
    let is_same = service.status == ServiceStatus::Active && service.fingerprint == fingerprint;
    is_same.then(|| Intent::Already(Outcome::of(quorate_core::Reply::Service(key.clone()))))
}

/// What holds for the service, and what belongs to the revision; without what has a place of its own.
fn split(mut input: Input) -> (Map<String, Value>, Map<String, Value>) {
    for member in ["cluster", "serviceName", "tags"] {
        input.take(member);
    }
    let mut of_revision = Map::new();
    for member in OF_REVISION {
        if let Some(value) = input.take(member) {
            of_revision.insert(member.to_owned(), value);
        }
    }
    (input.object().clone(), of_revision)
}

/// The definition, if agents can run it.
pub(super) fn runnable<'a>(scene: &Scene<'a>, text: &str) -> Result<&'a TaskDefinition, Exception> {
    let definition = definitions::usable(scene, text)?;
    match beyond::of(definition) {
        Some(what) => Err(refusals::unsupported(&what)),
        None => Ok(definition),
    }
}

/// What the service's tasks are launched on. A default strategy of the cluster does not concern daemons.
fn launch(
    scene: &Scene<'_>,
    cluster: &Cluster,
    spec: &ServiceSpec,
    of_revision: &mut Map<String, Value>,
) -> Result<Launch, Exception> {
    let is_daemon = spec.scheduling == Scheduling::Daemon;
    let says = |member| {
        of_revision
            .get(member)
            .is_some_and(|value| !is_empty(value))
    };
    if is_daemon && !says("launchType") && !says("capacityProviderStrategy") {
        of_revision.insert("launchType".into(), strategy::LAUNCH_TYPE_DEFAULT.into());
    }
    let launch = strategy::of_revision(scene, cluster, of_revision)?;
    if is_daemon {
        strategy::refuse_daemon(&launch)?;
    }
    Ok(launch)
}

/// What the request deploys. Its number follows from the request: a retry deploys the same.
pub(super) fn deployment(
    scene: &Scene<'_>,
    definition: &TaskDefinition,
    launch: Launch,
    of_revision: &Map<String, Value>,
) -> Result<NewDeployment, Exception> {
    Ok(NewDeployment {
        id: DeploymentId::of(scene.request),
        document: document(of_revision)?,
        spec: RevisionSpec {
            definition: definition.id.clone(),
            launch_type: launch.launch_type,
            strategy: launch.strategy,
        },
    })
}

pub(super) fn document(members: &Map<String, Value>) -> Result<Document, Exception> {
    let document = Document::new(members);
    if document.text().len() > DOCUMENT_MAX_BYTES {
        return Err(Exception::invalid_parameter(
            "The service's configuration can not exceed 64 KiB.",
        ));
    }
    Ok(document)
}
