//! Nodes that were stopped, fell behind, or lost their disks.
#![allow(clippy::unwrap_used)]

use quorate_core::ids::NodeId;
use quorate_proto::peer;

use super::super::{EngineKind, StartError, StopReason};
use super::cluster::{Cluster, deadline, eventually, has};

async fn a_restarted_cluster_has_its_state(engine: EngineKind) {
    let mut cluster = Cluster::start(3, engine).await;
    for at in 0..20_u128 {
        cluster.write(1, &format!("kept-{at}"), at + 1).await;
    }
    for node in 1..=3 {
        cluster.stop(node).await;
    }
    for node in 1..=3 {
        cluster.restart(node).await;
    }
    cluster.leader().await;
    for node in 1..=3 {
        cluster.on(node).barrier(deadline()).await.unwrap();
        assert!((0..20).all(|at| has(cluster.on(node), &format!("kept-{at}"))));
    }
    cluster.write(2, "new", 100).await;
    cluster.expect_equal_states().await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_cluster_has_its_state_on_sled() {
    a_restarted_cluster_has_its_state(EngineKind::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_cluster_has_its_state_on_segments() {
    a_restarted_cluster_has_its_state(EngineKind::Segments).await;
}

async fn a_node_far_behind_gets_a_snapshot(engine: EngineKind) {
    let mut cluster = Cluster::start_with(3, engine, |config| {
        config.snapshot_every = 50;
        config.entries_kept = 10;
    })
    .await;
    let behind = cluster.follower().await;
    cluster.stop(behind).await;
    let leader = cluster.leader().await;
    for at in 0..200_u128 {
        cluster.write(leader, &format!("far-{at}"), at + 1).await;
    }
    eventually("a snapshot on the leader", || {
        cluster.on(leader).status().snapshot_index > 100
    })
    .await;
    cluster.restart(behind).await;
    cluster.on(behind).barrier(deadline()).await.unwrap();
    assert!((0..200).all(|at| has(cluster.on(behind), &format!("far-{at}"))));
    assert!(
        cluster.on(behind).status().snapshot_index > 0,
        "it came by snapshot"
    );
    cluster.expect_equal_states().await;
    // What was installed is also what it starts from.
    cluster.stop(behind).await;
    cluster.restart(behind).await;
    cluster.on(behind).barrier(deadline()).await.unwrap();
    cluster.expect_equal_states().await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_far_behind_gets_a_snapshot_on_sled() {
    a_node_far_behind_gets_a_snapshot(EngineKind::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_far_behind_gets_a_snapshot_on_segments() {
    a_node_far_behind_gets_a_snapshot(EngineKind::Segments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_node_with_an_empty_disk_is_refused() {
    let mut cluster = Cluster::start(3, EngineKind::Segments).await;
    let known = |cluster: &Cluster| {
        cluster
            .nodes
            .values()
            .all(|running| running.consensus.state().nodes().count() == 3)
    };
    eventually("all nodes are recorded", || known(&cluster)).await;
    let wiped = cluster.follower().await;
    cluster.stop(wiped).await;
    cluster.wipe(wiped);
    cluster.restart(wiped).await;
    let reason = cluster.on(wiped).stopped().await;
    let StopReason::Refused(why) = &reason else {
        panic!("{reason:?}")
    };
    assert!(why.contains("known with another store"), "{why}");
    assert!(
        reason.to_string().contains("new id"),
        "it says what to do: {reason}"
    );
    let leader = cluster.on(wiped).leadership().borrow().leader.clone();
    assert_eq!(leader, None, "it took no part");
    cluster.end().await;
}

/// A whole data directory put back from an older copy, guard and all, looks sound to the node itself; the others know better.
async fn a_node_on_an_older_copy_of_its_disk_is_refused(engine: EngineKind) {
    let mut cluster = Cluster::start(3, engine).await;
    let leader = cluster.leader().await;
    for at in 0..20_u128 {
        cluster.write(leader, &format!("early-{at}"), at + 1).await;
    }
    let old = cluster.follower().await;
    cluster.stop(old).await;
    let copy = cluster.copy(old);
    cluster.restart(old).await;
    for at in 20..60_u128 {
        cluster.write(leader, &format!("late-{at}"), at + 1).await;
    }
    cluster.expect_equal_states().await;
    let held = cluster.on(old).applied().borrow().to_owned();
    eventually("the others know what it holds", || {
        let witnessed = |node: u64| cluster.on(node).shared.witness.of(NodeId(old));
        let knows = |node| witnessed(node).and_then(|promised| promised.held);
        (1..=3)
            .filter(|node| *node != old)
            .all(|node| knows(node).is_some_and(|held_there: peer::LogId| held_there.index >= held))
    })
    .await;
    cluster.stop(old).await;
    cluster.put_back(old, copy);
    cluster.restart(old).await;

    let reason = cluster.on(old).stopped().await;
    let StopReason::Refused(why) = &reason else {
        panic!("{reason:?}")
    };
    assert!(
        why.contains("holds less than this node has seen it hold"),
        "{why}"
    );
    assert!(reason.to_string().contains("new id"), "{reason}");
    // Nobody else is harmed.
    cluster.stop(old).await;
    let leader = cluster.leader().await;
    cluster.write(leader, "afterwards", 1000).await;
    cluster.expect_equal_states().await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_an_older_copy_of_its_disk_is_refused_on_sled() {
    a_node_on_an_older_copy_of_its_disk_is_refused(EngineKind::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_on_an_older_copy_of_its_disk_is_refused_on_segments() {
    a_node_on_an_older_copy_of_its_disk_is_refused(EngineKind::Segments).await;
}

/// What the others know is on their disks: it holds though all of them were down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_witnessed_outlives_them() {
    let mut cluster = Cluster::start(3, EngineKind::Segments).await;
    let leader = cluster.leader().await;
    let old = cluster.follower().await;
    cluster.stop(old).await;
    let copy = cluster.copy(old);
    cluster.restart(old).await;
    for at in 0..40_u128 {
        cluster.write(leader, &format!("late-{at}"), at + 1).await;
    }
    cluster.expect_equal_states().await;
    let held = cluster.on(old).applied().borrow().to_owned();
    eventually("the others have it on disk", || {
        let knows = |node| cluster.on(node).shared.witness.on_disk(NodeId(old));
        (1..=3).filter(|node| *node != old).all(|node| {
            let promised = knows(node).and_then(|promised| promised.held);
            promised.is_some_and(|held_there| held_there.index >= held)
        })
    })
    .await;
    for node in 1..=3 {
        cluster.kill(node).await;
    }
    cluster.put_back(old, copy);
    for node in 1..=3 {
        cluster.restart(node).await;
    }
    let reason = cluster.on(old).stopped().await;
    assert!(matches!(reason, StopReason::Refused(_)), "{reason:?}");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_raft_core_panics_says_that_it_is_over() {
    let cluster = Cluster::start(3, EngineKind::Segments).await;
    let broken = cluster.follower().await;
    let raft = &cluster.on(broken).shared.raft;
    let sent = raft
        .external_request(|_| panic!("on purpose: a bug in the core"))
        .await;
    sent.unwrap();
    let reason = cluster.on(broken).stopped().await;
    assert!(matches!(reason, StopReason::Failed(_)), "{reason:?}");
    // Two of three go on.
    let leader = cluster
        .on(broken)
        .leadership()
        .borrow()
        .leader
        .clone()
        .unwrap();
    cluster.write(leader.node.0, "afterwards", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_snapshots_are_gone_does_not_start() {
    let mut cluster = Cluster::start_with(1, EngineKind::Segments, |config| {
        config.snapshot_every = 20;
        config.entries_kept = 5;
    })
    .await;
    for at in 0..60_u128 {
        cluster.write(1, &format!("gone-{at}"), at + 1).await;
    }
    eventually("a snapshot", || cluster.on(1).status().snapshot_index > 0).await;
    cluster.stop(1).await;
    cluster.wipe_snapshots(1);
    let refused = cluster.try_start(1).await;
    let Err(StartError::SnapshotLost { found: None, .. }) = refused else {
        panic!("it started, or: {:?}", refused.err());
    };
}
