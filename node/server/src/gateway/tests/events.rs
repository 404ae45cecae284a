//! Watching, on three real nodes: all tell the same, from any point.

use futures::StreamExt as _;
use quorate_core::command::NewInstance;
use quorate_core::events::{Kind, Point};
use quorate_core::ids::{InstanceId, NodeId, RequestId, SessionId};
use quorate_core::state::{InstanceVersion, PortRange, Resources};
use quorate_core::{Command, Item};
use serde_json::Value;
use tokio::time::Instant;

use super::super::{From, Seen, WatchAsk};
use super::cluster::{Cluster, PATIENCE};
use crate::entropy;
use crate::operations::exception::Kind as Refused;

fn ask(from: From) -> WatchAsk {
    WatchAsk {
        from,
        cluster: None,
        kind: None,
        follows: false,
        deadline: Instant::now() + PATIENCE,
    }
}

/// All that a node tells, with its places.
async fn told(cluster: &Cluster, node: u64, ask: WatchAsk) -> Vec<(Point, Kind, Value)> {
    let seen = cluster.on(node).watch(ask).await.unwrap();
    let events = seen.filter_map(async |seen| match seen {
        Seen::At(_) | Seen::End(_) => None,
        Seen::Event { point, kind, body } => {
            Some((point, kind, serde_json::from_slice(&body).unwrap()))
        }
        Seen::Gap(gap) => panic!("{gap}"),
    });
    events.collect().await
}

async fn register(cluster: &Cluster, number: u128) {
    let new = NewInstance {
        id: InstanceId::from_u128(number),
        token: number.to_string(),
        returning: false,
        cluster: "default".parse().unwrap(),
        session: SessionId::from_u128(1),
        node: NodeId(1),
        resources: Resources::default(),
        dynamic_ports: PortRange {
            first: 61_000,
            last: 61_003,
        },
        attributes: std::iter::once(("zone".to_owned(), "a".to_owned())).collect(),
        tags: Vec::new(),
        version: InstanceVersion::default(),
        hostname: "host".into(),
    };
    let item = |command| Item {
        request: RequestId::from_u128(entropy::number()),
        command,
    };
    let create = Command::CreateCluster {
        name: "default".parse().unwrap(),
        tags: Vec::new(),
        document: quorate_core::documents::Document::default(),
        capacity: quorate_core::documents::Capacity::default(),
    };
    let items = vec![item(create), item(Command::RegisterInstance(Box::new(new)))];
    let consensus = &cluster.nodes[&1].consensus;
    consensus
        .submit(items, Instant::now() + PATIENCE)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_tells_the_same_from_any_point() {
    let cluster = Cluster::start().await;
    for number in 1..=4 {
        register(&cluster, number).await;
    }
    let whole = told(&cluster, 1, ask(From::Kept)).await;
    assert_eq!(whole.len(), 4);
    let (_, kind, first) = &whole[0];
    assert_eq!(*kind, Kind::Instance);
    assert_eq!(first["detail-type"], "ECS Container Instance State Change");
    assert_eq!(first["source"], "aws.ecs");
    assert_eq!(
        first["resources"][0],
        first["detail"]["containerInstanceArn"]
    );
    assert_eq!(first["detail"]["version"], 1);
    assert!(
        first["detail"]["registeredAt"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    for node in 2..=3 {
        assert_eq!(told(&cluster, node, ask(From::Kept)).await, whole);
        for (at, (point, _, _)) in whole.iter().enumerate() {
            let rest = told(&cluster, node, ask(From::Point(*point))).await;
            assert_eq!(rest, whole[at + 1..]);
        }
    }
    let others = WatchAsk {
        cluster: Some("other".into()),
        ..ask(From::Kept)
    };
    assert_eq!(told(&cluster, 1, others).await, []);
    let tasks = WatchAsk {
        kind: Some(Kind::Task),
        ..ask(From::Kept)
    };
    assert_eq!(told(&cluster, 1, tasks).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_hears_what_comes_and_no_point_of_another_cluster_is_taken() {
    let cluster = Cluster::start().await;
    let follow = WatchAsk {
        follows: true,
        ..ask(From::Now)
    };
    let mut seen = cluster.on(2).watch(follow).await.unwrap();
    assert!(matches!(seen.next().await, Some(Seen::At(_))));
    register(&cluster, 1).await;
    let next = seen.next().await;
    assert!(matches!(next, Some(Seen::Event { .. })), "{next:?}");
    let ahead = ask(From::Point(Point::behind(1_000_000)));
    let refused = cluster.on(2).watch(ahead).await.err().unwrap();
    assert_eq!(refused.kind(), Refused::InvalidParameter);
}
