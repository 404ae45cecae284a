//! Words to agents, made in one place; and the times both sides keep to.

use std::time::Duration;

use quorate_core::State;
use quorate_proto::agent::refused::Code;
use quorate_proto::agent::to_agent::Body;
use quorate_proto::agent::{Ack, Delta, FullSet, Heartbeat, Nodes, Refused, ToAgent, Welcome};

/// How often an agent has to speak.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long either side waits for the other: five words in a row do not get lost on a connection that stands.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

impl From<Body> for Word {
    fn from(body: Body) -> Self {
        Self(ToAgent { body: Some(body) })
    }
}

/// One word to an agent.
pub(super) struct Word(pub(super) ToAgent);

macro_rules! words {
    ($($message:ident),*) => {
        $(impl From<$message> for Word {
            fn from(message: $message) -> Self {
                Body::$message(message).into()
            }
        })*
    };
}

words!(Welcome, Refused, FullSet, Delta, Ack, Nodes, Heartbeat);

/// The last word of a stream.
pub(super) fn refused(code: Code, message: impl Into<String>) -> Refused {
    Refused {
        code: code.into(),
        message: message.into(),
    }
}

/// Where agents reach the nodes that have made themselves known.
pub(super) fn nodes(state: &State) -> Nodes {
    Nodes {
        addresses: state
            .nodes()
            .map(|node| node.peer_address.clone())
            .collect(),
    }
}

/// A span as the protocol has it.
pub(super) fn as_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
