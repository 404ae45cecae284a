//! Stories of agents on a real node, over real streams.

use quorate_core::Command;
use quorate_core::state::{InstanceStatus, TaskStatus};
use quorate_proto::agent::refused::Code;
use quorate_proto::agent::{self as wire, from_agent::Body as Say, to_agent::Body as Hear};

use super::node::{Agent, Node, eventually};
use super::{define_web, start, stop, task};

fn registration(session: u128, instance_id: &str) -> wire::Register {
    let amount = |name: &str| wire::Resource {
        name: name.into(),
        integer: 4096,
        string_set: Vec::new(),
    };
    wire::Register {
        instance_id: instance_id.into(),
        registration_token: "once".into(),
        session: format!("{session:032x}"),
        resources: vec![amount("CPU"), amount("MEMORY")],
        ..wire::Register::default()
    }
}

fn report(seq: u64, number: u128, status: &str) -> Say {
    Say::Report(wire::Report {
        seq,
        full: false,
        tasks: vec![wire::TaskObserved {
            task_id: task(number).to_string(),
            status: status.into(),
            containers: vec![wire::ContainerObserved {
                name: "main".into(),
                status: status.into(),
                ..wire::ContainerObserved::default()
            }],
            ..wire::TaskObserved::default()
        }],
    })
}

/// A registered agent that has heard its full set, and its instance id.
async fn registered(node: &Node, session: u128, instance_id: &str) -> (Agent, String) {
    let mut agent = Agent::connect(node, registration(session, instance_id)).await;
    let welcome = agent.welcome().await;
    agent.full_set().await;
    (agent, welcome.instance_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_assigned_reported_stopped_and_forgotten() {
    let node = Node::start().await;
    let (mut agent, id) = registered(&node, 1, "").await;
    let instance = id.parse().unwrap();
    node.submit(1, define_web()).await.unwrap();
    node.submit(2, start(1, instance)).await.unwrap();
    let delta = agent.delta().await;
    let assignment = &delta.assignments[0];
    assert_eq!(
        (assignment.task_id.clone(), assignment.stop),
        (task(1).to_string(), false)
    );
    assert!(assignment.fencing_index <= delta.applied_index);

    agent.say(report(1, 1, "RUNNING")).await;
    assert_eq!(
        agent.next_but_nodes().await,
        Some(Hear::Ack(wire::Ack { seq: 1 }))
    );
    let state = node.consensus.state();
    assert_eq!(state.task(&task(1)).unwrap().last, TaskStatus::Running);

    node.submit(3, stop(1)).await.unwrap();
    assert!(agent.delta().await.assignments[0].stop);
    agent.say(report(2, 1, "STOPPED")).await;
    let mut heard = [agent.next_but_nodes().await, agent.next_but_nodes().await];
    heard.sort_by_key(|word| matches!(word, Some(Hear::Ack(_))));
    let [Some(Hear::Delta(delta)), Some(Hear::Ack(ack))] = heard else {
        panic!("wanted a delta and an acknowledgement, heard {heard:?}");
    };
    assert_eq!(
        (delta.forgotten_task_ids, ack.seq),
        (vec![task(1).to_string()], 2)
    );
    // What is sent again is acknowledged again.
    agent.say(report(2, 1, "STOPPED")).await;
    assert_eq!(
        agent.next_but_nodes().await,
        Some(Hear::Ack(wire::Ack { seq: 2 }))
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_comes_back_finds_its_instance_and_its_tasks() {
    let node = Node::start().await;
    let (old, id) = registered(&node, 1, "").await;
    let instance = id.parse().unwrap();
    assert!(
        node.consensus
            .state()
            .instance(&instance)
            .unwrap()
            .connected
    );
    node.submit(1, define_web()).await.unwrap();
    node.submit(2, start(1, instance)).await.unwrap();
    drop(old);
    eventually(&node, "the agent is disconnected", |state| {
        !state.instance(&instance).unwrap().connected
    })
    .await;

    let mut back = Agent::connect(&node, registration(2, &id)).await;
    let welcome = back.welcome().await;
    assert_eq!((welcome.instance_id, welcome.incarnation), (id.clone(), 1));
    assert_eq!(back.full_set().await.assignments.len(), 1);

    // A newer session ends an older one, though both are alive.
    let (mut newest, _) = registered(&node, 3, &id).await;
    assert_eq!(back.refused().await.0, Code::Superseded);
    newest
        .say(Say::Heartbeat(wire::Heartbeat { sent_ms: 7 }))
        .await;
    assert_eq!(
        newest.next_but_nodes().await,
        Some(Hear::Heartbeat(wire::Heartbeat { sent_ms: 7 }))
    );
    node.end().await;
    assert_eq!(newest.next_but_nodes().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do() {
    let node = Node::start().await;
    let refusal = async |register| Agent::connect(&node, register).await.refused().await;
    let (code, text) = refusal(wire::Register {
        cluster: "prod".into(),
        ..registration(1, "")
    })
    .await;
    assert_eq!(code, Code::Invalid);
    assert!(text.contains("quorate cluster create prod"), "{text}");
    let (code, text) = refusal(wire::Register::default()).await;
    assert_eq!(code, Code::Invalid);
    assert!(text.contains("token"), "{text}");
    let (code, _) = refusal(registration(1, "mi-00000000000000007")).await;
    assert_eq!(code, Code::Inactive);

    let (mut agent, _) = registered(&node, 2, "").await;
    agent.say(report(1, 1, "DREAMING")).await;
    let (code, text) = agent.refused().await;
    assert_eq!(code, Code::Invalid);
    assert!(text.contains("DREAMING"), "{text}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_state_says_of_a_session_ends_its_stream() {
    let node = Node::start().await;
    let (mut agent, id) = registered(&node, 1, "").await;
    let instance = id.parse().unwrap();
    let session = node.consensus.state().instance(&instance).unwrap().session;
    let disconnect = Command::Disconnect { instance, session };
    node.submit(1, disconnect).await.unwrap();
    assert_eq!(agent.refused().await.0, Code::Retry);

    let (mut agent, _) = registered(&node, 2, &id).await;
    let deregister = Command::DeregisterInstance {
        instance,
        force: false,
    };
    node.submit(2, deregister).await.unwrap();
    assert_eq!(agent.refused().await.0, Code::Inactive);
    let mut again = Agent::connect(&node, registration(3, &id)).await;
    assert_eq!(again.refused().await.0, Code::Inactive);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_agent_is_disconnected_and_its_stream_closed() {
    let node = Node::start().await;
    let (mut agent, id) = registered(&node, 1, "").await;
    let instance = id.parse().unwrap();
    assert_eq!(agent.next_but_nodes().await, None);
    eventually(&node, "the agent is disconnected", |state| {
        let known = state.instance(&instance).unwrap();
        known.status == InstanceStatus::Active && !known.connected
    })
    .await;
    node.end().await;
}
