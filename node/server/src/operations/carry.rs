//! The part of operations that waits: reads on the newest state here, writes through the planner.
//!
//! A leader decides on its own state. That is sound if it holds all that was acknowledged before: one barrier at the start of each
//! term sees to it, and from then on nothing is acknowledged that is not applied here. What is refused without being proposed is
//! confirmed by a barrier too: a node that was deposed without knowing must not refuse what its successor would allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quorate_core::ids::RequestId;
use quorate_core::{Policy, Realm, Rejection, Reply, State};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::exception::{Exception, Kind};
use super::input::Input;
use super::{AnswerFn, Caller, Intent, Meaning, Operation, Outcome, ReadFn, Scene, WriteFn};
use super::{callers, nodes, refusals};
use crate::consensus::Consensus;
use crate::planner::{PlanError, Planner};

/// How often a change is built on the newest state before its caller is told that the state moves too fast.
const TRIES: usize = 3;
/// What is reckoned at once: each takes a processor from what the node is there for.
const RECKONING_MAX: usize = 2;

/// A call as operations see it: what, by whom, until when.
#[derive(Debug, Clone)]
pub struct Request {
    /// Equal ids are carried out once.
    pub id: RequestId,
    /// The input, which the listener has checked.
    pub body: Bytes,
    /// Who asks.
    pub caller: Caller,
    /// Nothing is waited for beyond it.
    pub deadline: Instant,
}

/// Why a write has no answer yet. The same request may be tried again, here or elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// This node cannot decide it, and nothing was changed.
    #[error("this node does not lead")]
    NotLeader,
    /// It may or may not have been carried out.
    #[error("the outcome is unknown")]
    Unknown,
}

/// Carries operations out. Clones share everything.
#[derive(Clone)]
pub struct Operations {
    consensus: Consensus,
    planner: Planner,
    realm: Arc<Realm>,
    policy: Policy,
    /// Whoever reckons holds one.
    turns: Arc<Semaphore>,
    /// The last term in which this node led and was sure to hold all that was acknowledged before.
    settled_term: Arc<AtomicU64>,
}

impl Operations {
    /// Operations on this node.
    #[must_use]
    pub fn new(consensus: Consensus, planner: Planner, realm: Realm, policy: Policy) -> Self {
        Self {
            consensus,
            planner,
            realm: Arc::new(realm),
            policy,
            turns: Arc::new(Semaphore::new(RECKONING_MAX)),
            settled_term: Arc::default(),
        }
    }

    /// Where and whose this control plane is.
    pub(crate) fn realm(&self) -> &Arc<Realm> {
        &self.realm
    }

    /// Answers on this node's state as it is. Whoever wants a linearizable answer has waited for a barrier.
    pub async fn answer(
        &self,
        operation: &Operation,
        request: &Request,
    ) -> Result<Bytes, Exception> {
        match operation.meaning {
            Meaning::Read(read) => {
                let input = Input::parse(operation.name, &request.body)?;
                read(&self.scene(&self.consensus.state(), request), input)
            }
            Meaning::Reckon(read) => self.reckon(operation.name, read, request).await,
            Meaning::Identity => Ok(callers::identity(&request.caller)),
            Meaning::Nodes => Ok(nodes::list(&self.consensus, request.deadline).await),
            Meaning::Write(..) => unreachable!("the gateway takes writes to change()"),
        }
    }

    /// The same for an answer that may take seconds of work: where it holds up nobody, and few at once.
    async fn reckon(
        &self,
        name: &'static str,
        read: ReadFn,
        request: &Request,
    ) -> Result<Bytes, Exception> {
        let waited = timeout_at(request.deadline, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = waited else {
            return Err(Exception::new(
                Kind::Throttling,
                "Too much is being reckoned already; try again.",
            ));
        };
        let (this, request) = (self.clone(), request.clone());
        let reckoned = self.consensus.aside(move || {
            let _turn = turn;
            let input = Input::parse(name, &request.body)?;
            read(&this.scene(&this.consensus.state(), &request), input)
        });
        reckoned.await.unwrap_or_else(|error| {
            Err(Exception::server(format!("It was not reckoned: {error}.")))
        })
    }

    /// Carries out a write, which this node does only if it leads.
    pub async fn change(
        &self,
        operation: &Operation,
        request: &Request,
    ) -> Result<Result<Bytes, Exception>, Unsettled> {
        let Meaning::Write(ask, answer) = operation.meaning else {
            unreachable!("the gateway takes reads to answer()")
        };
        let term = self.settle(request.deadline).await?;
        let mut tries = 0;
        let done = loop {
            tries += 1;
            let intent = match self.intent(operation, ask, request) {
                Ok(intent) => intent,
                Err(refusal) => {
                    return self
                        .confirm(term, request.deadline)
                        .await
                        .map(|()| Err(refusal));
                }
            };
            match self.carry_out(intent, request).await {
                // What it was built on has moved: it is built anew.
                Err(PlanError::Rejected(Rejection::ServiceMoved(_))) if tries < TRIES => {}
                done => break done,
            }
        };
        match done {
            Ok((outcome, state)) => {
                let idle = matches!(&outcome.reply, Reply::Tasks(tasks) if tasks.is_empty());
                if idle {
                    self.confirm(term, request.deadline).await?;
                }
                Ok(self.show(answer, &outcome, &state, request))
            }
            Err(error) => self.unplanned(error),
        }
    }

    fn scene<'a>(&'a self, state: &'a State, request: &'a Request) -> Scene<'a> {
        Scene {
            state,
            realm: &self.realm,
            caller: &request.caller,
            request: request.id,
            decisions: self.consensus.decisions(),
            now: self.consensus.clock().wall(),
            policy: &self.policy,
        }
    }

    /// Sees to it, once in each term, that this leader's state holds all that was acknowledged before the term. Gives the term.
    async fn settle(&self, deadline: Instant) -> Result<u64, Unsettled> {
        let term = self.consensus.leadership().borrow().term;
        if self.settled_term.load(Ordering::Acquire) < term {
            self.confirm(term, deadline).await?;
            self.settled_term.fetch_max(term, Ordering::AcqRel);
        }
        Ok(term)
    }

    /// Makes sure that the cluster still follows this node in `term`. A barrier alone does not say so: any node may pass one.
    async fn confirm(&self, term: u64, deadline: Instant) -> Result<(), Unsettled> {
        let passed = self.consensus.barrier(deadline).await.is_ok();
        let now = self.consensus.leadership().borrow().clone();
        if passed && now.is_me && now.term == term {
            Ok(())
        } else {
            Err(Unsettled::NotLeader)
        }
    }

    /// What the request wants. One that was carried out before is not looked at again: the state has moved on since.
    fn intent(
        &self,
        operation: &Operation,
        ask: WriteFn,
        request: &Request,
    ) -> Result<Intent, Exception> {
        let state = self.consensus.state();
        if let Some(reply) = state.remembered(request.id) {
            return Ok(Intent::Already(Outcome::of(reply.clone())));
        }
        let input = Input::parse(operation.name, &request.body)?;
        ask(&self.scene(&state, request), input)
    }

    async fn carry_out(
        &self,
        intent: Intent,
        request: &Request,
    ) -> Result<(Outcome, Arc<State>), PlanError> {
        match intent {
            Intent::Already(outcome) => Ok((outcome, self.consensus.state())),
            Intent::Change(command) => {
                let done = self
                    .planner
                    .change(request.id, command, request.deadline)
                    .await?;
                Ok((Outcome::of(done.reply), done.state))
            }
            Intent::ChangeSome { command, failures } => {
                let (id, deadline) = (request.id, request.deadline);
                let done = self.planner.change(id, command, deadline).await?;
                let reply = done.reply;
                Ok((Outcome { reply, failures }, done.state))
            }
            Intent::Run { ask, missing } => {
                let cluster = ask.cluster.clone();
                let ran = self.planner.run(request.id, *ask, request.deadline).await?;
                let refused = ran.refused.iter();
                let refused = refused.map(|one| refusals::failure(one, &cluster, &self.realm));
                let failures = missing.into_iter().chain(refused).collect();
                Ok((
                    Outcome {
                        reply: Reply::Tasks(ran.tasks),
                        failures,
                    },
                    ran.state,
                ))
            }
        }
    }

    fn show(
        &self,
        answer: AnswerFn,
        outcome: &Outcome,
        state: &State,
        request: &Request,
    ) -> Result<Bytes, Exception> {
        answer(&self.scene(state, request), outcome)
    }

    fn unplanned(&self, error: PlanError) -> Result<Result<Bytes, Exception>, Unsettled> {
        match error {
            PlanError::Rejected(rejection) => {
                let state = self.consensus.state();
                Ok(Err(refusals::rejection(&rejection, &state, &self.realm)))
            }
            PlanError::Overloaded => Ok(Err(Exception::new(
                Kind::Throttling,
                "Too many requests are waiting; nothing was changed.",
            ))),
            PlanError::NotLeader(_) | PlanError::Stopped => Err(Unsettled::NotLeader),
            PlanError::TimedOut => Err(Unsettled::Unknown),
        }
    }
}
