//! Capacity providers over the real API and a real agent: a task waits until an instance is there for it, and runs then.

use quorate_tests::ecs::TASK_LIMIT;
use quorate_tests::harness::{TestCluster, eventually, holds};
use serde_json::json;
use std::time::Duration;

/// Longer than a leader takes to look at what waits, several times.
const A_WHILE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_task_waits_for_its_provider_and_outlives_a_leader() {
    let mut cluster = TestCluster::start(|options| options.agents = 1).await;
    let any = cluster.any();
    let definition = any.register_sleeper("patient").await;
    any.call("CreateCapacityProvider", json!({"name": "own"}))
        .await;
    let attach = json!({
        "cluster": "default", "capacityProviders": ["own"],
        "defaultCapacityProviderStrategy": [{"capacityProvider": "own", "weight": 1}],
    });
    any.call("PutClusterCapacityProviders", attach).await;

    // The only instance is not the provider's.
    let tasks = any.run(&definition, 1).await;
    let waits = || async {
        let task = any.describe_tasks(&tasks).await.remove(0);
        task["lastStatus"] == "PROVISIONING" && task.get("containerInstanceArn").is_none()
    };
    holds("the task waits", A_WHILE, &waits).await;

    // What waits is in the state, not in a leader's head.
    let leader = cluster.the_leader().await;
    cluster.kill(&leader).expect("the leader can be killed");
    let others = cluster.the_leader().await;
    assert_ne!(leader, others);
    holds("the task waits on", A_WHILE, &waits).await;

    let instances = any.instances().await;
    let arn = &instances[0]["containerInstanceArn"];
    let mark = json!({"name": "quorate.capacity-provider", "value": "own", "targetId": arn});
    any.call_safely("PutAttributes", json!({ "attributes": [mark] }))
        .await;
    let running = eventually("the task runs", TASK_LIMIT, || async {
        let task = any.describe_tasks(&tasks).await.remove(0);
        (task["lastStatus"] == "RUNNING").then_some(task)
    })
    .await;
    assert_eq!(running["capacityProviderName"], "own");
    assert_eq!(&running["containerInstanceArn"], arn);
    any.stop(&tasks).await;
}
