//! Programs that tests use as people do: the aws CLI, Python with boto3, docker, curl, and our own operator commands. Each is
//! found or the test fails.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use quorate_chaos::cluster::{Cluster, Member, REGION};
use serde_json::Value;

use crate::harness::quorate_binary;

/// The aws CLI, as a user of one node.
#[derive(Debug)]
pub struct Aws {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Aws {
    /// A user who calls this node.
    ///
    /// # Panics
    /// If the aws CLI is not there, or the member is no node.
    #[must_use]
    pub fn at(cluster: &Cluster, node: &str) -> Self {
        Self {
            program: tool("QUORATE_AWS", "aws"),
            environment: environment(cluster, node),
        }
    }

    /// Runs `aws ecs ...` and gives its JSON; nothing where it prints nothing, as the waiters do.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn ecs(&self, arguments: &[&str]) -> Value {
        let mut words = vec!["ecs"];
        words.extend(arguments);
        self.run(&words)
    }

    /// Runs `aws ...` and gives its JSON.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Value {
        let output = self.output(arguments);
        assert!(
            output.status.success(),
            "aws {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        match String::from_utf8_lossy(&output.stdout).trim() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .unwrap_or_else(|error| panic!("aws {}: {error}: {text}", arguments.join(" "))),
        }
    }

    /// Runs `aws ecs ...`, which must fail, and gives what it says.
    ///
    /// # Panics
    /// If it succeeds.
    #[must_use]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let mut words = vec!["ecs"];
        words.extend(arguments);
        let output = self.output(&words);
        assert!(
            !output.status.success(),
            "aws {} succeeded",
            words.join(" ")
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(["--output", "json"])
            .envs(self.environment.iter().cloned());
        command
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }
}

/// The operator commands of `quorate`, as a user of a whole cluster.
#[derive(Debug)]
pub struct Operator {
    environment: Vec<(&'static str, String)>,
}

impl Operator {
    /// A user who may call any node.
    ///
    /// # Panics
    /// If the cluster has no node.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let nodes: Vec<&Member> = cluster.living_nodes().map(|(member, _)| member).collect();
        let mut environment = environment(cluster, &nodes[0].name);
        let endpoints = cluster
            .living_nodes()
            .map(|(_, addresses)| format!("http://{}", addresses.api));
        // The later of two values holds.
        environment.push((
            "AWS_ENDPOINT_URL_ECS",
            endpoints.collect::<Vec<_>>().join(","),
        ));
        Self { environment }
    }

    /// `quorate ...`, to be started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(quorate_binary());
        command
            .args(arguments)
            .envs(self.environment.iter().cloned());
        command
    }

    /// Runs `quorate ...`, and gives its exit code and what it printed: standard output, standard error.
    ///
    /// # Panics
    /// If it cannot be run, or ends by a signal.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("quorate {arguments:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("it ends by itself");
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// Runs `quorate ...`, which must succeed, and gives what it printed.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let (code, printed, said) = self.run(arguments);
        assert_eq!(code, 0, "quorate {arguments:?}: {said}{printed}");
        printed
    }
}

/// Runs a Python program with boto3 as a user of one node, and gives what it printed.
///
/// # Panics
/// If it fails.
#[must_use]
pub fn python(cluster: &Cluster, node: &str, program: &str, arguments: &[&str]) -> String {
    let output = python_command(cluster, node, program, arguments).output();
    printed(program, output)
}

/// A Python program with boto3 that watches beside a test, as a user of one node, until it is told that it has seen enough.
#[derive(Debug)]
pub struct Watcher {
    program: String,
    process: Child,
}

impl Watcher {
    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(cluster: &Cluster, node: &str, program: &str, arguments: &[&str]) -> Self {
        let mut command = python_command(cluster, node, program, arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let process = command.spawn();
        Self {
            program: program.to_owned(),
            process: process.unwrap_or_else(|error| panic!("python: {error}")),
        }
    }

    /// Ends its standard input, and gives what it printed.
    ///
    /// # Panics
    /// If it failed.
    #[must_use]
    pub fn finish(mut self) -> String {
        drop(self.process.stdin.take());
        printed(&self.program, self.process.wait_with_output())
    }
}

fn python_command(cluster: &Cluster, node: &str, program: &str, arguments: &[&str]) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(program);
    let mut command = Command::new(tool("QUORATE_PYTHON", "python3"));
    command
        .arg(path)
        .args(arguments)
        .envs(environment(cluster, node));
    command
}

fn printed(program: &str, output: io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program}: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

/// Runs a program that must succeed, and gives what it printed.
///
/// # Panics
/// If it fails or is not there.
#[must_use]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What points AWS tools at a node, and keeps the user's own settings out.
fn environment(cluster: &Cluster, node: &str) -> Vec<(&'static str, String)> {
    let member = cluster.member(node).expect("the story names a member");
    let endpoint = format!(
        "http://{}",
        member.addresses.as_ref().expect("the member is a node").api
    );
    let keys = &cluster.identity().key_pair;
    vec![
        ("AWS_ENDPOINT_URL_ECS", endpoint.clone()),
        ("AWS_ENDPOINT_URL_STS", endpoint),
        ("AWS_ACCESS_KEY_ID", keys.id.clone()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret.clone()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_MAX_ATTEMPTS", "1".to_owned()),
        ("AWS_PAGER", String::new()),
    ]
}

/// The program that `tests/run` has installed, else the one on the path.
fn tool(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}
