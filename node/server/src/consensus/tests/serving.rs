//! Writes and reads through any node.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use quorate_core::Change;
use quorate_core::ids::InstanceId;
use tokio::time::Instant;

use super::super::{EngineKind, ProposeError};
use super::cluster::{Cluster, create, deadline, eventually, has};

async fn every_node_takes_writes_and_reads_them_back(engine: EngineKind) {
    let cluster = Cluster::start(3, engine).await;
    for node in 1..=3 {
        let name = format!("by-{node}");
        let written = cluster.write(node, &name, u128::from(node)).await;
        assert!(written.outcomes[0].is_ok());
        for reader in 1..=3 {
            let index = cluster.on(reader).barrier(deadline()).await.unwrap();
            assert!(
                index >= written.index,
                "node {reader} read at {index} what was written at {}",
                written.index
            );
            assert!(
                has(cluster.on(reader), &name),
                "node {reader} does not have {name}"
            );
        }
    }
    cluster.expect_equal_states().await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_takes_writes_and_reads_them_back_on_sled() {
    every_node_takes_writes_and_reads_them_back(EngineKind::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_takes_writes_and_reads_them_back_on_segments() {
    every_node_takes_writes_and_reads_them_back(EngineKind::Segments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_entries_and_each_gets_its_own_answer() {
    let cluster = Cluster::start(3, EngineKind::Segments).await;
    let leader = cluster.leader().await;
    let names: Vec<String> = (0..300).map(|at| format!("many-{at}")).collect();
    let writes = names.iter().enumerate().map(|(at, name)| {
        cluster
            .on(leader)
            .submit(vec![create(name, at as u128 + 1)], deadline())
    });
    let written: Vec<_> = join_all(writes)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (name, written) in names.iter().zip(&written) {
        let reply = format!("{:?}", written.outcomes);
        assert!(
            written.outcomes.len() == 1 && reply.contains(&format!("({name})")),
            "{name} got {reply}"
        );
    }
    let entries: BTreeSet<u64> = written.iter().map(|written| written.index).collect();
    assert!(
        entries.len() < 100,
        "300 writes took {} entries",
        entries.len()
    );
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_does_not_propose_itself_and_names_the_leader() {
    let cluster = Cluster::start(3, EngineKind::Segments).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let refused = cluster
        .on(follower)
        .propose(vec![create("x", 1)], deadline())
        .await;
    let Err(ProposeError::NotLeader {
        leader: Some(named),
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(named.node.0, leader);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_and_late_proposals_are_refused_as_what_they_are() {
    let cluster = Cluster::start(1, EngineKind::Segments).await;
    let items = (0..20_000).map(|at| create("large", at)).collect();
    let refused = cluster.on(1).submit(items, deadline()).await;
    assert!(
        matches!(
            refused,
            Err(ProposeError::TooLarge { .. } | ProposeError::Overloaded)
        ),
        "{refused:?}"
    );
    let refused = cluster
        .on(1)
        .submit(
            vec![create("late", 1)],
            Instant::now() - Duration::from_secs(1),
        )
        .await;
    assert_eq!(refused, Err(ProposeError::Timeout));
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_index_follow_the_state_on_every_node() {
    let cluster = Cluster::start(3, EngineKind::Segments).await;
    let follower = cluster.follower().await;
    let mut changes = cluster.on(follower).changes();
    let written = cluster.write(follower, "watched", 1).await;
    let set = loop {
        let set = changes.recv().await.unwrap();
        if set.index >= written.index {
            break set;
        }
    };
    // Nodes that record themselves may share the entry.
    let created = Change::Cluster("watched".parse().unwrap());
    assert!(
        set.index == written.index && set.changes.contains(&created),
        "{set:?}"
    );
    assert!(*cluster.on(follower).applied().borrow() >= written.index);
    assert!(has(cluster.on(follower), "watched"));
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_record_themselves_and_their_stores() {
    let cluster = Cluster::start(3, EngineKind::Segments).await;
    eventually("three records on each node", || {
        (1..=3).all(|node| cluster.on(node).state().nodes().count() == 3)
    })
    .await;
    let state = cluster.on(1).state();
    let stores: BTreeSet<_> = state.nodes().map(|record| record.store).collect();
    assert_eq!(stores.len(), 3);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_hears_of_instances_on_other_nodes() {
    let cluster = Cluster::start(3, EngineKind::Segments).await;
    let (leader, follower) = (cluster.leader().await, cluster.follower().await);
    let instance = InstanceId::from_u128(7);
    eventually("the leader heard of it", || {
        cluster.on(follower).hear(&instance);
        // An instance that the state does not know is forgotten with the next pulse; before that it shows once.
        cluster.on(leader).heard().silent_ms.contains_key(&instance)
    })
    .await;
    assert_eq!(cluster.on(follower).heard().silent_ms.len(), 0);
    cluster.end().await;
}
