//! quorate-agent: the process on every container instance. It joins a cluster through any node, runs what it is assigned, and
//! reports what it sees.
//!
//! `plan` decides and is pure; `observe` and `assigned` are what it decides from; `session` talks, `runtime` does, `agent` is the
//! loop around them, and `start` puts it on a real machine. [`run_in`] is the same loop in surroundings of one's own choice.
//! Without a control plane the tasks go on, and the rules of essential containers and stop timeouts hold.
//! Nothing of the control plane's own crates is used here but its words, `quorate-proto`.

mod agent;
mod assigned;
mod clock;
mod config;
mod connect;
mod durable;
mod host;
mod identity;
mod observe;
mod plan;
mod report;
pub mod runtime;
mod session;
mod start;

pub use agent::{Surroundings, run_in};
pub use clock::Clock;
pub use config::{AgentError, Config, PortRange, RuntimeChoice, Span};
pub use connect::{Connect, Wire};
pub use host::Host;
pub use identity::{Identity, IdentityStore};
pub use runtime::choice::{Detected, detect, import_image, remove_image};
pub use runtime::process::shim_main;
pub use session::Addresses;
pub use start::{clean, run};
