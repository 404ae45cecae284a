//! What people ask before and after: `quorate why` names the instance that a task really has, `quorate plan drain` foretells what the drain does.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use quorate_chaos::cluster::KeyPair;
use quorate_tests::ecs::CLUSTER;
use quorate_tests::harness::{TestCluster, eventually, quorate_binary};
use serde_json::{Value, json};

/// Tasks are healthy after 40 s; then those that they replace are stopped.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
const TASKS: usize = 4;

#[tokio::test]
async fn why_names_the_winner_and_plan_foretells_the_drain() {
    let cluster = TestCluster::start(|_| {}).await;
    let any = cluster.any();
    let shell = Shell::of(&cluster).await;
    let definition = any.register_sleeper("steady").await;
    let create = json!({
        "cluster": CLUSTER, "serviceName": "web", "taskDefinition": definition, "desiredCount": TASKS,
    });
    any.call_safely("CreateService", create).await;
    let tasks = eventually("all run and are healthy", DRAIN_LIMIT, || async {
        let body = json!({"cluster": CLUSTER, "services": ["web"]});
        let answer = any.call_safely("DescribeServices", body).await;
        let is_done = answer["services"][0]["deployments"][0]["rolloutState"] == "COMPLETED";
        let arns = any.task_arns().await;
        (is_done && arns.len() == TASKS).then_some(arns)
    })
    .await;

    for task in any.describe_tasks(&tasks).await {
        let arn = task["taskArn"].as_str().expect("an ARN");
        let (code, told) = shell.quorate(&["why", arn]);
        assert_eq!(code, 0);
        assert_eq!(told["decisionKept"], true, "{told}");
        let instance = &task["containerInstanceArn"];
        assert_eq!(&told["containerInstanceArn"], instance, "{told}");
        assert_eq!(&told["chosen"]["containerInstanceArn"], instance, "{told}");
    }

    let drained = any.instances().await[0]["containerInstanceArn"].clone();
    let drained = drained.as_str().expect("an ARN").to_owned();
    let (code, plan) = shell.quorate(&["plan", "drain", &drained]);
    assert_eq!(code, 0, "{plan}");
    assert_eq!(
        (&plan["fits"], &plan["settled"]),
        (&json!(true), &json!(true))
    );
    assert!(
        !any.describe_tasks(&tasks)
            .await
            .iter()
            .any(|task| task["desiredStatus"] == "STOPPED")
    );

    let drain = json!({"cluster": CLUSTER, "containerInstances": [drained], "status": "DRAINING"});
    any.call_safely("UpdateContainerInstancesState", drain)
        .await;
    let after = eventually("the instance is empty", DRAIN_LIMIT, || async {
        let all = any.task_arns().await;
        let all = any.describe_tasks(&all).await;
        let elsewhere = |task: &Value| task["containerInstanceArn"] != json!(drained);
        (all.len() == TASKS && all.iter().all(elsewhere)).then_some(all)
    })
    .await;
    let started = after
        .iter()
        .filter(|task| !tasks.iter().any(|old| task["taskArn"] == json!(old)));
    assert_eq!(by_instance(started), foretold(&plan, "START"));
    let stopped = any.describe_tasks(&tasks).await;
    let stopped = stopped
        .iter()
        .filter(|task| task["desiredStatus"] == "STOPPED");
    assert_eq!(by_instance(stopped), foretold(&plan, "STOP"));
}

/// How many of these tasks each instance has.
fn by_instance<'a>(tasks: impl Iterator<Item = &'a Value>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        let arn = task["containerInstanceArn"].as_str().expect("an ARN");
        *counts.entry(arn.to_owned()).or_default() += 1;
    }
    counts
}

fn foretold(plan: &Value, action: &str) -> BTreeMap<String, usize> {
    let moves = plan["moves"].as_array().expect("a list");
    by_instance(moves.iter().filter(|one| one["action"] == action))
}

/// The command line of people who call this cluster.
struct Shell {
    endpoint: String,
    keys: KeyPair,
}

impl Shell {
    /// One that calls a follower.
    async fn of(cluster: &TestCluster) -> Self {
        let follower = cluster.followers().await.remove(0);
        let member = cluster.member(&follower).expect("it is a member");
        let addresses = member.addresses.as_ref().expect("a node has addresses");
        Self {
            endpoint: format!("http://{}", addresses.api),
            keys: cluster.identity().key_pair.clone(),
        }
    }

    /// Runs a command; its exit code and what it printed.
    fn quorate(&self, words: &[&str]) -> (i32, Value) {
        let output = Command::new(quorate_binary())
            .args(words)
            .args(["--output", "json"])
            .env("AWS_ENDPOINT_URL_ECS", &self.endpoint)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", &self.keys.id)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.secret)
            .output()
            .expect("the command starts");
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = serde_json::from_slice(&output.stdout);
        let printed = printed.unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"));
        (output.status.code().expect("it ended by itself"), printed)
    }
}
