//! What an agent saw of its tasks, parsed and cut to size: what goes into the log is bounded, whatever an engine writes into its errors.

use quorate_core::Millis;
use quorate_core::command::{ContainerObserved, TaskObserved};
use quorate_core::documents::Protocol;
use quorate_core::state::{ContainerStatus, Health, HostPort, PortBinding, StopCode, TaskStatus};
use quorate_proto::agent as wire;

use super::registration::Invalid;

/// Reasons are for people; ECS cuts its own at 1024 characters.
const REASON_MAX_CHARS: usize = 1024;
/// What a container printed last; agents of ours send no more.
const OUTPUT_MAX_BYTES: usize = 1024;
/// Ids and digests of engines have 64 hexadecimal digits and a prefix.
const ENGINE_TEXT_MAX_CHARS: usize = 255;
/// Containers of a task and ports of a container: ten times what a definition may have.
const PARTS_MAX: usize = 100;

/// What the agent saw of one task.
pub(super) fn parse(seen: wire::TaskObserved) -> Result<TaskObserved, Invalid> {
    let task = seen
        .task_id
        .parse()
        .map_err(|error| Invalid(format!("report: {error}")))?;
    let status = task_status(&seen.status).ok_or_else(|| {
        Invalid(format!(
            "task {task}: status {:?} is not known",
            seen.status
        ))
    })?;
    if seen.containers.len() > PARTS_MAX {
        return Err(Invalid(format!("task {task} has too many containers")));
    }
    let containers: Result<_, Invalid> = seen.containers.into_iter().map(container).collect();
    Ok(TaskObserved {
        task,
        status,
        containers: containers?,
        pull_started_at: time(seen.pull_started_ms),
        pull_stopped_at: time(seen.pull_stopped_ms),
        execution_stopped_at: time(seen.execution_stopped_ms),
        stop_code: StopCode::parse(&seen.stop_code),
        reason: cut(&seen.reason, REASON_MAX_CHARS),
    })
}

fn task_status(text: &str) -> Option<TaskStatus> {
    match text {
        "PENDING" => Some(TaskStatus::Pending),
        "RUNNING" => Some(TaskStatus::Running),
        "STOPPED" => Some(TaskStatus::Stopped),
        _ => None,
    }
}

fn container(seen: wire::ContainerObserved) -> Result<ContainerObserved, Invalid> {
    let status = match seen.status.as_str() {
        "PENDING" => ContainerStatus::Pending,
        "RUNNING" => ContainerStatus::Running,
        "STOPPED" => ContainerStatus::Stopped,
        other => {
            let name = cut(&seen.name, ENGINE_TEXT_MAX_CHARS);
            return Err(Invalid(format!(
                "container {name}: status {other:?} is not known"
            )));
        }
    };
    if seen.bindings.len() > PARTS_MAX {
        return Err(Invalid(format!(
            "container {} has too many ports",
            seen.name
        )));
    }
    let bindings: Result<_, Invalid> = seen.bindings.into_iter().map(binding).collect();
    Ok(ContainerObserved {
        name: cut(&seen.name, ENGINE_TEXT_MAX_CHARS),
        status,
        runtime_id: cut(&seen.runtime_id, ENGINE_TEXT_MAX_CHARS),
        exit_code: seen.exit_code,
        reason: cut(&seen.reason, REASON_MAX_CHARS),
        image_digest: cut(&seen.image_digest, ENGINE_TEXT_MAX_CHARS),
        bindings: bindings?,
        health: health(&seen.health)?,
        last_output: end_of(&seen.last_output, OUTPUT_MAX_BYTES).to_owned(),
    })
}

/// An agent of before health checks says nothing.
fn health(text: &str) -> Result<Option<Health>, Invalid> {
    match text {
        "" => Ok(None),
        "UNKNOWN" => Ok(Some(Health::Unknown)),
        "HEALTHY" => Ok(Some(Health::Healthy)),
        "UNHEALTHY" => Ok(Some(Health::Unhealthy)),
        other => {
            let text = cut(other, ENGINE_TEXT_MAX_CHARS);
            Err(Invalid(format!("health {text:?} is not known")))
        }
    }
}

fn binding(seen: wire::PortMapping) -> Result<PortBinding, Invalid> {
    let wrong = || {
        Invalid(format!(
            "port {}:{}/{} is none",
            seen.container_port, seen.host_port, seen.protocol
        ))
    };
    let port = |number: u32| {
        u16::try_from(number)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(wrong)
    };
    let protocol = match seen.protocol.as_str() {
        "" | "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(wrong()),
    };
    Ok(PortBinding {
        container_port: port(seen.container_port)?,
        host: HostPort {
            protocol,
            port: port(seen.host_port)?,
        },
        name: Some(seen.name)
            .filter(|name| !name.is_empty())
            .map(|name| cut(&name, ENGINE_TEXT_MAX_CHARS)),
    })
}

fn time(unix_ms: i64) -> Option<Millis> {
    u64::try_from(unix_ms).ok().filter(|ms| *ms > 0).map(Millis)
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

fn end_of(text: &str, bytes: usize) -> &str {
    let too_many = text.len().saturating_sub(bytes);
    &text[text.ceil_char_boundary(too_many)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> wire::TaskObserved {
        wire::TaskObserved {
            task_id: "00000000000000000000000000000007".into(),
            status: "STOPPED".into(),
            containers: vec![wire::ContainerObserved {
                name: "main".into(),
                status: "STOPPED".into(),
                exit_code: Some(137),
                health: "UNHEALTHY".into(),
                reason: "x".repeat(5000),
                last_output: "\u{e9}".repeat(5000) + "!",
                bindings: vec![wire::PortMapping {
                    container_port: 80,
                    host_port: 61_000,
                    protocol: "tcp".into(),
                    name: String::new(),
                }],
                ..wire::ContainerObserved::default()
            }],
            execution_stopped_ms: 5,
            stop_code: "EssentialContainerExited".into(),
            ..wire::TaskObserved::default()
        }
    }

    #[test]
    fn a_report_says_in_core_what_it_said_on_the_wire() {
        let observed = parse(seen()).unwrap();
        assert_eq!(observed.task.as_u128(), 7);
        assert_eq!(observed.status, TaskStatus::Stopped);
        assert_eq!(observed.stop_code, Some(StopCode::EssentialContainerExited));
        assert_eq!(
            (observed.pull_started_at, observed.execution_stopped_at),
            (None, Some(Millis(5)))
        );
        let container = &observed.containers[0];
        assert_eq!(container.exit_code, Some(137));
        assert_eq!(container.health, Some(Health::Unhealthy));
        assert_eq!(container.bindings[0].host.port, 61_000);
        assert_eq!(container.reason.len(), REASON_MAX_CHARS);
        assert_eq!(container.last_output, "\u{e9}".repeat(511) + "!");
    }

    #[test]
    fn what_no_agent_says_is_refused() {
        let wrong = |change: fn(&mut wire::TaskObserved)| {
            let mut seen = seen();
            change(&mut seen);
            parse(seen).unwrap_err().0
        };
        assert!(wrong(|seen| seen.task_id = "7".into()).contains("task id"));
        assert!(wrong(|seen| seen.status = "STOPPING".into()).contains("STOPPING"));
        assert!(wrong(|seen| seen.containers[0].status = "DEAD".into()).contains("DEAD"));
        assert!(wrong(|seen| seen.containers[0].health = "FINE".into()).contains("FINE"));
        assert!(wrong(|seen| seen.containers[0].bindings[0].host_port = 0).contains("80:0"));
        assert!(
            wrong(|seen| seen.containers[0].bindings[0].protocol = "sctp".into()).contains("sctp")
        );
    }
}
