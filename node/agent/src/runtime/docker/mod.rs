//! Containers by a Docker engine. The labels of a container are all that is remembered of it; its name, made of task and
//! container, is what keeps a second one from being made.

mod health;
mod labels;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker as Engine;
use bollard::body_full;
use bollard::errors::Error as EngineError;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState, ContainerSummary,
    ContainerSummaryStateEnum, HealthConfig, HealthStatusEnum, HostConfig, HostConfigLogConfig,
    PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, EventsOptionsBuilder,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions,
};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    ContainerSpec, Exit, Health, HealthStatus, Key, NetworkMode, Port, Runtime, RuntimeError, Seen,
    Sighting, StartError, Started, StopSignal, output,
};
use crate::clock;

/// An engine that needs longer than this for its version is no engine to start tasks on.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// What is worth a look. Each run of a health check makes several events of its own, which are not.
const EVENTS: [&str; 5] = ["create", "start", "die", "destroy", "health_status"];
/// Pause before events are asked for again after the engine went away.
const EVENTS_AGAIN: Duration = Duration::from_secs(1);
/// Billionths of a CPU, Docker's unit, in one of ECS's 1024ths.
const NANO_PER_UNIT: u64 = 1_000_000_000 / 1024;
const MIB: u64 = 1024 * 1024;

/// A Docker engine that has answered.
pub(crate) struct Docker {
    engine: Engine,
    version: String,
    /// By id, what looking at containers one by one has told.
    looked: Mutex<BTreeMap<String, Looked>>,
}

/// What need not be looked at again.
enum Looked {
    /// An exited container is never started again.
    Ended(Exit),
    /// A list tells how well a container is, but not what its check printed: that is looked at when the first changes.
    Checked(Health),
}

impl Docker {
    /// Connects to `host`, or to where `DOCKER_HOST` or else custom says, and agrees on a version of the API.
    pub(crate) async fn connect(host: Option<&str>) -> Result<Self, RuntimeError> {
        let engine = match host {
            Some(host) => Engine::connect_with_host(host),
            None => Engine::connect_with_defaults(),
        };
        let engine = engine.map_err(failed("find the Docker engine"))?;
        match timeout(ANSWER_WAIT, negotiate(engine)).await {
            Ok(Ok((engine, version))) => Ok(Self {
                engine,
                version,
                looked: Mutex::default(),
            }),
            Ok(Err(error)) => Err(failed("reach the Docker engine")(error)),
            Err(late) => Err(RuntimeError::Docker {
                doing: "reach the Docker engine",
                message: late.to_string(),
            }),
        }
    }

    /// Makes sure that the image is here. Says when a pull began and ended, if there was one.
    async fn provide(
        &self,
        image: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<(i64, i64)>, StartError> {
        match self.engine.inspect_image(image).await {
            Ok(_) => return Ok(None),
            Err(error) if is_status(&error, 404) => {}
            Err(error) => return Err(StartError::CannotPull(text(&error))),
        }
        let began_ms = clock::wall_ms();
        let (name, tag) = split_reference(image);
        let options = CreateImageOptionsBuilder::default()
            .from_image(name)
            .tag(tag)
            .build();
        let mut progress = Box::pin(self.engine.create_image(Some(options), None, None));
        loop {
            let step = tokio::select! {
                () = cancel.cancelled() => return Err(StartError::Cancelled),
                step = progress.next() => step,
            };
            match step {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(StartError::CannotPull(text(&error))),
                None => return Ok(Some((began_ms, clock::wall_ms()))),
            }
        }
    }

    /// Makes an image of one layer from a tar file, with the `changes` that a Dockerfile would make to it.
    pub(crate) async fn import(
        &self,
        image: &str,
        changes: &[String],
        tar: Bytes,
    ) -> Result<(), RuntimeError> {
        let (name, tag) = split_reference(image);
        let options = CreateImageOptionsBuilder::default()
            .from_src("-")
            .repo(name)
            .tag(tag)
            .changes(changes.to_vec())
            .build();
        let mut progress = Box::pin(self.engine.create_image(
            Some(options),
            Some(body_full(tar)),
            None,
        ));
        while let Some(step) = progress.next().await {
            step.map_err(failed("import an image"))?;
        }
        Ok(())
    }

    /// Removes an image; content if there is none, or if containers of others need it.
    pub(crate) async fn remove_image(&self, image: &str) -> Result<(), RuntimeError> {
        let removed = self
            .engine
            .remove_image(image, None::<RemoveImageOptions>, None)
            .await;
        absent_is_fine(removed.map(drop)).map_err(failed("remove an image"))
    }

    async fn digest(&self, image: &str) -> String {
        let digests = self
            .engine
            .inspect_image(image)
            .await
            .ok()
            .and_then(|image| image.repo_digests);
        let first = digests.into_iter().flatten().next();
        first
            .and_then(|digest| digest.split_once('@').map(|(_, digest)| digest.to_owned()))
            .unwrap_or_default()
    }

    /// Makes the container, or finds it: true if it has been started before.
    async fn create(&self, spec: &ContainerSpec) -> Result<(String, bool), StartError> {
        let name = container_name(&spec.tag.key);
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        match self
            .engine
            .create_container(Some(options), body(spec))
            .await
        {
            Ok(created) => Ok((created.id, false)),
            Err(error) if is_status(&error, 409) => self.find_own(&name, spec).await,
            Err(error) => Err(StartError::CannotCreate(text(&error))),
        }
    }

    async fn find_own(
        &self,
        name: &str,
        spec: &ContainerSpec,
    ) -> Result<(String, bool), StartError> {
        let found = self
            .engine
            .inspect_container(name, None)
            .await
            .map_err(|error| StartError::CannotCreate(text(&error)))?;
        let found_labels = found
            .config
            .as_ref()
            .and_then(|config| config.labels.as_ref());
        let owner = found_labels.and_then(|labels| labels.get(labels::INSTANCE));
        if owner != Some(&spec.tag.instance_id) {
            return Err(StartError::CannotCreate(format!(
                "the name {name} is taken by a container of another instance"
            )));
        }
        let is_fresh = found.state.as_ref().is_some_and(is_created);
        Ok((found.id.unwrap_or_else(|| name.to_owned()), !is_fresh))
    }

    async fn sight(&self, summary: ContainerSummary) -> Result<Option<Sighting>, RuntimeError> {
        let listed = health::of_summary(&summary);
        let (Some(id), Some(tag)) = (summary.id, summary.labels.as_ref().and_then(labels::tag))
        else {
            return Ok(None);
        };
        let state = match summary.state {
            Some(ContainerSummaryStateEnum::CREATED) => Some(Seen::Created),
            Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => {
                self.exit(&id).await?.map(Seen::Exited)
            }
            Some(ContainerSummaryStateEnum::REMOVING) => None,
            _ => Some(Seen::Running),
        };
        let health = match (&state, listed) {
            (Some(Seen::Running), Some(listed)) => Some(self.health(&id, listed).await?),
            _ => None,
        };
        Ok(state.map(|state| Sighting {
            tag,
            runtime_id: id,
            state,
            health,
        }))
    }

    /// How well a container is that was listed as `listed`.
    async fn health(&self, id: &str, listed: HealthStatus) -> Result<Health, RuntimeError> {
        if let Some(Looked::Checked(known)) = self.looked.lock().await.get(id)
            && known.status == listed
        {
            return Ok(known.clone());
        }
        let health = match self.engine.inspect_container(id, None).await {
            Ok(found) => health::of_state(&found.state.unwrap_or_default()),
            Err(error) if is_status(&error, 404) => Health::default(),
            Err(error) => return Err(failed("inspect a container")(error)),
        };
        let looked = Looked::Checked(health.clone());
        self.looked.lock().await.insert(id.to_owned(), looked);
        Ok(health)
    }

    async fn exit(&self, id: &str) -> Result<Option<Exit>, RuntimeError> {
        if let Some(Looked::Ended(exit)) = self.looked.lock().await.get(id) {
            return Ok(Some(exit.clone()));
        }
        let state = match self.engine.inspect_container(id, None).await {
            Ok(found) => found.state.unwrap_or_default(),
            Err(error) if is_status(&error, 404) => return Ok(None),
            Err(error) => return Err(failed("inspect a container")(error)),
        };
        let mut exit = exit_of(&state);
        if output::is_wanted(&exit) {
            exit.last_output = self.last_output(id).await;
        }
        let looked = Looked::Ended(exit.clone());
        self.looked.lock().await.insert(id.to_owned(), looked);
        Ok(Some(exit))
    }

    /// What the engine cannot give says nothing: how a container ended is worth more.
    async fn last_output(&self, id: &str) -> String {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail(&output::LINES_MOST.to_string())
            .build();
        let mut printed = Vec::new();
        let mut parts = Box::pin(self.engine.logs(id, Some(options)));
        while let Some(Ok(part)) = parts.next().await {
            printed.extend_from_slice(&part.into_bytes());
        }
        output::tail(&printed)
    }
}

impl Runtime for Docker {
    fn version(&self) -> (&'static str, String) {
        ("docker", self.version.clone())
    }

    async fn list(&self, instances: &[String]) -> Result<Vec<Sighting>, RuntimeError> {
        let filters = HashMap::from([("label", vec![labels::INSTANCE])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let summaries = self
            .engine
            .list_containers(Some(options))
            .await
            .map_err(failed("list containers"))?;
        let mut sightings = Vec::new();
        for summary in summaries {
            let sighting = self.sight(summary).await?;
            sightings
                .extend(sighting.filter(|sighting| instances.contains(&sighting.tag.instance_id)));
        }
        self.looked
            .lock()
            .await
            .retain(|id, _| sightings.iter().any(|sighting| sighting.runtime_id == *id));
        Ok(sightings)
    }

    async fn start(
        &self,
        spec: &ContainerSpec,
        cancel: &CancellationToken,
    ) -> Result<Started, StartError> {
        let pull_ms = self.provide(&spec.image, cancel).await?;
        if cancel.is_cancelled() {
            return Err(StartError::Cancelled);
        }
        let (runtime_id, has_been_started) = self.create(spec).await?;
        if !has_been_started
            && let Err(error) = self.engine.start_container(&runtime_id, None).await
        {
            // It never ran, so it holds nothing that anyone could want; what cannot be removed now is found and removed later.
            let _ = self.remove(&runtime_id).await;
            return Err(StartError::CannotStart(text(&error)));
        }
        Ok(Started {
            image_digest: self.digest(&spec.image).await,
            runtime_id,
            pull_ms,
        })
    }

    async fn signal(&self, runtime_id: &str, signal: StopSignal) -> Result<(), RuntimeError> {
        let name = match signal {
            StopSignal::Kill => "SIGKILL".to_owned(),
            StopSignal::Stop => match self.engine.inspect_container(runtime_id, None).await {
                Ok(found) => stop_signal(found),
                Err(error) => {
                    return absent_is_fine(Err(error)).map_err(failed("inspect a container"));
                }
            },
        };
        let options = KillContainerOptionsBuilder::default().signal(&name).build();
        absent_is_fine(self.engine.kill_container(runtime_id, Some(options)).await)
            .map_err(failed("signal a container"))
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), RuntimeError> {
        let options = RemoveContainerOptionsBuilder::default().v(true).build();
        let removed = self
            .engine
            .remove_container(runtime_id, Some(options))
            .await;
        absent_is_fine(removed).map_err(failed("remove a container"))
    }

    async fn watch(&self, poke: Arc<Notify>) -> Infallible {
        loop {
            let filters = HashMap::from([
                ("type", vec!["container"]),
                ("label", vec![labels::INSTANCE]),
                ("event", EVENTS.to_vec()),
            ]);
            let mut events = Box::pin(self.engine.events(Some(
                EventsOptionsBuilder::default().filters(&filters).build(),
            )));
            while let Some(Ok(_)) = events.next().await {
                poke.notify_one();
            }
            sleep(EVENTS_AGAIN).await;
            poke.notify_one();
        }
    }
}

/// Agrees on a version of the API, and asks for the engine's own.
async fn negotiate(engine: Engine) -> Result<(Engine, String), EngineError> {
    let engine = engine.negotiate_version().await?;
    let version = engine.version().await?.version.unwrap_or_default();
    Ok((engine, version))
}

fn container_name(key: &Key) -> String {
    format!("quorate-{}-{}", key.task, key.container)
}

fn body(spec: &ContainerSpec) -> ContainerCreateBody {
    let text = |value: &String| Some(value.clone()).filter(|value| !value.is_empty());
    let words = |values: &Vec<String>| Some(values.clone()).filter(|values| !values.is_empty());
    // With host networking there is no other hostname than the host's, and no port to map.
    let is_host = spec.network == NetworkMode::Host;
    let ports = if is_host {
        &[]
    } else {
        spec.tag.ports.as_slice()
    };
    ContainerCreateBody {
        hostname: text(&spec.hostname).filter(|_| !is_host),
        user: text(&spec.user),
        working_dir: text(&spec.working_directory),
        image: Some(spec.image.clone()),
        entrypoint: words(&spec.entry_point),
        cmd: words(&spec.command),
        env: Some(
            spec.full_environment()
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        exposed_ports: Some(ports.iter().map(Port::to_string).collect()),
        labels: Some(labels::labels(spec)),
        healthcheck: Some(health::config(spec.health_check.as_ref())),
        host_config: Some(host_config(spec, ports)),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec, ports: &[Port]) -> HostConfig {
    let limit = |number: u64| i64::try_from(number).ok().filter(|number| *number > 0);
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(port.host.to_string()),
        };
        bindings
            .entry(port.to_string())
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    let network = match spec.network {
        NetworkMode::Bridge => "bridge",
        NetworkMode::Host => "host",
        NetworkMode::None => "none",
    };
    HostConfig {
        memory: limit(spec.memory_mib * MIB),
        memory_reservation: limit(spec.memory_reservation_mib * MIB),
        cpu_shares: limit(shares(spec.cpu_shares)),
        nano_cpus: limit(spec.cpu_limit_units * NANO_PER_UNIT),
        network_mode: Some(network.to_owned()),
        port_bindings: Some(bindings),
        privileged: Some(spec.privileged),
        readonly_rootfs: Some(spec.readonly_root),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: None,
        }),
        ..Default::default()
    }
}

fn is_created(state: &ContainerState) -> bool {
    state.status == Some(bollard::models::ContainerStateStatusEnum::CREATED)
}

/// One is less than the kernel takes: it is passed on as two (ECS, ContainerDefinition `cpu`).
fn shares(units: u64) -> u64 {
    match units {
        1 => 2,
        units => units,
    }
}

fn exit_of(state: &ContainerState) -> Exit {
    let reason = match state.error.as_deref() {
        _ if state.oom_killed == Some(true) => super::OUT_OF_MEMORY.to_owned(),
        Some(error) if !error.is_empty() => format!("DockerStateError: {error}"),
        _ => String::new(),
    };
    let finished = state
        .finished_at
        .as_deref()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Exit {
        code: state.exit_code.and_then(|code| i32::try_from(code).ok()),
        reason,
        never_started: false,
        at_ms: finished.map_or_else(clock::wall_ms, jiff::Timestamp::as_millisecond),
        last_output: String::new(),
    }
}

fn stop_signal(found: ContainerInspectResponse) -> String {
    let signal = found
        .config
        .and_then(|config| config.stop_signal)
        .filter(|signal| !signal.is_empty());
    signal.unwrap_or_else(|| "SIGTERM".to_owned())
}

/// Name and tag (or digest) of an image reference. Without a tag the engine would pull every tag there is.
fn split_reference(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

fn failed(doing: &'static str) -> impl FnOnce(EngineError) -> RuntimeError {
    move |error| RuntimeError::Docker {
        doing,
        message: text(&error),
    }
}

/// The engine's own words, without the client's around them.
fn text(error: &EngineError) -> String {
    match error {
        EngineError::DockerResponseServerError { message, .. } => message.clone(),
        EngineError::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    }
}

fn is_status(error: &EngineError, status: u16) -> bool {
    matches!(error, EngineError::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// 404: it is gone. 409: it does not run (signal), or it is being removed (remove).
fn absent_is_fine(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(error) if is_status(&error, 404) || is_status(&error, 409) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split_where_docker_splits_them() {
        assert_eq!(split_reference("busybox"), ("busybox", "latest"));
        assert_eq!(
            split_reference("host:5000/a/b"),
            ("host:5000/a/b", "latest")
        );
        assert_eq!(split_reference("host:5000/a/b:v1"), ("host:5000/a/b", "v1"));
        assert_eq!(split_reference("a/b@sha256:00"), ("a/b", "sha256:00"));
    }

    #[test]
    fn one_unit_of_cpu_is_as_few_shares_as_the_kernel_takes() {
        assert_eq!([0, 1, 2, 1024].map(shares), [0, 2, 2, 1024]);
    }
}
