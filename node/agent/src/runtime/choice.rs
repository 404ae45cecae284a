//! Which runtime an agent uses on this machine, and what is asked of a Docker engine beside running containers.

use bytes::Bytes;

use super::docker::Docker;
use super::{Runtime, RuntimeError};
use crate::config::{AgentError, Config, RuntimeChoice};

/// The runtime an agent would use here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// Docker or Process, never Auto.
    pub choice: RuntimeChoice,
    /// Why, for people.
    pub why: String,
}

/// Finds which runtime `config` leads to on this machine, and why. Fails if it asks for Docker and no engine answers.
pub async fn detect(config: &Config) -> Result<Detected, AgentError> {
    match select(config).await? {
        Selected::Docker(docker) => {
            let why = format!("Docker engine {} answers", docker.version().1);
            Ok(Detected {
                choice: RuntimeChoice::Docker,
                why,
            })
        }
        Selected::Process { why } => Ok(Detected {
            choice: RuntimeChoice::Process,
            why,
        }),
    }
}

/// Makes an image of one layer from a tar file of its root; `changes` are lines of a Dockerfile. For `quorate dev`, whose
/// sample comes from no registry.
pub async fn import_image(
    config: &Config,
    image: &str,
    changes: &[String],
    tar: Bytes,
) -> Result<(), AgentError> {
    let imported = async {
        Docker::connect(config.docker_host.as_deref())
            .await?
            .import(image, changes, tar)
            .await
    };
    imported.await.map_err(docker_failed)
}

/// Removes an image that [`import_image`] made, unless containers of others need it.
pub async fn remove_image(config: &Config, image: &str) -> Result<(), AgentError> {
    let removed = async {
        Docker::connect(config.docker_host.as_deref())
            .await?
            .remove_image(image)
            .await
    };
    removed.await.map_err(docker_failed)
}

fn docker_failed(source: RuntimeError) -> AgentError {
    AgentError::Runtime {
        runtime: "docker",
        source,
    }
}

/// A runtime chosen, and for Docker already spoken to.
pub(crate) enum Selected {
    Docker(Docker),
    Process { why: String },
}

/// The choice behind [`detect`], with the connection made.
pub(crate) async fn select(config: &Config) -> Result<Selected, AgentError> {
    match config.runtime {
        RuntimeChoice::Process => Ok(Selected::Process {
            why: "asked for".to_owned(),
        }),
        RuntimeChoice::Docker => match Docker::connect(config.docker_host.as_deref()).await {
            Ok(docker) => Ok(Selected::Docker(docker)),
            Err(source) => Err(AgentError::Runtime {
                runtime: "docker",
                source,
            }),
        },
        RuntimeChoice::Auto => Ok(match Docker::connect(config.docker_host.as_deref()).await {
            Ok(docker) => Selected::Docker(docker),
            Err(error) => Selected::Process {
                why: format!("no Docker engine: {error}"),
            },
        }),
    }
}
