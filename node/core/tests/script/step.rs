//! A duty as scripts show it: a step of a service or of a queue in a few lines, everything else as JSON.

use quorate_core::Command;
use quorate_core::command::{NewTask, QueueStep, ServiceStep, Turn};
use quorate_core::state::Crowd;

use super::words::{readable, short};

pub(crate) fn of(command: &Command) -> String {
    match command {
        Command::StepService(step) => of_step(step),
        Command::PlaceTasks(step) => of_queue(step),
        other => format!("did {}", short(other)),
    }
}

fn of_queue(step: &QueueStep) -> String {
    let placed = step.tasks.iter().map(|task| {
        let provider = task.provider.as_ref().expect("it waited for one");
        let text = format!("place {} of {provider} {}", short(&task.id), place(task));
        text.trim_end().to_owned()
    });
    let look = std::iter::once(format!("look at {}", step.look_at.0));
    let lines: Vec<String> = placed
        .chain(look)
        .map(|line| format!("{} {line}", step.cluster))
        .collect();
    lines.join("\n")
}

fn place(task: &NewTask) -> String {
    let ports: Vec<String> = task.reserved.ports.iter().map(super::words::port).collect();
    format!("on {} {}", short(&task.instance), ports.join(","))
}

fn of_step(step: &ServiceStep) -> String {
    let mut lines = Vec::new();
    for start in &step.start {
        let task = &start.task;
        let provider = task.provider.as_ref();
        let provider = provider.map_or(String::new(), |name| format!("by {name} "));
        let text = format!(
            "start {} of {} {provider}{}",
            short(&task.id),
            start.deployment,
            place(task)
        );
        lines.push(text.trim_end().to_owned());
    }
    for stop in &step.stop {
        let failure = if stop.is_failure { " (failure)" } else { "" };
        lines.push(format!(
            "stop {}{failure}: {}",
            short(&stop.task),
            stop.reason
        ));
    }
    lines.extend(step.turns.iter().map(of_turn));
    for event in &step.events {
        lines.push(format!("say {}", readable(&event.message)));
    }
    if step.wants_room {
        lines.push("wants room".to_owned());
    }
    if step.crowd != Crowd::None {
        lines.push(format!("waits for a new {:?}", step.crowd).to_lowercase());
    }
    let look = step
        .look_at
        .map_or("at a change".to_owned(), |at| format!("at {}", at.0));
    lines.push(format!("look {look}"));
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {line}", step.key.name))
        .collect();
    lines.join("\n")
}

fn of_turn(turn: &Turn) -> String {
    match turn {
        Turn::Want(count) => format!("wants {count}"),
        Turn::Recover(id) => format!("{id} recovers"),
        Turn::Complete(id) => format!("{id} is complete"),
        Turn::Fail {
            deployment, reason, ..
        } => format!("{deployment} fails: {reason}"),
        Turn::RollBack { from, to, .. } => format!("{from} is rolled back to {to}"),
        Turn::Pause { deployment, stage } => format!("{deployment} waits at {}", stage.as_str()),
        Turn::TimeOut(id) => format!("{id} has waited long enough"),
        Turn::Move(moving) => format!("moves {} to {}", short(&moving.from), short(&moving.to)),
        Turn::EndMove => "ends its move".to_owned(),
        Turn::Stabilize { set, stability } => format!("{set} is {}", stability.as_str()),
        Turn::Retire(id) => format!("{id} retires"),
        Turn::End => "ends".to_owned(),
    }
}
