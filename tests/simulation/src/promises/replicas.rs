//! I12: nodes that applied the same entries have the same state; and what stands at an index never changes.

use std::collections::BTreeMap;

use quorate_core::ids::NodeId;

use super::{Promise, Published, Scene, Seen, Touched};

/// A state is compared whole at every so manieth publication of a node; in between, what the entries touched.
const WHOLE_EVERY: u32 = 64;
/// A node that moves by more entries at once may have taken in a snapshot: compared whole.
const JUMP: u64 = 16;

/// See the file.
#[derive(Default)]
pub(super) struct Replicas {
    counts: BTreeMap<NodeId, u32>,
}

impl Promise for Replicas {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Published(published) => self.compare(published, scene),
            Seen::Ended => compare_digests(scene),
            Seen::Event(_) | Seen::Answer(_) | Seen::Step(_) | Seen::Status(_) => {}
        }
    }
}

impl Replicas {
    fn compare(&mut self, published: &Published, scene: &mut Scene<'_>) {
        let (node, here) = (published.node, &published.state);
        let index = here.applied_index();
        let Some(there) = scene.timeline.state(index) else {
            return;
        };
        let count = self.counts.entry(node).or_default();
        *count += 1;
        let before = published.before.as_ref().map(|state| state.applied_index());
        let step = before.filter(|before| {
            *before < index && index - before <= JUMP && !count.is_multiple_of(WHOLE_EVERY)
        });
        let difference =
            match step {
                Some(before) => scene
                    .timeline
                    .touched(before, index)
                    .first_difference(here, there),
                None if here == there => None,
                None => {
                    let differs = Touched::between(here, there).first_difference(here, there);
                    Some(differs.unwrap_or_else(|| {
                        "a table of tokens, requests, families or nodes".to_owned()
                    }))
                }
            };
        if let Some(difference) = difference {
            scene.broken(
                node,
                format!(
                    "the state at index {index} is not the one another node has there: {difference}"
                ),
            );
        }
    }
}

/// In the end all are equal by what they show to the outside, too.
fn compare_digests(scene: &mut Scene<'_>) {
    let nodes: Vec<NodeId> = scene.views.keys().copied().collect();
    let states = nodes
        .iter()
        .filter_map(|node| scene.timeline.current(*node).map(|state| (*node, state)));
    let digests: Vec<_> = states
        .map(|(node, state)| (node, state.applied_index(), state.digest()))
        .collect();
    let Some((first, index, digest)) = digests.first().copied() else {
        return;
    };
    for (node, at, other) in digests {
        if at == index && other != digest {
            scene.broken(
                node,
                format!("ends at index {index} with digest {other}, n{first} with {digest}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::forge::Table;
    use super::super::tests::stage::{Stage, view};

    #[test]
    fn nodes_that_follow_each_other_are_right() {
        let mut stage = Stage::judging("I12 replicas");
        stage.show(2);
        for number in 0..4 {
            stage.run_task(&format!("w{number}"));
            stage.show(1);
        }
        stage.show(2);
        stage.show_state(1, 2, &stage.state());
        stage.status(view(1, stage.index()));
        stage.status(view(2, stage.index()));
        stage.end();
        stage.assert_kept();
    }

    #[test]
    fn a_node_whose_entry_did_something_else_is_found() {
        let mut stage = Stage::judging("I12 replicas");
        stage.show(2);
        let before = stage.state();
        let task = stage.run_task("w1");
        stage.show(1);
        stage.replace_at(&before);
        stage.start(task, "w2", None);
        stage.show(2);
        stage.assert_broken("is not the one another node has");
    }

    #[test]
    fn a_restart_that_forgot_tokens_is_found() {
        let mut stage = Stage::judging("I12 replicas");
        stage.run_task_with("w1", Some("t1"));
        stage.show(1);
        let poorer = Arc::new(stage.without(Table::Tokens));
        stage.show_state(1, 2, &poorer);
        stage.assert_broken("tokens");
    }
}
