//! Look, place, propose; again if the state moved. Runs on the leader only; `operations` and `steward` ask.
//!
//! Asks that wait together are planned together, each seeing what those before it took, also while earlier plans are still on
//! their way through Raft: the desk plans on the newest state with the plans in flight applied to a copy of it.

mod ask;
mod desk;

use std::sync::Arc;

use quorate_core::ids::{RequestId, TaskId};
use quorate_core::placement::Refused;
use quorate_core::{Command, Item, Outcome, Rejection, Reply, State};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::consensus::{Consensus, Member, ProposeError};
use desk::{Desk, Wish};

#[cfg(test)]
pub(crate) use ask::decide;
pub use ask::{Place, RunAsk};

/// Asks that may wait for the desk. More are told so at once: the desk plans thousands a second, so this is seconds of work.
const WAITING_MAX: usize = 4096;
/// A burst of reports can outdate a plan once or twice.
const PLAN_TRIES: usize = 3;

/// Why an ask came to nothing, or to nothing known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The replicated state refused; nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// This node does not lead; nothing was changed.
    #[error("this node does not lead")]
    NotLeader(Option<Member>),
    /// The outcome is unknown; the same request id may be tried again.
    #[error("no outcome before the deadline")]
    TimedOut,
    /// Too much is waiting; nothing was changed.
    #[error("too many requests are waiting")]
    Overloaded,
    /// This node is stopping; nothing was changed.
    #[error("this node is stopping")]
    Stopped,
}

impl From<ProposeError> for PlanError {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { leader } => Self::NotLeader(leader),
            ProposeError::Timeout => Self::TimedOut,
            ProposeError::Overloaded | ProposeError::TooLarge { .. } => Self::Overloaded,
            ProposeError::Stopped => Self::Stopped,
        }
    }
}

/// A change that was carried out.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it came to.
    pub reply: Reply,
    /// A state that holds it.
    pub state: Arc<State>,
}

/// A run that was carried out, as far as there was room.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Started now, or earlier under the same token or request.
    pub tasks: Vec<TaskId>,
    /// Why instances took no more, where fewer were started than asked for.
    pub refused: Vec<Refused>,
    /// A state that holds the tasks.
    pub state: Arc<State>,
}

/// Where changes are proposed and runs are planned.
#[derive(Clone)]
pub struct Planner {
    consensus: Consensus,
    wishes: mpsc::Sender<Wish>,
}

impl Planner {
    /// Starts the desk; it ends with `stop`.
    #[must_use]
    pub fn start(consensus: Consensus, stop: CancellationToken, tasks: &TaskTracker) -> Self {
        let (wishes, waiting) = mpsc::channel(WAITING_MAX);
        let desk = Desk::new(consensus.clone(), waiting);
        tasks.spawn(async move { stop.run_until_cancelled(desk.run()).await });
        Self { consensus, wishes }
    }

    /// Carries out a command in which nothing has to be placed.
    pub async fn change(
        &self,
        request: RequestId,
        command: Command,
        deadline: Instant,
    ) -> Result<Done, PlanError> {
        if let Some(reply) = self.consensus.state().remembered(request) {
            return Ok(Done {
                reply: reply.clone(),
                state: self.consensus.state(),
            });
        }
        let proposed = self
            .consensus
            .propose(vec![Item { request, command }], deadline)
            .await?;
        let reply = only(proposed.outcomes)?;
        Ok(Done {
            reply,
            state: self.consensus.state(),
        })
    }

    /// Places and starts tasks. A plan that the state outran is made again.
    pub async fn run(
        &self,
        request: RequestId,
        ask: RunAsk,
        deadline: Instant,
    ) -> Result<Ran, PlanError> {
        let ask = Arc::new(ask);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.run_once(request, Arc::clone(&ask), deadline).await {
                Err(PlanError::Rejected(Rejection::NoLongerFits { .. })) if tries < PLAN_TRIES => {
                    metrics::counter!("quorate_plans_outrun_total").increment(1);
                }
                other => return other,
            }
        }
    }

    async fn run_once(
        &self,
        request: RequestId,
        ask: Arc<RunAsk>,
        deadline: Instant,
    ) -> Result<Ran, PlanError> {
        let (answer, answered) = oneshot::channel();
        let wish = Wish {
            request,
            ask,
            deadline,
            answer,
        };
        self.wishes.try_send(wish).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PlanError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => PlanError::Stopped,
        })?;
        // A desk that ended without an answer may have proposed a plan.
        let planned = timeout_at(deadline, answered).await;
        let (tasks, refused) = match planned {
            Ok(Ok(planned)) => planned?,
            Ok(Err(_)) | Err(_) => return Err(PlanError::TimedOut),
        };
        Ok(Ran {
            tasks,
            refused,
            state: self.consensus.state(),
        })
    }
}

/// The outcome of the only item of a proposal.
fn only(outcomes: Vec<Outcome>) -> Outcome {
    let mut outcomes = outcomes.into_iter();
    outcomes
        .next()
        .expect("one outcome for each item, and one item was proposed")
}
