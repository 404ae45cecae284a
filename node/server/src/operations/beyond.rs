//! What a task definition may ask for and agents cannot give yet. It may be registered and described, but a task that would run
//! without it is not started: a missing volume or secret must not be found out by the program.
//!
//! Not on these lists, because a program runs the same without them: where logs go, roles, timeouts of
//! starting. Whoever teaches an agent one of these takes it off its list.

use quorate_core::documents::NetworkMode;
use quorate_core::state::TaskDefinition;
use serde_json::{Map, Value};

/// Members of a definition.
const TASK: &[&str] = &[
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "trustedExecutionConfiguration",
];

/// Members of a container definition.
const CONTAINER: &[&str] = &[
    "credentialSpecs",
    "dependsOn",
    "disableNetworking",
    "dnsSearchDomains",
    "dnsServers",
    "dockerSecurityOptions",
    "environmentFiles",
    "extraHosts",
    "firelensConfiguration",
    "interactive",
    "links",
    "linuxParameters",
    "mountPoints",
    "pseudoTerminal",
    "repositoryCredentials",
    "restartPolicy",
    "secrets",
    "systemControls",
    "ulimits",
    "volumesFrom",
];

/// The first thing that `definition` asks for in vain, in words for the caller.
pub(super) fn of(definition: &TaskDefinition) -> Option<String> {
    if definition.spec.network_mode == NetworkMode::Awsvpc {
        return Some("networkMode awsvpc".into());
    }
    let document = definition.document.object();
    let containers = document
        .get("containerDefinitions")
        .and_then(Value::as_array);
    let mut containers = containers
        .into_iter()
        .flatten()
        .filter_map(Value::as_object);
    let member = said(&document, TASK)
        .or_else(|| containers.find_map(|container| said(container, CONTAINER)));
    member
        .map(|member| format!("{member} of the task definition"))
        .or_else(|| resources(&document))
        .or_else(|| platform(&document))
}

/// The first of `members` that says anything in `object`: empty texts, lists and objects, false and `none` do not.
pub(super) fn said(object: &Map<String, Value>, members: &[&'static str]) -> Option<&'static str> {
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !matches!(text.as_str(), "" | "none"),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    members
        .iter()
        .copied()
        .find(|member| object.get(*member).is_some_and(says))
}

/// GPUs are counted where an instance says that it has some; other resources are not known.
fn resources(document: &Map<String, Value>) -> Option<String> {
    let containers = document.get("containerDefinitions")?.as_array()?;
    let requirements = containers
        .iter()
        .filter_map(|container| container["resourceRequirements"].as_array());
    let mut kinds = requirements
        .flatten()
        .filter_map(|requirement| requirement["type"].as_str());
    let other = kinds.find(|kind| *kind != "GPU")?;
    Some(format!("{other} in resourceRequirements"))
}

/// Our instances run Linux. Processors are a matter of placement.
fn platform(document: &Map<String, Value>) -> Option<String> {
    let family = document.get("runtimePlatform")?["operatingSystemFamily"].as_str()?;
    (family != "LINUX").then(|| format!("operatingSystemFamily {family}"))
}
