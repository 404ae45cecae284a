//! `quorate`: the one binary. It runs nodes and agents, a whole cluster for development, and the commands that operate
//! one. Here is only the choice of the command; each lives in `commands/`.

mod access;
mod commands;
mod dev;
mod failure;
mod handed_in;
mod logging;
mod outline;
mod render;
mod sample_app;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::commands::{
    Asking, agent, cluster, deploy, env, events, instance, node, plan, server, service, status,
    task, why,
};
use crate::failure::{Exit, Failure};
use crate::signals::die_with;

/// The first argument by which the process runtime of the agent starts this executable beside each container.
const PROCESS_SHIM: &str = "process-shim";

/// A highly available control plane with the Amazon ECS API, for machines of your own.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  quorate dev                     a cluster of three nodes and two agents on this machine
  eval \"$(quorate env)\"           point AWS tools at it; then: aws ecs list-tasks
  quorate status                  nodes and clusters at a glance
  quorate task run web --count 3 --wait
  quorate deploy web --image registry.example/web:2

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 wait timed out, 6 not authorised, 7 no leader or unreachable,
64 configuration, 73 data directory, 74 disk holds less than promised, 98 port taken, 130 interrupted.
`quorate deploy` has its own: see its --help.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a cluster on this machine: nodes and agents as child processes, and a sample to look at
    Dev(commands::dev::DevArgs),
    /// Print the variables that point AWS tools at `quorate dev`: eval "$(quorate env)"
    Env(env::EnvArgs),
    /// Show nodes and clusters at a glance
    Status {
        #[command(flatten)]
        asking: Asking,
    },
    /// Run, list, describe and stop tasks
    Task {
        #[command(subcommand)]
        command: task::TaskCommand,
        #[command(flatten)]
        asking: Asking,
    },
    /// Create, change, list, describe and delete services
    Service {
        #[command(subcommand)]
        command: service::ServiceCommand,
        #[command(flatten)]
        asking: Asking,
    },
    /// Deploy an image or a definition to a service, and watch until it is there
    Deploy {
        #[command(flatten)]
        args: deploy::DeployArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// List, create and delete clusters
    Cluster {
        #[command(subcommand)]
        command: cluster::ClusterCommand,
        #[command(flatten)]
        asking: Asking,
    },
    /// List, describe and drain container instances
    Instance {
        #[command(subcommand)]
        command: instance::InstanceCommand,
        #[command(flatten)]
        asking: Asking,
    },
    /// Say why a task is where it is, or where the next task of a service goes and why not elsewhere
    Why {
        #[command(flatten)]
        args: why::WhyArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// Say what would come of a change, and change nothing: every move, and what would not fit
    #[command(after_help = plan::EXIT_CODES)]
    Plan {
        #[command(subcommand)]
        command: plan::PlanCommand,
        #[command(flatten)]
        asking: Asking,
    },
    /// Say what happened, or with --watch what happens: tasks, instances, services, deployments
    Events {
        #[command(flatten)]
        args: events::EventsArgs,
        #[command(flatten)]
        asking: Asking,
    },
    /// List the nodes of the control plane
    Node {
        #[command(subcommand)]
        command: node::NodeCommand,
        #[command(flatten)]
        asking: Asking,
    },
    /// Run one node of the control plane
    Server(server::ServerArgs),
    /// Run an agent: it runs tasks on this machine
    Agent(agent::AgentArgs),
    /// Serve HTTP on $PORT and say which task answers
    SampleApp(sample_app::SampleAppArgs),
}

fn main() -> ExitCode {
    // Before anything else: a shim is started for every container and must stay small.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == PROCESS_SHIM) {
        return quorate_agent::shim_main(arguments);
    }
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("quorate: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Server(args) => {
            bind_to_parent(args.die_with)?;
            runtime(&mut Builder::new_multi_thread())?.block_on(server::run(args))
        }
        Command::Agent(args) => {
            bind_to_parent(args.die_with)?;
            runtime(&mut Builder::new_multi_thread())?.block_on(agent::run(args))
        }
        Command::Env(args) => env::run(&args),
        small => runtime(&mut Builder::new_current_thread())?.block_on(run_small(small)),
    }
}

/// The commands for which one thread is enough. `dev` needs it to be one: its children are bound to the thread that
/// starts them.
async fn run_small(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => commands::dev::run(args).await,
        Command::Status { asking } => status::run(&asking).await,
        Command::Task { command, asking } => task::run(command, &asking).await,
        Command::Service { command, asking } => service::run(command, &asking).await,
        Command::Deploy { args, asking } => deploy::run(&args, &asking).await,
        Command::Cluster { command, asking } => cluster::run(command, &asking).await,
        Command::Instance { command, asking } => instance::run(command, &asking).await,
        Command::Node { command, asking } => node::run(command, &asking).await,
        Command::Events { args, asking } => events::run(&args, &asking).await,
        Command::Why { args, asking } => why::run(&args, &asking).await,
        Command::Plan { command, asking } => plan::run(command, &asking).await,
        Command::SampleApp(args) => sample_app::run(&args).await,
        Command::Server(_) | Command::Agent(_) | Command::Env(_) => {
            unreachable!("run() has its own arms for these")
        }
    }
}

fn bind_to_parent(parent: Option<i32>) -> Result<(), Failure> {
    parent.map_or(Ok(()), die_with)
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, "start the runtime").because(error))
}
