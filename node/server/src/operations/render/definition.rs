//! A task definition as Register, Describe and DeregisterTaskDefinition show it: the author's document, what ECS notes on it, and
//! the defaults that ECS fills in. Terraform compares this echo with what it wrote and replaces the definition where they differ,
//! so no default is added here that ECS does not add.

use quorate_core::Realm;
use quorate_core::documents::NetworkMode;
use quorate_core::state::TaskDefinition;
use serde_json::{Map, Value, json};

/// The definition in an answer.
pub(in super::super) fn definition(realm: &Realm, definition: &TaskDefinition) -> Value {
    let (mut shown, spec) = (definition.document.object(), &definition.spec);
    for list in ["volumes", "placementConstraints"] {
        fill(&mut shown, list, json!([]));
    }
    if let Some(Value::Array(containers)) = shown.get_mut("containerDefinitions") {
        let containers = containers.iter_mut().filter_map(Value::as_object_mut);
        containers.for_each(|container| fill_container(container, spec.network_mode));
    }
    // Sizes with units are shown as the numbers they mean.
    let sizes = [("cpu", spec.cpu_units), ("memory", spec.memory_mib)];
    for (size, number) in sizes.into_iter().filter(|(_, number)| *number > 0) {
        shown.insert(size.into(), number.to_string().into());
    }
    note(&mut shown, realm, definition);
    Value::Object(shown)
}

/// What ECS notes on a definition; output only.
fn note(shown: &mut Map<String, Value>, realm: &Realm, definition: &TaskDefinition) {
    let needed = definition.spec.requires_attributes.iter();
    let needed: Vec<Value> = needed.map(|name| json!({ "name": name })).collect();
    let mut put = |member: &str, value: Value| shown.insert(member.to_owned(), value);
    put("taskDefinitionArn", realm.definition(&definition.id).into());
    put("revision", definition.id.revision.into());
    put("status", definition.status.as_str().into());
    put("requiresAttributes", needed.into());
    put("compatibilities", json!(["EXTERNAL", "EC2", "FARGATE"]));
    put(
        "registeredAt",
        definition.registered_at.as_epoch_seconds().into(),
    );
    put("registeredBy", definition.registered_by.as_str().into());
    if let Some(at) = definition.deregistered_at {
        put("deregisteredAt", at.as_epoch_seconds().into());
    }
    if let Some(at) = definition.delete_requested_at {
        put("deleteRequestedAt", at.as_epoch_seconds().into());
    }
}

fn fill_container(container: &mut Map<String, Value>, mode: NetworkMode) {
    fill(container, "cpu", json!(0));
    fill(container, "essential", json!(true));
    let lists = [
        "portMappings",
        "environment",
        "mountPoints",
        "volumesFrom",
        "systemControls",
    ];
    for list in lists {
        fill(container, list, json!([]));
    }
    if let Some(Value::Array(ports)) = container.get_mut("portMappings") {
        let ports = ports.iter_mut().filter_map(Value::as_object_mut);
        ports.for_each(|port| fill_port(port, mode));
    }
    if let Some(Value::Object(check)) = container.get_mut("healthCheck") {
        let defaults = [("interval", 30), ("timeout", 5), ("retries", 3)];
        defaults
            .into_iter()
            .for_each(|(member, value)| fill(check, member, json!(value)));
    }
}

/// On a bridge, no host port asks for any, which ECS writes as 0; in other modes it stays as the author left it.
fn fill_port(port: &mut Map<String, Value>, mode: NetworkMode) {
    fill(port, "protocol", json!("tcp"));
    if mode == NetworkMode::Bridge {
        fill(port, "hostPort", json!(0));
    }
}

fn fill(object: &mut Map<String, Value>, member: &str, value: Value) {
    object.entry(member).or_insert(value);
}
