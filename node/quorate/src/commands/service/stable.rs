//! `--wait`: until a service stands as it was told to, or cannot any more.

use std::time::Duration;

use quorate_client::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::failure::{Exit, Failure};
use crate::render::{list, text};

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a service stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// One deployment, complete, and as many tasks as wanted.
    Stable,
    /// On its way; how far.
    Moving(String),
    /// It will not come to what was asked.
    Failed(String),
}

/// Waits for the service of an answer of CreateService or UpdateService, and gives it as it is then.
pub(super) async fn wait(
    client: &Client,
    answer: &Value,
    limit: Duration,
) -> Result<Value, Failure> {
    let asked = &answer["service"];
    let deployment = text(asked, "/deployments/0/id");
    let body = json!({"cluster": asked["clusterArn"], "services": [asked["serviceArn"]]});
    let name = text(asked, "/serviceName");
    let deadline = Instant::now() + limit;
    let mut seen = "no node answered".to_owned();
    loop {
        match client.call("DescribeServices", body.clone()).await {
            Ok(answer) => {
                let service = list(&answer, "/services").first().cloned();
                let service = service.unwrap_or_default();
                match standing(&service, &deployment) {
                    Standing::Stable => return Ok(json!({"service": service})),
                    Standing::Moving(how) => seen = how,
                    Standing::Failed(why) => {
                        return Err(Failure::new(Exit::Failed, format!("{name}: {why}")).next(
                            format!("`quorate service describe {name}` shows its events"),
                        ));
                    }
                }
            }
            // As during an election.
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() + LOOK_AGAIN >= deadline {
            let what = format!("{name} is not stable after {} s: {seen}", limit.as_secs());
            return Err(Failure::new(Exit::WaitTimedOut, what).next(format!(
                "`quorate service describe {name}` shows its events"
            )));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// How it stands, where `deployment` is the one that is to be completed.
fn standing(service: &Value, deployment: &str) -> Standing {
    let status = text(service, "/status");
    if status != "ACTIVE" {
        return Standing::Failed(format!("the service is {status}"));
    }
    let listed = list(service, "/deployments");
    let one = listed.iter().find(|one| one["id"] == deployment);
    match one {
        Some(one) if one["rolloutState"] == "FAILED" => {
            return Standing::Failed(text(one, "/rolloutStateReason"));
        }
        Some(one) if one["status"] == "PRIMARY" => {}
        _ => return Standing::Failed(format!("another deployment took the place of {deployment}")),
    }
    let rollout = text(service, "/deployments/0/rolloutState");
    let counts = ["desiredCount", "runningCount", "pendingCount"];
    let [desired, running, pending] = counts.map(|count| service[count].as_u64().unwrap_or(0));
    if listed.len() == 1 && rollout == "COMPLETED" && running == desired && pending == 0 {
        return Standing::Stable;
    }
    let event = text(service, "/events/0/message");
    let newest = if event.is_empty() {
        String::new()
    } else {
        format!("; {event}")
    };
    Standing::Moving(format!(
        "{rollout}, {running} of {desired} tasks run, {pending} are pending{newest}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(deployments: Value, running: u64) -> Value {
        json!({"status": "ACTIVE", "desiredCount": 2, "runningCount": running, "pendingCount": 0, "deployments": deployments,
            "events": [{"message": "(service web) has started 2 tasks."}]})
    }

    fn one(id: &str, status: &str, rollout: &str) -> Value {
        json!({"id": id, "status": status, "rolloutState": rollout, "rolloutStateReason": "why"})
    }

    #[test]
    fn a_service_is_stable_when_its_only_deployment_is_complete() {
        let done = one("ecs-svc/2", "PRIMARY", "COMPLETED");
        let before = one("ecs-svc/1", "ACTIVE", "COMPLETED");
        assert_eq!(
            standing(&service(json!([done]), 2), "ecs-svc/2"),
            Standing::Stable
        );
        let both = service(json!([done, before]), 2);
        assert!(matches!(standing(&both, "ecs-svc/2"), Standing::Moving(_)));
        let how = "COMPLETED, 1 of 2 tasks run, 0 are pending; (service web) has started 2 tasks.";
        assert_eq!(
            standing(&service(json!([done]), 1), "ecs-svc/2"),
            Standing::Moving(how.to_owned())
        );
    }

    #[test]
    fn what_failed_or_was_replaced_is_not_waited_for() {
        let failed = one("ecs-svc/2", "ACTIVE", "FAILED");
        let back = one("ecs-svc/1", "PRIMARY", "COMPLETED");
        let rolled_back = service(json!([back, failed]), 2);
        assert_eq!(
            standing(&rolled_back, "ecs-svc/2"),
            Standing::Failed("why".to_owned())
        );
        let gone = service(json!([back]), 2);
        assert!(matches!(standing(&gone, "ecs-svc/2"), Standing::Failed(_)));
        let deleted = json!({"status": "DRAINING", "deployments": []});
        assert!(matches!(
            standing(&deleted, "ecs-svc/2"),
            Standing::Failed(_)
        ));
    }
}
