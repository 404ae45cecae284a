//! Connections between nodes, all built in one function: the place where mutual TLS will come in.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt as _, service_fn};

/// A node that does not take a connection within this is not there; the next try is for the caller to make.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// A silent connection is probed this often, and given up after as long again: a host that lost power says no goodbye.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// As much as one stream may have on its way: the append window of 8 MiB must fit.
const STREAM_WINDOW: u32 = 16 << 20;

/// What carries the calls to one peer address. Whatever it is, it connects when first used and again after a loss, and ends a call whose
/// `grpc-timeout` has passed.
pub type Wire = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// How to reach a peer address. Real nodes use [`Connect::tcp`]; a simulation brings its own network.
#[derive(Clone)]
pub struct Connect(Arc<dyn Fn(&str) -> Wire + Send + Sync>);

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connect")
    }
}

impl Connect {
    /// By TCP; connects when first used, and again after a loss.
    #[must_use]
    pub fn tcp() -> Self {
        Self::new(tcp)
    }

    /// By anything that makes a wire of a peer address.
    pub fn new(connect: impl Fn(&str) -> Wire + Send + Sync + 'static) -> Self {
        Self(Arc::new(connect))
    }
}

fn tcp(peer_address: &str) -> Wire {
    let channel = match Endpoint::from_shared(format!("http://{peer_address}")) {
        Ok(endpoint) => endpoint
            .connect_timeout(CONNECT_PATIENCE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PROBE_EVERY)
            .keep_alive_timeout(PROBE_EVERY)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(2 * STREAM_WINDOW)
            .connect_lazy(),
        Err(error) => return unusable(format!("{peer_address:?} is no address: {error}")),
    };
    BoxCloneSyncService::new(channel.map_err(|error| Status::from_error(error.into())))
}

/// A wire on which every call fails with the reason: a wrong address is found out where it is used, as a dead one is.
fn unusable(why: String) -> Wire {
    let refuse = move |_| ready(Err(Status::unavailable(why.clone())));
    BoxCloneSyncService::new(service_fn(refuse))
}

/// What a connection is for. Each kind has its own, so that bulk never delays what elections depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Lane {
    /// Votes, heartbeats and read barriers.
    Urgent,
    /// The log.
    Log,
    /// Snapshots.
    Snapshot,
    /// Forwarded proposals, and all that other rooms say.
    Calls,
}

/// The connections of this node, made once for each peer and lane.
pub(in super::super) struct Channels {
    connect: Connect,
    open: Mutex<BTreeMap<(String, Lane), Wire>>,
}

impl Channels {
    /// No connections yet.
    pub(in super::super) fn new(connect: Connect) -> Self {
        Self {
            connect,
            open: Mutex::default(),
        }
    }

    /// The connection to `peer_address` for `lane`. Call it in the runtime that is to carry the connection.
    pub(in super::super) fn to(&self, peer_address: &str, lane: Lane) -> Wire {
        let mut open = self.open.lock();
        open.entry((peer_address.to_owned(), lane))
            .or_insert_with(|| (self.connect.0)(peer_address))
            .clone()
    }
}
