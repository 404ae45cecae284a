//! The room between the wire and the meaning: every call that a listener has understood passes here and finds the
//! node that may answer it. Called by `http`; calls `operations`.
//!
//! Reads are answered here, behind a barrier that makes them linearizable. Writes are carried out by the leader: here, or one hop on,
//! tried again under the same request id for as long as the caller waits, whoever leads meanwhile.

mod call;
mod events;
mod relay;
mod route;
#[cfg(test)]
mod tests;

use quorate_core::{Policy, Realm};
use quorate_proto::peer::relay_server::RelayServer;
use tokio::time::Instant;

use self::relay::RelayService;
use self::route::{Route, Tried, other_leader};
use crate::consensus::Consensus;
use crate::operations::exception::Exception;
use crate::operations::{self, Caller, Kind, Operation, Operations, Request};
use crate::planner::Planner;

pub use self::call::{Answer, Call, Principal, Service};
pub use self::events::{From, Seen, WatchAsk};

/// Every call's way to the node that may answer it. Clones share everything.
#[derive(Clone)]
pub struct Gateway {
    consensus: Consensus,
    operations: Operations,
    route: Route,
}

impl Gateway {
    /// The gateway of this node.
    #[must_use]
    pub fn new(consensus: Consensus, planner: Planner, realm: Realm, policy: Policy) -> Self {
        let operations = Operations::new(consensus.clone(), planner, realm, policy);
        let route = Route::new(consensus.clone(), operations.clone());
        Self {
            consensus,
            operations,
            route,
        }
    }

    /// The way in for calls that other nodes pass on.
    #[must_use]
    pub fn relay_service(&self) -> RelayServer<RelayService> {
        RelayServer::new(RelayService::new(
            self.consensus.clone(),
            self.operations.clone(),
        ))
    }

    /// Answers a call, by its deadline at the latest.
    pub async fn call(&self, call: Call) -> Answer {
        let answer = match operations::find(call.service.name(), &call.operation) {
            Ok(operation) => self.answer(operation, &call).await,
            Err(exception) => Err(exception),
        };
        answer.unwrap_or_else(Answer::from)
    }

    async fn answer(
        &self,
        operation: &'static Operation,
        call: &Call,
    ) -> Result<Answer, Exception> {
        match operation.kind() {
            Kind::Here => self.here(operation, call).await,
            Kind::Read => {
                self.barrier(call.deadline).await?;
                self.here(operation, call).await
            }
            Kind::Write => self.write(operation, call).await,
        }
    }

    async fn here(&self, operation: &Operation, call: &Call) -> Result<Answer, Exception> {
        self.operations
            .answer(operation, &request(call))
            .await
            .map(Answer::ok)
    }

    async fn barrier(&self, deadline: Instant) -> Result<(), Exception> {
        let reached = self.consensus.barrier(deadline).await;
        reached.map(drop).map_err(|error| {
            metrics::counter!("quorate_gateway_unanswered_total", "kind" => "read").increment(1);
            Exception::server(format!(
                "The control plane can not answer: {error}. Try again."
            ))
        })
    }

    /// Tries at whoever leads, until there is an answer or the caller's time is up. It watches leadership while it waits: whoever
    /// led may be gone and never answer.
    async fn write(&self, operation: &'static Operation, call: &Call) -> Result<Answer, Exception> {
        let mut leadership = self.consensus.leadership();
        let mut outcome_unknown = false;
        loop {
            let now = leadership.borrow_and_update().clone();
            let tried = tokio::select! {
                tried = self.route.attempt(&now, operation, call) => tried,
                () = other_leader(&mut leadership, &now) => Tried::Unknown,
                () = tokio::time::sleep_until(call.deadline) => Tried::Unknown,
            };
            match tried {
                Tried::Answered(answer) => return Ok(answer),
                Tried::Unknown => outcome_unknown |= now.leader.is_some(),
                Tried::NotThere => {}
            }
            if !route::pause(&mut leadership, &now, call.deadline).await {
                return Err(unanswered(outcome_unknown));
            }
            metrics::counter!("quorate_gateway_retries_total").increment(1);
        }
    }
}

/// What a caller is told whose time is up.
fn unanswered(outcome_unknown: bool) -> Exception {
    metrics::counter!("quorate_gateway_unanswered_total", "kind" => "write").increment(1);
    Exception::server(if outcome_unknown {
        "No answer in time, and the outcome is unknown. Trying again with the same clientToken is safe."
    } else {
        "There is no leader: a majority of nodes does not answer. Nothing was changed; try again."
    })
}

/// The call as operations see it.
fn request(call: &Call) -> Request {
    let Principal {
        arn,
        account,
        user_id,
        access_key_id: _,
    } = call.principal.clone();
    Request {
        id: route::request_id(&call.request_id),
        body: call.body.clone(),
        caller: Caller {
            arn,
            account,
            user_id,
        },
        deadline: call.deadline,
    }
}
