//! A duty as scripts show it: a step of a service in a few lines, everything else as JSON.

use quorate_core::Command;
use quorate_core::command::{ServiceStep, Turn};

use super::words::{readable, short};

pub(crate) fn of(command: &Command) -> String {
    match command {
        Command::StepService(step) => of_step(step),
        other => format!("did {}", short(other)),
    }
}

fn of_step(step: &ServiceStep) -> String {
    let mut lines = Vec::new();
    for start in &step.start {
        let task = &start.task;
        let ports: Vec<String> = task.reserved.ports.iter().map(super::words::port).collect();
        let text = format!(
            "start {} of {} on {} {}",
            short(&task.id),
            start.deployment,
            short(&task.instance),
            ports.join(",")
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
        Turn::Stabilize { set, stability } => format!("{set} is {}", stability.as_str()),
        Turn::Retire(id) => format!("{id} retires"),
        Turn::End => "ends".to_owned(),
    }
}
