//! Services with real clients, real containers and real deaths: what is wanted runs, once, whatever happens to machines and leaders.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_chaos::cluster::Runtime;
use quorate_tests::ecs::{CLUSTER, Ecs, IMAGE, TASK_LIMIT, strings};
use quorate_tests::harness::{TestCluster, eventually, holds};
use quorate_tests::tools::{Aws, Watcher, run};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const DESIRED: usize = 4;
/// Of four tasks: at least three healthy, at most six there.
const MINIMUM_PERCENT: u32 = 75;
const MAXIMUM_PERCENT: u32 = 150;
const HEALTHY_MIN: u64 = 3;
const PRESENT_MAX: u64 = 6;

/// Short, so that the tests see it pass; longer than any election.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// How often an agent speaks; what Welcome tells it.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A deployment in which a leader and a machine die: both of them found out, and every task healthy once more.
const DEPLOYMENT_LIMIT: Duration = Duration::from_secs(120);
const ROUNDS: u64 = 10;

#[tokio::test]
async fn the_aws_cli_deploys_breaks_and_deletes_a_service_within_its_bounds() {
    let cluster = TestCluster::start(|options| options.runtime = Runtime::Docker).await;
    let follower = cluster.followers().await.remove(0);
    let aws = Aws::at(&cluster, &follower);
    for image in [IMAGE, IMAGE, "quorate-test/nowhere"] {
        let definition = definition(image).to_string();
        let _ = aws.ecs(&["register-task-definition", "--cli-input-json", &definition]);
    }
    let create = service("web", "web:1").to_string();
    let created = aws.ecs(&["create-service", "--cli-input-json", &create]);
    assert_eq!(created["service"]["status"], "ACTIVE");
    stable(&aws, "web:1", 4).await;

    let watcher = Watcher::start(&cluster, &follower, "watch_service.py", &["web"]);
    update(&aws, &["--task-definition", "web:2"]);
    stable(&aws, "web:2", 4).await;
    assert_eq!(rollouts(&aws), ["SUCCESSFUL", "SUCCESSFUL"]);

    update(&aws, &["--task-definition", "web:3"]);
    let broken = stable(&aws, "web:2", 4).await;
    assert_eq!(
        rollouts(&aws),
        ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL", "SUCCESSFUL"]
    );
    let said = strings(&broken["events"], "message");
    let says = |words: &str| said.iter().any(|message| message.contains(words));
    assert!(
        says("deployment failed: tasks failed to start."),
        "{said:?}"
    );
    assert!(says("rolling back to deployment ecs-svc/"), "{said:?}");
    let seen: Value = serde_json::from_str(&watcher.finish()).expect("the watcher prints JSON");
    println!("a poller by boto3: {seen}");
    assert!(seen["looks"].as_u64() >= Some(100), "{seen}");
    assert!(seen["healthyMin"].as_u64() >= Some(HEALTHY_MIN), "{seen}");
    assert!(seen["presentMax"].as_u64() <= Some(PRESENT_MAX), "{seen}");
    assert!(seen["countedMax"].as_u64() <= Some(PRESENT_MAX), "{seen}");

    update(&aws, &["--desired-count", "0"]);
    stable(&aws, "web:2", 0).await;
    assert_eq!(containers(&cluster.identity().account), BTreeSet::new());
    let deleted = aws.ecs(&["delete-service", "--service", "web"]);
    assert_eq!(deleted["service"]["desiredCount"], 0);
    let _ = aws.ecs(&["wait", "services-inactive", "--services", "web"]);
    assert_eq!(described(&aws)["status"], "INACTIVE");
}

#[tokio::test]
async fn the_containers_of_a_dead_machine_are_replaced_and_run_once_when_it_returns() {
    let mut cluster = TestCluster::start(|options| {
        options.runtime = Runtime::Docker;
        options.lost_after = LOST_AFTER;
    })
    .await;
    let any = cluster.any();
    any.call("RegisterTaskDefinition", definition(IMAGE)).await;
    any.call("CreateService", service("web", "web:1")).await;
    let account = cluster.identity().account.clone();
    let before = at_rest(&any, "web").await;
    assert_eq!(containers(&account), ids(&before));

    let died = Instant::now();
    cluster.kill("a1").expect("the agent can be killed");
    let machine = eventually("the agent is seen gone", LOST_AFTER, || async {
        let gone = |instance: &Value| instance["agentConnected"] == false;
        any.instances().await.into_iter().find(gone)
    })
    .await;
    let here = |task: &&Value| task["containerInstanceArn"] == machine["containerInstanceArn"];
    let doomed = ids(before.iter().filter(here));
    assert!(!doomed.is_empty(), "tasks are spread over the instances");
    for container in &doomed {
        let _ = run("docker", &["kill", container]);
    }
    // Nobody replaces what may be alive.
    let replaced = eventually(
        "every task runs on the other machine",
        LOST_AFTER + TASK_LIMIT,
        || async {
            let tasks = any.service_tasks("web").await;
            let runs = |task: &Value| task["lastStatus"] == "RUNNING" && !here(&task);
            (tasks.len() == DESIRED && tasks.iter().all(runs)).then_some(tasks)
        },
    )
    .await;
    // Silence is counted from the last sign of life, which may lie one heartbeat before the kill.
    assert!(
        died.elapsed() + HEARTBEAT >= LOST_AFTER,
        "{:?}",
        died.elapsed()
    );
    println!("replaced {} ms after the death", died.elapsed().as_millis());
    assert_eq!(containers(&account), ids(&replaced));
    let kept = ids(before.iter().filter(|task| !here(task)));
    assert!(kept.is_subset(&ids(&replaced)), "the others were let alone");

    cluster.start("a1").expect("the agent starts again");
    cluster.serve().await;
    let after = at_rest(&any, "web").await;
    assert_eq!(containers(&account), ids(&after));
    holds("four tasks", HEARTBEAT * 3, || async {
        any.service_tasks("web").await.len() == DESIRED
    })
    .await;
    assert_eq!(containers(&account).len(), DESIRED);
}

#[tokio::test]
async fn leaders_and_machines_that_die_in_a_deployment_double_nothing() {
    let mut cluster = TestCluster::start(|options| {
        options.agents = 3;
        options.lost_after = LOST_AFTER;
    })
    .await;
    let any = cluster.any();
    any.call("RegisterTaskDefinition", definition(IMAGE)).await;
    any.call("CreateService", service("web", "web:1")).await;
    let mut before = ids(&at_rest(&any, "web").await);
    for seed in 0..ROUNDS {
        let mut dice = fastrand::Rng::with_seed(seed);
        let pause = |dice: &mut fastrand::Rng, max_ms| Duration::from_millis(dice.u64(0..max_ms));
        let began = Instant::now();
        let again = json!({"cluster": CLUSTER, "service": "web", "forceNewDeployment": true});
        any.call_safely("UpdateService", again).await;

        sleep(pause(&mut dice, 6_000)).await;
        let leader = cluster.the_leader().await;
        cluster.kill(&leader).expect("the leader can be killed");
        sleep(pause(&mut dice, 2_000)).await;
        let agent = format!("a{}", dice.u8(1..=3));
        cluster.kill_machine(&agent).expect("a machine can die");
        sleep(pause(&mut dice, 10_000)).await;
        cluster.start(&leader).expect("a node starts on its data");
        cluster.start(&agent).expect("the machine comes back");
        cluster.serve().await;

        let after = at_rest(&any, "web").await;
        println!(
            "seed {seed}: {leader} and {agent} died; at rest {} ms after the update",
            began.elapsed().as_millis()
        );
        let after = ids(&after);
        assert!(
            after.is_disjoint(&before),
            "seed {seed}: all of them are new"
        );
        eventually("one process for each task", TASK_LIMIT, || async {
            (cluster.task_processes().len() == DESIRED).then_some(())
        })
        .await;
        before = after;
    }
}

/// Containers that are healthy after five seconds, so that nobody has to wait for forty.
fn definition(image: &str) -> Value {
    let check =
        json!({"command": ["CMD-SHELL", "true"], "interval": 5, "timeout": 2, "retries": 2});
    let container = json!({
        "name": "main", "image": image, "command": ["sleep", "3600"], "cpu": 8, "memory": 16, "essential": true, "stopTimeout": 2,
        "healthCheck": check,
    });
    json!({"family": "web", "networkMode": "bridge", "containerDefinitions": [container]})
}

/// Not moved about when a machine returns: here a task more or less means something.
fn service(name: &str, definition: &str) -> Value {
    json!({
        "cluster": CLUSTER, "serviceName": name, "taskDefinition": definition, "desiredCount": DESIRED,
        "availabilityZoneRebalancing": "DISABLED",
        "deploymentConfiguration": {
            "minimumHealthyPercent": MINIMUM_PERCENT, "maximumPercent": MAXIMUM_PERCENT,
            "deploymentCircuitBreaker": {"enable": true, "rollback": true},
        },
    })
}

fn update(aws: &Aws, change: &[&str]) {
    let _ = aws.ecs(&[&["update-service", "--service", "web"], change].concat());
}

/// Waits as a script does, and then looks closer than the waiter: it asks for tasks that run, and not for a deployment that is done.
async fn stable(aws: &Aws, definition: &str, count: u64) -> Value {
    let _ = aws.ecs(&["wait", "services-stable", "--services", "web"]);
    let service = eventually("the deployment is done", TASK_LIMIT, || async {
        let service = described(aws);
        let done = service["deployments"][0]["rolloutState"] == "COMPLETED";
        done.then_some(service)
    })
    .await;
    let deployments = service["deployments"].as_array().expect("an array");
    let [deployment] = deployments.as_slice() else {
        panic!("more than one deployment: {service}");
    };
    let arn = deployment["taskDefinition"].as_str().expect("an ARN");
    assert!(arn.ends_with(&format!("/{definition}")), "{service}");
    assert_eq!(deployment["status"], "PRIMARY");
    assert_eq!(service["runningCount"], count);
    assert_eq!(service["pendingCount"], 0);
    service
}

fn described(aws: &Aws) -> Value {
    let mut described = aws.ecs(&["describe-services", "--services", "web"]);
    assert_eq!(described["failures"], json!([]));
    described["services"][0].take()
}

/// How the service's deployments ended, the newest first.
fn rollouts(aws: &Aws) -> Vec<String> {
    let listed = aws.ecs(&["list-service-deployments", "--service", "web"]);
    strings(&listed["serviceDeployments"], "status")
}

/// The service's tasks, once all of them are wanted and healthy, and its last deployment is done.
async fn at_rest(any: &Ecs, name: &str) -> Vec<Value> {
    eventually("the service is at rest", DEPLOYMENT_LIMIT, || async {
        let service = any.service(name).await;
        let done = json!("COMPLETED");
        let rollouts: Vec<&Value> = service["deployments"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|deployment| &deployment["rolloutState"])
            .collect();
        let tasks = any.service_tasks(name).await;
        let well = tasks
            .iter()
            .all(|task| task["lastStatus"] == "RUNNING" && task["healthStatus"] == "HEALTHY");
        (rollouts == [&done] && tasks.len() == DESIRED && well).then_some(tasks)
    })
    .await
}

/// The ids that the engine has for the tasks' containers.
fn ids<'a>(tasks: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let id = |task: &Value| {
        let id = &task["containers"][0]["runtimeId"];
        id.as_str().expect("a running task has one").to_owned()
    };
    tasks.into_iter().map(id).collect()
}

/// The containers that run for this account.
fn containers(account: &str) -> BTreeSet<String> {
    let label = "org.quorate.task-arn";
    let format = format!("{{{{.ID}}}} {{{{.Label \"{label}\"}}}}");
    let filter = format!("label={label}");
    let listed = run(
        "docker",
        &["ps", "--no-trunc", "--filter", &filter, "--format", &format],
    );
    let own = listed.lines().filter_map(|line| line.split_once(' '));
    own.filter(|(_, arn)| arn.split(':').nth(4) == Some(account))
        .map(|(id, _)| id.to_owned())
        .collect()
}
