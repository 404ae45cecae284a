//! Several nodes in one process, speaking to each other over loopback: the promises of [`super::Consensus`], with both log engines.

mod cluster;
mod failover;
mod recovery;
mod serving;
mod shared;
