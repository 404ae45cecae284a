//! How tasks look: as rows, and as reasons why there are none.

use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::render::{list, short, table, text};

/// The failures of an answer as one failure of the command.
pub(super) fn refused(answer: &Value) -> Option<Failure> {
    let failures = list(answer, "/failures");
    let one = |failure: &Value| {
        let parts = [
            short(&text(failure, "/arn")).to_owned(),
            text(failure, "/reason"),
            text(failure, "/detail"),
        ];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = failures.iter().map(one).collect::<Vec<_>>().join("; ");
    match failures {
        [] => None,
        missing if missing.iter().all(|failure| failure["reason"] == "MISSING") => Some(
            Failure::new(Exit::NotFound, all)
                .next("`quorate task ls --status all` shows the tasks there are"),
        ),
        _ => Some(
            Failure::new(Exit::Failed, all).next("`quorate instance ls` shows what is free where"),
        ),
    }
}

/// The tasks of an answer as rows.
pub(super) fn tasks_table(answer: &Value) -> String {
    let row = |task: &Value| {
        vec![
            short(&text(task, "/taskArn")).to_owned(),
            short(&text(task, "/taskDefinitionArn")).to_owned(),
            text(task, "/lastStatus"),
            text(task, "/desiredStatus"),
            short(&text(task, "/containerInstanceArn")).to_owned(),
            ports(task),
            text(task, "/stoppedReason"),
        ]
    };
    let heads = [
        "TASK",
        "DEFINITION",
        "LAST",
        "DESIRED",
        "INSTANCE",
        "PORTS",
        "REASON",
    ];
    table(&heads, list(answer, "/tasks").iter().map(row))
}

/// `host->container` of every port.
fn ports(task: &Value) -> String {
    let bindings = list(task, "/containers")
        .iter()
        .flat_map(|container| list(container, "/networkBindings"));
    let one = |binding: &Value| {
        format!(
            "{}->{}",
            text(binding, "/hostPort"),
            text(binding, "/containerPort")
        )
    };
    bindings.map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn task() -> Value {
        json!({
            "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/default/0123", "lastStatus": "RUNNING", "desiredStatus": "RUNNING",
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3",
            "containers": [{"name": "app", "networkBindings": [{"hostPort": 49153, "containerPort": 8080}]}],
            "attachments": [],
        })
    }

    #[test]
    fn a_task_is_a_row() {
        let expected = "\
TASK  DEFINITION  LAST     DESIRED  INSTANCE  PORTS        REASON
0123  web:3       RUNNING  RUNNING  -         49153->8080  -
";
        assert_eq!(tasks_table(&json!({"tasks": [task()]})), expected);
    }

    #[test]
    fn failures_decide_the_exit_code() {
        let code =
            |failures: Value| refused(&json!({ "failures": failures })).map(|failure| failure.code);
        assert_eq!(code(json!([])), None);
        assert_eq!(
            code(json!([{"arn": "x/0123", "reason": "MISSING"}])),
            Some(3)
        );
        let failure = refused(&json!({"failures": [{"arn": "c/mi-1", "reason": "RESOURCE:CPU"}, {"reason": "AGENT"}]})).unwrap();
        assert!(
            failure.code == 1 && failure.to_string().starts_with("mi-1 RESOURCE:CPU; AGENT"),
            "{failure}"
        );
    }
}
