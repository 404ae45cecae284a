//! `quorate server`: one node of the control plane.

use std::path::PathBuf;

use clap::Args;
use quorate_server::Config;
use serde::Serialize;

use crate::failure::Failure;
use crate::logging::LogArgs;
use crate::settings::{Given, Key, Role, Shape, load};
use crate::signals::until_told;

const ROLE: Role = Role {
    prefix: "QUORATE_SERVER_",
    keys: &[
        Key::new("node-id", Shape::Number),
        Key::new("access-key", Shape::Texts),
        Key::new("moves-per-minute", Shape::Number),
        Key::new("snapshot-every", Shape::Number),
    ],
};

/// Every flag is also a key of the file, and a variable: --node-id, `node-id = 1`, QUORATE_SERVER_NODE_ID. Flags win
/// over variables, and these over the file.
#[derive(Args, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ServerArgs {
    /// TOML file with any of these settings [env: QUORATE_SERVER_CONFIG]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Id of this node, one of --nodes, never to be given to another disk [default: 1]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<String>,
    /// Directory of log, snapshots and guard file [default: /var/lib/quorate/server]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<String>,
    /// Listener of the API (ECS, STS) [default: 127.0.0.1:6570]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<String>,
    /// Listener for nodes and agents [default: 127.0.0.1:6571]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    /// Listener of /metrics, /livez and /readyz [default: 127.0.0.1:6572]
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<String>,
    /// Every node of the initial cluster: ID=PEER-ADDR/API-ADDR,... [default: this node alone]
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<String>,
    /// Name of this control plane; nodes of another name are refused [default: quorate]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_name: Option<String>,
    /// Region in ARNs and signatures [default: us-east-1]
    #[arg(long, value_name = "REGION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Account in ARNs, twelve digits [default: 000000000000]
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// Key pair that may call, ID:SECRET (repeatable; better in the file or a variable, where `ps` does not show it)
    #[arg(long, value_name = "PAIR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    access_key: Vec<String>,
    /// Silence after which an instance's tasks are given up [default: 60s]
    #[arg(long, value_name = "SPAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_after: Option<String>,
    /// Tasks that rebalancing begins to move within a minute, over all services; 0: none [default: 10]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    moves_per_minute: Option<String>,
    /// How often the leader speaks to followers [default: 100ms]
    #[arg(long, value_name = "SPAN")]
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<String>,
    /// Silence after which a follower stands for election, at random within the range [default: 600ms..1200ms]
    #[arg(long, value_name = "MIN..MAX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    election: Option<String>,
    /// How the log is kept: sled or segments [default: sled]
    #[arg(long, value_name = "ENGINE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_engine: Option<String>,
    /// Log entries between two snapshots [default: 50000]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_every: Option<String>,
    #[command(flatten)]
    #[serde(flatten)]
    log: LogArgs,
    /// End when this process, our parent, does
    #[arg(long, value_name = "PID", hide = true)]
    #[serde(skip)]
    pub(crate) die_with: Option<i32>,
}

/// Runs a node until it is told to end.
pub(crate) async fn run(args: ServerArgs) -> Result<(), Failure> {
    let given = Given::here(&args, args.config.clone());
    let (config, log) = load(&ROLE, given, |config: &Config| {
        config.check().map_err(|wrong| (wrong.key, wrong.why))
    })?;
    log.start()?;
    let result = until_told(|told| quorate_server::run(config, told)).await?;
    result.map_err(|error| Failure::with_code(error.exit_code(), "the node ends").because(error))
}
