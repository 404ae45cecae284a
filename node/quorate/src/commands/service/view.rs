//! How services look: as rows, and one in full.

use jiff::Timestamp;
use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::render::{list, short, table, text};

/// Events that are shown of one service; there are up to 100.
const EVENTS_SHOWN: usize = 10;

/// The services of a list, or the one of an answer, as rows.
pub(super) fn services_table(answer: &Value) -> String {
    let one = answer.get("service").into_iter();
    let row = |service: &Value| {
        vec![
            text(service, "/serviceName"),
            text(service, "/status"),
            text(service, "/desiredCount"),
            text(service, "/runningCount"),
            text(service, "/pendingCount"),
            short(&text(service, "/taskDefinition")).to_owned(),
            text(service, "/deployments/0/rolloutState"),
        ]
    };
    let heads = [
        "SERVICE",
        "STATUS",
        "DESIRED",
        "RUNNING",
        "PENDING",
        "DEFINITION",
        "ROLLOUT",
    ];
    table(&heads, list(answer, "/services").iter().chain(one).map(row))
}

/// The services of an answer in full, one after the other.
pub(super) fn in_full(answer: &Value) -> String {
    let services = list(answer, "/services").iter();
    services.map(whole).collect::<Vec<_>>().join("\n")
}

fn whole(service: &Value) -> String {
    let facts = [
        (
            "service",
            format!(
                "{} ({})",
                text(service, "/serviceName"),
                text(service, "/status")
            ),
        ),
        (
            "definition",
            short(&text(service, "/taskDefinition")).to_owned(),
        ),
        ("tasks", counts(service)),
        ("scheduling", scheduling(service)),
        ("breaker", breaker(service)),
        ("strategy", rules(service, "/placementStrategy", "/field")),
        (
            "constraints",
            rules(service, "/placementConstraints", "/expression"),
        ),
        ("protected", protected(service)),
    ];
    let facts = facts.map(|(name, fact)| {
        let fact = if fact.is_empty() {
            "-".to_owned()
        } else {
            fact
        };
        format!("{:<13}{fact}\n", format!("{name}:"))
    });
    format!(
        "{}\n{}\n{}",
        facts.concat(),
        deployments(service),
        events(service)
    )
}

fn counts(service: &Value) -> String {
    let [desired, running, pending] =
        ["/desiredCount", "/runningCount", "/pendingCount"].map(|count| text(service, count));
    format!("{desired} desired, {running} running, {pending} pending")
}

fn scheduling(service: &Value) -> String {
    let [kind, minimum, maximum] = [
        "/schedulingStrategy",
        "/deploymentConfiguration/minimumHealthyPercent",
        "/deploymentConfiguration/maximumPercent",
    ]
    .map(|pointer| text(service, pointer));
    format!("{kind}, {minimum}% to {maximum}% while tasks are replaced")
}

fn breaker(service: &Value) -> String {
    let is = |member: &str| {
        let pointer = format!("/deploymentConfiguration/deploymentCircuitBreaker/{member}");
        service.pointer(&pointer) == Some(&Value::Bool(true))
    };
    match (is("enable"), is("rollback")) {
        (false, _) => "off",
        (true, false) => "on",
        (true, true) => "on, rolls back",
    }
    .to_owned()
}

/// `type:rest` of each rule, as the flags of `create` and `update` take them.
fn rules(service: &Value, pointer: &str, rest: &str) -> String {
    let one = |rule: &Value| {
        let parts = [text(rule, "/type"), text(rule, rest)];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(":")
    };
    let rules = list(service, pointer).iter().map(one);
    rules.collect::<Vec<_>>().join(", ")
}

fn protected(service: &Value) -> String {
    let one = |task: &Value| {
        let arn = text(task, "/taskArn");
        format!("{} until {}", short(&arn), time(task, "/expirationDate"))
    };
    let tasks = list(service, "/protectedTasks").iter().map(one);
    tasks.collect::<Vec<_>>().join(", ")
}

fn deployments(service: &Value) -> String {
    let row = |one: &Value| {
        vec![
            text(one, "/id"),
            text(one, "/status"),
            short(&text(one, "/taskDefinition")).to_owned(),
            text(one, "/desiredCount"),
            text(one, "/runningCount"),
            text(one, "/pendingCount"),
            text(one, "/failedTasks"),
            text(one, "/rolloutState"),
            text(one, "/rolloutStateReason"),
        ]
    };
    let heads = [
        "DEPLOYMENT",
        "STATUS",
        "DEFINITION",
        "DESIRED",
        "RUNNING",
        "PENDING",
        "FAILED",
        "ROLLOUT",
        "REASON",
    ];
    table(&heads, list(service, "/deployments").iter().map(row))
}

/// The newest events, newest first.
fn events(service: &Value) -> String {
    let row = |event: &Value| vec![time(event, "/createdAt"), text(event, "/message")];
    let newest = list(service, "/events").iter().take(EVENTS_SHOWN);
    table(&["AT", "EVENT"], newest.map(row))
}

/// A time of the API, which counts seconds, in UTC.
fn time(value: &Value, pointer: &str) -> String {
    let seconds = value.pointer(pointer).and_then(Value::as_f64);
    #[allow(clippy::cast_possible_truncation)]
    // Whole seconds, of times long before the end of an i64.
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    at.map_or_else(String::new, |at| at.to_string())
}

/// The failures of an answer as one failure of the command.
pub(super) fn refused(answer: &Value) -> Option<Failure> {
    let one = |failure: &Value| {
        let arn = text(failure, "/arn");
        format!("{} {}", short(&arn), text(failure, "/reason"))
    };
    let failures: Vec<String> = list(answer, "/failures").iter().map(one).collect();
    (!failures.is_empty()).then(|| {
        Failure::new(Exit::NotFound, failures.join("; "))
            .next("`quorate service ls` shows the services there are")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Value {
        json!({
            "serviceName": "web", "status": "ACTIVE", "schedulingStrategy": "REPLICA",
            "desiredCount": 3, "runningCount": 2, "pendingCount": 1,
            "taskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:4",
            "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200,
                "deploymentCircuitBreaker": {"enable": true, "rollback": true}},
            "placementStrategy": [{"type": "spread", "field": "attribute:rack"}, {"type": "random"}],
            "placementConstraints": [{"type": "distinctInstance"}],
            "deployments": [{"id": "ecs-svc/7", "status": "PRIMARY", "desiredCount": 3, "runningCount": 2, "pendingCount": 1,
                "failedTasks": 0, "taskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:4",
                "rolloutState": "IN_PROGRESS", "rolloutStateReason": "ECS deployment ecs-svc/7 in progress."}],
            "events": [{"createdAt": 1_700_000_000.5, "message": "(service web) has started 1 tasks: (task 0123)."}],
            "protectedTasks": [{"taskArn": "arn:aws:ecs:us-east-1:000000000000:task/default/0123", "protectionEnabled": true,
                "expirationDate": 1_700_000_060.0}],
        })
    }

    #[test]
    fn one_service_and_many_look_alike() {
        let expected = "\
SERVICE  STATUS  DESIRED  RUNNING  PENDING  DEFINITION  ROLLOUT
web      ACTIVE  3        2        1        web:4       IN_PROGRESS
";
        assert_eq!(services_table(&json!({"service": service()})), expected);
        assert_eq!(services_table(&json!({"services": [service()]})), expected);
    }

    #[test]
    fn a_service_in_full_says_what_is_deployed_and_what_happened() {
        let expected = "\
service:     web (ACTIVE)
definition:  web:4
tasks:       3 desired, 2 running, 1 pending
scheduling:  REPLICA, 100% to 200% while tasks are replaced
breaker:     on, rolls back
strategy:    spread:attribute:rack, random
constraints: distinctInstance
protected:   0123 until 2023-11-14T22:14:20Z

DEPLOYMENT  STATUS   DEFINITION  DESIRED  RUNNING  PENDING  FAILED  ROLLOUT      REASON
ecs-svc/7   PRIMARY  web:4       3        2        1        0       IN_PROGRESS  ECS deployment ecs-svc/7 in progress.

AT                    EVENT
2023-11-14T22:13:20Z  (service web) has started 1 tasks: (task 0123).
";
        assert_eq!(in_full(&json!({"services": [service()]})), expected);
    }

    #[test]
    fn a_missing_service_is_not_found() {
        assert!(refused(&json!({"failures": []})).is_none());
        let failure =
            refused(&json!({"failures": [{"arn": "service/default/web", "reason": "MISSING"}]}));
        let failure = failure.map(|failure| (failure.code, failure.to_string()));
        assert!(failure.is_some_and(|(code, text)| code == 3 && text.starts_with("web MISSING\n")));
    }
}
