//! Which runtime the agents of `quorate dev` use, and what is left of it at the end.
//!
//! The rule: `docker` and `process` are done as asked. `auto` takes Docker if an engine answers and accepts the sample's
//! image, which is made here of this executable and the libraries it has loaded; else processes, with the reason said.

use std::path::Path;

use quorate_agent::{Config, RuntimeChoice};

use super::image;
use super::layout::Layout;
use super::sample;
use crate::failure::Failure;

/// The runtime that was chosen, and why.
pub(crate) struct Chosen {
    is_docker: bool,
    pub(crate) why: String,
    /// The sample's image was made, and is removed at the end.
    has_image: bool,
}

impl Chosen {
    /// As `--runtime` of an agent names it.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_docker { "docker" } else { "process" }
    }
}

/// Chooses, and makes the sample's image where Docker is chosen and the sample is wanted.
pub(crate) async fn choose(
    wanted: RuntimeChoice,
    program: &Path,
    with_sample: bool,
) -> Result<Chosen, Failure> {
    let config = Config {
        runtime: wanted,
        ..Config::default()
    };
    let detected = quorate_agent::detect(&config).await.map_err(|error| {
        agent_failure(error).next("start a Docker engine, or use --runtime process")
    })?;
    let is_docker = detected.choice == RuntimeChoice::Docker;
    if !is_docker || !with_sample {
        return Ok(Chosen {
            is_docker,
            why: detected.why,
            has_image: false,
        });
    }
    match make_image(program).await {
        Ok(()) => Ok(Chosen {
            is_docker,
            why: detected.why,
            has_image: true,
        }),
        Err(failure) if wanted == RuntimeChoice::Auto => {
            let why = format!(
                "{}, but cannot have the sample's image: {failure}",
                detected.why
            );
            Ok(Chosen {
                is_docker: false,
                why,
                has_image: false,
            })
        }
        Err(failure) => Err(failure),
    }
}

async fn make_image(program: &Path) -> Result<(), Failure> {
    let tar = image::of(program)?;
    let changes = image::changes(sample::CONTAINER_PORT);
    quorate_agent::import_image(&Config::default(), sample::IMAGE, &changes, tar)
        .await
        .map_err(agent_failure)
}

/// Kills and removes whatever the agents, which have ended, still had; then the sample's image.
pub(crate) async fn clear(chosen: &Chosen, layout: &Layout) -> Result<(), Failure> {
    let runtime = if chosen.is_docker {
        RuntimeChoice::Docker
    } else {
        RuntimeChoice::Process
    };
    for agent in &layout.agents {
        let config = Config {
            runtime,
            data_dir: agent.data_dir.clone(),
            ..Config::default()
        };
        quorate_agent::clean(&config).await.map_err(agent_failure)?;
    }
    if chosen.has_image {
        quorate_agent::remove_image(&Config::default(), sample::IMAGE)
            .await
            .map_err(agent_failure)?;
    }
    Ok(())
}

fn agent_failure(error: quorate_agent::AgentError) -> Failure {
    Failure::with_code(error.exit_code(), "runtime").because(error)
}
