//! The public API of a Quorate cluster as a client: signed ECS calls over HTTP, one connection pool, several nodes.
//!
//! Everything that speaks to a cluster from outside (the operator commands, benchmarks, tests, fault injection) goes
//! through [`Client`]. It knows the wire, not the meaning of operations: bodies go in and come out as JSON with the
//! names of the ECS API. Nothing here is shared with the server, so that one cannot hide the other's mistakes.
//!
//! A call that ends in [`ClientError::Timeout`] or [`ClientError::Interrupted`] may have been carried out. Repeat it
//! only if repeating is harmless, as with a `clientToken`; [`Client::call_until`] does so until a deadline. Reads are sent
//! to the next node by themselves when a connection breaks.

mod answer;
mod client;
mod config;
mod error;
mod events;
mod identity;
mod message;
mod pages;
mod sign;
mod wait;

pub use client::Client;
pub use config::{ClientConfig, ConfigError, DEFAULT_TIMEOUT};
pub use error::ClientError;
pub use events::{EventQuery, Events, ToldEvent};
pub use identity::Identity;
pub use wait::{TaskStatus, WaitError};

/// A fresh `clientToken`: 128 random bits, so that a call that carries it can be repeated without running twice.
#[must_use]
pub fn client_token() -> String {
    uuid::Uuid::new_v4().to_string()
}
