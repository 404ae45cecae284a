//! What must hold, at every moment and at the end: one promise a file, all of them in [`TABLE`], fed by [`Watch`].
//!
//! A promise sees what it needs as [`Seen`]: calls and their answers, states that nodes publish, steps of the replicated state, reports of
//! nodes about themselves, containers as they really are. It knows no network, no disk and no fault, so that real runs can be judged too.

mod assignment;
mod bounds;
mod claims;
mod contact;
mod convergence;
mod decided;
mod durability;
mod election;
mod lease;
mod linear;
mod lives;
mod members;
mod order;
mod placement;
mod reads;
mod replicas;
mod reports;
mod resources;
mod restore;
mod revisions;
mod status;
mod supply;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod tokens;
mod truth;
mod twins;
mod view;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_core::State;
use quorate_core::ids::NodeId;

use crate::history::{Call, Event};

pub use table::{Row, Settings, TABLE};
pub use timeline::{Timeline, Touched};
pub use tokens::ATTEMPT;
pub use view::NodeView;
pub use watch::Watch;

use truth::Truth;

/// A promise that was broken, and how that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which, by its name in the table.
    pub promise: &'static str,
    /// When it was seen, in simulated time.
    pub at: Duration,
    /// On which node, where it was one.
    pub node: Option<NodeId>,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} broken at {:.3} s",
            self.promise,
            self.at.as_secs_f64()
        )?;
        if let Some(node) = self.node {
            write!(f, " on n{node}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// One promise, looking on.
trait Promise: Send {
    /// Looks at what is seen, and says what breaks it.
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>);
}

/// Where and when something is seen.
struct Scene<'a> {
    /// In microseconds of simulated time.
    at_us: u64,
    /// All states seen so far, the one at hand not yet among them.
    timeline: &'a Timeline,
    /// What really is.
    truth: &'a Truth,
    /// What each node that runs said of itself last.
    views: &'a BTreeMap<NodeId, NodeView>,
    promise: &'static str,
    broken: &'a mut Vec<Broken>,
}

impl Scene<'_> {
    fn broken(&mut self, node: impl Into<Option<NodeId>>, what: impl Into<String>) {
        self.broken.push(Broken {
            promise: self.promise,
            at: Duration::from_micros(self.at_us),
            node: node.into(),
            what: what.into(),
        });
    }
}

/// What a promise sees.
enum Seen<'a> {
    /// Something happened that is no answer: those come as [`Seen::Answer`].
    Event(&'a Event),
    /// A call was answered.
    Answer(&'a Answered),
    /// A node shows a state.
    Published(&'a Published),
    /// The replicated state moved on: some node shows a newer state than any did before.
    Step(&'a Step),
    /// A node says how it is doing.
    Status(&'a NodeView),
    /// The run is over, and all should be at rest.
    Ended,
}

/// A call that was answered, and the states it can have seen.
struct Answered {
    call: Call,
    /// The newest state anywhere when it was sent. All of that was committed, so that a linearizable answer shows at least as much.
    floor: u64,
    /// The newest state anywhere when it was answered.
    ceiling: u64,
    /// The states that the node which was asked showed meanwhile, the one at the beginning included, oldest first.
    shown: Vec<u64>,
}

/// A state that a node shows.
struct Published {
    node: NodeId,
    state: Arc<State>,
    /// What the same life of the node showed before; nothing if this is its first.
    before: Option<Arc<State>>,
}

/// The replicated state, one step on. A step may be several entries.
struct Step {
    before: Arc<State>,
    after: Arc<State>,
    touched: Touched,
}
