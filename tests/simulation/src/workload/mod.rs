//! What clients do: operations of ECS with inputs that a seed decides, at nodes that a seed decides, tried again with the same token
//! when the outcome is unknown.
//!
//! Every wish is marked, so that what came of it can be counted: `startedBy` names the wish behind a task, the tag `attempt` the call behind a
//! revision. Clients tell each other nothing; they find what others made by listing it.

mod client;
mod known;
mod look;
mod mix;
mod service_mix;
mod service_wish;
mod wish;

pub use client::client;
pub use look::last_look;
pub use mix::Mix;
pub use service_mix::ServiceMix;
