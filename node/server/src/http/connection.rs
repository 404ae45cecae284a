//! Connections: how many, how slow, how long. What is said on them is the responder's affair.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use metrics::{Gauge, counter, gauge};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::outgoing::Outgoing;

/// Answers one request; never fails, for a failure is an answer too.
pub(super) type Responder =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Outgoing>> + Send + Sync>;

/// Open connections of all callers. Each costs a few kilobytes while idle; a call's memory has its own limit.
const CONNECTIONS: usize = 4096;
/// Of one address, so that one host cannot take all of them. Loopback is exempt: there the host is our own.
const CONNECTIONS_PER_ADDRESS: usize = 100;
/// What hyper holds of a head. Larger than our own limit, so that a head a little too large gets a well-formed answer.
const HEAD_BUFFER: usize = 64 * 1024;
/// Calls at once on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// Accepting fails when we are out of file descriptors, and would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a closing server waits for calls under way; a call's own deadline is shorter in all but the worst case.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How long a client may take over what only it can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the first byte of a request to the end of its head; also from the connection's start to its first request.
    pub(super) head: Duration,
    /// Between two requests. Longer than the SDKs keep a connection that they do not use, so that they close it first.
    pub(super) idle: Duration,
    /// How often a connection looks at the two times above: a slow client is gone that much late at most.
    pub(super) look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            look: Duration::from_secs(2),
        }
    }
}

/// One of the listeners, and who answers on it.
#[derive(Clone)]
pub(super) struct Service {
    /// Tells the listeners apart in metrics.
    pub(super) name: &'static str,
    pub(super) responder: Responder,
    pub(super) patience: Patience,
}

/// Accepts until `stop`, then waits for open connections to finish.
pub(super) async fn accept(listener: TcpListener, service: Service, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let census = Arc::new(Census::new(service.name));
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match Census::admit(&census, peer.ip().to_canonical()) {
                    Ok(place) => drop(connections.spawn(serve(stream, service.clone(), stop.clone(), place))),
                    Err(reason) => {
                        counter!("quorate_connections_refused_total", "listener" => service.name, "reason" => reason).increment(1);
                        debug!(%peer, reason, "connection refused");
                    }
                },
                Err(error) => {
                    warn!(%error, "cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let drained = timeout(DRAIN_TIME, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    if drained.is_err() {
        warn!(
            connections = connections.len(),
            "closing connections with calls still under way"
        );
    }
}

/// One connection from its first byte to its last.
async fn serve(stream: TcpStream, service: Service, stop: CancellationToken, _place: Place) {
    // Answers are small and complete: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without nodelay");
    }
    let pulse = Arc::new(Pulse::default());
    let respond = service_fn(|request: Request<Incoming>| {
        let busy = Busy::begin(&pulse, request.version());
        let response = (service.responder)(request);
        async move {
            let mut response = response.await;
            response.body_mut().hold(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder();
    let io = TokioIo::new(Felt {
        stream,
        pulse: Arc::clone(&pulse),
    });
    let mut connection = pin!(builder.serve_connection(io, respond));
    let mut is_closing = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "connection ended");
                }
                return;
            }
            () = stop.cancelled(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep(service.patience.look) => match pulse.verdict(service.patience) {
                Verdict::Fine => {}
                Verdict::Idle if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Idle | Verdict::Stuck => {
                    debug!("connection closed: its client is too slow");
                    return;
                }
            },
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The times are ours (`Pulse`): hyper knows only one for the head of a request and the pause before it.
    builder
        .http1()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BUFFER);
    let head_buffer = u32::try_from(HEAD_BUFFER).expect("64 KiB fits");
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(head_buffer);
    builder
}

/// Who is connected.
struct Census {
    addresses: Mutex<Addresses>,
    open: Gauge,
}

#[derive(Default)]
struct Addresses {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Census {
    fn new(name: &'static str) -> Self {
        Self {
            addresses: Mutex::default(),
            open: gauge!("quorate_connections", "listener" => name),
        }
    }

    fn admit(census: &Arc<Self>, address: IpAddr) -> Result<Place, &'static str> {
        let mut addresses = census.addresses.lock();
        if addresses.total >= CONNECTIONS {
            return Err("total");
        }
        let of_address = addresses.by_address.entry(address).or_default();
        if *of_address >= CONNECTIONS_PER_ADDRESS && !address.is_loopback() {
            return Err("address");
        }
        *of_address += 1;
        addresses.total += 1;
        census.open.set(addresses.total as f64);
        Ok(Place {
            census: Arc::clone(census),
            address,
        })
    }
}

/// A connection's place in the census, given back when it ends.
struct Place {
    census: Arc<Census>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut addresses = self.census.addresses.lock();
        addresses.total -= 1;
        self.census.open.set(addresses.total as f64);
        if let Some(of_address) = addresses.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                addresses.by_address.remove(&self.address);
            }
        }
    }
}

/// What a connection is doing, so that a slow or forgotten one can be told from a working one.
struct Pulse {
    phase: Mutex<Phase>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// No request yet, since the connection began or since the first byte of the next request's head.
    Head { since: Instant },
    /// Calls under way; their own deadlines bound them. `is_multiplexed` if a byte need not begin a head (HTTP/2).
    Busy { calls: usize, is_multiplexed: bool },
    /// Nothing under way.
    Idle {
        since: Instant,
        is_multiplexed: bool,
    },
}

enum Verdict {
    Fine,
    /// May be closed in good order.
    Idle,
    /// Sends a head so slowly that it is not waited for.
    Stuck,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            phase: Mutex::new(Phase::Head {
                since: Instant::now(),
            }),
        }
    }
}

impl Pulse {
    fn received(&self) {
        let mut phase = self.phase.lock();
        if let Phase::Idle {
            is_multiplexed: false,
            ..
        } = *phase
        {
            *phase = Phase::Head {
                since: Instant::now(),
            };
        }
    }

    fn verdict(&self, patience: Patience) -> Verdict {
        match *self.phase.lock() {
            Phase::Head { since } if since.elapsed() > patience.head => Verdict::Stuck,
            Phase::Idle { since, .. } if since.elapsed() > patience.idle => Verdict::Idle,
            Phase::Head { .. } | Phase::Busy { .. } | Phase::Idle { .. } => Verdict::Fine,
        }
    }
}

/// A call under way.
pub(super) struct Busy(Arc<Pulse>);

impl Busy {
    fn begin(pulse: &Arc<Pulse>, version: Version) -> Self {
        let mut phase = pulse.phase.lock();
        let calls = if let Phase::Busy { calls, .. } = *phase {
            calls + 1
        } else {
            1
        };
        *phase = Phase::Busy {
            calls,
            is_multiplexed: version == Version::HTTP_2,
        };
        Self(Arc::clone(pulse))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut phase = self.0.phase.lock();
        if let Phase::Busy {
            calls,
            is_multiplexed,
        } = *phase
        {
            *phase = match calls {
                1 => Phase::Idle {
                    since: Instant::now(),
                    is_multiplexed,
                },
                calls => Phase::Busy {
                    calls: calls - 1,
                    is_multiplexed,
                },
            };
        }
    }
}

/// A stream that tells the pulse when bytes arrive.
struct Felt {
    stream: TcpStream,
    pulse: Arc<Pulse>,
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.received();
        }
        polled
    }
}

impl AsyncWrite for Felt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
