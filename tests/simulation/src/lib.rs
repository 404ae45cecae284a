//! The whole control plane in one thread with time stopped: real nodes and agents in a world of networks, disks, clocks and containers
//! that a seed decides. The same seed is the same run, byte by byte.
//!
//! `world` is what nodes and agents stand on, `plan` what a seed decides, `workload` what clients do, `history` what they saw,
//! `promises` what must hold at every moment, `run` the run itself.

pub mod api;
pub mod command;
pub mod entropy;
pub mod history;
pub mod moment;
pub mod plan;
pub mod promises;
pub mod run;
pub mod trace;
pub mod workload;
pub mod world;
