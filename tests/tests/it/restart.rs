//! kill -9 of every node at once: what was acknowledged is still there afterwards, and the nodes agree to the last bit.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_tests::harness::{TestCluster, eventually};
use serde_json::json;

/// Nodes that serve have applied the same entries a moment later.
const AGREE_LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn all_nodes_killed_lose_nothing_acknowledged_and_agree() {
    let mut cluster = TestCluster::start(|_| {}).await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let mut tasks = any.run(&definition, 3).await;
    let before = any.running(&tasks).await;
    let processes = cluster.task_processes();
    any.call(
        "CreateCluster",
        json!({"clusterName": "kept", "tags": [{"key": "k", "value": "v"}]}),
    )
    .await;
    // Acknowledged in the last moment before the kill.
    for revision in 2..30 {
        assert_eq!(
            any.register_sleeper("steady").await,
            format!("steady:{revision}")
        );
    }
    tasks.extend(any.run(&definition, 2).await);

    for node in ["n1", "n2", "n3"] {
        cluster.kill(node).expect("a node can be killed");
    }
    assert_eq!(
        cluster.task_processes()[..]
            .iter()
            .filter(|process| processes.contains(process))
            .count(),
        3,
        "tasks go on"
    );
    for node in ["n1", "n2", "n3"] {
        cluster.start(node).expect("a node starts on its data");
    }
    cluster.serve().await;

    let listed: BTreeSet<String> = any.task_arns().await.into_iter().collect();
    assert_eq!(listed, tasks.iter().cloned().collect());
    let after = any.running(&tasks).await;
    for before in &before {
        let after = after
            .iter()
            .find(|task| task["taskArn"] == before["taskArn"])
            .expect("every task is described");
        assert_eq!(before["startedAt"], after["startedAt"]);
    }
    let described = any
        .call(
            "DescribeClusters",
            json!({"clusters": ["kept"], "include": ["TAGS"]}),
        )
        .await;
    assert_eq!(
        described["clusters"][0]["tags"],
        json!([{"key": "k", "value": "v"}])
    );
    let newest = any
        .call(
            "DescribeTaskDefinition",
            json!({"taskDefinition": "steady"}),
        )
        .await;
    assert_eq!(newest["taskDefinition"]["revision"], 29);
    assert_eq!(
        any.register_sleeper("steady").await,
        "steady:30",
        "revisions go on where they were"
    );
    nodes_agree(&cluster).await;
}

#[tokio::test]
async fn a_node_that_was_away_catches_up_and_agrees() {
    let mut cluster = TestCluster::start(|options| {
        options.agents = 0;
        // So few that the node finds the entries it missed purged, and must be given a snapshot.
        options.node_arguments = vec!["--snapshot-every".to_owned(), "50".to_owned()];
    })
    .await;
    let follower = cluster.followers().await.remove(0);
    cluster.kill(&follower).expect("a follower can be killed");
    let any = cluster.any();
    for _ in 0..200 {
        any.register_sleeper("while-away").await;
    }
    cluster.start(&follower).expect("a node starts on its data");
    cluster.serve().await;
    nodes_agree(&cluster).await;
    let listed = cluster
        .ecs(&[&follower])
        .call(
            "ListTaskDefinitions",
            json!({"sort": "DESC", "maxResults": 1}),
        )
        .await;
    assert!(
        listed["taskDefinitionArns"][0]
            .as_str()
            .is_some_and(|arn| arn.ends_with("while-away:200")),
        "{listed}"
    );
}

/// Every node states its digest at the same index, and the digests are equal.
async fn nodes_agree(cluster: &TestCluster) {
    let digests = eventually(
        "all nodes have applied the same index",
        AGREE_LIMIT,
        || async {
            let mut standings = Vec::new();
            for (member, _) in cluster.living_nodes() {
                standings.push(cluster.standing(&member.name).await?);
            }
            let together = standings
                .iter()
                .all(|standing| standing.applied == standings[0].applied);
            together.then(|| {
                standings
                    .iter()
                    .map(|standing| standing.digest.clone())
                    .collect::<Vec<_>>()
            })
        },
    )
    .await;
    assert_eq!(digests.len(), 3);
    assert_eq!(
        digests.iter().collect::<BTreeSet<_>>().len(),
        1,
        "equal index, different state: {digests:?}"
    );
}
