//! The stream of events: followed from node to node, each time from the last point that was heard.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answer::Answer;
use crate::client::{ANSWER_BYTES_MAX, Client, PAUSE_MAX, PAUSE_MIN};
use crate::error::ClientError;
use crate::message::{Message, Target};

/// A node says something every 15 seconds; one that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(40);

/// What is asked of the stream.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Behind which point: `INDEX.PLACE`, or `kept` for all that is kept; with nothing, what comes next.
    pub after: Option<String>,
    /// Of this cluster only, by name or ARN.
    pub cluster: Option<String>,
    /// Of this type only: task, instance, service or deployment.
    pub kind: Option<String>,
    /// Whether to go on with what comes, rather than end with what is there.
    pub follows: bool,
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct ToldEvent {
    /// The point behind it, from which another reader may go on.
    pub point: String,
    /// Its type: task, instance, service or deployment.
    pub kind: String,
    /// In EventBridge's shape.
    pub event: Value,
}

/// A reader of the stream.
pub struct Events {
    client: Client,
    query: EventQuery,
    stream: Option<Stream>,
}

/// A connection to one node.
struct Stream {
    body: Incoming,
    lines: Lines,
    index: usize,
}

impl Client {
    /// A reader of the stream of events. It connects when it is first asked.
    #[must_use]
    pub fn events(&self, query: EventQuery) -> Events {
        Events {
            client: self.clone(),
            query,
            stream: None,
        }
    }
}

impl Events {
    /// The next event, from whichever node tells it; `None` behind the last, if the stream is not followed.
    ///
    /// # Errors
    /// `EventsGoneException` if no node keeps what lies behind the last point any more; else what failed last, once no node could be
    /// reached for as long as a call may take.
    pub async fn next(&mut self) -> Result<Option<ToldEvent>, ClientError> {
        loop {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => self.connect().await?,
            };
            let Some(message) = stream.message().await else {
                // It broke, or its node has ended: the next one goes on.
                self.client.leave(stream.index);
                continue;
            };
            if let Some(point) = message.id {
                self.query.after = Some(point);
            }
            match message.name.as_str() {
                "end" => return Ok(None),
                // Other nodes may keep more. If none does, connecting says so.
                "gap" => self.client.leave(stream.index),
                "" => self.stream = Some(stream),
                kind => {
                    let event = serde_json::from_str(&message.data);
                    let event = event.map_err(|error| self.malformed(&error.to_string()))?;
                    self.stream = Some(stream);
                    return Ok(Some(ToldEvent {
                        point: self.point().unwrap_or_default().to_owned(),
                        kind: kind.to_owned(),
                        event,
                    }));
                }
            }
        }
    }

    /// The last point that was heard: where another reader goes on.
    #[must_use]
    pub fn point(&self) -> Option<&str> {
        self.query.after.as_deref()
    }

    /// Asks all nodes in turn, again and again for as long as a call may take.
    async fn connect(&mut self) -> Result<Stream, ClientError> {
        let deadline = Instant::now() + self.client.shared.timeout;
        let mut pause = PAUSE_MIN;
        loop {
            let error = match self.connect_once(deadline).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            if !error.is_passing() || Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// The first node that tells. One that does not keep the point is passed over for one that may; what is refused otherwise is
    /// refused everywhere.
    async fn connect_once(&self, deadline: Instant) -> Result<Stream, ClientError> {
        let message = Message::get(self.target());
        let shared = &self.client.shared;
        let count = shared.endpoints.len();
        let first = shared.preferred.load(Ordering::Relaxed);
        let mut last = None;
        // One that takes the connection and says nothing must not take the time of the others.
        let share = shared.timeout / u32::try_from(count).unwrap_or(u32::MAX);
        for index in (first..first + count).map(|at| at % count) {
            let limit = deadline.min(Instant::now() + share);
            match self.ask(index, &message, limit).await {
                Ok(stream) => {
                    shared.preferred.store(index, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) if error.is_passing() || is_gone(&error) => {
                    // That it is gone says more than that another node is not there.
                    if !last.as_ref().is_some_and(is_gone) {
                        last = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("there is at least one endpoint"))
    }

    async fn ask(
        &self,
        index: usize,
        message: &Message,
        deadline: Instant,
    ) -> Result<Stream, ClientError> {
        let shared = &self.client.shared;
        let endpoint = &shared.endpoints[index];
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| {
            let tried = endpoint.to_string();
            ClientError::Unreachable { tried, source }
        };
        let request = message.signed(endpoint, &shared.signer);
        let asked = timeout_at(deadline, shared.http.request(request)).await;
        let response = asked
            .map_err(|elapsed| unreachable(elapsed.into()))?
            .map_err(|error| unreachable(error.into()))?;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok(Stream {
                body,
                lines: Lines::default(),
                index,
            });
        }
        let refused = timeout_at(deadline, Limited::new(body, ANSWER_BYTES_MAX).collect()).await;
        let refused = refused
            .map_err(|elapsed| unreachable(elapsed.into()))?
            .map_err(unreachable)?;
        let answer = Answer {
            endpoint: endpoint.to_string(),
            status: head.status,
            request_id: crate::client::request_id(&head.headers),
            body: refused.to_bytes(),
        };
        let told = answer.into_json();
        Err(told.map_or_else(|error| error, |_| self.malformed("not a stream")))
    }

    fn target(&self) -> Target {
        let pairs = [
            ("after", self.query.after.as_deref()),
            ("cluster", self.query.cluster.as_deref()),
            (
                "follow",
                Some(if self.query.follows { "true" } else { "false" }),
            ),
            ("type", self.query.kind.as_deref()),
        ];
        let given = pairs.into_iter();
        Target::get(
            "/events",
            given.filter_map(|(name, value)| value.map(|value| (name, value))),
        )
    }

    fn malformed(&self, detail: &str) -> ClientError {
        ClientError::Malformed {
            endpoint: "the stream of events".to_owned(),
            status: 200,
            detail: detail.to_owned(),
        }
    }
}

fn is_gone(error: &ClientError) -> bool {
    error.code() == Some("EventsGoneException")
}

impl Stream {
    /// The next message; `None` if the connection broke, ended or has been silent for too long.
    async fn message(&mut self) -> Option<Received> {
        loop {
            if let Some(message) = self.lines.whole.pop_front() {
                return Some(message);
            }
            let frame = timeout(SILENCE, self.body.frame()).await.ok()??.ok()?;
            if let Ok(bytes) = frame.into_data() {
                self.lines.take(&bytes);
            }
            if self.lines.rest.len() > ANSWER_BYTES_MAX {
                return None;
            }
        }
    }
}

/// A message of server-sent events; without data it only says where the stream is.
#[derive(Debug, Default, PartialEq)]
struct Received {
    id: Option<String>,
    name: String,
    data: String,
}

/// Bytes become lines, and lines messages.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    part: Received,
    whole: VecDeque<Received>,
}

impl Lines {
    fn take(&mut self, bytes: &Bytes) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.rest);
                self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            }
        }
    }

    fn line(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" if line.is_empty() => self.whole.push_back(std::mem::take(&mut self.part)),
            "id" => self.part.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.part.name),
            "data" => self.part.data.push_str(value),
            // Comments, and what later versions add.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_messages_however_they_are_cut() {
        let text = b": quorate\nid: 4.0\n\nid: 5.1\nevent: task\ndata: {\"a\":\ndata: 1}\r\n\r\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            for piece in text.chunks(size) {
                lines.take(&Bytes::copy_from_slice(piece));
            }
            let received = |id: &str, name: &str, data: &str| Received {
                id: Some(id.to_owned()),
                name: name.to_owned(),
                data: data.to_owned(),
            };
            let expected = [
                received("4.0", "", ""),
                received("5.1", "task", "{\"a\":1}"),
            ];
            assert_eq!(lines.whole, expected);
        }
    }
}
