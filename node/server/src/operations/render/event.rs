//! An event as EventBridge has it: an envelope, and the object as Describe calls show it, with times as text.

use jiff::Timestamp;
use quorate_core::events::{Event, Point, ServiceAction, What};
use quorate_core::ids::{DeploymentId, ServiceKey, TaskSetKey};
use quorate_core::state::{Instance, Rollout};
use quorate_core::{Millis, Realm};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::instance::facts;
use super::task::TaskJson;
use crate::clock::timestamp;

/// The event at `point`.
pub(super) fn event(realm: &Realm, point: Point, event: &Event) -> Value {
    let (detail_type, resource, mut detail) = match &event.what {
        What::Task { task, instance } => (
            "ECS Task State Change",
            realm.task(&task.cluster, task.id),
            object(&TaskJson::of(realm, task, instance, false), event.at),
        ),
        What::Waiting(task) => (
            "ECS Task State Change",
            realm.task(&task.new.cluster, task.new.id),
            object(&TaskJson::waiting(realm, task, false), event.at),
        ),
        What::Instance(instance) => (
            "ECS Container Instance State Change",
            realm.instance(&instance.cluster, instance.id),
            of_instance(realm, instance, event.at),
        ),
        What::Service(action) => (
            "ECS Service Action",
            realm.service(&action.service),
            of_action(realm, action, event.at),
        ),
        What::Deployment {
            service,
            id,
            rollout,
            reason,
        } => (
            "ECS Deployment State Change",
            realm.service(service),
            of_deployment(realm, service, (*id, *rollout), reason, event.at),
        ),
    };
    write_times(&mut detail);
    json!({
        "version": "0",
        "id": id(realm, point),
        "detail-type": detail_type,
        "source": "aws.ecs",
        "account": realm.account,
        "time": timestamp(event.at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": realm.region,
        "resources": [resource],
        "detail": detail,
    })
}

/// The same on every node, and of one event only.
fn id(realm: &Realm, point: Point) -> String {
    let name = format!("{}/{}/{point}", realm.account, realm.region);
    let digest = Sha256::digest(name.as_bytes());
    let bytes = digest[..16].try_into().expect("a digest has 32 bytes");
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Tags are no part of events.
fn object(shown: &impl Serialize, at: Millis) -> Value {
    let mut shown = serde_json::to_value(shown).expect("text keys and finite numbers");
    if let Value::Object(members) = &mut shown {
        members.remove("tags");
    }
    shown["updatedAt"] = at.as_epoch_seconds().into();
    shown
}

fn of_instance(realm: &Realm, instance: &Instance, at: Millis) -> Value {
    let mut shown = object(&facts(realm, instance), at);
    shown["clusterArn"] = realm.cluster(&instance.cluster).into();
    shown
}

fn of_action(realm: &Realm, action: &ServiceAction, at: Millis) -> Value {
    let mut shown = json!({
        "eventType": action.action.severity(),
        "eventName": action.action.as_str(),
        "clusterArn": realm.cluster(&action.service.cluster),
        "createdAt": at.as_epoch_seconds(),
    });
    if let Some(id) = action.set {
        let service = action.service.clone();
        shown["taskSetArns"] = json!([realm.task_set(&TaskSetKey { service, id })]);
    }
    if !action.reason.is_empty() {
        shown["reason"] = action.reason.clone().into();
    }
    shown
}

fn of_deployment(
    realm: &Realm,
    service: &ServiceKey,
    (id, rollout): (DeploymentId, Rollout),
    reason: &str,
    at: Millis,
) -> Value {
    let severity = match rollout {
        Rollout::InProgress | Rollout::Completed => "INFO",
        Rollout::Failed => "ERROR",
    };
    json!({
        "eventType": severity,
        "eventName": format!("SERVICE_DEPLOYMENT_{}", rollout.as_str()),
        "clusterArn": realm.cluster(&service.cluster),
        "deploymentId": id.to_string(),
        "updatedAt": at.as_epoch_seconds(),
        "reason": reason,
    })
}

/// Times are numbers in the API and texts in events.
fn write_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_f64().filter(|_| name.ends_with("At")) {
                    Some(seconds) => *member = time(seconds).into(),
                    None => write_times(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(write_times),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds of any wall clock fit"
)]
fn time(seconds: f64) -> String {
    let ms = (seconds * 1000.0).round() as i64;
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
