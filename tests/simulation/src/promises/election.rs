//! I3: one leader a term; terms and what is committed never go back; a new leader has all that was committed, and commits with a majority.

use std::collections::BTreeMap;

use quorate_core::ids::NodeId;

use super::{NodeView, Promise, Scene, Seen};

/// See the file.
#[derive(Default)]
pub(super) struct Election {
    leaders: BTreeMap<u64, NodeId>,
    /// What each node said last, over all its lives.
    last: BTreeMap<NodeId, NodeView>,
    /// The leaders that were seen in office, with what they knew to be committed when they began.
    offices: BTreeMap<u64, u64>,
}

impl Promise for Election {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Status(view) = seen else {
            return;
        };
        // A node that has only just begun has not yet said what it found on its disk.
        if view.term == 0 {
            return;
        }
        self.look_at_leader(view, scene);
        self.look_back(view, scene);
        if view.is_leader {
            self.look_at_office(view, scene);
        }
        self.last.insert(view.node, (*view).clone());
    }
}

impl Election {
    fn look_at_leader(&mut self, view: &NodeView, scene: &mut Scene<'_>) {
        let named = view.leader.or_else(|| view.is_leader.then_some(view.node));
        if let Some(leader) = named {
            let known = *self.leaders.entry(view.term).or_insert(leader);
            if known != leader {
                let text = format!("term {} has two leaders: n{known} and n{leader}", view.term);
                scene.broken(view.node, text);
            }
        }
        if view.is_leader && view.leader.is_some_and(|leader| leader != view.node) {
            scene.broken(
                view.node,
                format!(
                    "leads term {} and names n{:?} as its leader",
                    view.term, view.leader
                ),
            );
        }
    }

    fn look_back(&self, view: &NodeView, scene: &mut Scene<'_>) {
        let Some(last) = self.last.get(&view.node) else {
            return;
        };
        if view.term < last.term {
            scene.broken(
                view.node,
                format!("goes back from term {} to {}", last.term, view.term),
            );
        }
        if view.life == last.life {
            if view.committed_index < last.committed_index {
                let text = format!(
                    "commit goes back from {} to {}",
                    last.committed_index, view.committed_index
                );
                scene.broken(view.node, text);
            }
            if view.applied_index < last.applied_index {
                let text = format!(
                    "applied goes back from {} to {}",
                    last.applied_index, view.applied_index
                );
                scene.broken(view.node, text);
            }
        }
    }

    fn look_at_office(&mut self, view: &NodeView, scene: &mut Scene<'_>) {
        let is_newest = self
            .leaders
            .last_key_value()
            .is_some_and(|(term, _)| *term == view.term);
        let is_new = !self.offices.contains_key(&view.term);
        if is_new && is_newest && view.last_index < scene.timeline.reached() {
            let (has, reached) = (view.last_index, scene.timeline.reached());
            let text = format!(
                "is elected in term {} with a log up to {has}, though {reached} was committed",
                view.term
            );
            scene.broken(view.node, text);
        }
        let began = *self
            .offices
            .entry(view.term)
            .or_insert(view.committed_index);
        let own = usize::from(view.last_index >= view.committed_index);
        let others = view
            .matched
            .iter()
            .filter(|(node, index)| **node != view.node && **index >= view.committed_index);
        let have = own + others.count();
        if view.committed_index > began && have <= view.voters / 2 {
            let text = format!(
                "says that {} is committed in term {}, and {have} of {} voters have it: {:?}",
                view.committed_index, view.term, view.voters, view.matched
            );
            scene.broken(view.node, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage::{Stage, view};
    use super::*;

    #[test]
    fn an_election_in_order_is_right() {
        let mut stage = Stage::judging("I3 election");
        let index = stage.index();
        stage.status(view(1, index));
        stage.status(view(2, index));
        let second = NodeView {
            term: 2,
            leader: Some(NodeId(2)),
            is_leader: true,
            last_index: index + 1,
            matched: BTreeMap::from([(NodeId(1), index), (NodeId(3), index)]),
            ..view(2, index)
        };
        stage.status(second.clone());
        let matched = BTreeMap::from([(NodeId(1), index), (NodeId(3), index + 1)]);
        stage.status(NodeView {
            committed_index: index + 1,
            matched,
            ..second
        });
        stage.assert_kept();
    }

    #[test]
    fn two_leaders_of_one_term_are_found() {
        let mut stage = Stage::judging("I3 election");
        stage.status(view(1, 1));
        stage.status(NodeView {
            leader: Some(NodeId(2)),
            is_leader: true,
            ..view(2, 1)
        });
        stage.assert_broken("two leaders");
    }

    #[test]
    fn a_term_that_goes_back_over_a_restart_is_found() {
        let mut stage = Stage::judging("I3 election");
        stage.status(NodeView {
            term: 5,
            leader: None,
            ..view(3, 1)
        });
        stage.status(NodeView {
            term: 4,
            leader: None,
            life: 2,
            ..view(3, 1)
        });
        stage.assert_broken("goes back from term 5 to 4");
    }

    #[test]
    fn a_commit_that_goes_back_is_found() {
        let mut stage = Stage::judging("I3 election");
        stage.status(view(3, 9));
        stage.status(view(3, 8));
        stage.assert_broken("commit goes back");
    }

    #[test]
    fn a_leader_without_what_was_committed_is_found() {
        let mut stage = Stage::judging("I3 election");
        stage.run_task("w1");
        stage.show(1);
        let behind = view(2, stage.index() - 1);
        stage.status(NodeView {
            term: 2,
            leader: Some(NodeId(2)),
            is_leader: true,
            ..behind
        });
        stage.assert_broken("is elected in term 2");
    }

    #[test]
    fn a_commit_without_a_majority_is_found() {
        let mut stage = Stage::judging("I3 election");
        let index = stage.index();
        stage.status(view(1, index));
        let matched = BTreeMap::from([(NodeId(2), index), (NodeId(3), index)]);
        stage.status(NodeView {
            matched,
            ..view(1, index + 1)
        });
        stage.assert_broken("1 of 3 voters");
    }
}
