//! What runs containers: one trait, two implementations (a Docker engine; plain processes), and the choice between them.
//!
//! A runtime remembers: every container carries a [`Tag`], and what `list` finds is all that an agent knows after its own death.

mod docker;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use docker::Docker;
pub(crate) use process::Process;

use crate::config::{AgentError, Config, RuntimeChoice};

/// The id of a task: 32 hex digits, so that it is fit for a file name and a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TaskId(String);

impl TaskId {
    /// The id, if `text` is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The 32 digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One container of one task; there is never a second one with the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) task: TaskId,
    /// The container's name in its task definition: letters, digits, `-` and `_`.
    pub(crate) container: String,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.task, self.container)
    }
}

/// A container port and the host port the control plane decided for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) container: u16,
    pub(crate) host: u16,
    pub(crate) protocol: Protocol,
}

impl fmt::Display for Port {
    /// The container's side, as Docker writes it: `80/tcp`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.container, self.protocol.as_str())
    }
}

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// ECS's words for a container that the kernel killed at its memory limit.
pub(crate) const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";

/// What a container carries so that an agent that knows nothing finds all it needs to go on with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: Key,
    pub(crate) task_arn: String,
    pub(crate) cluster_arn: String,
    pub(crate) family: String,
    pub(crate) revision: String,
    pub(crate) instance_id: String,
    /// Raft index of the assignment this container comes from.
    pub(crate) fencing: u64,
    pub(crate) essential: bool,
    pub(crate) stop_timeout_s: u64,
    pub(crate) ports: Vec<Port>,
}

/// How a container reaches the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NetworkMode {
    Bridge,
    Host,
    None,
}

/// Everything a runtime needs to start a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerSpec {
    pub(crate) tag: Tag,
    pub(crate) image: String,
    pub(crate) entry_point: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) network: NetworkMode,
    /// Relative weight, 1024 a core; 0 = the runtime's own.
    pub(crate) cpu_shares: u64,
    /// Hard limit in CPU units; 0 = none.
    pub(crate) cpu_limit_units: u64,
    /// Hard limit; 0 = none.
    pub(crate) memory_mib: u64,
    /// Soft limit; 0 = none.
    pub(crate) memory_reservation_mib: u64,
    pub(crate) working_directory: String,
    pub(crate) user: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) privileged: bool,
    pub(crate) readonly_root: bool,
    pub(crate) hostname: String,
}

impl ContainerSpec {
    /// The environment a container gets: what is ours to tell it, and over that what its task definition says.
    pub(crate) fn full_environment(&self) -> BTreeMap<String, String> {
        let tag = &self.tag;
        let fencing = tag.fencing.to_string();
        let ours = [
            ("QUORATE_TASK_ARN", &tag.task_arn),
            ("QUORATE_INSTANCE_ID", &tag.instance_id),
            ("QUORATE_CLUSTER", &tag.cluster_arn),
            ("QUORATE_FENCING", &fencing),
        ];
        let mut environment: BTreeMap<_, _> = ours
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .into();
        environment.extend(self.environment.clone());
        environment
    }
}

/// A container as a runtime shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) tag: Tag,
    pub(crate) runtime_id: String,
    pub(crate) state: Seen,
}

/// What a seen container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Made, and not started: an agent died in between.
    Created,
    Running,
    Exited(Exit),
}

/// How a container ended; set once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Absent where it cannot be known.
    pub(crate) code: Option<i32>,
    /// ECS's form, `SomethingError: text`; empty if there is nothing to say beyond the code.
    pub(crate) reason: String,
    /// It never ran.
    pub(crate) never_started: bool,
    /// Unix milliseconds.
    pub(crate) at_ms: i64,
}

/// What a successful start tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) runtime_id: String,
    pub(crate) image_digest: String,
    /// Unix milliseconds at which a pull began and ended; absent if the image was there.
    pub(crate) pull_ms: Option<(i64, i64)>,
}

/// The two signals an agent sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// The container's own stop signal, SIGTERM unless its image says otherwise.
    Stop,
    Kill,
}

/// A runtime did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The Docker engine refused or was not reached.
    #[error("{doing}: {message}")]
    Docker {
        /// What was asked of it.
        doing: &'static str,
        /// What the engine said.
        message: String,
    },
    /// The system refused a file, a process or a cgroup.
    #[error("{doing}")]
    System {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a container did not start; the text becomes the container's `reason`, in ECS's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartError {
    CannotPull(String),
    CannotCreate(String),
    CannotStart(String),
    /// The task was stopped before its container existed.
    Cancelled,
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotPull(text) => write!(formatter, "CannotPullContainerError: {text}"),
            Self::CannotCreate(text) => write!(formatter, "CannotCreateContainerError: {text}"),
            Self::CannotStart(text) => write!(formatter, "CannotStartContainerError: {text}"),
            Self::Cancelled => formatter.write_str("Task stopped before its container was created"),
        }
    }
}

/// What runs containers. Each call is safe to repeat.
pub(crate) trait Runtime: Send + Sync + 'static {
    /// `docker` or `process`, and the version of it.
    fn version(&self) -> (&'static str, String);

    /// Every container of the given instances, in any state.
    fn list(
        &self,
        instances: &[String],
    ) -> impl Future<Output = Result<Vec<Sighting>, RuntimeError>> + Send;

    /// Makes the container unless it exists, starts it unless it ran. `cancel` is heeded until the container exists.
    fn start(
        &self,
        spec: &ContainerSpec,
        cancel: &CancellationToken,
    ) -> impl Future<Output = Result<Started, StartError>> + Send;

    /// Sends a signal; content if the container ended already.
    fn signal(
        &self,
        runtime_id: &str,
        signal: StopSignal,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Removes a stopped container and all that it left; content if there is none.
    fn remove(&self, runtime_id: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Pokes whenever a container may have changed. Runs until dropped; may miss things, the agent looks by itself too.
    fn watch(&self, poke: Arc<Notify>) -> impl Future<Output = Infallible> + Send;
}

/// The runtime an agent would use here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Docker or Process, never Auto.
    pub choice: RuntimeChoice,
    /// Why, for people.
    pub why: String,
}

/// Finds which runtime `config` leads to on this machine, and why. Fails if it asks for Docker and no engine answers.
pub async fn detect(config: &Config) -> Result<Detected, AgentError> {
    match select(config).await? {
        Selected::Docker(docker) => {
            let why = format!("Docker engine {} answers", docker.version().1);
            Ok(Detected {
                choice: RuntimeChoice::Docker,
                why,
            })
        }
        Selected::Process { why } => Ok(Detected {
            choice: RuntimeChoice::Process,
            why,
        }),
    }
}

/// Makes an image of one layer from a tar file of its root; `changes` are lines of a Dockerfile. For `quorate dev`, whose
/// sample comes from no registry.
pub async fn import_image(
    config: &Config,
    image: &str,
    changes: &[String],
    tar: Bytes,
) -> Result<(), AgentError> {
    let imported = async {
        Docker::connect(config.docker_host.as_deref())
            .await?
            .import(image, changes, tar)
            .await
    };
    imported.await.map_err(docker_failed)
}

/// Removes an image that [`import_image`] made, unless containers of others need it.
pub async fn remove_image(config: &Config, image: &str) -> Result<(), AgentError> {
    let removed = async {
        Docker::connect(config.docker_host.as_deref())
            .await?
            .remove_image(image)
            .await
    };
    removed.await.map_err(docker_failed)
}

fn docker_failed(source: RuntimeError) -> AgentError {
    AgentError::Runtime {
        runtime: "docker",
        source,
    }
}

/// A runtime chosen, and for Docker already spoken to.
pub(crate) enum Selected {
    Docker(Docker),
    Process { why: String },
}

/// The choice behind [`detect`], with the connection made.
pub(crate) async fn select(config: &Config) -> Result<Selected, AgentError> {
    match config.runtime {
        RuntimeChoice::Process => Ok(Selected::Process {
            why: "asked for".to_owned(),
        }),
        RuntimeChoice::Docker => match Docker::connect(config.docker_host.as_deref()).await {
            Ok(docker) => Ok(Selected::Docker(docker)),
            Err(source) => Err(AgentError::Runtime {
                runtime: "docker",
                source,
            }),
        },
        RuntimeChoice::Auto => Ok(match Docker::connect(config.docker_host.as_deref()).await {
            Ok(docker) => Selected::Docker(docker),
            Err(error) => Selected::Process {
                why: format!("no Docker engine: {error}"),
            },
        }),
    }
}
