//! What task sets say, and so a service under an EXTERNAL controller may not. ECS's texts where they are known.

use serde_json::{Map, Value};

use super::super::exception::Exception;
use super::super::input::Input;
use super::is_empty;
use super::spec::{OF_REVISION, refuse_unsupported_revision};

/// What CreateService refuses.
const NOT_CREATED: [(&str, &str); 4] = [
    ("taskDefinition", "TaskDefinition must be blank"),
    ("loadBalancers", "LoadBalancers must be empty or null."),
    ("networkConfiguration", "NetworkConfiguration must be null."),
    (
        "serviceRegistries",
        "ServiceRegistries must be empty or null.",
    ),
];

/// What UpdateService refuses, in the words of its text.
const NOT_UPDATED: [(&str, &str); 5] = [
    ("taskDefinition", "task definition"),
    ("loadBalancers", "load balancers"),
    ("networkConfiguration", "network parameters"),
    ("serviceRegistries", "service registries"),
    ("platformVersion", "platform version"),
];

/// Checks what CreateService says of a revision. The rest of it holds until a task set is PRIMARY.
pub(super) fn check_new(of_revision: &Map<String, Value>) -> Result<(), Exception> {
    let asked = NOT_CREATED.iter().find(|(one, _)| asks(of_revision, one));
    match asked {
        Some((_, text)) => Err(Exception::invalid_parameter(*text)),
        None => refuse_unsupported_revision(of_revision),
    }
}

/// Checks what UpdateService says of a revision, and takes it out of the input: it deploys nothing.
pub(super) fn check_update(input: &mut Input, is_forced: bool) -> Result<(), Exception> {
    if is_forced {
        return Err(refused("Cannot force a new deployment"));
    }
    let mut given = Map::new();
    for member in OF_REVISION {
        if let Some(value) = input.take(member) {
            given.insert(member.to_owned(), value);
        }
    }
    match NOT_UPDATED.iter().find(|(one, _)| asks(&given, one)) {
        Some((_, what)) => Err(refused(&format!("Unable to update {what}"))),
        None => refuse_unsupported_revision(&given),
    }
}

fn refused(what: &str) -> Exception {
    Exception::invalid_parameter(format!(
        "{what} on services with an EXTERNAL deployment controller. Use CreateTaskSet to trigger a new deployment."
    ))
}

/// Empty texts, lists and objects, which many clients send, ask for nothing.
fn asks(members: &Map<String, Value>, member: &str) -> bool {
    let value = members.get(member);
    value.is_some_and(|value| !is_empty(value) && value != "")
}
