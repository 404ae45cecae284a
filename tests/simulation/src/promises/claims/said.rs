//! Answers of the API, reduced to the form in which states answer questions.

use serde_json::{Value, json};

use super::last_part;
use super::question::Question;

/// The output of a read.
pub(super) fn read(operation: &str, output: &Value) -> Value {
    match operation {
        "DescribeClusters" => described(output, "clusters", cluster),
        "DescribeTasks" => described(output, "tasks", task),
        "DescribeContainerInstances" => described(output, "containerInstances", instance),
        "DescribeTaskDefinition" => definition(&output["taskDefinition"]),
        "ListClusters" => listed(output, "clusterArns"),
        "ListTasks" => listed(output, "taskArns"),
        "ListTaskDefinitions" => listed(output, "taskDefinitionArns"),
        "ListTaskDefinitionFamilies" => listed(output, "families"),
        "ListContainerInstances" => listed(output, "containerInstanceArns"),
        _ => Value::Null,
    }
}

/// What the output of a write shows: the question that it answers, and the answer. It is asked of what the output names.
pub(super) fn written(operation: &str, input: &Value, output: &Value) -> Option<(Question, Value)> {
    let found = |one: Value| json!({ "found": [one], "missing": [] });
    let in_cluster = || {
        last_part(
            input["cluster"]
                .as_str()
                .filter(|text| !text.is_empty())
                .unwrap_or("default"),
        )
        .to_owned()
    };
    let id = |one: &Value, member: &str| part(&one[member]).to_owned();
    Some(match operation {
        "CreateCluster" | "DeleteCluster" => {
            let one = &output["cluster"];
            (
                Question::Clusters(vec![id(one, "clusterArn")]),
                found(cluster(one)),
            )
        }
        "RegisterTaskDefinition" | "DeregisterTaskDefinition" => {
            let one = &output["taskDefinition"];
            (
                Question::Definition(id(one, "taskDefinitionArn")),
                definition(one),
            )
        }
        "RunTask" | "StartTask" => {
            let tasks = output["tasks"].as_array()?;
            let ids = tasks.iter().map(|one| id(one, "taskArn")).collect();
            let shown: Vec<Value> = tasks.iter().map(task).collect();
            (
                Question::Tasks {
                    cluster: in_cluster(),
                    ids,
                },
                json!({ "found": shown, "missing": [] }),
            )
        }
        "StopTask" => {
            let one = &output["task"];
            let ids = vec![id(one, "taskArn")];
            (
                Question::Tasks {
                    cluster: in_cluster(),
                    ids,
                },
                found(task(one)),
            )
        }
        "DeregisterContainerInstance" => {
            let one = &output["containerInstance"];
            let ids = vec![id(one, "containerInstanceArn")];
            (
                Question::Instances {
                    cluster: in_cluster(),
                    ids,
                },
                found(instance(one)),
            )
        }
        _ => return None,
    })
}

fn part(arn: &Value) -> &str {
    last_part(arn.as_str().unwrap_or_default())
}

fn described(output: &Value, member: &str, one: fn(&Value) -> Value) -> Value {
    let found: Vec<Value> = output[member]
        .as_array()
        .into_iter()
        .flatten()
        .map(one)
        .collect();
    let failures = output["failures"].as_array().into_iter().flatten();
    let missing: Vec<&str> = failures.map(|failure| part(&failure["arn"])).collect();
    json!({ "found": found, "missing": missing })
}

fn listed(output: &Value, member: &str) -> Value {
    let listed: Vec<&str> = output[member]
        .as_array()
        .into_iter()
        .flatten()
        .map(part)
        .collect();
    json!({ "listed": listed, "more": output["nextToken"].is_string() })
}

fn cluster(shown: &Value) -> Value {
    json!([
        shown["clusterName"],
        shown["status"],
        shown["registeredContainerInstancesCount"],
        shown["runningTasksCount"],
        shown["pendingTasksCount"],
    ])
}

fn task(shown: &Value) -> Value {
    let containers = shown["containers"].as_array().into_iter().flatten();
    let containers: Vec<Value> = containers
        .map(|one| json!([one["name"], one["lastStatus"], one["exitCode"]]))
        .collect();
    json!([
        part(&shown["taskArn"]),
        shown["lastStatus"],
        shown["desiredStatus"],
        shown["version"],
        part(&shown["taskDefinitionArn"]),
        part(&shown["containerInstanceArn"]),
        shown["startedBy"].as_str().unwrap_or_default(),
        shown["stopCode"],
        containers,
    ])
}

fn definition(shown: &Value) -> Value {
    json!([part(&shown["taskDefinitionArn"]), shown["status"]])
}

fn instance(shown: &Value) -> Value {
    let resources = || shown["remainingResources"].as_array().into_iter().flatten();
    let remaining = |name: &str| {
        let one = resources().find(|resource| resource["name"] == name);
        one.map(|resource| resource["integerValue"].clone())
    };
    json!([
        part(&shown["containerInstanceArn"]),
        shown["status"],
        shown["agentConnected"],
        shown["runningTasksCount"],
        shown["pendingTasksCount"],
        remaining("CPU"),
        remaining("MEMORY"),
    ])
}
