//! `quorate events`: what happened, and with --watch what happens; a line an event.

use std::io::{ErrorKind, Write};

use clap::{Args, ValueEnum};
use quorate_client::{ClientError, EventQuery, Events, ToldEvent};
use serde_json::Value;

use super::Asking;
use crate::failure::Failure;
use crate::render::{Format, list, short, text};

#[derive(Args, Debug)]
pub(crate) struct EventsArgs {
    /// Go on with what happens, at another node if one dies, until interrupted
    #[arg(long)]
    watch: bool,
    /// Begin behind this point: a "point" of --output json [default: all that is kept; with --watch what comes next]
    #[arg(long, value_name = "INDEX.PLACE")]
    after: Option<String>,
    /// Of this cluster only, by name or ARN
    #[arg(long)]
    cluster: Option<String>,
    /// Of this type only
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Tasks: status, health, protection
    Task,
    /// Container instances, and what is free on them
    Instance,
    /// What services say
    Service,
    /// Deployments of services
    Deployment,
}

impl Kind {
    /// What the stream calls it: as the flag does.
    fn name(self) -> String {
        let value = self.to_possible_value().expect("no type is hidden");
        value.get_name().to_owned()
    }
}

pub(crate) async fn run(args: &EventsArgs, asking: &Asking) -> Result<(), Failure> {
    let kept = || (!args.watch).then(|| "kept".to_owned());
    let mut events = asking.access.client()?.events(EventQuery {
        after: args.after.clone().or_else(kept),
        cluster: args.cluster.clone(),
        kind: args.kind.map(Kind::name),
        follows: args.watch,
    });
    loop {
        let told = match events.next().await {
            Ok(Some(told)) => told,
            Ok(None) => return Ok(()),
            Err(error) => return Err(lost(error, &events)),
        };
        let line = match asking.output {
            Format::Table => line(&told),
            Format::Json => json_line(told),
        };
        if !write(&line)? {
            return Ok(());
        }
    }
}

/// Whoever watches must know what was missed, or where to go on.
fn lost(error: ClientError, events: &Events) -> Failure {
    let is_gone = error.code() == Some("EventsGoneException");
    let is_passing = error.is_passing();
    let failure = Failure::from(error);
    if is_gone {
        return failure.next("look at what is now, and watch on without --after");
    }
    match events
        .point()
        .filter(|point| is_passing && *point != "kept")
    {
        Some(point) => failure.next(format!(
            "`quorate events --after {point}` goes on from here"
        )),
        None => failure,
    }
}

/// Writes a line now: whoever reads it may be waiting for it. Whether anybody still reads.
fn write(line: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The event, and the point behind it.
fn json_line(told: ToldEvent) -> String {
    let mut event = told.event;
    event["point"] = told.point.into();
    event.to_string()
}

/// When, what kind, which, and what is so now.
fn line(told: &ToldEvent) -> String {
    let detail = &told.event["detail"];
    let at = ["/updatedAt", "/createdAt"].map(|pointer| text(detail, pointer));
    let at = at.into_iter().find(|at| !at.is_empty());
    let at = at.unwrap_or_else(|| text(&told.event, "/time"));
    let resource = text(&told.event, "/resources/0");
    // ARNs end in KIND/CLUSTER/NAME.
    let which = resource
        .split_once('/')
        .map_or(&*resource, |(_, which)| which);
    let now = match told.kind.as_str() {
        "task" => of_task(detail),
        "instance" => of_instance(detail),
        "deployment" => format!("{} {}", text(detail, "/deploymentId"), of_action(detail)),
        _ => of_action(detail),
    };
    format!("{at}  {:<10}  {which}  {now}", told.kind)
}

fn of_task(detail: &Value) -> String {
    let (last, desired) = (text(detail, "/lastStatus"), text(detail, "/desiredStatus"));
    let mut parts = vec![last.clone()];
    if last != desired {
        parts.push(format!("desired {desired}"));
    }
    let health = text(detail, "/healthStatus");
    if health != "UNKNOWN" {
        parts.push(health);
    }
    parts.push(text(detail, "/group"));
    let instance = text(detail, "/containerInstanceArn");
    if !instance.is_empty() {
        parts.push(format!("on {}", short(&instance)));
    }
    parts.push(text(detail, "/stoppedReason"));
    parts.retain(|part| !part.is_empty());
    format!("v{} {}", text(detail, "/version"), parts.join(", "))
}

fn of_instance(detail: &Value) -> String {
    let agent = match detail["agentConnected"].as_bool() {
        Some(false) => ", agent disconnected",
        _ => "",
    };
    let left = |name: &str| {
        let resources = list(detail, "/remainingResources").iter();
        let mut named = resources.filter(|one| one["name"] == name);
        named
            .next()
            .map(|one| text(one, "/integerValue"))
            .unwrap_or_default()
    };
    format!(
        "v{} {}{agent}, left: CPU {}, memory {}",
        text(detail, "/version"),
        text(detail, "/status"),
        left("CPU"),
        left("MEMORY")
    )
}

fn of_action(detail: &Value) -> String {
    let (name, reason) = (text(detail, "/eventName"), text(detail, "/reason"));
    match reason.as_str() {
        "" => name,
        reason => format!("{name}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, resource: &str, detail: Value) -> ToldEvent {
        ToldEvent {
            point: "17.2".to_owned(),
            kind: kind.to_owned(),
            event: json!({"time": "2026-11-22T12:00:00Z", "resources": [format!("arn:aws:ecs:r:1:{resource}")], "detail": detail}),
        }
    }

    #[test]
    fn an_event_is_a_line() {
        let at = "2026-11-22T12:00:00.250Z";
        let stopped = told(
            "task",
            "task/default/0123",
            json!({
                "lastStatus": "RUNNING", "desiredStatus": "STOPPED", "healthStatus": "HEALTHY", "group": "service:web", "version": 4,
                "containerInstanceArn": "arn:aws:ecs:r:1:container-instance/default/ab", "stoppedReason": "as asked", "updatedAt": at,
            }),
        );
        assert_eq!(
            line(&stopped),
            "2026-11-22T12:00:00.250Z  task        default/0123  v4 RUNNING, desired STOPPED, HEALTHY, service:web, on ab, as asked"
        );
        let instance = told(
            "instance",
            "container-instance/default/ab",
            json!({
                "status": "ACTIVE", "agentConnected": false, "version": 9, "updatedAt": at,
                "remainingResources": [{"name": "CPU", "integerValue": 900}, {"name": "MEMORY", "integerValue": 800}],
            }),
        );
        assert_eq!(
            line(&instance),
            "2026-11-22T12:00:00.250Z  instance    default/ab  v9 ACTIVE, agent disconnected, left: CPU 900, memory 800"
        );
        let steady = told(
            "service",
            "service/default/web",
            json!({"eventName": "SERVICE_STEADY_STATE", "reason": "(service web) has reached a steady state.", "createdAt": at}),
        );
        assert_eq!(
            line(&steady),
            "2026-11-22T12:00:00.250Z  service     default/web  SERVICE_STEADY_STATE: (service web) has reached a steady state."
        );
        let done = told(
            "deployment",
            "service/default/web",
            json!({"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "deploymentId": "ecs-svc/1", "reason": "", "updatedAt": at}),
        );
        assert_eq!(
            line(&done),
            "2026-11-22T12:00:00.250Z  deployment  default/web  ecs-svc/1 SERVICE_DEPLOYMENT_COMPLETED"
        );
        let json: Value = serde_json::from_str(&json_line(done)).expect("JSON");
        assert_eq!(json["point"], "17.2");
    }
}
