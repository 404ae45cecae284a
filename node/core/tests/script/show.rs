//! Rows of the state, as scripts show them: the members that behaviour is told by.

use std::fmt::Write as _;

use quorate_core::Millis;
use quorate_core::State;
use quorate_core::ids::{ClusterName, DeploymentId, ServiceKey};
use quorate_core::state::{
    CapacityProvider, Container, Instance, Resources, Service, ServiceDeployment, Task, WaitingTask,
};

use super::words::{instance, port, readable, short, task};

/// The lines of `show WHAT`.
pub(crate) fn show(state: &State, what: &str) -> String {
    let words: Vec<&str> = what.split(' ').collect();
    let shown = match words[..] {
        ["tasks"] => return tasks(state),
        ["service", name] => state.service(&service(name)).map(of_service),
        ["events", name] => {
            let mut lines: Vec<String> = state
                .events_of(&service(name))
                .map(|event| {
                    format!(
                        "{} {} {}",
                        event.number,
                        event.at.0,
                        readable(&event.message)
                    )
                })
                .collect();
            lines.reverse();
            return lines.join("\n");
        }
        ["rollout", number] => state
            .service_deployment(DeploymentId(number.parse().expect("a number")))
            .map(of_rollout),
        ["task", id] => state.task(&task(id).expect("show task tN")).map(of_task),
        ["instance", id] => state
            .instance(&instance(id).expect("show instance iN"))
            .map(of_instance),
        ["cluster", name] => state
            .cluster(&name.parse().expect("a name"))
            .map(|cluster| {
                let tags = short(&cluster.tags);
                let capacity = match cluster.capacity.providers.is_empty() {
                    true => String::new(),
                    false => format!("\ncapacity {}", short(&cluster.capacity)),
                };
                format!(
                    "{} created={} tags={tags} document={}{capacity}",
                    cluster.status.as_str(),
                    cluster.created_at.0,
                    cluster.document.text()
                )
            }),
        ["provider", name] => state
            .provider(&name.parse().expect("a name"))
            .map(of_provider),
        ["waiting", id] => state
            .waiting_task(&task(id).expect("show waiting tN"))
            .map(of_waiting),
        ["queue", name] => state.queue(&name.parse().expect("a name")).map(|queue| {
            let waiting: Vec<String> = state
                .waiting_in(&queue.cluster)
                .map(|one| short(&one.new.id))
                .collect();
            format!("{} look={}", waiting.join(" "), queue.look_at.0)
        }),
        ["definition", id] => state
            .definition(&id.parse().expect("family:revision"))
            .map(|one| {
                let end = one
                    .deregistered_at
                    .map(|at| format!(" deregistered={}", at.0))
                    .unwrap_or_default();
                format!(
                    "{} registered={}{end}",
                    one.status.as_str(),
                    one.registered_at.0
                )
            }),
        ["family", name] => state
            .families()
            .find(|(family, _)| family.as_str() == name)
            .map(|(family, record)| {
                let newest = state
                    .newest_definition(family)
                    .map_or("none".to_owned(), |one| one.id.to_string());
                format!(
                    "last_revision={} active={} newest={newest}",
                    record.last_revision, record.active_count
                )
            }),
        ["token", cluster, token] => state
            .token(&cluster.parse().expect("a name"), token)
            .map(|record| format!("{} at={}", short(&record.tasks), record.at.0)),
        ["setting", name] => state.setting(None, name).map(str::to_owned),
        ["setting", name, principal] => state.setting(Some(principal), name).map(str::to_owned),
        ["node", id] => state
            .nodes()
            .find(|node| node.node.to_string() == id)
            .map(|node| {
                format!(
                    "store={} peer={} api={} version={} recorded={}",
                    short(&node.store),
                    node.peer_address,
                    node.api_address,
                    node.version,
                    node.recorded_at.0
                )
            }),
        _ => panic!("show {what}?"),
    };
    shown.unwrap_or_else(|| "none".to_owned())
}

fn of_provider(one: &CapacityProvider) -> String {
    format!(
        "{} created={} updated={} group={} document={}",
        one.status.as_str(),
        one.created_at.0,
        one.updated_at.map_or("no".into(), |at| at.0.to_string()),
        one.spec.group.as_deref().unwrap_or("none"),
        one.document.text()
    )
}

fn of_waiting(one: &WaitingTask) -> String {
    let end = one.stopped.as_ref().map_or(String::new(), |stop| {
        format!(
            " stopped={}\n{}: {}",
            stop.at.0,
            stop.code.as_str(),
            stop.reason
        )
    });
    format!(
        "{} desired={} with {} number={} created={}{end}",
        one.last().as_str(),
        one.desired().as_str(),
        one.new.wish.provider,
        one.number,
        one.created_at.0
    )
}

fn service(name: &str) -> ServiceKey {
    ServiceKey {
        cluster: ClusterName::default_cluster(),
        name: name.parse().expect("a service's name"),
    }
}

fn of_service(service: &Service) -> String {
    let spec = &service.spec;
    let completed = service.completed.map(|id| id.to_string());
    let mut text = format!(
        "{} desired={} completed={} updates={} steps={} changes={} losses={} look={}",
        service.status.as_str(),
        spec.desired_count,
        completed.unwrap_or_else(|| "none".into()),
        service.updates,
        service.steps,
        service.changes,
        service.losses,
        service.look_at.map_or("none".into(), |at| at.0.to_string()),
    );
    for (one, set) in service.task_sets() {
        let line = format!(
            "\n{} {} {} {}% wants={} {} since {} failed={}/{}",
            one.id,
            one.definition,
            service.status_of(one).as_str(),
            set.scale.percent(),
            service.wanted_of(set),
            set.stability.as_str(),
            set.stability_at.0,
            one.failed_in_row,
            one.failed_in_all
        );
        text.push_str(&line);
    }
    for one in service.deployments.iter().filter(|one| one.set.is_none()) {
        let line = format!(
            "\n{} {} {} failed={}/{} created={}: {}",
            one.id,
            one.definition,
            one.rollout.as_str(),
            one.failed_in_row,
            one.failed_in_all,
            one.created_at.0,
            one.rollout_reason
        );
        text.push_str(&line);
    }
    text
}

fn of_rollout(one: &ServiceDeployment) -> String {
    let pauses: Vec<String> = one
        .pauses
        .iter()
        .map(|pause| format!(" {}={}", pause.id, pause.status.as_str()))
        .collect();
    let back = one
        .rollback
        .as_ref()
        .map(|back| format!(" back to {}", back.to));
    format!(
        "{} of {} tripped={} failures={} finished={}{}{}: {}",
        one.status.as_str(),
        one.service,
        one.tripped,
        one.failure_count,
        one.finished_at.map_or("no".into(), |at| at.0.to_string()),
        back.unwrap_or_default(),
        pauses.concat(),
        one.reason
    )
}

fn tasks(state: &State) -> String {
    let lines: Vec<String> = state
        .tasks()
        .map(|task| {
            format!(
                "{} {} on {}",
                short(&task.id),
                task.last.as_str(),
                short(&task.instance)
            )
        })
        .collect();
    if lines.is_empty() {
        "none".to_owned()
    } else {
        lines.join("\n")
    }
}

fn of_task(task: &Task) -> String {
    let mut text = format!(
        "{} desired={} on={} version={} incarnation={} index={}\n",
        task.last.as_str(),
        task.desired.as_str(),
        short(&task.instance),
        task.version,
        task.incarnation,
        task.assigned_index
    );
    let times = [
        ("created", Some(task.created_at)),
        ("pull_started", task.pull_started_at),
        ("pull_stopped", task.pull_stopped_at),
        ("started", task.started_at),
        ("stopping", task.stopping_at),
        ("execution_stopped", task.execution_stopped_at),
        ("stopped", task.stopped_at),
    ];
    let given = times
        .iter()
        .filter_map(|(name, at)| at.map(|Millis(at)| format!("{name}={at}")));
    text.push_str(&given.collect::<Vec<_>>().join(" "));
    if let Some(code) = task.stop_code {
        write!(text, "\n{}: {}", code.as_str(), task.stopped_reason).expect("writing to memory");
    }
    if task.has_health_check() {
        write!(text, "\nhealth {}", task.health().as_str()).expect("writing to memory");
        if let Some(at) = task.healthy_at {
            write!(text, " since {}", at.0).expect("writing to memory");
        }
    }
    for container in &task.containers {
        text.push('\n');
        text.push_str(&of_container(container));
    }
    text
}

fn of_container(container: &Container) -> String {
    let mut text = format!("container {} {}", container.name, container.status.as_str());
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            write!(text, " {name}={value}").expect("writing to memory");
        }
    };
    add(
        "exit",
        container
            .exit_code
            .map(|code| code.to_string())
            .unwrap_or_default(),
    );
    add("runtime", container.runtime_id.clone());
    add("digest", container.image_digest.clone());
    let bindings = container
        .bindings
        .iter()
        .map(|one| format!("{}:{}", one.container_port, port(&one.host)));
    add("bindings", bindings.collect::<Vec<_>>().join(","));
    add("reason", container.reason.clone());
    add(
        "health",
        container
            .health
            .map(|health| health.as_str().to_owned())
            .unwrap_or_default(),
    );
    text
}

fn of_instance(instance: &Instance) -> String {
    let link = if instance.connected {
        "connected"
    } else {
        "disconnected"
    };
    let overcommitted = if instance.is_overcommitted {
        " overcommitted"
    } else {
        ""
    };
    let custom: Vec<String> = instance
        .custom_attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let custom = if custom.is_empty() {
        String::new()
    } else {
        format!("\ncustom {}", custom.join(" "))
    };
    format!(
        "{} {link}{overcommitted} session={} node={} incarnation={} changes={} link_changed={} dynamic_cursor={}\nregistered {}\nreserved {}{custom}",
        instance.status.as_str(),
        short(&instance.session),
        instance.node,
        instance.incarnation,
        instance.change_count,
        instance.connection_changed_at.0,
        instance.dynamic_cursor,
        of_resources(&instance.registered),
        of_resources(&instance.reserved),
    )
}

fn of_resources(resources: &Resources) -> String {
    let ports: Vec<String> = resources.ports.iter().map(port).collect();
    let gpus = match resources.gpus {
        0 => String::new(),
        count => format!(" gpus={count}"),
    };
    format!(
        "cpu={} memory={}{gpus} ports={}",
        resources.cpu_units,
        resources.memory_mib,
        ports.join(",")
    )
}
