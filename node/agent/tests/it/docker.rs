//! The docker runtime against a real engine, with an image of busybox made here. Without an engine these tests fail.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Once;
use std::time::Duration;

use quorate_agent::{RuntimeChoice, Span};
use quorate_proto::agent as wire;

use crate::agent::{
    FENCING, Home, assignment, checked, container, eventually, shell, stopped, task_id,
};
use crate::gateway::Node;

static IMAGE: Once = Once::new();

/// Makes a directory with busybox and all its names into an image.
const MAKE_IMAGE: &str = r#"
set -e
docker image inspect quorate-test:busybox >/dev/null 2>&1 && exit 0
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/tmp"
for name in $(busybox --list); do ln -s busybox "$root/bin/$name"; done
cp --remove-destination "$(command -v busybox)" "$root/bin/busybox"
tar -C "$root" -c . | docker import - quorate-test:busybox
"#;

fn home(node: &Node) -> Home {
    let mut home = idle_home(node);
    home.start();
    home
}

/// A home whose agent is still to be started.
fn idle_home(node: &Node) -> Home {
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let version = docker(&["version"]);
    assert!(
        version.status.success(),
        "these tests need a Docker engine (Debian: docker.io, then dockerd): {}",
        told(&version)
    );
    IMAGE.call_once(|| {
        let made = Command::new("sh")
            .args(["-c", MAKE_IMAGE])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "these tests need a static busybox (Debian: busybox-static): {}",
            told(&made)
        );
    });
    Home::new(RuntimeChoice::Docker, &[node.address])
}

fn docker(words: &[&str]) -> Output {
    Command::new("docker")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("the docker command is installed (Debian: docker.io)")
}

fn docker_says(words: &[&str]) -> String {
    String::from_utf8(docker(words).stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// Ids of a task's containers, in any state.
fn containers(task: &str) -> String {
    docker_says(&[
        "ps",
        "-aq",
        "--filter",
        &format!("label=org.quorate.task-id={task}"),
    ])
}

fn name(task: &str, container: &str) -> String {
    format!("quorate-{task}-{container}")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn a_container_serves_on_its_port_and_is_gone_when_forgotten() {
    let mut node = Node::start();
    let _home = home(&node);
    let (task, port) = (task_id(), free_port());
    let mut main = shell(
        "main",
        "echo \"$COLOUR $(pwd)\"; echo hello > index.html; exec httpd -f -p 80 -h .",
    );
    main.environment
        .insert("COLOUR".to_owned(), "blue".to_owned());
    main.working_directory = "/tmp".to_owned();
    main.docker_labels.insert("team".to_owned(), "a".to_owned());
    (main.memory_mib, main.cpu_units) = (64, 128);
    main.ports = vec![wire::PortMapping {
        container_port: 80,
        host_port: port.into(),
        ..Default::default()
    }];
    let wanted = assignment(&task, vec![main, shell("side", "exec sleep 1000")]);
    let mut talk = node.host(FENCING, vec![wanted.clone()]).await;
    let running = talk.until(&task, "RUNNING").await;
    assert_eq!(
        container(&running, "main").bindings[0].host_port,
        u32::from(port)
    );
    let id = container(&running, "main").runtime_id.clone();
    assert_eq!(id.len(), 64);

    eventually("the container answers", || fetch(port).contains("hello")).await;
    assert_eq!(docker_says(&["logs", &id]), "blue /tmp");
    let shown = docker_says(&[
        "inspect",
        "-f",
        "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}} {{.HostConfig.LogConfig.Type}} {{index .Config.Labels \"team\"}} \
         {{index .Config.Labels \"org.quorate.fencing\"}} {{index .Config.Labels \"com.amazonaws.ecs.container-name\"}}",
        &id,
    ]);
    assert_eq!(shown, "67108864 128 json-file a 10 main");

    talk.assign(stopped(wanted));
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(ended.stop_code, "");
    assert!(container(&ended, "main").exit_code.is_some());
    assert_ne!(containers(&task), "", "kept until it is forgotten");
    talk.forget(FENCING + 1, &task);
    eventually("no container is left", || containers(&task).is_empty()).await;
}

#[tokio::test]
async fn the_logs_of_an_ended_container_can_be_read_until_its_cleanup_wait_is_over() {
    let mut node = Node::start();
    let mut home = idle_home(&node);
    home.config.cleanup_wait = Span::new(Duration::from_secs(3600));
    home.start();
    let task = task_id();
    let wanted = assignment(&task, vec![shell("main", "echo why; exit 3")]);
    let mut talk = node.host(FENCING, vec![wanted]).await;
    talk.until(&task, "STOPPED").await;
    talk.forget(FENCING + 1, &task);

    // A new agent has nothing to say of it, and leaves it where it is.
    home.kill();
    home.start();
    let mut talk = node.host(FENCING + 1, Vec::new()).await;
    assert!(talk.report().await.tasks.is_empty());
    assert_eq!(docker_says(&["logs", &name(&task, "main")]), "why");

    // The engine knows when it ended: a second after that has long passed.
    home.kill();
    home.config.cleanup_wait = Span::new(Duration::from_secs(1));
    home.start();
    node.host(FENCING + 1, Vec::new()).await;
    eventually("no container is left", || containers(&task).is_empty()).await;
}

fn fetch(port: u16) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

#[tokio::test]
async fn what_cannot_be_pulled_or_started_says_why() {
    let mut node = Node::start();
    let _home = home(&node);
    let (absent, broken) = (task_id(), task_id());
    let mut no_image = shell("main", "");
    no_image.image = "127.0.0.1:1/no/such:image".to_owned();
    let mut no_program = shell("main", "");
    (no_program.entry_point, no_program.command) =
        (vec!["/no/such/program".to_owned()], Vec::new());
    let all = vec![
        assignment(&absent, vec![no_image]),
        assignment(&broken, vec![no_program]),
    ];
    let mut talk = node.host(FENCING, all).await;
    let ended = talk.until(&absent, "STOPPED").await;
    assert_eq!(ended.stop_code, "TaskFailedToStart");
    assert!(
        ended.reason.starts_with("CannotPullContainerError: "),
        "{}",
        ended.reason
    );
    assert_eq!(container(&ended, "main").exit_code, None);
    let ended = talk.until(&broken, "STOPPED").await;
    assert_eq!(ended.stop_code, "TaskFailedToStart");
    assert!(
        ended.reason.starts_with("CannotStartContainerError: "),
        "{}",
        ended.reason
    );
    assert_eq!(
        containers(&broken),
        "",
        "a container that never ran is not kept"
    );
}

#[tokio::test]
async fn an_essential_exit_stops_the_others_and_a_deaf_one_is_killed() {
    let mut node = Node::start();
    let _home = home(&node);
    let task = task_id();
    let wanted = vec![
        shell("main", "sleep 1; exit 3"),
        shell("deaf", "trap '' TERM; while true; do sleep 0.1; done"),
    ];
    let mut talk = node.host(FENCING, vec![assignment(&task, wanted)]).await;
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(
        (ended.stop_code.as_str(), ended.reason.as_str()),
        (
            "EssentialContainerExited",
            "Essential container in task exited"
        )
    );
    assert_eq!(container(&ended, "main").exit_code, Some(3));
    assert_eq!(container(&ended, "deaf").exit_code, Some(137));
}

#[tokio::test]
async fn the_engine_holds_a_container_to_its_memory() {
    let mut node = Node::start();
    let _home = home(&node);
    let task = task_id();
    let mut greedy = shell("main", "exec dd if=/dev/zero of=/dev/null bs=200M");
    greedy.memory_mib = 16;
    let mut talk = node
        .host(FENCING, vec![assignment(&task, vec![greedy])])
        .await;
    let ended = talk.until(&task, "STOPPED").await;
    let main = container(&ended, "main");
    assert_eq!(
        (main.exit_code, main.reason.as_str()),
        (
            Some(137),
            "OutOfMemoryError: Container killed due to memory usage"
        )
    );
}

#[tokio::test]
async fn a_killed_agent_finds_its_containers_by_their_labels() {
    let mut node = Node::start();
    let mut home = home(&node);
    let (lasting, ending) = (task_id(), task_id());
    let wanted = vec![
        assignment(&lasting, vec![shell("main", "echo start; exec sleep 1000")]),
        assignment(
            &ending,
            vec![shell(
                "main",
                "echo start; while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 7",
            )],
        ),
    ];
    let mut talk = node.host(FENCING, wanted.clone()).await;
    talk.until(&lasting, "RUNNING").await;
    talk.until(&ending, "RUNNING").await;
    let before = docker_says(&[
        "inspect",
        "-f",
        "{{.Id}} {{.State.StartedAt}}",
        &name(&lasting, "main"),
    ]);

    home.kill();
    docker(&["exec", &name(&ending, "main"), "touch", "/tmp/go"]);
    let state = || docker_says(&["inspect", "-f", "{{.State.Status}}", &name(&ending, "main")]);
    eventually("it ends while nobody looks", || state() == "exited").await;
    home.start();

    let mut talk = node.host(FENCING, wanted).await;
    assert!(talk.report().await.full);
    assert_eq!(talk.tasks[&lasting].status, "RUNNING");
    assert_eq!(container(&talk.tasks[&ending], "main").exit_code, Some(7));
    assert_eq!(
        docker_says(&[
            "inspect",
            "-f",
            "{{.Id}} {{.State.StartedAt}}",
            &name(&lasting, "main")
        ]),
        before
    );
    assert_eq!(
        docker_says(&["logs", &name(&ending, "main")]),
        "start",
        "started once"
    );
}

#[tokio::test]
async fn an_agent_touches_its_own_containers_only() {
    let (mut node, mut other) = (Node::start(), Node::start());
    let (_home, _other_home) = (home(&node), home(&other));
    let task = task_id();
    let mut talk = node
        .host(
            FENCING,
            vec![assignment(&task, vec![shell("main", "exec sleep 1000")])],
        )
        .await;
    talk.until(&task, "RUNNING").await;
    let mut other_talk = other.host(FENCING + 5, Vec::new()).await;
    assert!(other_talk.report().await.tasks.is_empty());
    let own = task_id();
    let mut wanted = assignment(&own, vec![shell("main", "exit 0")]);
    wanted.fencing_index = FENCING + 6;
    other_talk.assign(wanted);
    other_talk.until(&own, "STOPPED").await;
    assert_eq!(
        docker_says(&["inspect", "-f", "{{.State.Status}}", &name(&task, "main")]),
        "running"
    );
}

#[tokio::test]
async fn the_engine_checks_what_the_definition_says_and_not_what_the_image_says() {
    let mut node = Node::start();
    let home = home(&node);
    let (task, other) = (task_id(), task_id());
    let image = format!("quorate-test:{other}");
    let base = docker_says(&["create", "quorate-test:busybox", "sh"]);
    docker(&[
        "commit",
        "--change",
        "HEALTHCHECK --interval=1s --start-period=1h CMD false",
        &base,
        &image,
    ]);
    docker(&["rm", &base]);
    let own = shell("main", "exec sleep 1000");
    let of_image = wire::Container {
        image: image.clone(),
        ..own.clone()
    };
    // Its start period would hide the failures, if the image's counted.
    let main = checked(of_image.clone(), "echo not yet; test -e /tmp/well");
    let wanted = vec![
        assignment(&task, vec![main]),
        assignment(&other, vec![of_image]),
    ];
    let mut talk = node.host(FENCING, wanted).await;
    talk.until(&other, "RUNNING").await;
    talk.until_health(&task, "UNHEALTHY").await;
    docker(&["exec", &name(&task, "main"), "touch", "/tmp/well"]);
    talk.until_health(&task, "HEALTHY").await;
    assert_eq!(container(&talk.tasks[&other], "main").health, "");
    let told = docker_says(&[
        "inspect",
        "-f",
        "{{.Config.Healthcheck.Test}} {{.State.Health}}",
        &name(&other, "main"),
    ]);
    assert_eq!(told, "[NONE] <nil>");
    drop(home);
    docker(&["rmi", &image]);
}
