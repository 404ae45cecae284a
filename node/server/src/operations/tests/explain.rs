//! DescribePlacement: the rows, the winner, and what is said where a decision is not kept any more.

use super::*;

fn zone(desk: &mut Desk, number: u128, zone: &str) {
    desk.instance(number, "default");
    desk.ok(
        "PutAttributes",
        json!({"attributes": [{
            "name": "ecs.availability-zone", "value": zone, "targetType": "container-instance",
            "targetId": InstanceId::from_u128(number).to_string(),
        }]}),
    );
}

fn with_zones() -> Desk {
    let mut desk = Desk::new();
    zone(&mut desk, 1, "a");
    zone(&mut desk, 2, "a");
    zone(&mut desk, 3, "b");
    desk.register(&web());
    desk
}

#[test]
fn a_task_is_explained_by_what_was_so_when_it_was_placed() {
    let mut desk = with_zones();
    let run = json!({
        "taskDefinition": "web", "count": 4,
        "placementConstraints": [{"type": "memberOf", "expression": "attribute:bare exists"}],
        "placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}, {"type": "random"}],
    });
    let tasks = desk.ok("RunTask", run)["tasks"].clone();
    // What happens later changes nothing of it.
    desk.ok("RunTask", json!({"taskDefinition": "web", "count": 3}));
    for task in tasks.as_array().unwrap() {
        let told = desk
            .own("DescribePlacement", json!({"task": task["taskArn"]}))
            .unwrap();
        assert_eq!(told["decisionKept"], true);
        assert_eq!(told["notes"], json!([]));
        let arn = &task["containerInstanceArn"];
        assert_eq!(&told["containerInstanceArn"], arn);
        assert_eq!(&told["chosen"]["containerInstanceArn"], arn);
        assert_eq!(told["containerInstances"].as_array().unwrap().len(), 3);
        assert_eq!(&told["containerInstances"][0]["containerInstanceArn"], arn);
        let strategies = ["spread(attribute:ecs.availability-zone)", "random"];
        assert_eq!(told["rules"]["strategies"], json!(strategies));
    }
}

#[test]
fn a_decision_that_is_forgotten_is_said_to_be() {
    let mut desk = with_zones();
    let task = desk.ok("RunTask", json!({"taskDefinition": "web"}))["tasks"][0].clone();
    desk.decisions = Decisions::default();
    let told = desk
        .own("DescribePlacement", json!({"task": task["taskArn"]}))
        .unwrap();
    assert_eq!(told["decisionKept"], false);
    let notes = told["notes"].as_array().unwrap();
    assert!(
        notes[0].as_str().unwrap().contains("not kept any more"),
        "{told}"
    );
    assert!(
        notes[1].as_str().unwrap().contains("not known any more"),
        "{told}"
    );
    assert_eq!(told["containerInstances"].as_array().unwrap().len(), 3);
}

#[test]
fn a_task_whose_instance_the_caller_named_says_so() {
    let mut desk = with_zones();
    let on = InstanceId::from_u128(3).to_string();
    let start = json!({"taskDefinition": "web", "containerInstances": [on]});
    let task = desk.ok("StartTask", start)["tasks"][0].clone();
    let told = desk
        .own("DescribePlacement", json!({"task": task["taskArn"]}))
        .unwrap();
    assert_eq!(
        told["notes"],
        json!(["The caller named the instance (StartTask)."])
    );
    assert_eq!(told["containerInstanceArn"], task["containerInstanceArn"]);
}

#[test]
fn a_service_says_where_its_next_task_goes_and_what_it_misses() {
    let mut desk = with_zones();
    let create = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 22});
    desk.ok("CreateService", create);
    desk.wait(0);
    for task in desk.state.tasks().cloned().collect::<Vec<_>>() {
        let told = desk
            .own("DescribePlacement", json!({"task": task.id.to_string()}))
            .unwrap();
        let arn = desk.realm.instance(&task.cluster, task.instance);
        assert_eq!(told["chosen"]["containerInstanceArn"], json!(arn), "{told}");
    }
    let told = desk
        .own("DescribePlacement", json!({"service": "web"}))
        .unwrap();
    assert_eq!(told["desiredCount"], 22);
    assert!(
        told["chosen"].is_object() && told["missingCount"] == 0,
        "{told}"
    );
    assert_eq!(told["events"].as_array().unwrap().len(), 1);

    desk.ok(
        "UpdateService",
        json!({"service": "web", "desiredCount": 30}),
    );
    desk.wait(0);
    let told = desk
        .own("DescribePlacement", json!({"service": "web"}))
        .unwrap();
    assert_eq!(told["chosen"], Value::Null);
    assert_eq!(told["missingCount"], 6);
    let rows = told["containerInstances"].as_array().unwrap();
    let is_full = |row: &Value| row["fits"] == false && row["reason"] == "RESOURCE:MEMORY";
    assert!(rows.len() == 3 && rows.iter().all(is_full), "{told}");
    assert!(
        told["blocked"][0]
            .as_str()
            .unwrap()
            .contains("unable to place"),
        "{told}"
    );
}

#[test]
fn what_does_not_exist_is_refused_as_ecs_does() {
    let mut desk = with_zones();
    let mut refused = |input: Value| {
        let exception = desk.own("DescribePlacement", input).unwrap_err();
        (exception.kind(), exception.message().to_owned())
    };
    let task = "0".repeat(32);
    let not_found = (
        Refused::InvalidParameter,
        "The referenced task was not found.".to_owned(),
    );
    assert_eq!(refused(json!({"task": task})), not_found);
    assert_eq!(
        refused(json!({"service": "web"})).0,
        Refused::ServiceNotFound
    );
    assert_eq!(
        refused(json!({"cluster": "no", "service": "web"})).0,
        Refused::ClusterNotFound
    );
    assert_eq!(refused(json!({})).0, Refused::InvalidParameter);
    assert_eq!(
        refused(json!({"task": task, "service": "web"})).0,
        Refused::InvalidParameter
    );
    assert_eq!(refused(json!({"task": 7})).0, Refused::InvalidParameter);
}
