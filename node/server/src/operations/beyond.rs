//! What a task definition may ask for and agents cannot give yet. It may be registered and described, but a task that would run
//! without it is not started: a missing volume or secret must not be found out by the program.
//!
//! Not on these lists, because a program runs the same without them: where logs go, roles, timeouts of
//! starting. Whoever teaches an agent one of these takes it off its list.

use quorate_core::State;
use quorate_core::documents::NetworkMode;
use quorate_core::ids::ClusterName;
use quorate_core::state::{InstanceStatus, TaskDefinition};
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
    "resourceRequirements",
    "restartPolicy",
    "secrets",
    "systemControls",
    "ulimits",
    "volumesFrom",
];

/// The first thing that `definition` asks for in vain, in words for the caller.
pub(super) fn of(
    state: &State,
    cluster: &ClusterName,
    definition: &TaskDefinition,
) -> Option<String> {
    if !definition.spec.member_of.is_empty() {
        return Some("A memberOf constraint of the task definition".into());
    }
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
        .or_else(|| platform(state, cluster, &document))
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

/// Placement does not choose by platform yet: fine where all instances are of the wanted one, refused where one is not.
fn platform(state: &State, cluster: &ClusterName, document: &Map<String, Value>) -> Option<String> {
    let platform = document.get("runtimePlatform")?;
    let family = platform["operatingSystemFamily"]
        .as_str()
        .unwrap_or("LINUX");
    if family != "LINUX" {
        return Some(format!("operatingSystemFamily {family}"));
    }
    let wanted = platform["cpuArchitecture"].as_str()?;
    let live = state
        .instances_in(cluster)
        .filter(|instance| instance.status != InstanceStatus::Inactive);
    let mut architectures =
        live.filter_map(|instance| instance.attributes.get("ecs.cpu-architecture"));
    let other = architectures.find(|architecture| !architecture.eq_ignore_ascii_case(wanted))?;
    Some(format!(
        "cpuArchitecture {wanted} in a cluster with {other} instances"
    ))
}
