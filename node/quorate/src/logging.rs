//! The log of a server or an agent: structured events on standard error, as text for people or JSON for machines.

use std::io::IsTerminal;

use clap::Args;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::failure::{Exit, Failure};

/// What is logged unless set: every decision of ours, and of libraries only what went wrong. openraft warns of each
/// heartbeat that a dead node does not answer; that the node is gone, we log once ourselves.
const FILTER_DEFAULT: &str =
    "warn,openraft=error,quorate=info,quorate_server=info,quorate_agent=info";

/// How a process logs; taken out of its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct LogSettings {
    /// A filter as of `RUST_LOG`: `info`, or `warn,quorate_server=debug`.
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
}

/// How a process logs, as flags say it; part of the flags of a role.
#[derive(Args, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LogArgs {
    /// Form of the log on standard error: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<String>,
    /// What is logged: a level, or TARGET=LEVEL,... [default: info for Quorate, warn for the rest]
    #[arg(long, value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl LogSettings {
    /// The keys of the settings that are about the log.
    pub(crate) const KEYS: [&'static str; 2] = ["log", "log-format"];

    /// Starts the log of this process.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let text = self.log.as_deref().unwrap_or(FILTER_DEFAULT);
        let filter = EnvFilter::try_new(text).map_err(|error| {
            let what = format!("log filter {text:?}");
            Failure::new(Exit::Config, what)
                .because(error)
                .next("give a level (error, warn, info, debug, trace) or target=level,...")
        })?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => builder.with_ansi(colour_is_wanted()).init(),
            LogFormat::Json => builder.json().flatten_event(true).init(),
        }
        Ok(())
    }
}

/// Colour only for a terminal whose user has not declined it (<https://no-color.org>).
fn colour_is_wanted() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
