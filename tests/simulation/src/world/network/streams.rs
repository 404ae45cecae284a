//! Long conversations: frames keep their order in each direction. A cut holds them up; one that lasts breaks the conversation, and so
//! does the end of either side.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt;

use super::{Network, SENT_AGAIN};
use crate::world::Life;

/// The calls that are conversations.
const STREAMS: [&str; 3] = ["Append", "Snapshot", "Session"];
/// Frames on their way at once in one direction; beyond it the sender waits, as for HTTP/2's window.
const WINDOW_FRAMES: usize = 256;

type Word = Result<Frame<Bytes>, Status>;

/// Whether a call is a conversation.
pub(super) fn is_stream(method: &str) -> bool {
    STREAMS.contains(&method)
}

/// One end of a conversation's direction, as the one who listens holds it.
struct Ear {
    words: mpsc::UnboundedReceiver<Word>,
    /// Ends the conversation when its caller stops to listen.
    _hold: Option<DropGuard>,
}

impl http_body::Body for Ear {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Word>> {
        self.words.poll_recv(context)
    }
}

/// One direction of a conversation.
struct Way {
    network: Network,
    method: String,
    from: Life,
    to: Life,
    /// The conversation broke on the way.
    broken: CancellationToken,
    /// The one who called has gone away.
    left: CancellationToken,
}

impl Network {
    /// Carries a conversation: gives its answer's head as soon as there is one, and goes on in the background.
    pub(super) async fn converse(
        &self,
        from: &Life,
        address: &str,
        method: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let (here, there) = (from.place, Self::place(address)?);
        sleep(self.delay(here, there)).await;
        if !self.is_open(here, there) || !self.is_open(there, here) {
            return self.given_up(here, there).await;
        }
        let Some(server) = self.server(address) else {
            sleep(self.delay(there, here)).await;
            return Err(Status::unavailable("connection refused"));
        };
        self.trace
            .note(format_args!("{from}>{} {method} opens", server.life));
        let (broken, left) = (CancellationToken::new(), CancellationToken::new());
        let over = CancellationToken::new();
        let done = over.clone().drop_guard();
        let way = |from: &Life, to: &Life| Way {
            network: self.clone(),
            method: method.to_owned(),
            from: from.clone(),
            to: to.clone(),
            broken: broken.clone(),
            left: left.clone(),
        };
        let hold = left.clone().drop_guard();
        tokio::spawn(
            self.clone()
                .probe(from.clone(), server.life.clone(), broken.clone(), over),
        );
        let (parts, body) = request.into_parts();
        let (say, words) = mpsc::unbounded_channel();
        tokio::spawn(way(from, &server.life).carry(body, say, None));
        let request = Request::from_parts(parts, Body::new(Ear { words, _hold: None }));
        let answered = tokio::select! {
            biased;
            () = server.life.over() => Err(Status::unavailable("connection reset")),
            () = broken.cancelled() => Err(Status::unavailable("the connection went silent")),
            answered = server.routes.oneshot(request) => Ok(answered),
        };
        sleep(self.delay(there, here)).await;
        let Ok(response) = answered?;
        let (parts, body) = response.into_parts();
        let (say, words) = mpsc::unbounded_channel();
        tokio::spawn(way(&server.life, from).carry(body, say, Some(done)));
        let ear = Ear {
            words,
            _hold: Some(hold),
        };
        Ok(Response::from_parts(parts, Body::new(ear)))
    }

    /// Breaks a conversation when the way has been cut in either direction for so long that a probe stays unanswered.
    async fn probe(
        self,
        one: Life,
        other: Life,
        broken: CancellationToken,
        over: CancellationToken,
    ) {
        let mut changed = self.changed.subscribe();
        let watching = async {
            loop {
                let is_open =
                    self.is_open(one.place, other.place) && self.is_open(other.place, one.place);
                if is_open {
                    let _ = changed.changed().await;
                    continue;
                }
                let mended = async {
                    self.opened(one.place, other.place).await;
                    self.opened(other.place, one.place).await;
                };
                let silence = self.silence(one.place, other.place);
                if tokio::time::timeout(silence, mended).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            biased;
            () = over.cancelled() => {}
            () = one.over() => {}
            () = other.over() => {}
            () = watching => broken.cancel(),
        }
    }
}

impl Way {
    /// Carries frames from `source` until it ends or the conversation does. `_over` says so to whoever watches the conversation.
    async fn carry(
        self,
        mut source: Body,
        say: mpsc::UnboundedSender<Word>,
        _over: Option<DropGuard>,
    ) {
        let mut queue: VecDeque<(Instant, Option<Word>)> = VecDeque::new();
        let mut last = Instant::now();
        let mut is_open = true;
        loop {
            let due = queue.front().map(|(at, _)| *at);
            tokio::select! {
                biased;
                () = self.to.over() => return,
                () = self.from.over() => return self.reset(&say).await,
                () = self.broken.cancelled() => {
                    let _ = say.send(Err(Status::unavailable("the connection went silent")));
                    return;
                }
                () = self.left.cancelled() => return self.reset(&say).await,
                () = arrival(due), if due.is_some() => {
                    self.pass().await;
                    let Some((_, Some(word))) = queue.pop_front() else { return };
                    self.note(&word);
                    if say.send(word).is_err() {
                        return;
                    }
                }
                frame = source.frame(), if is_open && queue.len() < WINDOW_FRAMES => {
                    is_open = matches!(frame, Some(Ok(_)));
                    last = last.max(Instant::now() + self.delay());
                    queue.push_back((last, frame));
                }
            }
        }
    }

    fn delay(&self) -> Duration {
        self.network.delay(self.from.place, self.to.place)
    }

    /// Waits until the way is open; what was kept back arrives some time after that.
    async fn pass(&self) {
        let (from, to) = (self.from.place, self.to.place);
        if self.network.is_open(from, to) {
            return;
        }
        let opened = async {
            self.network.opened(from, to).await;
            let again = self
                .network
                .draw(|rng, _| rng.random_range(Duration::ZERO..=SENT_AGAIN));
            sleep(again).await;
        };
        tokio::select! {
            biased;
            () = self.broken.cancelled() => {}
            () = self.to.over() => {}
            () = opened => {}
        }
    }

    /// The other side hears that this side is gone, if it can hear anything.
    async fn reset(&self, say: &mpsc::UnboundedSender<Word>) {
        sleep(self.delay()).await;
        if !self.network.is_open(self.from.place, self.to.place) {
            let silence = self.network.silence(self.from.place, self.to.place);
            sleep(silence).await;
        }
        let _ = say.send(Err(Status::unavailable("connection reset")));
    }

    fn note(&self, word: &Word) {
        let Self {
            from,
            to,
            method,
            network,
            ..
        } = self;
        match word {
            Ok(frame) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                network
                    .trace
                    .note(format_args!("{from}>{to} {method} {bytes}"));
            }
            Err(status) => network
                .trace
                .note(format_args!("{from}>{to} {method} {}", status.message())),
        }
    }
}

async fn arrival(due: Option<Instant>) {
    match due {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
