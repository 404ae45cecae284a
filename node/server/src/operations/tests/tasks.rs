//! DescribeTasks, ListTasks, StopTask.

use super::*;

fn run(desk: &mut Desk, count: usize) -> Vec<Value> {
    let ran = desk.ok(
        "RunTask",
        json!({"taskDefinition": "web", "count": count, "startedBy": "me"}),
    );
    ran["tasks"].as_array().unwrap().clone()
}

fn describe(desk: &mut Desk, task: &Value) -> Value {
    let found = desk.ok(
        "DescribeTasks",
        json!({"tasks": [task["taskArn"]], "include": ["TAGS"]}),
    );
    found["tasks"][0].clone()
}

#[test]
fn a_task_is_followed_from_start_to_end() {
    let mut desk = Desk::with_room();
    let task = run(&mut desk, 1).remove(0);
    desk.observe(Desk::id(&task), TaskStatus::Running, None);
    let running = describe(&mut desk, &task);
    assert_eq!(
        (&running["lastStatus"], &running["version"]),
        (&json!("RUNNING"), &json!(2))
    );
    assert_eq!(
        (&running["pullStartedAt"], &running["pullStoppedAt"]),
        (&json!(0.001), &json!(0.002))
    );
    assert_eq!(running["containers"][0]["runtimeId"], "feed");
    assert_eq!(running["containers"][0]["imageDigest"], "sha256:1");
    let told = desk.ok("StopTask", json!({"task": task["taskArn"]}))["task"].clone();
    assert_eq!(
        (&told["desiredStatus"], &told["lastStatus"]),
        (&json!("STOPPED"), &json!("RUNNING"))
    );
    assert_eq!(
        (&told["stopCode"], &told["stoppedReason"]),
        (&json!("UserInitiated"), &json!("Task stopped by user"))
    );
    desk.observe(Desk::id(&task), TaskStatus::Stopped, Some(137));
    let output = json!({"tasks": [task["taskArn"], "0".repeat(32)]});
    let output = desk.own("DescribeTaskOutput", output).unwrap();
    assert_eq!(
        output["tasks"][0]["containers"],
        json!([{"name": "app", "exitCode": 137, "lastOutput": "code 137"}])
    );
    assert_eq!(output["failures"][0]["reason"], "MISSING");
    let stopped = describe(&mut desk, &task);
    assert_eq!(
        (
            &stopped["lastStatus"],
            &stopped["containers"][0]["exitCode"]
        ),
        (&json!("STOPPED"), &json!(137))
    );
    for time in [
        "createdAt",
        "startedAt",
        "stoppingAt",
        "executionStoppedAt",
        "stoppedAt",
    ] {
        assert!(stopped[time].is_number(), "{time}");
    }
}

#[test]
fn health_is_shown_as_the_check_says() {
    let mut desk = Desk::with_room();
    let bare = run(&mut desk, 1).remove(0);
    let mut definition = web();
    definition["containerDefinitions"][0]["healthCheck"] =
        json!({"command": ["CMD-SHELL", "exit 0"]});
    let registered = desk.register(&definition);
    assert_eq!(
        registered["containerDefinitions"][0]["healthCheck"]["command"],
        json!(["CMD-SHELL", "exit 0"])
    );
    let checked = run(&mut desk, 1).remove(0);
    for (health, task_health, bare_health) in [
        (Health::Unknown, "UNKNOWN", "UNKNOWN"),
        (Health::Healthy, "HEALTHY", "UNKNOWN"),
        (Health::Unhealthy, "UNHEALTHY", "UNKNOWN"),
        (Health::Healthy, "HEALTHY", "UNKNOWN"),
    ] {
        for (task, wanted) in [(&checked, task_health), (&bare, bare_health)] {
            desk.observe_health(Desk::id(task), health);
            let shown = describe(&mut desk, task);
            assert_eq!(shown["healthStatus"], wanted);
            assert_eq!(shown["containers"][0]["healthStatus"], wanted);
        }
    }
    assert_eq!(
        describe(&mut desk, &checked)["version"],
        5,
        "each is an event"
    );
}

#[test]
fn stopping_is_idempotent_and_knows_its_tasks() {
    let mut desk = Desk::with_room();
    let task = run(&mut desk, 1).remove(0);
    let id = Desk::id(&task).to_string();
    let first = desk.ok("StopTask", json!({"task": id, "reason": "mine"}));
    let second = desk.ok("StopTask", json!({"task": id, "reason": "other"}));
    assert_eq!(
        (
            &first["task"]["stoppedReason"],
            &second["task"]["stoppedReason"]
        ),
        (&json!("mine"), &json!("mine"))
    );
    let unknown = "0".repeat(32);
    for nothing in [unknown.as_str(), "nonsense"] {
        assert_eq!(
            desk.refused("StopTask", json!({ "task": nothing })),
            (
                Refused::InvalidParameter,
                "The referenced task was not found.".into()
            )
        );
    }
    assert_eq!(
        desk.refused("StopTask", json!({"task": id, "cluster": "nope"}))
            .0,
        Refused::ClusterNotFound
    );
    assert_eq!(
        desk.refused("StopTask", json!({"task": id, "reason": "x".repeat(1025)}))
            .0,
        Refused::InvalidParameter
    );
}

#[test]
fn unknown_tasks_are_failures_and_another_clusters_arn_is_a_mistake() {
    let mut desk = Desk::with_room();
    let unknown = "f".repeat(32);
    let found = desk.ok("DescribeTasks", json!({"tasks": [unknown, "nonsense"]}));
    let arn = |id: &str| format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}");
    assert_eq!(
        found,
        json!({"tasks": [], "failures": [{"arn": arn(&unknown), "reason": "MISSING"}, {"arn": arn("nonsense"), "reason": "MISSING"}]})
    );
    let other = format!("arn:aws:ecs:us-east-1:000000000000:task/other/{unknown}");
    let (kind, text) = desk.refused("DescribeTasks", json!({ "tasks": [other] }));
    assert_eq!(kind, Refused::InvalidParameter);
    assert_eq!(
        text,
        "Invalid identifier: Identifier is for cluster other. Your cluster is default"
    );
    assert_eq!(
        desk.refused("DescribeTasks", json!({"tasks": []})).1,
        "Tasks cannot be empty."
    );
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    assert_eq!(
        desk.refused("DescribeTasks", json!({ "tasks": many })).0,
        Refused::InvalidParameter
    );
    assert_eq!(
        desk.refused("DescribeTasks", json!({"tasks": ["a"], "cluster": "nope"}))
            .1,
        "Cluster not found."
    );
}

#[test]
fn lists_are_filtered() {
    let mut desk = Desk::with_room();
    let tasks = run(&mut desk, 3);
    desk.ok("StopTask", json!({"task": tasks[0]["taskArn"]}));
    let mut count = |input: Value| {
        desk.ok("ListTasks", input)["taskArns"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(json!({})), 2);
    assert_eq!(count(json!({"desiredStatus": "STOPPED"})), 1);
    assert_eq!(count(json!({"desiredStatus": "PENDING"})), 0);
    assert_eq!(count(json!({"family": "web"})), 2);
    assert_eq!(count(json!({"family": "other"})), 0);
    assert_eq!(
        count(json!({"startedBy": "me", "desiredStatus": "RUNNING"})),
        2
    );
    assert_eq!(count(json!({"startedBy": "you"})), 0);
    assert_eq!(count(json!({"launchType": "EXTERNAL"})), 2);
    assert_eq!(count(json!({"launchType": "EC2"})), 0);
    assert_eq!(
        count(json!({"containerInstance": "mi-00000000000000001"})),
        2
    );
    assert_eq!(count(json!({"daemonName": "d"})), 0);
    let both = json!({"startedBy": "me", "family": "web"});
    assert_eq!(desk.refused("ListTasks", both).0, Refused::InvalidParameter);
    assert_eq!(
        desk.refused("ListTasks", json!({"serviceName": "s"})).0,
        Refused::ServiceNotFound
    );
    assert_eq!(
        desk.refused(
            "ListTasks",
            json!({"containerInstance": "mi-0000000000000000f"})
        )
        .0,
        Refused::InvalidParameter
    );
    assert_eq!(
        desk.refused("ListTasks", json!({"cluster": "nope"})).0,
        Refused::ClusterNotFound
    );
}

#[test]
fn pages_of_tasks_hold_each_task_once() {
    let mut desk = Desk::with_room();
    let mut all: Vec<_> = run(&mut desk, 7)
        .iter()
        .map(|task| task["taskArn"].clone())
        .collect();
    let mut seen = Vec::new();
    let mut next = Value::Null;
    loop {
        let page = desk.ok("ListTasks", json!({"maxResults": 3, "nextToken": next}));
        seen.extend(page["taskArns"].as_array().unwrap().clone());
        match page.get("nextToken") {
            Some(token) => next = token.clone(),
            None => break,
        }
    }
    all.sort_by_key(Value::to_string);
    assert_eq!(seen, all);
}
