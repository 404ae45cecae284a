//! Programs that tests use as people do: the aws CLI, Python with boto3, docker, curl, and our own operator commands. Each is
//! found or the test fails.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use quorate_chaos::cluster::{Cluster, Member, REGION};
use serde_json::Value;

use crate::harness::quorate_binary;

/// The aws CLI, as a user of one node.
#[derive(Debug)]
pub struct Aws {
    program: PathBuf,
    endpoint: Vec<String>,
    environment: Environment,
}

impl Aws {
    /// A user who calls this node.
    ///
    /// # Panics
    /// If the aws CLI is not there, or the member is no node.
    #[must_use]
    pub fn at(cluster: &Cluster, node: &str) -> Self {
        Self::of(environment(cluster, node))
    }

    /// A user of the aws CLI's first version, told by the environment whom to call.
    #[must_use]
    pub fn of(environment: Environment) -> Self {
        Self {
            program: tool("QUORATE_AWS", "aws"),
            endpoint: Vec::new(),
            environment,
        }
    }

    /// A user of the aws CLI's second version. Debian's takes an endpoint as an argument and in no other way.
    #[must_use]
    pub fn second(judge: &Judge<'_>) -> Self {
        Self {
            program: tool("QUORATE_AWS_2", "/usr/bin/aws"),
            endpoint: vec!["--endpoint-url".to_owned(), judge.endpoint.clone()],
            environment: judge.environment(),
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
            .args(&self.endpoint)
            .envs(self.environment.iter().cloned());
        command
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }
}

/// The operator commands of `quorate`, as a user of a whole cluster.
#[derive(Debug)]
pub struct Operator {
    environment: Environment,
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
        let mut command = python_command(environment(cluster, node), program, arguments);
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

/// Stands between clients and one node, and holds every answer against the AWS model of its operation.
#[derive(Debug)]
pub struct Judge<'a> {
    cluster: &'a Cluster,
    process: Child,
    printed: BufReader<ChildStdout>,
    endpoint: String,
}

impl<'a> Judge<'a> {
    /// Starts one before this node.
    ///
    /// # Panics
    /// If it cannot be started, or the member is no node.
    #[must_use]
    pub fn before(cluster: &'a Cluster, node: &str) -> Self {
        let address = api(cluster, node);
        let mut command = python_command(Vec::new(), "judge.py", &[&address]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("python: {error}"));
        let mut printed = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut port = String::new();
        printed.read_line(&mut port).expect("the judge prints text");
        assert!(!port.is_empty(), "the judge has ended");
        Self {
            cluster,
            process,
            printed,
            endpoint: format!("http://127.0.0.1:{}", port.trim()),
        }
    }

    /// What points AWS tools at it.
    #[must_use]
    pub fn environment(&self) -> Environment {
        environment_at(self.cluster, &self.endpoint)
    }

    /// Runs a Python program of `tests/clients`, which must succeed, and gives what it printed.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn python(&self, program: &str, arguments: &[&str]) -> String {
        let output = python_command(self.environment(), program, arguments).output();
        printed(program, output)
    }

    /// Runs any program as a user of the node.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .envs(self.environment())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    }

    /// Ends it, and gives how often it saw an answer to which operation.
    ///
    /// # Panics
    /// If any answer was not as the model says, or there was none.
    pub fn finish(mut self) -> Value {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.printed
            .read_to_string(&mut text)
            .expect("the judge prints text");
        let status = self.process.wait().expect("it is our child");
        assert!(status.success(), "the judge failed: {text}");
        let mut said: Value = serde_json::from_str(&text).expect("the judge prints JSON");
        assert_eq!(
            said["wrong"],
            Value::Object(serde_json::Map::new()),
            "answers that are not as the model says, and how many"
        );
        let seen = said["seen"].take();
        assert!(
            seen.as_object().is_some_and(|seen| !seen.is_empty()),
            "the judge saw no answer"
        );
        seen
    }
}

impl Drop for Judge<'_> {
    fn drop(&mut self) {
        // Its standard input ends with this value, and it with that.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn python_command(environment: Environment, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(tool("QUORATE_PYTHON", "python3"));
    command
        .arg(client(program))
        .args(arguments)
        .envs(environment);
    command
}

/// A file of `tests/clients`.
#[must_use]
pub fn client(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(name)
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

/// What points AWS tools at an endpoint, and keeps the user's own settings out.
pub type Environment = Vec<(&'static str, String)>;

fn environment(cluster: &Cluster, node: &str) -> Environment {
    environment_at(cluster, &format!("http://{}", api(cluster, node)))
}

fn api(cluster: &Cluster, node: &str) -> String {
    let member = cluster.member(node).expect("the story names a member");
    let addresses = member.addresses.as_ref().expect("the member is a node");
    addresses.api.to_string()
}

fn environment_at(cluster: &Cluster, endpoint: &str) -> Environment {
    let keys = &cluster.identity().key_pair;
    vec![
        ("AWS_ENDPOINT_URL_ECS", endpoint.to_owned()),
        ("AWS_ENDPOINT_URL_STS", endpoint.to_owned()),
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
#[must_use]
pub fn tool(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}
