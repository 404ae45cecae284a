//! Commands of agents on their way to the leader: one item at a time, tried until there is an answer or patience ends.

use std::time::Duration;

use quorate_core::{Command, Item, Outcome};
use tokio::time::{Instant, sleep};

use crate::consensus::{Consensus, ProposeError, Proposed};
use crate::entropy;

/// Pause where the leader has as much to write as it takes: agents are many, and in no hurry.
const OVERLOAD_PAUSE: Duration = Duration::from_millis(200);

/// What came of a command, and the index of its entry.
pub(super) struct Settled {
    pub(super) index: u64,
    pub(super) outcome: Outcome,
}

/// The command under a request id of its own.
pub(super) fn item(command: Command) -> Item {
    Item {
        request: entropy::mint().request(),
        command,
    }
}

/// Submits `item` until `deadline`, under one request id however often.
pub(super) async fn submit(
    consensus: &Consensus,
    item: Item,
    deadline: Instant,
) -> Result<Settled, ProposeError> {
    loop {
        match consensus.submit(vec![item.clone()], deadline).await {
            Ok(Proposed {
                index,
                mut outcomes,
            }) => {
                let outcome = outcomes.pop().expect("one outcome for one item");
                return Ok(Settled { index, outcome });
            }
            Err(ProposeError::Overloaded) if Instant::now() + OVERLOAD_PAUSE < deadline => {
                sleep(OVERLOAD_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}
