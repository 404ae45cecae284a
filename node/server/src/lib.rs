//! A node of the control plane: the imperative shell round `quorate-core`.
//!
//! Imports go one way: `http -> gateway -> operations -> planner -> consensus -> core`, `steward -> planner`,
//! `dispatch -> consensus`. The tests crate enforces it. [`run`] is all that a program needs;
//! [`Rooms`] is the same node without sockets.

pub mod clock;
pub mod config;
pub mod consensus;
pub mod dispatch;
pub mod entropy;
pub mod files;
pub mod gateway;
pub mod http;
pub mod operations;
pub mod planner;
pub mod steward;
pub mod telemetry;

mod listeners;
mod node;
mod rooms;

pub use config::{Config, ConfigError};
pub use listeners::BeginError;
pub use node::{ServerError, run};
pub use rooms::Rooms;
