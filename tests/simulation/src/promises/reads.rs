//! I2: reads are linearizable, whichever node answers; and answers show states that were.
//!
//! Every state has its place in the log, so that no search is needed: a read is linearizable if it shows what a state says that was the
//! newest at some moment between question and answer. An answering node shows its own states, and all it showed are known.

use super::claims::Claim;
use super::{Answered, Promise, Scene, Seen};

/// See the file.
#[derive(Default)]
pub(super) struct Reads;

impl Promise for Reads {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        if let Seen::Answer(answered) = seen
            && let Some(claim) = Claim::of(&answered.call)
        {
            if claim.is_read {
                judge_read(answered, &claim, scene);
            } else {
                judge_write(answered, &claim, scene);
            }
        }
    }
}

/// A read shows a state that its node showed meanwhile and that is no older than any state anywhere was when it was asked.
fn judge_read(answered: &Answered, claim: &Claim, scene: &mut Scene<'_>) {
    let fresh = answered
        .shown
        .iter()
        .filter(|index| **index >= answered.floor);
    let mut states = fresh.filter_map(|index| scene.timeline.state(*index));
    if states.any(|state| claim.is_true_of(state)) {
        return;
    }
    let older = scene
        .timeline
        .between(0, answered.ceiling)
        .find(|state| claim.is_true_of(state));
    let call = &answered.call;
    let asked = format!(
        "call {} ({} {}) at n{}",
        call.id, call.operation, call.body, call.node
    );
    let text = match older {
        Some(state) => format!(
            "{asked} began when index {} was known and shows index {}; the node showed {:?} meanwhile",
            answered.floor,
            state.applied_index(),
            answered.shown
        ),
        None => {
            let last = answered
                .shown
                .last()
                .and_then(|index| scene.timeline.state(*index));
            let against = last.map(|state| claim.against(state)).unwrap_or_default();
            format!("{asked} shows what no state says; {against}")
        }
    };
    scene.broken(call.node, text);
}

/// What a write shows beside its effect may be as old as the first time that it was carried out; but it was.
fn judge_write(answered: &Answered, claim: &Claim, scene: &mut Scene<'_>) {
    let mut states = scene.timeline.between(0, answered.ceiling);
    if states.any(|state| claim.is_true_of(state)) {
        return;
    }
    let (call, newest) = (&answered.call, scene.timeline.newest());
    let against = newest.map(|state| claim.against(state)).unwrap_or_default();
    let text = format!(
        "the answer to call {} ({}) shows what no state says; {against}",
        call.id, call.operation
    );
    scene.broken(call.node, text);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::stage::Stage;

    fn seen(status: &str, running: u64) -> Value {
        let cluster = json!({
            "clusterName": "default", "status": status, "registeredContainerInstancesCount": 1, "runningTasksCount": running,
            "pendingTasksCount": 0,
        });
        json!({ "clusters": [cluster], "failures": [] })
    }

    fn ask(stage: &mut Stage, node: u64) -> u64 {
        stage.call(node, "DescribeClusters", json!({ "clusters": ["default"] }))
    }

    #[test]
    fn a_read_may_show_any_state_of_its_node_since_it_was_asked() {
        let mut stage = Stage::judging("I2 reads");
        stage.show(2);
        let (early, late) = (ask(&mut stage, 2), ask(&mut stage, 2));
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.show(1);
        stage.show(2);
        stage.answer(early, 200, seen("ACTIVE", 0));
        stage.answer(late, 200, seen("ACTIVE", 1));
        stage.assert_kept();
    }

    #[test]
    fn a_read_of_a_node_that_lags_is_found() {
        let mut stage = Stage::judging("I2 reads");
        stage.show(2);
        let task = stage.run_task("w1");
        stage.observe_running(task);
        stage.show(1);
        let call = ask(&mut stage, 2);
        stage.answer(call, 200, seen("ACTIVE", 0));
        stage.assert_broken("shows index");
    }

    #[test]
    fn a_read_of_what_never_was_is_found() {
        let mut stage = Stage::judging("I2 reads");
        let call = ask(&mut stage, 1);
        stage.answer(call, 200, seen("INACTIVE", 0));
        stage.assert_broken("what no state says");
    }

    #[test]
    fn a_failure_to_answer_claims_nothing() {
        let mut stage = Stage::judging("I2 reads");
        let call = ask(&mut stage, 1);
        stage.answer(
            call,
            500,
            json!({ "__type": "ServerException", "message": "No answer." }),
        );
        stage.assert_kept();
    }

    #[test]
    fn a_write_that_shows_what_never_was_is_found() {
        let mut stage = Stage::judging("I2 reads");
        let call = stage.call(1, "CreateCluster", json!({ "clusterName": "c0" }));
        let cluster =
            json!({ "clusterArn": "cluster/c0", "clusterName": "c0", "status": "ACTIVE" });
        stage.answer(call, 200, json!({ "cluster": cluster }));
        stage.assert_broken("shows what no state says");
    }
}
