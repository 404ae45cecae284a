//! Starts that must fail: each says what is wrong and exits with its own code, and none harms what is there.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use quorate_tests::harness::{TestCluster, eventually, quorate_binary};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

const CONFIG: i32 = 64;
const DATA_DIR: i32 = 73;
const DISK_HOLDS_LESS: i32 = 74;
const PORT_TAKEN: i32 = 98;

/// The guard file notes how far the log reaches once in a while, not with every entry; it has done so after this many.
const ENTRIES_NOTED: usize = 150;

/// Nodes tell each other what they hold about every second; a busy machine is late.
const WITNESSED_AFTER: Duration = Duration::from_secs(4);

/// A start that fails does so at once.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Runs `quorate server` for a cluster of one, until it ends by itself.
async fn server(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(quorate_binary());
    command
        .args(["server", "--node-id", "1", "--data-dir"])
        .arg(data_dir);
    command
        .args(["--access-key", "AKIATEST:secret"])
        .args(arguments)
        .kill_on_drop(true);
    // Nothing listens on port 1 of anything, but an address there can be parsed; the listeners are the story's.
    for (flag, default) in [
        ("--api", "127.0.0.1:0"),
        ("--peer", "127.0.0.1:0"),
        ("--health", "127.0.0.1:0"),
    ] {
        if !arguments.contains(&flag) {
            command.args([flag, default]);
        }
    }
    let output = timeout(START_LIMIT, command.output())
        .await
        .expect("a start that fails ends by itself");
    output.expect("the binary runs")
}

fn assert_ends(output: &Output, code: i32, says: &[&str]) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in says {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a place for temporary files")
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let folder = folder();
    for flag in ["--api", "--peer", "--health"] {
        assert_ends(
            &server(folder.path(), &[flag, &address]).await,
            PORT_TAKEN,
            &[&address],
        );
    }
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written() {
    // A file stands where the directory should be: not even root can write into that.
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "not a directory").expect("the file can be written");
    let below = file.join("data");
    assert_ends(
        &server(&below, &[]).await,
        DATA_DIR,
        &[&below.to_string_lossy()],
    );
}

#[tokio::test]
async fn a_setting_that_does_not_exist_or_cannot_be() {
    let folder = folder();
    let config = folder.path().join("server.toml");
    fs::write(&config, "lost-afer = \"60s\"\n").expect("the file can be written");
    let output = server(
        &folder.path().join("data"),
        &["--config", &config.to_string_lossy()],
    )
    .await;
    assert_ends(&output, CONFIG, &["lost-afer", "lost-after"]);
    assert_ends(
        &server(&folder.path().join("data"), &["--account", "12"]).await,
        CONFIG,
        &["account"],
    );
    assert_ends(
        &server(
            &folder.path().join("data"),
            &["--nodes", "7=127.0.0.1:1/127.0.0.1:2"],
        )
        .await,
        CONFIG,
        &["nodes"],
    );
}

#[tokio::test]
async fn a_second_process_on_one_data_directory() {
    let cluster = TestCluster::start(|options| options.agents = 0).await;
    let n1 = cluster
        .member("n1")
        .expect("n1 is a node")
        .data_dir(cluster.directory());
    let output = server(&n1, &[]).await;
    assert_ends(&output, DATA_DIR, &[&n1.to_string_lossy(), "in use"]);
    assert_eq!(cluster.living_nodes().count(), 3, "the first goes on");
    cluster.any().register_sleeper("still-served").await;

    let agent = TestCluster::start(|options| options.agents = 1).await;
    let a1 = agent
        .member("a1")
        .expect("a1 is an agent")
        .data_dir(agent.directory());
    let mut second = Command::new(quorate_binary());
    second
        .args([
            "agent",
            "--nodes",
            "127.0.0.1:1",
            "--runtime",
            "process",
            "--data-dir",
        ])
        .arg(&a1)
        .kill_on_drop(true);
    let output = timeout(START_LIMIT, second.output())
        .await
        .expect("it ends by itself")
        .expect("the binary runs");
    assert_ends(&output, DATA_DIR, &[&a1.to_string_lossy()]);
}

/// A disk that lost its log, or came back from an old copy, must not vote: it would break promises it no longer knows.
#[tokio::test]
async fn a_disk_that_holds_less_than_it_promised() {
    for engine in ["sled", "segments"] {
        let mut cluster = TestCluster::start(|options| {
            options.agents = 0;
            options.node_arguments = vec!["--log-engine".to_owned(), engine.to_owned()];
        })
        .await;
        let any = cluster.any();
        any.register_sleeper("before").await;
        let follower = cluster.followers().await.remove(0);
        cluster.kill(&follower).expect("a follower can be killed");
        let data = cluster
            .member(&follower)
            .expect("it is a member")
            .data_dir(cluster.directory());
        let old_copy = cluster.directory().join("old-copy");
        copy(&data, &old_copy);
        cluster.start(&follower).expect("a node starts on its data");
        cluster.serve().await;
        for _ in 0..ENTRIES_NOTED {
            any.register_sleeper("after").await;
        }
        // The others hear about every second what it holds.
        sleep(WITNESSED_AFTER).await;
        cluster.kill(&follower).expect("a follower can be killed");
        restore_log(&old_copy, &data);
        expect_refusal(&mut cluster, &follower, engine).await;
        any.register_sleeper("the-others-serve").await;

        // Guard and all: only the others can tell.
        fs::remove_dir_all(&data).expect("the data can be removed");
        copy(&old_copy, &data);
        expect_refusal(&mut cluster, &follower, engine).await;
        any.register_sleeper("the-others-serve").await;
    }
}

async fn expect_refusal(cluster: &mut TestCluster, node: &str, engine: &str) {
    cluster.start(node).expect("the process starts");
    let process = cluster
        .member(node)
        .expect("it is a member")
        .process
        .expect("it was started");
    eventually(
        "the node refuses to run on such a disk",
        START_LIMIT,
        || async { (!process.is_alive()).then_some(()) },
    )
    .await;
    let log = cluster.log_tail(node).to_lowercase();
    assert!(log.contains("less than"), "{engine}: what is wrong: {log}");
    let is_told = ["with a new node id", "under a new id"]
        .iter()
        .any(|way| log.contains(way));
    assert!(is_told, "{engine}: what to do: {log}");
    let code = cluster.exit_code(node).expect("the node was our child");
    assert_eq!(code, Some(DISK_HOLDS_LESS), "{engine}: {log}");
}

/// Puts the log back to what it was and leaves the guard file: what a lost tail or a restored log looks like.
fn restore_log(old: &Path, data: &Path) {
    let (old, data) = (old.join("consensus/log"), data.join("consensus/log"));
    fs::remove_dir_all(&data).expect("the log can be removed");
    copy(&old, &data);
}

fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .expect("cp runs");
    assert!(done.success(), "{} cannot be copied", from.display());
}

#[tokio::test]
async fn sigterm_closes_in_order() {
    let mut cluster = TestCluster::start(|_| {}).await;
    for name in cluster.names().into_iter().rev() {
        let process = cluster
            .member(&name)
            .expect("it is a member")
            .process
            .expect("it was started");
        process.signal(Signal::TERM).expect("it runs");
        eventually("it ends when it is asked to", START_LIMIT, || async {
            (!process.is_alive()).then_some(())
        })
        .await;
        let log = cluster.log_tail(&name);
        assert_eq!(
            cluster.exit_code(&name).expect("it was our child"),
            Some(0),
            "{name}: {log}"
        );
    }
}
