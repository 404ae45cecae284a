//! What is: the tables of the replicated state, their indexes, and how they are read. Only `apply` writes.
//!
//! All tables are persistent maps: a clone costs a few pointers, so that a reader keeps its view while `apply` goes on.

mod balance;
mod capacity;
mod capacity_check;
mod check;
mod cluster;
mod definition;
mod ground;
pub mod health;
mod health_status;
mod instance;
mod node;
mod provider;
mod resources;
mod rollout;
mod service;
mod services;
mod settings;
mod tags;
mod task;
mod task_set;
mod waiting;
mod write;

use std::sync::Arc;

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

pub use balance::{Balance, Crowd, MOVES_WINDOW_MS, Moving};
pub use check::{Invariant, Violation};
pub use cluster::{Cluster, ClusterStatus};
pub use definition::{DefinitionStatus, FamilyRecord, TaskDefinition};
pub(crate) use ground::{Free, Ground, Group, GroupZone, ZoneMap};
pub use health_status::Health;
pub use instance::{Instance, InstanceStatus, InstanceVersion};
pub use node::NodeRecord;
pub use provider::{CapacityProvider, ProviderStatus};
pub use resources::{HostPort, PortBinding, PortRange, Resources};
pub use rollout::{Pause, PauseStatus, Revision, Rollback, RolloutStatus, ServiceDeployment};
pub use service::{
    Deployment, EVENTS_KEPT, ROLLOUTS_KEPT, Rollout, Said, Service, ServiceEvent, ServiceStatus,
    Topic,
};
pub use task::{Container, ContainerStatus, DesiredStatus, Membership, StopCode, Task, TaskStatus};
pub use task_set::{Stability, TASK_SETS_MAX, TaskSet, TaskSetStatus, TaskSetToken};
pub use waiting::{Queue, WaitingStop, WaitingTask};

use crate::command::Reply;
use crate::ids::{
    ClusterName, DefinitionId, DeploymentId, Family, InstanceId, NodeId, ProviderName, RequestId,
    ServiceKey, TaskId,
};
use crate::time::Millis;

type Map<K, V> = RedBlackTreeMapSync<K, V>;
type Set<K> = RedBlackTreeSetSync<K>;

/// The replicated state. `State::default()` is the state before the first entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(crate) applied_index: u64,
    pub(crate) now: Millis,
    /// Like `now`, but a clock that jumps ahead counts little: how much of its time the state has lived through.
    pub(crate) lived: Millis,
    pub(crate) clusters: Map<ClusterName, Arc<Cluster>>,
    pub(crate) families: Map<Family, FamilyRecord>,
    pub(crate) definitions: Map<DefinitionId, Arc<TaskDefinition>>,
    pub(crate) instances: Map<InstanceId, Arc<Instance>>,
    pub(crate) tasks: Map<TaskId, Arc<Task>>,
    pub(crate) nodes: Map<NodeId, NodeRecord>,
    pub(crate) tokens: Map<(ClusterName, String), TokenRecord>,
    pub(crate) requests: Map<RequestId, Remembered>,
    pub(crate) services: Map<ServiceKey, Arc<Service>>,
    pub(crate) service_events: Map<(ServiceKey, u64), Arc<ServiceEvent>>,
    pub(crate) service_deployments: Map<DeploymentId, Arc<ServiceDeployment>>,
    pub(crate) revisions: Map<DeploymentId, Arc<Revision>>,
    pub(crate) providers: Map<ProviderName, Arc<CapacityProvider>>,
    pub(crate) waiting: Map<TaskId, Arc<WaitingTask>>,
    pub(crate) queues: Map<ClusterName, Queue>,
    /// By whose they are (ARN; empty is the account's default) and their names.
    pub(crate) settings: Map<(String, String), String>,
    pub(crate) index: Indexes,
}

/// Everything here follows from the tables; a snapshot does not carry it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Indexes {
    pub(crate) tasks_by_cluster: Set<(ClusterName, TaskId)>,
    pub(crate) tasks_by_instance: Set<(InstanceId, TaskId)>,
    /// Those of them that are not STOPPED.
    pub(crate) live_by_instance: Set<(InstanceId, TaskId)>,
    pub(crate) instances_by_cluster: Set<(ClusterName, InstanceId)>,
    pub(crate) instances_by_token: Map<String, InstanceId>,
    /// Revisions that are being deleted, by the time at which they are to be looked at.
    pub(crate) deletions: Set<(Millis, DefinitionId)>,
    /// What placement looks at.
    pub(crate) ground: Map<ClusterName, Ground>,
    /// Tasks told to stop and not STOPPED, by the time they were told plus their stop timeout.
    pub(crate) stopping: Set<(Millis, TaskId)>,
    /// STOPPED tasks, also those that never were placed, by the time they became so.
    pub(crate) stopped: Set<(Millis, TaskId)>,
    pub(crate) tokens_by_time: Set<(Millis, ClusterName, String)>,
    pub(crate) requests_by_time: Set<(Millis, RequestId)>,
    pub(crate) tasks_by_service: Set<(ServiceKey, TaskId)>,
    /// Those of them that are not STOPPED.
    pub(crate) live_by_service: Set<(ServiceKey, TaskId)>,
    /// Services by the time at which they are to be looked at.
    pub(crate) looks: Set<(Millis, ServiceKey)>,
    /// Services that follow the instances of their cluster.
    pub(crate) followers: Set<ServiceKey>,
    /// When moves of tasks began, each with its service.
    pub(crate) moves: Set<(Millis, ServiceKey)>,
    /// Services that an instance more could help to spread better, and do not know of one yet.
    pub(crate) movers: Set<(ClusterName, Crowd, ServiceKey)>,
    /// Deployments by service, in the order in which they were asked for.
    pub(crate) deployments_by_service: Set<(ServiceKey, Millis, DeploymentId)>,
    /// Tasks that wait for room, by their number in their cluster.
    pub(crate) waiting_by_cluster: Set<(ClusterName, u64, TaskId)>,
}

/// What a client token started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// SHA-256 of the parameters.
    pub fingerprint: [u8; 32],
    /// What it started.
    pub tasks: Vec<TaskId>,
    /// When.
    pub at: Millis,
}

/// A request that was carried out, and its reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// How much time the state had lived through.
    pub at: Millis,
    /// What was replied.
    pub reply: Reply,
}

impl State {
    /// Index of the last entry applied; 0 before the first.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// The time the state has reached.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now
    }

    /// A cluster by name.
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> Option<&Cluster> {
        self.clusters.get(name).map(Arc::as_ref)
    }

    /// All clusters by name, INACTIVE ones included.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values().map(Arc::as_ref)
    }

    /// A revision.
    #[must_use]
    pub fn definition(&self, id: &DefinitionId) -> Option<&TaskDefinition> {
        self.definitions.get(id).map(Arc::as_ref)
    }

    /// All revisions, by family and number.
    pub fn definitions(&self) -> impl DoubleEndedIterator<Item = &TaskDefinition> {
        self.definitions.values().map(Arc::as_ref)
    }

    /// The revisions of a family, lowest first.
    pub fn definitions_of(
        &self,
        family: &Family,
    ) -> impl DoubleEndedIterator<Item = &TaskDefinition> {
        let bound = |revision| DefinitionId {
            family: family.clone(),
            revision,
        };
        self.definitions
            .range(bound(0)..=bound(u64::MAX))
            .map(|(_, definition)| definition.as_ref())
    }

    /// The newest ACTIVE revision of a family.
    #[must_use]
    pub fn newest_definition(&self, family: &Family) -> Option<&TaskDefinition> {
        self.definitions_of(family)
            .rev()
            .find(|definition| definition.status == DefinitionStatus::Active)
    }

    /// Revisions that are being deleted and have to be looked at by now.
    pub(crate) fn deletions_due(&self, now: Millis) -> impl Iterator<Item = &DefinitionId> {
        let due = self.index.deletions.iter();
        due.take_while(move |(at, _)| *at <= now).map(|(_, id)| id)
    }

    /// All families by name.
    pub fn families(&self) -> impl Iterator<Item = (&Family, &FamilyRecord)> {
        self.families.iter()
    }

    /// An instance.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<&Instance> {
        self.instances.get(id).map(Arc::as_ref)
    }

    /// All instances by id.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().map(Arc::as_ref)
    }

    /// The instances of a cluster by id, INACTIVE ones included.
    pub fn instances_in(&self, cluster: &ClusterName) -> impl Iterator<Item = &Instance> {
        let (low, high) = (InstanceId::from_u128(0), InstanceId::from_u128(u128::MAX));
        let ids = self
            .index
            .instances_by_cluster
            .range((cluster.clone(), low)..=(cluster.clone(), high));
        ids.filter_map(|(_, id)| self.instance(id))
    }

    /// What placement looks at in a cluster; none where there never was an instance.
    pub(crate) fn ground(&self, cluster: &ClusterName) -> Option<&Ground> {
        self.index.ground.get(cluster)
    }

    /// A task.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.get(id).map(Arc::as_ref)
    }

    /// All tasks by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values().map(Arc::as_ref)
    }

    /// The tasks of a cluster by id, STOPPED ones included.
    pub fn tasks_in(&self, cluster: &ClusterName) -> impl Iterator<Item = &Task> {
        let (low, high) = (TaskId::from_u128(0), TaskId::from_u128(u128::MAX));
        let ids = self
            .index
            .tasks_by_cluster
            .range((cluster.clone(), low)..=(cluster.clone(), high));
        ids.filter_map(|(_, id)| self.task(id))
    }

    /// The tasks of an instance by id, STOPPED ones included.
    pub fn tasks_on(&self, instance: &InstanceId) -> impl Iterator<Item = &Task> {
        let (low, high) = (TaskId::from_u128(0), TaskId::from_u128(u128::MAX));
        let ids = self
            .index
            .tasks_by_instance
            .range((*instance, low)..=(*instance, high));
        ids.filter_map(|(_, id)| self.task(id))
    }

    /// The tasks that hold something of an instance, by id: those that are not STOPPED. However many have ended there, it costs
    /// only what lives.
    pub fn live_tasks_on(&self, instance: &InstanceId) -> impl Iterator<Item = &Task> {
        let (low, high) = (TaskId::from_u128(0), TaskId::from_u128(u128::MAX));
        let ids = self
            .index
            .live_by_instance
            .range((*instance, low)..=(*instance, high));
        ids.filter_map(|(_, id)| self.task(id))
    }

    /// All nodes that made themselves known, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values()
    }

    /// A node's record.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&NodeRecord> {
        self.nodes.get(&id)
    }

    /// What a client token started.
    #[must_use]
    pub fn token(&self, cluster: &ClusterName, token: &str) -> Option<&TokenRecord> {
        self.tokens.get(&(cluster.clone(), token.to_owned()))
    }

    /// What was replied to a request, while it is remembered.
    #[must_use]
    pub fn remembered(&self, request: RequestId) -> Option<&Reply> {
        self.requests
            .get(&request)
            .map(|remembered| &remembered.reply)
    }

    /// Tasks whose agents should have confirmed their stop before `before`, oldest first.
    pub fn overdue_stops(&self, before: Millis) -> impl Iterator<Item = TaskId> {
        self.index
            .stopping
            .range(..(before, TaskId::from_u128(0)))
            .map(|(_, id)| *id)
    }

    /// Tasks that became STOPPED before `before`, oldest first.
    pub fn stopped_before(&self, before: Millis) -> impl Iterator<Item = TaskId> {
        self.index
            .stopped
            .range(..(before, TaskId::from_u128(0)))
            .map(|(_, id)| *id)
    }
}
