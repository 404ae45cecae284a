//! `quorate service`: what is to be kept running.

mod stable;
mod view;
mod wanted;

use std::time::Duration;

use clap::{Args, Subcommand};
use quorate_client::{Client, ClientError, client_token};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use self::view::{in_full, refused, services_table};
use self::wanted::Wanted;
use super::Asking;
use crate::failure::{Exit, Failure};
use crate::render::{Format, list, print, show, text};

/// A creation is asked for again for so long; an election is over by then.
const CREATE_LIMIT: Duration = Duration::from_secs(60);
/// ECS's limit for one GetTaskProtection.
const PROTECTION_AT_ONCE: usize = 100;

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Keep tasks of a definition running
    Create(CreateArgs),
    /// Change a service: what is not said stays
    Update(UpdateArgs),
    /// List the services of a cluster: tasks, definition, how far its deployment is
    Ls {
        /// Name or ARN of the cluster
        #[arg(long, default_value = "default")]
        cluster: String,
    },
    /// Show services in full: tasks, deployments, newest events, placement, protected tasks
    Describe {
        /// Names or ARNs
        #[arg(required = true, value_name = "SERVICE")]
        services: Vec<String>,
        /// Name or ARN of the cluster
        #[arg(long, default_value = "default")]
        cluster: String,
    },
    /// Delete a service; its tasks are stopped
    Delete {
        /// Name or ARN
        service: String,
        /// Name or ARN of the cluster
        #[arg(long, default_value = "default")]
        cluster: String,
        /// Also where its desired count is not 0
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Up to 255 letters, digits, `-` and `_`
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// One task on each instance that can take it, in place of a desired count
    #[arg(long, conflicts_with = "desired_count")]
    daemon: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    /// Name or ARN
    #[arg(required_unless_present = "file")]
    service: Option<String>,
    /// Replace all tasks, also where nothing that they run changes
    #[arg(long)]
    force_new_deployment: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Args, Debug)]
struct WaitArgs {
    /// Wait until all tasks are of the newest deployment, and healthy
    #[arg(long)]
    wait: bool,
    /// Seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

pub(crate) async fn run(command: ServiceCommand, asking: &Asking) -> Result<(), Failure> {
    let client = asking.access.client()?;
    match command {
        ServiceCommand::Create(args) => {
            let answer = create(&args, &client).await?;
            settled(&client, answer, &args.wait, asking.output).await
        }
        ServiceCommand::Update(args) => {
            let answer = update(&args, &client).await?;
            settled(&client, answer, &args.wait, asking.output).await
        }
        ServiceCommand::Ls { cluster } => show(
            asking.output,
            &all(&client, &cluster).await?,
            services_table,
        ),
        ServiceCommand::Describe { services, cluster } => {
            let answer = describe(&client, &cluster, &services).await?;
            match asking.output {
                Format::Table => print(&in_full(&answer))?,
                Format::Json => print(&format!("{answer:#}\n"))?,
            }
            refused(&answer).map_or(Ok(()), Err)
        }
        ServiceCommand::Delete {
            service,
            cluster,
            force,
        } => {
            let body = json!({"cluster": cluster, "service": service, "force": force});
            let deleted = client.call("DeleteService", body).await;
            let answer = deleted.map_err(|error| explained(error, &service))?;
            show(asking.output, &answer, services_table)
        }
    }
}

/// Creates once, whatever has to be repeated: the call carries a token.
async fn create(args: &CreateArgs, client: &Client) -> Result<Value, Failure> {
    let mut body = args.wanted.members()?;
    if let Some(name) = &args.name {
        body.insert("serviceName".into(), json!(name));
    }
    if args.daemon {
        body.insert("schedulingStrategy".into(), json!("DAEMON"));
        body.remove("desiredCount");
    }
    complete(&body)?;
    body.insert("clientToken".into(), json!(client_token()));
    let body = Value::Object(body);
    let name = text(&body, "/serviceName");
    let deadline = Instant::now() + CREATE_LIMIT;
    let created = client.call_until("CreateService", body, deadline).await;
    created.map_err(|error| explained(error, &name))
}

/// Refuses what cannot become a service for want of a word.
fn complete(body: &Map<String, Value>) -> Result<(), Failure> {
    let is_daemon = body.get("schedulingStrategy") == Some(&json!("DAEMON"));
    let missing = [
        (
            "serviceName",
            "a name is needed",
            "quorate service create NAME ...",
        ),
        (
            "taskDefinition",
            "what is to run is needed",
            "--task-definition FAMILY",
        ),
        (
            "desiredCount",
            "how many tasks are to run is needed",
            "--desired-count N, or --daemon",
        ),
    ];
    let missing = missing.iter().find(|(member, ..)| {
        !(body.contains_key(*member) || is_daemon && *member == "desiredCount")
    });
    missing.map_or(Ok(()), |(_, what, next)| {
        Err(Failure::new(Exit::Usage, *what).next(*next))
    })
}

/// Not repeated: a forced deployment would be forced twice.
async fn update(args: &UpdateArgs, client: &Client) -> Result<Value, Failure> {
    let mut body = args.wanted.members()?;
    if let Some(service) = &args.service {
        body.insert("service".into(), json!(service));
    }
    if args.force_new_deployment {
        body.insert("forceNewDeployment".into(), json!(true));
    }
    if !body.contains_key("service") {
        let failure = Failure::new(Exit::Usage, "which service is to change is needed");
        return Err(failure.next("quorate service update SERVICE ..."));
    }
    let body = Value::Object(body);
    let service = text(&body, "/service");
    let updated = client.call("UpdateService", body).await;
    updated.map_err(|error| explained(error, &service))
}

/// Shows what came of a change, at once or when it has come about.
async fn settled(
    client: &Client,
    mut answer: Value,
    args: &WaitArgs,
    output: Format,
) -> Result<(), Failure> {
    if args.wait {
        answer = stable::wait(client, &answer, Duration::from_secs(args.timeout)).await?;
    }
    show(output, &answer, services_table)
}

/// Every ACTIVE service of a cluster, described.
async fn all(client: &Client, cluster: &str) -> Result<Value, ClientError> {
    let body = json!({"cluster": cluster});
    let arns = client
        .paginate("ListServices", body.clone(), "serviceArns")
        .await?;
    client
        .describe("DescribeServices", body, "services", &strings(&arns))
        .await
}

/// Services in full, each with those of its tasks that are protected.
async fn describe(client: &Client, cluster: &str, named: &[String]) -> Result<Value, ClientError> {
    let body = json!({"cluster": cluster});
    let mut answer = client
        .describe("DescribeServices", body, "services", named)
        .await?;
    for service in answer["services"].as_array_mut().into_iter().flatten() {
        service["protectedTasks"] = protected(client, service).await?;
    }
    Ok(answer)
}

async fn protected(client: &Client, service: &Value) -> Result<Value, ClientError> {
    let mut body = json!({"cluster": service["clusterArn"]});
    let mut filter = body.clone();
    filter["serviceName"] = service["serviceName"].clone();
    let tasks = client.paginate("ListTasks", filter, "taskArns").await?;
    let mut protected = Vec::new();
    for some in tasks.chunks(PROTECTION_AT_ONCE) {
        body["tasks"] = json!(some);
        let answer = client.call("GetTaskProtection", body.clone()).await?;
        let is_protected = |task: &&Value| task["protectionEnabled"] == true;
        let found = list(&answer, "/protectedTasks").iter().filter(is_protected);
        protected.extend(found.cloned());
    }
    Ok(Value::Array(protected))
}

/// A refusal with what can be done about it.
fn explained(error: ClientError, service: &str) -> Failure {
    let next = match &error {
        ClientError::Exception { message, .. } if message.contains("scaled above 0") => {
            format!("`quorate service update {service} --desired-count 0` first, or --force")
        }
        ClientError::Exception { message, .. } if message.contains("not idempotent") => {
            format!("there is one of that name: `quorate service update {service}` changes it")
        }
        ClientError::Exception { message, .. } if message.contains("TaskDefinition not found") => {
            "`aws ecs list-task-definitions` shows the definitions there are".to_owned()
        }
        ClientError::Exception { code, .. } if code == "ServiceNotActiveException" => {
            format!("it was deleted: `quorate service create {service}` makes it anew")
        }
        _ => return error.into(),
    };
    Failure::from(error).next(next)
}

fn strings(values: &[Value]) -> Vec<String> {
    let texts = values.iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else {
            panic!("{value} is no object")
        };
        object
    }

    #[test]
    fn a_missing_word_is_asked_for() {
        let asked = |body: Value| complete(&object(body)).map_err(|failure| failure.to_string());
        let whole = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 0});
        assert_eq!(asked(whole), Ok(()));
        let daemon =
            json!({"serviceName": "web", "taskDefinition": "web", "schedulingStrategy": "DAEMON"});
        assert_eq!(asked(daemon), Ok(()));
        let missing = asked(json!({"serviceName": "web", "desiredCount": 1})).unwrap_err();
        assert!(
            missing.ends_with("next: --task-definition FAMILY"),
            "{missing}"
        );
    }

    #[test]
    fn a_refusal_says_what_can_be_done() {
        let refused = |code: &str, message: &str| {
            let error = ClientError::Exception {
                code: code.to_owned(),
                message: message.to_owned(),
                status: 400,
                request_id: "r-1".to_owned(),
                fields: Map::new(),
            };
            explained(error, "web").to_string()
        };
        let scaled = "The service cannot be stopped while it is scaled above 0.";
        let text = refused("InvalidParameterException", scaled);
        assert!(text.ends_with("`quorate service update web --desired-count 0` first, or --force"));
        let text = refused("ServiceNotActiveException", "Service was not ACTIVE.");
        assert!(text.ends_with("`quorate service create web` makes it anew"));
        let text = refused("ServiceNotFoundException", "Service not found.");
        assert!(text.ends_with("`quorate service ls` shows the services there are"));
    }
}
