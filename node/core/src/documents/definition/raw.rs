//! From the JSON of RegisterTaskDefinition to a [`DefinitionSpec`]: the members that Quorate acts on, in ECS's own names and units.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::placement::{CONSTRAINTS_MAX, Constraint};

use super::health::RawHealthCheck;
use super::{ContainerSpec, DefinitionError, DefinitionSpec, NetworkMode, PortSpec, Protocol};

/// What an agent that carries out health checks says of its instance. Elsewhere a checked task would never be well.
const HEALTH_CHECK: &str = "ecs.capability.container-health-check";

/// The members of the request that Quorate acts on. Others are kept in the document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawDefinition {
    network_mode: Option<NetworkMode>,
    cpu: Option<String>,
    memory: Option<String>,
    #[serde(default)]
    container_definitions: Vec<RawContainer>,
    #[serde(default)]
    placement_constraints: Vec<RawConstraint>,
    #[serde(default)]
    runtime_platform: RawPlatform,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConstraint {
    r#type: String,
    expression: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawPlatform {
    cpu_architecture: String,
}

/// A resource of which whole pieces are asked for; only GPUs are known here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRequirement {
    r#type: String,
    value: String,
}

#[derive(Deserialize)]
struct RawPair {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    container_port: Option<i64>,
    host_port: Option<i64>,
    protocol: Option<Protocol>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    #[serde(default)]
    name: String,
    #[serde(default)]
    image: String,
    #[serde(default)]
    entry_point: Vec<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: Vec<RawPair>,
    #[serde(default)]
    port_mappings: Vec<RawPort>,
    #[serde(default)]
    cpu: i64,
    memory: Option<i64>,
    memory_reservation: Option<i64>,
    #[serde(default)]
    resource_requirements: Vec<RawRequirement>,
    essential: Option<bool>,
    stop_timeout: Option<i64>,
    #[serde(default)]
    working_directory: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    docker_labels: BTreeMap<String, String>,
    privileged: Option<bool>,
    readonly_root_filesystem: Option<bool>,
    #[serde(default)]
    hostname: String,
    health_check: Option<RawHealthCheck>,
}

impl RawDefinition {
    pub(super) fn into_spec(self) -> Result<DefinitionSpec, DefinitionError> {
        let network_mode = self.network_mode.unwrap_or_default();
        let containers: Result<Vec<_>, _> = self
            .container_definitions
            .into_iter()
            .map(|raw| raw.into_spec(network_mode))
            .collect();
        let mut spec = DefinitionSpec {
            network_mode,
            cpu_units: self.cpu.as_deref().map(cpu_units).transpose()?.unwrap_or(0),
            memory_mib: self
                .memory
                .as_deref()
                .map(memory_mib)
                .transpose()?
                .unwrap_or(0),
            containers: containers?,
            requires_attributes: Vec::new(),
            member_of: member_of(self.placement_constraints)?,
            cpu_architecture: self.runtime_platform.cpu_architecture.to_lowercase(),
        };
        if spec.containers.iter().any(|one| one.health_check.is_some()) {
            spec.requires_attributes.push(HEALTH_CHECK.into());
        }
        if network_mode == NetworkMode::Awsvpc {
            spec.requires_attributes
                .push("ecs.capability.task-eni".into());
        }
        if spec.containers.iter().any(|container| container.privileged) {
            spec.requires_attributes
                .push("com.amazonaws.ecs.capability.privileged-container".into());
        }
        Ok(spec)
    }
}

impl RawContainer {
    fn into_spec(self, mode: NetworkMode) -> Result<ContainerSpec, DefinitionError> {
        let name = self.name;
        let positive = |value: Option<i64>, member: &str| match value {
            None => Ok(0),
            Some(value) => u64::try_from(value).map_err(|_| DefinitionError::Setting {
                container: name.clone(),
                why: format!("'{member}' must not be negative."),
            }),
        };
        let (cpu_units, memory_mib) = (
            positive(Some(self.cpu), "cpu")?,
            positive(self.memory, "memory")?,
        );
        let memory_reservation_mib = positive(self.memory_reservation, "memoryReservation")?;
        let stop_timeout_s = positive(self.stop_timeout, "stopTimeout")?;
        let gpus = gpus(&name, &self.resource_requirements)?;
        let ports: Result<Vec<_>, _> = self
            .port_mappings
            .into_iter()
            .map(|raw| raw.into_spec(&name, mode))
            .collect();
        let health_check = self.health_check.map(RawHealthCheck::into_check);
        let health_check = health_check
            .transpose()
            .map_err(|why| DefinitionError::Setting {
                container: name.clone(),
                why,
            })?;
        let named = self
            .environment
            .into_iter()
            .filter_map(|pair| Some((pair.name?, pair.value.unwrap_or_default())));
        Ok(ContainerSpec {
            image: self.image,
            entry_point: self.entry_point,
            command: self.command,
            environment: named.collect(),
            ports: ports?,
            cpu_units,
            memory_mib,
            memory_reservation_mib,
            gpus,
            essential: self.essential.unwrap_or(true),
            stop_timeout_s,
            working_directory: self.working_directory,
            user: self.user,
            docker_labels: self.docker_labels,
            privileged: self.privileged.unwrap_or(false),
            readonly_root: self.readonly_root_filesystem.unwrap_or(false),
            hostname: self.hostname,
            health_check,
            name,
        })
    }
}

impl RawPort {
    fn into_spec(self, container: &str, mode: NetworkMode) -> Result<PortSpec, DefinitionError> {
        let wrong = |what: &str, port: i64| DefinitionError::Setting {
            container: container.to_owned(),
            why: format!("Invalid '{what}' setting {port}: ports are between 1 and 65535."),
        };
        let inside = self.container_port.unwrap_or(0);
        let container_port = u16::try_from(inside)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| wrong("containerPort", inside))?;
        let same = matches!(mode, NetworkMode::Host | NetworkMode::Awsvpc);
        let outside = self.host_port.unwrap_or(if same { inside } else { 0 });
        let host_port = u16::try_from(outside).map_err(|_| wrong("hostPort", outside))?;
        Ok(PortSpec {
            container_port,
            host_port,
            protocol: self.protocol.unwrap_or_default(),
            name: self.name,
        })
    }
}

/// Expressions of constraints; a definition takes `memberOf` only, and each has to parse.
fn member_of(constraints: Vec<RawConstraint>) -> Result<Vec<String>, DefinitionError> {
    if constraints.len() > CONSTRAINTS_MAX {
        let text =
            format!("Placement constraints can not have more than {CONSTRAINTS_MAX} entries.");
        return Err(DefinitionError::Task(text));
    }
    let checked = constraints.into_iter().map(|one| {
        if one.r#type != "memberOf" {
            let text = "Placement constraints of a task definition are of type memberOf.";
            return Err(DefinitionError::Task(text.into()));
        }
        Constraint::parse(&one.r#type, &one.expression)
            .map_err(|error| DefinitionError::Task(error.to_string()))?;
        Ok(one.expression)
    });
    checked.collect()
}

/// How many GPUs are asked for; once a container, as ECS has it.
fn gpus(container: &str, requirements: &[RawRequirement]) -> Result<u64, DefinitionError> {
    let mut asked = requirements.iter().filter(|one| one.r#type == "GPU");
    let (Some(first), second) = (asked.next(), asked.next()) else {
        return Ok(0);
    };
    let count = first.value.trim().parse().ok().filter(|count| *count > 0);
    count
        .filter(|_| second.is_none())
        .ok_or_else(|| DefinitionError::Setting {
            container: container.to_owned(),
            why: "'resourceRequirements' can ask once for a positive number of GPUs.".into(),
        })
}

/// Task-level CPU: units (`512`) or vCPUs (`.5 vCPU`), as ECS accepts them.
fn cpu_units(text: &str) -> Result<u64, DefinitionError> {
    let wrong = || DefinitionError::Task(format!("Invalid 'cpu' setting for task: {text}."));
    match strip_unit(text, "vcpu") {
        Some(cores) => thousandths(cores).and_then(of_1024).ok_or_else(wrong),
        None => text.trim().parse().map_err(|_| wrong()),
    }
}

/// Task-level memory: MiB (`1024`) or GB (`1 GB`), as ECS accepts them.
fn memory_mib(text: &str) -> Result<u64, DefinitionError> {
    let wrong = || DefinitionError::Task(format!("Invalid 'memory' setting for task: {text}."));
    match strip_unit(text, "gb") {
        Some(gigabytes) => thousandths(gigabytes).and_then(of_1024).ok_or_else(wrong),
        None => text.trim().parse().map_err(|_| wrong()),
    }
}

/// Thousandths of a whole that has 1024 parts, as such parts.
fn of_1024(thousandths: u64) -> Option<u64> {
    thousandths.checked_mul(1024).map(|n| n / 1000)
}

fn strip_unit<'a>(text: &'a str, unit: &str) -> Option<&'a str> {
    let text = text.trim();
    let start = text.len().checked_sub(unit.len())?;
    let tail = text.get(start..)?;
    tail.eq_ignore_ascii_case(unit)
        .then(|| text[..start].trim())
}

/// A decimal number of at most three places, times 1000; no floating point, so that all replicas and people agree.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole)
        || !digits(fraction)
        || fraction.len() > 3
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.checked_mul(1000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_sizes_have_units() {
        assert_eq!(cpu_units(".5 vCPU"), Ok(512));
        assert_eq!(cpu_units("1024"), Ok(1024));
        assert_eq!(memory_mib("0.5GB"), Ok(512));
        assert!(cpu_units("many").is_err() && memory_mib("GB").is_err());
        assert!(cpu_units("18446744073709551 vCPU").is_err());
    }
}
