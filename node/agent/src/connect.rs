//! Connections to nodes: the one place where this crate builds a channel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// A live node on a working network accepts a connection well within this.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(1);
/// With the two of these a node that vanished without a word is noticed in less than two seconds.
const PING_EVERY: Duration = Duration::from_millis(500);
const PING_WAIT: Duration = Duration::from_millis(1250);

/// What carries a conversation with one node.
pub type Wire = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

type Opened = BoxFuture<'static, Result<Wire, Status>>;

/// How to reach a node's peer address. Real agents use [`Connect::tcp`]; a simulation brings its own network.
#[derive(Clone)]
pub struct Connect(Arc<dyn Fn(&str) -> Opened + Send + Sync>);

impl fmt::Debug for Connect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Connect")
    }
}

impl Connect {
    /// By TCP.
    #[must_use]
    pub fn tcp() -> Self {
        Self::new(|address| tcp(address.to_owned()))
    }

    /// By anything that opens a wire to an address. An agent waits a second for it, and then drops the future.
    pub fn new<F>(connect: impl Fn(&str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Wire, Status>> + Send + 'static,
    {
        Self(Arc::new(move |address| connect(address).boxed()))
    }

    pub(crate) async fn open(&self, address: &str) -> Result<Wire, Status> {
        (self.0)(address).await
    }
}

async fn tcp(address: String) -> Result<Wire, Status> {
    let status = |error: tonic::transport::Error| Status::from_error(error.into());
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(status)?;
    let channel = endpoint
        .connect_timeout(CONNECT_WAIT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT)
        .keep_alive_while_idle(true)
        .connect()
        .await
        .map_err(status)?;
    Ok(BoxCloneSyncService::new(channel.map_err(status)))
}
