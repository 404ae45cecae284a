//! One file per noun of the command line. Each parses its words, calls the cluster, and prints what came.

pub(crate) mod agent;
pub(crate) mod cluster;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod instance;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod task;
pub(crate) mod why;

use clap::Args;

use crate::access::Access;
use crate::render::Format;

/// The flags of every command that asks the cluster something.
#[derive(Args, Clone, Debug)]
pub(crate) struct Asking {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Form of the output
    #[arg(long, short, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
}
