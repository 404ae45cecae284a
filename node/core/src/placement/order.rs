//! From a placement to a task that can be started: ids, containers and ports, all decided.

use super::Placement;
use crate::command::{NewContainer, NewTask, NewWaiting, Reservation, Wish};
use crate::documents::{Document, Launch, LaunchContainer, Tags};
use crate::ids::{ClusterName, ProviderName};
use crate::mint::Mint;
use crate::state::{HostPort, PortBinding, TaskDefinition};

/// Tasks of one kind, ready to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Where they live.
    pub cluster: &'a ClusterName,
    /// What they run.
    pub definition: &'a TaskDefinition,
    /// The same, with overrides worked in.
    pub launch: &'a Launch,
    /// TaskOverride, verbatim.
    pub overrides: &'a Document,
    /// Their group.
    pub group: &'a str,
    /// Who starts them; empty if nobody said.
    pub started_by: &'a str,
    /// Their tags.
    pub tags: &'a Tags,
    /// EC2, EXTERNAL or FARGATE.
    pub launch_type: &'a str,
    /// The capacity provider they go to, if they go to one.
    pub provider: Option<&'a ProviderName>,
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
}

impl<'a> Order<'a> {
    /// The same with a capacity provider.
    #[must_use]
    pub fn with(&self, provider: &'a ProviderName) -> Self {
        Self {
            launch_type: provider.launch_type(),
            provider: Some(provider),
            ..*self
        }
    }

    /// The task that goes where `placed` says.
    #[must_use]
    pub fn task(&self, placed: &Placement, mint: &mut Mint) -> NewTask {
        let mut ports = placed.ports.iter().copied();
        let containers = &self.launch.containers;
        let containers = containers
            .iter()
            .map(|container| new_container(container, bindings(container, &mut ports), mint));
        NewTask {
            containers: containers.collect(),
            id: mint.task(),
            cluster: self.cluster.clone(),
            definition: self.definition.id.clone(),
            instance: placed.instance,
            reserved: self.reserved(&placed.ports),
            group: self.group.to_owned(),
            started_by: self.started_by.to_owned(),
            overrides: self.overrides.clone(),
            tags: self.tags.clone(),
            launch_type: self.launch_type.to_owned(),
            provider: self.provider.cloned(),
            stop_timeout_ms: self.definition.spec.stop_timeout_ms(),
            enable_execute_command: self.enable_execute_command,
        }
    }

    /// The task that waits for room, as `wish` says.
    #[must_use]
    pub fn waiting(&self, wish: Wish, mint: &mut Mint) -> NewWaiting {
        let containers = self.launch.containers.iter();
        let containers = containers.map(|container| new_container(container, Vec::new(), mint));
        NewWaiting {
            containers: containers.collect(),
            id: mint.task(),
            cluster: self.cluster.clone(),
            wish,
            reserved: self.reserved(&[]),
            started_by: self.started_by.to_owned(),
            tags: self.tags.clone(),
            stop_timeout_ms: self.definition.spec.stop_timeout_ms(),
            enable_execute_command: self.enable_execute_command,
        }
    }

    fn reserved(&self, ports: &[HostPort]) -> Reservation {
        Reservation {
            cpu_units: self.launch.cpu_reserved(),
            memory_mib: self.launch.memory_reserved(),
            gpus: self.launch.gpus_reserved(),
            ports: ports.to_vec(),
        }
    }
}

/// The placement's ports come in the order of the containers' ports, over all containers.
fn bindings(
    container: &LaunchContainer,
    ports: &mut impl Iterator<Item = HostPort>,
) -> Vec<PortBinding> {
    let bindings = container.ports.iter().map(|spec| PortBinding {
        container_port: spec.container_port,
        host: ports
            .next()
            .expect("a placement has a host port for each port needed"),
        name: spec.name.clone(),
    });
    bindings.collect()
}

fn new_container(
    container: &LaunchContainer,
    bindings: Vec<PortBinding>,
    mint: &mut Mint,
) -> NewContainer {
    NewContainer {
        bindings,
        id: mint.container(),
        name: container.name.clone(),
        image: container.image.clone(),
        essential: container.essential,
        cpu_units: container.cpu_units,
        memory_mib: container.memory_mib,
        memory_reservation_mib: container.memory_reservation_mib,
        has_health_check: container.health_check.is_some(),
    }
}
