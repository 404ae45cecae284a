//! What a person may ask of the chaos tool. So far: a local cluster of real processes, and faults of whole processes.

mod cluster;

use clap::{Parser, Subcommand};
use quorate_chaos::cluster::ClusterError;

/// Starts, hurts and heals real Quorate clusters.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 2 wrong usage, or no such cluster or member; 3 the cluster does not serve;\n\
     4 interrupted; 5 the fault could not be injected or had no effect; 6 something was left behind";

#[derive(Debug, Subcommand)]
enum Tool {
    /// A local cluster of real processes.
    Cluster(cluster::Arguments),
}

/// How a run of the tool failed. The number of each kind is part of the tool's interface.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A wrong argument, or something named that is not there.
    Usage(String),
    /// The cluster does not serve, so nothing can be tried on it.
    NotServing(String),
    /// Ended by the user.
    Interrupted,
    /// The fault could not be injected, or had no effect.
    NoEffect(String),
    /// Something is still there that should not be.
    LeftBehind(String),
}

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotServing(_) => 3,
            Self::Interrupted => 4,
            Self::NoEffect(_) => 5,
            Self::LeftBehind(_) => 6,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(why)
            | Self::NotServing(why)
            | Self::NoEffect(why)
            | Self::LeftBehind(why) => f.write_str(why),
            Self::Interrupted => f.write_str("interrupted; everything that was started is ended"),
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        match error {
            ClusterError::Missing { .. }
            | ClusterError::Exists { .. }
            | ClusterError::Unknown { .. } => Self::Usage(text),
            ClusterError::NotServing { .. } | ClusterError::Client(_) => Self::NotServing(text),
            ClusterError::Condition { .. } | ClusterError::System { .. } => Self::NoEffect(text),
            ClusterError::LeftBehind { .. } => Self::LeftBehind(text),
        }
    }
}

/// Does what was asked.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.tool {
        Tool::Cluster(arguments) => cluster::run(arguments).await,
    }
}
