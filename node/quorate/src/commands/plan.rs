//! `quorate plan`: what would come of a change. Nothing is changed: the scheduler works on a copy of the state.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Asking;
use crate::failure::{Exit, Failure};
use crate::render::{list, short, show, table, text};

pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 all tasks fit, 1 some would not fit or it does not come to rest; others as of every command (`quorate help`).";

/// What may be thought of.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Instances are drained
    #[command(after_help = EXIT_CODES)]
    Drain(DrainArgs),
    /// A service wants another number of tasks
    #[command(after_help = EXIT_CODES)]
    Scale(ScaleArgs),
    /// All instances with this attribute are lost: a zone, a rack, a host
    #[command(after_help = EXIT_CODES)]
    Lose(LoseArgs),
    /// A service is deployed with the task definition in a file, which is not registered
    #[command(after_help = EXIT_CODES)]
    Deploy(DeployArgs),
    /// A service moves tasks to spread them better, as with `availabilityZoneRebalancing: ENABLED`
    #[command(after_help = EXIT_CODES)]
    Rebalance(RebalanceArgs),
}

#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Ids or ARNs, at most ten
    #[arg(required = true, value_name = "INSTANCE")]
    instances: Vec<String>,
    #[command(flatten)]
    within: Within,
}

#[derive(Args, Debug)]
pub(crate) struct ScaleArgs {
    /// Name or ARN
    service: String,
    /// How many tasks it would want
    #[arg(value_name = "N")]
    count: u32,
    #[command(flatten)]
    within: Within,
}

#[derive(Args, Debug)]
pub(crate) struct LoseArgs {
    /// An attribute of instances and its value, such as ecs.availability-zone=rack-1
    #[arg(value_name = "ATTRIBUTE=VALUE", value_parser = pair)]
    what: (String, String),
    #[command(flatten)]
    within: Within,
}

#[derive(Args, Debug)]
pub(crate) struct DeployArgs {
    /// A task definition as JSON, as for register-task-definition
    file: PathBuf,
    /// Name or ARN of the service that is deployed
    #[arg(long)]
    service: String,
    #[command(flatten)]
    within: Within,
}

#[derive(Args, Debug)]
pub(crate) struct RebalanceArgs {
    /// Name or ARN
    service: String,
    #[command(flatten)]
    within: Within,
}

#[derive(Args, Debug)]
struct Within {
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("it is not of the form ATTRIBUTE=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) async fn run(command: PlanCommand, asking: &Asking) -> Result<(), Failure> {
    let client = asking.access.client()?;
    let body = thought(&command)?;
    let answer = client.call_quorate("DescribePlan", body).await?;
    show(asking.output, &answer, plan)?;
    verdict(&answer).map_or(Ok(()), Err)
}

/// The call that asks for it.
fn thought(command: &PlanCommand) -> Result<Value, Failure> {
    Ok(match command {
        PlanCommand::Drain(args) => json!({
            "cluster": args.within.cluster, "drain": {"containerInstances": args.instances},
        }),
        PlanCommand::Scale(args) => json!({
            "cluster": args.within.cluster, "scale": {"service": args.service, "desiredCount": args.count},
        }),
        PlanCommand::Lose(args) => json!({
            "cluster": args.within.cluster, "lose": {"attribute": args.what.0, "value": args.what.1},
        }),
        PlanCommand::Deploy(args) => json!({
            "cluster": args.within.cluster,
            "deploy": {"service": args.service, "taskDefinition": definition(&args.file)?},
        }),
        PlanCommand::Rebalance(args) => json!({
            "cluster": args.within.cluster, "rebalance": {"service": args.service},
        }),
    })
}

fn definition(file: &PathBuf) -> Result<Value, Failure> {
    let name = file.display();
    let next = "give a file as for `aws ecs register-task-definition --cli-input-json`";
    let content = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(Exit::Failed, format!("read {name}"))
            .because(error)
            .next(next)
    })?;
    serde_json::from_str(&content).map_err(|error| {
        Failure::new(Exit::Failed, format!("{name} is not JSON"))
            .because(error)
            .next(next)
    })
}

/// Moves in order, what services end with, what would not fit, what stays where it should not.
fn plan(answer: &Value) -> String {
    let mut out = moves_table(answer);
    let mut part = |head: &str, pointer: &str, rows: String| {
        if !list(answer, pointer).is_empty() {
            out.push_str(&format!("\n{head}\n{rows}"));
        }
    };
    part("services at the end:", "/services", services_table(answer));
    part("would not fit:", "/shortfalls", shortfalls_table(answer));
    part("stays on what is drained:", "/left", left_table(answer));
    out.push_str(&summary(answer));
    out
}

fn moves_table(answer: &Value) -> String {
    let row = |one: &Value| {
        vec![
            format!("{}s", text(one, "/afterSeconds")),
            text(one, "/action"),
            text(one, "/serviceName"),
            short(&text(one, "/taskArn")).to_owned(),
            short(&text(one, "/containerInstanceArn")).to_owned(),
        ]
    };
    let heads = ["AFTER", "MOVE", "SERVICE", "TASK", "INSTANCE"];
    table(&heads, list(answer, "/moves").iter().map(row))
}

fn services_table(answer: &Value) -> String {
    let pointers = [
        "/serviceName",
        "/desiredCount",
        "/runningCount",
        "/pendingCount",
        "/missingCount",
        "/rolloutState",
    ];
    let row = |one: &Value| pointers.map(|pointer| text(one, pointer)).to_vec();
    let heads = [
        "SERVICE", "DESIRED", "RUNNING", "PENDING", "MISSING", "ROLLOUT",
    ];
    table(&heads, list(answer, "/services").iter().map(row))
}

/// A row for each instance that takes no more, and for each thing that the service says itself.
fn shortfalls_table(answer: &Value) -> String {
    let rows = |short_of: &Value| {
        let head = [
            text(short_of, "/serviceName"),
            text(short_of, "/missingCount"),
        ];
        let instances = list(short_of, "/containerInstances").iter().map(|one| {
            let instance = text(one, "/containerInstanceArn");
            vec![
                short(&instance).to_owned(),
                text(one, "/reason"),
                text(one, "/detail"),
            ]
        });
        let said = list(short_of, "/messages").iter();
        let said = said.map(|one| vec![String::new(), String::new(), text(one, "")]);
        let all: Vec<Vec<String>> = instances.chain(said).collect();
        let all = if all.is_empty() {
            vec![vec![String::new(); 3]]
        } else {
            all
        };
        all.into_iter()
            .map(move |rest| [head.to_vec(), rest].concat())
            .collect::<Vec<_>>()
    };
    let heads = ["SERVICE", "MISSING", "INSTANCE", "REASON", "DETAIL"];
    table(&heads, list(answer, "/shortfalls").iter().flat_map(rows))
}

fn left_table(answer: &Value) -> String {
    let row = |one: &Value| {
        vec![
            short(&text(one, "/containerInstanceArn")).to_owned(),
            short(&text(one, "/taskArn")).to_owned(),
            text(one, "/group"),
        ]
    };
    let heads = ["INSTANCE", "TASK", "GROUP"];
    table(&heads, list(answer, "/left").iter().map(row))
}

fn summary(answer: &Value) -> String {
    let moves = list(answer, "/moves");
    let count = |action: &str| moves.iter().filter(|one| one["action"] == action).count();
    let last = moves.last().map_or_else(String::new, |one| {
        format!(", the last after {} s", text(one, "/afterSeconds"))
    });
    format!(
        "\n{} start, {} stop, {} are lost{last}\n",
        count("START"),
        count("STOP"),
        count("LOSE")
    )
}

/// How the command fails, if the plan does.
fn verdict(answer: &Value) -> Option<Failure> {
    let missing = list(answer, "/shortfalls").iter();
    let missing: u64 = missing.filter_map(|one| one["missingCount"].as_u64()).sum();
    if missing > 0 {
        let what = format!("{missing} tasks would not fit");
        return Some(Failure::new(Exit::Failed, what).next(
            "add instances, or free what the reasons name; `quorate instance ls` shows what is free where",
        ));
    }
    (answer["settled"] == json!(false)).then(|| {
        let what = "it does not come to rest; the moves above are the first";
        Failure::new(Exit::Failed, what).next("plan a smaller change")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer() -> Value {
        json!({
            "moves": [
                {"afterSeconds": 0, "action": "START", "serviceName": "web", "containerInstanceArn": "arn:x/mi-2"},
                {"afterSeconds": 41, "action": "STOP", "serviceName": "web", "taskArn": "arn:x/0123", "containerInstanceArn": "arn:x/mi-1"},
            ],
            "services": [{"serviceName": "web", "desiredCount": 3, "runningCount": 2, "pendingCount": 0, "missingCount": 1,
                "rolloutState": "COMPLETED"}],
            "shortfalls": [{"serviceName": "web", "missingCount": 1, "messages": ["(service web) was unable"],
                "containerInstances": [{"containerInstanceArn": "arn:x/mi-1", "fits": false, "reason": "INACTIVE"}]}],
            "left": [{"containerInstanceArn": "arn:x/mi-1", "taskArn": "arn:x/0456", "group": "family:job"}],
            "fits": false, "settled": true,
        })
    }

    #[test]
    fn moves_and_what_does_not_fit_are_rows() {
        let expected = "\
AFTER  MOVE   SERVICE  TASK  INSTANCE
0s     START  web      -     mi-2
41s    STOP   web      0123  mi-1

services at the end:
SERVICE  DESIRED  RUNNING  PENDING  MISSING  ROLLOUT
web      3        2        0        1        COMPLETED

would not fit:
SERVICE  MISSING  INSTANCE  REASON    DETAIL
web      1        mi-1      INACTIVE  -
web      1        -         -         (service web) was unable

stays on what is drained:
INSTANCE  TASK  GROUP
mi-1      0456  family:job

1 start, 1 stop, 0 are lost, the last after 41 s
";
        assert_eq!(plan(&answer()), expected);
    }

    #[test]
    fn what_would_not_fit_is_a_failure() {
        let failure = verdict(&answer()).unwrap();
        assert_eq!(failure.code, 1);
        assert!(failure.to_string().starts_with("1 tasks would not fit"));
        let mut fits = answer();
        fits["shortfalls"] = json!([]);
        assert!(verdict(&fits).is_none());
        fits["settled"] = json!(false);
        assert_eq!(verdict(&fits).unwrap().code, 1);
    }

    #[test]
    fn an_attribute_has_a_value() {
        assert_eq!(pair("zone=a=b"), Ok(("zone".to_owned(), "a=b".to_owned())));
        assert!(pair("zone").is_err());
    }
}
