//! Looks at a deployment, and what is made of them.

use serde_json::json;

use super::*;

fn watch(has_health_check: bool) -> Watch {
    Watch::new(Target {
        cluster: "default".to_owned(),
        service: "web".to_owned(),
        deployment: "ecs-svc/2".to_owned(),
        arn: "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/2".to_owned(),
        definition: "web:2".to_owned(),
        has_health_check,
    })
}

fn deployment(id: &str, running: u64, failed: u64) -> Value {
    json!({"id": id, "desiredCount": 2, "runningCount": running, "pendingCount": 2 - running, "failedTasks": failed})
}

fn seen(status: &str, deployments: &[Value]) -> Seen {
    Seen {
        service: json!({"runningCount": 2, "pendingCount": 0, "deployments": deployments, "events": [
            {"id": "e3", "createdAt": 102.0, "message": "third"},
            {"id": "e2", "createdAt": 101.0, "message": "second"},
            {"id": "e1", "createdAt": 99.0, "message": "before"},
        ]}),
        rollout: json!({"status": status, "createdAt": 100.5}),
        tasks: Some(Vec::new()),
        ended: Vec::new(),
    }
}

fn running(id: &str, deployment: &str, health: &str) -> Value {
    json!({"taskArn": id, "startedBy": deployment, "lastStatus": "RUNNING", "healthStatus": health})
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_look_is_news_once() {
    let mut watch = watch(false);
    let look = seen(
        "IN_PROGRESS",
        &[deployment("ecs-svc/2", 1, 0), deployment("ecs-svc/1", 2, 0)],
    );
    let first = watch.see(&look, s(1));
    assert!(first.is_news && first.verdict.is_none());
    assert_eq!(
        first.events,
        ["second", "third"],
        "those of before are not its own"
    );
    let progress = (
        first.progress.desired,
        first.progress.running,
        first.progress.pending,
    );
    assert_eq!(progress, (2, 1, 1));
    let again = watch.see(&look, s(2));
    assert!(!again.is_news && again.events.is_empty());
}

#[test]
fn without_checks_a_task_is_healthy_after_forty_seconds() {
    let mut watch = watch(false);
    let mut look = seen("IN_PROGRESS", &[deployment("ecs-svc/2", 2, 0)]);
    look.tasks = Some(vec![
        running("t/1", "ecs-svc/2", "UNKNOWN"),
        running("t/9", "ecs-svc/1", "UNKNOWN"),
    ]);
    assert_eq!(watch.see(&look, s(3)).progress.healthy, Some(0));
    assert_eq!(watch.see(&look, s(42)).progress.healthy, Some(0));
    assert_eq!(watch.see(&look, s(43)).progress.healthy, Some(1));
}

#[test]
fn with_checks_a_task_is_healthy_when_they_say_so() {
    let mut watch = watch(true);
    let mut look = seen("IN_PROGRESS", &[deployment("ecs-svc/2", 2, 0)]);
    look.tasks = Some(vec![
        running("t/1", "ecs-svc/2", "UNKNOWN"),
        running("t/2", "ecs-svc/2", "HEALTHY"),
    ]);
    assert_eq!(watch.see(&look, s(90)).progress.healthy, Some(1));
    look.tasks = None;
    assert_eq!(watch.see(&look, s(91)).progress.healthy, None);
}

#[test]
fn the_end_is_what_the_service_deployment_says() {
    let end = |status: &str| {
        let mut look = seen(status, &[deployment("ecs-svc/2", 2, 0)]);
        look.rollout["statusReason"] = json!("why");
        watch(false).see(&look, s(1)).verdict
    };
    let failed = |how: &str| Some(Verdict::Failed(how.to_owned()));
    assert_eq!(end("SUCCESSFUL"), Some(Verdict::Completed));
    assert_eq!(end("STOPPED"), failed("it was given up: why"));
    assert_eq!(
        end("ROLLBACK_SUCCESSFUL"),
        failed("it was rolled back: why")
    );
    assert_eq!(
        end("ROLLBACK_FAILED"),
        failed("it failed, and so did its rollback: why")
    );
    for status in [
        "PENDING",
        "IN_PROGRESS",
        "STOP_REQUESTED",
        "ROLLBACK_REQUESTED",
        "ROLLBACK_IN_PROGRESS",
    ] {
        assert_eq!(end(status), None, "{status}");
    }
    let mut gone = seen("IN_PROGRESS", &[]);
    gone.rollout = Value::Null;
    assert!(matches!(
        watch(false).see(&gone, s(1)).verdict,
        Some(Verdict::Failed(_))
    ));
}

#[test]
fn the_first_failure_is_looked_for_until_it_is_known_and_said_once() {
    let mut watch = watch(false);
    let well = seen("IN_PROGRESS", &[deployment("ecs-svc/2", 1, 0)]);
    assert!(!watch.wants_ended(&well.service, &well.rollout));
    let mut look = seen("IN_PROGRESS", &[deployment("ecs-svc/2", 1, 1)]);
    assert!(watch.wants_ended(&look.service, &look.rollout));
    let failed = |id: &str, deployment: &str, at: f64| {
        json!({"taskArn": format!("task/{id}"), "startedBy": deployment, "stoppedAt": at, "stopCode": "EssentialContainerExited",
            "containerInstanceArn": "i/mi-1", "stoppedReason": "it broke", "containers": [{"name": "app", "exitCode": 3}]})
    };
    look.ended = vec![
        failed("old", "ecs-svc/1", 1.0),
        failed("new", "ecs-svc/2", 2.0),
    ];
    let cause = watch.see(&look, s(1)).cause.map(|cause| cause.what);
    assert_eq!(
        cause.as_deref(),
        Some("task new on mi-1: it broke (app: exit code 3)")
    );
    assert!(!watch.wants_ended(&look.service, &look.rollout));
    assert_eq!(watch.see(&look, s(2)).cause, None, "said once");
    assert!(watch.cause().is_some());
}

#[test]
fn what_cannot_be_placed_says_why() {
    let mut watch = watch(false);
    let mut look = seen("IN_PROGRESS", &[deployment("ecs-svc/2", 0, 0)]);
    look.service["events"][0]["message"] =
        json!("(service web) was unable to place a task because of this.");
    assert_eq!(
        watch.see(&look, s(1)).cause,
        None,
        "an event says it already"
    );
    let cause = watch.cause().map(|cause| cause.what.as_str());
    assert_eq!(
        cause,
        Some("(service web) was unable to place a task because of this.")
    );
}

#[test]
fn during_a_rollback_the_counts_are_of_what_comes_back() {
    let mut watch = watch(true);
    watch.see(
        &seen(
            "IN_PROGRESS",
            &[deployment("ecs-svc/2", 1, 1), deployment("ecs-svc/1", 1, 0)],
        ),
        s(1),
    );
    let mut look = seen("ROLLBACK_IN_PROGRESS", &[deployment("ecs-svc/1", 2, 0)]);
    assert!(!Watch::wants_tasks(&look.service, &look.rollout));
    look.tasks = None;
    let progress = watch.see(&look, s(2)).progress;
    assert_eq!(
        (progress.running, progress.healthy, progress.failed),
        (2, None, 1)
    );
}

#[test]
fn tasks_are_looked_at_one_by_one_while_there_are_few() {
    let rollout = json!({"status": "IN_PROGRESS"});
    let wants = |running: u64| {
        Watch::wants_tasks(
            &json!({"runningCount": running, "pendingCount": 1}),
            &rollout,
        )
    };
    assert!(wants(499));
    assert!(!wants(500));
}

#[test]
fn a_hook_that_is_waited_at_is_shown() {
    let mut look = seen("IN_PROGRESS", &[deployment("ecs-svc/2", 2, 0)]);
    look.rollout["lifecycleHookDetails"] = json!([{"hookId": "h-1", "status": "SUCCEEDED"}, {"hookId": "h-2", "status": "AWAITING_ACTION"}]);
    assert_eq!(
        watch(false).see(&look, s(1)).progress.hook.as_deref(),
        Some("h-2")
    );
}
