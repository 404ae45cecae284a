//! `quorate agent`: runs tasks on this machine for a control plane.

use std::path::PathBuf;

use clap::Args;
use quorate_agent::Config;
use serde::Serialize;

use crate::failure::Failure;
use crate::logging::LogArgs;
use crate::settings::{Given, Key, Role, Shape, load};
use crate::signals::until_told;

const ROLE: Role = Role {
    prefix: "QUORATE_AGENT_",
    keys: &[
        Key::new("nodes", Shape::Texts),
        Key::with_flag("attributes", "--attribute", Shape::Pairs),
        Key::new("cpu", Shape::Number),
        Key::new("memory", Shape::Number),
        Key::with_flag("reserved-ports", "--reserved-port", Shape::Numbers),
    ],
};

/// Every flag is also a key of the file, and a variable: --data-dir, `data-dir = "..."`, QUORATE_AGENT_DATA_DIR. Flags
/// win over variables, and these over the file.
#[derive(Args, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AgentArgs {
    /// TOML file with any of these settings [env: QUORATE_AGENT_CONFIG]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Peer addresses of one or more nodes, separated by commas [default: 127.0.0.1:6571]
    #[arg(long, value_name = "ADDRS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<String>,
    /// Cluster to join [default: default]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    /// Directory of the agent's identity and, with the process runtime, of its containers [default: /var/lib/quorate/agent]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<String>,
    /// What runs containers: docker, process, or auto (Docker where an engine answers) [default: auto]
    #[arg(long, value_name = "RUNTIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
    /// Where the Docker engine listens, unix:///PATH or tcp://HOST:PORT [default: DOCKER_HOST, else the usual socket]
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_host: Option<String>,
    /// Attribute for placement, NAME=VALUE (repeatable; in the file: a table `attributes`)
    #[arg(long = "attribute", value_name = "PAIR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<String>,
    /// CPU units to offer, 1024 a core [default: all]
    #[arg(long, value_name = "UNITS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    /// Memory to offer, in MiB [default: all]
    #[arg(long, value_name = "MIB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
    /// Host port never to give to tasks (repeatable; in the file: `reserved-ports`)
    #[arg(long = "reserved-port", value_name = "PORT")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reserved_ports: Vec<String>,
    /// Host ports for dynamic mappings; agents on one machine must not share any [default: 61000-65535]
    #[arg(long, value_name = "FIRST-LAST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamic_ports: Option<String>,
    /// How long containers of ended tasks stay, so that their logs can be read: 30m, 10s; 0s removes them at once [default: 3h]
    #[arg(long, value_name = "SPAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cleanup_wait: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    log: LogArgs,
    /// End when this process, our parent, does
    #[arg(long, value_name = "PID", hide = true)]
    #[serde(skip)]
    pub(crate) die_with: Option<i32>,
}

/// Runs an agent until it is told to end. Its tasks go on without it; the next agent on this directory adopts them.
pub(crate) async fn run(args: AgentArgs) -> Result<(), Failure> {
    let (config, log) = load(
        &ROLE,
        Given::here(&args, args.config.clone()),
        |_: &Config| Ok(()),
    )?;
    log.start()?;
    let result = until_told(|told| quorate_agent::run(config, told)).await?;
    result.map_err(|error| Failure::with_code(error.exit_code(), "the agent ends").because(error))
}
