//! Single calls: one question, one answer. Either can be lost, late or out of order, and a question can arrive twice.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, response};
use http_body_util::{BodyExt, Full, StreamBody};
use rand::Rng;
use tokio::task::{AbortHandle, JoinHandle};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt;

use super::{Fate, Network, Served};
use crate::world::{Life, Place};

/// The header in which a caller says how long it waits.
const TIMEOUT: &str = "grpc-timeout";

/// A call's name: the last part of its path.
pub(super) fn method(request: &Request<Body>) -> String {
    let path = request.uri().path();
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// How long the caller waits, if it says so.
pub(super) fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// An answer, whole.
struct Whole {
    head: response::Parts,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

impl Whole {
    async fn read(response: Response<Body>) -> Result<Self, Status> {
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        Ok(Self {
            trailers: collected.trailers().cloned(),
            body: collected.to_bytes(),
            head,
        })
    }

    fn into_response(self) -> Response<Body> {
        let data = (!self.body.is_empty()).then(|| http_body::Frame::data(self.body));
        let frames = data
            .into_iter()
            .chain(self.trailers.map(http_body::Frame::trailers))
            .map(Ok::<_, Status>);
        let body = StreamBody::new(futures::stream::iter(frames));
        Response::from_parts(self.head, Body::new(body))
    }
}

/// A caller that goes away resets its call: the one who answers hears of it a moment later, unless the way is cut.
struct Reset {
    network: Network,
    from: Place,
    to: Place,
    answering: AbortHandle,
    is_done: bool,
}

impl Drop for Reset {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.is_done {
            return;
        }
        let (network, from, to) = (self.network.clone(), self.from, self.to);
        let answering = self.answering.clone();
        runtime.spawn(async move {
            if network.travel(from, to).await == Fate::Arrived {
                answering.abort();
            }
        });
    }
}

impl Network {
    /// Carries one question and its answer.
    pub(super) async fn ask(
        &self,
        from: &Life,
        address: &str,
        method: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let (here, there) = (from.place, Self::place(address)?);
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let question = || {
            let mut request = Request::new(Body::new(Full::new(body.clone())));
            *request.method_mut() = head.method.clone();
            *request.uri_mut() = head.uri.clone();
            *request.headers_mut() = head.headers.clone();
            request
        };
        if self.travel(here, there).await == Fate::Lost {
            self.trace
                .note(format_args!("{from}>{there} {method} lost"));
            return self.given_up(here, there).await;
        }
        let Some(server) = self.server(address) else {
            return match self.travel(there, here).await {
                Fate::Arrived => Err(Status::unavailable("connection refused")),
                Fate::Lost => self.given_up(here, there).await,
            };
        };
        self.trace.note(format_args!(
            "{from}>{} {method} {}",
            server.life,
            body.len()
        ));
        if self.draw(|rng, weather| rng.random_range(0..1000) < weather.twice_permille) {
            self.again(from, &server, question());
        }
        let mut answering = answer(&server, question());
        let mut reset = Reset {
            network: self.clone(),
            from: here,
            to: there,
            answering: answering.abort_handle(),
            is_done: false,
        };
        let answered = (&mut answering).await;
        reset.is_done = true;
        if self.travel(there, here).await == Fate::Lost {
            self.trace
                .note(format_args!("{}>{from} {method} answer lost", server.life));
            return self.given_up(there, here).await;
        }
        match answered {
            Ok(Some(whole)) => {
                let whole = whole?;
                self.trace.note(format_args!(
                    "{}>{from} {method} {}",
                    server.life,
                    whole.body.len()
                ));
                Ok(whole.into_response())
            }
            _ => Err(Status::unavailable("connection reset")),
        }
    }

    /// The same question arrives once more, some time later; nobody waits for the second answer.
    fn again(&self, from: &Life, server: &Served, question: Request<Body>) {
        let (network, server, from) = (self.clone(), server.clone(), from.place);
        tokio::spawn(async move {
            if network.travel(from, server.life.place).await == Fate::Arrived {
                network
                    .trace
                    .note(format_args!("{from}>{} again", server.life));
                let _ = answer(&server, question).await;
            }
        });
    }
}

/// Has a question answered for as long as the one who answers lives.
fn answer(server: &Served, question: Request<Body>) -> JoinHandle<Option<Result<Whole, Status>>> {
    let server = server.clone();
    tokio::spawn(async move {
        let answered = async {
            let Ok(response) = server.routes.oneshot(question).await;
            Whole::read(response).await
        };
        tokio::select! {
            biased;
            () = server.life.over() => None,
            whole = answered => Some(whole),
        }
    })
}
