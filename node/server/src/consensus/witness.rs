//! What nodes remember of each other's disks. Each tells the others, about every second and only where it has changed, its last vote and how much
//! of the committed log it holds; they keep it beside their own log. So a node that comes back on an older copy of its data directory, which looks
//! whole to itself, is found out by whoever it meets first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use parking_lot::Mutex;
use prost::Message;
use quorate_core::ids::NodeId;
use quorate_proto::peer;

use super::convert::from_log_id;
use super::guard::Loss;
use super::log_store::LogStore;
use super::membership::Member;
use super::wire::Calls;

/// The catalogue's entry for what is remembered.
const CATALOGUED: &str = "witnessed";

/// What a disk was found to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Kept {
    /// The last vote.
    pub(super) vote: Option<peer::Vote>,
    /// The end of the log.
    pub(super) end: Option<peer::LogId>,
}

impl Kept {
    /// What `log`, just opened, holds.
    pub(super) fn on(log: &LogStore) -> Self {
        Self {
            vote: log.promised().vote,
            end: log.end().map(from_log_id),
        }
    }

    /// What is lacking, if this disk once held what was `witnessed`.
    pub(super) fn falls_short_of(&self, witnessed: &peer::Promised) -> Option<Loss> {
        let age = |vote: peer::Vote| (vote.term, vote.committed);
        if let Some(promised) = witnessed.vote
            && self.vote.is_none_or(|found| age(found) < age(promised))
        {
            return Some(Loss::Vote {
                promised: promised.term,
                found: self.vote.map_or(0, |vote| vote.term),
            });
        }
        let held = witnessed.held?;
        let is_there = self.end.is_some_and(|end| end.index >= held.index);
        (!is_there).then(|| Loss::Tail {
            promised: held.index,
            found: self.end.map(|end| end.index),
        })
    }
}

/// What this node remembers of the others. Clones are the same memory.
#[derive(Clone)]
pub(super) struct Witness {
    log: LogStore,
    known: Arc<Mutex<Known>>,
}

struct Known {
    nodes: BTreeMap<u64, peer::Promised>,
    /// Whether there is more than what is on disk.
    is_new: bool,
}

impl Witness {
    /// Remembers what `log` keeps. What cannot be read is forgotten: others remember too, and soon this node does again.
    pub(super) fn open(log: LogStore) -> Self {
        let bytes = log.catalogue_get(CATALOGUED).unwrap_or_default();
        let nodes = peer::Witnessed::decode(bytes).unwrap_or_default().nodes;
        let known = Known {
            nodes,
            is_new: false,
        };
        Self {
            log,
            known: Arc::new(Mutex::new(known)),
        }
    }

    /// What is known of `node`.
    pub(super) fn of(&self, node: NodeId) -> Option<peer::Promised> {
        self.known.lock().nodes.get(&node.0).cloned()
    }

    /// What of it would be known after a restart.
    #[cfg(test)]
    pub(super) fn on_disk(&self, node: NodeId) -> Option<peer::Promised> {
        let bytes = self.log.catalogue_get(CATALOGUED)?;
        let known = peer::Witnessed::decode(bytes).ok()?;
        known.nodes.get(&node.0).cloned()
    }

    /// Takes in what `node` says of itself.
    pub(super) fn take_in(&self, node: NodeId, promised: peer::Promised) {
        let mut known = self.known.lock();
        if known.nodes.get(&node.0) != Some(&promised) {
            known.nodes.insert(node.0, promised);
            known.is_new = true;
        }
    }

    /// Puts what is new on disk.
    pub(super) async fn keep(&self) {
        let bytes: Bytes = {
            let mut known = self.known.lock();
            if !std::mem::take(&mut known.is_new) {
                return;
            }
            let nodes = known.nodes.clone();
            peer::Witnessed { nodes }.encode_to_vec().into()
        };
        // A disk that fails stops the node by itself.
        let _ = self.log.catalogue_put(CATALOGUED, Some(bytes)).await;
    }
}

/// This node's own word to the others.
#[derive(Default)]
pub(super) struct Telling {
    told: BTreeMap<NodeId, peer::Promised>,
}

impl Telling {
    /// Tells those of `members` who may hear it and do not know it yet. Who is told before having been asked at this node's start could no
    /// longer tell what this node had lost by then from what it has got since.
    pub(super) async fn tell(
        &mut self,
        promised: peer::Promised,
        members: &[Member],
        may_hear: &BTreeSet<NodeId>,
        calls: &Calls,
        patience: Duration,
    ) {
        let unaware = members.iter().filter(|member| {
            may_hear.contains(&member.node) && self.told.get(&member.node) != Some(&promised)
        });
        let told = unaware.map(|member| async {
            let told = calls.witness(member, &promised, patience).await;
            told.is_ok().then_some(member.node)
        });
        let told = join_all(told).await.into_iter().flatten();
        self.told.extend(
            told.map(|node| (node, promised.clone()))
                .collect::<Vec<_>>(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(term: u64, committed: bool) -> Option<peer::Vote> {
        Some(peer::Vote {
            term,
            node: 1,
            committed,
        })
    }

    fn at(term: u64, index: u64) -> Option<peer::LogId> {
        Some(peer::LogId {
            term,
            node: 1,
            index,
        })
    }

    #[test]
    fn a_disk_falls_short_by_an_older_vote_or_a_shorter_log() {
        let witnessed = peer::Promised {
            store_id: String::new(),
            vote: vote(3, true),
            held: at(2, 40),
        };
        let short = |vote, end| Kept { vote, end }.falls_short_of(&witnessed);
        assert_eq!(short(vote(3, true), at(2, 40)), None);
        assert_eq!(short(vote(4, false), at(4, 45)), None);
        assert!(matches!(
            short(vote(3, false), at(2, 40)),
            Some(Loss::Vote { promised: 3, .. })
        ));
        assert!(matches!(
            short(None, at(2, 40)),
            Some(Loss::Vote { found: 0, .. })
        ));
        let tail = Loss::Tail {
            promised: 40,
            found: Some(39),
        };
        assert_eq!(short(vote(3, true), at(3, 39)), Some(tail));
        assert!(matches!(
            short(vote(3, true), None),
            Some(Loss::Tail { found: None, .. })
        ));
    }
}
