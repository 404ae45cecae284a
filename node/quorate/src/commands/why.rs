//! `quorate why`: why a task is where it is, or where the next task of a service goes; a row for each instance.

use clap::Args;
use serde_json::{Value, json};

use super::Asking;
use crate::failure::{Exit, Failure};
use crate::render::{list, short, show, table, text};

#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// Id or ARN of a task, or name or ARN of a service
    #[arg(value_name = "TASK|SERVICE")]
    what: String,
    /// Name or ARN of the cluster
    #[arg(long, default_value = "default")]
    cluster: String,
}

pub(crate) async fn run(args: &WhyArgs, asking: &Asking) -> Result<(), Failure> {
    let (member, next) = if is_task(&args.what) {
        (
            "task",
            "`quorate task ls --status all` shows the tasks there are",
        )
    } else {
        (
            "service",
            "`quorate service ls` shows the services there are",
        )
    };
    let client = asking.access.client()?;
    let mut body = json!({"cluster": args.cluster});
    body[member] = json!(args.what);
    let answer = client.call_quorate("DescribePlacement", body).await;
    let answer = answer.map_err(|error| {
        let is_missing_cluster = error.code() == Some("ClusterNotFoundException");
        let failure = Failure::from(error);
        if failure.code == Exit::NotFound as u8 && !is_missing_cluster {
            failure.next(next)
        } else {
            failure
        }
    })?;
    show(asking.output, &answer, explanation)
}

/// Ids of tasks are 32 hexadecimal digits; whoever calls a service so has to give its ARN.
fn is_task(text: &str) -> bool {
    let is_id = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id || text.contains(":task/")
}

/// What it is about, a row for each instance, who is chosen, and what has to be known beside.
fn explanation(answer: &Value) -> String {
    let mut out = head(answer);
    out.push_str(&rules(answer));
    out.push_str(&instances_table(answer));
    let chosen = &answer["chosen"];
    if !chosen.is_null() {
        let mut line = format!(
            "best: {}, {}",
            short(&text(chosen, "/containerInstanceArn")),
            text(chosen, "/reason")
        );
        let over = text(chosen, "/over");
        if !over.is_empty() {
            line.push_str(&format!(" than {}", short(&over)));
        }
        out.push_str(&format!("{line}\n"));
    }
    for pointer in ["/notes", "/blocked"] {
        for note in list(answer, pointer).iter().filter_map(Value::as_str) {
            out.push_str(&format!("note: {note}\n"));
        }
    }
    for event in list(answer, "/events") {
        out.push_str(&format!("event: {}\n", text(event, "/message")));
    }
    out
}

fn head(answer: &Value) -> String {
    let definition = text(answer, "/taskDefinitionArn");
    let definition = short(&definition);
    let task = text(answer, "/taskArn");
    if task.is_empty() {
        let part = |pointer| text(answer, pointer);
        return format!(
            "the next task of service {} ({definition}): {} wanted, {} running, {} pending, {} missing\n",
            short(&part("/serviceArn")),
            part("/desiredCount"),
            part("/runningCount"),
            part("/pendingCount"),
            part("/missingCount"),
        );
    }
    let instance = text(answer, "/containerInstanceArn");
    format!(
        "task {} ({definition}) is on {}\n",
        short(&task),
        short(&instance)
    )
}

fn rules(answer: &Value) -> String {
    let mut out = String::new();
    for (name, pointer) in [
        ("constraints", "/rules/constraints"),
        ("strategies", "/rules/strategies"),
    ] {
        let all = list(answer, pointer).iter().filter_map(Value::as_str);
        let all = all.collect::<Vec<_>>().join(", ");
        if !all.is_empty() {
            out.push_str(&format!("{name}: {all}\n"));
        }
    }
    out
}

/// In the order in which they come: the best first. A score stands in the order in which it is compared.
fn instances_table(answer: &Value) -> String {
    let best = text(answer, "/chosen/containerInstanceArn");
    let row = |instance: &Value| {
        let arn = text(instance, "/containerInstanceArn");
        let result = match instance["fits"].as_bool() {
            Some(true) if arn == best => "best".to_owned(),
            Some(true) => "fits".to_owned(),
            _ => text(instance, "/reason"),
        };
        let strategies = list(instance, "/score/strategies").iter();
        let strategies = strategies.map(|one| text(one, "/value"));
        vec![
            short(&arn).to_owned(),
            result,
            strategies.collect::<Vec<_>>().join(","),
            text(instance, "/score/groupTasks"),
            text(instance, "/score/memoryLeft"),
            text(instance, "/score/cpuLeft"),
            text(instance, "/detail"),
        ]
    };
    let heads = [
        "INSTANCE",
        "RESULT",
        "STRATEGIES",
        "GROUP TASKS",
        "MEMORY LEFT",
        "CPU LEFT",
        "DETAIL",
    ];
    table(&heads, list(answer, "/containerInstances").iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_known_by_its_form() {
        assert!(is_task("0123456789abcdef0123456789ABCDEF"));
        assert!(is_task(
            "arn:aws:ecs:us-east-1:000000000000:task/default/0123"
        ));
        assert!(!is_task("web"));
        assert!(!is_task(
            "arn:aws:ecs:us-east-1:000000000000:service/default/web"
        ));
    }

    #[test]
    fn each_instance_is_a_row_and_the_best_is_told() {
        let score = |spread: u64, memory: u64| {
            json!({
                "strategies": [{"strategy": "spread(attribute:zone)", "value": spread}], "groupTasks": spread, "memoryLeft": memory, "cpuLeft": 924,
            })
        };
        let answer = json!({
            "taskArn": "arn:aws:ecs:r:1:task/default/0123", "taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/web:3",
            "containerInstanceArn": "arn:x/mi-1", "decisionKept": true,
            "rules": {"constraints": [], "strategies": ["spread(attribute:zone)"]},
            "containerInstances": [
                {"containerInstanceArn": "arn:x/mi-1", "fits": true, "score": score(0, 900)},
                {"containerInstanceArn": "arn:x/mi-2", "fits": true, "score": score(1, 800)},
                {"containerInstanceArn": "arn:x/mi-3", "fits": false, "reason": "ATTRIBUTE", "detail": "The container instance lacks the attribute gpu."},
            ],
            "chosen": {"containerInstanceArn": "arn:x/mi-1", "by": "STRATEGY", "reason": "better by spread(attribute:zone)", "over": "arn:x/mi-2"},
            "notes": [],
        });
        let expected = "\
task 0123 (web:3) is on mi-1
strategies: spread(attribute:zone)
INSTANCE  RESULT     STRATEGIES  GROUP TASKS  MEMORY LEFT  CPU LEFT  DETAIL
mi-1      best       0           0            900          924       -
mi-2      fits       1           1            800          924       -
mi-3      ATTRIBUTE  -           -            -            -         The container instance lacks the attribute gpu.
best: mi-1, better by spread(attribute:zone) than mi-2
";
        assert_eq!(explanation(&answer), expected);
    }
}
