//! `quorate dev`: a whole cluster on this machine, for as long as it is wanted: nodes and agents as child processes, a
//! sample to look at, and nothing left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use quorate_agent::RuntimeChoice;
use quorate_client::Client;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::dev::child::{Group, Kept};
use crate::dev::layout::Layout;
use crate::dev::report::Report;
use crate::dev::runtime::{self, Chosen};
use crate::dev::{cluster, defaults, sample};
use crate::failure::{Exit, Failure};
use crate::render::print;
use crate::signals::Endings;

/// An election takes about a second; a debug build on a busy machine some more.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Longer than one task may take to stop; all are asked at the same time.
const TASKS_LIMIT: Duration = Duration::from_secs(45);

/// How the cluster is to be.
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = defaults::NODES, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = defaults::AGENTS, value_parser = clap::value_parser!(u16).range(0..=20))]
    agents: u16,
    /// What runs containers: docker, process, or auto (Docker where an engine answers and can run the sample)
    #[arg(long, default_value = "auto")]
    runtime: RuntimeChoice,
    /// First port; a node takes three, and the next node's begin ten higher
    #[arg(long, value_name = "PORT", default_value_t = defaults::BASE_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    base_port: u16,
    /// Directory of data and logs, kept at the end [default: a temporary one, removed]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Do not run the sample
    #[arg(long)]
    empty: bool,
}

/// Runs the cluster until told to end, and takes it down in order.
pub(crate) async fn run(args: DevArgs) -> Result<(), Failure> {
    let mut endings = Endings::new()
        .map_err(|error| Failure::new(Exit::Failed, "watch for signals").because(error))?;
    let home = Home::open(args.data_dir.as_deref())?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Failed, "find this executable").because(error))?;
    let chosen = runtime::choose(args.runtime, &program, !args.empty).await?;
    let layout = Layout::new(
        &home.path,
        args.base_port,
        args.nodes,
        args.agents,
        chosen.name(),
    )?;
    layout.check_ports()?;
    let client = cluster::client(&layout)?;

    print(&format!(
        "starting {} and {}\n",
        counted(args.nodes, "node"),
        counted(args.agents, "agent")
    ))?;
    let mut nodes = Group::start(
        &program,
        layout.nodes.iter().map(|node| node.member.clone()),
    );
    let mut agents = Group::start(&program, layout.agents.iter().cloned());
    let scene = Scene {
        args: &args,
        layout: &layout,
        client: &client,
        nodes: nodes.members(),
        agents: agents.members(),
        chosen: &chosen,
        data: home.described(),
        program: called_as(&program),
    };
    let result = tokio::select! {
        failure = scene.play() => Err(failure),
        failure = nodes.given_up() => Err(failure),
        failure = agents.given_up() => Err(failure),
        () = endings.next() => Ok(()),
    };
    let ended = end(&client, &layout, &chosen, nodes, agents, &mut endings).await;
    home.close(result.is_ok())?;
    result.and(ended)
}

/// What is there while the cluster serves.
struct Scene<'a> {
    args: &'a DevArgs,
    layout: &'a Layout,
    client: &'a Client,
    nodes: Vec<Kept>,
    agents: Vec<Kept>,
    chosen: &'a Chosen,
    data: String,
    program: String,
}

impl Scene<'_> {
    /// Waits for the cluster, tells of it, runs the sample. Comes back only with a failure.
    async fn play(&self) -> Failure {
        match self.present().await {
            Ok(()) => std::future::pending().await,
            Err(failure) => failure,
        }
    }

    async fn present(&self) -> Result<(), Failure> {
        let ready = timeout(READY_LIMIT, cluster::until_ready(self.client, self.layout)).await;
        let members = ready.map_err(|_| {
            Failure::new(
                Exit::WaitTimedOut,
                format!("the cluster is not ready after {READY_LIMIT:?}"),
            )
            .next(format!("look at the logs in {}", self.data))
        })??;
        let report = Report {
            layout: self.layout,
            nodes: &self.nodes,
            agents: &self.agents,
            members: &members,
            chosen: self.chosen,
            data: &self.data,
            base_port: self.args.base_port,
            program: &self.program,
        };
        print(&report.render())?;
        if !self.args.empty && !self.layout.agents.is_empty() {
            print(&self.sample().await)?;
        }
        print("\nCtrl-C ends everything.\n")
    }

    /// Runs the sample, and says how it went. A cluster without it is still a cluster.
    async fn sample(&self) -> String {
        match sample::run(self.client).await {
            Ok(urls) => {
                let lines: String = urls.iter().map(|url| format!("  curl {url}\n")).collect();
                format!(
                    "\nThe sample ({} tasks of {}) answers:\n{lines}",
                    urls.len(),
                    sample::FAMILY
                )
            }
            Err(failure) => format!("\nThe sample does not run: {failure}\n"),
        }
    }
}

/// Tasks, then agents and what they left, then nodes. Another signal ends the wait for the tasks, not the order.
async fn end(
    client: &Client,
    layout: &Layout,
    chosen: &Chosen,
    mut nodes: Group,
    mut agents: Group,
    endings: &mut Endings,
) -> Result<(), Failure> {
    print("\nending: tasks, ")?;
    let stopped = tokio::select! {
        stopped = timeout(TASKS_LIMIT, cluster::stop_tasks(client)) => matches!(stopped, Ok(Ok(_))),
        () = endings.next() => false,
    };
    print(if stopped {
        "agents, "
    } else {
        "(not all stopped by themselves) agents, "
    })?;
    agents.end().await;
    let cleared = runtime::clear(chosen, layout).await;
    print("nodes\n")?;
    nodes.end().await;
    cleared
}

/// The directory of data and logs, of this `dev` alone.
struct Home {
    path: PathBuf,
    temporary: Option<TempDir>,
    /// Held until the end; the kernel lets go of it if we are killed.
    _lock: File,
}

impl Home {
    fn open(given: Option<&Path>) -> Result<Self, Failure> {
        let failed = |what: String| {
            move |error: std::io::Error| {
                Failure::new(Exit::DataDir, what)
                    .because(error)
                    .next("choose a directory of your own with --data-dir")
            }
        };
        let temporary = match given {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("quorate-dev-")
                    .tempdir()
                    .map_err(failed("make a temporary directory".to_owned()))?,
            ),
        };
        let path = temporary
            .as_ref()
            .map(TempDir::path)
            .or(given)
            .expect("one of the two is there")
            .to_owned();
        let shown = path.display();
        std::fs::create_dir_all(&path).map_err(failed(format!("make the directory {shown}")))?;
        // Absolute, because containers are started in directories of their own.
        let path = std::fs::canonicalize(&path)
            .map_err(failed(format!("resolve the directory {shown}")))?;
        let lock =
            File::create(path.join("dev.lock")).map_err(failed(format!("write to {shown}")))?;
        lock.try_lock().map_err(|_| {
            Failure::new(
                Exit::DataDir,
                format!("another `quorate dev` uses {}", path.display()),
            )
            .next("end it, or choose another --data-dir")
        })?;
        Ok(Self {
            path,
            temporary,
            _lock: lock,
        })
    }

    fn described(&self) -> String {
        let fate = if self.temporary.is_some() {
            "removed at the end"
        } else {
            "kept"
        };
        format!("{} ({fate})", self.path.display())
    }

    /// Removes a temporary directory, unless its logs are still wanted to see what went wrong.
    fn close(self, all_is_well: bool) -> Result<(), Failure> {
        match self.temporary {
            Some(directory) if all_is_well => directory
                .close()
                .map_err(|error| Failure::new(Exit::Failed, "remove the data").because(error)),
            Some(directory) => print(&format!(
                "data and logs are kept in {}\n",
                directory.keep().display()
            )),
            None => Ok(()),
        }
    }
}

fn counted(count: u16, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// How the user can call this executable: by its name if that leads here, else by its path, relative if that is shorter.
fn called_as(program: &Path) -> String {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories)
        .map(|directory| directory.join("quorate"))
        .find(|path| path.is_file());
    if found.and_then(|path| path.canonicalize().ok()).as_deref() == Some(program) {
        return "quorate".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    match program.strip_prefix(here) {
        Ok(below) if below.components().count() == 1 => format!("./{}", below.display()),
        Ok(below) => below.display().to_string(),
        Err(_elsewhere) => program.display().to_string(),
    }
}
