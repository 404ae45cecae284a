//! What each operation means. [`TABLE`] has all of them on one page; what stands in it are plain functions of state and input, and
//! the little that waits is in `carry`. Called by `gateway`.
//!
//! A new operation: its function in the file of its noun, its row in the table, its tests beside the others.

mod attributes;
mod beyond;
mod callers;
mod capacity;
mod carry;
mod cluster_update;
mod clusters;
mod definitions;
mod deletion;
pub mod exception;
mod execute;
mod explain;
mod forecast;
mod input;
mod instances;
mod launch;
pub mod model;
mod nodes;
mod output;
mod overrides;
mod page;
mod placement;
mod protection;
mod refusals;
mod render;
mod rollouts;
mod services;
mod settings;
mod strategy;
mod tags;
mod tasks;

use bytes::Bytes;
use quorate_core::ids::{ClusterName, RequestId};
use quorate_core::state::Cluster;
use quorate_core::{Command, Millis, Policy, Realm, Reply, State};

use self::exception::Exception;
use self::input::Input;
use self::render::Failure;
use self::services::task_sets;
use crate::consensus::Decisions;
use crate::planner::RunAsk;

pub use self::callers::Caller;
pub use self::carry::{Operations, Request, Unsettled};
pub(crate) use self::nodes::here as node_here;
pub(crate) use self::render::event_shown;

/// One operation: a row of the table.
pub struct Operation {
    /// The service's name in a signature, or `quorate` for our own.
    pub service: &'static str,
    /// Its name.
    pub name: &'static str,
    meaning: Meaning,
}

type ReadFn = fn(&Scene<'_>, Input) -> Result<Bytes, Exception>;
type WriteFn = fn(&Scene<'_>, Input) -> Result<Intent, Exception>;
type AnswerFn = fn(&Scene<'_>, &Outcome) -> Result<Bytes, Exception>;

/// What an operation does.
enum Meaning {
    /// Shows what is, on any node whose state is new enough.
    Read(ReadFn),
    /// The same where the answer has to be reckoned out, which may take seconds.
    Reckon(ReadFn),
    /// Changes what is, through the leader: what is wanted, and how the outcome is shown.
    Write(WriteFn, AnswerFn),
    /// Shows the caller to itself.
    Identity,
    /// Shows the control plane's own nodes.
    Nodes,
}

use Meaning::{Identity, Nodes, Read, Reckon, Write};

const TABLE: &[Operation] = &[
    // Clusters.
    ecs("CreateCluster", Write(clusters::create, clusters::created)),
    ecs("DeleteCluster", Write(clusters::delete, clusters::deleted)),
    ecs(
        "UpdateCluster",
        Write(cluster_update::update, clusters::created),
    ),
    ecs(
        "UpdateClusterSettings",
        Write(cluster_update::update_settings, clusters::created),
    ),
    ecs("DescribeClusters", Read(clusters::describe)),
    ecs("ListClusters", Read(clusters::list)),
    ecs(
        "PutClusterCapacityProviders",
        Write(capacity::put, clusters::created),
    ),
    // Capacity providers.
    ecs(
        "CreateCapacityProvider",
        Write(capacity::create, capacity::changed),
    ),
    ecs("DescribeCapacityProviders", Read(capacity::describe)),
    ecs(
        "UpdateCapacityProvider",
        Write(capacity::update, capacity::changed),
    ),
    ecs(
        "DeleteCapacityProvider",
        Write(capacity::delete, capacity::changed),
    ),
    // Task definitions.
    ecs(
        "RegisterTaskDefinition",
        Write(definitions::register, definitions::registered),
    ),
    ecs(
        "DeregisterTaskDefinition",
        Write(definitions::deregister, definitions::deregistered),
    ),
    ecs(
        "DeleteTaskDefinitions",
        Write(deletion::delete, deletion::deleted),
    ),
    ecs("DescribeTaskDefinition", Read(definitions::describe)),
    ecs("ListTaskDefinitions", Read(definitions::list)),
    ecs("ListTaskDefinitionFamilies", Read(definitions::families)),
    // Tasks.
    ecs("RunTask", Write(launch::run, launch::launched)),
    ecs("StartTask", Write(launch::start, launch::launched)),
    ecs("StopTask", Write(tasks::stop, tasks::stopped)),
    ecs("DescribeTasks", Read(tasks::describe)),
    ecs("ListTasks", Read(tasks::list)),
    ecs(
        "UpdateTaskProtection",
        Write(protection::update, protection::updated),
    ),
    ecs("GetTaskProtection", Read(protection::describe)),
    ecs("ExecuteCommand", Read(execute::refuse)),
    // Services.
    ecs("CreateService", Write(services::create, services::changed)),
    ecs("UpdateService", Write(services::update, services::changed)),
    ecs("DeleteService", Write(services::delete, services::changed)),
    ecs("DescribeServices", Read(services::describe)),
    ecs("ListServices", Read(services::list)),
    ecs("ListServicesByNamespace", Read(services::list_by_namespace)),
    ecs("ListServiceDeployments", Read(rollouts::list)),
    ecs("DescribeServiceDeployments", Read(rollouts::describe)),
    ecs("DescribeServiceRevisions", Read(rollouts::revisions)),
    ecs(
        "StopServiceDeployment",
        Write(rollouts::stop, rollouts::stopped),
    ),
    ecs(
        "ContinueServiceDeployment",
        Write(rollouts::go_on, rollouts::stopped),
    ),
    ecs(
        "CreateTaskSet",
        Write(task_sets::create, task_sets::changed),
    ),
    ecs(
        "UpdateTaskSet",
        Write(task_sets::update, task_sets::changed),
    ),
    ecs(
        "DeleteTaskSet",
        Write(task_sets::delete, task_sets::changed),
    ),
    ecs("DescribeTaskSets", Read(task_sets::describe)),
    ecs(
        "UpdateServicePrimaryTaskSet",
        Write(task_sets::make_primary, task_sets::changed),
    ),
    // Container instances.
    ecs(
        "DeregisterContainerInstance",
        Write(instances::deregister, instances::deregistered),
    ),
    ecs("DescribeContainerInstances", Read(instances::describe)),
    ecs("ListContainerInstances", Read(instances::list)),
    ecs(
        "UpdateContainerInstancesState",
        Write(instances::update_state, instances::state_updated),
    ),
    ecs("PutAttributes", Write(attributes::put, attributes::changed)),
    ecs(
        "DeleteAttributes",
        Write(attributes::delete, attributes::changed),
    ),
    ecs("ListAttributes", Read(attributes::list)),
    // Tags.
    ecs("TagResource", Write(tags::tag, tags::changed)),
    ecs("UntagResource", Write(tags::untag, tags::changed)),
    ecs("ListTagsForResource", Read(tags::list)),
    // Account settings.
    ecs("PutAccountSetting", Write(settings::put, settings::changed)),
    ecs(
        "PutAccountSettingDefault",
        Write(settings::put_default, settings::changed),
    ),
    ecs(
        "DeleteAccountSetting",
        Write(settings::delete, settings::changed),
    ),
    ecs("ListAccountSettings", Read(settings::list)),
    // Other services, and our own.
    row("sts", "GetCallerIdentity", Identity),
    row("quorate", "ListNodes", Nodes),
    row("quorate", "DescribeTaskOutput", Read(output::describe)),
    row("quorate", "DescribePlacement", Reckon(explain::describe)),
    row("quorate", "DescribePlan", Reckon(forecast::describe)),
];

const fn ecs(name: &'static str, meaning: Meaning) -> Operation {
    row("ecs", name, meaning)
}

const fn row(service: &'static str, name: &'static str, meaning: Meaning) -> Operation {
    Operation {
        service,
        name,
        meaning,
    }
}

/// Who has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any node whose state is as new as the call.
    Read,
    /// The leader.
    Write,
    /// This node, as it is.
    Here,
}

impl Operation {
    /// Who has to answer.
    pub fn kind(&self) -> Kind {
        match self.meaning {
            Read(_) | Reckon(_) => Kind::Read,
            Write(..) => Kind::Write,
            Identity | Nodes => Kind::Here,
        }
    }
}

/// What Amazon's agent calls and nobody else does. Quorate's own speaks another protocol, in which it hears what it should run.
const OF_AGENTS: [&str; 6] = [
    "DiscoverPollEndpoint",
    "RegisterContainerInstance",
    "SubmitAttachmentStateChanges",
    "SubmitContainerStateChange",
    "SubmitTaskStateChange",
    "UpdateContainerAgent",
];

/// The operation of that name. One that ECS has and Quorate has not says so by name.
pub fn find(service: &str, name: &str) -> Result<&'static Operation, Exception> {
    let row = TABLE
        .iter()
        .find(|row| row.service == service && row.name == name);
    row.ok_or_else(|| match model::operation(name) {
        Some(name) if service == "ecs" && OF_AGENTS.contains(&name) => Exception::of_agents(name),
        Some(name) if service == "ecs" => Exception::unsupported(name),
        _ => Exception::unknown_operation(name),
    })
}

/// What an operation looks at.
struct Scene<'a> {
    state: &'a State,
    realm: &'a Realm,
    caller: &'a Caller,
    /// The call itself: what it makes is numbered after it.
    request: RequestId,
    /// What placed tasks lately.
    decisions: &'a Decisions,
    /// By this node's clock.
    now: Millis,
    /// What the leader's duties go by.
    policy: &'a Policy,
}

impl Scene<'_> {
    /// Refuses an ARN that says another cluster than the call does.
    fn check_cluster(
        &self,
        named: Option<&ClusterName>,
        cluster: &Cluster,
    ) -> Result<(), Exception> {
        match named.filter(|named| **named != cluster.name) {
            Some(other) => Err(Exception::invalid_parameter(format!(
                "Invalid identifier: Identifier is for cluster {other}. Your cluster is {}",
                cluster.name
            ))),
            None => Ok(()),
        }
    }
}

/// What a write wants, checked.
enum Intent {
    /// A change in which nothing has to be placed.
    Change(Command),
    /// The same for some of what was asked for; the rest failed.
    ChangeSome {
        command: Command,
        failures: Vec<Failure>,
    },
    /// Tasks to be placed; `missing` are places asked for that do not exist.
    Run {
        ask: Box<RunAsk>,
        missing: Vec<Failure>,
    },
    /// Nothing: it was done before.
    Already(Outcome),
}

/// What became of an intent.
struct Outcome {
    reply: Reply,
    failures: Vec<Failure>,
}

impl Outcome {
    /// With nothing that could not be done.
    fn of(reply: Reply) -> Self {
        Self {
            reply,
            failures: Vec::new(),
        }
    }

    /// The reply is of another operation: a request id came twice for different things.
    fn strange(&self) -> Exception {
        Exception::server(format!(
            "The request id belongs to another operation: {:?}.",
            self.reply
        ))
    }
}

#[cfg(test)]
mod tests;
