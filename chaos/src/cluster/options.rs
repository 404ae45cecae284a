//! What a cluster is to be: how many processes of which kind, where they keep their files, how long they live.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The region of every cluster that is started here.
pub const REGION: &str = "us-east-1";

/// What runs the containers of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// A Docker engine.
    Docker,
    /// Child processes of the agent.
    Process,
}

impl Runtime {
    /// The name on the agent's command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// Who ends the processes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// They die with the thread that started them, however it ends, and with the [`Cluster`](super::Cluster).
    WithParent,
    /// They stay until [`Cluster::down`](super::Cluster::down), perhaps by another process.
    Detached,
}

/// What a cluster is to be.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The `quorate` binary.
    pub binary: PathBuf,
    /// Where data, logs and the state file go. It is made if it is missing and must hold no cluster yet.
    pub directory: PathBuf,
    /// Nodes of the control plane, `n1` and so on.
    pub nodes: usize,
    /// Agents, `a1` and so on.
    pub agents: usize,
    /// What runs the agents' containers.
    pub runtime: Runtime,
    /// How long an instance may be silent before its tasks are given up.
    pub lost_after: Duration,
    /// Further arguments of every `quorate server`.
    pub node_arguments: Vec<String>,
    /// Further arguments of every `quorate agent`.
    pub agent_arguments: Vec<String>,
    /// Who ends the processes.
    pub lifetime: Lifetime,
}

impl ClusterOptions {
    /// Three nodes and two agents that run processes, with the product's own timing.
    #[must_use]
    pub fn new(binary: PathBuf, directory: PathBuf) -> Self {
        Self {
            binary,
            directory,
            nodes: 3,
            agents: 2,
            runtime: Runtime::Process,
            lost_after: Duration::from_secs(60),
            node_arguments: Vec::new(),
            agent_arguments: Vec::new(),
            lifetime: Lifetime::WithParent,
        }
    }
}
