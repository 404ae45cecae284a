//! The leader goes; what was acknowledged stays, and what was tried again is done once.
#![allow(clippy::unwrap_used)]

use quorate_core::Reply;
use tokio::time::Instant;

use super::super::EngineKind;
use super::cluster::{Cluster, create, deadline, has};

async fn writes_go_on_after_the_leader_is_gone(engine: EngineKind) {
    let mut cluster = Cluster::start(3, engine).await;
    let old = cluster.leader().await;
    cluster.write(old, "before", 1).await;
    cluster.stop(old).await;
    let new = cluster.leader().await;
    assert_ne!(new, old);
    let follower = cluster.follower().await;
    cluster.write(follower, "after", 2).await;
    cluster.on(follower).barrier(deadline()).await.unwrap();
    assert!(has(cluster.on(follower), "before") && has(cluster.on(follower), "after"));
    cluster.restart(old).await;
    cluster.on(old).barrier(deadline()).await.unwrap();
    assert!(has(cluster.on(old), "after"), "the old leader catches up");
    cluster.expect_equal_states().await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_after_the_leader_is_gone_on_sled() {
    writes_go_on_after_the_leader_is_gone(EngineKind::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_after_the_leader_is_gone_on_segments() {
    writes_go_on_after_the_leader_is_gone(EngineKind::Segments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_under_way_when_the_leader_goes_are_answered() {
    let mut cluster = Cluster::start(3, EngineKind::Segments).await;
    let leader = cluster.leader().await;
    let follower = cluster.on(cluster.follower().await).clone();
    let writer = tokio::spawn(async move {
        for at in 0..50_u128 {
            let item = create(&format!("steady-{at}"), at + 1);
            follower
                .submit(vec![item], deadline())
                .await
                .unwrap()
                .outcomes[0]
                .clone()
                .unwrap();
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    cluster.stop(leader).await;
    writer.await.unwrap();
    let follower = cluster.follower().await;
    cluster.on(follower).barrier(deadline()).await.unwrap();
    for at in 0..50 {
        assert!(has(cluster.on(follower), &format!("steady-{at}")));
    }
    cluster.expect_equal_states().await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_without_a_word_is_replaced() {
    let mut cluster = Cluster::start(3, EngineKind::Segments).await;
    let leader = cluster.leader().await;
    cluster.write(leader, "before", 1).await;
    let follower = cluster.follower().await;
    let killed = Instant::now();
    cluster.kill(leader).await;
    cluster.write(follower, "after", 2).await;
    println!("from the kill to the first write: {:?}", killed.elapsed());
    cluster.on(follower).barrier(deadline()).await.unwrap();
    assert!(has(cluster.on(follower), "before") && has(cluster.on(follower), "after"));
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_tried_again_under_another_leader_is_done_once() {
    let mut cluster = Cluster::start(3, EngineKind::Segments).await;
    let leader = cluster.leader().await;
    let definition = super::cluster::register("once", 1);
    let first = cluster
        .on(leader)
        .submit(vec![definition.clone()], deadline())
        .await
        .unwrap();
    cluster.stop(leader).await;
    let follower = cluster.follower().await;
    let again = cluster
        .on(follower)
        .submit(vec![definition], deadline())
        .await
        .unwrap();
    assert_eq!(again.outcomes, first.outcomes, "the remembered reply");
    assert!(again.index > first.index);
    let Ok(Reply::Definition(id)) = &again.outcomes[0] else {
        panic!("{:?}", again.outcomes)
    };
    assert_eq!(
        cluster
            .on(follower)
            .state()
            .definitions_of(&id.family)
            .count(),
        1
    );
    cluster.end().await;
}
