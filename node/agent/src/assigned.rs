//! What this instance is to run or to stop, as far as the control plane has said. Deliveries are parsed here once; later,
//! nothing is checked again. Nodes may repeat themselves and a node may lag behind what another has said: neither undoes anything.

use std::collections::BTreeMap;

use quorate_bugs::{Bug, is_seeded};
use quorate_proto::agent as wire;

use crate::runtime::{ContainerSpec, HealthCheck, Key, NetworkMode, Port, Protocol, Tag, TaskId};

/// ECS's stop timeout where the task definition has none.
const STOP_TIMEOUT_S: u64 = 30;

/// One task of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AssignedTask {
    pub(crate) fencing: u64,
    pub(crate) incarnation: u64,
    /// Desired status STOPPED; never taken back.
    pub(crate) stop: bool,
    /// The control plane has seen it run or end: if nothing of it is here, it was lost, and it is not started again.
    pub(crate) began: bool,
    pub(crate) containers: BTreeMap<String, ContainerSpec>,
}

/// All tasks of this instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assigned {
    tasks: BTreeMap<TaskId, AssignedTask>,
    /// Index of the newest full set taken; 0 before the first. What is older and not in it, is no task of ours.
    complete_at: u64,
    /// The newest index heard in the present registration.
    heard: u64,
    /// While talking to a node that is behind: what lies at or below this and is not known was forgotten before.
    floor: u64,
}

impl Assigned {
    /// The task, if it is assigned here.
    pub(crate) fn task(&self, id: &TaskId) -> Option<&AssignedTask> {
        self.tasks.get(id)
    }

    /// All tasks by id.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (&TaskId, &AssignedTask)> {
        self.tasks.iter()
    }

    /// True if the control plane has named all its tasks up to `fencing`, and this one is not among them.
    pub(crate) fn is_given_up(&self, id: &TaskId, fencing: u64) -> bool {
        !is_seeded(Bug::GivenUpRunsOn)
            && self.is_complete()
            && !self.tasks.contains_key(id)
            && fencing <= self.complete_at
    }

    /// True once a full set was taken.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete_at > 0
    }

    /// A new registration, perhaps with another control plane: its indexes cannot be compared with the old ones.
    pub(crate) fn start_over(&mut self) {
        *self = Self::default();
    }

    /// Takes a full set. From a node that is behind only stops are taken; the rest it cannot know.
    pub(crate) fn replace(&mut self, applied: u64, tasks: Vec<(TaskId, AssignedTask)>) {
        if applied < self.heard {
            self.floor = self.heard;
            self.merge(tasks);
            return;
        }
        self.floor = 0;
        self.heard = applied;
        self.complete_at = applied.max(1);
        let named: BTreeMap<_, _> = tasks.into_iter().collect();
        self.tasks
            .retain(|id, task| named.contains_key(id) || task.fencing > applied);
        self.merge(named);
    }

    /// Takes what changed.
    pub(crate) fn change(
        &mut self,
        applied: u64,
        tasks: Vec<(TaskId, AssignedTask)>,
        forgotten: Vec<TaskId>,
    ) {
        self.heard = self.heard.max(applied);
        self.complete_at = if self.complete_at > 0 {
            self.complete_at.max(applied)
        } else {
            0
        };
        self.merge(tasks);
        for id in forgotten {
            self.tasks.remove(&id);
        }
    }

    fn merge(&mut self, tasks: impl IntoIterator<Item = (TaskId, AssignedTask)>) {
        for (id, task) in tasks {
            match self.tasks.get_mut(&id) {
                Some(known)
                    if (task.fencing, task.incarnation) < (known.fencing, known.incarnation) => {}
                Some(known) => {
                    let (stop, began) = (known.stop || task.stop, known.began || task.began);
                    *known = AssignedTask {
                        stop,
                        began,
                        ..task
                    };
                }
                // A stop can do no harm, whoever says it.
                None if task.fencing <= self.floor && !task.stop => {}
                None => {
                    self.tasks.insert(id, task);
                }
            }
        }
    }
}

/// An assignment that is no assignment: the control plane that sent it is broken or newer than this agent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("assignment {task:?}: {what}")]
pub(crate) struct Malformed {
    task: String,
    what: String,
}

/// Parses one assignment for the instance with the given id.
pub(crate) fn parse(
    assignment: wire::Assignment,
    instance_id: &str,
) -> Result<(TaskId, AssignedTask), Malformed> {
    let malformed = |what: String| Malformed {
        task: assignment.task_id.clone(),
        what,
    };
    let id = TaskId::parse(&assignment.task_id)
        .ok_or_else(|| malformed("its id is not 32 hex digits".to_owned()))?;
    let network = match assignment.network_mode.as_str() {
        "" | "bridge" => NetworkMode::Bridge,
        "host" => NetworkMode::Host,
        "none" => NetworkMode::None,
        other => {
            return Err(malformed(format!(
                "network mode {other:?} is not known here"
            )));
        }
    };
    if assignment.containers.is_empty() && !assignment.stop {
        return Err(malformed("it has no containers".to_owned()));
    }
    let mut containers = BTreeMap::new();
    for container in &assignment.containers {
        let spec = spec(&assignment, container, &id, network, instance_id).map_err(malformed)?;
        containers.insert(container.name.clone(), spec);
    }
    let task = AssignedTask {
        fencing: assignment.fencing_index,
        incarnation: assignment.incarnation,
        stop: assignment.stop,
        began: !matches!(
            assignment.known_status.as_str(),
            "" | "PROVISIONING" | "PENDING" | "ACTIVATING"
        ),
        containers,
    };
    Ok((id, task))
}

fn spec(
    assignment: &wire::Assignment,
    container: &wire::Container,
    id: &TaskId,
    network: NetworkMode,
    instance_id: &str,
) -> Result<ContainerSpec, String> {
    let name = &container.name;
    // The name becomes part of a file name and of a Docker name.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 255 || !name.bytes().all(fits) {
        return Err(format!("container name {name:?}"));
    }
    let tag = Tag {
        key: Key {
            task: id.clone(),
            container: name.clone(),
        },
        task_arn: assignment.task_arn.clone(),
        cluster_arn: assignment.cluster_arn.clone(),
        family: assignment.family.clone(),
        revision: assignment.revision.clone(),
        instance_id: instance_id.to_owned(),
        fencing: assignment.fencing_index,
        essential: container.essential,
        stop_timeout_s: positive(container.stop_timeout_s).unwrap_or(STOP_TIMEOUT_S),
        ports: container.ports.iter().map(port).collect::<Result<_, _>>()?,
    };
    Ok(ContainerSpec {
        tag,
        image: container.image.clone(),
        entry_point: container.entry_point.clone(),
        command: container.command.clone(),
        environment: container.environment.clone(),
        network,
        cpu_shares: positive(container.cpu_units).unwrap_or(0),
        cpu_limit_units: positive(assignment.cpu_units).unwrap_or(0),
        memory_mib: positive(container.memory_mib)
            .or(positive(assignment.memory_mib))
            .unwrap_or(0),
        memory_reservation_mib: positive(container.memory_reservation_mib).unwrap_or(0),
        working_directory: container.working_directory.clone(),
        user: container.user.clone(),
        labels: container.docker_labels.clone(),
        privileged: container.privileged,
        readonly_root: container.readonly_root,
        hostname: container.hostname.clone(),
        health_check: container
            .health_check
            .as_ref()
            .map(health_check)
            .transpose()?,
    })
}

fn health_check(check: &wire::HealthCheck) -> Result<HealthCheck, String> {
    let is_known = matches!(
        check.command.first().map(String::as_str),
        Some("CMD" | "CMD-SHELL")
    );
    if !is_known || check.command.len() < 2 {
        return Err(format!("health check {:?}", check.command));
    }
    let number = |what: &str, number: i64| {
        positive(number).ok_or_else(|| format!("health check with {what} {number}"))
    };
    Ok(HealthCheck {
        command: check.command.clone(),
        interval_s: number("interval", check.interval_s)?,
        timeout_s: number("timeout", check.timeout_s)?,
        retries: number("retries", check.retries)?,
        start_period_s: positive(check.start_period_s).unwrap_or(0),
    })
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

fn port(mapping: &wire::PortMapping) -> Result<Port, String> {
    let narrow = |port: u32| u16::try_from(port).ok().filter(|port| *port > 0);
    let protocol = match mapping.protocol.as_str() {
        "" | "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => return Err(format!("protocol {other:?}")),
    };
    match (narrow(mapping.container_port), narrow(mapping.host_port)) {
        (Some(container), Some(host)) => Ok(Port {
            container,
            host,
            protocol,
        }),
        _ => Err(format!(
            "port mapping {}:{}",
            mapping.container_port, mapping.host_port
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn task(digit: &str, fencing_index: u64, stop: bool) -> (TaskId, AssignedTask) {
        let containers = vec![wire::Container {
            name: "main".to_owned(),
            ..Default::default()
        }];
        let task_id = digit.repeat(32);
        parse(
            wire::Assignment {
                task_id,
                fencing_index,
                stop,
                containers,
                ..Default::default()
            },
            "mi-1",
        )
        .unwrap()
    }

    fn known(assigned: &Assigned) -> Vec<(u64, bool)> {
        assigned
            .tasks()
            .map(|(_, task)| (task.fencing, task.stop))
            .collect()
    }

    #[test]
    fn a_node_that_is_behind_neither_revives_nor_gives_up_a_task() {
        let mut assigned = Assigned::default();
        assigned.replace(20, vec![task("a", 10, false), task("b", 15, false)]);
        assigned.change(30, vec![task("c", 30, false)], vec![task("a", 10, false).0]);
        assert_eq!(known(&assigned), [(15, false), (30, false)]);
        // It has heard neither of c nor of the end of a, but it knows that b is to stop.
        assigned.replace(25, vec![task("a", 10, false), task("b", 15, true)]);
        assert_eq!(known(&assigned), [(15, true), (30, false)]);
        assigned.change(31, vec![task("d", 31, false)], Vec::new());
        assert_eq!(known(&assigned), [(15, true), (30, false), (31, false)]);
    }

    #[test]
    fn a_stop_is_never_taken_back_and_an_older_assignment_is_an_echo() {
        let mut assigned = Assigned::default();
        assigned.replace(20, vec![task("a", 10, true)]);
        assigned.change(
            21,
            vec![task("a", 10, false), task("a", 9, false)],
            Vec::new(),
        );
        assert_eq!(known(&assigned), [(10, true)]);
    }

    #[test]
    fn only_what_a_newer_full_set_leaves_out_is_given_up() {
        let mut assigned = Assigned::default();
        let (id, _) = task("a", 10, false);
        assert!(!assigned.is_given_up(&id, 10), "nothing was said yet");
        assigned.replace(9, Vec::new());
        assert!(
            !assigned.is_given_up(&id, 10),
            "the node had not heard of it"
        );
        assigned.replace(10, Vec::new());
        assert!(assigned.is_given_up(&id, 10));
    }

    #[test]
    fn what_could_leave_a_directory_or_a_port_range_is_refused() {
        let assignment = |name: &str, host_port| wire::Assignment {
            task_id: "a".repeat(32),
            containers: vec![wire::Container {
                name: name.to_owned(),
                ports: vec![wire::PortMapping {
                    container_port: 80,
                    host_port,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        assert!(parse(assignment("main", 8080), "mi-1").is_ok());
        assert!(parse(assignment("../main", 8080), "mi-1").is_err());
        assert!(parse(assignment("main", 70_000), "mi-1").is_err());
        assert!(
            parse(
                wire::Assignment {
                    task_id: "../a".to_owned(),
                    ..Default::default()
                },
                "mi-1"
            )
            .is_err()
        );
    }

    #[test]
    fn a_check_that_is_none_is_refused() {
        let with = |words: &[&str], interval_s| {
            let check = wire::HealthCheck {
                command: words.iter().map(|word| (*word).to_owned()).collect(),
                interval_s,
                timeout_s: 5,
                retries: 3,
                start_period_s: 0,
            };
            let assignment = wire::Assignment {
                task_id: "a".repeat(32),
                containers: vec![wire::Container {
                    name: "main".to_owned(),
                    health_check: Some(check),
                    ..Default::default()
                }],
                ..Default::default()
            };
            parse(assignment, "mi-1")
        };
        let (_, task) = with(&["CMD-SHELL", "exit 0"], 30).unwrap();
        let check = task.containers["main"].health_check.as_ref().unwrap();
        assert_eq!((check.interval_s, check.start_period_s), (30, 0));
        assert!(with(&["CMD"], 30).is_err() && with(&["NONE", "x"], 30).is_err());
        assert!(with(&["CMD", "x"], 0).is_err());
    }
}
