//! An agent as a child process with a directory of its own, and the assignments the tests give it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use quorate_agent::{Config, RuntimeChoice, Span};
use quorate_proto::agent as wire;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(30);
/// The index of every assignment here, unless a test says otherwise.
pub(crate) const FENCING: u64 = 10;

/// An agent's home. Whatever ran in it is ended when it is dropped.
pub(crate) struct Home {
    pub(crate) config: Config,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Home {
    pub(crate) fn new(runtime: RuntimeChoice, nodes: &[SocketAddr]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            nodes: nodes.iter().map(SocketAddr::to_string).collect(),
            data_dir: directory.path().to_owned(),
            runtime,
            // Most tests want to see that nothing is left.
            cleanup_wait: Span::new(Duration::ZERO),
            ..Config::default()
        };
        Self {
            config,
            directory,
            child: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate-agent-fixture"));
        command
            .arg(serde_json::to_string(&self.config).unwrap())
            .stdin(Stdio::null());
        command
    }

    /// Starts the agent.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "one agent at a time");
        self.child = Some(self.command().spawn().unwrap());
    }

    /// Runs an agent that ends by itself.
    pub(crate) fn run_to_end(&self) -> Output {
        self.command()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until the agent has ended by itself.
    pub(crate) async fn ended(&mut self) -> i32 {
        let mut child = self.child.take().unwrap();
        let mut status = None;
        eventually("the agent ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap().code().unwrap()
    }

    /// The file in which a container of a task keeps its output, with the process runtime.
    pub(crate) fn log(&self, task: &str, container: &str) -> PathBuf {
        self.path()
            .join(format!("containers/{task}-{container}/stdout"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let config = self.config.clone();
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(quorate_agent::clean(&config)).unwrap();
        });
        let cleaned = cleaned.join();
        assert!(
            cleaned.is_ok() || std::thread::panicking(),
            "what ran here is ended"
        );
    }
}

/// Waits until `is_so`.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Text of a file; empty if there is none.
pub(crate) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A task id nobody else has.
#[expect(
    clippy::disallowed_methods,
    reason = "tests share a host and an engine, and so need names of their own"
)]
pub(crate) fn task_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A task of the given containers.
pub(crate) fn assignment(task: &str, containers: Vec<wire::Container>) -> wire::Assignment {
    wire::Assignment {
        task_id: task.to_owned(),
        task_arn: format!("arn:aws:ecs:us-east-1:000000000000:task/default/{task}"),
        cluster_arn: "arn:aws:ecs:us-east-1:000000000000:cluster/default".to_owned(),
        family: "test".to_owned(),
        revision: "1".to_owned(),
        fencing_index: FENCING,
        network_mode: "bridge".to_owned(),
        incarnation: 1,
        known_status: "PENDING".to_owned(),
        containers,
        ..Default::default()
    }
}

/// The same task, wanted no more.
pub(crate) fn stopped(mut assignment: wire::Assignment) -> wire::Assignment {
    assignment.stop = true;
    assignment
}

/// An essential container that runs a line of shell, with a second to stop.
pub(crate) fn shell(name: &str, line: &str) -> wire::Container {
    wire::Container {
        name: name.to_owned(),
        image: "quorate-test:busybox".to_owned(),
        entry_point: vec!["/bin/sh".to_owned(), "-c".to_owned()],
        command: vec![line.to_owned()],
        essential: true,
        stop_timeout_s: 1,
        ..Default::default()
    }
}

/// Checked every second by a line of shell, and unhealthy at the second failure in a row.
pub(crate) fn checked(container: wire::Container, line: &str) -> wire::Container {
    let check = wire::HealthCheck {
        command: vec!["CMD-SHELL".to_owned(), line.to_owned()],
        interval_s: 1,
        timeout_s: 1,
        retries: 2,
        start_period_s: 0,
    };
    wire::Container {
        health_check: Some(check),
        ..container
    }
}

/// What a task's only container, or the one so named, amounts to.
pub(crate) fn container<'a>(
    task: &'a wire::TaskObserved,
    name: &str,
) -> &'a wire::ContainerObserved {
    task.containers
        .iter()
        .find(|container| container.name == name)
        .unwrap()
}
