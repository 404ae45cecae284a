//! The edge of the API: bytes in, a checked [`Call`] out, and whatever comes back as the caller's protocol wants it.
//!
//! `connection` owns sockets and their limits, `front` one request's way, `body` its bytes, `sigv4` who it is from, `protocol` the two
//! formats, `events` the stream of what happens, and `health` the listener that people and machines look at. The only module that names
//! axum and hyper.

mod body;
mod connection;
mod events;
mod front;
pub mod health;
mod outgoing;
mod protocol;
mod sigv4;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connection::{Patience, Service};
use self::events::Events;
pub use self::events::Watcher;
use self::front::{CALL_TIME, Front};
use crate::config::AccessKey;
use crate::gateway::{Answer, Call};

/// Who answers calls; in a node that is the gateway.
pub type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;

/// What the API listener is told at its start.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The region that signatures must name.
    pub region: String,
    /// The account that every key belongs to.
    pub account: String,
    /// Who may call.
    pub access_keys: Vec<AccessKey>,
}

/// Who stands behind the API listener.
pub struct Doors {
    /// Answers calls.
    pub call: Handler,
    /// Tells what happens.
    pub watch: Watcher,
}

/// Serves the API on `listener` until `stop` is cancelled, then finishes the calls under way and returns. Dropping the
/// future ends every connection at once.
pub async fn serve(
    listener: TcpListener,
    config: HttpConfig,
    doors: Doors,
    stop: CancellationToken,
) {
    let events = Events::new(doors.watch, stop.clone());
    let front = Front::new(config, doors.call, events, CALL_TIME);
    connection::accept(listener, service(front, Patience::default()), stop).await;
}

fn service(front: Front, patience: Patience) -> Service {
    let front = Arc::new(front);
    let responder = Arc::new(move |request| {
        let front = Arc::clone(&front);
        async move { front.answer(request).await }.boxed()
    });
    Service {
        name: "api",
        responder,
        patience,
    }
}
