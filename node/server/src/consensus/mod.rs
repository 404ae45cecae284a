//! Raft and disk: the only room that names openraft and sled. Commands go in and come out committed and applied; how votes,
//! logs and snapshots are kept, and how nodes talk about them, stays inside.
//!
//! [`start`] takes up this node's part; [`Consensus`] is the handle on it.

mod admission;
mod barrier;
mod config;
mod convert;
mod decisions;
mod disk;
mod engine;
mod events;
mod guard;
mod heard;
mod join;
mod leadership;
mod log_store;
mod machine;
mod membership;
mod node;
mod proposals;
mod pulse;
mod snapshot;
mod start;
mod status;
mod submit;
#[cfg(test)]
mod tests;
mod time;
mod types;
mod wire;
mod witness;

pub use barrier::BarrierError;
pub use config::{ConsensusConfig, Threads};
pub(crate) use decisions::Decisions;
pub use engine::{EngineError, EngineKind, UnknownEngine};
pub(crate) use events::{Events, Gap, Told};
pub use guard::Loss;
pub use leadership::{Leadership, StopReason};
pub use log_store::StoreError;
pub use machine::ChangeSet;
pub use membership::Member;
pub use node::Consensus;
pub use proposals::{ProposeError, Proposed};
pub use start::{StartError, start};
pub use status::Status;
pub use wire::{Connect, RaftService, Wire};
