//! One try of a write: here if this node leads, else one hop to the leader. Whether and how often to try is the gateway's affair.

use std::time::Duration;

use quorate_bugs::{Bug, is_seeded};
use quorate_core::ids::RequestId;
use quorate_proto::peer::relay_client::RelayClient;
use quorate_proto::peer::{SubmitReply, SubmitRequest};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Code;

use super::{Answer, Call, request};
use crate::consensus::{Consensus, Leadership, Member};
use crate::entropy;
use crate::operations::{Operation, Operations, Unsettled};

/// Pause before a new try where no change of leader is seen: about a commit, so as neither to be late nor to hammer.
const TRY_PAUSE: Duration = Duration::from_millis(50);
/// A hop gets this much less time than its caller, so that its answer, or what is known without one, still arrives.
const HOP_MARGIN: Duration = Duration::from_millis(20);

/// What one try came to.
#[derive(Debug)]
pub(super) enum Tried {
    /// The answer, be it a success or a refusal.
    Answered(Answer),
    /// Nobody was there who could decide, and nothing was changed.
    NotThere,
    /// It may have been carried out. The same request id finds that out.
    Unknown,
}

/// The ways of a write.
#[derive(Clone)]
pub(super) struct Route {
    consensus: Consensus,
    operations: Operations,
}

impl Route {
    pub(super) fn new(consensus: Consensus, operations: Operations) -> Self {
        Self {
            consensus,
            operations,
        }
    }

    /// Tries where `leadership` says that the leader is.
    pub(super) async fn attempt(
        &self,
        leadership: &Leadership,
        operation: &Operation,
        call: &Call,
    ) -> Tried {
        match &leadership.leader {
            _ if leadership.is_me => here(&self.operations, operation, call).await,
            Some(leader) => {
                let tried = self.forward(leader, leadership.term, call).await;
                let result = match tried {
                    Tried::Answered(_) => "answered",
                    Tried::NotThere => "not_leader",
                    Tried::Unknown => "unknown",
                };
                metrics::counter!("quorate_gateway_forwarded_total", "result" => result)
                    .increment(1);
                tried
            }
            None => Tried::NotThere,
        }
    }

    async fn forward(&self, leader: &Member, term: u64, call: &Call) -> Tried {
        let patience = call
            .deadline
            .saturating_duration_since(Instant::now())
            .saturating_sub(HOP_MARGIN);
        let mut message = tonic::Request::new(SubmitRequest {
            service: call.service.name().to_owned(),
            operation: call.operation.clone(),
            body: call.body.clone(),
            request_id: call.request_id.clone(),
            principal: call.principal.arn.clone(),
            access_key_id: call.principal.access_key_id.clone(),
            deadline_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            leader_term: term,
        });
        message.set_timeout(patience);
        let mut client = RelayClient::new(self.consensus.channel(&leader.peer_address));
        match client.submit(message).await {
            Ok(reply) => settled(reply.into_inner()),
            Err(status) => {
                tracing::debug!(%leader, code = ?status.code(), message = status.message(), "hop failed");
                match status.code() {
                    // What the leader could not read it did not carry out.
                    Code::InvalidArgument | Code::Unimplemented => Tried::NotThere,
                    _ => Tried::Unknown,
                }
            }
        }
    }
}

/// Tries here.
async fn here(operations: &Operations, operation: &Operation, call: &Call) -> Tried {
    match operations.change(operation, &request(call)).await {
        Ok(answer) => Tried::Answered(answer.map_or_else(Answer::from, Answer::ok)),
        Err(Unsettled::NotLeader) => Tried::NotThere,
        Err(Unsettled::Unknown) => Tried::Unknown,
    }
}

fn settled(reply: SubmitReply) -> Tried {
    match u16::try_from(reply.status) {
        _ if reply.not_leader => Tried::NotThere,
        Ok(status) => Tried::Answered(Answer {
            status,
            body: reply.body,
        }),
        Err(_) => Tried::Unknown,
    }
}

/// Waits until a leader other than the one in `known` is known, or this node's part in it changes.
pub(super) async fn other_leader(leadership: &mut watch::Receiver<Leadership>, known: &Leadership) {
    let is_other = |now: &Leadership| {
        now.leader.is_some() && (now.leader != known.leader || now.is_me != known.is_me)
    };
    if leadership.wait_for(is_other).await.is_err() {
        // Consensus is gone, and with it all news; the deadline ends the wait.
        std::future::pending::<()>().await;
    }
}

/// Waits for a moment, or for another leader; false when the deadline has come. Without a leader it is the news that are waited for.
pub(super) async fn pause(
    leadership: &mut watch::Receiver<Leadership>,
    known: &Leadership,
    deadline: Instant,
) -> bool {
    let has_leader = known.leader.is_some();
    let moment = async {
        if has_leader {
            sleep(TRY_PAUSE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let news = async {
        tokio::select! {
            () = moment => {}
            () = other_leader(leadership, known) => {}
        }
    };
    timeout_at(deadline, news).await.is_ok()
}

/// The replicated id of a call. The listener gives calls UUIDs, whose digits it is; of any other text it is a digest.
pub(super) fn request_id(text: &str) -> RequestId {
    if is_seeded(Bug::FreshIdOnRetry) {
        return RequestId::from_u128(entropy::number());
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    digits.parse().unwrap_or_else(|_| {
        let digest = Sha256::digest(text);
        RequestId::from_u128(u128::from_be_bytes(
            digest[..16].try_into().expect("SHA-256 has 32 bytes"),
        ))
    })
}
