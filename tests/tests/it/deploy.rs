//! `quorate service` and `quorate deploy`, as an operator uses them: what is good is deployed, what is broken is rolled back and says
//! why, and a watch that ends early says that the deployment goes on.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use quorate_chaos::cluster::ProcessId;
use quorate_tests::ecs::{Ecs, TASK_LIMIT};
use quorate_tests::harness::{TestCluster, eventually};
use quorate_tests::tools::Operator;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// An election, checks of five seconds, and a busy machine.
const DEPLOY_LIMIT: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_service_is_deployed_to_and_what_is_broken_is_rolled_back() {
    let mut cluster = TestCluster::start(|_| {}).await;
    let any = cluster.any();
    let operator = Operator::of(&cluster);
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let file = |name: &str, content: Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, content.to_string()).expect("it can be written");
        path.display().to_string()
    };
    any.call("RegisterTaskDefinition", definition("sleep 3600", "true"))
        .await;
    created(&operator, &file("service.json", impatient_breaker()));
    deployed_through_an_election(&mut cluster, &operator, &any).await;

    let broken = file(
        "broken.json",
        definition("echo no such thing >&2; exit 3", "true"),
    );
    rolled_back(&operator, &broken, cluster.directory());
    assert_eq!(row(&operator), "web ACTIVE 2 2 0 web:2 COMPLETED");

    let stuck = file("stuck.json", definition("sleep 3600", "false"));
    left_alone(&operator, &any, &stuck).await;

    let (code, _, said) = operator.run(&["deploy", "nobody", "--image", "web:2"]);
    assert!(
        code == 2 && said.contains("quorate service ls"),
        "{code} {said}"
    );
    described_and_deleted(&operator).await;
}

/// One failed task is enough, and a deployment that fails goes back.
fn impatient_breaker() -> Value {
    json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"thresholdConfiguration": {"type": "COUNT", "value": 1}}}})
}

/// A container that runs `script`, and is healthy when `check` succeeds.
fn definition(script: &str, check: &str) -> Value {
    let check =
        json!({"command": ["CMD-SHELL", check], "interval": 5, "timeout": 5, "retries": 10});
    json!({"family": "web", "containerDefinitions": [{
        "name": "main", "image": "web:1", "command": ["sh", "-c", script], "cpu": 8, "memory": 16, "stopTimeout": 2,
        "healthCheck": check,
    }]})
}

fn created(operator: &Operator, file: &str) {
    let words =
        "service create web --task-definition web --desired-count 2 --rollback --wait --file";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.push(file);
    let printed = operator.ok(&words);
    assert!(printed.starts_with("SERVICE  STATUS"), "{printed}");
    assert_eq!(row(operator), "web ACTIVE 2 2 0 web:1 COMPLETED");
}

/// The watch outlives the node that it asks.
async fn deployed_through_an_election(cluster: &mut TestCluster, operator: &Operator, any: &Ecs) {
    let (mut deploy, mut lines) = watch(operator, &["deploy", "web", "--image", "web:2"]);
    let mut seen = until(&mut lines, "IN_PROGRESS").await;
    let leader = cluster.the_leader().await;
    cluster
        .restart(&leader)
        .expect("the leader starts on its data");
    seen.push_str(&until(&mut lines, "is deployed to web").await);
    let status = deploy.wait().await.expect("it can be waited for");
    assert!(status.success(), "{status}\n{seen}");
    assert!(seen.contains("registered web:2\n"), "{seen}");
    assert!(
        seen.contains("SUCCESSFUL: running 2/2, healthy 2/2, pending 0"),
        "{seen}"
    );
    assert!(
        !seen.contains('\x1b'),
        "no control codes without a terminal: {seen}"
    );
    cluster.serve().await;

    let described = any
        .call("DescribeTaskDefinition", json!({"taskDefinition": "web:2"}))
        .await;
    let container = &described["taskDefinition"]["containerDefinitions"][0];
    assert_eq!(container["image"], "web:2");
    assert_eq!(
        container["healthCheck"]["command"],
        json!(["CMD-SHELL", "true"])
    );
    assert_eq!(row(operator), "web ACTIVE 2 2 0 web:2 COMPLETED");
}

/// Exit code 1, the first cause, what it printed last, and where the rest of it lies.
fn rolled_back(operator: &Operator, broken: &str, directory: &Path) {
    let (code, printed, said) = operator.run(&["deploy", "web", "--file", broken]);
    assert_eq!(code, 1, "{said}{printed}");
    assert!(printed.contains("first failure: task "), "{printed}");
    let why = "web:3 was not deployed to web: it was rolled back: ECS deployment circuit breaker";
    assert!(said.contains(why), "{said}");
    assert!(
        said.contains("Essential container in task exited (main: exit code 3"),
        "{said}"
    );
    assert!(said.contains("\n    main | no such thing\n"), "{said}");
    let place = said
        .split(' ')
        .find_map(|word| word.strip_prefix("containers/"));
    let place = place.unwrap_or_else(|| panic!("no directory is named: {said}"));
    let place = format!("*/containers/{place}/stderr");
    let files =
        quorate_tests::tools::run("find", &[&directory.display().to_string(), "-path", &place]);
    assert_eq!(files.lines().count(), 1, "{place}");
}

/// A deployment that does not end is watched for a time, or until Ctrl-C, and goes on.
async fn left_alone(operator: &Operator, any: &Ecs, stuck: &str) {
    let (code, printed, said) = operator.run(&["deploy", "web", "--file", stuck, "--timeout", "3"]);
    assert_eq!(code, 3, "{said}{printed}");
    assert!(
        said.contains("goes on; to stop it: aws ecs stop-service-deployment"),
        "{said}"
    );

    let words = ["deploy", "web", "--file", stuck, "--output", "json"];
    let (deploy, mut lines) = watch(operator, &words);
    let seen = until(&mut lines, "\"IN_PROGRESS\"").await;
    let pid = ProcessId::of(deploy.id().expect("it runs")).expect("it runs");
    pid.signal(Signal::INT).expect("it runs");
    let output = deploy
        .wait_with_output()
        .await
        .expect("it can be waited for");
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("goes on"));
    let values: Vec<Value> = seen
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let arn = values
        .iter()
        .find_map(|value| value["serviceDeploymentArn"].as_str());
    let arn = json!({"serviceDeploymentArn": arn.expect("it is watched")});
    any.call("StopServiceDeployment", arn).await;
    eventually(
        "the stuck deployment is rolled back",
        TASK_LIMIT,
        || async { (row(operator) == "web ACTIVE 2 2 0 web:2 COMPLETED").then_some(()) },
    )
    .await;
}

async fn described_and_deleted(operator: &Operator) {
    let whole = operator.ok(&["service", "describe", "web"]);
    for part in [
        "service:     web (ACTIVE)\n",
        "breaker:     on, rolls back\n",
        "\nDEPLOYMENT  ",
        "(service web) rolling back",
    ] {
        assert!(whole.contains(part), "no {part} in {whole}");
    }
    let (code, _, said) = operator.run(&["service", "delete", "web"]);
    assert!(
        code == 1 && said.contains("--desired-count 0"),
        "{code} {said}"
    );
    let printed = operator.ok(&["service", "update", "web", "--desired-count", "1", "--wait"]);
    assert!(
        printed.contains("web      ACTIVE  1        1        0"),
        "{printed}"
    );
    let deleted = operator.ok(&["service", "delete", "web", "--force", "--output", "json"]);
    let deleted: Value = serde_json::from_str(&deleted).expect("it is JSON");
    assert_eq!(deleted["service"]["status"], "DRAINING");
    assert_eq!(row(operator), "", "a deleted service is not listed");
    let (code, _, said) = operator.run(&["service", "describe", "nobody"]);
    assert!(
        code == 3 && said.contains("nobody MISSING"),
        "{code} {said}"
    );
}

/// The only row of `quorate service ls`, its columns a space apart.
fn row(operator: &Operator) -> String {
    let printed = operator.ok(&["service", "ls"]);
    let row = printed.lines().nth(1).unwrap_or_default();
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn watch(operator: &Operator, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::from(operator.command(arguments));
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the binary runs");
    let output = child.stdout.take().expect("its output is a pipe");
    (child, BufReader::new(output).lines())
}

/// What it prints up to a line with `mark`, that line included.
async fn until(lines: &mut Lines<BufReader<ChildStdout>>, mark: &str) -> String {
    let mut seen = String::new();
    while !seen
        .lines()
        .next_back()
        .is_some_and(|line| line.contains(mark))
    {
        let line = timeout(DEPLOY_LIMIT, lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("no {mark} in time:\n{seen}"));
        let line = line.expect("its output can be read");
        let line = line.unwrap_or_else(|| panic!("it ended without {mark}:\n{seen}"));
        seen.push_str(&line);
        seen.push('\n');
    }
    seen
}
