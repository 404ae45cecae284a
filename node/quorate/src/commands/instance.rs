//! `quorate instance`: the machines that run tasks.

use clap::Subcommand;
use quorate_client::Client;
use serde_json::{Value, json};

use super::Asking;
use crate::failure::Failure;
use crate::render::{list, short, show, table, text};

/// What can be done with container instances.
#[derive(Debug, Subcommand)]
pub(crate) enum InstanceCommand {
    /// List the container instances of a cluster: connection, free CPU and memory, tasks
    Ls {
        /// Name or ARN of the cluster
        #[arg(long, default_value = "default")]
        cluster: String,
    },
}

pub(crate) async fn run(command: InstanceCommand, asking: &Asking) -> Result<(), Failure> {
    match command {
        InstanceCommand::Ls { cluster } => {
            let instances = describe_all(&asking.access.client()?, &cluster).await?;
            show(asking.output, &instances, instances_table)
        }
    }
}

/// Every instance of a cluster, described.
pub(crate) async fn describe_all(client: &Client, cluster: &str) -> Result<Value, Failure> {
    let arns = client
        .paginate(
            "ListContainerInstances",
            json!({"cluster": cluster}),
            "containerInstanceArns",
        )
        .await?;
    let arns: Vec<String> = arns
        .iter()
        .filter_map(|arn| arn.as_str().map(str::to_owned))
        .collect();
    Ok(client
        .describe(
            "DescribeContainerInstances",
            json!({"cluster": cluster}),
            "containerInstances",
            &arns,
        )
        .await?)
}

fn instances_table(answer: &Value) -> String {
    let row = |instance: &Value| {
        let connected = if instance["agentConnected"] == json!(true) {
            "yes"
        } else {
            "no"
        };
        vec![
            short(&text(instance, "/containerInstanceArn")).to_owned(),
            text(instance, "/status"),
            connected.to_owned(),
            free_of(instance, "CPU"),
            free_of(instance, "MEMORY"),
            text(instance, "/runningTasksCount"),
            text(instance, "/pendingTasksCount"),
        ]
    };
    let heads = [
        "INSTANCE",
        "STATUS",
        "CONNECTED",
        "CPU FREE",
        "MEMORY FREE",
        "RUNNING",
        "PENDING",
    ];
    table(&heads, list(answer, "/containerInstances").iter().map(row))
}

/// `free/all` of one resource.
fn free_of(instance: &Value, resource: &str) -> String {
    let amount = |kind: &str| {
        let found = list(instance, kind)
            .iter()
            .find(|one| one["name"] == resource);
        found.map_or_else(String::new, |one| text(one, "/integerValue"))
    };
    format!(
        "{}/{}",
        amount("/remainingResources"),
        amount("/registeredResources")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_and_whole_stand_together() {
        let resource = |name: &str, value: u64| json!({"name": name, "type": "INTEGER", "integerValue": value});
        let answer = json!({"containerInstances": [{
            "containerInstanceArn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-0123456789abcdef0",
            "status": "ACTIVE", "agentConnected": false, "runningTasksCount": 2, "pendingTasksCount": 0,
            "remainingResources": [resource("CPU", 1536), resource("MEMORY", 900)],
            "registeredResources": [resource("CPU", 2048), resource("MEMORY", 1000)],
        }], "failures": []});
        let expected = "\
INSTANCE              STATUS  CONNECTED  CPU FREE   MEMORY FREE  RUNNING  PENDING
mi-0123456789abcdef0  ACTIVE  no         1536/2048  900/1000     2        0
";
        assert_eq!(instances_table(&answer), expected);
    }
}
