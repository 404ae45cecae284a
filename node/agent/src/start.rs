//! An agent on a real machine: its data directory, its runtime, its network and its clock.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::agent::{Surroundings, run_in};
use crate::clock::Clock;
use crate::config::{AgentError, Config};
use crate::connect::Connect;
use crate::host::Host;
use crate::identity::{DataDir, Identity};
use crate::runtime::choice::{self, Selected};
use crate::runtime::{Process, Runtime, RuntimeError, Seen, StopSignal};
use crate::session::Addresses;

/// A killed container is gone in far less than this many times the pause below.
const CLEAN_TRIES: u32 = 100;
const CLEAN_AGAIN: Duration = Duration::from_millis(50);

/// Runs an agent until `shutdown`, or until it must not go on. Its tasks run on in either case.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), AgentError> {
    let nodes = Addresses::new(config.nodes.clone())?;
    let directory = DataDir::open(&config.data_dir)?;
    let identity = Identity::load(directory.identity())?;
    match choice::select(&config).await? {
        Selected::Docker(docker) => run_in(here(docker, &config, nodes, identity), shutdown).await,
        Selected::Process { why } => {
            info!(%why, "running tasks as processes");
            let process = processes(directory.path())?;
            if !process.has_limits() {
                warn!("no cgroup can be made here: processes run without limits of memory and CPU");
            }
            run_in(here(process, &config, nodes, identity), shutdown).await
        }
    }
}

/// This machine, as `config` describes it.
fn here<R: Runtime>(
    runtime: R,
    config: &Config,
    nodes: Addresses,
    identity: Identity,
) -> Surroundings<R> {
    Surroundings {
        nodes,
        identity,
        host: Host::measure(config, runtime.version()),
        runtime,
        connect: Connect::tcp(),
        clock: Clock::system(),
        cleanup_wait: config.cleanup_wait.duration(),
    }
}

fn processes(data_dir: &Path) -> Result<Process, AgentError> {
    Process::open(data_dir).map_err(|source| AgentError::Runtime {
        runtime: "process",
        source,
    })
}

/// Ends and removes every container of the agent that `config` describes, which must not be running; those that are kept to be read
/// too. Says how many there were.
pub async fn clean(config: &Config) -> Result<usize, AgentError> {
    let directory = DataDir::open(&config.data_dir)?;
    let instances = Identity::load(directory.identity())?.all();
    let process = processes(directory.path())?;
    let mut removed =
        end_all(&process, &instances)
            .await
            .map_err(|source| AgentError::Runtime {
                runtime: "process",
                source,
            })?;
    if let Selected::Docker(docker) = choice::select(config).await? {
        removed += end_all(&docker, &instances)
            .await
            .map_err(|source| AgentError::Runtime {
                runtime: "docker",
                source,
            })?;
    }
    Ok(removed)
}

async fn end_all<R: Runtime>(runtime: &R, instances: &[String]) -> Result<usize, RuntimeError> {
    let all = runtime.list(instances).await?;
    for sighting in &all {
        runtime
            .signal(&sighting.runtime_id, StopSignal::Kill)
            .await?;
    }
    for _ in 0..CLEAN_TRIES {
        let left = runtime.list(instances).await?;
        if left.is_empty() {
            return Ok(all.len());
        }
        for sighting in left
            .iter()
            .filter(|sighting| sighting.state != Seen::Running)
        {
            runtime.remove(&sighting.runtime_id).await?;
        }
        tokio::time::sleep(CLEAN_AGAIN).await;
    }
    Err(RuntimeError::System {
        doing: "end all containers".to_owned(),
        source: std::io::Error::from(std::io::ErrorKind::TimedOut),
    })
}
