//! The listener that machines look at: `/metrics`, `/livez`, `/readyz`. It asks no signature and shows no state of users.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Patience, Service};
use super::outgoing::Outgoing;
use crate::telemetry::Metrics;

/// How often histograms are folded when nobody scrapes, so that their samples do not pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// One thing that must hold for a node to be ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A word that `?exclude=` and alerts can name.
    pub name: &'static str,
    /// What is wrong, if something is.
    pub result: Result<(), String>,
}

impl Check {
    /// A check that holds if `is_fine`, and says `trouble` otherwise.
    pub fn new(name: &'static str, is_fine: bool, trouble: impl Into<String>) -> Self {
        Self {
            name,
            result: if is_fine { Ok(()) } else { Err(trouble.into()) },
        }
    }
}

/// Looks at everything that must hold; called for each `/readyz`, so it must not wait for anything.
pub type Checks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;

/// Serves until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    ready: Checks,
    stop: CancellationToken,
) {
    let scraped = metrics.clone();
    let responder: connection::Responder = Arc::new(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri(), &scraped, &ready);
        let response = response.map(Outgoing::from);
        async move { response }.boxed()
    });
    let service = Service {
        name: "health",
        responder,
        patience: Patience::default(),
    };
    let upkeep = async {
        let mut beat = interval(UPKEEP);
        loop {
            beat.tick().await;
            metrics.upkeep();
        }
    };
    tokio::select! {
        () = connection::accept(listener, service, stop) => {}
        () = upkeep => {}
    }
}

fn respond(method: &Method, uri: &Uri, metrics: &Metrics, ready: &Checks) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(method) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match uri.path() {
        "/metrics" => text(StatusCode::OK, metrics.render()),
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" | "/healthz" => readiness(&ready(), uri.query().unwrap_or_default()),
        _ => text(StatusCode::NOT_FOUND, "/metrics /livez /readyz?verbose\n"),
    }
}

/// 200 if every check holds that is not excluded. The list is shown if asked for, and whenever something is wrong.
fn readiness(checks: &[Check], query: &str) -> Response<Full<Bytes>> {
    let parameters = || {
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    };
    let is_excluded =
        |check: &Check| parameters().any(|(name, value)| name == "exclude" && value == check.name);
    let is_verbose = parameters().any(|(name, _)| name == "verbose");
    let mut is_ready = true;
    let mut lines = String::new();
    for check in checks {
        lines += &match &check.result {
            _ if is_excluded(check) => format!("[+]{} excluded: ok\n", check.name),
            Ok(()) => format!("[+]{} ok\n", check.name),
            Err(trouble) => {
                is_ready = false;
                format!("[-]{} failed: {trouble}\n", check.name)
            }
        };
    }
    match (is_ready, is_verbose) {
        (true, false) => text(StatusCode::OK, "ok\n"),
        (true, true) => text(StatusCode::OK, lines + "ready\n"),
        (false, _) => text(StatusCode::SERVICE_UNAVAILABLE, lines + "not ready\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Checks {
        Arc::new(|| {
            vec![
                Check::new("leader", true, ""),
                Check::new("applied", false, "120 entries behind"),
            ]
        })
    }

    fn get(path: &str) -> (StatusCode, String) {
        let metrics = Metrics::unregistered();
        let response = respond(
            &Method::GET,
            &path.parse().expect("a path"),
            &metrics,
            &checks(),
        );
        let (parts, body) = response.into_parts();
        let body = http_body_util::BodyExt::collect(body)
            .now_or_never()
            .expect("a full body waits for nothing");
        let bytes = body.expect("a full body cannot fail").to_bytes();
        (
            parts.status,
            String::from_utf8(bytes.to_vec()).expect("text"),
        )
    }

    #[test]
    fn readiness_says_what_is_wrong() {
        let (status, body) = get("/readyz");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            "[+]leader ok\n[-]applied failed: 120 entries behind\nnot ready\n"
        );
    }

    #[test]
    fn what_is_excluded_does_not_count() {
        assert_eq!(
            get("/readyz?exclude=applied"),
            (StatusCode::OK, "ok\n".into())
        );
        let (status, body) = get("/healthz?verbose&exclude=applied");
        assert_eq!(
            (status, body.as_str()),
            (
                StatusCode::OK,
                "[+]leader ok\n[+]applied excluded: ok\nready\n"
            )
        );
    }

    #[test]
    fn a_process_that_answers_is_alive() {
        assert_eq!(get("/livez").0, StatusCode::OK);
        assert_eq!(get("/").0, StatusCode::NOT_FOUND);
        assert_eq!(get("/metrics").0, StatusCode::OK);
    }
}
