//! A container's tag as Docker labels, and back. With the labels of the task definition and those Amazon's agent sets.

use std::collections::HashMap;

use crate::runtime::{ContainerSpec, Key, Port, Protocol, Tag, TaskId};

/// Every container of ours has this label, and no other has.
pub(super) const INSTANCE: &str = "org.quorate.instance-id";
const TASK: &str = "org.quorate.task-id";
const TASK_ARN: &str = "org.quorate.task-arn";
const CONTAINER: &str = "org.quorate.container-name";
const FENCING: &str = "org.quorate.fencing";
const ESSENTIAL: &str = "org.quorate.essential";
const STOP_TIMEOUT: &str = "org.quorate.stop-timeout-s";
const PORTS: &str = "org.quorate.ports";
const ECS_TASK_ARN: &str = "com.amazonaws.ecs.task-arn";
const ECS_CONTAINER: &str = "com.amazonaws.ecs.container-name";
const ECS_CLUSTER: &str = "com.amazonaws.ecs.cluster";
const ECS_FAMILY: &str = "com.amazonaws.ecs.task-definition-family";
const ECS_REVISION: &str = "com.amazonaws.ecs.task-definition-version";

/// The task definition's own labels, and over them ours.
pub(super) fn labels(spec: &ContainerSpec) -> HashMap<String, String> {
    let tag = &spec.tag;
    let ports = tag.ports.iter().map(|port| format!("{}:{port}", port.host));
    let ours = [
        (INSTANCE, tag.instance_id.clone()),
        (TASK, tag.key.task.to_string()),
        (TASK_ARN, tag.task_arn.clone()),
        (CONTAINER, tag.key.container.clone()),
        (FENCING, tag.fencing.to_string()),
        (ESSENTIAL, tag.essential.to_string()),
        (STOP_TIMEOUT, tag.stop_timeout_s.to_string()),
        (PORTS, ports.collect::<Vec<_>>().join(",")),
        (ECS_TASK_ARN, tag.task_arn.clone()),
        (ECS_CONTAINER, tag.key.container.clone()),
        (ECS_CLUSTER, tag.cluster_arn.clone()),
        (ECS_FAMILY, tag.family.clone()),
        (ECS_REVISION, tag.revision.clone()),
    ];
    let theirs = spec.labels.clone().into_iter();
    theirs
        .chain(ours.map(|(name, value)| (name.to_owned(), value)))
        .collect()
}

/// The tag written by `labels`; nothing if the container is not one of ours after all.
pub(super) fn tag(labels: &HashMap<String, String>) -> Option<Tag> {
    let text = |name: &str| labels.get(name).cloned();
    Some(Tag {
        key: Key {
            task: TaskId::parse(&text(TASK)?)?,
            container: text(CONTAINER)?,
        },
        task_arn: text(TASK_ARN)?,
        cluster_arn: text(ECS_CLUSTER)?,
        family: text(ECS_FAMILY)?,
        revision: text(ECS_REVISION)?,
        instance_id: text(INSTANCE)?,
        fencing: text(FENCING)?.parse().ok()?,
        essential: text(ESSENTIAL)?.parse().ok()?,
        stop_timeout_s: text(STOP_TIMEOUT)?.parse().ok()?,
        ports: text(PORTS)?.split(',').filter_map(port).collect(),
    })
}

fn port(text: &str) -> Option<Port> {
    let (host, rest) = text.split_once(':')?;
    let (container, protocol) = rest.split_once('/')?;
    let protocol = if protocol == "udp" {
        Protocol::Udp
    } else {
        Protocol::Tcp
    };
    Some(Port {
        container: container.parse().ok()?,
        host: host.parse().ok()?,
        protocol,
    })
}
