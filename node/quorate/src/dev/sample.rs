//! The sample that a new `quorate dev` runs: three tasks of `quorate sample-app`, so that there is something to curl.

use std::time::Duration;

use quorate_client::{Client, TaskStatus, client_token};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cluster::CLUSTER;
use crate::failure::{Exit, Failure};
use crate::render::{list, text};

/// The family of the sample's definition.
pub(crate) const FAMILY: &str = "quorate-sample";

/// The image of the sample, built here and never pulled.
pub(crate) const IMAGE: &str = "quorate/sample-app";

const TASKS: usize = 3;

/// The port in the container; the host's is chosen by the placement.
pub(crate) const CONTAINER_PORT: u16 = 8080;

/// A first start may have to read the whole executable from disk.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Registers and runs the sample unless it runs already; gives the URLs that answer.
pub(crate) async fn run(client: &Client) -> Result<Vec<String>, Failure> {
    let running = client
        .paginate(
            "ListTasks",
            json!({"cluster": CLUSTER, "family": FAMILY}),
            "taskArns",
        )
        .await?;
    let mut tasks: Vec<String> = running
        .iter()
        .filter_map(|arn| arn.as_str().map(str::to_owned))
        .collect();
    if tasks.is_empty() {
        client.call("RegisterTaskDefinition", definition()).await?;
        tasks = start(client).await?;
    }
    let tasks = client
        .wait_tasks(CLUSTER, &tasks, TaskStatus::Running, START_LIMIT)
        .await?;
    Ok(tasks.iter().flat_map(urls).collect())
}

async fn start(client: &Client) -> Result<Vec<String>, Failure> {
    let ask = json!({
        "cluster": CLUSTER, "taskDefinition": FAMILY, "count": TASKS, "startedBy": "quorate dev", "clientToken": client_token(),
    });
    let answer = client
        .call_until("RunTask", ask, Instant::now() + START_LIMIT)
        .await?;
    match list(&answer, "/failures") {
        [] => Ok(list(&answer, "/tasks")
            .iter()
            .map(|task| text(task, "/taskArn"))
            .collect()),
        [first, ..] => Err(Failure::new(
            Exit::Failed,
            format!("the sample was not placed: {}", text(first, "/reason")),
        )),
    }
}

/// No entry point and no command: the process runtime takes this image for its own executable, and for Docker the
/// image says what to run. The port is heard from `PORT`, or is 8080 where the network is the container's own.
fn definition() -> Value {
    json!({
        "family": FAMILY,
        "containerDefinitions": [{
            "name": "app",
            "image": IMAGE,
            "cpu": 32,
            "memory": 64,
            "essential": true,
            "portMappings": [{"containerPort": CONTAINER_PORT, "hostPort": 0, "protocol": "tcp"}],
        }],
    })
}

fn urls(task: &Value) -> Vec<String> {
    let bindings = list(task, "/containers")
        .iter()
        .flat_map(|container| list(container, "/networkBindings"));
    bindings
        .map(|binding| format!("http://127.0.0.1:{}", text(binding, "/hostPort")))
        .collect()
}
