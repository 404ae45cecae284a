//! The gateway's promises, on three real nodes in one process: any node answers any call, a write is carried out once, a change of
//! leader costs time and no call, and without a majority there is an answer too.
#![allow(clippy::unwrap_used)]

mod cluster;
mod events;

use std::time::Duration;

use quorate_core::ids::RequestId;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::cluster::{Cluster, body, call};
use super::route::request_id;

fn definition() -> serde_json::Value {
    json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "x", "memory": 8}]})
}

#[test]
fn a_uuid_is_the_request_id_and_any_other_text_has_one() {
    let id = request_id("12345678-9abc-def0-1234-56789abcdef0");
    assert_eq!(
        id,
        RequestId::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0)
    );
    assert_eq!(request_id("mine"), request_id("mine"));
    assert_ne!(request_id("mine"), request_id("yours"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_takes_any_call_and_sees_what_another_acknowledged() {
    let cluster = Cluster::start().await;
    let followers = cluster.followers().await;
    for round in 0..5 {
        let name = format!("c{round}");
        let made = cluster
            .on(followers[0])
            .call(call("CreateCluster", &json!({ "clusterName": name })))
            .await;
        assert_eq!(
            (made.status, &body(&made)["cluster"]["clusterName"]),
            (200, &json!(name))
        );
        let read = cluster
            .on(followers[1])
            .call(call("DescribeClusters", &json!({ "clusters": [name] })))
            .await;
        assert_eq!(body(&read)["clusters"][0]["status"], "ACTIVE");
    }
    let refused = cluster
        .on(followers[0])
        .call(call("DeleteCluster", &json!({"cluster": "nope"})))
        .await;
    assert_eq!(
        (refused.status, &body(&refused)["__type"]),
        (400, &json!("ClusterNotFoundException"))
    );
    let unknown = cluster
        .on(followers[0])
        .call(call("CreateDaemon", &json!({"daemonName": "d"})))
        .await;
    assert_eq!(body(&unknown)["__type"], "UnsupportedFeatureException");
    let nodes = body(
        &cluster
            .on(followers[1])
            .call(call("ListNodes", &json!({})))
            .await,
    );
    let nodes = nodes["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    assert!(
        nodes
            .iter()
            .all(|node| node["reachable"] == true && node["digest"].as_str().unwrap().len() == 64)
    );
    assert_eq!(
        nodes.iter().filter(|node| node["role"] == "LEADER").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_through_two_nodes_is_carried_out_once() {
    let cluster = Cluster::start().await;
    let register = call("RegisterTaskDefinition", &definition());
    let mut answers = JoinSet::new();
    for node in cluster.nodes.values() {
        let (gateway, register) = (node.gateway.clone(), register.clone());
        answers.spawn(async move { gateway.call(register).await });
    }
    while let Some(answer) = answers.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status, &body(&answer)["taskDefinition"]["revision"]),
            (200, &json!(1))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_dies_and_no_call_is_lost_nor_carried_out_twice() {
    const CALLS: usize = 40;
    let mut cluster = Cluster::start().await;
    let (leader, followers) = (cluster.leader().await, cluster.followers().await);
    let mut answers = JoinSet::new();
    for number in 0..CALLS {
        let gateway = cluster.on(followers[number % 2]).clone();
        answers.spawn(async move {
            sleep(Duration::from_millis(number as u64 * 10)).await;
            gateway
                .call(call("RegisterTaskDefinition", &definition()))
                .await
        });
    }
    sleep(Duration::from_millis(150)).await;
    cluster.end(leader).await;
    let mut revisions = Vec::new();
    while let Some(answer) = answers.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", body(&answer));
        revisions.push(
            body(&answer)["taskDefinition"]["revision"]
                .as_u64()
                .unwrap(),
        );
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=CALLS as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_every_call_is_answered_by_its_deadline() {
    let mut cluster = Cluster::start().await;
    let (leader, followers) = (cluster.leader().await, cluster.followers().await);
    cluster.end(leader).await;
    cluster.end(followers[0]).await;
    let alone = cluster.on(followers[1]);
    let patience = Duration::from_secs(3);
    for operation in ["CreateCluster", "DescribeClusters"] {
        let mut call = call(operation, &json!({}));
        call.deadline = Instant::now() + patience;
        let begun = Instant::now();
        let answer = alone.call(call).await;
        assert_eq!(
            (answer.status, &body(&answer)["__type"]),
            (500, &json!("ServerException")),
            "{operation}"
        );
        assert!(
            begun.elapsed() < patience * 4,
            "{operation} took {:?}",
            begun.elapsed()
        );
    }
    let nodes = body(&alone.call(call("ListNodes", &json!({}))).await);
    let reachable = nodes["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["reachable"] == true);
    assert_eq!(reachable.count(), 1);
}
