//! `quorate-chaos cluster`: a cluster that stays when the command ends, found again by its directory.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use quorate_chaos::cluster::{
    Cluster, ClusterError, ClusterOptions, Lifetime, Member, REGION, Role, Runtime,
};

use super::Failure;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where the cluster's data, logs and state are [default: quorate-chaos in the system's folder for temporary files]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a cluster and wait until it serves.
    Up(Up),
    /// List the members: role, condition, process, addresses.
    Ls,
    /// Print the variables that point AWS tools at the cluster, for `eval`.
    Env,
    /// End members at once (SIGKILL).
    Kill(Targets),
    /// Freeze members (SIGSTOP); their connections stay open.
    Pause(Targets),
    /// Let paused members go on.
    Resume(Targets),
    /// Ask members to stop (SIGTERM) and wait until they have.
    Stop(Targets),
    /// Kill members that live, and start them again on their data.
    Restart(Targets),
    /// End every member and every task, and remove the cluster's directory.
    Down,
}

#[derive(Debug, Args)]
struct Up {
    /// Nodes of the control plane
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// Agents
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=50))]
    agents: u8,
    /// What runs the agents' containers
    #[arg(long, value_enum, default_value_t = RuntimeName::Process)]
    runtime: RuntimeName,
    /// Seconds of silence after which an instance's tasks are given up
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    lost_after: u64,
    /// The quorate binary [default: the one beside this tool]
    #[arg(long, env = "QUORATE_BIN", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Seconds to wait until the cluster serves
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    wait: u64,
}

#[derive(Debug, Args)]
struct Targets {
    /// Names (n1, a2), or: leader, followers, nodes, agents, all
    #[arg(required = true, value_name = "MEMBER")]
    members: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RuntimeName {
    Docker,
    Process,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let directory = arguments
        .dir
        .unwrap_or_else(|| std::env::temp_dir().join("quorate-chaos"));
    match arguments.action {
        Action::Up(up) => start(up, directory).await,
        Action::Ls => {
            list(&Cluster::open(&directory)?);
            Ok(())
        }
        Action::Env => {
            print_environment(&Cluster::open(&directory)?);
            Ok(())
        }
        Action::Kill(targets) => each(directory, targets, "killed", Cluster::kill).await,
        Action::Pause(targets) => each(directory, targets, "paused", Cluster::pause).await,
        Action::Resume(targets) => each(directory, targets, "resumed", Cluster::resume).await,
        Action::Stop(targets) => each(directory, targets, "stopped", Cluster::stop).await,
        Action::Restart(targets) => each(directory, targets, "restarted", Cluster::restart).await,
        Action::Down => down(&mut Cluster::open(&directory)?),
    }
}

async fn start(up: Up, directory: PathBuf) -> Result<(), Failure> {
    let binary = match up.binary {
        Some(binary) => binary,
        None => beside_this_tool()?,
    };
    if !binary.is_file() {
        return Err(Failure::Usage(format!(
            "{} is not there; build it, or name it by --binary",
            binary.display()
        )));
    }
    let mut options = ClusterOptions::new(binary, directory);
    options.nodes = usize::from(up.nodes);
    options.agents = usize::from(up.agents);
    options.lost_after = Duration::from_secs(up.lost_after);
    options.lifetime = Lifetime::Detached;
    options.runtime = match up.runtime {
        RuntimeName::Docker => Runtime::Docker,
        RuntimeName::Process => Runtime::Process,
    };
    let mut cluster = Cluster::launch(&options)?;
    let outcome = tokio::select! {
        outcome = cluster.serving(Duration::from_secs(up.wait)) => outcome.map_err(Failure::from),
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    };
    if let Err(failure) = outcome {
        down(&mut cluster)?;
        return Err(failure);
    }
    list(&cluster);
    Ok(())
}

fn beside_this_tool() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::Usage(format!("find this tool's own file: {error}")))?;
    Ok(own.with_file_name("quorate"))
}

/// Does one thing to each target, in the order they were named, and says so.
async fn each(
    directory: PathBuf,
    targets: Targets,
    done: &str,
    mut act: impl FnMut(&mut Cluster, &str) -> Result<(), ClusterError>,
) -> Result<(), Failure> {
    let mut cluster = Cluster::open(&directory)?;
    // All targets are found before any is touched, so that a wrong name changes nothing.
    let mut names = Vec::new();
    for target in &targets.members {
        names.extend(resolve(&cluster, target).await?);
    }
    for name in names {
        act(&mut cluster, &name)?;
        println!("{name} {done}");
    }
    Ok(())
}

/// The members that a word means.
async fn resolve(cluster: &Cluster, target: &str) -> Result<Vec<String>, Failure> {
    let of = |role: Option<Role>| -> Vec<String> {
        let members = cluster
            .members()
            .iter()
            .filter(|member| role.is_none_or(|role| member.role == role));
        members.map(|member| member.name.clone()).collect()
    };
    match target {
        "all" => Ok(of(None)),
        "nodes" => Ok(of(Some(Role::Node))),
        "agents" => Ok(of(Some(Role::Agent))),
        "leader" | "followers" => {
            let nobody = || Failure::NotServing("no node says who leads".to_owned());
            let leader = cluster.leader().await.ok_or_else(nobody)?;
            let wants_leader = target == "leader";
            Ok(of(Some(Role::Node))
                .into_iter()
                .filter(|name| (*name == leader) == wants_leader)
                .collect())
        }
        name => Ok(vec![cluster.member(name)?.name.clone()]),
    }
}

fn down(cluster: &mut Cluster) -> Result<(), Failure> {
    cluster.down()?;
    let directory = cluster.directory();
    std::fs::remove_dir_all(directory).map_err(|error| {
        Failure::LeftBehind(format!("left behind: {}: {error}", directory.display()))
    })
}

fn list(cluster: &Cluster) {
    println!(
        "{:<8}{:<8}{:<10}{:<10}{:<18}{:<18}HEALTH",
        "MEMBER", "ROLE", "IS", "PID", "API", "PEER"
    );
    for member in cluster.members() {
        let pid = member
            .process
            .filter(|process| process.is_alive())
            .map_or("-".to_owned(), |process| process.pid.to_string());
        let [api, peer, health] = match &member.addresses {
            Some(at) => [at.api.as_str(), &at.peer, &at.health],
            None => ["-"; 3],
        };
        println!(
            "{:<8}{:<8}{:<10}{pid:<10}{api:<18}{peer:<18}{health}",
            member.name,
            role(member),
            member.condition()
        );
    }
}

fn role(member: &Member) -> &'static str {
    match member.role {
        Role::Node => "node",
        Role::Agent => "agent",
    }
}

fn print_environment(cluster: &Cluster) {
    let keys = &cluster.identity().key_pair;
    if let Some((_, addresses)) = cluster.living_nodes().next() {
        println!(
            "export AWS_ENDPOINT_URL_ECS=http://{0} AWS_ENDPOINT_URL_STS=http://{0}",
            addresses.api
        );
    }
    println!(
        "export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
        keys.id, keys.secret
    );
    println!("export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}");
}
