//! The peer: Docker's own Swarm, one node, as the engine brings it.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use bollard::Docker;
use bollard::models::{
    LocalNodeState, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, SwarmInitRequest,
    TaskSpec, TaskSpecContainerSpec, TaskState,
};
use bollard::query_parameters::{LeaveSwarmOptionsBuilder, ListTasksOptionsBuilder};
use tokio::time::Instant;

use super::{COMMAND, IMAGE, Sample, none_left, watch};

/// The engine puts it on the containers of services.
const LABEL: &str = "com.docker.swarm.service.name";
/// An end that nobody measures need not be gentle.
const STOP_GRACE_NS: i64 = 1_000_000;

/// A swarm of this engine alone.
pub(super) struct Swarm<'a> {
    engine: &'a Docker,
}

impl<'a> Swarm<'a> {
    /// Makes one of the engine.
    pub(super) async fn start(engine: &'a Docker) -> Result<Self> {
        let info = engine.info().await.context("ask the Docker engine")?;
        let state = info.swarm.and_then(|swarm| swarm.local_node_state);
        if state.is_some_and(|state| state != LocalNodeState::INACTIVE) {
            bail!("this Docker engine is of a swarm that is not ours: measure on another machine");
        }
        let alone = SwarmInitRequest {
            listen_addr: Some("127.0.0.1".to_owned()),
            advertise_addr: Some("127.0.0.1".to_owned()),
            ..SwarmInitRequest::default()
        };
        let started = engine.init_swarm(alone).await;
        started.context("make the Docker engine a swarm")?;
        Ok(Self { engine })
    }

    /// Starts a service, gives how long it took, and removes it.
    pub(super) async fn service(&self, name: &str, replicas: usize) -> Result<Sample> {
        let container = TaskSpecContainerSpec {
            image: Some(IMAGE.to_owned()),
            command: Some(COMMAND.map(str::to_owned).to_vec()),
            stop_grace_period: Some(STOP_GRACE_NS),
            ..TaskSpecContainerSpec::default()
        };
        let spec = ServiceSpec {
            name: Some(name.to_owned()),
            task_template: Some(TaskSpec {
                container_spec: Some(container),
                ..TaskSpec::default()
            }),
            mode: Some(ServiceSpecMode {
                replicated: Some(ServiceSpecModeReplicated {
                    replicas: Some(i64::try_from(replicas)?),
                }),
                ..ServiceSpecMode::default()
            }),
            ..ServiceSpec::default()
        };
        let began = Instant::now();
        let created = self.engine.create_service(spec, None).await;
        created.context("create a service of the swarm")?;
        let sample = watch("swarm", replicas, began, || self.running(name)).await;
        let deleted = self.engine.delete_service(name).await;
        deleted.context("delete a service of the swarm")?;
        none_left(self.engine, "swarm", LABEL).await?;
        sample
    }

    async fn running(&self, name: &str) -> Result<usize> {
        let filters = HashMap::from([("service", vec![name])]);
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let tasks = self.engine.list_tasks(Some(options)).await;
        let states = tasks.context("list the swarm's tasks")?;
        let states = states
            .into_iter()
            .filter_map(|task| task.status.and_then(|status| status.state));
        Ok(states.filter(|state| *state == TaskState::RUNNING).count())
    }

    /// Leaves the engine as it was.
    pub(super) async fn end(self) -> Result<()> {
        let options = LeaveSwarmOptionsBuilder::default().force(true).build();
        let left = self.engine.leave_swarm(Some(options)).await;
        left.context("end the swarm: docker swarm leave --force")
    }
}
