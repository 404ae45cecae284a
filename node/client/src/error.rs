//! How a call can end without an answer, sorted by what the caller may conclude from it.

use std::error::Error as StdError;
use std::time::Duration;

use serde_json::{Map, Value};

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The cluster answered with an exception of the API: the call had no effect, unless `status` is 5xx.
    #[error("{code}: {message}")]
    Exception {
        /// The exception's name, without a namespace: `ClusterNotFoundException`.
        code: String,
        /// What the cluster says went wrong.
        message: String,
        /// The HTTP status.
        status: u16,
        /// The cluster's id of the request, to be found in its logs.
        request_id: String,
        /// Every member of the exception other than its type and message, such as `resourceIds`.
        fields: Map<String, Value>,
    },
    /// No endpoint accepted a connection, or none that a read was sent to answered: nothing was changed.
    #[error("no endpoint could be reached (tried {tried})")]
    Unreachable {
        /// The endpoints that were tried, in order.
        tried: String,
        /// Why the last of them failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The time of the call was over before an answer came; whether it was carried out is unknown.
    #[error(
        "no answer from {endpoint} within {limit:?}; whether the call was carried out is unknown"
    )]
    Timeout {
        /// The endpoint that was asked last.
        endpoint: String,
        /// The time the whole call was given.
        limit: Duration,
    },
    /// The connection broke after the request had gone out; whether it was carried out is unknown.
    #[error(
        "the connection to {endpoint} broke before the answer; whether the call was carried out is unknown"
    )]
    Interrupted {
        /// The endpoint that was asked.
        endpoint: String,
        /// What broke.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Something answered, but not in the protocol of the API.
    #[error("{endpoint} gave an answer that is not of this API (HTTP {status}): {detail}")]
    Malformed {
        /// The endpoint that answered.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// What was found instead.
        detail: String,
    },
}

impl ClientError {
    /// The name of the exception, if it is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Exception { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the call may have been carried out although it gave no result.
    #[must_use]
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Exception { status, .. } | Self::Malformed { status, .. } => *status >= 500,
            Self::Unreachable { .. } => false,
            Self::Timeout { .. } | Self::Interrupted { .. } => true,
        }
    }

    /// Whether the same call may well succeed later, without a change on the caller's side.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. }) || self.outcome_is_unknown()
    }
}
