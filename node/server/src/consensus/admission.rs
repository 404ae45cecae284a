//! Whether this node may vote with the disk it has.
//!
//! A node whose disk is empty may be new, or may have lost what it promised: then a second vote in one term, or a forgotten entry, could undo
//! what was acknowledged. The cluster's state knows every node with the id of its store, so a node with an empty disk asks before it takes part.
//! It needs answers of so many others that at least one of them has seen whatever a majority with this node could have committed.
//!
//! A disk that is not empty may be an older copy of itself, guard and all. That only others can know, and they do (`witness`). Such a node asks
//! too, but waits for nobody: a cluster must come up again with a bare majority. Who is late is asked again until all have answered, and may
//! still refuse.
//!
//! What this leaves open: what was lost within about a second of its being promised.

use std::collections::BTreeMap;
use std::fmt;
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
use super::witness::Kept;

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

/// What a node that starts says of itself.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) node: NodeId,
    pub(super) store: StoreId,
    /// What its disk held before anybody could add to it.
    pub(super) found: Kept,
}

/// The questions of a node that starts, and who has answered them.
pub(super) struct Asking<'a> {
    calls: &'a Calls,
    found: Kept,
    store: StoreId,
    others: Vec<Member>,
    answers: BTreeMap<NodeId, peer::AdmitReply>,
}

impl<'a> Asking<'a> {
    /// Nobody has answered yet.
    pub(super) fn of(calls: &'a Calls, store: StoreId, found: Kept, others: Vec<Member>) -> Self {
        Self {
            calls,
            found,
            store,
            others,
            answers: BTreeMap::new(),
        }
    }

    /// Asks, all at one time, those who have not answered; gives those who do so now.
    pub(super) async fn once(&mut self) -> Result<Vec<NodeId>, StopReason> {
        let unasked = self
            .others
            .iter()
            .filter(|member| !self.answers.contains_key(&member.node));
        let asked = unasked.map(|member| async {
            let reply = self
                .calls
                .admit(member, self.store, self.found, ANSWER_PATIENCE)
                .await;
            (member.node, reply)
        });
        let mut answered = Vec::new();
        for (node, reply) in join_all(asked).await {
            match reply {
                Ok(reply) if !reply.admitted => return Err(StopReason::Refused(reply.why)),
                Ok(reply) => {
                    self.answers.insert(node, reply);
                    answered.push(node);
                }
                Err(status) => {
                    tracing::debug!(%node, %status, "no answer yet on whether this node may vote");
                }
            }
        }
        Ok(answered)
    }

    /// For an empty disk: asks until enough have answered, or one refuses.
    pub(super) async fn until_enough(&mut self) -> Result<Found, StopReason> {
        let needed = answers_needed(self.others.len());
        let mut is_told = false;
        loop {
            self.once().await?;
            if self.answers.len() >= needed {
                let has_begun = self.answers.values().any(|reply| reply.initialized);
                return Ok(if has_begun { Found::Begun } else { Found::New });
            }
            if !is_told {
                tracing::info!(
                    answered = self.answers.len(),
                    needed,
                    "the log is empty: waiting for other nodes to say whether this node may vote"
                );
                is_told = true;
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Who has answered.
    pub(super) fn answered(&self) -> impl Iterator<Item = NodeId> {
        self.answers.keys().copied()
    }

    /// Whether there is nobody left to ask.
    pub(super) fn is_done(&self) -> bool {
        self.answers.len() == self.others.len()
    }
}

/// Of `others`, so many that every majority of the whole cluster that this node was in has one of them.
fn answers_needed(others: usize) -> usize {
    let majority = others.div_ceil(2) + 1;
    (others + 2 - majority).min(others)
}

/// Why `asker` must not vote, as far as the state, and what this node has witnessed of it, go.
pub(super) fn objection(
    state: &State,
    witnessed: Option<&peer::Promised>,
    asker: &Asker,
) -> Option<String> {
    let Asker { node, store, found } = asker;
    if let Some(record) = state.node(*node).filter(|record| record.store != *store) {
        return Some(known_otherwise(*node, &record.store));
    }
    let witnessed = witnessed?;
    if witnessed.store_id != store.to_string() {
        return Some(known_otherwise(*node, &witnessed.store_id));
    }
    let loss = found.falls_short_of(witnessed)?;
    Some(format!(
        "node {node} holds less than this node has seen it hold: {loss}"
    ))
}

fn known_otherwise(node: NodeId, known: &dyn fmt::Display) -> String {
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
                return Err(StopReason::Refused(known_otherwise(node, &known)));
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
