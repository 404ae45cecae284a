//! Real clusters of real processes, and what can be done to them: started, killed, paused, restarted, from outside.
//!
//! Everything here is a black box test tool: it knows the product's command line and its public API, nothing within.
//! Callers are the `quorate-chaos` command line and the integration tests, which drive one and the same [`cluster`].

pub mod cluster;
