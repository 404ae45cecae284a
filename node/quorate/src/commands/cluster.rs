//! `quorate cluster`: the namespaces that tasks and instances live in.

use clap::Subcommand;
use quorate_client::Client;
use serde_json::{Value, json};

use super::Asking;
use crate::failure::Failure;
use crate::render::{list, show, table, text};

/// What can be done with clusters.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// List the clusters: instances, running and pending tasks
    Ls,
    /// Create a cluster; one of that name that exists is left as it is
    Create {
        /// Up to 255 letters, digits, `-` and `_`
        name: String,
    },
    /// Delete a cluster without tasks and instances
    Delete {
        /// Name or ARN
        cluster: String,
    },
}

pub(crate) async fn run(command: ClusterCommand, asking: &Asking) -> Result<(), Failure> {
    let client = asking.access.client()?;
    let answer = match command {
        ClusterCommand::Ls => describe_all(&client).await?,
        ClusterCommand::Create { name } => {
            client
                .call("CreateCluster", json!({"clusterName": name}))
                .await?
        }
        ClusterCommand::Delete { cluster } => {
            client
                .call("DeleteCluster", json!({"cluster": cluster}))
                .await?
        }
    };
    show(asking.output, &answer, clusters_table)
}

/// Every cluster, described.
pub(crate) async fn describe_all(client: &Client) -> Result<Value, Failure> {
    let arns = client
        .paginate("ListClusters", json!({}), "clusterArns")
        .await?;
    let arns: Vec<String> = arns
        .iter()
        .filter_map(|arn| arn.as_str().map(str::to_owned))
        .collect();
    Ok(client
        .describe("DescribeClusters", json!({}), "clusters", &arns)
        .await?)
}

/// The clusters of a list, or the one of an answer, as rows.
pub(crate) fn clusters_table(answer: &Value) -> String {
    let one = answer.get("cluster").into_iter();
    let row = |cluster: &Value| {
        let texts = [
            "/clusterName",
            "/status",
            "/registeredContainerInstancesCount",
            "/runningTasksCount",
            "/pendingTasksCount",
        ];
        texts.iter().map(|pointer| text(cluster, pointer)).collect()
    };
    table(
        &["CLUSTER", "STATUS", "INSTANCES", "RUNNING", "PENDING"],
        list(answer, "/clusters").iter().chain(one).map(row),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cluster_and_many_look_alike() {
        let cluster = json!({"clusterName": "default", "status": "ACTIVE", "registeredContainerInstancesCount": 2,
            "runningTasksCount": 3, "pendingTasksCount": 0});
        let expected = "CLUSTER  STATUS  INSTANCES  RUNNING  PENDING\ndefault  ACTIVE  2          3        0\n";
        assert_eq!(clusters_table(&json!({ "cluster": cluster })), expected);
        assert_eq!(clusters_table(&json!({ "clusters": [cluster] })), expected);
    }
}
