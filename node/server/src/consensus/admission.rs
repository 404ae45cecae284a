//! Whether this node may vote with the disk it has.
//!
//! A node whose disk is empty may be new, or may have lost what it promised: then a second vote in one term, or a forgotten entry, could undo
//! what was acknowledged. The cluster's state knows every node with the id of its store, so a node with an empty disk asks before it takes part.
//! It needs answers of so many others that at least one of them has seen whatever a majority with this node could have committed.
//!
//! What this leaves open: a disk lost in the moment between a node's first vote and its record in the state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use quorate_core::ids::{NodeId, RequestId, StoreId};
use quorate_core::{Command, Item, Rejection, State};
use quorate_proto::peer;
use tokio::time::{Instant, sleep};
use tonic::Status;

use super::leadership::StopReason;
use super::machine::View;
use super::membership::Member;
use super::submit::Submitter;
use super::wire::Calls;

/// How long one answer may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Pause before those who have not answered are asked again: peers start at their own pace.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How long one try to make this node known may take.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);
/// Pause before the next.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

/// Closed until this node may take part; nothing of Raft passes before. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<AtomicBool>);

impl Gate {
    /// Lets Raft pass from now on.
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Refuses while closed; the caller tries again.
    pub(super) fn check(&self) -> Result<(), Status> {
        if self.0.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(Status::unavailable("this node has not been admitted yet"))
        }
    }
}

/// How this node found the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody who answered has begun.
    New,
    /// The cluster is there, and will bring this node up.
    Begun,
}

/// Asks the others until enough have answered, or one refuses.
pub(super) async fn ask(
    calls: &Calls,
    store: StoreId,
    others: &[Member],
) -> Result<Found, StopReason> {
    let needed = answers_needed(others.len());
    let mut answers: BTreeMap<NodeId, peer::AdmitReply> = BTreeMap::new();
    let mut is_told = false;
    loop {
        let unasked: Vec<_> = others
            .iter()
            .filter(|member| !answers.contains_key(&member.node))
            .collect();
        let asked = unasked.iter().map(|member| async {
            (
                member.node,
                calls.admit(member, store, ANSWER_PATIENCE).await,
            )
        });
        for (node, reply) in join_all(asked).await {
            match reply {
                Ok(reply) if !reply.admitted => return Err(StopReason::Refused(reply.why)),
                Ok(reply) => {
                    answers.insert(node, reply);
                }
                Err(status) => {
                    tracing::debug!(%node, %status, "no answer yet on whether this node may vote");
                }
            }
        }
        if answers.len() >= needed {
            let has_begun = answers.values().any(|reply| reply.initialized);
            return Ok(if has_begun { Found::Begun } else { Found::New });
        }
        if !is_told {
            tracing::info!(
                answered = answers.len(),
                needed,
                "the log is empty: waiting for other nodes to say whether this node may vote"
            );
            is_told = true;
        }
        sleep(ASK_AGAIN).await;
    }
}

/// Of `others`, so many that every majority of the whole cluster that this node was in has one of them.
fn answers_needed(others: usize) -> usize {
    let majority = others.div_ceil(2) + 1;
    (others + 2 - majority).min(others)
}

/// What this node, as far as its state goes, answers another that asks.
pub(super) fn answer(
    state: &State,
    node: NodeId,
    store: StoreId,
    initialized: bool,
) -> peer::AdmitReply {
    let known = state.node(node).filter(|record| record.store != store);
    match known {
        None => peer::AdmitReply {
            admitted: true,
            why: String::new(),
            initialized,
        },
        Some(record) => peer::AdmitReply {
            admitted: false,
            why: known_otherwise(node, record.store),
            initialized,
        },
    }
}

fn known_otherwise(node: NodeId, known: StoreId) -> String {
    format!("node {node} is known with another store, {known}")
}

/// Makes this node known, once: its addresses, its version, and the store it votes with.
pub(super) async fn record(
    view: &View,
    submitter: &Submitter,
    me: &Member,
    store: StoreId,
    version: &str,
) -> Result<(), StopReason> {
    // Nobody else proposes under this id, and core does not remember it: doing it twice is doing it once.
    let request = RequestId::from_u128(store.as_u128());
    let command = Command::RecordNode {
        node: me.node,
        store,
        peer_address: me.peer_address.clone(),
        api_address: me.api_address.clone(),
        version: version.to_owned(),
    };
    while !is_recorded(&view.state(), me, store, version) {
        let item = Item {
            request,
            command: command.clone(),
        };
        let proposed = submitter
            .submit(vec![item], Instant::now() + RECORD_PATIENCE)
            .await;
        let outcome = proposed.map(|proposed| proposed.outcomes.into_iter().next());
        match outcome {
            Ok(Some(Err(Rejection::NodeHasOtherStore { node, known }))) => {
                return Err(StopReason::Refused(known_otherwise(node, known)));
            }
            Ok(_) => return Ok(()),
            Err(error) => tracing::debug!(%error, "this node is not recorded yet"),
        }
        sleep(RECORD_AGAIN).await;
    }
    Ok(())
}

fn is_recorded(state: &State, me: &Member, store: StoreId, version: &str) -> bool {
    state.node(me.node).is_some_and(|record| {
        record.store == store
            && record.peer_address == me.peer_address
            && record.api_address == me.api_address
            && record.version == version
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_meet_every_majority_that_this_node_was_in() {
        // Others in a majority with this node: majority - 1. Those not asked must be fewer.
        for others in 1..10_usize {
            let majority = others.div_ceil(2) + 1;
            let needed = answers_needed(others);
            assert!(
                others - needed < majority - 1,
                "{others} others, {needed} answers"
            );
            assert!(needed <= others);
        }
        assert_eq!([0, 2, 4].map(answers_needed), [0, 2, 3]);
    }
}
