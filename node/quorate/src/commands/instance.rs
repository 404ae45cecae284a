//! `quorate instance`: the machines that run tasks.

use std::time::Duration;

use clap::{Args, Subcommand};
use quorate_client::{Client, ClientError};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Asking;
use crate::failure::{Exit, Failure};
use crate::outline::outline;
use crate::render::{Format, list, print, short, show, table, text};

/// ECS's limit for one UpdateContainerInstancesState.
const CHANGED_AT_ONCE: usize = 10;
/// Between two looks at what still runs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What can be done with container instances.
#[derive(Debug, Subcommand)]
pub(crate) enum InstanceCommand {
    /// List the container instances of a cluster: connection, free CPU and memory, tasks
    Ls {
        /// Name or ARN of the cluster
        #[arg(long, default_value = "default")]
        cluster: String,
    },
    /// Show container instances in full
    Describe(InstancesArgs),
    /// Give instances no more tasks; the tasks of services move elsewhere, others run on
    Drain(DrainArgs),
    /// Give drained instances tasks again
    Activate(InstancesArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InstancesArgs {
    /// Ids or ARNs
    #[arg(required = true, value_name = "INSTANCE")]
    instances: Vec<String>,
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
}

#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    #[command(flatten)]
    which: InstancesArgs,
    /// Wait until no task is left on them
    #[arg(long)]
    wait: bool,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

pub(crate) async fn run(command: InstanceCommand, asking: &Asking) -> Result<(), Failure> {
    let client = asking.access.client()?;
    match command {
        InstanceCommand::Ls { cluster } => {
            let instances = describe_all(&client, &cluster).await?;
            show(asking.output, &instances, instances_table)
        }
        InstanceCommand::Describe(which) => {
            let answer = describe(&client, &which).await?;
            match asking.output {
                Format::Table => print(&in_full(&answer))?,
                Format::Json => print(&format!("{answer:#}\n"))?,
            }
            refused(&answer).map_or(Ok(()), Err)
        }
        InstanceCommand::Drain(args) => drain(&client, &args, asking.output).await,
        InstanceCommand::Activate(which) => {
            let answer = set_status(&client, &which, "ACTIVE").await?;
            show(asking.output, &answer, instances_table)?;
            refused(&answer).map_or(Ok(()), Err)
        }
    }
}

async fn describe(client: &Client, which: &InstancesArgs) -> Result<Value, ClientError> {
    let body = json!({"cluster": which.cluster});
    let member = "containerInstances";
    client
        .describe("DescribeContainerInstances", body, member, &which.instances)
        .await
}

async fn drain(client: &Client, args: &DrainArgs, output: Format) -> Result<(), Failure> {
    let mut answer = set_status(client, &args.which, "DRAINING").await?;
    let refusal = refused(&answer);
    if args.wait && refusal.is_none() {
        answer = empty(client, args).await?;
    }
    show(output, &answer, instances_table)?;
    refusal.map_or(Ok(()), Err)
}

async fn set_status(
    client: &Client,
    which: &InstancesArgs,
    status: &str,
) -> Result<Value, Failure> {
    let (mut changed, mut failures) = (Vec::new(), Vec::new());
    for some in which.instances.chunks(CHANGED_AT_ONCE) {
        let body = json!({"cluster": which.cluster, "containerInstances": some, "status": status});
        let answer = client.call("UpdateContainerInstancesState", body).await?;
        changed.extend_from_slice(list(&answer, "/containerInstances"));
        failures.extend_from_slice(list(&answer, "/failures"));
    }
    Ok(json!({"containerInstances": changed, "failures": failures}))
}

/// Waits until nothing is left on the instances.
async fn empty(client: &Client, args: &DrainArgs) -> Result<Value, Failure> {
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    let mut seen = "no node answered".to_owned();
    loop {
        match describe(client, &args.which).await {
            Ok(answer) => {
                let left = tasks_left(&answer);
                if left == 0 {
                    return Ok(answer);
                }
                seen = format!("{left} tasks are left");
            }
            // As during an election.
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() + LOOK_AGAIN >= deadline {
            let what = format!("not empty after {} s: {seen}", args.timeout);
            return Err(Failure::new(Exit::WaitTimedOut, what).next(
                "`quorate task ls --instance INSTANCE` shows them; those of no service have to be stopped",
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn tasks_left(answer: &Value) -> u64 {
    let of = |instance: &Value| {
        let counts = ["runningTasksCount", "pendingTasksCount"];
        let counts = counts.map(|count| instance[count].as_u64().unwrap_or(0));
        counts[0] + counts[1]
    };
    list(answer, "/containerInstances").iter().map(of).sum()
}

fn in_full(answer: &Value) -> String {
    let instances = list(answer, "/containerInstances").iter();
    instances.map(outline).collect::<Vec<_>>().join("\n")
}

/// The failures of an answer as one failure of the command.
fn refused(answer: &Value) -> Option<Failure> {
    let failures = list(answer, "/failures");
    let one = |failure: &Value| {
        let arn = text(failure, "/arn");
        format!("{} {}", short(&arn), text(failure, "/reason"))
    };
    let all = failures.iter().map(one).collect::<Vec<_>>().join("; ");
    let is_missing = |failure: &Value| failure["reason"] == "MISSING";
    let exit = match failures {
        [] => return None,
        missing if missing.iter().all(is_missing) => Exit::NotFound,
        _ => Exit::Failed,
    };
    Some(Failure::new(exit, all).next("`quorate instance ls` shows the instances there are"))
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
        assert_eq!(tasks_left(&answer), 2);
        assert!(in_full(&answer).contains("status: ACTIVE\n"));
    }

    #[test]
    fn failures_decide_the_exit_code() {
        let failure = |reason: &str| json!({"arn": "c/mi-1", "reason": reason});
        let refused = |failures: &[Value]| refused(&json!({ "failures": failures }));
        assert!(refused(&[]).is_none());
        let code = |failures: &[Value]| refused(failures).map(|failure| failure.code);
        assert_eq!(code(&[failure("MISSING")]), Some(3));
        assert_eq!(code(&[failure("MISSING"), failure("INACTIVE")]), Some(1));
        let text = refused(&[failure("MISSING")]).map(|failure| failure.to_string());
        assert!(text.is_some_and(|text| text.starts_with("mi-1 MISSING\n")));
    }
}
