//! A service as CreateService, UpdateService, DeleteService and DescribeServices show it.
//!
//! Most of it is what its author wrote, of the service as a whole and of the revision that is PRIMARY; the rest is counted here.

use std::borrow::Cow;

use quorate_core::documents::{Controller, RevisionSpec, ServiceSpec};
use quorate_core::ids::DeploymentId;
use quorate_core::state::{Deployment, DesiredStatus, Revision, Service, ServiceEvent, TaskStatus};
use quorate_core::{Realm, State};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::task_set::task_set;

/// What our instances are, in ECS's words.
const LAUNCH_TYPE_DEFAULT: &str = "EXTERNAL";

/// Tasks of a service, or of one of its deployments.
#[derive(Default)]
pub(in super::super) struct Counts {
    pub(in super::super) running: u64,
    pub(in super::super) pending: u64,
    /// Those that are not told to stop.
    pub(in super::super) wanted: u64,
}

impl Counts {
    /// Of one deployment, or of all.
    pub(in super::super) fn of(state: &State, service: &Service, of: Option<DeploymentId>) -> Self {
        let mut counts = Self::default();
        for task in state.live_tasks_of(&service.key) {
            let deployment = task.service.as_ref().map(|member| member.deployment);
            if of.is_some() && of != deployment {
                continue;
            }
            counts.running += u64::from(task.last == TaskStatus::Running);
            counts.pending += u64::from(task.last < TaskStatus::Running);
            counts.wanted += u64::from(task.desired == DesiredStatus::Running);
        }
        counts
    }
}

/// The service in an answer.
pub(in super::super) fn service(
    state: &State,
    realm: &Realm,
    service: &Service,
    with_tags: bool,
) -> Value {
    let counts = Counts::of(state, service, None);
    let mut shown = service.document.object();
    let revision = revision(state, service);
    if let Some(revision) = revision {
        shown.extend(revision.document.object());
        shown.insert(
            "taskDefinition".into(),
            realm.definition(&revision.spec.definition).into(),
        );
        shown.remove("launchType");
        shown.extend(launched_on(&revision.spec));
    } else {
        let launch_type = launch_type(state, service);
        shown.insert("launchType".into(), launch_type.into());
    }
    // Kept for the revision; DescribeServices does not show them.
    for member in NOT_SHOWN {
        shown.remove(*member);
    }
    for member in EMPTY_LISTS {
        shown.entry(*member).or_insert_with(|| json!([]));
    }
    let deployments: Vec<Value> = (0..)
        .zip(&service.deployments)
        .filter(|(_, one)| one.set.is_none())
        .map(|(place, one)| deployment(state, realm, service, place, one))
        .collect();
    let events: Vec<Value> = state.events_of(&service.key).map(event).collect();
    let spec = &service.spec;
    let mine = json!({
        "serviceArn": realm.service(&service.key),
        "serviceName": service.key.name.as_str(),
        "clusterArn": realm.cluster(&service.key.cluster),
        "status": service.status.as_str(),
        "desiredCount": spec.desired_count,
        "runningCount": counts.running,
        "pendingCount": counts.pending,
        "schedulingStrategy": spec.scheduling.as_str(),
        "deploymentConfiguration": configuration(&service.document.object(), spec),
        "deployments": deployments,
        "events": events,
        "createdAt": service.created_at.as_epoch_seconds(),
        "createdBy": service.created_by,
        "enableECSManagedTags": spec.managed_tags,
        "enableExecuteCommand": spec.enable_execute_command,
        "propagateTags": spec.propagates.as_str(),
        "availabilityZoneRebalancing": if spec.rebalances { "ENABLED" } else { "DISABLED" },
        "tags": super::tags(&service.tags, with_tags),
    });
    if let Value::Object(mine) = mine {
        shown.extend(mine);
    }
    match spec.controller {
        Controller::Ecs => shown.extend(current(state, realm, service)),
        Controller::External => {
            let sets = service.task_sets();
            let sets = sets.map(|one| task_set(state, realm, service, one, false));
            shown.insert("taskSets".into(), sets.collect());
        }
    }
    Value::Object(shown)
}

/// Members of documents that the answer has no place for.
const NOT_SHOWN: &[&str] = &[
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
    "role",
];

/// Lists that ECS shows also where they are empty.
const EMPTY_LISTS: &[&str] = &[
    "loadBalancers",
    "serviceRegistries",
    "placementConstraints",
    "placementStrategy",
];

/// What is deployed now, and the story of it.
fn current(state: &State, realm: &Realm, service: &Service) -> Map<String, Value> {
    let mut shown = Map::new();
    let open = service.rolling_back.or_else(|| {
        let primary = service.primary()?.id;
        let record = state.service_deployment(primary)?;
        (!record.status.is_final()).then_some(primary)
    });
    if let Some(id) = open {
        let arn = realm.service_deployment(&service.key, id);
        shown.insert("currentServiceDeployment".into(), arn.into());
    }
    let revisions: Vec<Value> = service
        .deployments
        .iter()
        .map(|one| {
            let counts = Counts::of(state, service, Some(one.id));
            json!({
                "arn": realm.service_revision(&service.key, one.id),
                "requestedTaskCount": counts.wanted,
                "runningTaskCount": counts.running,
                "pendingTaskCount": counts.pending,
            })
        })
        .collect();
    if !revisions.is_empty() {
        shown.insert("currentServiceRevisions".into(), revisions.into());
    }
    shown
}

/// The revision that is PRIMARY; of an INACTIVE service, the last one. Under an EXTERNAL controller: the last that was, if any.
fn revision<'a>(state: &'a State, service: &Service) -> Option<&'a Revision> {
    if service.spec.controller == Controller::External {
        return state.revision(service.primary_set?);
    }
    let primary = service.primary().map(|primary| primary.id);
    let last = || state.deployments_of(&service.key).next().map(|one| one.id);
    state.revision(primary.or_else(last)?)
}

/// The launch type of what is deployed; before anything is, what the service's author said.
pub(in super::super) fn launch_type<'a>(state: &'a State, service: &Service) -> Cow<'a, str> {
    if let Some(revision) = revision(state, service) {
        return Cow::Borrowed(&revision.spec.launch_type);
    }
    let said = service.document.object().remove("launchType");
    let said = said.as_ref().and_then(Value::as_str);
    Cow::Owned(said.unwrap_or(LAUNCH_TYPE_DEFAULT).to_owned())
}

/// `deploymentConfiguration` as given, with what holds where nothing was given.
pub(in super::super) fn configuration(document: &Map<String, Value>, spec: &ServiceSpec) -> Value {
    let given = document.get("deploymentConfiguration").cloned();
    let mut shown = match given {
        Some(Value::Object(given)) => given,
        _ => Map::new(),
    };
    shown.insert("maximumPercent".into(), spec.maximum_percent.into());
    shown.insert("minimumHealthyPercent".into(), spec.minimum_percent.into());
    shown.entry("strategy").or_insert_with(|| "ROLLING".into());
    shown.entry("bakeTimeInMinutes").or_insert_with(|| 0.into());
    shown
        .entry("deploymentCircuitBreaker")
        .or_insert_with(|| json!({"enable": false, "rollback": false}));
    Value::Object(shown)
}

fn deployment(
    state: &State,
    realm: &Realm,
    service: &Service,
    place: usize,
    one: &Deployment,
) -> Value {
    let counts = Counts::of(state, service, Some(one.id));
    let is_primary = place == 0;
    let mut shown = json!({
        "id": one.id.to_string(),
        "status": if is_primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": realm.definition(&one.definition),
        "desiredCount": if is_primary { service.spec.desired_count } else { counts.wanted },
        "pendingCount": counts.pending,
        "runningCount": counts.running,
        "failedTasks": one.failed_in_row,
        "createdAt": one.created_at.as_epoch_seconds(),
        "updatedAt": one.updated_at.as_epoch_seconds(),
        "rolloutState": one.rollout.as_str(),
        "rolloutStateReason": one.rollout_reason,
    });
    if let (Some(shown), Some(revision)) = (shown.as_object_mut(), state.revision(one.id)) {
        shown.extend(launched_on(&revision.spec));
    }
    shown
}

/// `launchType` or `capacityProviderStrategy`: which of the two tasks go by.
pub(in super::super) fn launched_on(spec: &RevisionSpec) -> Map<String, Value> {
    let mut shown = Map::new();
    if spec.strategy.is_empty() {
        shown.insert("launchType".into(), spec.launch_type.clone().into());
    } else {
        let strategy = super::strategy(&spec.strategy);
        shown.insert("capacityProviderStrategy".into(), strategy);
    }
    shown
}

pub(in super::super) fn event(event: &ServiceEvent) -> Value {
    json!({
        "id": event_id(event),
        "createdAt": event.at.as_epoch_seconds(),
        "message": event.message,
    })
}

/// The same for an event wherever and whenever it is shown.
fn event_id(event: &ServiceEvent) -> String {
    let mut hash = Sha256::new();
    hash.update(event.service.to_string());
    hash.update(event.at.0.to_be_bytes());
    hash.update(event.number.to_be_bytes());
    let bytes: [u8; 32] = hash.finalize().into();
    let hex: String = bytes[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
