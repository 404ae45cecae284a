//! `quorate sample-app`: a tiny HTTP server to have something to run. It says which task answers, and closes in order.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use clap::Args;
use http::Response;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Duration, timeout};

use crate::failure::{Exit, Failure};
use crate::render::short;
use crate::signals::until_told;

/// Connections that are in use at SIGTERM get this long, well within the agent's own patience.
const CLOSING: Duration = Duration::from_secs(2);

/// Where to listen.
#[derive(Args, Debug)]
pub(crate) struct SampleAppArgs {
    /// Port to listen on, on all addresses
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
}

/// Serves until told to end.
pub(crate) async fn run(args: &SampleAppArgs) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, args.port));
    let failed = |error: std::io::Error| {
        Failure::new(Exit::PortTaken, format!("listen on {address}")).because(error)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let greeting = Bytes::from(format!("{}\n", greeting(|name| std::env::var(name).ok())));
    until_told(async |told| {
        let open = GracefulShutdown::new();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // Out of descriptors, or gone already: the next one may be better.
                    Err(_) => { tokio::time::sleep(Duration::from_millis(50)).await; continue }
                },
                () = told.cancelled() => break,
            };
            let greeting = greeting.clone();
            let service = service_fn(move |_| {
                let response = Response::builder()
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(greeting.clone()));
                std::future::ready(Ok::<_, Infallible>(
                    response.expect("a constant header is a header"),
                ))
            });
            let connection = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .into_owned();
            // Owned by `open`, which asks every connection to finish; what is left after that ends with the process.
            tokio::spawn(open.watch(connection));
        }
        let _closed_in_time = timeout(CLOSING, open.shutdown()).await;
    })
    .await
}

/// What is answered: which task this is, on which instance and host.
fn greeting(variable: impl Fn(&str) -> Option<String>) -> Value {
    let id = |name: &str| variable(name).map(|arn| short(&arn).to_owned());
    let hostname = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    json!({
        "app": "quorate sample-app",
        "task": id("QUORATE_TASK_ARN"),
        "instance": id("QUORATE_INSTANCE_ID"),
        "hostname": hostname,
        "pid": std::process::id(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_is_named_by_its_id() {
        let arn = "arn:aws:ecs:us-east-1:000000000000:task/default/0123";
        let greeting = greeting(|name| (name == "QUORATE_TASK_ARN").then(|| arn.to_owned()));
        assert_eq!(
            (&greeting["task"], &greeting["instance"]),
            (&json!("0123"), &Value::Null)
        );
    }
}
