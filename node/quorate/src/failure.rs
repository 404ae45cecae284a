//! How a command fails: an exit code, what went wrong with its causes, and what to do next.

use std::error::Error as StdError;
use std::fmt;

use quorate_client::{ClientError, ConfigError, WaitError};

use crate::settings::SettingsError;

/// The exit codes; the README lists them, scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    WaitTimedOut = 4,
    NotAuthorised = 6,
    Unreachable = 7,
    Config = 64,
    DataDir = 73,
    PortTaken = 98,
    Interrupted = 130,
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    what: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    next: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self::with_code(exit as u8, what)
    }

    /// For errors of other crates, which know their exit code.
    pub(crate) fn with_code(code: u8, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            source: None,
            next: None,
        }
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// For commands that have exit codes of their own.
    pub(crate) fn coded(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// `what: cause: cause`, and on a second line what to do next.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        let mut said = self.what.clone();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat their cause in their own text.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        match &self.next {
            Some(next) => write!(f, "\n  next: {next}"),
            None => Ok(()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let (exit, next) = judge(&error);
        let what = error.to_string();
        let failure = match error {
            ClientError::Exception { request_id, .. } if !request_id.is_empty() => {
                Self::new(exit, format!("{what} (request {request_id})"))
            }
            ClientError::Unreachable { source, .. } | ClientError::Interrupted { source, .. } => {
                Self::new(exit, what).because(source)
            }
            _ => Self::new(exit, what),
        };
        match next {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

/// The exit code for a failed call, and what the user can do about it.
fn judge(error: &ClientError) -> (Exit, Option<&'static str>) {
    match error {
        ClientError::Exception { status: 403, .. } => (
            Exit::NotAuthorised,
            Some(
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for `quorate dev`: eval \"$(quorate env)\"",
            ),
        ),
        ClientError::Exception { code, message, .. } => match code.as_str() {
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "MissingAuthenticationTokenException" => (
                Exit::NotAuthorised,
                Some(
                    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and the clock of this machine",
                ),
            ),
            "ClusterNotFoundException" => (
                Exit::NotFound,
                Some("`quorate cluster ls` shows the clusters there are"),
            ),
            "ServiceNotFoundException" => (
                Exit::NotFound,
                Some("`quorate service ls` shows the services there are"),
            ),
            code if code.contains("NotFound")
                || message.contains("not found")
                || message.contains("Unable to describe") =>
            {
                (Exit::NotFound, None)
            }
            "ServerException" | "ServiceUnavailableException" => (
                Exit::Unreachable,
                Some("`quorate status` shows which nodes answer; more than half of them must"),
            ),
            _ => (Exit::Failed, None),
        },
        ClientError::Unreachable { .. } => (
            Exit::Unreachable,
            Some(
                "start a cluster with `quorate dev`, or set AWS_ENDPOINT_URL_ECS or --endpoint-url",
            ),
        ),
        ClientError::Timeout { .. } | ClientError::Interrupted { .. } => (
            Exit::Unreachable,
            Some("look at the state before repeating the call: `quorate status`"),
        ),
        ClientError::Malformed { .. } => (
            Exit::Failed,
            Some("check that the endpoint is the API address of a node, not its health address"),
        ),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error.to_string()).next(
            "see `quorate help` for the variables and flags that say where and as whom to call",
        )
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::new(Exit::Config, "configuration").because(error)
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut { .. } => Self::new(Exit::WaitTimedOut, error.to_string())
                .next("`quorate task describe TASK` tells why"),
            WaitError::Impossible { .. } => Self::new(Exit::Failed, error.to_string()),
            WaitError::Call(error) => error.into(),
        }
    }
}

/// Output that nobody reads any more (`quorate task ls | head`) is the usual cause of these.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, "input or output").because(error)
    }
}
