//! The way in for calls that other nodes pass on: writes, carried out if this node leads and never passed on again.

use std::time::Duration;

use quorate_proto::peer::relay_server::Relay;
use quorate_proto::peer::{StatusReply, StatusRequest, SubmitReply, SubmitRequest};
use tokio::time::Instant;
use tonic::{Request as Message, Response, Status};

use super::{Answer, route};
use crate::consensus::Consensus;
use crate::operations::{self, Caller, Kind, Operations, Request, Unsettled};

/// Nobody waits longer for a call; a longer wish is a mistake, and this keeps it within what a clock can add.
const PATIENCE_MAX: Duration = Duration::from_secs(300);

/// Serves other nodes.
pub struct RelayService {
    consensus: Consensus,
    operations: Operations,
}

impl RelayService {
    pub(super) fn new(consensus: Consensus, operations: Operations) -> Self {
        Self {
            consensus,
            operations,
        }
    }
}

#[tonic::async_trait]
impl Relay for RelayService {
    async fn submit(
        &self,
        message: Message<SubmitRequest>,
    ) -> Result<Response<SubmitReply>, Status> {
        let submitted = message.into_inner();
        let operation = operations::find(&submitted.service, &submitted.operation)
            .ok()
            .filter(|operation| operation.kind() == Kind::Write)
            .ok_or_else(|| {
                Status::unimplemented(format!("{} is no write known here", submitted.operation))
            })?;
        let leadership = self.consensus.leadership().borrow().clone();
        if !leadership.is_me {
            let hint = leadership.leader.map(|leader| leader.peer_address);
            return Ok(Response::new(not_leader(hint.unwrap_or_default())));
        }
        match self
            .operations
            .change(operation, &request(&submitted))
            .await
        {
            Ok(answer) => {
                let Answer { status, body } = answer.map_or_else(Answer::from, Answer::ok);
                let status = status.into();
                Ok(Response::new(SubmitReply {
                    status,
                    body,
                    ..SubmitReply::default()
                }))
            }
            Err(Unsettled::NotLeader) => Ok(Response::new(not_leader(String::new()))),
            Err(Unsettled::Unknown) => Err(Status::deadline_exceeded("the outcome is unknown")),
        }
    }

    async fn status(&self, _: Message<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(operations::node_here(&self.consensus).await))
    }
}

fn not_leader(leader_hint: String) -> SubmitReply {
    SubmitReply {
        not_leader: true,
        leader_hint,
        ..SubmitReply::default()
    }
}

/// The call as operations see it. The account is the one in the ARN; what else is known of a caller, writes do not show.
fn request(submitted: &SubmitRequest) -> Request {
    let account = submitted.principal.split(':').nth(4).unwrap_or_default();
    let patience = Duration::from_millis(submitted.deadline_ms).min(PATIENCE_MAX);
    Request {
        id: route::request_id(&submitted.request_id),
        body: submitted.body.clone(),
        caller: Caller {
            arn: submitted.principal.clone(),
            account: account.to_owned(),
            user_id: submitted.access_key_id.clone(),
        },
        deadline: Instant::now() + patience,
    }
}
