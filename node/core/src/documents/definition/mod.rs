//! A task definition, parsed: what placement and agents act on. The document itself is kept beside it, verbatim.
//!
//! Source of the rules: ECS operation RegisterTaskDefinition; refusals carry the text of its `ClientException`.

mod health;
mod raw;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use health::HealthCheck;
use raw::RawDefinition;

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
    /// GPUs asked for (`resourceRequirements`).
    #[serde(default)]
    pub gpus: u64,
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
    /// What tells whether it is well. The image's own check counts for nothing, as in ECS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
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
    /// `runtimePlatform.cpuArchitecture` as agents report it (`x86_64`, `arm64`); empty for any.
    #[serde(default)]
    pub cpu_architecture: String,
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
        assert!(spec.requires_attributes.is_empty());
    }

    #[test]
    fn a_check_needs_an_agent_that_carries_it_out() {
        let spec = parse(
            r#"{"containerDefinitions":[{"name":"a","image":"x","memory":64,"healthCheck":{"command":["CMD","true"]}}]}"#,
        )
        .unwrap();
        assert_eq!(
            spec.requires_attributes,
            ["ecs.capability.container-health-check"]
        );
    }

    #[test]
    fn what_an_instance_must_have_is_derived() {
        let spec = parse(
            r#"{"runtimePlatform":{"cpuArchitecture":"ARM64"},"containerDefinitions":[{"name":"a","image":"x","memory":64,
            "privileged":true,"resourceRequirements":[{"type":"GPU","value":"2"}]}],
            "placementConstraints":[{"type":"memberOf","expression":"attribute:rack == 7"}]}"#,
        )
        .unwrap();
        assert_eq!(
            spec.requires_attributes,
            ["com.amazonaws.ecs.capability.privileged-container"]
        );
        assert_eq!(
            (spec.cpu_architecture.as_str(), spec.containers[0].gpus),
            ("arm64", 2)
        );
        assert_eq!(spec.member_of, ["attribute:rack == 7"]);
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
        let member_of = |constraints: &str| {
            of(&format!(
                r#"{{"containerDefinitions":[{{"name":"a","image":"x","memory":9}}],"placementConstraints":[{constraints}]}}"#
            ))
        };
        assert!(
            member_of(r#"{"type":"memberOf","expression":"attribute:a = b"}"#)
                .contains("at character 13")
        );
        assert!(member_of(r#"{"type":"distinctInstance"}"#).contains("memberOf"));
        let twelve = [r#"{"type":"memberOf","expression":"attribute:a exists"}"#; 12];
        assert!(member_of(&twelve.join(",")).contains("more than 10 entries"));
        let host = r#"{"networkMode":"host","containerDefinitions":[{"name":"a","image":"x","memory":9,
            "portMappings":[{"containerPort":80,"hostPort":81}]}]}"#;
        assert!(of(host).contains("must match"));
        let port = r#"{"containerDefinitions":[{"name":"a","image":"x","memory":9,"portMappings":[{"containerPort":70000}]}]}"#;
        assert!(of(port).contains("between 1 and 65535"));
        let check = r#"{"containerDefinitions":[{"name":"a","image":"x","memory":9,"healthCheck":{"command":["true"]}}]}"#;
        assert_eq!(
            of(check),
            "Invalid setting for container 'a'. The health check command must start with CMD or CMD-SHELL."
        );
    }
}
