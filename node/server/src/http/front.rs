//! One request's way from its head to its answer: limits, body, signature, protocol, handler. Whatever goes wrong on it
//! leaves as a well-formed exception of the caller's protocol.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use metrics::{counter, histogram};
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, debug, error, info, info_span};

use super::body::Bodies;
use super::events::{self, Events};
use super::outgoing::Outgoing;
use super::protocol::{Dialect, Refusal, put_request_id};
use super::sigv4::{Head, Verifier, canonical_path};
use super::{Handler, HttpConfig};
use crate::gateway::{Answer, Call};
use crate::operations::exception::{Exception, Kind};
use crate::{clock, entropy};

/// Names and values of all headers; a signed call has about 1 KiB.
pub(super) const HEADERS: usize = 16 * 1024;
/// Calls at once. Far above what the log can take in a call's time; the rest is told to come back.
const CALLS: usize = 4096;
/// From a request's head to its answer.
pub(super) const CALL_TIME: Duration = Duration::from_secs(30);
/// What a handler may take beyond the deadline that it was told, before it is given up.
const GRACE: Duration = Duration::from_secs(1);

/// Answers requests.
pub(super) struct Front {
    verifier: Verifier,
    handler: Handler,
    events: Events,
    call_time: Duration,
    calls: Semaphore,
    bodies: Bodies,
}

/// What is known of a request by the time that it is answered.
struct Seen {
    dialect: Dialect,
    /// A name of the table of operations; fit for a label.
    operation: Option<&'static str>,
}

impl Front {
    pub(super) fn new(
        config: HttpConfig,
        handler: Handler,
        events: Events,
        call_time: Duration,
    ) -> Self {
        let verifier = Verifier::new(config.region, &config.account, &config.access_keys);
        Self {
            verifier,
            handler,
            events,
            call_time,
            calls: Semaphore::new(CALLS),
            bodies: Bodies::default(),
        }
    }

    /// Answers one request, whatever it is.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Outgoing> {
        let started = Instant::now();
        let request_id = request_id();
        let (parts, body) = request.into_parts();
        let mut seen = Seen {
            dialect: Dialect::guess(&parts.headers),
            operation: None,
        };
        if events::is_asked(&parts) {
            return self.tell(&parts, body, &request_id, started).await;
        }
        let answer = match self
            .call(&parts, body, &request_id, started, &mut seen)
            .await
        {
            Ok(answer) => answer,
            Err(refusal) => refusal.into(),
        };
        record(
            seen.operation.unwrap_or("none"),
            &answer,
            &request_id,
            started,
        );
        seen.dialect
            .render(seen.operation, answer, &request_id, now())
    }

    /// Answers with the stream of events, or says why not.
    async fn tell(
        &self,
        parts: &Parts,
        body: Incoming,
        request_id: &str,
        started: Instant,
    ) -> Response<Outgoing> {
        let deadline = started + self.call_time;
        let told = async {
            check_size(parts)?;
            let body = self.bodies.read(body, deadline).await?;
            self.verifier.verify(&Head::of(parts), &body.bytes, now())?;
            self.events
                .tell(parts, deadline)
                .await
                .map_err(Refusal::from)
        };
        match told.await {
            Ok(mut response) => {
                put_request_id(response.headers_mut(), request_id);
                response
            }
            Err(refusal) => {
                let answer = Answer::from(refusal);
                record("WatchEvents", &answer, request_id, started);
                Dialect::Json.render(None, answer, request_id, now())
            }
        }
    }

    async fn call(
        &self,
        parts: &Parts,
        body: Incoming,
        request_id: &str,
        started: Instant,
        seen: &mut Seen,
    ) -> Result<Answer, Refusal> {
        check_head(parts)?;
        let _room = self.calls.try_acquire().map_err(busy)?;
        let deadline = started + self.call_time;
        let body = self.bodies.read(body, deadline).await?;
        let verified = self.verifier.verify(&Head::of(parts), &body.bytes, now())?;
        seen.dialect = Dialect::of(verified.service);
        if canonical_path(parts.uri.path()) != "/" {
            return Err(Refusal::no_such_path());
        }
        let ask = seen.dialect.read(&parts.headers, body.bytes.clone())?;
        seen.operation = Some(ask.operation);
        let call = Call {
            service: ask.service,
            operation: ask.operation.to_owned(),
            body: ask.input,
            request_id: request_id.to_owned(),
            principal: verified.principal,
            deadline,
        };
        Ok(self.handle(call, request_id).await)
    }

    /// The handler's answer, or ours if it panics or forgets the time.
    async fn handle(&self, call: Call, request_id: &str) -> Answer {
        let span = info_span!("call", request_id, operation = %call.operation, key = %call.principal.access_key_id);
        let limit = call.deadline + GRACE;
        let answer = AssertUnwindSafe(async { (self.handler)(call).await }).catch_unwind();
        match timeout_at(limit, answer.instrument(span)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => {
                error!(
                    request_id,
                    panic = panic_text(&*panic),
                    "a call's handler panicked"
                );
                Exception::server("An internal error occurred; the log of this node has more under the request id.").into()
            }
            Err(_) => {
                error!(request_id, "a call's handler missed its deadline");
                Exception::server(
                    "The call was not answered in time; whether it took effect is not known.",
                )
                .into()
            }
        }
    }
}

/// What can be refused before the body is read.
fn check_head(parts: &Parts) -> Result<(), Refusal> {
    check_size(parts)?;
    if parts.method != Method::POST {
        return Err(Refusal::no_such_method());
    }
    Ok(())
}

fn check_size(parts: &Parts) -> Result<(), Refusal> {
    let size: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if size > HEADERS {
        return Err(Refusal::headers_too_large());
    }
    Ok(())
}

/// No room for now; SDKs wait a little and try again.
pub(super) fn busy(_: TryAcquireError) -> Exception {
    Exception::new(Kind::Throttling, "Rate exceeded")
}

fn record(operation: &'static str, answer: &Answer, request_id: &str, started: Instant) {
    let status = answer.status;
    let elapsed = started.elapsed();
    counter!("quorate_api_requests_total", "op" => operation, "code" => status.to_string())
        .increment(1);
    histogram!("quorate_api_request_duration_seconds", "op" => operation)
        .record(elapsed.as_secs_f64());
    let elapsed_ms = elapsed.as_millis();
    match status {
        200 => debug!(request_id, operation, elapsed_ms, "call answered"),
        _ => {
            let answer = String::from_utf8_lossy(&answer.body);
            info!(request_id, operation, status, elapsed_ms, %answer, "call refused");
        }
    }
}

/// A random UUID, as AWS has it.
fn request_id() -> String {
    uuid::Builder::from_random_bytes(entropy::number().to_be_bytes())
        .into_uuid()
        .to_string()
}

fn now() -> Timestamp {
    clock::timestamp(clock::wall())
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}
