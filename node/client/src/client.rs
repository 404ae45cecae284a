//! The client: picks an endpoint, signs, sends, and goes on to the next endpoint where nothing was sent.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::Answer;
use crate::config::{ClientConfig, ConfigError, Endpoint};
use crate::error::ClientError;
use crate::identity::{self, Identity};
use crate::message::Message;
use crate::sign::Signer;

/// A host that is down often swallows the first packet; a living one in reach accepts in milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Nodes close idle connections sooner or later; ours go first, so that a call rarely meets one that is being closed.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// The largest answer that is read: a hundred described tasks with everything they can carry stay well below it.
pub(crate) const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The pause before a call is repeated, doubled each time up to [`PAUSE_MAX`]: an election takes about a second.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(50);
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A client of one cluster. Clones share connections; one is enough for hundreds of concurrent calls.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) http: legacy::Client<HttpConnector, Full<Bytes>>,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The endpoint that answered last, where the next call begins.
    pub(crate) preferred: AtomicUsize,
    pub(crate) signer: Signer,
    pub(crate) timeout: Duration,
}

/// How one endpoint failed.
enum SendError {
    /// No connection, so nothing was sent.
    Connect(Box<dyn StdError + Send + Sync>),
    /// Something may have been sent.
    Broken(Box<dyn StdError + Send + Sync>),
}

impl Client {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// [`ConfigError`] says which endpoint or key cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let endpoints = config
            .endpoints
            .iter()
            .map(|text| Endpoint::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(ConfigError::NoEndpoint);
        }
        let plain = |name, value: &str| {
            value
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
                .then_some(())
                .ok_or(ConfigError::NotPlain(name))
        };
        plain("the access key id", &config.access_key_id)?;
        plain("the region", &config.region)?;

        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_LIMIT));
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let signer = Signer::new(
            config.access_key_id,
            &config.secret_access_key,
            config.region,
        );
        let preferred = AtomicUsize::new(0);
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                endpoints,
                preferred,
                signer,
                timeout: config.timeout,
            }),
        })
    }

    /// Calls an operation of ECS, by its name in the API: `client.call("RunTask", json!({...}))`.
    ///
    /// # Errors
    /// See [`ClientError`]; after a timeout the outcome is unknown.
    ///
    /// # Panics
    /// If `operation` is not of letters and digits.
    pub async fn call(&self, operation: &str, body: Value) -> Result<Value, ClientError> {
        self.exchange(&Message::ecs(operation, &body))
            .await?
            .into_json()
    }

    /// Calls an operation that Quorate has beside those of ECS, such as `ListNodes`.
    ///
    /// # Errors
    /// See [`ClientError`]; after a timeout the outcome is unknown.
    ///
    /// # Panics
    /// If `operation` is not of letters and digits.
    pub async fn call_quorate(&self, operation: &str, body: Value) -> Result<Value, ClientError> {
        self.exchange(&Message::quorate(operation, &body))
            .await?
            .into_json()
    }

    /// As [`Client::call`], repeated until the outcome is known or the deadline passes. Only for calls that may be
    /// carried out twice: reads, deletions, and writes that carry a `clientToken`.
    ///
    /// # Errors
    /// An exception at once; what failed last, once the deadline has passed.
    ///
    /// # Panics
    /// If `operation` is not of letters and digits.
    pub async fn call_until(
        &self,
        operation: &str,
        body: Value,
        deadline: Instant,
    ) -> Result<Value, ClientError> {
        let message = Message::ecs(operation, &body);
        let mut pause = PAUSE_MIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self
                .exchange_within(&message, left.min(self.shared.timeout))
                .await;
            let result = answer.and_then(Answer::into_json);
            match result {
                Err(error) if error.is_passing() && Instant::now() + pause < deadline => {
                    sleep(pause).await;
                }
                result => return result,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Asks the cluster whom it takes us for (STS GetCallerIdentity).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn caller_identity(&self) -> Result<Identity, ClientError> {
        identity::parse(
            self.exchange(&Message::caller_identity(identity::FORM))
                .await?,
        )
    }

    async fn exchange(&self, message: &Message) -> Result<Answer, ClientError> {
        self.exchange_within(message, self.shared.timeout).await
    }

    /// Sends to the preferred endpoint, and to the others in turn while nothing has been sent that matters.
    async fn exchange_within(
        &self,
        message: &Message,
        limit: Duration,
    ) -> Result<Answer, ClientError> {
        let Shared {
            endpoints,
            preferred,
            ..
        } = &*self.shared;
        let deadline = Instant::now() + limit;
        let first = preferred.load(Ordering::Relaxed);
        let mut last_cause = None;
        for step in 0..endpoints.len() {
            let index = (first + step) % endpoints.len();
            let endpoint = &endpoints[index];
            match timeout_at(deadline, self.send(endpoint, message)).await {
                Ok(Ok(answer)) => {
                    if step > 0 {
                        preferred.store(index, Ordering::Relaxed);
                    }
                    return Ok(answer);
                }
                Ok(Err(SendError::Connect(cause))) => last_cause = Some(cause),
                // Whether a read was carried out is all the same: the next endpoint is asked.
                Ok(Err(SendError::Broken(cause))) if message.is_read => {
                    self.leave(index);
                    last_cause = Some(cause);
                }
                Ok(Err(SendError::Broken(source))) => {
                    self.leave(index);
                    return Err(ClientError::Interrupted {
                        endpoint: endpoint.to_string(),
                        source,
                    });
                }
                Err(_elapsed) => {
                    self.leave(index);
                    return Err(ClientError::Timeout {
                        endpoint: endpoint.to_string(),
                        limit,
                    });
                }
            }
        }
        let tried = endpoints
            .iter()
            .map(Endpoint::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        Err(ClientError::Unreachable {
            tried,
            source: last_cause.expect("there is at least one endpoint"),
        })
    }

    /// Lets the next call begin at another endpoint, unless a concurrent one has already moved on.
    pub(crate) fn leave(&self, index: usize) {
        let next = (index + 1) % self.shared.endpoints.len();
        let _already_moved = self.shared.preferred.compare_exchange(
            index,
            next,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    async fn send(&self, endpoint: &Endpoint, message: &Message) -> Result<Answer, SendError> {
        let request = message.signed(endpoint, &self.shared.signer);
        let response =
            self.shared
                .http
                .request(request)
                .await
                .map_err(|error| match error.is_connect() {
                    true => SendError::Connect(error.into()),
                    false => SendError::Broken(error.into()),
                })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(SendError::Broken)?
            .to_bytes();
        Ok(Answer {
            endpoint: endpoint.to_string(),
            status: head.status,
            request_id: request_id(&head.headers),
            body,
        })
    }
}

/// The cluster's id of a request; empty if it gave none.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let id = headers.get("x-amzn-requestid");
    id.and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}
