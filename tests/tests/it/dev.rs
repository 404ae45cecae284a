//! `quorate dev`, as the newcomer meets it: it serves, the sample answers, Ctrl-C leaves nothing.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use quorate_chaos::cluster::{ProcessId, ask};
use quorate_tests::harness::{eventually, quorate_binary};
use quorate_tests::tools::run;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Three nodes, two agents and three sample tasks on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(60);

/// Far from the defaults, so that a developer's own `quorate dev` is not in the way.
const BASE_PORT: &str = "17570";

#[tokio::test]
async fn dev_serves_a_sample_and_leaves_nothing_behind_with_processes() {
    story("process").await;
}

#[tokio::test]
async fn dev_serves_a_sample_and_leaves_nothing_behind_with_containers() {
    story("docker").await;
}

async fn story(runtime: &str) {
    let scratch = tempfile::tempdir().expect("there is a place for temporary files");
    let (cgroups_before, containers_before) = (cgroups(), containers(runtime));
    let mut dev = start(scratch.path(), runtime);
    let pid = ProcessId::of(dev.id().expect("it runs")).expect("it runs");
    let output = dev.stdout.take().expect("its output is a pipe");
    let url = timeout(READY_LIMIT, first_url(output))
        .await
        .expect("it says in time where the sample answers");

    let address = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let answer = eventually("the sample answers", READY_LIMIT, || async {
        ask(&address, "/").await.ok()
    })
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let curl = run("curl", &["--silent", "--show-error", "--fail", &url]);
    assert!(!curl.is_empty());
    let children = descendants(pid.pid);
    assert!(
        children.len() >= 5,
        "three nodes and two agents: {children:?}"
    );

    pid.signal(Signal::INT).expect("it runs");
    let status = timeout(END_LIMIT, dev.wait())
        .await
        .expect("it ends in time")
        .expect("it can be waited for");
    assert!(matches!(status.code(), Some(0 | 130)), "{status}");
    let left: Vec<_> = children.iter().filter(|child| child.is_alive()).collect();
    assert!(left.is_empty(), "processes are left: {left:?}");
    let files: Vec<_> = std::fs::read_dir(scratch.path())
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(files.is_empty(), "files are left: {files:?}");
    assert_eq!(cgroups(), cgroups_before, "cgroups are left");
    assert_eq!(
        containers(runtime),
        containers_before,
        "containers are left"
    );
}

/// The sample's containers that there are; a developer's own `quorate dev` may have some.
fn containers(runtime: &str) -> String {
    let filter = "label=com.amazonaws.ecs.task-definition-family=quorate-sample";
    if runtime == "docker" {
        run("docker", &["ps", "--all", "--quiet", "--filter", filter])
    } else {
        String::new()
    }
}

fn start(scratch: &Path, runtime: &str) -> Child {
    let mut dev = Command::new(quorate_binary());
    dev.args(["dev", "--runtime", runtime, "--base-port", BASE_PORT]);
    // Its own data directory is a temporary one; here we can see whether it goes.
    dev.env("TMPDIR", scratch)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    dev.spawn().expect("the binary runs")
}

/// The address that the newcomer is told to `curl`.
async fn first_url(output: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(output).lines();
    let mut seen = String::new();
    while let Some(line) = lines.next_line().await.expect("its output can be read") {
        seen.push_str(&line);
        seen.push('\n');
        if let Some((_, rest)) = line.split_once("curl ") {
            let url = rest
                .split_whitespace()
                .find(|word| word.starts_with("http://"));
            return url
                .unwrap_or_else(|| panic!("curl what? {line}"))
                .to_owned();
        }
    }
    panic!("it ended without a word about curl:\n{seen}");
}

/// All processes that descend from this one.
fn descendants(of: i32) -> Vec<ProcessId> {
    let children = run("ps", &["-e", "-o", "pid=,ppid="]);
    let pairs: Vec<(i32, i32)> = children
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect();
    let mut family = vec![of];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(
            pairs
                .iter()
                .filter(|(_, its)| *its == parent)
                .map(|(child, _)| child),
        );
        at += 1;
    }
    family[1..]
        .iter()
        .filter_map(|pid| ProcessId::of(u32::try_from(*pid).ok()?))
        .collect()
}

/// The cgroups of tasks that there are.
fn cgroups() -> Vec<String> {
    let found = run(
        "find",
        &["/sys/fs/cgroup", "-path", "*/quorate/*", "-type", "d"],
    );
    let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
    found.sort();
    found
}
