//! The last look: when all is over, everything is read back through every node.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_core::ids::NodeId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api::{Api, Call, Outcome};
use crate::history::{History, What, calls};

/// Whoever looks last is no client of the run.
const CLIENT: u32 = u32::MAX;
/// Nothing is broken any more.
const PATIENCE: Duration = Duration::from_secs(10);
/// ECS: what one DescribeTasks takes.
const TASKS_AT_ONCE: usize = 100;

/// Reads everything back that clients were told of, through every node. What is read is judged like any other read.
pub async fn last_look(api: &dyn Api, history: &History) {
    let began = Instant::now();
    let last_us = history.events().last().map_or(0, |event| event.at_us);
    let questions = questions(history);
    for node in api.nodes() {
        for (operation, body) in &questions {
            let at = || Duration::from_micros(last_us) + began.elapsed();
            ask(api, history, node, (operation, body), at).await;
        }
    }
}

async fn ask(
    api: &dyn Api,
    history: &History,
    node: NodeId,
    question: (&'static str, &Value),
    at: impl Fn() -> Duration,
) {
    let (operation, body) = question;
    let number = history.number();
    let begin = What::Invoke {
        call: number,
        client: CLIENT,
        node,
        operation: operation.to_owned(),
        intent: "last look".to_owned(),
        body: body.clone(),
    };
    history.add(at(), begin);
    let call = Call {
        client: CLIENT,
        node,
        service: "ecs",
        operation,
        body: body.clone(),
        patience: PATIENCE,
    };
    let what = match api.call(call).await {
        Outcome::Answered(answer) => What::Return {
            call: number,
            status: answer.status,
            body: answer.body,
        },
        Outcome::NotSent | Outcome::Unknown => What::Unknown { call: number },
    };
    history.add(at(), what);
}

/// One question for everything that any answer named.
fn questions(history: &History) -> Vec<(&'static str, Value)> {
    let (mut clusters, mut tasks, mut definitions) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for call in calls(&history.events()) {
        let Some(output) = call.output() else {
            continue;
        };
        clusters.extend(arn(&output["cluster"]["clusterArn"]));
        definitions.extend(arn(&output["taskDefinition"]["taskDefinitionArn"]));
        let list = output["tasks"].as_array().into_iter().flatten();
        tasks.extend(list.filter_map(|task| arn(&task["taskArn"])));
    }
    let mut questions = vec![
        ("ListClusters", json!({})),
        ("ListTaskDefinitionFamilies", json!({ "status": "ALL" })),
    ];
    questions.push(("ListContainerInstances", json!({})));
    if !clusters.is_empty() {
        questions.push(("DescribeClusters", json!({ "clusters": clusters })));
    }
    questions.extend(
        definitions
            .iter()
            .map(|arn| ("DescribeTaskDefinition", json!({ "taskDefinition": arn }))),
    );
    for cluster in &clusters {
        let name = cluster.rsplit('/').next().unwrap_or_default();
        let inside = format!("/{name}/");
        let ours: Vec<&String> = tasks.iter().filter(|task| task.contains(&inside)).collect();
        for some in ours.chunks(TASKS_AT_ONCE) {
            questions.push(("DescribeTasks", json!({ "cluster": name, "tasks": some })));
        }
    }
    questions
}

fn arn(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_named_is_asked_for() {
        let history = History::default();
        let begin = |call: u64| What::Invoke {
            call,
            client: 0,
            node: NodeId(1),
            operation: "X".into(),
            intent: "w".into(),
            body: json!({}),
        };
        let bodies = [
            json!({ "cluster": { "clusterArn": "arn:aws:ecs:r:1:cluster/c0" } }),
            json!({ "tasks": [{ "taskArn": "arn:aws:ecs:r:1:task/c0/7" }] }),
            json!({ "taskDefinition": { "taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/f0:1" } }),
        ];
        for (call, body) in (1..).zip(bodies) {
            history.add(Duration::ZERO, begin(call));
            history.add(
                Duration::ZERO,
                What::Return {
                    call,
                    status: 200,
                    body,
                },
            );
        }
        let asked = questions(&history);
        let about = |text: &str| {
            asked
                .iter()
                .any(|(_, body)| body.to_string().contains(text))
        };
        assert!(about("cluster/c0") && about("task/c0/7") && about("task-definition/f0:1"));
        assert!(
            asked
                .iter()
                .any(|(operation, _)| *operation == "ListContainerInstances")
        );
    }
}
