//! What nodes and agents stand on: a network, disks, clocks and container runtimes that do what the seed decides.

pub mod clocks;
pub mod files;
pub mod machine;
pub mod network;

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Where a process runs and messages come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A node of the control plane, by its id.
    Node(u64),
    /// A machine with an agent, counted from 0.
    Host(u32),
    /// A client, counted from 0.
    Client(u32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "n{id}"),
            Self::Host(number) => write!(f, "h{number}"),
            Self::Client(number) => write!(f, "c{number}"),
        }
    }
}

/// One life of a process, from its start to its end. Nothing that a dead process still does reaches anybody: its messages are not
/// sent and its disk does not answer. Clones are the same life.
#[derive(Clone, Debug)]
pub struct Life {
    /// Where it runs.
    pub place: Place,
    /// Counts the lives at this place, from 1.
    pub number: u32,
    ended: CancellationToken,
}

impl Life {
    /// A life that begins.
    #[must_use]
    pub fn begin(place: Place, number: u32) -> Self {
        Self {
            place,
            number,
            ended: CancellationToken::new(),
        }
    }

    /// Ends it, now.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Waits for its end.
    pub async fn over(&self) {
        self.ended.cancelled().await;
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place, self.number)
    }
}
