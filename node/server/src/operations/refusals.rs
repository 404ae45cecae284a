//! Every refusal of the state and of the planner as the exception that a caller sees: one table each.

use quorate_core::arn::ReferenceError;
use quorate_core::command::TaskSetRejection;
use quorate_core::documents::{DefinitionError, StrategyError, TagError};
use quorate_core::ids::{ClusterName, TaskId};
use quorate_core::placement::{Refusal, Refused};
use quorate_core::{Realm, Rejection, State};

use super::exception::{Exception, Kind};
use super::render::Failure;

/// A container instance that does not exist, where one object was asked for.
pub(super) fn instance_not_found() -> Exception {
    Exception::invalid_parameter("The referenced container instance was not found.")
}

/// A client token came back with other parameters; names the tasks that it started.
pub(super) fn token_conflict(tasks: &[TaskId], state: &State, realm: &Realm) -> Exception {
    let known = tasks
        .iter()
        .filter_map(|id| Some((state.cluster_of_task(id)?, *id)));
    let arns = known.map(|(cluster, id)| realm.task(cluster, id)).collect();
    Exception::conflict(
        "The clientToken was used before with other parameters.",
        arns,
    )
}

/// What the replicated state refused.
pub(super) fn rejection(rejection: &Rejection, state: &State, realm: &Realm) -> Exception {
    match rejection {
        Rejection::ClusterNotFound(_) => Exception::cluster_not_found(),
        Rejection::ClusterInactive(_) => Exception::cluster_inactive(),
        Rejection::ClusterHasInstances(_) => Exception::new(
            Kind::ClusterContainsContainerInstances,
            "The Cluster cannot be deleted while Container Instances are active or draining.",
        ),
        Rejection::ClusterHasTasks(_) => Exception::new(
            Kind::ClusterContainsTasks,
            "The Cluster cannot be deleted while Tasks are active.",
        ),
        Rejection::DefinitionNotFound(_) => Exception::task_definition_not_found(),
        Rejection::DefinitionInactive(_) => definition_inactive(),
        Rejection::TaggedNotFound(resource) => super::tags::not_found(resource),
        Rejection::TooManyTags(_) => tags(&TagError::TooMany),
        Rejection::TokenConflict { tasks } => token_conflict(tasks, state, realm),
        Rejection::NoLongerFits { .. } => Exception::server(
            "The cluster changed faster than the tasks could be placed. Nothing was started; try again.",
        ),
        Rejection::TaskNotFound(_) => Exception::task_not_found(),
        Rejection::InstanceNotFound(_) => instance_not_found(),
        Rejection::InstanceInactive(_) => {
            Exception::invalid_parameter("The referenced container instance was inactive.")
        }
        Rejection::InstanceHasTasks(_) => {
            Exception::invalid_parameter("Found running tasks on the instance.")
        }
        Rejection::TooManyAttributes(_) => Exception::new(
            Kind::AttributeLimitExceeded,
            "A container instance can have at most 10 custom attributes.",
        ),
        Rejection::ClusterHasServices(_) => Exception::new(
            Kind::ClusterContainsServices,
            "The Cluster cannot be deleted while Services are active.",
        ),
        Rejection::ServiceNotFound(_) => Exception::service_not_found(),
        Rejection::ServiceNotActive(_) => {
            Exception::new(Kind::ServiceNotActive, "Service was not ACTIVE.")
        }
        Rejection::ServiceExists(_) => {
            Exception::invalid_parameter("Creation of service was not idempotent.")
        }
        Rejection::ServiceDraining(_) => {
            Exception::invalid_parameter("Unable to Start a service that is still Draining.")
        }
        Rejection::ServiceScaled(_) => Exception::invalid_parameter(
            "The service cannot be stopped while it is scaled above 0.",
        ),
        Rejection::ServiceMoved(_) => Exception::server(
            "The service changed faster than it could be updated. Nothing was done; try again.",
        ),
        Rejection::DeploymentNotFound(_) => Exception::new(
            Kind::ServiceDeploymentNotFound,
            "Service deployment not found.",
        ),
        Rejection::NotPaused { .. } => Exception::invalid_parameter(
            "The service deployment does not wait at the given lifecycle hook.",
        ),
        Rejection::DeploymentEnded(id) => {
            let record = state.service_deployment(*id);
            let arns = record.map(|one| realm.service_deployment(&one.service, *id));
            Exception::conflict(
                "The service deployment is not in progress.",
                arns.into_iter().collect(),
            )
        }
        Rejection::ProviderExists(_)
        | Rejection::ProviderNotFound(_)
        | Rejection::GroupTaken(_)
        | Rejection::ProviderAttached { .. }
        | Rejection::ProviderNotAttached { .. }
        | Rejection::ProviderInUse(_)
        | Rejection::TooManyWaiting(_) => capacity(rejection),
        Rejection::TaskSet(rejection) => task_set(rejection),
        // Refusals of what agents and nodes propose; no operation proposes it.
        Rejection::InstanceElsewhere { .. }
        | Rejection::QueueMoved(_)
        | Rejection::StaleSession(_)
        | Rejection::NodeHasOtherStore { .. } => Exception::server(rejection.to_string()),
    }
}

/// What was refused of capacity providers.
fn capacity(rejection: &Rejection) -> Exception {
    match rejection {
        Rejection::ProviderExists(_) => Exception::client(
            "The specified capacity provider already exists. To change the configuration of an existing capacity provider, \
             update the capacity provider.",
        ),
        Rejection::GroupTaken(_) => Exception::client(
            "The specified Auto Scaling group ARN is already being used by another capacity provider. \
             Specify a unique Auto Scaling group ARN and try again.",
        ),
        Rejection::ProviderAttached { cluster, .. } => Exception::client(format!(
            "The capacity provider cannot be deleted because it is associated with cluster: {cluster}. \
             Remove the capacity provider from the cluster and try again."
        )),
        Rejection::ProviderNotAttached { .. } => provider_not_attached(),
        Rejection::ProviderInUse(_) => Exception::new(
            Kind::ResourceInUse,
            "The specified capacity provider is in use and cannot be removed.",
        ),
        Rejection::TooManyWaiting(_) => Exception::client(
            "The maximum number of tasks in the PROVISIONING state per cluster has been exceeded. Nothing was started.",
        ),
        _ => provider_not_found(),
    }
}

/// A capacity provider that does not exist, or was deleted.
pub(super) fn provider_not_found() -> Exception {
    Exception::invalid_parameter(
        "The specified capacity provider was not found. Specify a valid capacity provider and try again.",
    )
}

/// Tasks are to run on a capacity provider that the cluster has not.
pub(super) fn provider_not_attached() -> Exception {
    Exception::invalid_parameter(
        "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. \
         Associate the capacity provider with the cluster or specify a valid capacity provider and try again.",
    )
}

/// A strategy that ECS would not take.
pub(super) fn strategy(error: &StrategyError) -> Exception {
    Exception::invalid_parameter(error.to_string())
}

/// What was refused because of task sets. ECS's texts where they are known.
pub(super) fn task_set(rejection: &TaskSetRejection) -> Exception {
    match rejection {
        TaskSetRejection::NotExternal(_) => Exception::invalid_parameter(
            "Amazon ECS only supports task set management on services configured to use external deployment controllers.",
        ),
        TaskSetRejection::External(_) => Exception::invalid_parameter(
            "Services with an EXTERNAL deployment controller are deployed by task sets only.",
        ),
        TaskSetRejection::Remain(_) => Exception::invalid_parameter(
            "The service cannot be stopped while deployments are active.",
        ),
        TaskSetRejection::NotFound(_) => Exception::new(
            Kind::TaskSetNotFound,
            "The specified task set does not exist.",
        ),
        TaskSetRejection::TooMany { count, .. } => Exception::new(
            Kind::LimitExceeded,
            format!(
                "{count} deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit."
            ),
        ),
        TaskSetRejection::Exists(_) => {
            Exception::invalid_parameter("Creation of task set was not idempotent.")
        }
        TaskSetRejection::Scaled(_) => Exception::invalid_parameter(
            "The task set cannot be deleted while it is scaled above 0.",
        ),
        TaskSetRejection::Primary(_) => {
            Exception::invalid_parameter("Primary TaskSet cannot be deleted")
        }
        TaskSetRejection::Draining(_) => Exception::invalid_parameter("The task set is DRAINING."),
    }
}

/// Why an instance took no (more) tasks: ECS's code, and what is behind it where the code does not say.
pub(super) fn failure(refused: &Refused, cluster: &ClusterName, realm: &Realm) -> Failure {
    let detail = match &refused.why {
        Refusal::Attribute(name) => Some(format!(
            "The container instance lacks the attribute {name}."
        )),
        Refusal::Ports(protocol) => Some(format!(
            "A {} port is taken, or none is left.",
            protocol.as_str()
        )),
        Refusal::Overcommitted => {
            Some("Its tasks hold more than it has since it was registered again.".into())
        }
        Refusal::Capacity(pool) => Some(format!(
            "The container instance is not of capacity provider {pool}."
        )),
        Refusal::MemberOf(expression) => Some(format!("It does not satisfy: {expression}")),
        Refusal::NotActive
        | Refusal::AgentDisconnected
        | Refusal::Cpu
        | Refusal::Memory
        | Refusal::Gpu
        | Refusal::DistinctInstance => None,
    };
    Failure {
        arn: realm.instance(cluster, refused.instance),
        reason: refused.why.to_string(),
        detail,
    }
}

/// A revision that was deregistered is to be used.
pub(super) fn definition_inactive() -> Exception {
    Exception::client("TaskDefinition is inactive")
}

/// A reference that can name nothing of ours.
pub(super) fn reference(error: &ReferenceError) -> Exception {
    Exception::invalid_parameter(format!("Invalid identifier: {error}."))
}

/// A definition that ECS would not register.
pub(super) fn definition(error: &DefinitionError) -> Exception {
    Exception::client(error.to_string())
}

/// Tags that ECS would not take.
pub(super) fn tags(error: &TagError) -> Exception {
    Exception::invalid_parameter(error.to_string())
}

/// Something that the API has and that cannot work here yet: said clearly rather than accepted and ignored.
pub(super) fn unsupported(what: &str) -> Exception {
    Exception::new(
        Kind::UnsupportedFeature,
        format!("{what} is not supported by Quorate yet."),
    )
}
