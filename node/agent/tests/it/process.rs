//! The process runtime by its deeds: what runs, how it ends, and that nothing of it is left.

use std::fs;
use std::path::Path;
use std::time::Duration;

use quorate_agent::{RuntimeChoice, Span};
use quorate_proto::agent as wire;

use crate::agent::{
    FENCING, Home, assignment, checked, container, eventually, shell, stopped, task_id, text,
};
use crate::gateway::Node;

fn home(node: &Node) -> Home {
    let mut home = Home::new(RuntimeChoice::Process, &[node.address]);
    home.start();
    home
}

/// Processes whose command line holds `mark`; zombies have none.
fn processes(mark: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| text(Path::new(&format!("/proc/{pid}/cmdline"))).contains(mark))
        .collect()
}

/// Cgroups made for `task`, in every hierarchy there is.
fn cgroups(task: &str) -> usize {
    fn below(directory: &Path, task: &str) -> usize {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories
            .map(|entry| {
                usize::from(entry.file_name().to_string_lossy().contains(task))
                    + below(&entry.path(), task)
            })
            .sum()
    }
    below(Path::new("/sys/fs/cgroup"), task)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[tokio::test]
async fn an_essential_exit_ends_the_task_and_nothing_of_it_is_left() {
    let mut node = Node::start();
    let home = home(&node);
    let task = task_id();
    let mut main = shell(
        "main",
        "env; while [ ! -e go ]; do sleep 0.05; done; exit 3",
    );
    main.environment
        .insert("COLOUR".to_owned(), "blue".to_owned());
    let port = |container_port, host_port| wire::PortMapping {
        container_port,
        host_port,
        ..Default::default()
    };
    main.ports = vec![port(80, 40080), port(443, 40443)];
    let wanted = assignment(
        &task,
        vec![main, shell("side", &format!("exec sleep 1000 # {task}"))],
    );
    let mut talk = node.host(FENCING, vec![wanted]).await;

    let running = talk.until(&task, "RUNNING").await;
    assert_eq!(
        container(&running, "main")
            .bindings
            .iter()
            .map(|port| port.host_port)
            .collect::<Vec<_>>(),
        [40080, 40443]
    );
    let output = home.log(&task, "main");
    expect_environment(&output).await;
    fs::write(output.with_file_name("work").join("go"), "").unwrap();

    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(
        (ended.stop_code.as_str(), ended.reason.as_str()),
        (
            "EssentialContainerExited",
            "Essential container in task exited"
        )
    );
    assert_eq!(container(&ended, "main").exit_code, Some(3));
    assert_eq!(container(&ended, "side").exit_code, Some(143));
    assert!(ended.execution_stopped_ms > 0);

    assert!(
        !is_empty(&home.path().join("containers")),
        "kept until it is forgotten"
    );
    talk.forget(FENCING + 1, &task);
    eventually("no file is left", || {
        is_empty(&home.path().join("containers")) && is_empty(&home.path().join("exits"))
    })
    .await;
    assert_eq!((processes(&task).len(), cgroups(&task)), (0, 0));
}

#[tokio::test]
async fn what_an_ended_process_said_can_be_read_until_its_cleanup_wait_is_over() {
    let mut node = Node::start();
    let mut home = Home::new(RuntimeChoice::Process, &[node.address]);
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
    assert_eq!(text(&home.log(&task, "main")), "why\n");

    // By its record it ended long ago; what counts is that, not how long this agent has known of it.
    home.kill();
    let path = home.path().join(format!("exits/{task}-main.json"));
    let mut exit: serde_json::Value = serde_json::from_str(&text(&path)).unwrap();
    exit["at_ms"] = 1.into();
    fs::write(&path, exit.to_string()).unwrap();
    home.start();
    node.host(FENCING + 1, Vec::new()).await;
    eventually("no file is left", || {
        is_empty(&home.path().join("containers")) && is_empty(&home.path().join("exits"))
    })
    .await;
}

async fn expect_environment(output: &Path) {
    eventually("the environment is printed", || {
        text(output).contains("QUORATE_FENCING=10")
    })
    .await;
    for line in [
        "COLOUR=blue",
        "PORT=40080",
        "QUORATE_PORT_80=40080",
        "QUORATE_PORT_443=40443",
    ] {
        assert!(
            text(output).lines().any(|found| found == line),
            "{line} in {}",
            text(output)
        );
    }
    assert!(
        !text(output).contains("CARGO"),
        "the agent's environment is its own"
    );
}

#[tokio::test]
async fn a_process_that_will_not_stop_is_killed_with_all_it_started() {
    let mut node = Node::start();
    let _home = home(&node);
    let task = task_id();
    // One child leaves the session, another leaves its parent: neither escapes.
    let mark =
        format!("sleep 1{}", u32::from_str_radix(&task[..7], 16).unwrap()).replace(' ', "\0");
    let line = format!(
        "trap '' TERM; setsid {0} & ({0} &); while true; do sleep 0.1; done",
        mark.replace('\0', " ")
    );
    let wanted = assignment(&task, vec![shell("main", &line)]);
    let mut talk = node.host(FENCING, vec![wanted.clone()]).await;
    talk.until(&task, "RUNNING").await;
    eventually("its children run", || processes(&mark).len() == 2).await;
    talk.assign(stopped(wanted));
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(container(&ended, "main").exit_code, Some(137));
    assert_eq!(ended.stop_code, "", "the control plane knows why");
    assert_eq!((processes(&mark).len(), cgroups(&task)), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut node = Node::start();
    let home = home(&node);
    let (missing, unfit, sample) = (task_id(), task_id(), task_id());
    let mut no_such = shell("main", "");
    (no_such.entry_point, no_such.command) = (vec!["no-such-program".to_owned()], Vec::new());
    let script = home.path().join("unfit");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let bare = |image: String| wire::Container {
        name: "main".to_owned(),
        image,
        essential: true,
        ..Default::default()
    };
    let all = vec![
        assignment(&missing, vec![no_such]),
        assignment(&unfit, vec![bare(script.display().to_string())]),
        assignment(&sample, vec![bare("quorate/sample-app:latest".to_owned())]),
    ];
    let mut talk = node.host(FENCING, all).await;
    let ended = talk.until(&missing, "STOPPED").await;
    assert_eq!(ended.stop_code, "TaskFailedToStart");
    assert_eq!(
        ended.reason,
        "CannotStartContainerError: exec: \"no-such-program\": executable file not found in $PATH"
    );
    let ended = talk.until(&unfit, "STOPPED").await;
    assert_eq!(ended.stop_code, "TaskFailedToStart");
    assert!(
        ended.reason.contains("No such file or directory"),
        "{}",
        ended.reason
    );
    let ended = talk.until(&sample, "STOPPED").await;
    assert_eq!(container(&ended, "main").exit_code, Some(0));
    assert_eq!(text(&home.log(&sample, "main")), "sample\n");
}

#[tokio::test]
async fn the_kernel_holds_a_process_to_its_memory() {
    let mut node = Node::start();
    let _home = home(&node);
    let task = task_id();
    let mut greedy = shell("main", "");
    greedy.entry_point = vec!["/bin/bash".to_owned(), "-c".to_owned()];
    greedy.command = vec!["a=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#a}".to_owned()];
    greedy.memory_mib = 32;
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
    assert_eq!(cgroups(&task), 0);
}

#[tokio::test]
async fn a_killed_agent_adopts_what_runs_and_learns_what_ended() {
    let mut node = Node::start();
    let mut home = home(&node);
    let (lasting, ending) = (task_id(), task_id());
    let wait = "echo start; while [ ! -e go ]; do sleep 0.05; done; exit 7";
    let wanted = vec![
        assignment(&lasting, vec![shell("main", "echo start; exec sleep 1000")]),
        assignment(&ending, vec![shell("main", wait)]),
    ];
    let mut talk = node.host(FENCING, wanted.clone()).await;
    talk.until(&lasting, "RUNNING").await;
    talk.until(&ending, "RUNNING").await;

    home.kill();
    let output = home.log(&ending, "main");
    fs::write(output.with_file_name("work").join("go"), "").unwrap();
    let exit = home.path().join(format!("exits/{ending}-main.json"));
    eventually("it ends while nobody looks", || exit.exists()).await;
    home.start();

    let mut talk = node.host(FENCING, wanted).await;
    let report = talk.report().await;
    assert!(report.full && report.seq == 1);
    assert_eq!(talk.tasks[&lasting].status, "RUNNING");
    let ended = &talk.tasks[&ending];
    assert_eq!(
        (ended.status.as_str(), container(ended, "main").exit_code),
        ("STOPPED", Some(7))
    );
    assert_eq!(text(&home.log(&lasting, "main")), "start\n", "started once");
    assert_eq!(text(&output), "start\n", "started once");
}

#[tokio::test]
async fn a_task_that_ran_and_is_lost_is_not_started_again() {
    let mut node = Node::start();
    let _home = home(&node);
    let task = task_id();
    let mut wanted = assignment(&task, vec![shell("main", "sleep 1000")]);
    wanted.known_status = "RUNNING".to_owned();
    let mut talk = node.host(FENCING, vec![wanted]).await;
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(ended.stop_code, "EssentialContainerExited");
    assert!(
        container(&ended, "main")
            .reason
            .starts_with("ContainerNotFoundError"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_task_whose_shim_was_killed_is_over() {
    let mut node = Node::start();
    let home = home(&node);
    let task = task_id();
    let mut talk = node
        .host(
            FENCING,
            vec![assignment(
                &task,
                vec![shell(
                    "main",
                    &format!("while true; do sleep 1; done; : {task}"),
                )],
            )],
        )
        .await;
    talk.until(&task, "RUNNING").await;
    let shim = text(
        &home
            .path()
            .join(format!("containers/{task}-main/shim.json")),
    );
    let shim: serde_json::Value = serde_json::from_str(&shim).unwrap();
    let pid = i32::try_from(shim["shim"]["number"].as_i64().unwrap()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(container(&ended, "main").exit_code, None);
    eventually("its process is ended too", || processes(&task).is_empty()).await;
}

#[tokio::test]
async fn a_check_runs_beside_its_process_also_while_no_agent_is_there() {
    let mut node = Node::start();
    let mut home = home(&node);
    let task = task_id();
    let line = "cat /proc/self/cgroup; while true; do sleep 0.1; done";
    let check = "cat /proc/self/cgroup > cgroup; echo \"$COLOUR\"; test -e well";
    let mut main = checked(shell("main", line), check);
    main.environment
        .insert("COLOUR".to_owned(), "blue".to_owned());
    let wanted = vec![assignment(&task, vec![main])];
    let mut talk = node.host(FENCING, wanted.clone()).await;
    talk.until(&task, "RUNNING").await;
    talk.until_health(&task, "UNHEALTHY").await;

    let said = home.path().join(format!("health/{task}-main.json"));
    assert!(text(&said).contains("blue"), "{}", text(&said));
    let output = home.log(&task, "main");
    let work = output.with_file_name("work");
    assert_eq!(text(&work.join("cgroup")), text(&output), "in its cgroup");

    home.kill();
    fs::write(work.join("well"), "").unwrap();
    eventually("it is well while nobody looks", || {
        text(&said).contains("HEALTHY") && !text(&said).contains("UNHEALTHY")
    })
    .await;
    home.start();
    let mut talk = node.host(FENCING, wanted.clone()).await;
    assert!(talk.report().await.full);
    assert_eq!(container(&talk.tasks[&task], "main").health, "HEALTHY");

    talk.assign(stopped(wanted[0].clone()));
    let ended = talk.until(&task, "STOPPED").await;
    assert_eq!(container(&ended, "main").health, "", "what it said last");
    talk.forget(FENCING + 1, &task);
    eventually("no word of it is left", || {
        is_empty(&home.path().join("health"))
    })
    .await;
}

#[tokio::test]
async fn a_check_that_takes_too_long_has_failed_and_is_ended() {
    let mut node = Node::start();
    let home = home(&node);
    let task = task_id();
    let mark = format!("sleep 1{}", u32::from_str_radix(&task[..7], 16).unwrap());
    let main = checked(
        shell("main", "exec sleep 1000"),
        &format!("{mark} & {mark}"),
    );
    let mut talk = node
        .host(FENCING, vec![assignment(&task, vec![main])])
        .await;
    talk.until_health(&task, "UNHEALTHY").await;
    let said = text(&home.path().join(format!("health/{task}-main.json")));
    assert!(
        said.contains("Health check exceeded timeout (1s)"),
        "{said}"
    );
    // One run may be under way.
    let sleeping = mark.replace(' ', "\0");
    eventually("no run of it is left", || processes(&sleeping).is_empty()).await;
}
