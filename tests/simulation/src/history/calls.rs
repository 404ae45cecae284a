//! Calls put together again from the events of a history: who asked what, from when to when, and what it came to.

use std::collections::BTreeMap;

use quorate_core::ids::NodeId;
use serde_json::Value;

use super::{Event, What};

/// One call of a client, from its beginning to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its number in the history.
    pub id: u64,
    /// Who called.
    pub client: u32,
    /// Which node was asked.
    pub node: NodeId,
    /// The operation's name in ECS.
    pub operation: String,
    /// The wish behind it.
    pub intent: String,
    /// The input.
    pub body: Value,
    /// When it was sent.
    pub invoked_us: u64,
    /// When it ended for its client; the end of time for one that has not.
    pub ended_us: u64,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An answer arrived.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The output, or the exception.
        body: Value,
    },
    /// None did, so far or ever.
    Unknown,
}

impl Call {
    /// The call that an invocation begins; `None` for any other event.
    #[must_use]
    pub fn begun(event: &Event) -> Option<Self> {
        let What::Invoke {
            call,
            client,
            node,
            operation,
            intent,
            body,
        } = &event.what
        else {
            return None;
        };
        Some(Self {
            id: *call,
            client: *client,
            node: *node,
            operation: operation.clone(),
            intent: intent.clone(),
            body: body.clone(),
            invoked_us: event.at_us,
            ended_us: u64::MAX,
            outcome: Outcome::Unknown,
        })
    }

    /// The output, where the call succeeded.
    #[must_use]
    pub fn output(&self) -> Option<&Value> {
        match &self.outcome {
            Outcome::Answered { status: 200, body } => Some(body),
            Outcome::Answered { .. } | Outcome::Unknown => None,
        }
    }

    /// The refusal's name, where the call was refused for good: whoever asks again gets no other answer unless the state changes.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answered { status, body } if (400..500).contains(status) => {
                body["__type"].as_str()
            }
            Outcome::Answered { .. } | Outcome::Unknown => None,
        }
    }

    /// Whether the caller was told in so many words that nothing was changed.
    #[must_use]
    pub fn is_void(&self) -> bool {
        let Outcome::Answered { status, body } = &self.outcome else {
            return false;
        };
        let text = body["message"].as_str().unwrap_or_default();
        let says_so = [
            "Nothing was changed",
            "nothing was changed",
            "Nothing was started",
        ];
        *status >= 400 && (*status < 500 || says_so.iter().any(|one| text.contains(one)))
    }

    /// A member of the input as text; empty if it is not there.
    #[must_use]
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }
}

/// All calls of a history, in the order in which they were sent.
#[must_use]
pub fn calls(events: &[Event]) -> Vec<Call> {
    let mut found: Vec<Call> = Vec::new();
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        if let Some(call) = Call::begun(event) {
            places.insert(call.id, found.len());
            found.push(call);
        } else if let What::Return { call, status, body } = &event.what
            && let Some(call) = places.get(call).map(|place| &mut found[*place])
        {
            call.ended_us = event.at_us;
            call.outcome = Outcome::Answered {
                status: *status,
                body: body.clone(),
            };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn invoke(at_us: u64, call: u64) -> Event {
        let what = What::Invoke {
            call,
            client: 1,
            node: NodeId(1),
            operation: "CreateCluster".into(),
            intent: format!("w{call}"),
            body: json!({ "clusterName": "c0" }),
        };
        Event { at_us, what }
    }

    fn returned(at_us: u64, call: u64, status: u16, body: Value) -> Event {
        let what = What::Return { call, status, body };
        Event { at_us, what }
    }

    #[test]
    fn calls_are_paired_with_their_answers_and_stay_open_without_one() {
        let unknown = Event {
            at_us: 9,
            what: What::Unknown { call: 2 },
        };
        let found = calls(&[
            invoke(1, 1),
            invoke(2, 2),
            returned(3, 1, 200, json!({ "cluster": {} })),
            unknown,
        ]);
        assert_eq!((found[0].invoked_us, found[0].ended_us), (1, 3));
        assert!(found[0].output().is_some());
        assert_eq!(
            (found[1].ended_us, &found[1].outcome),
            (u64::MAX, &Outcome::Unknown)
        );
        assert_eq!(found[1].text("clusterName"), "c0");
    }

    #[test]
    fn only_a_clear_no_is_void() {
        let answered = |status, message| {
            let body = json!({ "__type": "X", "message": message });
            calls(&[invoke(1, 1), returned(2, 1, status, body)]).remove(0)
        };
        assert!(answered(400, "Cluster not found.").is_void());
        assert!(answered(500, "There is no leader. Nothing was changed; try again.").is_void());
        assert!(!answered(500, "No answer in time, and the outcome is unknown.").is_void());
        assert_eq!(answered(400, "").refusal(), Some("X"));
        assert_eq!(answered(500, "").refusal(), None);
    }
}
