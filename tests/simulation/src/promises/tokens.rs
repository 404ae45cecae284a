//! I15: one wish is carried out once, however often it travels; the same client token gives the same tasks, and other parameters a conflict.
//!
//! Clients mark their wishes, so that what came of them can be counted: tasks by `startedBy`, revisions by the tag `attempt`.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::ids::{DefinitionId, TaskId};
use quorate_core::state::TaskDefinition;
use serde_json::Value;

use super::claims::last_part;
use super::{Answered, Promise, Scene, Seen, Step};
use crate::history::{Call, Event};

/// The tag of RegisterTaskDefinition that tells attempts apart.
pub const ATTEMPT: &str = "attempt";

/// See the file.
#[derive(Default)]
pub(super) struct Tokens {
    /// By mark: how many tasks were asked for, and which there are.
    wishes: BTreeMap<String, Wish>,
    /// By mark: which revisions there are.
    revisions: BTreeMap<String, BTreeSet<DefinitionId>>,
    /// By cluster and token.
    tokens: BTreeMap<(String, String), Token>,
    /// What a call could know about its token when it was sent.
    known: BTreeMap<u64, Known>,
    /// Marks of which a client was told that nothing came of them.
    void: BTreeSet<String>,
}

#[derive(Default)]
struct Wish {
    count: usize,
    tasks: BTreeSet<TaskId>,
}

/// What a token was used for.
#[derive(Default)]
struct Token {
    /// All parameters that it was ever sent with.
    sent: BTreeSet<String>,
    told: Known,
}

/// The parameters that won, and their tasks, once a client was told.
type Known = Option<(String, BTreeSet<String>)>;

impl Promise for Tokens {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Step(step) => self.take(step, scene),
            Seen::Event(event) => self.begin(event),
            Seen::Answer(answered) => self.take_answer(answered, scene),
            Seen::Published(_) | Seen::Status(_) | Seen::Ended => {}
        }
    }
}

impl Tokens {
    fn begin(&mut self, event: &Event) {
        let Some(call) = Call::begun(event) else {
            return;
        };
        let mark = call.text("startedBy");
        if let Some(count) = count_of(&call).filter(|_| !mark.is_empty()) {
            let wish = self.wishes.entry(mark.to_owned()).or_default();
            wish.count = wish.count.max(count);
        }
        if let Some((key, parameters)) = token_of(&call) {
            let token = self.tokens.entry(key).or_default();
            token.sent.insert(parameters);
            self.known.insert(call.id, token.told.clone());
        }
    }

    fn take(&mut self, step: &Step, scene: &mut Scene<'_>) {
        for task in step
            .touched
            .tasks
            .iter()
            .filter_map(|id| step.after.task(id))
        {
            // A mark that no client of this history used belongs to somebody else.
            let Some(wish) = self.wishes.get_mut(&task.started_by) else {
                continue;
            };
            wish.tasks.insert(task.id);
            if wish.tasks.len() > wish.count {
                let text = format!(
                    "{} asked for {} tasks, and there are {:?}",
                    task.started_by, wish.count, wish.tasks
                );
                scene.broken(None, text);
            }
            if self.void.contains(&task.started_by) {
                scene.broken(
                    None,
                    format!(
                        "{} was told that nothing was changed, and has task {}",
                        task.started_by, task.id
                    ),
                );
            }
        }
        for definition in step
            .touched
            .definitions
            .iter()
            .filter_map(|id| step.after.definition(id))
        {
            self.take_definition(definition, scene);
        }
    }

    fn take_definition(&mut self, definition: &TaskDefinition, scene: &mut Scene<'_>) {
        let Some(tag) = definition.tags.iter().find(|tag| tag.key == ATTEMPT) else {
            return;
        };
        let all = self.revisions.entry(tag.value.clone()).or_default();
        all.insert(definition.id.clone());
        if all.len() > 1 {
            scene.broken(None, format!("one call, {}, made {all:?}", tag.value));
        }
        if self.void.contains(&tag.value) {
            scene.broken(
                None,
                format!(
                    "{} was told that nothing was changed, and made {}",
                    tag.value, definition.id
                ),
            );
        }
    }

    fn take_answer(&mut self, answered: &Answered, scene: &mut Scene<'_>) {
        let call = &answered.call;
        if let Some((key, parameters)) = token_of(call) {
            self.take_token(call, key, parameters, scene);
        } else if call.is_void() {
            self.take_void(call, scene);
        }
    }

    /// A mark of one call only, which came to nothing.
    fn take_void(&mut self, call: &Call, scene: &mut Scene<'_>) {
        let mark = match count_of(call) {
            Some(_) => call.text("startedBy"),
            None => attempt_of(call),
        };
        if mark.is_empty() {
            return;
        }
        self.void.insert(mark.to_owned());
        let tasks = self.wishes.get(mark).map_or(0, |wish| wish.tasks.len());
        let revisions = self.revisions.get(mark).map_or(0, BTreeSet::len);
        if tasks + revisions > 0 {
            let text = format!(
                "call {} was told that nothing was changed, and {mark} is there",
                call.id
            );
            scene.broken(call.node, text);
        }
    }

    fn take_token(
        &mut self,
        call: &Call,
        key: (String, String),
        parameters: String,
        scene: &mut Scene<'_>,
    ) {
        let known = self.known.remove(&call.id).flatten();
        let token = self.tokens.entry(key).or_default();
        if call.refusal() == Some("ConflictException") {
            let alone = token.sent.len() == 1;
            let won = known.is_some_and(|(winner, _)| winner == parameters);
            if alone || won {
                scene.broken(
                    call.node,
                    format!(
                        "call {} has the parameters of its token and is told of others",
                        call.id
                    ),
                );
            }
            return;
        }
        let Some(tasks) = call.output().map(started).filter(|tasks| !tasks.is_empty()) else {
            return;
        };
        // Whoever began before the first answer may have been the first, but there is one winner.
        let told = token
            .told
            .get_or_insert_with(|| (parameters.clone(), tasks.clone()));
        if told.0 != parameters {
            scene.broken(
                call.node,
                format!(
                    "call {} used a token for other parameters, and was given {tasks:?}",
                    call.id
                ),
            );
        } else if told.1 != tasks {
            let text = format!(
                "call {} was given {tasks:?} for a token that was given {:?} before",
                call.id, told.1
            );
            scene.broken(call.node, text);
        }
    }
}

/// How many tasks a call asks for, if it asks for any.
fn count_of(call: &Call) -> Option<usize> {
    let count = match call.operation.as_str() {
        "RunTask" => call.body["count"].as_u64().unwrap_or(1),
        "StartTask" => return call.body["containerInstances"].as_array().map(Vec::len),
        _ => return None,
    };
    usize::try_from(count).ok()
}

fn attempt_of(call: &Call) -> &str {
    let tags = call.body["tags"].as_array().into_iter().flatten();
    let mark = tags
        .filter(|tag| tag["key"] == ATTEMPT)
        .find_map(|tag| tag["value"].as_str());
    mark.unwrap_or_default()
}

/// The cluster and token of a RunTask, and its other parameters.
fn token_of(call: &Call) -> Option<((String, String), String)> {
    let token = call.text("clientToken");
    if call.operation != "RunTask" || token.is_empty() {
        return None;
    }
    let mut others = call.body.clone();
    others.as_object_mut()?.remove("clientToken");
    let cluster = match call.text("cluster") {
        "" => "default",
        name => last_part(name),
    };
    others["cluster"] = Value::from(cluster);
    Some(((cluster.to_owned(), token.to_owned()), others.to_string()))
}

/// The tasks in an output, and those that were started and have been forgotten since.
fn started(output: &Value) -> BTreeSet<String> {
    let ids = |member: &'static str, arn: &'static str| {
        let all = output[member].as_array().into_iter().flatten();
        all.filter(move |one| member == "tasks" || one["reason"] == "MISSING")
            .filter_map(move |one| one[arn].as_str())
            .map(|arn| last_part(arn).to_owned())
    };
    ids("tasks", "taskArn")
        .chain(ids("failures", "arn"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::stage::Stage;
    use super::*;

    fn ask(stage: &mut Stage, mark: &str, token: &str) -> u64 {
        stage.call(
            1,
            "RunTask",
            json!({ "startedBy": mark, "count": 1, "clientToken": token }),
        )
    }

    fn give(stage: &mut Stage, call: u64, task: TaskId) {
        stage.answer(
            call,
            200,
            json!({ "tasks": [{ "taskArn": task.to_string() }], "failures": [] }),
        );
    }

    const CONFLICT: &str = "ConflictException";

    #[test]
    fn the_same_tasks_again_and_a_conflict_for_others_are_right() {
        let mut stage = Stage::judging("I15 tokens");
        let first = ask(&mut stage, "w1", "t1");
        let task = stage.run_task("w1");
        stage.show(1);
        give(&mut stage, first, task);
        let again = ask(&mut stage, "w1", "t1");
        give(&mut stage, again, task);
        let other = ask(&mut stage, "w2", "t1");
        stage.answer(other, 400, json!({ "__type": CONFLICT }));
        stage.assert_kept();
    }

    #[test]
    fn a_wish_that_was_carried_out_twice_is_found() {
        let mut stage = Stage::judging("I15 tokens");
        ask(&mut stage, "w1", "t1");
        stage.run_task("w1");
        stage.show(1);
        stage.run_task("w1");
        stage.show(1);
        stage.assert_broken("w1 asked for 1 tasks");
    }

    #[test]
    fn other_tasks_for_the_same_token_are_found() {
        let mut stage = Stage::judging("I15 tokens");
        for task in [7, 8] {
            let call = ask(&mut stage, "w1", "t1");
            give(&mut stage, call, TaskId::from_u128(task));
        }
        stage.assert_broken("for a token that was given");
    }

    #[test]
    fn a_token_that_takes_other_parameters_is_found() {
        let mut stage = Stage::judging("I15 tokens");
        for mark in ["w1", "w2"] {
            let call = ask(&mut stage, mark, "t1");
            give(&mut stage, call, TaskId::from_u128(7));
        }
        stage.assert_broken("used a token for other parameters");
    }

    #[test]
    fn a_conflict_with_oneself_is_found() {
        let mut stage = Stage::judging("I15 tokens");
        let call = ask(&mut stage, "w1", "t1");
        stage.answer(call, 400, json!({ "__type": CONFLICT }));
        stage.assert_broken("is told of others");
    }

    #[test]
    fn what_was_said_to_have_come_to_nothing_and_is_there_is_found() {
        let mut stage = Stage::judging("I15 tokens");
        let call = stage.call(1, "RunTask", json!({ "startedBy": "w1", "count": 1 }));
        stage.answer(
            call,
            500,
            json!({ "__type": "ServerException", "message": "Nothing was changed; try again." }),
        );
        stage.run_task("w1");
        stage.show(1);
        stage.assert_broken("w1 was told that nothing was changed");
    }

    #[test]
    fn a_call_that_registers_twice_is_found() {
        let mut stage = Stage::judging("I15 tokens");
        stage.register("web", "w5");
        stage.register("web", "w5");
        stage.show(1);
        stage.assert_broken("one call, w5");
    }
}
