//! Service deployments and service revisions as their operations show them.

use quorate_core::ids::DeploymentId;
use quorate_core::state::{
    Revision, Rollout, RolloutStatus, Service, ServiceDeployment, ServiceStatus, TaskStatus,
};
use quorate_core::{Realm, State};
use serde_json::{Map, Value, json};

use super::service::{Counts, configuration, launched_on};

/// A service deployment in a list.
pub(in super::super) fn brief(realm: &Realm, one: &ServiceDeployment) -> Value {
    let mut shown = json!({
        "serviceDeploymentArn": realm.service_deployment(&one.service, one.id),
        "serviceArn": realm.service(&one.service),
        "clusterArn": realm.cluster(&one.service.cluster),
        "status": one.status.as_str(),
        "createdAt": one.created_at.as_epoch_seconds(),
        "startedAt": one.created_at.as_epoch_seconds(),
        "targetServiceRevisionArn": realm.service_revision(&one.service, one.id),
    });
    add_ends(one, &mut shown);
    shown
}

fn add_ends(one: &ServiceDeployment, shown: &mut Value) {
    if !one.reason.is_empty() {
        shown["statusReason"] = one.reason.clone().into();
    }
    if let Some(at) = one.finished_at {
        shown["finishedAt"] = at.as_epoch_seconds().into();
    }
}

/// A service deployment with all that is known of it.
pub(in super::super) fn whole(state: &State, realm: &Realm, one: &ServiceDeployment) -> Value {
    let service = state.service(&one.service);
    let summary = |id: DeploymentId| {
        let counts = service.map(|service| Counts::of(state, service, Some(id)));
        let counts = counts.unwrap_or_default();
        json!({
            "arn": realm.service_revision(&one.service, id),
            "requestedTaskCount": counts.wanted,
            "runningTaskCount": counts.running,
            "pendingTaskCount": counts.pending,
        })
    };
    let sources: Vec<Value> = one.sources.iter().map(|id| summary(*id)).collect();
    let mut shown = json!({
        "serviceDeploymentArn": realm.service_deployment(&one.service, one.id),
        "serviceArn": realm.service(&one.service),
        "clusterArn": realm.cluster(&one.service.cluster),
        "status": one.status.as_str(),
        "createdAt": one.created_at.as_epoch_seconds(),
        "startedAt": one.created_at.as_epoch_seconds(),
        "updatedAt": one.updated_at.as_epoch_seconds(),
        "sourceServiceRevisions": sources,
        "targetServiceRevision": summary(one.id),
        "lifecycleHookDetails": hooks(one),
    });
    add_ends(one, &mut shown);
    if one.status == RolloutStatus::Stopped
        && let Some(at) = one.finished_at
    {
        shown["stoppedAt"] = at.as_epoch_seconds().into();
    }
    if let Some(back) = &one.rollback {
        shown["rollback"] = json!({
            "reason": back.reason,
            "startedAt": back.started_at.as_epoch_seconds(),
            "serviceRevisionArn": realm.service_revision(&one.service, back.to),
        });
    }
    if let Some(service) = service {
        add_settings(service, one, &mut shown);
    }
    shown
}

/// What belongs to the service and shows in its deployments: settings, breaker, stage.
fn add_settings(service: &Service, one: &ServiceDeployment, shown: &mut Value) {
    shown["deploymentConfiguration"] = configuration(&service.document.object(), &service.spec);
    let listed = service.deployment(one.id);
    let failures = listed.map_or(one.failure_count, |listed| listed.failed_in_row);
    let breaker = &service.spec.breaker;
    let status = if one.tripped {
        "TRIGGERED"
    } else if !breaker.enabled {
        "DISABLED"
    } else if one.status.is_final() {
        "MONITORING_COMPLETE"
    } else {
        "MONITORING"
    };
    shown["deploymentCircuitBreaker"] = json!({
        "status": status,
        "failureCount": failures.max(one.failure_count),
        "threshold": breaker.threshold.failures(service.spec.desired_count),
    });
    let rolls = service.status == ServiceStatus::Active && !one.status.is_final();
    if rolls {
        let is_done = listed.is_some_and(|listed| listed.rollout != Rollout::InProgress);
        let moves = if is_done { "CLEAN_UP" } else { "SCALE_UP" };
        let stage = one.waits_at().map_or(moves, |pause| pause.stage.as_str());
        shown["lifecycleStage"] = stage.into();
    }
}

/// Pauses that the deployment came to, in order.
fn hooks(one: &ServiceDeployment) -> Vec<Value> {
    let shown = one.pauses.iter().map(|pause| {
        json!({
            "hookId": pause.id,
            "targetType": "PAUSE",
            "status": pause.status.as_str(),
            "expiresAt": pause.expires_at.as_epoch_seconds(),
            "timeoutAction": if pause.rolls_back { "ROLLBACK" } else { "CONTINUE" },
        })
    });
    shown.collect()
}

/// A service revision.
pub(in super::super) fn revision(state: &State, realm: &Realm, one: &Revision) -> Value {
    let mut shown = one.document.object();
    for member in EMPTY_LISTS {
        shown.entry(*member).or_insert_with(|| json!([]));
    }
    let mine = json!({
        "serviceRevisionArn": realm.service_revision(&one.service, one.id),
        "serviceArn": realm.service(&one.service),
        "clusterArn": realm.cluster(&one.service.cluster),
        "taskDefinition": realm.definition(&one.spec.definition),
        "containerImages": images(state, one),
        "guardDutyEnabled": false,
        "createdAt": one.created_at.as_epoch_seconds(),
    });
    if let Value::Object(mine) = mine {
        shown.extend(mine);
    }
    shown.extend(launched_on(&one.spec));
    Value::Object(shown)
}

/// Lists that ECS shows also where they are empty.
const EMPTY_LISTS: &[&str] = &["loadBalancers", "serviceRegistries"];

/// Images of the definition; with the digest that one of the revision's tasks runs, where one runs.
fn images(state: &State, revision: &Revision) -> Vec<Value> {
    let definition = state.definition(&revision.spec.definition);
    let mut tasks = state.tasks_of(&revision.service);
    let task = tasks.find(|task| {
        let member = task.service.as_ref();
        task.last == TaskStatus::Running
            && member.is_some_and(|member| member.deployment == revision.id)
    });
    let containers = definition.map(|one| one.spec.containers.as_slice());
    let containers = containers.unwrap_or_default().iter();
    let image = |container: &quorate_core::documents::ContainerSpec| {
        let mut shown = Map::new();
        shown.insert("containerName".into(), container.name.clone().into());
        shown.insert("image".into(), container.image.clone().into());
        let mut running = task.into_iter().flat_map(|task| &task.containers);
        let seen = running.find(|one| one.name == container.name);
        if let Some(seen) = seen.filter(|one| !one.image_digest.is_empty()) {
            shown.insert("imageDigest".into(), seen.image_digest.clone().into());
        }
        Value::Object(shown)
    };
    containers.map(image).collect()
}
