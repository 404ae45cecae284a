//! `quorate deploy`: a new revision of what a service runs, watched until it is there or given up. What a look at it means is decided in
//! `watch`; here it is asked for.

mod cause;
mod definition;
mod screen;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate_client::{Client, ClientError};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use self::cause::Cause;
use self::definition::{NewImage, has_health_check, registrable, replace};
use self::screen::{Outcome, Screen};
use self::watch::{Progress, Seen, Target, Verdict, Watch};
use super::Asking;
use crate::failure::{Exit, Failure};
use crate::handed_in;
use crate::render::{list, short, text};
use crate::signals::Endings;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A call of a look: a node that does not answer in this time is left for the next one.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// What begins a deployment is asked for again for so long; an election is over by then.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);

/// Exit codes of this command alone.
const COULD_NOT_BE_ASKED: u8 = 2;
const TIMED_OUT: u8 = 3;

const AFTER_HELP: &str = "\
Exit codes:
  0    completed
  1    failed: rolled back, or given up
  2    usage, or the cluster could not be asked or refused
  3    not over after --timeout; the deployment goes on
  130  interrupted; the deployment goes on
StopServiceDeployment stops a deployment that goes on.

Examples:
  quorate deploy web --image registry.example/web:2
  quorate deploy web --image app=registry.example/web:2 --image proxy=registry.example/proxy:5
  quorate deploy web --file task-definition.json --timeout 300";

/// The words of `quorate deploy`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DeployArgs {
    /// Name or ARN of the service
    service: String,
    /// Image of the only container, or of the one that is named (repeatable); the rest of the definition stays
    #[arg(
        long = "image",
        value_name = "[CONTAINER=]IMAGE",
        required_unless_present = "file"
    )]
    images: Vec<NewImage>,
    /// Definition as JSON for RegisterTaskDefinition, in place of the service's (`-`: standard input)
    #[arg(long, value_name = "TASKDEF.json")]
    file: Option<PathBuf>,
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
    /// Seconds to watch
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
}

/// How a watch ended.
enum Ending {
    Over(Verdict),
    TimedOut,
    Interrupted,
}

pub(crate) async fn run(args: &DeployArgs, asking: &Asking) -> Result<(), Failure> {
    let mut endings = Endings::new()
        .map_err(|error| Failure::new(Exit::Failed, "watch for signals").because(error))?;
    let mut screen = Screen::of(asking.output);
    let target = tokio::select! {
        target = begin(args, asking, &screen) => target.map_err(|failure| failure.coded(COULD_NOT_BE_ASKED))?,
        () = endings.next() => return Err(interrupted_early(&args.service)),
    };
    // Short, so that the client turns to another node while the view is still fresh.
    let client = asking.access.client_within(LOOK_LIMIT)?;
    let mut watch = Watch::new(target.clone());
    let limit = Duration::from_secs(args.timeout);
    let ending = tokio::select! {
        ending = follow(&client, &target, &mut watch, &mut screen, limit) => {
            ending.map_err(|failure| unasked(failure, &target))?
        }
        () = endings.next() => Ending::Interrupted,
    };
    let cause = match watch.cause().cloned() {
        Some(cause) => Some(with_output(&client, &target, cause).await),
        None => None,
    };
    let cause = cause.as_ref();
    match ending {
        Ending::Over(Verdict::Completed) => screen.end(Outcome::Completed, &target, None),
        Ending::Over(Verdict::Failed(why)) => {
            screen.end(Outcome::Failed, &target, cause)?;
            Err(failed(&target, &why, cause))
        }
        Ending::TimedOut => {
            screen.end(Outcome::TimedOut, &target, cause)?;
            Err(timed_out(&target, limit, watch.progress(), cause))
        }
        Ending::Interrupted => {
            screen.end(Outcome::Interrupted, &target, cause)?;
            let code = Exit::Interrupted as u8;
            Err(goes_on(code, "interrupted".to_owned(), &target))
        }
    }
}

/// Registers the revision and gives it to the service.
async fn begin(args: &DeployArgs, asking: &Asking, screen: &Screen) -> Result<Target, Failure> {
    let client = asking.access.client()?;
    let deadline = Instant::now() + BEGIN_LIMIT;
    let call =
        async |operation: &str, body: Value| client.call_until(operation, body, deadline).await;
    let body = json!({"cluster": args.cluster, "services": [args.service]});
    let services = call("DescribeServices", body).await?;
    let Some(service) = list(&services, "/services").first() else {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no service {}", args.service),
        )
        .next("`quorate service ls` shows the services there are"));
    };
    let current = json!({"taskDefinition": service["taskDefinition"], "include": ["TAGS"]});
    let current = call("DescribeTaskDefinition", current).await?;
    let definition = wanted(args, current)?;
    let has_health_check = has_health_check(&definition);
    // Repeated where its outcome is unknown: a revision that nobody uses does no harm.
    let registered = call("RegisterTaskDefinition", Value::Object(definition)).await?;
    let arn = text(&registered, "/taskDefinition/taskDefinitionArn");
    screen.say(&format!("registered {}", short(&arn)))?;

    // May be repeated as well: the same definition again begins no other deployment.
    let update = json!({"cluster": args.cluster, "service": args.service, "taskDefinition": arn});
    let updated = call("UpdateService", update).await?;
    let deployment = deployment_of(&updated, &arn)?;
    let filter = json!({"cluster": args.cluster, "service": args.service});
    let rollouts = call("ListServiceDeployments", filter).await?;
    let target = Target {
        cluster: args.cluster.clone(),
        service: text(service, "/serviceName"),
        arn: rollout_of(&rollouts, &deployment)?,
        deployment,
        definition: short(&arn).to_owned(),
        has_health_check,
    };
    let before = text(service, "/taskDefinition");
    let said = format!(
        "{}: {} in place of {}",
        target.deployment,
        target.definition,
        short(&before)
    );
    screen.say(&said)?;
    Ok(target)
}

/// The definition to register: the file's, else the service's, with the images that are to be deployed.
fn wanted(args: &DeployArgs, current: Value) -> Result<Map<String, Value>, Failure> {
    let Value::Object(current) = current else {
        unreachable!("the client gives objects")
    };
    let current = registrable(current);
    let mut definition = match &args.file {
        None => current,
        Some(file) => {
            let mut given = registrable(handed_in::object(file)?);
            if let (None, Some(family)) = (given.get("family"), current.get("family")) {
                given.insert("family".into(), family.clone());
            }
            given
        }
    };
    replace(&mut definition, &args.images)?;
    Ok(definition)
}

/// The id of the deployment of this definition, in an answer of UpdateService.
fn deployment_of(updated: &Value, definition: &str) -> Result<String, Failure> {
    let mut deployments = list(updated, "/service/deployments").iter();
    let ours = deployments.find(|one| one["taskDefinition"] == definition);
    ours.map(|one| text(one, "/id")).ok_or_else(replaced)
}

/// The ARN of the service deployment of that number, in an answer of ListServiceDeployments.
fn rollout_of(rollouts: &Value, deployment: &str) -> Result<String, Failure> {
    let arns = list(rollouts, "/serviceDeployments").iter();
    let mut arns = arns.map(|one| text(one, "/serviceDeploymentArn"));
    let ours = arns.find(|arn| short(arn) == short(deployment));
    ours.ok_or_else(replaced)
}

fn replaced() -> Failure {
    Failure::new(
        Exit::Failed,
        "another deployment has already taken its place",
    )
}

/// Looks until it is over. Silence of the cluster, as during an election, is waited out.
async fn follow(
    client: &Client,
    target: &Target,
    watch: &mut Watch,
    screen: &mut Screen,
    limit: Duration,
) -> Result<Ending, Failure> {
    loop {
        match look(client, target, watch).await {
            Ok(seen) => {
                let view = watch.see(&seen, screen.elapsed());
                screen.show(target, &view)?;
                if let Some(verdict) = view.verdict {
                    return Ok(Ending::Over(verdict));
                }
            }
            Err(error) if error.is_passing() => screen.unheard(&error)?,
            Err(error) => return Err(error.into()),
        }
        if screen.elapsed() + LOOK_AGAIN >= limit {
            return Ok(Ending::TimedOut);
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn look(client: &Client, target: &Target, watch: &Watch) -> Result<Seen, ClientError> {
    let body = json!({"serviceDeploymentArns": [target.arn]});
    let rollouts = client.call("DescribeServiceDeployments", body).await?;
    let body = json!({"cluster": target.cluster, "services": [target.service]});
    let services = client.call("DescribeServices", body).await?;
    let first =
        |answer: &Value, member: &str| list(answer, member).first().cloned().unwrap_or_default();
    let (rollout, service) = (
        first(&rollouts, "/serviceDeployments"),
        first(&services, "/services"),
    );
    let tasks = match Watch::wants_tasks(&service, &rollout) {
        true => Some(tasks_of(client, target, "RUNNING").await?),
        false => None,
    };
    let ended = match watch.wants_ended(&service, &rollout) {
        true => tasks_of(client, target, "STOPPED").await?,
        false => Vec::new(),
    };
    Ok(Seen {
        service,
        rollout,
        tasks,
        ended,
    })
}

/// Tasks of the service with that desired status.
async fn tasks_of(
    client: &Client,
    target: &Target,
    status: &str,
) -> Result<Vec<Value>, ClientError> {
    let mut body = json!({"cluster": target.cluster});
    let mut filter = body.clone();
    filter["serviceName"] = json!(target.service);
    filter["desiredStatus"] = json!(status);
    let arns = client.paginate("ListTasks", filter, "taskArns").await?;
    let arns: Vec<String> = arns
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    body = client
        .describe("DescribeTasks", body, "tasks", &arns)
        .await?;
    Ok(list(&body, "/tasks").to_vec())
}

/// Asks what the task of a cause printed last. Without an answer it is still the cause.
async fn with_output(client: &Client, target: &Target, cause: Cause) -> Cause {
    let Some(task) = &cause.task else {
        return cause;
    };
    let body = json!({"cluster": target.cluster, "tasks": [task]});
    match client.call_quorate("DescribeTaskOutput", body).await {
        Ok(answer) => cause.with_output(&answer),
        Err(_) => cause,
    }
}

fn failed(target: &Target, why: &str, cause: Option<&Cause>) -> Failure {
    let what = format!(
        "{} was not deployed to {}: {why}{}",
        target.definition,
        target.service,
        because(cause)
    );
    let look = cause.and_then(|cause| cause.look.clone());
    Failure::new(Exit::Failed, what).next(look.unwrap_or_else(|| {
        format!(
            "`quorate service describe {}` shows its events",
            target.service
        )
    }))
}

fn because(cause: Option<&Cause>) -> String {
    cause.map_or_else(String::new, |cause| {
        let printed = cause.printed.iter().map(|line| format!("\n    {line}"));
        format!(
            "\n  first cause: {}{}",
            cause.what,
            printed.collect::<String>()
        )
    })
}

fn timed_out(
    target: &Target,
    limit: Duration,
    progress: &Progress,
    cause: Option<&Cause>,
) -> Failure {
    let what = format!(
        "not over after {} s: {} of {} tasks run{}",
        limit.as_secs(),
        progress.running,
        progress.desired,
        because(cause)
    );
    goes_on(TIMED_OUT, what, target)
}

/// A watch that ended before what it watched.
fn goes_on(code: u8, what: String, target: &Target) -> Failure {
    Failure::with_code(code, what).next(how_to_stop(target))
}

fn unasked(failure: Failure, target: &Target) -> Failure {
    failure.coded(COULD_NOT_BE_ASKED).next(how_to_stop(target))
}

fn how_to_stop(target: &Target) -> String {
    format!(
        "the deployment {} goes on; to stop it: aws ecs stop-service-deployment --service-deployment-arn {}",
        target.deployment, target.arn
    )
}

fn interrupted_early(service: &str) -> Failure {
    Failure::new(
        Exit::Interrupted,
        "interrupted before it was known whether the deployment began",
    )
    .next(format!(
        "`quorate service describe {service}` shows its deployments"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_deployment_is_known_by_its_definition_and_its_number() {
        let updated = json!({"service": {"deployments": [
            {"id": "ecs-svc/12", "taskDefinition": "d/web:3"}, {"id": "ecs-svc/2", "taskDefinition": "d/web:2"}]}});
        assert_eq!(deployment_of(&updated, "d/web:2").unwrap(), "ecs-svc/2");
        assert!(deployment_of(&updated, "d/web:1").is_err());
        let listed = json!({"serviceDeployments": [
            {"serviceDeploymentArn": "arn:x:service-deployment/default/web/12"},
            {"serviceDeploymentArn": "arn:x:service-deployment/default/web/2"}]});
        let found = rollout_of(&listed, "ecs-svc/2").unwrap();
        assert_eq!(found, "arn:x:service-deployment/default/web/2");
        assert!(rollout_of(&listed, "ecs-svc/3").is_err());
    }

    #[test]
    fn a_failure_names_its_first_cause_and_where_to_look() {
        let target = Target {
            cluster: "default".to_owned(),
            service: "web".to_owned(),
            deployment: "ecs-svc/2".to_owned(),
            arn: "arn:x:service-deployment/default/web/2".to_owned(),
            definition: "web:2".to_owned(),
            has_health_check: false,
        };
        let cause = Cause {
            what: "task 01 on mi-1: it broke (app: exit code 3)".to_owned(),
            look: Some("its output is on mi-1: docker logs 4f5e".to_owned()),
            task: None,
            printed: vec!["app | no such file".to_owned()],
        };
        let text = failed(&target, "it was rolled back: why", Some(&cause)).to_string();
        let expected = "web:2 was not deployed to web: it was rolled back: why
  first cause: task 01 on mi-1: it broke (app: exit code 3)
    app | no such file
  next: its output is on mi-1: docker logs 4f5e";
        assert_eq!(text, expected);
        let failure = goes_on(TIMED_OUT, "not over".to_owned(), &target);
        assert_eq!(failure.code, 3);
        let expected = "not over\n  next: the deployment ecs-svc/2 goes on; to stop it: aws ecs stop-service-deployment \
            --service-deployment-arn arn:x:service-deployment/default/web/2";
        assert_eq!(failure.to_string(), expected);
    }
}
