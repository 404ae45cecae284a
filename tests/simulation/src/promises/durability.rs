//! I1: what was acknowledged, or shown by any node, is there from then on, whatever fails.

use std::collections::BTreeSet;

use quorate_core::State;
use quorate_core::ids::{ClusterName, DefinitionId, InstanceId, TaskId};
use quorate_core::state::{DefinitionStatus, DesiredStatus, InstanceStatus, TaskStatus};
use serde_json::Value;

use super::claims::last_part;
use super::{Answered, Promise, Scene, Seen, Step};
use crate::history::Call;

/// See the file.
#[derive(Default)]
pub(super) struct Durability {
    /// What clients were told.
    told: BTreeSet<Fact>,
    /// Every task that a state ever held.
    tasks: BTreeSet<TaskId>,
    /// Tasks that ended and were shown long enough.
    forgotten: BTreeSet<TaskId>,
}

/// Something that, once true, stays true.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    ClusterExists(ClusterName),
    DefinitionExists(DefinitionId),
    DefinitionEnded(DefinitionId),
    TaskExists(TaskId),
    TaskToldToStop(TaskId),
    InstanceEnded(InstanceId),
}

impl Promise for Durability {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Step(step) => self.take(step, scene),
            Seen::Answer(answered) => self.take_answer(answered, scene),
            Seen::Ended => self.look_back(scene),
            Seen::Event(_) | Seen::Published(_) | Seen::Status(_) => {}
        }
    }
}

impl Durability {
    fn take_answer(&mut self, answered: &Answered, scene: &mut Scene<'_>) {
        let Some(state) = scene.timeline.newest() else {
            return;
        };
        let facts = facts(&answered.call);
        let lost = facts.iter().find(|fact| !self.holds(fact, state)).cloned();
        self.told.extend(facts);
        if let Some(fact) = lost {
            let (id, index) = (answered.call.id, state.applied_index());
            scene.broken(
                answered.call.node,
                format!("call {id} was told {fact:?}, which is not so at index {index}"),
            );
        }
    }

    fn holds(&self, fact: &Fact, state: &State) -> bool {
        let is_gone = |id: &TaskId| self.forgotten.contains(id);
        match fact {
            Fact::ClusterExists(name) => state.cluster(name).is_some(),
            Fact::DefinitionExists(id) => state.definition(id).is_some(),
            Fact::DefinitionEnded(id) => state
                .definition(id)
                .is_some_and(|one| one.status == DefinitionStatus::Inactive),
            Fact::TaskExists(id) => state.task(id).is_some() || is_gone(id),
            Fact::TaskToldToStop(id) => {
                is_gone(id)
                    || state
                        .task(id)
                        .is_some_and(|task| task.desired == DesiredStatus::Stopped)
            }
            Fact::InstanceEnded(id) => state
                .instance(id)
                .is_some_and(|one| one.status == InstanceStatus::Inactive),
        }
    }

    /// Nothing disappears, and what has ended does not begin again. A STOPPED task may be forgotten; within a step of several entries it may
    /// have stopped, too.
    fn take(&mut self, step: &Step, scene: &mut Scene<'_>) {
        let Step {
            before,
            after,
            touched,
        } = step;
        let one_entry = after.applied_index() == before.applied_index() + 1;
        for id in &touched.tasks {
            self.tasks.insert(*id);
            if let (Some(task), None) = (before.task(id), after.task(id)) {
                self.forgotten.insert(*id);
                if one_entry && task.last != TaskStatus::Stopped {
                    scene.broken(
                        None,
                        format!("task {id} disappeared while it was {}", task.last.as_str()),
                    );
                }
            }
        }
        for name in touched
            .clusters
            .iter()
            .filter(|name| after.cluster(name).is_none())
        {
            scene.broken(None, format!("cluster {name} disappeared"));
        }
        for id in &touched.definitions {
            let status = |state: &State| state.definition(id).map(|one| one.status);
            match (status(before), status(after)) {
                (Some(_), None) => scene.broken(None, format!("task definition {id} disappeared")),
                (Some(DefinitionStatus::Inactive), Some(DefinitionStatus::Active)) => {
                    scene.broken(None, format!("task definition {id} is ACTIVE again"));
                }
                _ => {}
            }
        }
        for id in &touched.instances {
            let status = |state: &State| state.instance(id).map(|one| one.status);
            match (status(before), status(after)) {
                (Some(_), None) => scene.broken(None, format!("instance {id} disappeared")),
                (
                    Some(InstanceStatus::Inactive),
                    Some(InstanceStatus::Active | InstanceStatus::Draining),
                ) => {
                    scene.broken(None, format!("instance {id} is back from INACTIVE"));
                }
                _ => {}
            }
        }
    }

    /// In the end every node that runs still has all that anybody was told, and every state that anybody showed.
    fn look_back(&self, scene: &mut Scene<'_>) {
        let nodes: Vec<_> = scene.views.keys().copied().collect();
        for node in nodes {
            let Some(state) = scene.timeline.current(node) else {
                continue;
            };
            let (here, reached) = (state.applied_index(), scene.timeline.reached());
            let lost = self.told.iter().find(|fact| !self.holds(fact, state));
            let text = match lost {
                Some(fact) => format!(
                    "in the end {fact:?} is not so at index {here}, though a client was told"
                ),
                None if here < reached => {
                    format!("ends at index {here}, though {reached} was shown")
                }
                None => continue,
            };
            scene.broken(node, text);
        }
    }
}

/// What a client may rely on after its call.
fn facts(call: &Call) -> Vec<Fact> {
    let Some(output) = call.output() else {
        return Vec::new();
    };
    let id = |arn: &Value| last_part(arn.as_str().unwrap_or_default()).to_owned();
    let task = |one: &Value| id(&one["taskArn"]).parse().ok();
    let definition = || {
        id(&output["taskDefinition"]["taskDefinitionArn"])
            .parse()
            .ok()
    };
    let tasks = output["tasks"].as_array().into_iter().flatten();
    let fact = match call.operation.as_str() {
        "CreateCluster" | "DeleteCluster" => id(&output["cluster"]["clusterArn"])
            .parse()
            .ok()
            .map(Fact::ClusterExists),
        "RegisterTaskDefinition" => definition().map(Fact::DefinitionExists),
        "DeregisterTaskDefinition" => definition().map(Fact::DefinitionEnded),
        "RunTask" | "StartTask" => return tasks.filter_map(task).map(Fact::TaskExists).collect(),
        "StopTask" => task(&output["task"]).map(Fact::TaskToldToStop),
        "DeregisterContainerInstance" => {
            let arn = &output["containerInstance"]["containerInstanceArn"];
            id(arn).parse().ok().map(Fact::InstanceEnded)
        }
        _ => None,
    };
    fact.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::stage::{Stage, view};

    #[test]
    fn what_was_told_and_stays_is_right() {
        let mut stage = Stage::judging("I1 durability");
        let run = stage.call(1, "RunTask", json!({}));
        let task = stage.run_task("w1");
        stage.show(1);
        stage.answer(
            run,
            200,
            json!({ "tasks": [{ "taskArn": task.to_string() }] }),
        );
        let stop = stage.call(1, "StopTask", json!({}));
        stage.stop_task(task);
        stage.show(1);
        stage.answer(
            stop,
            200,
            json!({ "task": { "taskArn": task.to_string() } }),
        );
        stage.observe_stopped(task, 0);
        stage.show(1);
        stage.forget(task);
        stage.show(1);
        stage.status(view(1, stage.index()));
        stage.end();
        stage.assert_kept();
    }

    #[test]
    fn an_acknowledged_task_that_no_state_holds_is_found() {
        let mut stage = Stage::judging("I1 durability");
        let run = stage.call(1, "RunTask", json!({}));
        stage.answer(
            run,
            200,
            json!({ "tasks": [{ "taskArn": "00000000000000000000000000000abc" }] }),
        );
        stage.assert_broken("was told TaskExists");
    }

    #[test]
    fn a_running_task_that_disappears_is_found() {
        let mut stage = Stage::judging("I1 durability");
        let before = stage.state();
        stage.run_task("w1");
        stage.show(1);
        stage.replace(&before);
        stage.show(1);
        stage.assert_broken("disappeared while it was PENDING");
    }

    #[test]
    fn a_revision_or_a_cluster_that_disappears_is_found() {
        let mut stage = Stage::judging("I1 durability");
        let before = stage.state();
        stage.register("web", "d2");
        stage.create_cluster("c0");
        stage.show(1);
        stage.replace(&before);
        stage.show(1);
        stage.assert_broken("task definition web:2 disappeared");
        stage.assert_broken("cluster c0 disappeared");
    }

    #[test]
    fn a_node_that_ends_with_less_is_found() {
        let mut stage = Stage::judging("I1 durability");
        stage.show(2);
        stage.run_task("w1");
        stage.show(1);
        stage.status(view(1, stage.index()));
        stage.status(view(2, stage.index() - 1));
        stage.end();
        stage.assert_broken("ends at index");
    }
}
