//! A task definition, parsed: what placement and agents act on. The document itself is kept beside it, verbatim.
//!
//! Source of the rules: ECS operation RegisterTaskDefinition; refusals carry the text of its `ClientException`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// ECS's quota of containers in one definition.
pub const CONTAINERS_MAX: usize = 10;
/// ECS's quota for the size of a definition.
pub const DOCUMENT_MAX_BYTES: usize = 64 * 1024;
/// What an agent waits between SIGTERM and SIGKILL unless the container says otherwise.
pub const STOP_TIMEOUT_DEFAULT_S: u64 = 30;

/// How containers of a task see the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Docker's bridge; ports are mapped.
    #[default]
    Bridge,
    /// The host's own; container ports are host ports.
    Host,
    /// None at all.
    None,
    /// An interface of its own; needs an instance with `ecs.capability.task-eni`.
    Awsvpc,
}

impl NetworkMode {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::None => "none",
            Self::Awsvpc => "awsvpc",
        }
    }
}

/// Transport of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// ECS's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port that a container asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// Inside the container.
    pub container_port: u16,
    /// On the host; 0 asks for any.
    pub host_port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Name of the mapping, where it has one.
    pub name: Option<String>,
}

/// One container of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique in the definition.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Empty: the image's own.
    pub entry_point: Vec<String>,
    /// Empty: the image's own.
    pub command: Vec<String>,
    /// Variables given to the process.
    pub environment: BTreeMap<String, String>,
    /// Ports asked for.
    pub ports: Vec<PortSpec>,
    /// CPU units (1024 a core); 0 = none asked for.
    pub cpu_units: u64,
    /// Hard limit; 0 = none.
    pub memory_mib: u64,
    /// Soft limit; 0 = none.
    pub memory_reservation_mib: u64,
    /// Whether its end is the end of the task.
    pub essential: bool,
    /// Seconds from SIGTERM to SIGKILL; 0 = the agent's default.
    pub stop_timeout_s: u64,
    /// Empty: the image's own.
    pub working_directory: String,
    /// Empty: the image's own.
    pub user: String,
    /// Labels given to Docker.
    pub docker_labels: BTreeMap<String, String>,
    /// Full access to the host.
    pub privileged: bool,
    /// Root file system read-only.
    pub readonly_root: bool,
    /// Empty: the engine's choice.
    pub hostname: String,
}

/// A definition, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionSpec {
    /// How its containers see the network.
    pub network_mode: NetworkMode,
    /// Task-level CPU units; 0 = not set.
    pub cpu_units: u64,
    /// Task-level memory; 0 = not set.
    pub memory_mib: u64,
    /// At least one, at least one of them essential.
    pub containers: Vec<ContainerSpec>,
    /// Attributes an instance must have (by name, in order).
    pub requires_attributes: Vec<String>,
    /// `memberOf` expressions of the definition.
    pub member_of: Vec<String>,
}

/// Why ECS would refuse a definition (`ClientException`); the texts are what clients show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// No containers.
    #[error("Container list cannot be empty.")]
    NoContainers,
    /// More than [`CONTAINERS_MAX`].
    #[error("Container definitions can not have more than {CONTAINERS_MAX} entries.")]
    TooManyContainers,
    /// More than [`DOCUMENT_MAX_BYTES`].
    #[error("Task definition can not exceed 64 KiB.")]
    TooLarge,
    /// Nothing is essential.
    #[error("At least one container must be marked as essential.")]
    NoEssential,
    /// A name that is missing, badly formed or used twice.
    #[error("{0}")]
    Name(String),
    /// A container without an image.
    #[error("Container.image should not be null or empty.")]
    NoImage,
    /// No memory in the container nor in the task.
    #[error(
        "Invalid setting for container '{0}'. At least one of 'memory' or 'memoryReservation' must be specified."
    )]
    NoMemory(String),
    /// A hard limit below the soft one.
    #[error(
        "Invalid setting for container '{0}'. 'memory' must be greater than or equal to 'memoryReservation'."
    )]
    MemoryBelowReservation(String),
    /// A number outside its range, or a setting that makes no sense.
    #[error("Invalid setting for container '{container}'. {why}")]
    Setting {
        /// The container.
        container: String,
        /// What is wrong.
        why: String,
    },
    /// A setting of the task that makes no sense.
    #[error("{0}")]
    Task(String),
}

impl DefinitionSpec {
    /// Parses the request of RegisterTaskDefinition, whose types and enums the caller has checked against the model.
    pub fn parse(document: &Map<String, Value>) -> Result<Self, DefinitionError> {
        let raw: RawDefinition = serde_json::from_value(Value::Object(document.clone()))
            .map_err(|error| DefinitionError::Task(format!("Invalid task definition: {error}")))?;
        let spec = raw.into_spec()?;
        spec.check_containers()?;
        Ok(spec)
    }

    fn check_containers(&self) -> Result<(), DefinitionError> {
        if self.containers.is_empty() {
            return Err(DefinitionError::NoContainers);
        }
        if self.containers.len() > CONTAINERS_MAX {
            return Err(DefinitionError::TooManyContainers);
        }
        let mut names = BTreeSet::new();
        for container in &self.containers {
            if !names.insert(&container.name) {
                let text = format!(
                    "Container names must be unique: {} is used more than once.",
                    container.name
                );
                return Err(DefinitionError::Name(text));
            }
            container.check(self)?;
        }
        if !self.containers.iter().any(|container| container.essential) {
            return Err(DefinitionError::NoEssential);
        }
        Ok(())
    }

    /// The longest that a task of this definition may take to stop after SIGTERM, in milliseconds.
    #[must_use]
    pub fn stop_timeout_ms(&self) -> u64 {
        let longest = self
            .containers
            .iter()
            .map(ContainerSpec::stop_timeout)
            .max();
        longest.unwrap_or(STOP_TIMEOUT_DEFAULT_S) * 1000
    }
}

impl ContainerSpec {
    /// The soft limit where there is one, else the hard one (ECS: that is what counts for placement).
    #[must_use]
    pub fn memory_reserved(&self) -> u64 {
        if self.memory_reservation_mib > 0 {
            self.memory_reservation_mib
        } else {
            self.memory_mib
        }
    }

    fn stop_timeout(&self) -> u64 {
        if self.stop_timeout_s > 0 {
            self.stop_timeout_s
        } else {
            STOP_TIMEOUT_DEFAULT_S
        }
    }

    fn check(&self, task: &DefinitionSpec) -> Result<(), DefinitionError> {
        let good_name = self
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if self.name.is_empty() {
            return Err(DefinitionError::Name(
                "Container.name should not be null or empty.".into(),
            ));
        }
        if !good_name || self.name.len() > 255 {
            let text = format!(
                "Invalid container name '{}': up to 255 letters, numbers, hyphens and underscores.",
                self.name
            );
            return Err(DefinitionError::Name(text));
        }
        if self.image.is_empty() {
            return Err(DefinitionError::NoImage);
        }
        self.check_memory(task)?;
        self.check_ports(task.network_mode)
    }

    fn check_memory(&self, task: &DefinitionSpec) -> Result<(), DefinitionError> {
        if self.memory_reserved() == 0 && task.memory_mib == 0 {
            return Err(DefinitionError::NoMemory(self.name.clone()));
        }
        if self.memory_mib > 0 && self.memory_mib < self.memory_reservation_mib {
            return Err(DefinitionError::MemoryBelowReservation(self.name.clone()));
        }
        if (1..4).contains(&self.memory_mib) {
            return Err(self.setting("'memory' must be at least 4 MiB.".into()));
        }
        if task.memory_mib > 0 && self.memory_reserved() > task.memory_mib {
            return Err(self.setting("Its memory must not exceed the memory of the task.".into()));
        }
        if self.stop_timeout_s > 3600 {
            return Err(self.setting("'stopTimeout' must be at most 3600 seconds.".into()));
        }
        Ok(())
    }

    fn check_ports(&self, mode: NetworkMode) -> Result<(), DefinitionError> {
        let mut taken = BTreeSet::new();
        for port in &self.ports {
            let same = matches!(mode, NetworkMode::Host | NetworkMode::Awsvpc);
            if same && port.host_port != port.container_port {
                let why = format!(
                    "When networkMode={}, the host ports and container ports in port mappings must match.",
                    mode.as_str()
                );
                return Err(DefinitionError::Task(why));
            }
            if mode == NetworkMode::None {
                return Err(
                    self.setting("Port mappings cannot be used when networkMode=none.".into())
                );
            }
            if port.host_port != 0 && !taken.insert((port.host_port, port.protocol)) {
                return Err(self.setting(format!(
                    "Host port {} is mapped more than once.",
                    port.host_port
                )));
            }
        }
        Ok(())
    }

    fn setting(&self, why: String) -> DefinitionError {
        DefinitionError::Setting {
            container: self.name.clone(),
            why,
        }
    }
}

/// The members of the request that Quorate acts on. Others are kept in the document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDefinition {
    network_mode: Option<NetworkMode>,
    cpu: Option<String>,
    memory: Option<String>,
    #[serde(default)]
    container_definitions: Vec<RawContainer>,
    #[serde(default)]
    placement_constraints: Vec<RawConstraint>,
}

#[derive(Deserialize)]
struct RawConstraint {
    expression: Option<String>,
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
}

impl RawDefinition {
    fn into_spec(self) -> Result<DefinitionSpec, DefinitionError> {
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
            member_of: self
                .placement_constraints
                .into_iter()
                .filter_map(|c| c.expression)
                .collect(),
        };
        if network_mode == NetworkMode::Awsvpc {
            spec.requires_attributes
                .push("ecs.capability.task-eni".into());
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
        let ports: Result<Vec<_>, _> = self
            .port_mappings
            .into_iter()
            .map(|raw| raw.into_spec(&name, mode))
            .collect();
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
            essential: self.essential.unwrap_or(true),
            stop_timeout_s,
            working_directory: self.working_directory,
            user: self.user,
            docker_labels: self.docker_labels,
            privileged: self.privileged.unwrap_or(false),
            readonly_root: self.readonly_root_filesystem.unwrap_or(false),
            hostname: self.hostname,
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

/// Task-level CPU: units (`512`) or vCPUs (`.5 vCPU`), as ECS accepts them.
fn cpu_units(text: &str) -> Result<u64, DefinitionError> {
    let wrong = || DefinitionError::Task(format!("Invalid 'cpu' setting for task: {text}."));
    match strip_unit(text, "vcpu") {
        Some(cores) => thousandths(cores)
            .and_then(of_1024)
            .ok_or_else(wrong),
        None => text.trim().parse().map_err(|_| wrong()),
    }
}

/// Task-level memory: MiB (`1024`) or GB (`1 GB`), as ECS accepts them.
fn memory_mib(text: &str) -> Result<u64, DefinitionError> {
    let wrong = || DefinitionError::Task(format!("Invalid 'memory' setting for task: {text}."));
    match strip_unit(text, "gb") {
        Some(gigabytes) => thousandths(gigabytes)
            .and_then(of_1024)
            .ok_or_else(wrong),
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(json: &str) -> Result<DefinitionSpec, DefinitionError> {
        DefinitionSpec::parse(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_small_definition_gets_ecs_defaults() {
        let spec = parse(
            r#"{"family":"web","containerDefinitions":[{"name":"a","image":"x","memory":64,
            "portMappings":[{"containerPort":80}]}]}"#,
        )
        .unwrap();
        assert_eq!(
            (spec.network_mode, spec.containers[0].memory_reserved()),
            (NetworkMode::Bridge, 64)
        );
        assert!(spec.containers[0].essential);
        assert_eq!(spec.containers[0].ports[0].host_port, 0);
        assert_eq!(spec.stop_timeout_ms(), 30_000);
    }

    #[test]
    fn task_sizes_have_units() {
        assert_eq!(cpu_units(".5 vCPU"), Ok(512));
        assert_eq!(cpu_units("1024"), Ok(1024));
        assert_eq!(memory_mib("0.5GB"), Ok(512));
        assert!(cpu_units("many").is_err() && memory_mib("GB").is_err());
        assert!(cpu_units("18446744073709551 vCPU").is_err());
    }

    #[test]
    fn refusals_have_ecs_texts() {
        let of = |json: &str| parse(json).unwrap_err().to_string();
        assert_eq!(
            of(r#"{"containerDefinitions":[]}"#),
            "Container list cannot be empty."
        );
        assert!(
            of(r#"{"containerDefinitions":[{"name":"a","image":"x"}]}"#)
                .contains("'memory' or 'memoryReservation'")
        );
        assert!(of(r#"{"containerDefinitions":[{"name":"a","memory":9}]}"#).contains("image"));
        let two = r#"{"containerDefinitions":[{"name":"a","image":"x","memory":9},{"name":"a","image":"x","memory":9}]}"#;
        assert!(of(two).contains("unique"));
        let none =
            r#"{"containerDefinitions":[{"name":"a","image":"x","memory":9,"essential":false}]}"#;
        assert_eq!(
            of(none),
            "At least one container must be marked as essential."
        );
        let host = r#"{"networkMode":"host","containerDefinitions":[{"name":"a","image":"x","memory":9,
            "portMappings":[{"containerPort":80,"hostPort":81}]}]}"#;
        assert!(of(host).contains("must match"));
        let port = r#"{"containerDefinitions":[{"name":"a","image":"x","memory":9,"portMappings":[{"containerPort":70000}]}]}"#;
        assert!(of(port).contains("between 1 and 65535"));
    }
}
