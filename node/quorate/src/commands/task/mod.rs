//! `quorate task`: run, list, describe and stop tasks.

mod view;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use quorate_client::{Client, TaskStatus, client_token};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::view::{refused, tasks_table};
use super::Asking;
use crate::failure::{Exit, Failure};
use crate::outline::outline;
use crate::render::{Format, list, print, show, text};

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Run tasks of a definition
    Run(RunArgs),
    /// List the tasks of a cluster
    Ls(LsArgs),
    /// Show tasks in full
    Describe(TasksArgs),
    /// Stop tasks: SIGTERM, then SIGKILL after their stop timeout
    Stop(StopArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// family, family:revision or ARN
    definition: String,
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
    /// How many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10))]
    count: u16,
    /// Container that --env and the command are for; the only one of the definition if not given
    #[arg(long)]
    container: Option<String>,
    /// Variable to add to the container (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Group of the tasks; family:FAMILY if not given
    #[arg(long)]
    group: Option<String>,
    /// Tag that tells who started them
    #[arg(long)]
    started_by: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    /// Command in place of the definition's, after `--`
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Args, Debug)]
struct WaitArgs {
    /// Wait until the tasks are RUNNING, or for `stop` STOPPED
    #[arg(long)]
    wait: bool,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
}

#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
    /// Only those of this family
    #[arg(long)]
    family: Option<String>,
    /// Only those on this container instance
    #[arg(long)]
    instance: Option<String>,
    /// Only those started by this tag
    #[arg(long, conflicts_with_all = ["family", "instance"])]
    started_by: Option<String>,
    /// Which ones: those that are to run, those that are to stop or have, or both
    #[arg(long, value_enum, default_value_t)]
    status: Which,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Which {
    #[default]
    Running,
    Stopped,
    All,
}

#[derive(Args, Debug)]
pub(crate) struct TasksArgs {
    /// Ids or ARNs
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
}

#[derive(Args, Debug)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    which: TasksArgs,
    /// Reason that the tasks will show
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(crate) async fn run(command: TaskCommand, asking: &Asking) -> Result<(), Failure> {
    let client = asking.access.client()?;
    match command {
        TaskCommand::Run(args) => start(&args, &client, asking.output).await,
        TaskCommand::Ls(args) => show(asking.output, &found(&args, &client).await?, tasks_table),
        TaskCommand::Describe(args) => describe(&args, &client, asking.output).await,
        TaskCommand::Stop(args) => stop(&args, &client, asking.output).await,
    }
}

/// Runs tasks once, whatever has to be repeated: the call carries a token.
async fn start(args: &RunArgs, client: &Client, output: Format) -> Result<(), Failure> {
    let mut body = json!({
        "cluster": args.cluster, "taskDefinition": args.definition, "count": args.count, "clientToken": client_token(),
    });
    for (member, value) in [("group", &args.group), ("startedBy", &args.started_by)] {
        if let Some(value) = value {
            body[member] = json!(value);
        }
    }
    if let Some(overrides) = overrides(args, client).await? {
        body["overrides"] = json!({"containerOverrides": [overrides]});
    }
    let deadline = Instant::now() + Duration::from_secs(args.wait.timeout);
    let mut answer = client.call_until("RunTask", body, deadline).await?;
    if args.wait.wait && !list(&answer, "/tasks").is_empty() {
        answer["tasks"] = wait(
            client,
            &args.cluster,
            &arns(&answer),
            TaskStatus::Running,
            &args.wait,
        )
        .await?;
    }
    show(output, &answer, tasks_table)?;
    refused(&answer).map_or(Ok(()), Err)
}

/// The override of one container, if anything is to be overridden.
async fn overrides(args: &RunArgs, client: &Client) -> Result<Option<Value>, Failure> {
    if args.env.is_empty() && args.command.is_empty() {
        return Ok(None);
    }
    let name = match &args.container {
        Some(name) => name.clone(),
        None => only_container(&args.definition, client).await?,
    };
    let mut overrides = Map::from_iter([("name".to_owned(), json!(name))]);
    if !args.env.is_empty() {
        let pairs: Vec<Value> = args
            .env
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        overrides.insert("environment".to_owned(), json!(pairs));
    }
    if !args.command.is_empty() {
        overrides.insert("command".to_owned(), json!(args.command));
    }
    Ok(Some(Value::Object(overrides)))
}

async fn only_container(definition: &str, client: &Client) -> Result<String, Failure> {
    let answer = client
        .call(
            "DescribeTaskDefinition",
            json!({"taskDefinition": definition}),
        )
        .await?;
    match list(&answer, "/taskDefinition/containerDefinitions") {
        [one] => Ok(text(one, "/name")),
        many => {
            let names: Vec<String> = many
                .iter()
                .map(|container| text(container, "/name"))
                .collect();
            let what = format!("{definition} has {} containers", many.len());
            Err(Failure::new(Exit::Failed, what)
                .next(format!("say which with --container: {}", names.join(", "))))
        }
    }
}

async fn found(args: &LsArgs, client: &Client) -> Result<Value, Failure> {
    let mut body = Map::from_iter([("cluster".to_owned(), json!(args.cluster))]);
    let filters = [
        ("family", &args.family),
        ("containerInstance", &args.instance),
        ("startedBy", &args.started_by),
    ];
    body.extend(
        filters
            .iter()
            .filter_map(|(member, value)| Some(((*member).to_owned(), json!(value.as_ref()?)))),
    );
    let statuses: &[&str] = match args.status {
        Which::Running => &["RUNNING"],
        Which::Stopped => &["STOPPED"],
        Which::All => &["RUNNING", "STOPPED"],
    };
    let mut arns = Vec::new();
    for status in statuses {
        body.insert("desiredStatus".to_owned(), json!(status));
        let page = client
            .paginate("ListTasks", Value::Object(body.clone()), "taskArns")
            .await?;
        arns.extend(
            page.iter()
                .filter_map(|arn| arn.as_str().map(str::to_owned)),
        );
    }
    Ok(client
        .describe(
            "DescribeTasks",
            json!({"cluster": args.cluster}),
            "tasks",
            &arns,
        )
        .await?)
}

async fn describe(args: &TasksArgs, client: &Client, output: Format) -> Result<(), Failure> {
    let mut answer = client
        .describe(
            "DescribeTasks",
            json!({"cluster": args.cluster}),
            "tasks",
            &args.tasks,
        )
        .await?;
    add_output(args, client, &mut answer).await?;
    match output {
        // A task in full has no useful row; its own words are shown, as JSON without the punctuation.
        Format::Table => print(
            &list(&answer, "/tasks")
                .iter()
                .map(outline)
                .collect::<Vec<_>>()
                .join("\n"),
        )?,
        Format::Json => print(&format!("{answer:#}\n"))?,
    }
    refused(&answer).map_or(Ok(()), Err)
}

/// Containers that failed are shown with what they printed last.
async fn add_output(args: &TasksArgs, client: &Client, answer: &mut Value) -> Result<(), Failure> {
    let failed = list(answer, "/tasks").iter().filter(|task| {
        let mut ends = list(task, "/containers").iter();
        ends.any(|one| one["exitCode"].as_i64().is_some_and(|code| code != 0))
    });
    let failed: Vec<String> = failed.map(|task| text(task, "/taskArn")).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let body = json!({"cluster": args.cluster, "tasks": failed});
    let told = client.call_quorate("DescribeTaskOutput", body).await?;
    let told = list(&told, "/tasks").iter();
    let told = told.flat_map(|task| list(task, "/containers").iter().map(move |one| (task, one)));
    for (task, container) in told {
        let mine = answer["tasks"].as_array_mut().into_iter().flatten();
        let mine = mine.filter(|one| one["taskArn"] == task["taskArn"]);
        let mut mine = mine
            .filter_map(|one| one["containers"].as_array_mut())
            .flatten();
        if let Some(mine) = mine.find(|one| one["name"] == container["name"]) {
            mine["lastOutput"] = container["lastOutput"].clone();
        }
    }
    Ok(())
}

async fn stop(args: &StopArgs, client: &Client, output: Format) -> Result<(), Failure> {
    let TasksArgs { tasks, cluster } = &args.which;
    let mut stopped = Vec::new();
    for task in tasks {
        let mut body = json!({"cluster": cluster, "task": task});
        if let Some(reason) = &args.reason {
            body["reason"] = json!(reason);
        }
        stopped.push(client.call("StopTask", body).await?["task"].take());
    }
    let mut answer = json!({"tasks": stopped});
    if args.wait.wait {
        answer["tasks"] = wait(
            client,
            cluster,
            &arns(&answer),
            TaskStatus::Stopped,
            &args.wait,
        )
        .await?;
    }
    show(output, &answer, tasks_table)
}

async fn wait(
    client: &Client,
    cluster: &str,
    tasks: &[String],
    wanted: TaskStatus,
    args: &WaitArgs,
) -> Result<Value, Failure> {
    Ok(Value::Array(
        client
            .wait_tasks(cluster, tasks, wanted, Duration::from_secs(args.timeout))
            .await?,
    ))
}

fn arns(answer: &Value) -> Vec<String> {
    list(answer, "/tasks")
        .iter()
        .map(|task| text(task, "/taskArn"))
        .collect()
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("it is not of the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
