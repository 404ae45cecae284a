//! Where asks become commands: one at a time, on the newest state with the plans in flight applied to a copy of it.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt as _};
use quorate_core::ids::{RequestId, TaskId};
use quorate_core::placement::Refused;
use quorate_core::{Entry, Item, Millis, Mint, Rejection, Reply, State, apply};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::ask::{Decision, RunAsk, decide};
use super::{PlanError, only};
use crate::consensus::Consensus;
use crate::entropy;

/// Asks planned together on one look at the state: a look costs the plans in flight once more, so it is shared.
const BATCH_MAX: usize = 64;
/// Plans in flight. Beyond that the desk waits: more would only be outrun together.
const IN_FLIGHT_MAX: usize = 256;

/// What an ask came to: the tasks, and why others could not be placed.
pub(super) type Planned = Result<(Vec<TaskId>, Vec<Refused>), PlanError>;

/// An ask on its way to the desk.
pub(super) struct Wish {
    pub(super) request: RequestId,
    pub(super) ask: Arc<RunAsk>,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Planned>,
}

pub(super) struct Desk {
    consensus: Consensus,
    waiting: mpsc::Receiver<Wish>,
    mint: Mint,
    in_flight: Vec<Item>,
    /// Asks whose twin is on its way: planned again as soon as something lands.
    later: Vec<Wish>,
}

impl Desk {
    pub(super) fn new(consensus: Consensus, waiting: mpsc::Receiver<Wish>) -> Self {
        Self {
            consensus,
            waiting,
            mint: entropy::mint(),
            in_flight: Vec::new(),
            later: Vec::new(),
        }
    }

    /// Plans until nobody asks any more.
    pub(super) async fn run(mut self) {
        let mut on_their_way = FuturesUnordered::new();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                Some(request) = on_their_way.next() => {
                    self.in_flight.retain(|item| item.request != request);
                    batch.append(&mut self.later);
                }
                count = self.waiting.recv_many(&mut batch, BATCH_MAX), if on_their_way.len() < IN_FLIGHT_MAX => {
                    if count == 0 {
                        return;
                    }
                }
            }
            on_their_way.extend(
                self.plan_all(&mut batch)
                    .into_iter()
                    .map(|plan| carry(self.consensus.clone(), plan)),
            );
        }
    }

    fn plan_all(&mut self, batch: &mut Vec<Wish>) -> Vec<OnItsWay> {
        if batch.is_empty() {
            return Vec::new();
        }
        let real = self.consensus.state();
        let mut view = self.look(&real);
        batch
            .drain(..)
            .filter_map(|wish| self.plan(&real, &mut view, wish))
            .collect()
    }

    /// The newest state with the plans in flight worked in. Those that have been applied meanwhile are remembered by their request,
    /// and change nothing twice.
    fn look(&self, real: &State) -> State {
        let mut view = real.clone();
        for item in &self.in_flight {
            work_in(&mut view, item, self.consensus.clock().wall());
        }
        view
    }

    /// Decides one ask; answers at once where nothing is to be proposed.
    fn plan(&mut self, real: &State, view: &mut State, wish: Wish) -> Option<OnItsWay> {
        let known = match known(real, view, &wish) {
            Known::Nothing => None,
            Known::Answer(planned) => Some(planned),
            Known::InFlight => {
                self.later.push(wish);
                return None;
            }
        };
        let decision = known.map_or_else(|| Ok(decide(view, &wish.ask, &mut self.mint)), Err);
        let (command, refused) = match decision {
            Ok(Decision {
                command: Some(command),
                refused,
            }) => (command, refused),
            Ok(Decision {
                command: None,
                refused,
            }) => return answer(wish, Ok((Vec::new(), refused))),
            Err(planned) => return answer(wish, planned),
        };
        let item = Item {
            request: wish.request,
            command,
        };
        work_in(view, &item, self.consensus.clock().wall());
        self.in_flight.push(item.clone());
        Some(OnItsWay {
            item,
            refused,
            wish,
        })
    }
}

/// A plan that is being proposed, and who waits for it.
struct OnItsWay {
    item: Item,
    refused: Vec<Refused>,
    wish: Wish,
}

/// What is known of an ask before it is planned.
enum Known {
    Nothing,
    /// It was carried out before, or its token was used for something else.
    Answer(Planned),
    /// Its twin (same request, or same token) is on its way: wait for what becomes of that.
    InFlight,
}

/// Looks for the request and for the client token: first in what is replicated, then in what is on its way.
fn known(real: &State, view: &State, wish: &Wish) -> Known {
    if let Some(Reply::Tasks(tasks)) = real.remembered(wish.request) {
        return Known::Answer(Ok((tasks.clone(), Vec::new())));
    }
    if view.remembered(wish.request).is_some() {
        return Known::InFlight;
    }
    let Some(token) = &wish.ask.token else {
        return Known::Nothing;
    };
    match real.token(&token.cluster, &token.token) {
        Some(used) if used.fingerprint == token.fingerprint => {
            Known::Answer(Ok((used.tasks.clone(), Vec::new())))
        }
        Some(used) => Known::Answer(Err(Rejection::TokenConflict {
            tasks: used.tasks.clone(),
        }
        .into())),
        None if view.token(&token.cluster, &token.token).is_some() => Known::InFlight,
        None => Known::Nothing,
    }
}

/// Answers without proposing. Whoever asked may have given up, which is no error.
fn answer(wish: Wish, planned: Planned) -> Option<OnItsWay> {
    let _ = wish.answer.send(planned);
    None
}

fn work_in(view: &mut State, item: &Item, at: Millis) {
    let index = view.applied_index() + 1;
    apply(
        view,
        index,
        &Entry {
            at,
            items: vec![item.clone()],
        },
    );
}

/// Carries a plan through Raft and answers; gives back its request, so that the desk lets go of it.
async fn carry(consensus: Consensus, plan: OnItsWay) -> RequestId {
    let OnItsWay {
        item,
        refused,
        wish,
    } = plan;
    let proposed = consensus.propose(vec![item], wish.deadline).await;
    let planned = match proposed.map(|proposed| only(proposed.outcomes)) {
        Err(error) => Err(error.into()),
        Ok(Err(rejection)) => Err(rejection.into()),
        Ok(Ok(Reply::Tasks(tasks))) => Ok((tasks, refused)),
        Ok(Ok(other)) => unreachable!("a run replies with tasks, not {other:?}"),
    };
    // Whoever asked may have given up; the tasks run all the same, and the request id finds them.
    let _ = wish.answer.send(planned);
    wish.request
}
