//! Proposals from any node: made here, or one hop on by whoever leads, and made again with the same request ids for as long as the caller waits.

use std::time::Duration;

use bytes::Bytes;
use quorate_core::{Item, codec};
use quorate_proto::peer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status};

use super::leadership::Leadership;
use super::membership::Member;
use super::proposals::{ProposeError, Proposed, Proposer, fits};
use super::wire::Calls;

/// Pause before a new try where no change of leader is seen: as long as a commit takes, so as not to be late nor to hammer.
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// What submitting needs.
#[derive(Clone)]
pub(super) struct Submitter {
    pub(super) proposer: Proposer,
    pub(super) calls: Calls,
    pub(super) leadership: watch::Receiver<Leadership>,
}

impl Submitter {
    /// Proposes here or through the leader, until there is an answer or the deadline comes.
    pub(super) async fn submit(
        &self,
        items: Vec<Item>,
        deadline: Instant,
    ) -> Result<Proposed, ProposeError> {
        let mut leadership = self.leadership.clone();
        let mut is_unknown = false;
        let items: Vec<Bytes> = items.iter().map(Item::encode).collect();
        fits(items.iter().map(Bytes::len).sum())?;
        loop {
            let now = leadership.borrow_and_update().clone();
            let tried = tokio::select! {
                tried = self.attempt(&now, &items, deadline) => tried,
                // Whoever led does not any more, and may never answer.
                () = other_leader(&mut leadership, &now) => Err(ProposeError::Timeout),
            };
            match tried {
                Err(ProposeError::Timeout) => is_unknown = true,
                Err(ProposeError::NotLeader { .. }) => {}
                settled => return settled,
            }
            let pause = async {
                tokio::select! {
                    () = sleep(TRY_PAUSE) => {}
                    () = other_leader(&mut leadership, &now) => {}
                }
            };
            if timeout_at(deadline, pause).await.is_err() {
                let leader = now.leader;
                return Err(if is_unknown {
                    ProposeError::Timeout
                } else {
                    ProposeError::NotLeader { leader }
                });
            }
        }
    }

    async fn attempt(
        &self,
        leadership: &Leadership,
        items: &[Bytes],
        deadline: Instant,
    ) -> Result<Proposed, ProposeError> {
        if leadership.is_me {
            return self.proposer.propose(items.to_vec(), deadline).await;
        }
        match &leadership.leader {
            Some(leader) => self.forward(leader, items, deadline).await,
            None => Err(ProposeError::NotLeader { leader: None }),
        }
    }

    async fn forward(
        &self,
        leader: &Member,
        items: &[Bytes],
        deadline: Instant,
    ) -> Result<Proposed, ProposeError> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let reply = self
            .calls
            .propose(leader, items.to_vec(), patience)
            .await
            .map_err(|status| error_of(&status))?;
        if reply.not_leader {
            return Err(ProposeError::NotLeader {
                leader: reply.leader.map(member),
            });
        }
        let decoded = reply
            .outcomes
            .iter()
            .map(|bytes| codec::decode_outcome(bytes))
            .collect::<Result<Vec<_>, _>>();
        match decoded {
            Ok(outcomes) if outcomes.len() == items.len() => Ok(Proposed {
                index: reply.index,
                outcomes,
            }),
            Ok(_) | Err(_) => {
                tracing::warn!(%leader, "the leader's answer to a proposal cannot be read");
                Err(ProposeError::Timeout)
            }
        }
    }
}

/// Waits until a leader other than the one in `known` is known, or this node's part in it changes.
async fn other_leader(leadership: &mut watch::Receiver<Leadership>, known: &Leadership) {
    let is_other = |now: &Leadership| {
        now.leader.is_some() && (now.leader != known.leader || now.is_me != known.is_me)
    };
    if leadership.wait_for(is_other).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn member(member: peer::Member) -> Member {
    Member {
        node: quorate_core::ids::NodeId(member.node),
        peer_address: member.peer_address,
        api_address: member.api_address,
    }
}

/// A proposal's refusal as a status, for the way back to the node that forwarded it.
pub(super) fn status_of(error: &ProposeError) -> Status {
    let code = match error {
        ProposeError::NotLeader { .. } => Code::FailedPrecondition,
        ProposeError::Timeout => Code::DeadlineExceeded,
        ProposeError::Stopped => Code::Unavailable,
        ProposeError::Overloaded => Code::ResourceExhausted,
        ProposeError::TooLarge { .. } => Code::OutOfRange,
    };
    Status::new(code, error.to_string())
}

/// The same on its arrival. What does not say that nothing was proposed leaves the outcome unknown.
fn error_of(status: &Status) -> ProposeError {
    match status.code() {
        Code::ResourceExhausted => ProposeError::Overloaded,
        _ => ProposeError::Timeout,
    }
}
