//! UpdateTaskProtection and GetTaskProtection.

use super::*;

#[test]
fn tasks_of_services_are_protected_and_others_are_not_valid() {
    let mut desk = Desk::with_room();
    desk.ok(
        "CreateService",
        json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 1}),
    );
    desk.wait(0);
    let member = desk.ok("ListTasks", json!({"serviceName": "api"}))["taskArns"][0].clone();
    let alone = desk.ok("RunTask", json!({"taskDefinition": "web"}))["tasks"][0]["taskArn"].clone();
    let protect =
        json!({"cluster": "default", "tasks": [member, alone, "nope"], "protectionEnabled": true});
    let protected = desk.ok("UpdateTaskProtection", protect);
    assert_eq!(protected["protectedTasks"][0]["taskArn"], member);
    assert_eq!(protected["protectedTasks"][0]["protectionEnabled"], true);
    assert_eq!(
        (
            &protected["failures"][0]["reason"],
            &protected["failures"][1]["reason"]
        ),
        (&json!("TASK_NOT_VALID"), &json!("MISSING"))
    );
    let until = protected["protectedTasks"][0]["expirationDate"]
        .as_f64()
        .unwrap();
    assert!((until - desk.state.now().as_epoch_seconds() - 7200.0).abs() < 1.0);
    let shown = desk.ok("GetTaskProtection", json!({"cluster": "default"}));
    assert_eq!(shown["protectedTasks"].as_array().unwrap().len(), 1);
    // Scaling in has to wait for its end.
    desk.all_well();
    desk.ok(
        "UpdateService",
        json!({"service": "api", "desiredCount": 0}),
    );
    desk.wait(41_000);
    let event = desk.ok("DescribeServices", json!({"services": ["api"]}))["services"][0]["events"]
        [0]["message"]
        .clone();
    assert!(event.as_str().unwrap().contains("protection"), "{event}");
    desk.ok(
        "UpdateTaskProtection",
        json!({"cluster": "default", "tasks": [member], "protectionEnabled": false}),
    );
    desk.wait(0);
    let stopped = desk.ok("DescribeTasks", json!({"tasks": [member]}))["tasks"][0].clone();
    assert_eq!(stopped["desiredStatus"], "STOPPED");
    assert_eq!(stopped["stopCode"], "ServiceSchedulerInitiated");
    let eleven = json!({"cluster": "default", "tasks": vec!["x"; 11], "protectionEnabled": true});
    assert_eq!(
        desk.refused("UpdateTaskProtection", eleven).0,
        Refused::InvalidParameter
    );
    let long = json!({"cluster": "default", "tasks": [member], "protectionEnabled": true, "expiresInMinutes": 2881});
    assert_eq!(
        desk.refused("UpdateTaskProtection", long).0,
        Refused::InvalidParameter
    );
}
