//! What is proposed, decided and answered: [`Command`] in, [`Reply`] or [`Rejection`] out, [`Change`]s for whoever watches.

mod agent;
mod capacity;
mod service;
mod tags;
mod task;
mod task_set;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::documents::{Capacity, DefinitionSpec, Document, Tags};
use crate::events::Event;
use crate::ids::{
    ClusterName, DefinitionId, DeploymentId, Family, InstanceId, NodeId, ProviderName, RequestId,
    ServiceKey, SessionId, StoreId, TaskId, TaskSetKey,
};
use crate::state::StopCode;
use crate::time::Millis;

pub use agent::{ContainerObserved, NewInstance, TaskObserved};
pub use capacity::{NewProvider, NewWaiting, QueueStep, Wish};
pub use service::{
    NewDeployment, NewEvent, NewService, ServiceStart, ServiceStep, ServiceStop, ServiceUpdate,
    Turn,
};
pub use tags::Tagged;
pub use task::{Asked, ClientToken, NewContainer, NewTask, Reservation};
pub use task_set::{NewTaskSet, TaskSetDeletion, TaskSetRejection, TaskSetUpdate};

/// One entry of the Raft log: commands that were waiting together, in order, and the leader's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the leader proposed it. `apply` takes the greater of this and the time the state has reached.
    pub at: Millis,
    /// At least one.
    pub items: Vec<Item>,
}

/// One command, and the change it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Equal ids are applied once.
    pub request: RequestId,
    /// What to do.
    pub command: Command,
}

/// A decision, with everything decided: ids, instance, ports. `apply` only checks that it still fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// CreateCluster: makes a cluster, or revives an INACTIVE one; an ACTIVE one is left as it is.
    CreateCluster {
        /// Its name.
        name: ClusterName,
        /// Its tags.
        tags: Tags,
        /// settings, configuration and the like, verbatim.
        document: Document,
        /// What it runs tasks on.
        #[serde(default)]
        capacity: Capacity,
    },
    /// UpdateCluster and UpdateClusterSettings.
    UpdateCluster {
        /// Its name.
        name: ClusterName,
        /// settings, configuration and the like, with the update worked in.
        document: Document,
    },
    /// DeleteCluster: refused while anything lives in it.
    DeleteCluster {
        /// Its name.
        name: ClusterName,
    },
    /// RegisterTaskDefinition: the next revision of the family.
    RegisterDefinition {
        /// The family.
        family: Family,
        /// The request, verbatim, without its tags.
        document: Document,
        /// The same, parsed by the leader.
        spec: Arc<DefinitionSpec>,
        /// Its tags.
        tags: Tags,
        /// ARN of who registered it.
        registered_by: String,
    },
    /// DeregisterTaskDefinition.
    DeregisterDefinition {
        /// Which.
        id: DefinitionId,
    },
    /// DeleteTaskDefinitions: those that are INACTIVE go as soon as nothing uses them; others are left alone.
    DeleteDefinitions {
        /// Which.
        ids: Vec<DefinitionId>,
    },
    /// Duty: revisions to be deleted whose time has come are looked at; what is unused goes.
    PurgeDefinitions,
    /// TagResource: each tag new, or in the place of the one with its key.
    Tag {
        /// What.
        resource: Tagged,
        /// At least one.
        tags: Tags,
    },
    /// UntagResource: keys that are not there are left out.
    Untag {
        /// What.
        resource: Tagged,
        /// At least one.
        keys: Vec<String>,
    },
    /// PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting.
    PutSetting {
        /// Whose (ARN); `None` is the account's default.
        principal: Option<String>,
        /// Its name.
        name: String,
        /// `None` deletes it.
        value: Option<String>,
    },
    /// RunTask and StartTask: tasks that have been placed. All or none.
    StartTasks {
        /// The client's token, where it gave one.
        token: Option<ClientToken>,
        /// At least one.
        tasks: Vec<NewTask>,
        /// By which rules they were placed; kept for those who ask why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Box<Asked>>,
    },
    /// StopTask, or a duty that ends a task.
    StopTask {
        /// Which.
        task: TaskId,
        /// Why, in ECS's codes.
        code: StopCode,
        /// Why, for people.
        reason: String,
    },
    /// An agent's session begins: a new instance, or one that returns.
    RegisterInstance(Box<NewInstance>),
    /// An agent's session ended.
    Disconnect {
        /// Whose.
        instance: InstanceId,
        /// Which session; a newer one is left alone.
        session: SessionId,
    },
    /// DeregisterContainerInstance.
    DeregisterInstance {
        /// Which.
        instance: InstanceId,
        /// Also with tasks on it.
        force: bool,
    },
    /// PutAttributes: custom attributes, each new or in the place of what was there. All or none.
    PutAttributes {
        /// At least one.
        attributes: Vec<InstanceAttribute>,
    },
    /// DeleteAttributes: custom attributes; those that are not there are left out.
    DeleteAttributes {
        /// At least one; their values do not count.
        attributes: Vec<InstanceAttribute>,
    },
    /// UpdateContainerInstancesState: no more tasks for these (DRAINING), or tasks again (ACTIVE).
    SetDraining {
        /// Which; those that were deregistered are left alone.
        instances: Vec<InstanceId>,
        /// DRAINING, not ACTIVE.
        is_draining: bool,
    },
    /// Duty: an instance has been silent for too long; its tasks are given up.
    LoseInstance {
        /// Which.
        instance: InstanceId,
        /// The session it had when the leader decided; a newer one cancels the loss.
        session: SessionId,
    },
    /// What an agent saw.
    Observe {
        /// Which agent's instance.
        instance: InstanceId,
        /// Its session.
        session: SessionId,
        /// One for each task that changed.
        tasks: Vec<TaskObserved>,
    },
    /// Duty: tasks told to stop long ago that their agent never confirmed.
    ExpireStops {
        /// Which.
        tasks: Vec<TaskId>,
    },
    /// Duty: STOPPED tasks that have been visible long enough.
    Forget {
        /// Which.
        tasks: Vec<TaskId>,
    },
    /// A node makes itself known: its addresses, and the disk it votes with.
    RecordNode {
        /// Which.
        node: NodeId,
        /// Its disk; another one later is refused.
        store: StoreId,
        /// host:port for nodes and agents.
        peer_address: String,
        /// host:port for people.
        api_address: String,
        /// Version of its program.
        version: String,
    },
    /// CreateService.
    CreateService(Box<NewService>),
    /// UpdateService.
    UpdateService(Box<ServiceUpdate>),
    /// DeleteService.
    DeleteService {
        /// Which.
        service: ServiceKey,
        /// Also while it wants tasks.
        force: bool,
    },
    /// CreateTaskSet.
    CreateTaskSet(Box<NewTaskSet>),
    /// UpdateTaskSet.
    UpdateTaskSet(TaskSetUpdate),
    /// DeleteTaskSet.
    DeleteTaskSet(TaskSetDeletion),
    /// UpdateServicePrimaryTaskSet: the one that is PRIMARY now.
    MakePrimary(TaskSetKey),
    /// StopServiceDeployment.
    StopDeployment {
        /// Which.
        deployment: DeploymentId,
        /// Whether the last completed deployment is to come back.
        is_rollback: bool,
    },
    /// ContinueServiceDeployment: how a deployment that waits goes on.
    ContinueDeployment {
        /// Which.
        deployment: DeploymentId,
        /// At which pause.
        hook: String,
        /// Whether it is rolled back.
        is_rollback: bool,
    },
    /// Duty: what the scheduler does about a service.
    StepService(Box<ServiceStep>),
    /// UpdateTaskProtection: tasks of services that are not to be stopped by them, or may be again.
    ProtectTasks {
        /// Which.
        tasks: Vec<TaskId>,
        /// For how long from now; `None` ends the protection.
        for_ms: Option<u64>,
    },
    /// CreateCapacityProvider.
    CreateProvider(NewProvider),
    /// UpdateCapacityProvider.
    UpdateProvider {
        /// Which.
        name: ProviderName,
        /// Its document with the update worked in.
        document: Document,
    },
    /// DeleteCapacityProvider: refused while it is attached to a cluster.
    DeleteProvider {
        /// Which.
        name: ProviderName,
    },
    /// PutClusterCapacityProviders: instead of all that there was.
    PutClusterCapacity {
        /// Whose.
        cluster: ClusterName,
        /// What it runs tasks on from now on.
        capacity: Capacity,
    },
    /// RunTask by a capacity provider strategy: tasks that have been placed, and others that wait for room. All or none.
    QueueTasks {
        /// The client's token, where it gave one.
        token: Option<ClientToken>,
        /// Those that have been placed.
        tasks: Vec<NewTask>,
        /// Those that wait.
        waiting: Vec<NewWaiting>,
        /// By which rules they are placed; kept for those who ask why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Box<Asked>>,
    },
    /// Duty: tasks that waited and have been placed.
    PlaceTasks(QueueStep),
}

/// A custom attribute of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceAttribute {
    /// Whose.
    pub instance: InstanceId,
    /// Its name.
    pub name: String,
    /// Its value; empty if it has none.
    pub value: String,
}

/// What applying one entry came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// One for each item, in order.
    pub outcomes: Vec<Outcome>,
    /// What was touched, in order, each once an entry.
    pub changes: Vec<Change>,
    /// What is told of it, in the order in which it happened.
    pub events: Vec<Event>,
}

/// What one command came to.
pub type Outcome = Result<Reply, Rejection>;

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing to add.
    Done,
    /// The cluster exists now.
    Cluster(ClusterName),
    /// The revision that was made or ended.
    Definition(DefinitionId),
    /// The revisions that are being deleted.
    Definitions(Vec<DefinitionId>),
    /// The tasks that were started now, or earlier under the same token.
    Tasks(Vec<TaskId>),
    /// The instance, and which life of its registration this is.
    Instance {
        /// Its id.
        id: InstanceId,
        /// Rises each time that its tasks were given up.
        incarnation: u64,
    },
    /// Custom attributes that were put, or deleted.
    Attributes(Vec<InstanceAttribute>),
    /// Instances that were changed, or already were as asked.
    Instances(Vec<InstanceId>),
    /// The service as it is wanted now.
    Service(ServiceKey),
    /// The service deployment that is to stop.
    Deployment(DeploymentId),
    /// The capacity provider that was made, changed or deleted.
    Provider(ProviderName),
    /// The task set as it is wanted now.
    TaskSet(TaskSetKey),
    /// The account setting that was put, or deleted.
    Setting {
        /// Whose (ARN); `None` is the account's default.
        principal: Option<String>,
        /// Its name.
        name: String,
        /// The value that was put, or that was there before it was deleted.
        value: Option<String>,
    },
}

/// A refusal; the same on all replicas. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// No such cluster.
    #[error("cluster {0} does not exist")]
    ClusterNotFound(ClusterName),
    /// The cluster was deleted.
    #[error("cluster {0} is INACTIVE")]
    ClusterInactive(ClusterName),
    /// DeleteCluster with instances registered.
    #[error("cluster {0} has container instances")]
    ClusterHasInstances(ClusterName),
    /// DeleteCluster with tasks that are not STOPPED.
    #[error("cluster {0} has tasks")]
    ClusterHasTasks(ClusterName),
    /// No such revision.
    #[error("task definition {0} does not exist")]
    DefinitionNotFound(DefinitionId),
    /// The revision was deregistered.
    #[error("task definition {0} is INACTIVE")]
    DefinitionInactive(DefinitionId),
    /// TagResource and UntagResource of what is not there.
    #[error("{0} does not exist")]
    TaggedNotFound(Tagged),
    /// TagResource beyond ECS's fifty tags of a resource.
    #[error("{0} has too many tags")]
    TooManyTags(Tagged),
    /// The token was used with other parameters.
    #[error("the client token was used with other parameters")]
    TokenConflict {
        /// What it started.
        tasks: Vec<TaskId>,
    },
    /// The state moved since the placement was decided; look again.
    #[error("task {task} does not fit on {instance} any more")]
    NoLongerFits {
        /// The task.
        task: TaskId,
        /// The instance.
        instance: InstanceId,
    },
    /// No such task.
    #[error("task {0} does not exist")]
    TaskNotFound(TaskId),
    /// No such instance.
    #[error("container instance {0} does not exist")]
    InstanceNotFound(InstanceId),
    /// The instance was deregistered.
    #[error("container instance {0} is INACTIVE")]
    InstanceInactive(InstanceId),
    /// DeregisterContainerInstance without force, with tasks.
    #[error("container instance {0} has running tasks")]
    InstanceHasTasks(InstanceId),
    /// PutAttributes beyond ECS's ten custom attributes of an instance.
    #[error("container instance {0} has too many custom attributes")]
    TooManyAttributes(InstanceId),
    /// The agent was moved to another cluster: an instance belongs to one for life.
    #[error("container instance {instance} belongs to cluster {cluster}")]
    InstanceElsewhere {
        /// Which.
        instance: InstanceId,
        /// Where it belongs.
        cluster: ClusterName,
    },
    /// A newer session of the instance exists.
    #[error("a newer session of container instance {0} exists")]
    StaleSession(InstanceId),
    /// The node voted with another disk before.
    #[error("node {node} is known with another store, {known}")]
    NodeHasOtherStore {
        /// Which.
        node: NodeId,
        /// The store it is known with.
        known: StoreId,
    },
    /// DeleteCluster with services that are not INACTIVE.
    #[error("cluster {0} has services")]
    ClusterHasServices(ClusterName),
    /// No such service.
    #[error("service {0} does not exist")]
    ServiceNotFound(ServiceKey),
    /// The service was deleted.
    #[error("service {0} is not ACTIVE")]
    ServiceNotActive(ServiceKey),
    /// CreateService under a name that another service has.
    #[error("service {0} exists, made by another request")]
    ServiceExists(ServiceKey),
    /// CreateService under the name of a service whose tasks are ending.
    #[error("service {0} is still DRAINING")]
    ServiceDraining(ServiceKey),
    /// DeleteService without force while it wants tasks.
    #[error("service {0} is scaled above 0")]
    ServiceScaled(ServiceKey),
    /// The service moved since the decision; look again.
    #[error("service {0} is not any more what it was")]
    ServiceMoved(ServiceKey),
    /// No such service deployment.
    #[error("service deployment {0} does not exist")]
    DeploymentNotFound(DeploymentId),
    /// The service deployment does not wait at that pause.
    #[error("service deployment {deployment} does not wait at {hook}")]
    NotPaused {
        /// Which.
        deployment: DeploymentId,
        /// The pause that was named.
        hook: String,
    },
    /// The service deployment has ended, or is ending.
    #[error("service deployment {0} is not in progress")]
    DeploymentEnded(DeploymentId),
    /// CreateCapacityProvider under a name that another has.
    #[error("capacity provider {0} exists")]
    ProviderExists(ProviderName),
    /// No such capacity provider, or it was deleted.
    #[error("capacity provider {0} does not exist")]
    ProviderNotFound(ProviderName),
    /// CreateCapacityProvider with the Auto Scaling group of another.
    #[error("capacity provider {0} has that Auto Scaling group")]
    GroupTaken(ProviderName),
    /// DeleteCapacityProvider while a cluster has it.
    #[error("capacity provider {provider} is attached to cluster {cluster}")]
    ProviderAttached {
        /// Which.
        provider: ProviderName,
        /// One that has it.
        cluster: ClusterName,
    },
    /// Something is to run on a capacity provider that its cluster has not.
    #[error("capacity provider {provider} is not attached to cluster {cluster}")]
    ProviderNotAttached {
        /// Which.
        provider: ProviderName,
        /// The cluster.
        cluster: ClusterName,
    },
    /// PutClusterCapacityProviders without one that tasks or services use.
    #[error("capacity provider {0} is in use")]
    ProviderInUse(ProviderName),
    /// More tasks would wait for room than ECS lets wait in a cluster.
    #[error("too many tasks wait for capacity in cluster {0}")]
    TooManyWaiting(ClusterName),
    /// The tasks that wait in a cluster are not any more what they were; look again.
    #[error("what waits in cluster {0} is not any more what it was")]
    QueueMoved(ClusterName),
    /// Because of task sets.
    #[error(transparent)]
    TaskSet(#[from] TaskSetRejection),
}

/// What an entry touched; readers look the rest up in the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A cluster.
    Cluster(ClusterName),
    /// A task definition.
    Definition(DefinitionId),
    /// A task, and where it is.
    Task {
        /// Which.
        task: TaskId,
        /// Its instance, which may have to be told.
        instance: InstanceId,
    },
    /// A container instance.
    Instance(InstanceId),
    /// A node's record.
    Node(NodeId),
    /// A service, its events or its deployments.
    Service(ServiceKey),
    /// A capacity provider.
    Provider(ProviderName),
    /// A task that waits for room, or did.
    Waiting(TaskId),
}
