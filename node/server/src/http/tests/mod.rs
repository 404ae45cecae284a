//! The API listener over real sockets: every request gets a well-formed answer, and no client can hold one back.

#![allow(clippy::unwrap_used)]

mod calls;
mod events;
mod limits;
mod refusals;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::Request;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::sigv4::tests::{ACCOUNT, KEY, NOW, REGION, SECRET, Signer, call};
use super::*;
use crate::clock;
use crate::operations::exception::Exception;

/// A listener with a handler that remembers its calls.
struct Server {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// What the handler does follows from the cluster that the input names.
    async fn start() -> Self {
        Self::start_with(Patience::default(), CALL_TIME).await
    }

    async fn start_with(patience: Patience, call_time: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (calls, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let config = HttpConfig {
            region: REGION.into(),
            account: ACCOUNT.into(),
            access_keys: vec![AccessKey {
                id: KEY.into(),
                secret: SECRET.into(),
            }],
        };
        let seen = Arc::clone(&calls);
        let handler: Handler = Arc::new(move |call: Call| {
            seen.lock().push(call.clone());
            handle(call).boxed()
        });
        let watcher: Watcher = Arc::new(|ask| events::watch(ask).boxed());
        let events = Events::new(watcher, stop.clone());
        let service = service(Front::new(config, handler, events, call_time), patience);
        let task = tokio::spawn(connection::accept(listener, service, stop.clone()));
        Self {
            address,
            calls,
            stop,
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request on a connection of its own.
    async fn send(&self, request: &Request<Vec<u8>>) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(&wire(request)).await.unwrap();
        Reply::read(&mut stream).await
    }
}

async fn handle(call: Call) -> Answer {
    let input: Value = serde_json::from_slice(&call.body).unwrap();
    match input["cluster"].as_str() {
        Some("panic") => panic!("as asked"),
        Some("forever") => std::future::pending().await,
        Some("slow") => tokio::time::sleep(Duration::from_millis(300)).await,
        Some("missing") => return Exception::cluster_not_found().into(),
        _ => {}
    }
    match call.operation.as_str() {
        "GetCallerIdentity" => Answer::ok(
            json!({ "UserId": call.principal.user_id, "Account": call.principal.account, "Arn": "a<b&c" }).to_string(),
        ),
        _ => Answer::ok(Bytes::from_static(br#"{"clusterArns":[]}"#)),
    }
}

/// Signed now, as it should be.
fn signed(request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    signer().sign(request)
}

fn signer() -> Signer {
    let wall = i64::try_from(clock::wall().0 / 1000).unwrap();
    Signer {
        offset: wall - NOW,
        ..Signer::default()
    }
}

/// The request as HTTP/1.1.
fn wire(request: &Request<Vec<u8>>) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body().len()).as_bytes());
    bytes.extend_from_slice(request.body());
    bytes
}

/// An answer as a client sees it.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Reply {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(
                stream
                    .read_u8()
                    .await
                    .expect("an answer, not a closed connection"),
            );
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        Self {
            status,
            headers,
            body: String::from_utf8(body).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The exception's name, after checking that the answer is as every answer must be.
    fn exception(&self) -> String {
        self.assert_well_formed("application/x-amz-json-1.1");
        assert!(
            !self.json()["message"].as_str().unwrap().is_empty(),
            "{self:?}"
        );
        self.json()["__type"].as_str().unwrap().to_owned()
    }

    fn assert_well_formed(&self, content_type: &str) {
        assert_eq!(self.headers["content-type"], content_type, "{self:?}");
        assert!(self.headers["date"].ends_with(" GMT"), "{self:?}");
        assert_eq!(self.headers["x-amzn-requestid"].len(), 36, "{self:?}");
    }
}
