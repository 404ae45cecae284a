//! quorate-agent: the process on every container instance. It joins a cluster through any node, runs what it is assigned, and
//! reports what it sees.
//!
//! `plan` decides and is pure; `observe` and `assigned` are what it decides from; `session` talks, `runtime` does, `agent` is the
//! loop around them. Without a control plane the tasks go on, and the rules of essential containers and stop timeouts hold.
//! Nothing of the control plane's own crates is used here but its words, `quorate-proto`.

mod agent;
mod assigned;
mod clock;
mod config;
mod durable;
mod host;
mod identity;
mod observe;
mod plan;
mod report;
mod runtime;
mod session;

pub use agent::{clean, run};
pub use config::{AgentError, Config, PortRange, RuntimeChoice, Span};
pub use runtime::process::shim_main;
pub use runtime::{Detected, RuntimeError, detect, import_image, remove_image};
