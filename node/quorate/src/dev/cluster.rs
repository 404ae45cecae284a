//! A cluster under `quorate dev` from outside: is it ready, and make it stop its tasks.

use std::time::Duration;

use quorate_client::{Client, ClientConfig, ClientError, TaskStatus};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::defaults;
use super::layout::Layout;
use crate::commands::{cluster, instance, status};
use crate::failure::Failure;
use crate::render::{list, text};

/// The cluster that agents join and tasks run in.
pub(crate) const CLUSTER: &str = "default";

/// Reads of a cluster that is not ready yet fail fast; there is no reason to ask less often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// No call may hold up the end of `dev`, not even while there is no leader.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Longer than the 30 seconds that a task has by default to heed SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(35);

/// A client of all nodes of a layout.
pub(crate) fn client(layout: &Layout) -> Result<Client, Failure> {
    let config = ClientConfig {
        endpoints: layout
            .nodes
            .iter()
            .map(|node| format!("http://{}", node.api))
            .collect(),
        region: defaults::REGION.to_owned(),
        access_key_id: defaults::ACCESS_KEY_ID.to_owned(),
        secret_access_key: defaults::SECRET_ACCESS_KEY.to_owned(),
        timeout: CALL_LIMIT,
    };
    Ok(Client::new(config)?)
}

/// Waits until there is a leader and every node and agent is there; gives the nodes.
pub(crate) async fn until_ready(client: &Client, layout: &Layout) -> Result<Value, Failure> {
    let nodes = until(async || {
        Ok(client
            .call_quorate("ListNodes", json!({}))
            .await
            .ok()
            .filter(|nodes| all_there(nodes, layout)))
    })
    .await?;
    make_default(client).await?;
    until(async || {
        let instances = instance::describe_all(client, CLUSTER).await?;
        let connected = list(&instances, "/containerInstances")
            .iter()
            .filter(|one| one["agentConnected"] == json!(true))
            .count();
        Ok((connected >= layout.agents.len()).then_some(()))
    })
    .await?;
    Ok(nodes)
}

/// The cluster is there, whoever made it, and takes what deploy tools launch by default (FARGATE), unless somebody said otherwise.
async fn make_default(client: &Client) -> Result<(), Failure> {
    let made = client
        .call("CreateCluster", json!({"clusterName": CLUSTER}))
        .await?;
    if list(&made, "/cluster/capacityProviders").is_empty() {
        let capacity = json!({
            "cluster": CLUSTER, "capacityProviders": ["FARGATE", "FARGATE_SPOT"], "defaultCapacityProviderStrategy": [],
        });
        client.call("PutClusterCapacityProviders", capacity).await?;
    }
    Ok(())
}

fn all_there(nodes: &Value, layout: &Layout) -> bool {
    let reachable = list(nodes, "/nodes")
        .iter()
        .filter(|node| node["reachable"] == json!(true))
        .count();
    status::leader(nodes).is_some() && reachable == layout.nodes.len()
}

/// Asks until there is an answer; the caller sets the limit.
async fn until<T>(mut ask: impl AsyncFnMut() -> Result<Option<T>, Failure>) -> Result<T, Failure> {
    loop {
        match ask().await? {
            Some(answer) => return Ok(answer),
            None => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Stops every task of every cluster and waits for them; gives how many there were.
pub(crate) async fn stop_tasks(client: &Client) -> Result<usize, Failure> {
    let clusters = cluster::describe_all(client).await?;
    let mut stopped = 0;
    for cluster in list(&clusters, "/clusters")
        .iter()
        .map(|cluster| text(cluster, "/clusterName"))
    {
        let tasks = client
            .paginate("ListTasks", json!({"cluster": cluster}), "taskArns")
            .await?;
        let tasks: Vec<String> = tasks
            .iter()
            .filter_map(|arn| arn.as_str().map(str::to_owned))
            .collect();
        for task in &tasks {
            stop(client, &cluster, task).await?;
        }
        client
            .wait_tasks(&cluster, &tasks, TaskStatus::Stopped, STOP_LIMIT)
            .await?;
        stopped += tasks.len();
    }
    Ok(stopped)
}

async fn stop(client: &Client, cluster: &str, task: &str) -> Result<(), ClientError> {
    client
        .call(
            "StopTask",
            json!({"cluster": cluster, "task": task, "reason": "quorate dev ends"}),
        )
        .await
        .map(drop)
}
