//! From a placement to a task that can be started: ids, containers and ports, all decided.

use super::Placement;
use crate::command::{NewContainer, NewTask, Reservation};
use crate::documents::{Document, Launch, LaunchContainer, Tags};
use crate::ids::ClusterName;
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
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
}

impl Order<'_> {
    /// The task that goes where `placed` says.
    #[must_use]
    pub fn task(&self, placed: &Placement, mint: &mut Mint) -> NewTask {
        let mut ports = placed.ports.iter().copied();
        let containers = &self.launch.containers;
        let containers = containers
            .iter()
            .map(|container| new_container(container, &mut ports, mint));
        NewTask {
            containers: containers.collect(),
            id: mint.task(),
            cluster: self.cluster.clone(),
            definition: self.definition.id.clone(),
            instance: placed.instance,
            reserved: Reservation {
                cpu_units: self.launch.cpu_reserved(),
                memory_mib: self.launch.memory_reserved(),
                gpus: self.launch.gpus_reserved(),
                ports: placed.ports.clone(),
            },
            group: self.group.to_owned(),
            started_by: self.started_by.to_owned(),
            overrides: self.overrides.clone(),
            tags: self.tags.clone(),
            launch_type: self.launch_type.to_owned(),
            stop_timeout_ms: self.definition.spec.stop_timeout_ms(),
            enable_execute_command: self.enable_execute_command,
        }
    }
}

/// The placement's ports come in the order of the containers' ports, over all containers.
fn new_container(
    container: &LaunchContainer,
    ports: &mut impl Iterator<Item = HostPort>,
    mint: &mut Mint,
) -> NewContainer {
    let bindings = container.ports.iter().map(|spec| PortBinding {
        container_port: spec.container_port,
        host: ports
            .next()
            .expect("a placement has a host port for each port needed"),
        name: spec.name.clone(),
    });
    NewContainer {
        bindings: bindings.collect(),
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
