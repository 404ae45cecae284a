//! What runs containers: one trait and the words it needs. A Docker engine and plain processes implement it here, and `choice` decides between
//! them; a simulation brings its own to [`run_in`](crate::run_in).
//!
//! A runtime remembers: every container carries a [`Tag`], and what `list` finds is all that an agent knows after its own death.

pub(crate) mod choice;
mod docker;
mod health;
mod output;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use health::OUTPUT_MOST;
pub use health::{Health, HealthCheck, HealthStatus};
pub(crate) use process::Process;

/// The id of a task: 32 hex digits, so that it is fit for a file name and a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(String);

impl TaskId {
    /// The id, if `text` is one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
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
pub struct Key {
    /// The task.
    pub task: TaskId,
    /// The container's name in its task definition: letters, digits, `-` and `_`.
    pub container: String,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.task, self.container)
    }
}

/// A container port and the host port the control plane decided for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// In the container.
    pub container: u16,
    /// On the host.
    pub host: u16,
    /// What it speaks.
    pub protocol: Protocol,
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
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// ECS's words for a container that the kernel killed at its memory limit.
pub const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";

/// What a container carries so that an agent that knows nothing finds all it needs to go on with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Which container of which task it is.
    pub key: Key,
    /// ARN of the task.
    pub task_arn: String,
    /// ARN of the cluster the task runs in.
    pub cluster_arn: String,
    /// Family of the task definition.
    pub family: String,
    /// Its revision.
    pub revision: String,
    /// The instance that the task was assigned to.
    pub instance_id: String,
    /// Raft index of the assignment this container comes from.
    pub fencing: u64,
    /// Its end is the end of the task.
    pub essential: bool,
    /// How long it may take to end after [`StopSignal::Stop`].
    pub stop_timeout_s: u64,
    /// Its ports.
    pub ports: Vec<Port>,
}

/// How a container reaches the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// In a network of its own, with its ports mapped.
    Bridge,
    /// In the host's.
    Host,
    /// Not at all.
    None,
}

/// Everything a runtime needs to start a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// What it has to carry.
    pub tag: Tag,
    /// Name of the image.
    pub image: String,
    /// Takes the place of the image's own, unless it is empty.
    pub entry_point: Vec<String>,
    /// Takes the place of the image's own, unless it is empty.
    pub command: Vec<String>,
    /// What the task definition puts into the environment.
    pub environment: BTreeMap<String, String>,
    /// How it reaches the network.
    pub network: NetworkMode,
    /// Relative weight, 1024 a core; 0 = the runtime's own.
    pub cpu_shares: u64,
    /// Hard limit in CPU units; 0 = none.
    pub cpu_limit_units: u64,
    /// Hard limit; 0 = none.
    pub memory_mib: u64,
    /// Soft limit; 0 = none.
    pub memory_reservation_mib: u64,
    /// Where it starts; empty = the image's own.
    pub working_directory: String,
    /// Who it runs as; empty = the image's own.
    pub user: String,
    /// What the task definition labels it with.
    pub labels: BTreeMap<String, String>,
    /// It gets all rights on the host.
    pub privileged: bool,
    /// It cannot write to its root.
    pub readonly_root: bool,
    /// Its own name for itself; empty = the runtime's choice.
    pub hostname: String,
    /// What is checked while it runs. Without one nothing is, whatever its image says. (Records of older agents have none.)
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
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
pub struct Sighting {
    /// What it carries.
    pub tag: Tag,
    /// The runtime's name for it.
    pub runtime_id: String,
    /// What it is doing.
    pub state: Seen,
    /// How well it is; absent where nothing is checked.
    pub health: Option<Health>,
}

/// What a seen container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Made, and not started: an agent died in between.
    Created,
    /// It runs.
    Running,
    /// It ended.
    Exited(Exit),
}

/// How a container ended; set once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Absent where it cannot be known.
    pub code: Option<i32>,
    /// ECS's form, `SomethingError: text`; empty if there is nothing to say beyond the code.
    pub reason: String,
    /// It never ran.
    pub never_started: bool,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// What it printed last, where it did not end with 0. (Records of older agents have none.)
    #[serde(default)]
    pub last_output: String,
}

/// What a successful start tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The runtime's name for the container.
    pub runtime_id: String,
    /// What its image hashes to; empty if the runtime knows no such thing.
    pub image_digest: String,
    /// Unix milliseconds at which a pull began and ended; absent if the image was there.
    pub pull_ms: Option<(i64, i64)>,
}

/// The two signals an agent sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// The container's own stop signal, SIGTERM unless its image says otherwise.
    Stop,
    /// SIGKILL.
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
pub enum StartError {
    /// There is no such image, or no way to it.
    CannotPull(String),
    /// The runtime did not make a container of it.
    CannotCreate(String),
    /// The container was made, and did not start.
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

/// What runs containers, and their health checks. Each call is safe to repeat.
pub trait Runtime: Send + Sync + 'static {
    /// Its name (`docker`, `process`), and the version of it.
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

    /// Pokes whenever a container may have changed, or its health. Runs until dropped; may miss things, the agent looks by itself too.
    fn watch(&self, poke: Arc<Notify>) -> impl Future<Output = Infallible> + Send;
}
