//! Raft and disk: the only room that names openraft and sled. Commands go in and come out committed and applied; how votes,
//! logs and snapshots are kept, and how nodes talk about them, stays inside.

mod convert;
mod engine;
mod guard;
mod log_store;
mod types;

pub use engine::{EngineError, EngineKind, UnknownEngine};
pub use guard::Loss;
pub use log_store::StoreError;
pub use types::NodeId;
