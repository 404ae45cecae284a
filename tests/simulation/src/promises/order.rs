//! I4: snapshot, applied, committed, last: in this order on every node; and a disk that comes back holds what its node said it holds.

use std::collections::BTreeMap;

use quorate_core::ids::NodeId;

use super::{NodeView, Promise, Scene, Seen};

/// See the file.
#[derive(Default)]
pub(super) struct Order {
    last: BTreeMap<NodeId, NodeView>,
    /// How far each node's log matched by its own word: the leader's term, and the index.
    acked: BTreeMap<NodeId, (u64, u64)>,
    term: u64,
}

impl Promise for Order {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Status(view) = seen else {
            return;
        };
        // A node that has only just begun has not yet said what it found on its disk.
        if view.term == 0 {
            return;
        }
        self.term = self.term.max(view.term);
        match self.last.get(&view.node) {
            Some(last) if last.life == view.life => look_at_order(last, view, scene),
            Some(_) => self.look_at_disk(view, scene),
            None => {}
        }
        if view.is_leader {
            for (node, index) in &view.matched {
                self.acked.insert(*node, (view.term, *index));
            }
        }
        self.last.insert(view.node, (*view).clone());
    }
}

/// The parts of a view are read one after the other, and the state is the first to move; hence what was is compared with what is.
fn look_at_order(last: &NodeView, view: &NodeView, scene: &mut Scene<'_>) {
    let order = [
        (
            "snapshot",
            last.snapshot_index,
            "applied",
            view.applied_index,
        ),
        (
            "applied",
            last.applied_index,
            "committed",
            view.committed_index,
        ),
        (
            "committed",
            view.committed_index,
            "the log",
            view.last_index,
        ),
    ];
    for (low, low_index, high, high_index) in order {
        if low_index > high_index {
            scene.broken(
                view.node,
                format!("{low} at {low_index} is ahead of {high} at {high_index}"),
            );
        }
    }
}

impl Order {
    /// Only while the leader that was told still leads: a later one may have had the node throw away what was not committed.
    fn look_at_disk(&self, view: &NodeView, scene: &mut Scene<'_>) {
        let acked = self
            .acked
            .get(&view.node)
            .filter(|(term, _)| *term == self.term);
        if let Some((term, index)) = acked.filter(|(_, index)| view.last_index < *index) {
            let text = format!(
                "comes back with a log up to {}, though it said {index} in term {term}",
                view.last_index
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
    fn a_node_that_moves_on_and_comes_back_whole_is_right() {
        let mut stage = Stage::judging("I4 order");
        stage.status(view(1, 5));
        stage.status(view(2, 4));
        stage.status(NodeView {
            applied_index: 4,
            last_index: 7,
            ..view(2, 5)
        });
        stage.status(NodeView {
            life: 2,
            applied_index: 0,
            committed_index: 0,
            ..view(2, 5)
        });
        stage.assert_kept();
    }

    #[test]
    fn a_state_ahead_of_what_is_committed_is_found() {
        let mut stage = Stage::judging("I4 order");
        stage.status(NodeView {
            applied_index: 9,
            ..view(2, 5)
        });
        stage.status(NodeView {
            applied_index: 9,
            ..view(2, 6)
        });
        stage.assert_broken("applied at 9 is ahead of committed at 6");
    }

    #[test]
    fn a_disk_that_lost_what_was_acknowledged_is_found() {
        let mut stage = Stage::judging("I4 order");
        stage.status(view(2, 4));
        stage.status(view(1, 5));
        stage.status(NodeView {
            life: 2,
            ..view(2, 4)
        });
        stage.assert_broken("comes back with a log up to 4, though it said 5");
    }
}
