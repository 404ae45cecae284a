//! What an answer claims about the state, in a form that can be held against states: a question, and what was said to it.
//!
//! The same question is put to a state by code that is dumber than the program's: it walks through whole tables and knows no index and no
//! page. Left out: times, tags, attributes, overrides, and texts for people.

mod question;
mod said;

use quorate_core::State;
use serde_json::{Value, json};

use self::question::Question;
use crate::history::{Call, Outcome};

/// What an answer claims.
#[derive(Debug)]
pub(super) struct Claim {
    question: Question,
    said: Value,
    /// Whether it answers a question, rather than shows what became of a change.
    pub(super) is_read: bool,
}

impl Claim {
    /// What an answered call claims; `None` if it claims nothing that is looked at: it failed, or throttled, or has another subject.
    pub(super) fn of(call: &Call) -> Option<Self> {
        let Outcome::Answered { status, body } = &call.outcome else {
            return None;
        };
        if let Some(question) = Question::asked(&call.operation, &call.body) {
            let said = match status {
                200 => said::read(&call.operation, body),
                400 if body["__type"] != "ThrottlingException" => {
                    json!({ "error": body["__type"] })
                }
                _ => return None,
            };
            return Some(Self {
                question,
                said,
                is_read: true,
            });
        }
        let (question, said) =
            (*status == 200).then(|| said::written(&call.operation, &call.body, body))??;
        Some(Self {
            question,
            said,
            is_read: false,
        })
    }

    /// Whether `state` says the same.
    pub(super) fn is_true_of(&self, state: &State) -> bool {
        self.question.put_to(state) == self.said
    }

    /// What was said, and what `state` says.
    pub(super) fn against(&self, state: &State) -> String {
        format!(
            "said {}, the state at {} says {}",
            self.said,
            state.applied_index(),
            self.question.put_to(state)
        )
    }
}

/// The last part of an ARN, or the whole text of what is none: an id, a name, `family:revision`.
pub(super) fn last_part(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::super::tests::stage::Stage;
    use super::*;
    use crate::history::{Event, What, calls};

    fn claim(operation: &str, input: Value, status: u16, output: Value) -> Claim {
        let invoke = What::Invoke {
            call: 1,
            client: 1,
            node: quorate_core::ids::NodeId(1),
            operation: operation.into(),
            intent: "w1".into(),
            body: input,
        };
        let answer = What::Return {
            call: 1,
            status,
            body: output,
        };
        let events = [invoke, answer].map(|what| Event { at_us: 1, what });
        Claim::of(&calls(&events)[0]).unwrap()
    }

    fn shown(task: &str, last: &str) -> Value {
        json!({
            "taskArn": format!("arn:aws:ecs:us-east-1:000000000000:task/default/{task}"), "lastStatus": last, "desiredStatus": "RUNNING",
            "version": 1, "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1", "startedBy": "w1",
            "containerInstanceArn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-00000000000000001",
            "containers": [{ "name": "main", "lastStatus": "PENDING" }],
        })
    }

    #[test]
    fn an_answer_is_true_of_the_state_it_shows_and_of_no_other() {
        let mut stage = Stage::new();
        let before = stage.state();
        let task = stage.run_task("w1").to_string();
        let input = json!({ "tasks": [task] });
        let right = json!({ "tasks": [shown(&task, "PENDING")], "failures": [] });
        let right = claim("DescribeTasks", input.clone(), 200, right);
        assert!(
            right.is_read && right.is_true_of(&stage.state()),
            "{}",
            right.against(&stage.state())
        );
        assert!(!right.is_true_of(&before));
        let wrong = json!({ "tasks": [shown(&task, "RUNNING")], "failures": [] });
        assert!(!claim("DescribeTasks", input, 200, wrong).is_true_of(&stage.state()));
    }

    #[test]
    fn lists_are_compared_with_their_order_and_their_end() {
        let mut stage = Stage::new();
        stage.create_cluster("c0");
        let arns = |names: &[&str]| -> Vec<String> {
            names
                .iter()
                .map(|name| format!("arn:aws:ecs:us-east-1:000000000000:cluster/{name}"))
                .collect()
        };
        let all = claim(
            "ListClusters",
            json!({}),
            200,
            json!({ "clusterArns": arns(&["c0", "default"]) }),
        );
        assert!(
            all.is_true_of(&stage.state()),
            "{}",
            all.against(&stage.state())
        );
        let page = json!({ "clusterArns": arns(&["c0"]), "nextToken": "x" });
        assert!(
            claim(
                "ListClusters",
                json!({ "maxResults": 1 }),
                200,
                page.clone()
            )
            .is_true_of(&stage.state())
        );
        assert!(!claim("ListClusters", json!({}), 200, page).is_true_of(&stage.state()));
        stage.delete_cluster("c0");
        assert!(!all.is_true_of(&stage.state()));
    }

    #[test]
    fn a_refused_read_claims_that_something_is_missing() {
        let stage = Stage::new();
        let refused =
            json!({ "__type": "ClusterNotFoundException", "message": "Cluster not found." });
        let of = |name: &str| {
            claim(
                "ListTasks",
                json!({ "cluster": name }),
                400,
                refused.clone(),
            )
        };
        assert!(of("c9").is_true_of(&stage.state()));
        assert!(!of("default").is_true_of(&stage.state()));
    }
}
