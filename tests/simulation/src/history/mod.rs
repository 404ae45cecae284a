//! What happened in a run, as data: calls and their outcomes, containers, nodes, agents. The same form judges simulated runs and, later,
//! real ones; nothing here knows which it was.

mod calls;
mod lines;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::ids::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use calls::{Call, Outcome, calls};
pub use lines::{HistoryError, read, write};

/// The history of one run, while it is written. Clones are the same history.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    events: Vec<Event>,
    calls: u64,
}

impl History {
    /// Something happened at `at`. Events are added as they are learnt of, which is nearly the order of their times.
    pub fn add(&self, at: Duration, what: What) {
        let at_us =
            u64::try_from(at.as_micros()).expect("a run ends before 584,000 years are over");
        self.0.lock().events.push(Event { at_us, what });
    }

    /// A number for the next call.
    #[must_use]
    pub fn number(&self) -> u64 {
        let mut book = self.0.lock();
        book.calls += 1;
        book.calls
    }

    /// All that happened.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().events.clone()
    }

    /// What happened after the first `count` events.
    #[must_use]
    pub fn after(&self, count: usize) -> Vec<Event> {
        self.0.lock().events[count..].to_vec()
    }
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the run began, by one clock for all.
    pub at_us: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A client sent a call. What it came to follows under the same number, unless the run ended first.
    Invoke {
        /// Its number in the history.
        call: u64,
        /// Who called.
        client: u32,
        /// Which node was asked.
        node: NodeId,
        /// The operation's name in ECS.
        operation: String,
        /// The wish behind it: attempts of one wish share it.
        intent: String,
        /// The input.
        body: Value,
    },
    /// The answer arrived.
    Return {
        /// Of which call.
        call: u64,
        /// The HTTP status.
        status: u16,
        /// The output, or the exception.
        body: Value,
    },
    /// No answer will arrive. The call may have been carried out, or may still be.
    Unknown {
        /// Which call.
        call: u64,
    },
    /// A container's life, as its host's runtime saw it; whether an agent noticed is another matter.
    Container {
        /// The host.
        host: u32,
        /// The runtime's id for it, unique in the run.
        id: String,
        /// The instance it was started for.
        instance: String,
        /// Its task.
        task: String,
        /// Its name in the definition.
        name: String,
        /// Index of the assignment that it was started by.
        fencing: u64,
        /// What happened to it.
        now: ContainerNow,
    },
    /// A machine is a copy of another, with the identity of its agent.
    Cloned {
        /// The copy.
        host: u32,
        /// The original.
        of: u32,
    },
    /// An incarnation of a node began.
    NodeUp {
        /// Which.
        node: NodeId,
    },
    /// It ended.
    NodeDown {
        /// Which.
        node: NodeId,
    },
    /// An incarnation of an agent began.
    AgentUp {
        /// Where.
        host: u32,
    },
    /// It ended; the containers of the host live on.
    AgentDown {
        /// Where.
        host: u32,
    },
    /// Whatever was broken is whole, whoever was down is up, and nothing will be broken again.
    Healed,
}

/// What happened to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerNow {
    /// Its process began.
    Started,
    /// Its process ended.
    Ended {
        /// How.
        code: Option<i32>,
    },
    /// It is gone.
    Removed,
}
