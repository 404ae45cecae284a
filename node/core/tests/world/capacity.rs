//! Commands about capacity providers and waiting tasks, for logs of anything: few names, so that they meet.
//!
//! Providers are named after values of attributes; `one` has the Auto Scaling group `two`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::Command;
use quorate_core::Millis;
use quorate_core::command::{NewProvider, NewWaiting, QueueStep, Reservation, Wish};
use quorate_core::documents::{Capacity, Document, ProviderSpec, StrategyItem};
use quorate_core::ids::{ClusterName, ProviderName, TaskId};

use super::{cluster, container, definition, new_task, task};

pub(crate) fn provider() -> impl Strategy<Value = ProviderName> {
    prop_oneof![6 => Just("one"), 2 => Just("two"), 2 => Just("FARGATE")]
        .prop_map(|name| name.parse().unwrap())
}

fn made(name: &str) -> Command {
    Command::CreateProvider(NewProvider {
        name: name.parse().unwrap(),
        document: Document::default(),
        spec: ProviderSpec {
            group: (name == "one").then(|| "two".into()),
        },
        tags: Vec::new(),
    })
}

/// Providers, and a cluster that has them.
pub(crate) fn beginning() -> Vec<Command> {
    let providers = ["one", "two", "FARGATE"].map(|name| name.parse().unwrap());
    let capacity = Capacity {
        providers: providers.to_vec(),
        strategy: Vec::new(),
    };
    let put = Command::PutClusterCapacity {
        cluster: ClusterName::default_cluster(),
        capacity,
    };
    vec![made("one"), made("two"), put]
}

fn capacity() -> impl Strategy<Value = Capacity> {
    let item = (provider(), 0_u64..2).prop_map(|(provider, base)| StrategyItem {
        provider,
        base,
        weight: 1,
    });
    (vec(provider(), 0..4), vec(item, 0..2)).prop_map(|(providers, strategy)| Capacity {
        providers,
        strategy,
    })
}

fn waiting() -> impl Strategy<Value = NewWaiting> {
    let amount = select(vec![0_u64, 100, 900]);
    let parts = (task(), cluster(), definition(), provider(), amount);
    parts.prop_map(|(id, cluster, definition, provider, memory_mib)| {
        let mut waiting = waits(id, provider, memory_mib);
        waiting.cluster = cluster;
        waiting.wish.definition = definition;
        waiting
    })
}

/// A task of revision 1 of `web` that waits in the default cluster.
pub(crate) fn waits(id: TaskId, provider: ProviderName, memory_mib: u64) -> NewWaiting {
    NewWaiting {
        id,
        cluster: ClusterName::default_cluster(),
        wish: Wish {
            definition: "web:1".parse().unwrap(),
            provider,
            group: "family:web".into(),
            overrides: Document::default(),
            constraints: Vec::new(),
            strategies: Vec::new(),
        },
        reserved: Reservation {
            memory_mib,
            ..Reservation::default()
        },
        containers: vec![container(id, "a")],
        started_by: String::new(),
        tags: Vec::new(),
        stop_timeout_ms: 30_000,
        enable_execute_command: false,
    }
}

fn step() -> impl Strategy<Value = QueueStep> {
    let placed = (new_task(), provider()).prop_map(|(mut task, provider)| {
        task.provider = Some(provider);
        task
    });
    let parts = (cluster(), 1_u64..12, 0_u64..3, vec(placed, 0..2));
    parts.prop_map(|(cluster, seen_steps, seen_changes, tasks)| QueueStep {
        cluster,
        seen_steps,
        seen_changes,
        tasks,
        look_at: Millis(5000),
    })
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => select(vec!["one", "two"]).prop_map(made),
        1 => provider().prop_map(|name| Command::UpdateProvider { name, document: Document::default() }),
        1 => provider().prop_map(|name| Command::DeleteProvider { name }),
        3 => (cluster(), capacity()).prop_map(|(cluster, capacity)| Command::PutClusterCapacity { cluster, capacity }),
        4 => (vec(new_task(), 0..2), vec(waiting(), 1..3))
            .prop_map(|(tasks, waiting)| Command::QueueTasks { token: None, tasks, waiting, asked: None }),
        2 => step().prop_map(Command::PlaceTasks),
    ]
}
