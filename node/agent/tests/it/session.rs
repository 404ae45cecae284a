//! The conversation by what the nodes hear: finding another node, saying again what was not acknowledged, obeying and not obeying.

use std::time::Duration;

use quorate_agent::RuntimeChoice;
use quorate_proto::agent::refused::Code;
use tokio::time::Instant;

use crate::agent::{FENCING, Home, assignment, container, eventually, shell, task_id, text};
use crate::gateway::{Conversation, Node};

fn home(nodes: &[&Node]) -> Home {
    let mut home = Home::new(
        RuntimeChoice::Process,
        &nodes.iter().map(|node| node.address).collect::<Vec<_>>(),
    );
    home.start();
    home
}

/// A task that runs until it is stopped, on the agent that comes to `node` next.
async fn sleeping(node: &mut Node) -> (String, Conversation) {
    let task = task_id();
    let wanted = assignment(&task, vec![shell("main", "sleep 1000")]);
    let mut talk = node.host(FENCING, vec![wanted]).await;
    talk.until(&task, "RUNNING").await;
    (task, talk)
}

#[tokio::test]
async fn an_agent_says_what_it_is_and_keeps_its_name() {
    let mut node = Node::start();
    let mut home = Home::new(RuntimeChoice::Process, &[node.address]);
    home.config
        .attributes
        .insert("rack".to_owned(), "r7".to_owned());
    (home.config.cpu, home.config.memory) = (Some(512), Some(256));
    home.config.reserved_ports = vec![22];
    home.start();
    let talk = node.host(FENCING, Vec::new()).await;
    let register = &talk.register;
    assert_eq!(
        (register.cluster.as_str(), register.instance_id.as_str()),
        ("default", "")
    );
    let resource = |name: &str| {
        register
            .resources
            .iter()
            .find(|resource| resource.name == name)
            .unwrap()
    };
    assert_eq!(
        (resource("CPU").integer, resource("MEMORY").integer),
        (512, 256)
    );
    let ports = &resource("PORTS").string_set;
    assert!(ports.contains(&"22".to_owned()) && ports.contains(&node.address.port().to_string()));
    for (name, value) in [
        ("rack", "r7"),
        ("ecs.os-type", "linux"),
        ("quorate.runtime", "process"),
    ] {
        assert!(
            register
                .attributes
                .iter()
                .any(|found| found.name == name && found.value == value),
            "{name}"
        );
    }
    let token = register.registration_token.clone();
    assert_eq!(token.len(), 32);
    eventually("the identity is on disk", || {
        text(&home.path().join("identity.json")).contains(&node.instance)
    })
    .await;
    home.kill();
    home.start();
    let talk = node.visit().await;
    assert_eq!(
        (
            talk.register.instance_id.as_str(),
            &talk.register.registration_token
        ),
        (node.instance.as_str(), &token)
    );
}

#[tokio::test]
async fn an_agent_leaves_a_dead_node_for_one_it_was_told_of() {
    let mut first = Node::start();
    let mut second = Node::start_for(first.instance.clone());
    let home = home(&[&first]);
    let task = task_id();
    let wanted = vec![assignment(
        &task,
        vec![shell("main", "echo start; exec sleep 1000")],
    )];
    let mut talk = first.visit().await;
    talk.welcome(&[first.address, second.address]);
    talk.full_set(FENCING, wanted.clone());
    talk.until(&task, "RUNNING").await;
    drop(first);
    let since = Instant::now();
    let mut talk = second.host(FENCING, wanted).await;
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "took {:?}",
        since.elapsed()
    );
    let report = talk.report().await;
    assert!(report.full && report.seq == 1 && report.tasks[0].status == "RUNNING");
    assert_eq!(text(&home.log(&task, "main")), "start\n");
}

#[tokio::test]
async fn an_agent_leaves_a_node_that_falls_silent() {
    let mut first = Node::start();
    let mut second = Node::start_for(first.instance.clone());
    let _home = home(&[&first]);
    let mut talk = first.visit().await;
    talk.welcome(&[first.address, second.address]);
    talk.full_set(FENCING, Vec::new());
    talk.report().await;
    first.fall_silent();
    let since = Instant::now();
    second.host(FENCING, Vec::new()).await;
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "took {:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn a_report_is_said_again_until_it_is_acknowledged() {
    let mut node = Node::start();
    let _home = home(&[&node]);
    let task = task_id();
    let mut talk = node
        .host(
            FENCING,
            vec![assignment(&task, vec![shell("main", "sleep 1000")])],
        )
        .await;
    talk.acknowledges = false;
    let first = talk.report().await;
    let again = talk.report().await;
    assert_eq!(first, again);
    talk.acknowledges = true;
    talk.until(&task, "RUNNING").await;
}

#[tokio::test]
async fn a_node_that_acknowledges_nothing_is_left_and_the_next_hears_everything() {
    let mut node = Node::start();
    let _home = home(&[&node]);
    let mut talk = node.host(FENCING, Vec::new()).await;
    talk.acknowledges = false;
    talk.report().await;
    let mut talk = node.host(FENCING, Vec::new()).await;
    assert!(talk.report().await.full);
}

#[tokio::test]
async fn tasks_go_on_and_end_by_the_rules_while_there_is_no_control_plane() {
    let mut node = Node::start();
    let home = home(&[&node]);
    let task = task_id();
    let wait = "while [ ! -e go ]; do sleep 0.05; done";
    let wanted = vec![assignment(
        &task,
        vec![
            shell("main", wait),
            shell("side", "trap '' TERM; while true; do sleep 0.1; done"),
        ],
    )];
    let mut talk = node.host(FENCING, wanted).await;
    talk.until(&task, "RUNNING").await;
    drop(node);
    std::fs::write(
        home.log(&task, "main").with_file_name("work").join("go"),
        "",
    )
    .unwrap();
    let exits = home.path().join("exits");
    eventually("the other container is stopped", || {
        text(&exits.join(format!("{task}-side.json"))).contains("137")
    })
    .await;
}

#[tokio::test]
async fn what_a_full_set_does_not_name_is_stopped() {
    let mut node = Node::start();
    let mut home = home(&[&node]);
    let (task, _talk) = sleeping(&mut node).await;
    home.kill();
    home.start();
    // A node that has not yet heard of the assignment says nothing about it.
    let mut talk = node.host(FENCING - 1, Vec::new()).await;
    assert_eq!(talk.report().await.tasks[0].status, "RUNNING");
    talk.full_set(FENCING, Vec::new());
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(container(&ended, "main").exit_code, Some(143));
    let containers = home.path().join("containers");
    eventually("it is removed", || {
        std::fs::read_dir(&containers).unwrap().next().is_none()
    })
    .await;
}

#[tokio::test]
async fn a_superseded_agent_ends_and_leaves_its_tasks() {
    let mut node = Node::start();
    let mut home = home(&[&node]);
    let (task, talk) = sleeping(&mut node).await;
    talk.refuse(Code::Superseded);
    assert_eq!(home.ended().await, 1);
    assert!(!home.path().join(format!("exits/{task}-main.json")).exists());
}

#[tokio::test]
async fn a_deregistered_agent_joins_anew_and_stops_what_it_ran() {
    let mut node = Node::start();
    let home = home(&[&node]);
    let (_, talk) = sleeping(&mut node).await;
    talk.refuse(Code::Inactive);
    let again = node.visit().await;
    assert_eq!(again.register.instance_id, "");
    assert_ne!(
        again.register.registration_token,
        talk.register.registration_token
    );
    again.welcome_as("mi-fedcba98765432100", &[node.address]);
    again.full_set(1, Vec::new());
    let containers = home.path().join("containers");
    eventually("the old task is gone", || {
        std::fs::read_dir(&containers).unwrap().next().is_none()
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_cannot_start_says_why_by_its_exit_code() {
    let mut node = Node::start();
    let mut home = home(&[&node]);
    node.visit().await;
    let second = home.run_to_end();
    assert_eq!(second.status.code(), Some(73));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another agent"));
    home.kill();
    home.config.nodes = vec!["nowhere".to_owned()];
    let unclear = home.run_to_end();
    assert_eq!(unclear.status.code(), Some(64));
    home.config.nodes = vec![node.address.to_string()];
    home.start();
    node.visit().await.refuse(Code::Invalid);
    assert_eq!(home.ended().await, 1);
}
