//! The stream of events on real nodes: read at one node while tasks run, and gone on with at another when the first is killed. Of each
//! task every version is heard, once, in order.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use quorate_client::{EventQuery, Events, ToldEvent};
use quorate_tests::ecs::{Ecs, TASK_LIMIT};
use quorate_tests::harness::{TestCluster, quorate_binary};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

fn tasks(ecs: &Ecs, after: Option<String>) -> Events {
    ecs.client().events(EventQuery {
        after,
        cluster: Some("default".to_owned()),
        kind: Some("task".to_owned()),
        follows: true,
    })
}

/// What was heard of each task: versions and statuses.
#[derive(Debug, Default)]
struct Heard(BTreeMap<String, Vec<(u64, String)>>);

impl Heard {
    fn take(&mut self, told: &ToldEvent) {
        let detail = &told.event["detail"];
        assert_eq!(told.event["detail-type"], "ECS Task State Change");
        assert_eq!(told.event["resources"][0], detail["taskArn"]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let heard = self.0.entry(text(&detail["taskArn"])).or_default();
        let version = detail["version"].as_u64().expect("a version");
        assert_eq!(version, heard.len() as u64 + 1, "{detail} after {heard:?}");
        heard.push((version, text(&detail["lastStatus"])));
    }

    /// Listens until all of these tasks have stopped.
    async fn until_stopped(&mut self, events: &mut Events, tasks: &[String]) {
        let has_stopped = |heard: &Self, task| {
            let last = heard.0.get(task).and_then(|heard| heard.last());
            last.is_some_and(|(_, status)| status == "STOPPED")
        };
        while !tasks.iter().all(|task| has_stopped(self, task)) {
            let told = timeout(TASK_LIMIT, events.next()).await;
            let told = told.unwrap_or_else(|_| panic!("no more events: {self:?}"));
            let told = told.expect("the stream goes on");
            self.take(&told.expect("a stream that is followed has no end"));
        }
    }
}

#[tokio::test]
async fn a_reader_misses_nothing_when_its_node_is_killed() {
    let mut cluster = TestCluster::start(|_| {}).await;
    let any = cluster.any();
    let definition = any.register_sleeper("told").await;
    let leader = cluster.the_leader().await;
    let followers = cluster.followers().await;

    // A reader who knows one node only, and hears from it what others did.
    let mut first = tasks(&cluster.ecs(&[&leader]), Some("kept".to_owned()));
    let mut heard = Heard::default();
    let early = any.run(&definition, 3).await;
    any.running(&early).await;
    any.stop(&early[..1]).await;
    heard.until_stopped(&mut first, &early[..1]).await;
    let point = first.point().expect("it has heard something").to_owned();

    // And one who knows all, and goes on by itself.
    let mut follower = tasks(&any, Some(point.clone()));
    let late = any.run(&definition, 3).await;
    cluster.kill(&leader).expect("the leader can be killed");
    drop(first);
    let survivors: Vec<&str> = followers.iter().map(String::as_str).collect();
    let survivors = cluster.ecs(&survivors);
    survivors.running(&late).await;
    let rest = [&early[1..], &late[..]].concat();
    survivors.stop(&rest).await;

    // Both hear the same: behind the same point, at whichever node.
    let mut other = tasks(&cluster.ecs(&[&followers[0]]), Some(point.clone()));
    let mut twin = Heard(heard.0.clone());
    heard.until_stopped(&mut other, &rest).await;
    twin.until_stopped(&mut follower, &rest).await;
    assert_eq!(heard.0, twin.0);
    assert_eq!(heard.0.len(), 6);
    for heard in heard.0.values() {
        assert_eq!(heard[0].1, "PENDING");
    }

    // The command, all that is kept: the same again, to its end.
    let endpoints: Vec<String> = cluster
        .living_nodes()
        .map(|(_, addresses)| format!("http://{}", addresses.api))
        .collect();
    let keys = &cluster.identity().key_pair;
    let output = Command::new(quorate_binary())
        .args(["events", "--type", "task", "--output", "json"])
        .env("AWS_ENDPOINT_URL_ECS", endpoints.join(","))
        .env("AWS_ACCESS_KEY_ID", &keys.id)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret)
        .env("AWS_REGION", "us-east-1")
        .stderr(Stdio::inherit())
        .output();
    let output = timeout(Duration::from_secs(30), output).await;
    let output = output.expect("it ends by itself").expect("it runs");
    assert!(output.status.success());
    let mut printed = Heard::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        printed.take(&ToldEvent {
            point: event["point"].as_str().expect("a point").to_owned(),
            kind: "task".to_owned(),
            event,
        });
    }
    assert_eq!(printed.0, heard.0);

    // A point that no log has come to is refused, and so is one that is none.
    for after in ["999999999.1", "soon"] {
        let refused = tasks(&survivors, Some(after.to_owned())).next().await;
        let error = refused.expect_err("no such point");
        assert_eq!(error.code(), Some("InvalidParameterException"), "{error}");
    }
}

#[tokio::test]
async fn a_service_tells_its_deployment_and_its_rest() {
    let cluster = TestCluster::start(|_| {}).await;
    let any = cluster.any();
    let mut events = any.client().events(EventQuery {
        after: Some("kept".to_owned()),
        follows: true,
        ..EventQuery::default()
    });
    let definition = any.register_sleeper("told").await;
    any.call(
        "CreateService",
        json!({"serviceName": "web", "taskDefinition": definition, "desiredCount": 1}),
    )
    .await;
    let mut names = Vec::new();
    while !names.contains(&"SERVICE_STEADY_STATE".to_owned()) {
        let told = timeout(2 * TASK_LIMIT, events.next()).await;
        let told = told.expect("a service comes to rest").expect("it goes on");
        let event = told.expect("no end").event;
        if let Some(name) = event["detail"]["eventName"].as_str() {
            let resource = event["resources"][0].as_str().expect("an ARN");
            assert!(resource.ends_with("service/default/web"), "{event}");
            names.push(name.to_owned());
        }
    }
    let expected = [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_STEADY_STATE",
    ];
    assert_eq!(names, expected);
}
