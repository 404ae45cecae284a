//! What each operation means. Called by `gateway`.

pub mod exception;
pub mod model;

use self::exception::Exception;

/// One operation: a row of the table.
pub struct Operation {
    /// The service's name in a signature, or `quorate` for our own.
    pub service: &'static str,
    /// Its name.
    pub name: &'static str,
}

const TABLE: &[Operation] = &[
    // Clusters.
    row("ecs", "CreateCluster"),
    row("ecs", "DeleteCluster"),
    row("ecs", "DescribeClusters"),
    row("ecs", "ListClusters"),
    // Task definitions.
    row("ecs", "RegisterTaskDefinition"),
    row("ecs", "DeregisterTaskDefinition"),
    row("ecs", "DescribeTaskDefinition"),
    row("ecs", "ListTaskDefinitions"),
    row("ecs", "ListTaskDefinitionFamilies"),
    // Tasks.
    row("ecs", "RunTask"),
    row("ecs", "StartTask"),
    row("ecs", "StopTask"),
    row("ecs", "DescribeTasks"),
    row("ecs", "ListTasks"),
    // Container instances.
    row("ecs", "DeregisterContainerInstance"),
    row("ecs", "DescribeContainerInstances"),
    row("ecs", "ListContainerInstances"),
    // Other services, and our own.
    row("sts", "GetCallerIdentity"),
    row("quorate", "ListNodes"),
];

const fn row(service: &'static str, name: &'static str) -> Operation {
    Operation { service, name }
}

/// The operation of that name. One that ECS has and Quorate has not says so by name.
pub fn find(service: &str, name: &str) -> Result<&'static Operation, Exception> {
    let row = TABLE
        .iter()
        .find(|row| row.service == service && row.name == name);
    row.ok_or_else(|| match model::operation(name) {
        Some(name) if service == "ecs" => Exception::unsupported(name),
        _ => Exception::unknown_operation(name),
    })
}
