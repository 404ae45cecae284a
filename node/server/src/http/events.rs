//! `GET /events`: what happens in the cluster, as server-sent events. Each carries the point behind it, with which a reader goes on at any
//! node; a comment every now and then carries it too, so that a reader who hears little does not fall behind what is kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use percent_encoding::percent_decode_str;
use quorate_core::events::{Kind, Point};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::front::busy;
use super::outgoing::{Outgoing, Telling};
use super::sigv4::{canonical_path, single};
use crate::gateway::{From, Seen, WatchAsk};
use crate::operations::exception::Exception;

/// Who begins to tell; in a node that is the gateway.
pub type Watcher = Arc<
    dyn Fn(WatchAsk) -> BoxFuture<'static, Result<BoxStream<'static, Seen>, Exception>>
        + Send
        + Sync,
>;

const PATH: &str = "/events";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Readers at once: each costs a task and a connection, and the rendering of what it is told.
const READERS: usize = 256;
/// Events between a reader's task and its connection. What waits beyond them costs nothing.
const FRAMES: usize = 16;
/// A reader who takes nothing for so long is gone.
const READER_PATIENCE: Duration = Duration::from_secs(30);

/// Whether the request is for the stream.
pub(super) fn is_asked(parts: &Parts) -> bool {
    parts.method == Method::GET && canonical_path(parts.uri.path()) == PATH
}

/// Tells readers.
pub(super) struct Events {
    watcher: Watcher,
    readers: Arc<Semaphore>,
    /// Streams have no end of their own: they end with the listener.
    stop: CancellationToken,
}

impl Events {
    pub(super) fn new(watcher: Watcher, stop: CancellationToken) -> Self {
        Self {
            watcher,
            readers: Arc::new(Semaphore::new(READERS)),
            stop,
        }
    }

    /// The stream that a request, whose signature was checked, asks for.
    pub(super) async fn tell(
        &self,
        parts: &Parts,
        deadline: Instant,
    ) -> Result<Response<Outgoing>, Exception> {
        let ask = read(parts, deadline)?;
        let room = Arc::clone(&self.readers)
            .try_acquire_owned()
            .map_err(busy)?;
        let seen = (self.watcher)(ask).await?;
        let (tell, frames) = mpsc::channel(FRAMES);
        let (keep, kept) = oneshot::channel();
        let (stop, left) = (self.stop.clone(), tell.clone());
        let telling = async move {
            // What keeps the connection busy is dropped with the rest.
            let _held: (OwnedSemaphorePermit, oneshot::Receiver<_>) = (room, kept);
            tokio::select! {
                () = stop.cancelled() => {}
                () = left.closed() => {}
                () = tell_all(seen, tell) => {}
            }
        };
        let task = AbortOnDropHandle::new(tokio::spawn(telling));
        let mut response = Response::new(Outgoing::Stream(Telling {
            frames,
            keep: Some(keep),
            _task: task,
        }));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// Tells until there is no more, or nobody takes it.
pub(super) async fn tell_all(mut seen: BoxStream<'static, Seen>, tell: mpsc::Sender<Bytes>) {
    while let Some(seen) = seen.next().await {
        let frame = match seen {
            Seen::At(point) => quiet(point),
            Seen::Event { point, kind, body } => event(point, kind, &body),
            Seen::Gap(gap) => gap_told(&gap),
            Seen::End(point) => end(point),
        };
        if !matches!(timeout(READER_PATIENCE, tell.send(frame)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// A comment, and the point: readers take note of it without being told an event.
fn quiet(point: Point) -> Bytes {
    format!(": quorate\nid: {point}\n\n").into()
}

fn event(point: Point, kind: Kind, body: &[u8]) -> Bytes {
    let head = format!("id: {point}\nevent: {}\ndata: ", kind.as_str());
    [head.as_bytes(), body, b"\n\n"].concat().into()
}

fn gap_told(gap: &Exception) -> Bytes {
    let body = gap.render();
    [b"event: gap\ndata: ", &body[..], b"\n\n"].concat().into()
}

/// Without it, a reader who wanted no more than what was there could not tell the end from a node that ends.
fn end(point: Point) -> Bytes {
    format!("id: {point}\nevent: end\ndata: {{}}\n\n").into()
}

/// What the query and the header ask for.
fn read(parts: &Parts, deadline: Instant) -> Result<WatchAsk, Exception> {
    let mut ask = WatchAsk {
        from: From::Now,
        cluster: None,
        kind: None,
        follows: true,
        deadline,
    };
    if let Some(id) = single(&parts.headers, &LAST_EVENT_ID)?.filter(|id| !id.is_empty()) {
        ask.from = From::Point(point(id)?);
    }
    let query = parts.uri.query().unwrap_or_default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| Exception::invalid_parameter(format!("{name} is not text.")))?;
        match (name, value.as_ref()) {
            // The header is newer: browsers and the like repeat the first request with it.
            ("after", _) if ask.from != From::Now => {}
            ("after", "kept") => ask.from = From::Kept,
            ("after", text) => ask.from = From::Point(point(text)?),
            ("cluster", text) => ask.cluster = Some(text.to_owned()),
            ("type", text) => ask.kind = Some(kind(text)?),
            ("follow", "true") => ask.follows = true,
            ("follow", "false") => ask.follows = false,
            (name, _) => {
                return Err(Exception::invalid_parameter(format!(
                    "{name}={value} is none of after=INDEX.PLACE, after=kept, cluster=, type=, follow=true, follow=false."
                )));
            }
        }
    }
    Ok(ask)
}

fn point(text: &str) -> Result<Point, Exception> {
    let point = text.parse();
    point.map_err(|error| Exception::invalid_parameter(format!("{text}: {error}.")))
}

fn kind(text: &str) -> Result<Kind, Exception> {
    Kind::parse(text).ok_or_else(|| {
        Exception::invalid_parameter(format!(
            "{text} is none of the types task, instance, service and deployment."
        ))
    })
}
