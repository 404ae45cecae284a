//! What is to be placed, on what; and what came of it.

use std::collections::BTreeSet;

use crate::documents::{Launch, PortSpec};
use crate::ids::{ClusterName, InstanceId};
use crate::placement::{Refusal, Rules};
use crate::state::{HostPort, Instance, InstanceStatus, State};

/// A wish: `count` tasks of one kind, in one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// The state to look at; what is reserved in it is reserved.
    pub state: &'a State,
    /// Whose instances.
    pub cluster: &'a ClusterName,
    /// What each task needs.
    pub need: &'a Need,
    /// Tasks of the same group are kept apart.
    pub group: &'a str,
    /// Constraints and strategies.
    pub rules: &'a Rules,
    /// What the strategy `random` draws its lots with.
    pub seed: u64,
    /// How many.
    pub count: usize,
}

/// What one task needs of its instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// CPU units.
    pub cpu_units: u64,
    /// MiB.
    pub memory_mib: u64,
    /// GPUs.
    pub gpus: u64,
    /// Its ports, over all containers, in order.
    pub ports: Vec<PortSpec>,
    /// Attributes that the instance must have, by name.
    pub attributes: Vec<String>,
}

impl Need {
    /// What a launch needs. `attributes` comes from its definition.
    #[must_use]
    pub fn new(launch: &Launch, attributes: &[String]) -> Self {
        Self {
            cpu_units: launch.cpu_reserved(),
            memory_mib: launch.memory_reserved(),
            gpus: launch.gpus_reserved(),
            ports: launch
                .containers
                .iter()
                .flat_map(|container| container.ports.clone())
                .collect(),
            attributes: attributes.to_vec(),
        }
    }
}

/// What came of a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Where tasks go; as many as asked for, or fewer.
    pub placed: Vec<Placement>,
    /// If fewer: why each instance takes no more, by id.
    pub refused: Vec<Refused>,
}

/// Where one task goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its instance.
    pub instance: InstanceId,
    /// The host port of each of [`Need::ports`], in order.
    pub ports: Vec<HostPort>,
}

/// An instance that takes no (more) tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub instance: InstanceId,
    /// Why.
    pub why: Refusal,
}

impl<'a> Problem<'a> {
    /// The cluster's instances by id, without those that were deregistered.
    pub(super) fn live(&self) -> impl Iterator<Item = &'a Instance> + use<'a> {
        self.state
            .instances_in(self.cluster)
            .filter(|instance| instance.status != InstanceStatus::Inactive)
    }
}

/// An instance, and what this plan has put on it so far.
pub(super) struct Candidate<'a> {
    pub(super) instance: &'a Instance,
    pub(super) cpu_units_free: u64,
    pub(super) memory_mib_free: u64,
    pub(super) gpus_free: u64,
    /// Tasks of the problem's group, this plan's included.
    pub(super) same_group: u32,
    /// Those of this plan.
    pub(super) planned: u32,
    /// Ports that this plan took, beyond those of the instance.
    pub(super) ports_taken: BTreeSet<HostPort>,
    pub(super) cursor: u16,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(instance: &'a Instance, same_group: u32) -> Self {
        Self {
            instance,
            cpu_units_free: instance.cpu_units_free(),
            memory_mib_free: instance.memory_mib_free(),
            gpus_free: instance.gpus_free(),
            same_group,
            planned: 0,
            ports_taken: BTreeSet::new(),
            cursor: instance.dynamic_cursor,
        }
    }

    /// Puts a task on it.
    pub(super) fn take(&mut self, need: &Need, ports: Vec<HostPort>) -> Placement {
        self.cpu_units_free -= need.cpu_units;
        self.memory_mib_free -= need.memory_mib;
        self.gpus_free -= need.gpus;
        self.same_group += 1;
        self.planned += 1;
        self.ports_taken.extend(&ports);
        let range = self.instance.dynamic_ports;
        let last_dynamic = ports
            .iter()
            .map(|host| host.port)
            .rfind(|port| (range.first..=range.last).contains(port));
        self.cursor = last_dynamic.unwrap_or(self.cursor);
        Placement {
            instance: self.instance.id,
            ports,
        }
    }
}
