//! What an agent is told at its start, and the errors with which it ends. Where the values come from (flags, environment, file)
//! is the binary's affair.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::runtime::RuntimeError;

/// The settings of one agent; the keys are those of `quorate agent` and of its TOML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Peer addresses (`host:port`) of one or more nodes; the others are learned from whichever answers.
    pub nodes: Vec<String>,
    /// Short name or ARN of the cluster to join.
    pub cluster: String,
    /// Identity, lock and, with the process runtime, containers live here. One agent per directory.
    pub data_dir: PathBuf,
    /// Which runtime to use.
    pub runtime: RuntimeChoice,
    /// Attributes beside those the agent finds itself; one of the same name wins over a found one.
    pub attributes: BTreeMap<String, String>,
    /// CPU units to offer, 1024 a core; what the machine has if not given.
    pub cpu: Option<u32>,
    /// Memory to offer in MiB; what the machine has if not given.
    pub memory: Option<u32>,
    /// Host ports never to be given to tasks, beside those that are taken already.
    pub reserved_ports: Vec<u16>,
    /// Host ports the control plane may give to dynamic mappings; 61000-65535 if not given, the range above the kernel's own.
    /// Agents that share a host must not share ports.
    pub dynamic_ports: Option<PortRange>,
    /// Where the Docker engine listens (`unix:///...` or `tcp://...`); `DOCKER_HOST` or the usual socket if not given.
    pub docker_host: Option<String>,
    /// How long the containers of an ended task stay after its end, so that their logs can be read; 0s removes them at once.
    pub cleanup_wait: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nodes: vec!["127.0.0.1:6571".to_owned()],
            cluster: "default".to_owned(),
            data_dir: PathBuf::from("/var/lib/quorate/agent"),
            runtime: RuntimeChoice::Auto,
            attributes: BTreeMap::new(),
            cpu: None,
            memory: None,
            reserved_ports: Vec::new(),
            dynamic_ports: None,
            docker_host: None,
            cleanup_wait: CLEANUP_WAIT,
        }
    }
}

/// As long as Amazon's agent keeps them (ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION).
const CLEANUP_WAIT: Span = Span(Duration::from_secs(3 * 60 * 60));

/// A span of time; written `10s`, `30m`, `3h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

impl Span {
    /// A span of `duration`.
    pub fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// As the standard library has it.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl std::str::FromStr for Span {
    type Err = AgentError;

    fn from_str(text: &str) -> Result<Self, AgentError> {
        let parsed = text.parse::<SignedDuration>().ok();
        let span = parsed.and_then(|span| Duration::try_from(span).ok());
        span.map(Self).ok_or_else(|| {
            AgentError::Config(format!("{text:?} is not a span like 10s, 30m or 3h"))
        })
    }
}

impl TryFrom<String> for Span {
    type Error = AgentError;

    fn try_from(text: String) -> Result<Self, AgentError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        let span = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
        format!("{span:#}")
    }
}

/// Ports from the first to the last, both included; written `first-last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// A range, if it is one: from at least 1 upwards.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first > 0 && first <= last).then_some(Self { first, last })
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }
}

impl std::str::FromStr for PortRange {
    type Err = AgentError;

    fn from_str(text: &str) -> Result<Self, AgentError> {
        let ends = text
            .split_once('-')
            .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        let range = ends.and_then(|(first, last)| Self::new(first, last));
        range.ok_or_else(|| {
            AgentError::Config(format!("ports {text:?} are not of the form 61000-65535"))
        })
    }
}

impl TryFrom<String> for PortRange {
    type Error = AgentError;

    fn try_from(text: String) -> Result<Self, AgentError> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        format!("{}-{}", range.first, range.last)
    }
}

/// Which runtime an agent is to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeChoice {
    /// Docker where an engine answers, processes elsewhere.
    #[default]
    Auto,
    /// Docker, or fail.
    Docker,
    /// Processes, though an engine may be there.
    Process,
}

impl std::str::FromStr for RuntimeChoice {
    type Err = AgentError;

    fn from_str(text: &str) -> Result<Self, AgentError> {
        match text {
            "auto" => Ok(Self::Auto),
            "docker" => Ok(Self::Docker),
            "process" => Ok(Self::Process),
            other => Err(AgentError::Config(format!(
                "runtime {other:?} is none of auto, docker, process"
            ))),
        }
    }
}

/// Why an agent could not start, or why it ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A setting makes no sense.
    #[error("{0}")]
    Config(String),
    /// Another process works on the data directory.
    #[error(
        "data directory {path} is in use by another agent; stop that one or give this one another --data-dir"
    )]
    DataDirInUse {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory cannot be read or written.
    #[error("{doing} {path}")]
    DataDir {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The identity file holds something else than an identity.
    #[error("{path} holds no identity of an agent; move it away to join as a new instance")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The runtime asked for is not to be had, or stopped answering while the agent started.
    #[error("use the {runtime} runtime")]
    Runtime {
        /// `docker` or `process`.
        runtime: &'static str,
        /// What the runtime said.
        source: RuntimeError,
    },
    /// The control plane will never accept this agent as it is.
    #[error("the control plane refuses this agent: {0}")]
    Refused(String),
    /// A newer agent speaks for this instance; two must not.
    #[error("another agent uses this instance's identity: {0}; give each agent its own --data-dir")]
    Superseded(String),
}

impl AgentError {
    /// The exit code by which scripts tell these apart.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 64,
            Self::DataDirInUse { .. } | Self::DataDir { .. } | Self::Identity { .. } => 73,
            Self::Runtime { .. } | Self::Refused(_) | Self::Superseded(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_span_is_read_as_it_is_written() {
        for (text, seconds) in [("3h", 10_800), ("30m", 1800), ("10s", 10), ("0s", 0)] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.duration(), Duration::from_secs(seconds));
            assert_eq!(String::from(span), text);
        }
        for wrong in ["", "3", "h", "-3h", "3h ago", "3 moons"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert_eq!(String::from(Config::default().cleanup_wait), "3h");
    }
}
