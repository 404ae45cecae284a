//! Carries out a leader's duties: looks at the state while this node leads, asks core what is owed, proposes it.
//!
//! Holds nothing: a duty that is lost with a leader is found again by the next one.

use std::sync::Arc;
use std::time::Duration;

use quorate_core::{Change, Command, Item, Mint, Policy, duties};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::consensus::{ChangeSet, Consensus, Leadership, ProposeError};
use crate::entropy;

/// How often duties are looked at when nothing else happens: silence and deadlines are a matter of time, not of changes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long changes gather after the first: tasks of a service change together, and are looked at together.
const GATHER: Duration = Duration::from_millis(20);
/// Duties proposed in one go; the rest is found again at the next look.
const OWED_MAX: usize = 256;
/// How long a proposal may take before the next look is due anyway.
const PROPOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes proposed together: a proposal takes no more than about thrice as much.
const PROPOSAL_BYTES: usize = 256 << 10;

/// The one who looks.
pub struct Steward {
    consensus: Consensus,
    policy: Policy,
}

impl Steward {
    /// A steward for this node.
    #[must_use]
    pub fn new(consensus: Consensus, policy: Policy) -> Self {
        Self { consensus, policy }
    }

    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let leadership = self.consensus.leadership();
        stop.run_until_cancelled(self.look_on(leadership)).await;
    }

    async fn look_on(&self, mut leadership: watch::Receiver<Leadership>) {
        let mut mint = entropy::mint();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.consensus.changes();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = service_changed(&mut changes) => sleep(GATHER).await,
            }
            if leadership.wait_for(|now| now.is_me).await.is_err() {
                return;
            }
            let (state, heard) = (self.consensus.state(), self.consensus.heard());
            let now = self.consensus.clock().wall();
            let mut owed = duties(&state, &heard, &self.policy, now, &mut mint);
            owed.truncate(OWED_MAX);
            if owed.is_empty() {
                continue;
            }
            owed.iter().for_each(tell);
            for items in proposals(owed, &mut mint) {
                if !self.propose(items).await {
                    break;
                }
            }
        }
    }

    /// Whether an answer came. Without one, what was decided behind it is outdated.
    async fn propose(&self, items: Vec<Item>) -> bool {
        match self
            .consensus
            .propose(items, Instant::now() + PROPOSE_PATIENCE)
            .await
        {
            Ok(proposed) => {
                for rejection in proposed
                    .outcomes
                    .iter()
                    .filter_map(|outcome| outcome.as_ref().err())
                {
                    tracing::info!(%rejection, "the state moved before a duty was done");
                }
                true
            }
            // The next look, here or at the next leader, finds the same duties.
            Err(
                ProposeError::NotLeader { .. } | ProposeError::Timeout | ProposeError::Overloaded,
            ) => false,
            Err(error) => {
                tracing::warn!(%error, "duties not proposed");
                false
            }
        }
    }
}

/// Until a service changes, or anything may have. Without news there is still the next tick.
async fn service_changed(changes: &mut broadcast::Receiver<Arc<ChangeSet>>) {
    loop {
        match changes.recv().await {
            Ok(set) if set.replaced || set.changes.iter().any(is_of_service) => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn is_of_service(change: &Change) -> bool {
    matches!(change, Change::Service(_))
}

/// One line a decision. Steps carry whole tasks; which they are stands in the events of services, and in the state.
fn tell(command: &Command) {
    match command {
        Command::StepService(step) => tracing::info!(
            service = %step.key,
            started = step.start.len(),
            stopped = step.stop.len(),
            turns = ?step.turns,
            "service step"
        ),
        Command::PlaceTasks(step) => tracing::info!(
            cluster = %step.cluster,
            placed = step.tasks.len(),
            "waiting tasks"
        ),
        other => tracing::info!(command = ?other, "duty"),
    }
}

/// The duties in order, in as many proposals as their size asks for. One that does not arrive outdates those behind it, which are
/// refused then and found again.
fn proposals(owed: Vec<Command>, mint: &mut Mint) -> Vec<Vec<Item>> {
    let (mut all, mut bytes) = (Vec::new(), PROPOSAL_BYTES);
    for command in owed {
        let item = Item {
            request: mint.request(),
            command,
        };
        let size = item.encode().len();
        if bytes + size > PROPOSAL_BYTES {
            all.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(last) = all.last_mut() {
            last.push(item);
        }
    }
    all
}
