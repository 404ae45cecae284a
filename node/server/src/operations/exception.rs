//! Every refusal that a caller can be shown, in one table: the exceptions of the ECS model and the ones that AWS's front
//! doors give before an operation is reached. Texts that clients match on are constructors here, so that each is written once.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde_json::json;

macro_rules! kinds {
    ($($variant:ident = $name:literal, $status:literal, $doc:literal;)*) => {
        /// The kind of an exception: its name on the wire and its HTTP status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $doc] $variant,)*
        }

        impl Kind {
            /// All kinds, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name that `__type` carries.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status of the answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

kinds! {
    // The ECS model's.
    AccessDenied = "AccessDeniedException", 400, "The principal may not do this.";
    AttributeLimitExceeded = "AttributeLimitExceededException", 400, "More than ten custom attributes on one resource.";
    Blocked = "BlockedException", 400, "The account is blocked.";
    Client = "ClientException", 400, "The caller's mistake that has no name of its own.";
    ClusterContainsCapacityProvider = "ClusterContainsCapacityProviderException", 400, "Capacity providers keep the cluster alive.";
    ClusterContainsContainerInstances = "ClusterContainsContainerInstancesException", 400, "Container instances keep the cluster alive.";
    ClusterContainsServices = "ClusterContainsServicesException", 400, "Services keep the cluster alive.";
    ClusterContainsTasks = "ClusterContainsTasksException", 400, "Tasks keep the cluster alive.";
    ClusterNotFound = "ClusterNotFoundException", 400, "There is no such cluster, or it is inactive.";
    Conflict = "ConflictException", 400, "A client token was used before with another input.";
    DaemonNotActive = "DaemonNotActiveException", 400, "The daemon is not active.";
    DaemonNotFound = "DaemonNotFoundException", 400, "There is no such daemon.";
    GatewayNotFound = "GatewayNotFoundException", 400, "There is no such gateway.";
    InvalidParameter = "InvalidParameterException", 400, "A parameter's value is not valid here.";
    LimitExceeded = "LimitExceededException", 400, "A limit of the resource is reached.";
    MissingVersion = "MissingVersionException", 400, "The agent's version is not known.";
    NamespaceNotFound = "NamespaceNotFoundException", 400, "There is no such namespace.";
    NoUpdateAvailable = "NoUpdateAvailableException", 400, "The agent has no newer version.";
    PlatformTaskDefinitionIncompatibility = "PlatformTaskDefinitionIncompatibilityException", 400, "The platform lacks what the definition asks for.";
    PlatformUnknown = "PlatformUnknownException", 400, "There is no such platform version.";
    ResourceInUse = "ResourceInUseException", 400, "The resource is in use.";
    ResourceNotFound = "ResourceNotFoundException", 400, "There is no such resource.";
    Server = "ServerException", 500, "Our fault, or no quorum in time: the caller may try again.";
    ServiceDeploymentNotFound = "ServiceDeploymentNotFoundException", 400, "There is no such service deployment.";
    ServiceNotActive = "ServiceNotActiveException", 400, "The service is not active.";
    ServiceNotFound = "ServiceNotFoundException", 400, "There is no such service.";
    TargetNotConnected = "TargetNotConnectedException", 400, "The container cannot be reached for a command.";
    TargetNotFound = "TargetNotFoundException", 400, "There is no such target of an attribute.";
    TaskSetNotFound = "TaskSetNotFoundException", 400, "There is no such task set.";
    UnsupportedFeature = "UnsupportedFeatureException", 400, "The operation or feature is not offered here.";
    UpdateInProgress = "UpdateInProgressException", 400, "Another update is still under way.";
    // Quorate's own.
    EventsGone = "EventsGoneException", 410, "What lies behind the point is no longer kept on this node.";
    // The front door's, given before an operation is reached.
    IncompleteSignature = "IncompleteSignatureException", 400, "The signature's parts are missing or malformed.";
    InvalidSignature = "InvalidSignatureException", 400, "The signature does not fit the request, or its time is past.";
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 400, "The request is not signed.";
    RequestEntityTooLarge = "RequestEntityTooLargeException", 413, "The body or the header block is over its limit.";
    Serialization = "SerializationException", 400, "The body is not JSON, or a member has another type than the model says.";
    Throttling = "ThrottlingException", 400, "Too many calls at once.";
    UnknownOperation = "UnknownOperationException", 400, "The service has no such operation.";
    UnrecognizedClient = "UnrecognizedClientException", 400, "The access key is not known.";
}

/// A refusal as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Exception {
    kind: Kind,
    message: Cow<'static, str>,
    resource_ids: Vec<String>,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl Exception {
    /// An exception of `kind` with `message` for a person to read.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            resource_ids: Vec::new(),
        }
    }

    /// A parameter's value is not valid here.
    pub fn invalid_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidParameter, message)
    }

    /// The caller's mistake that has no name of its own.
    pub fn client(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Client, message)
    }

    /// Our fault, or no answer in time: the outcome may be unknown and a retry with the same token is safe.
    pub fn server(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Server, message)
    }

    /// A client token came back with another input; `resource_ids` are what its first use made.
    pub fn conflict(message: impl Into<Cow<'static, str>>, resource_ids: Vec<String>) -> Self {
        Self {
            kind: Kind::Conflict,
            message: message.into(),
            resource_ids,
        }
    }

    /// An operation of the model that this control plane does not offer.
    pub fn unsupported(operation: &str) -> Self {
        Self::new(
            Kind::UnsupportedFeature,
            format!("{operation} is not supported by Quorate."),
        )
    }

    /// An operation of the model that is between ECS and its agent.
    pub fn of_agents(operation: &str) -> Self {
        Self::new(
            Kind::UnsupportedFeature,
            format!(
                "{operation} is not supported by Quorate, whose agent speaks another protocol: run `quorate agent` on the machine."
            ),
        )
    }

    /// A name that is not in the service's model.
    pub fn unknown_operation(operation: &str) -> Self {
        Self::new(
            Kind::UnknownOperation,
            format!("The operation {operation} is not known."),
        )
    }

    /// A single-object call named a cluster that does not exist.
    pub fn cluster_not_found() -> Self {
        Self::new(Kind::ClusterNotFound, "Cluster not found.")
    }

    /// A write named a cluster that was deleted.
    pub fn cluster_inactive() -> Self {
        Self::new(
            Kind::ClusterNotFound,
            "The referenced cluster was inactive.",
        )
    }

    /// A call named a service that does not exist.
    pub fn service_not_found() -> Self {
        Self::new(Kind::ServiceNotFound, "Service not found.")
    }

    /// A single-object call named a task that does not exist.
    pub fn task_not_found() -> Self {
        Self::invalid_parameter("The referenced task was not found.")
    }

    /// `DescribeTaskDefinition` found nothing.
    pub fn task_definition_not_found() -> Self {
        Self::client("Unable to describe task definition.")
    }

    /// A task was to be started in a cluster without a single container instance.
    pub fn no_container_instances() -> Self {
        Self::invalid_parameter("No Container Instances were found in your cluster.")
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The text for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The AWS JSON form: `{"__type": ..., "message": ...}`, and `resourceIds` where the model has it.
    pub fn render(&self) -> Bytes {
        let mut body = json!({ "__type": self.kind.name(), "message": self.message });
        if self.kind == Kind::Conflict {
            body["resourceIds"] = json!(self.resource_ids);
        }
        Bytes::from(body.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;

    #[test]
    fn an_exception_renders_as_aws_json() {
        let body: Value = serde_json::from_slice(&Exception::cluster_not_found().render()).unwrap();
        assert_eq!(
            body,
            json!({ "__type": "ClusterNotFoundException", "message": "Cluster not found." })
        );
    }

    #[test]
    fn only_a_conflict_names_resources() {
        let conflict = Exception::conflict("used before", vec!["arn:aws:ecs:r:1:task/c/t".into()]);
        let body: Value = serde_json::from_slice(&conflict.render()).unwrap();
        assert_eq!(body["resourceIds"], json!(["arn:aws:ecs:r:1:task/c/t"]));
        let other: Value = serde_json::from_slice(&Exception::client("no").render()).unwrap();
        assert_eq!(other.get("resourceIds"), None);
    }

    #[test]
    fn only_our_own_faults_are_5xx() {
        let server: Vec<_> = Kind::ALL
            .iter()
            .filter(|kind| kind.status() >= 500)
            .collect();
        assert_eq!(server, [&Kind::Server]);
    }
}
