//! What can go wrong with a cluster, with what was being done and what to do next.

use std::io;
use std::path::PathBuf;

use quorate_client::ConfigError;

/// Why something could not be done to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no cluster in this directory.
    #[error("there is no cluster in {}", directory.display())]
    Missing {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// There is a cluster in this directory already.
    #[error("there is a cluster in {} already; `cluster down` ends it", directory.display())]
    Exists {
        /// Where it is.
        directory: PathBuf,
    },
    /// No member has this name.
    #[error("there is no member {name}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A member is not in the condition that the fault needs.
    #[error("{name} is {condition}, so it cannot be {wanted}")]
    Condition {
        /// The member.
        name: String,
        /// What it is.
        condition: &'static str,
        /// What it was to be.
        wanted: &'static str,
    },
    /// The cluster does not serve.
    #[error("{what}")]
    NotServing {
        /// What is missing, with the end of a log where a process has ended.
        what: String,
    },
    /// Something of the cluster could not be removed.
    #[error("left behind: {what}")]
    LeftBehind {
        /// What is still there.
        what: String,
    },
    /// The operating system refused.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A client of the cluster could not be made.
    #[error("make a client of the cluster")]
    Client(#[from] ConfigError),
}

/// Says what was being done when the operating system refused.
pub(super) fn while_(doing: impl Into<String>) -> impl FnOnce(io::Error) -> ClusterError {
    let doing = doing.into();
    move |source| ClusterError::System { doing, source }
}
