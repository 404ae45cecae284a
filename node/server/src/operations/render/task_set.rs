//! A task set as its operations and DescribeServices show it.

use quorate_core::ids::TaskSetKey;
use quorate_core::state::{Deployment, Service, TaskSet};
use quorate_core::{Realm, State};
use serde_json::{Map, Value, json};

use super::service::{Counts, launched_on};

/// Parameters that are shown as their author gave them.
const PARAMETERS: [&str; 4] = [
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
];
/// Lists that ECS shows also where they are empty.
const EMPTY_LISTS: [&str; 2] = ["loadBalancers", "serviceRegistries"];

/// The task set in an answer. `startedBy` is not in it: ECS does not use it under an EXTERNAL controller.
pub(in super::super) fn task_set(
    state: &State,
    realm: &Realm,
    service: &Service,
    (one, set): (&Deployment, &TaskSet),
    with_tags: bool,
) -> Value {
    let key = TaskSetKey {
        service: service.key.clone(),
        id: one.id,
    };
    let counts = Counts::of(state, service, Some(one.id));
    let mut shown = Map::new();
    if let Some(revision) = state.revision(one.id) {
        shown = revision.document.object();
        shown.retain(|member, _| PARAMETERS.contains(&member.as_str()));
        shown.extend(launched_on(&revision.spec));
    }
    for member in EMPTY_LISTS {
        shown.entry(member).or_insert_with(|| json!([]));
    }
    if !set.external_id.is_empty() {
        shown.insert("externalId".into(), set.external_id.clone().into());
    }
    let mine = json!({
        "id": one.id.to_string(),
        "taskSetArn": realm.task_set(&key),
        "serviceArn": realm.service(&service.key),
        "clusterArn": realm.cluster(&service.key.cluster),
        "status": service.status_of(one).as_str(),
        "taskDefinition": realm.definition(&one.definition),
        "computedDesiredCount": service.wanted_of(set),
        "pendingCount": counts.pending,
        "runningCount": counts.running,
        "createdAt": one.created_at.as_epoch_seconds(),
        "updatedAt": one.updated_at.as_epoch_seconds(),
        "scale": {"value": set.scale.percent(), "unit": "PERCENT"},
        "stabilityStatus": set.stability.as_str(),
        "stabilityStatusAt": set.stability_at.as_epoch_seconds(),
        "tags": super::tags(&set.tags, with_tags),
    });
    if let Value::Object(mine) = mine {
        shown.extend(mine);
    }
    Value::Object(shown)
}
