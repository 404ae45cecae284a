//! Real clients against a follower: each does the main job or what it was made for, and every answer is held against ECS's model.

use std::path::Path;
use std::process::Output;

use quorate_chaos::cluster::Runtime;
use quorate_tests::ecs::{CLUSTER, strings};
use quorate_tests::harness::{TestCluster, built};
use quorate_tests::tools::{Aws, Judge, client, run, tool};
use serde_json::{Value, json};

/// A definition as a user would write it, for both runtimes: an environment, a dynamic port, a command.
const DEFINITION: &str = r#"{
    "family": "web",
    "networkMode": "bridge",
    "containerDefinitions": [{
        "name": "main", "image": "quorate-test/busybox", "entryPoint": ["sh", "-c"],
        "command": ["echo $GREETING; exec sleep 3600"], "cpu": 32, "memory": 32, "essential": true, "stopTimeout": 2,
        "environment": [{"name": "GREETING", "value": "hello"}],
        "portMappings": [{"containerPort": 8080, "hostPort": 0, "protocol": "tcp"}]
    }]
}"#;

#[tokio::test]
async fn the_aws_cli_does_the_main_job_on_a_follower_with_processes() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    the_main_job(&cluster, &Aws::of(judge.environment()));
    judge.finish();
}

#[tokio::test]
async fn the_second_aws_cli_does_the_main_job_on_a_follower() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    the_main_job(&cluster, &Aws::second(&judge));
    judge.finish();
}

#[tokio::test]
async fn the_aws_cli_does_the_main_job_on_a_follower_with_containers() {
    let cluster = TestCluster::start(|options| options.runtime = Runtime::Docker).await;
    let judge = before_a_follower(&cluster).await;
    let tasks = the_main_job(&cluster, &Aws::of(judge.environment()));
    judge.finish();
    for task in tasks {
        let left = run(
            "docker",
            &[
                "ps",
                "--quiet",
                "--filter",
                &format!("label=org.quorate.task-arn={task}"),
            ],
        );
        assert_eq!(left, "", "no container of {task} runs any more");
    }
}

/// A judge that finds nothing in whatever it is shown would let every test here pass.
#[test]
fn the_judge_finds_each_mistake() {
    let script = client("shapes_check.py");
    let script = script.to_str().expect("the path is text");
    let python = tool("QUORATE_PYTHON", "python3");
    let printed = run(python.to_str().expect("the path is text"), &[script]);
    assert_eq!(printed, "shapes checked\n");
}

#[tokio::test]
async fn boto3_does_the_main_job_on_a_follower() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    let printed = judge.python("main_job.py", &[]);
    assert!(printed.ends_with("main job done\n"), "{printed}");
    judge.finish();
}

#[tokio::test]
async fn boto3_pages_and_waits_on_a_follower() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    let printed = judge.python("pages_and_waiters.py", &[]);
    assert!(printed.ends_with("pages and waiters done\n"), "{printed}");
    judge.finish();
}

#[tokio::test]
async fn the_javascript_client_does_the_main_job_on_a_follower() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    let script = client("javascript/main_job.cjs");
    let script = script.to_str().expect("the path is text");
    does_the_main_job(&judge.run(Path::new("node"), &[script]));
    judge.finish();
}

#[tokio::test]
async fn the_rust_sdk_does_the_main_job_on_a_follower() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    let program = built("QUORATE_RUST_SDK", "quorate-rust-sdk");
    does_the_main_job(&judge.run(&program, &[]));
    judge.finish();
}

fn does_the_main_job(output: &Output) {
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{said}");
    assert!(printed.ends_with("main job done\n"), "{printed}{said}");
}

/// Deploys, scales, runs, and rolls back what does not come up: by what ecs-deploy says, and by what the service is then.
#[tokio::test]
async fn ecs_deploy_deploys_scales_runs_and_rolls_back_on_a_follower() {
    let cluster = TestCluster::start(|_| {}).await;
    let judge = before_a_follower(&cluster).await;
    let program = tool("QUORATE_ECS_DEPLOY", "ecs");
    let ecs_deploy = |arguments: &[&str]| {
        let output = judge.run(&program, arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), printed + &said)
    };
    let ecs = cluster.any();
    ecs.register_sleeper("web").await;
    let service = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2});
    ecs.call("CreateService", service).await;

    let greet = ["-e", "main", "GREETING", "hello"];
    let deploy = ["deploy", CLUSTER, "web", "--timeout", "60"];
    let (done, printed) = ecs_deploy(&[&deploy[..], &greet].concat());
    assert!(
        done && printed.contains("Deployment successful"),
        "{printed}"
    );
    let deployed = ecs.service("web").await["taskDefinition"].clone();
    assert!(
        deployed.as_str().is_some_and(|arn| arn.ends_with("/web:2")),
        "{deployed}"
    );

    let (done, printed) = ecs_deploy(&["scale", CLUSTER, "web", "3", "--timeout", "60"]);
    assert!(done && printed.contains("Scaling successful"), "{printed}");
    assert_eq!(ecs.service("web").await["runningCount"], 3);

    let (done, printed) = ecs_deploy(&["run", CLUSTER, "web:2", "2", "-c", "main", "sleep 60"]);
    assert!(
        done && printed.contains("Successfully started 2 instances of task: web:2"),
        "{printed}"
    );

    // More memory than any instance has: the event that says so is the error that ecs-deploy shows.
    let huge = ["--rollback", "--memory", "main", "99999999"];
    let (done, printed) = ecs_deploy(&[&deploy[..], &huge].concat());
    assert!(
        !done && printed.contains("was unable to place a task"),
        "{printed}"
    );
    assert!(printed.contains("Rollback successful"), "{printed}");
    let back = ecs.service("web").await;
    assert_eq!(back["taskDefinition"], deployed, "{printed}");
    assert_eq!(back["runningCount"], 3);
    judge.finish();
}

async fn before_a_follower(cluster: &TestCluster) -> Judge<'_> {
    let follower = cluster.followers().await.remove(0);
    Judge::before(cluster, &follower)
}

/// Cluster, definition, three tasks, waiters, stop, waiters; everything listed and described on the way.
fn the_main_job(cluster: &TestCluster, aws: &Aws) -> Vec<String> {
    let account = &cluster.identity().account;

    let identity = aws.run(&["sts", "get-caller-identity"]);
    assert_eq!(identity["Account"], json!(account));

    clusters(aws, account);
    let registered = aws.ecs(&["register-task-definition", "--cli-input-json", DEFINITION]);
    let definition = format!("arn:aws:ecs:us-east-1:{account}:task-definition/web:1");
    assert_eq!(
        registered["taskDefinition"]["taskDefinitionArn"],
        json!(definition)
    );
    assert_eq!(registered["taskDefinition"]["status"], "ACTIVE");
    definitions(aws, &definition);

    let ran = aws.ecs(&[
        "run-task",
        "--task-definition",
        "web",
        "--count",
        "3",
        "--started-by",
        "conformance",
    ]);
    assert_eq!(ran["failures"], json!([]));
    let tasks = strings(&ran["tasks"], "taskArn");
    assert_eq!(tasks.len(), 3);
    wait(aws, "tasks-running", &tasks);
    running(aws, &tasks, &definition);

    let stopped = aws.ecs(&["stop-task", "--task", &tasks[0], "--reason", "seen enough"]);
    assert_eq!(stopped["task"]["desiredStatus"], "STOPPED");
    for task in &tasks[1..] {
        let _ = aws.ecs(&["stop-task", "--task", task]);
    }
    wait(aws, "tasks-stopped", &tasks);
    stopped_tasks(aws, &tasks);
    tasks
}

fn clusters(aws: &Aws, account: &str) {
    let arn = format!("arn:aws:ecs:us-east-1:{account}:cluster/other");
    let created = aws.ecs(&["create-cluster", "--cluster-name", "other"]);
    assert_eq!(created["cluster"]["clusterArn"], json!(arn));
    assert_eq!(created["cluster"]["status"], "ACTIVE");
    let again = aws.ecs(&["create-cluster", "--cluster-name", "other"]);
    assert_eq!(
        again["cluster"]["clusterArn"],
        json!(arn),
        "creating it again gives the same cluster"
    );
    let listed = aws.ecs(&["list-clusters"]);
    assert!(
        listed["clusterArns"]
            .as_array()
            .is_some_and(|all| all.contains(&json!(arn))),
        "{listed}"
    );
    let described = aws.ecs(&[
        "describe-clusters",
        "--clusters",
        "default",
        "other",
        "nowhere",
    ]);
    assert_eq!(
        strings(&described["clusters"], "clusterName"),
        ["default", "other"]
    );
    assert_eq!(
        described["clusters"][0]["registeredContainerInstancesCount"],
        2
    );
    assert_eq!(described["failures"][0]["reason"], "MISSING");
    let deleted = aws.ecs(&["delete-cluster", "--cluster", "other"]);
    assert_eq!(deleted["cluster"]["status"], "INACTIVE");
    let refusal = aws.refused(&["delete-cluster", "--cluster", "default"]);
    assert!(
        refusal.contains("ClusterContainsContainerInstancesException"),
        "{refusal}"
    );
}

fn definitions(aws: &Aws, definition: &str) {
    let described = aws.ecs(&["describe-task-definition", "--task-definition", "web"]);
    assert_eq!(
        described["taskDefinition"]["taskDefinitionArn"],
        json!(definition)
    );
    let container = &described["taskDefinition"]["containerDefinitions"][0];
    assert_eq!(
        container["environment"],
        json!([{"name": "GREETING", "value": "hello"}])
    );
    assert_eq!(
        aws.ecs(&["list-task-definitions"])["taskDefinitionArns"],
        json!([definition])
    );
    assert_eq!(
        aws.ecs(&["list-task-definition-families"])["families"],
        json!(["web"])
    );
    let refusal = aws.refused(&["describe-task-definition", "--task-definition", "nothing"]);
    assert!(refusal.contains("(ClientException)"), "{refusal}");
}

fn running(aws: &Aws, tasks: &[String], definition: &str) {
    let listed = aws.ecs(&["list-tasks", "--started-by", "conformance"]);
    assert_eq!(sorted(&listed["taskArns"]), sorted(&json!(tasks)));
    let described = describe(aws, tasks);
    for task in described["tasks"].as_array().expect("tasks are an array") {
        assert_eq!(task["taskDefinitionArn"], json!(definition));
        assert_eq!(
            (&task["lastStatus"], &task["desiredStatus"]),
            (&json!("RUNNING"), &json!("RUNNING"))
        );
        assert_eq!(
            (&task["group"], &task["startedBy"]),
            (&json!("family:web"), &json!("conformance"))
        );
        let container = &task["containers"][0];
        assert_eq!(container["lastStatus"], "RUNNING");
        let binding = &container["networkBindings"][0];
        assert_eq!(binding["containerPort"], 8080);
        assert!(
            binding["hostPort"].as_u64().is_some_and(|port| port > 0),
            "{container}"
        );
        for moment in ["createdAt", "startedAt", "connectivityAt"] {
            assert!(!task[moment].is_null(), "{moment} is missing in {task}");
        }
    }
    instances(aws, tasks);
}

/// What the tasks hold is what the instances miss, exactly.
fn instances(aws: &Aws, tasks: &[String]) {
    let listed = aws.ecs(&["list-container-instances"]);
    let arns: Vec<&str> = listed["containerInstanceArns"]
        .as_array()
        .expect("ARNs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut words = vec!["describe-container-instances", "--container-instances"];
    words.extend(&arns);
    let described = aws.ecs(&words);
    let instances = described["containerInstances"]
        .as_array()
        .expect("instances are an array");
    assert_eq!(instances.len(), 2);
    let amount = |instance: &Value, which: &str, name: &str| {
        let resources = instance[which].as_array().expect("resources are an array");
        resources
            .iter()
            .find(|resource| resource["name"] == name)
            .and_then(|resource| resource["integerValue"].as_i64())
            .expect("a number")
    };
    for name in ["CPU", "MEMORY"] {
        let held: i64 = instances
            .iter()
            .map(|each| {
                amount(each, "registeredResources", name) - amount(each, "remainingResources", name)
            })
            .sum();
        assert_eq!(
            held,
            32 * i64::try_from(tasks.len()).expect("few tasks"),
            "{name}"
        );
    }
    let counts: i64 = instances
        .iter()
        .filter_map(|instance| instance["runningTasksCount"].as_i64())
        .sum();
    assert_eq!(usize::try_from(counts), Ok(tasks.len()));
    // Spread is the default: three tasks on two instances are two and one.
    assert!(
        instances
            .iter()
            .all(|instance| instance["runningTasksCount"].as_i64() >= Some(1)),
        "{described}"
    );
}

fn stopped_tasks(aws: &Aws, tasks: &[String]) {
    let described = describe(aws, tasks);
    for task in described["tasks"].as_array().expect("tasks are an array") {
        assert_eq!(
            (&task["lastStatus"], &task["desiredStatus"]),
            (&json!("STOPPED"), &json!("STOPPED"))
        );
        assert_eq!(task["stopCode"], "UserInitiated");
        let reason = if task["taskArn"] == json!(tasks[0]) {
            "seen enough"
        } else {
            "Task stopped by user"
        };
        assert_eq!(task["stoppedReason"], reason);
        assert!(task["containers"][0]["exitCode"].is_i64(), "{task}");
        for moment in ["stoppingAt", "executionStoppedAt", "stoppedAt"] {
            assert!(!task[moment].is_null(), "{moment} is missing in {task}");
        }
    }
    assert_eq!(aws.ecs(&["list-tasks"])["taskArns"], json!([]));
    let stopped = aws.ecs(&["list-tasks", "--desired-status", "STOPPED"]);
    assert_eq!(sorted(&stopped["taskArns"]), sorted(&json!(tasks)));
}

fn describe(aws: &Aws, tasks: &[String]) -> Value {
    let mut words = vec!["describe-tasks", "--tasks"];
    words.extend(tasks.iter().map(String::as_str));
    let described = aws.ecs(&words);
    assert_eq!(described["failures"], json!([]));
    assert_eq!(
        described["tasks"].as_array().map(Vec::len),
        Some(tasks.len())
    );
    described
}

fn wait(aws: &Aws, waiter: &str, tasks: &[String]) {
    let mut words = vec!["wait", waiter, "--tasks"];
    words.extend(tasks.iter().map(String::as_str));
    let _ = aws.ecs(&words);
}

fn sorted(array: &Value) -> Vec<&str> {
    let mut all: Vec<&str> = array
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    all.sort_unstable();
    all
}
