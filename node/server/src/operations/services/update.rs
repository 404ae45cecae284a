//! UpdateService: what is said changes, the rest stays; a new deployment where what is deployed changes, or where one is wanted.

use quorate_core::Command;
use quorate_core::command::{NewDeployment, ServiceUpdate};
use quorate_core::documents::{Controller, Scheduling};
use quorate_core::state::{Cluster, Revision, Service, ServiceStatus};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::exception::{Exception, Kind};
use super::super::input::Input;
use super::super::{Intent, Scene, clusters, definitions, refusals, strategy};
use super::create::{deployment, document, runnable};
use super::spec::{OF_REVISION, Wanted, refuse_unsupported_revision};
use super::{external, is_empty, named};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Update {
    cluster: Option<String>,
    service: String,
    task_definition: Option<String>,
    force_new_deployment: bool,
}

/// UpdateService.
pub(in super::super) fn update(scene: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let update: Update = input.clone().read()?;
    let cluster = clusters::named(scene, update.cluster.as_deref())?;
    let cluster = clusters::active(scene, &cluster)?;
    let service = named(scene, cluster, &update.service)?;
    if service.status != ServiceStatus::Active {
        return Err(Exception::new(
            Kind::ServiceNotActive,
            "Service was not ACTIVE.",
        ));
    }
    for member in ["cluster", "service", "forceNewDeployment"] {
        input.take(member);
    }
    let deploy = match service.spec.controller {
        Controller::Ecs => deploys(scene, (cluster, service), &update, &mut input)?,
        Controller::External => {
            external::check_update(&mut input, update.force_new_deployment)?;
            None
        }
    };
    let of_service = merged(service, input.object());
    let mut spec = Wanted::read(&of_service)?.spec()?;
    if spec.controller != service.spec.controller {
        return Err(refusals::unsupported("Another deploymentController"));
    }
    if spec.scheduling == Scheduling::Daemon {
        spec.desired_count = service.spec.desired_count;
    }
    Ok(Intent::Change(Command::UpdateService(Box::new(
        ServiceUpdate {
            key: service.key.clone(),
            seen_updates: service.updates,
            document: document(&of_service)?,
            spec,
            deploy,
        },
    ))))
}

/// The service's document with what the caller says in place of what was said before; deployment settings one by one.
fn merged(service: &Service, given: &Map<String, Value>) -> Map<String, Value> {
    const NESTED: &str = "deploymentConfiguration";
    let mut all = service.document.object();
    for (member, value) in given {
        match (all.get_mut(member), value) {
            (Some(Value::Object(before)), Value::Object(now)) if member == NESTED => {
                before.extend(now.clone());
            }
            _ => {
                all.insert(member.clone(), value.clone());
            }
        }
    }
    all
}

/// The deployment that the update starts, if it starts one; takes its members out of the input.
fn deploys(
    scene: &Scene<'_>,
    (cluster, service): (&Cluster, &Service),
    update: &Update,
    input: &mut Input,
) -> Result<Option<NewDeployment>, Exception> {
    let mut given = Map::new();
    for member in OF_REVISION {
        if let Some(value) = input.take(member) {
            given.insert(member.to_owned(), value);
        }
    }
    refuse_unsupported_revision(&given)?;
    let has_strategy = strategy::of_update(scene, &mut given)?;
    let Some(revision) = current(scene, service) else {
        return Ok(None);
    };
    let wanted = update.task_definition.as_deref().filter(|t| !t.is_empty());
    let definition = match wanted {
        Some(text) => runnable(scene, text)?,
        // What runs may go on running, also when it was deregistered meanwhile.
        None => definitions::exact(scene, &revision.spec.definition)?,
    };
    let mut all = revision.document.object();
    if has_strategy {
        all.remove("launchType");
    } else if revision.spec.strategy.is_empty() {
        all.insert(
            "launchType".into(),
            revision.spec.launch_type.clone().into(),
        );
    }
    given.remove("taskDefinition");
    let differs = given
        .iter()
        .any(|(member, value)| !is_empty(value) && all.get(member) != Some(value));
    all.extend(given);
    if let Some(text) = wanted {
        all.insert("taskDefinition".into(), text.into());
    }
    let is_new = definition.id != revision.spec.definition || differs;
    if !is_new && !update.force_new_deployment {
        return Ok(None);
    }
    let launch = strategy::of_revision(scene, cluster, &mut all)?;
    if service.spec.scheduling == Scheduling::Daemon {
        strategy::refuse_daemon(&launch)?;
    }
    let is_asked = launch.launch_type != strategy::LAUNCH_TYPE_DEFAULT;
    strategy::check_compatible(definition, &launch, is_asked)?;
    deployment(scene, definition, launch, &all).map(Some)
}

fn current<'a>(scene: &Scene<'a>, service: &Service) -> Option<&'a Revision> {
    service
        .primary()
        .and_then(|primary| scene.state.revision(primary.id))
}
