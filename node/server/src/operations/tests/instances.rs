//! ListContainerInstances, DescribeContainerInstances, DeregisterContainerInstance.

use super::*;

const ONE: &str = "mi-00000000000000001";

#[test]
fn an_instance_shows_what_it_has_and_what_is_left() {
    let mut desk = Desk::with_room();
    desk.ok("RunTask", json!({"taskDefinition": "web"}));
    let include = ["TAGS", "CONTAINER_INSTANCE_HEALTH"];
    let found = desk.ok(
        "DescribeContainerInstances",
        json!({"containerInstances": [ONE], "include": include}),
    );
    let shown = &found["containerInstances"][0];
    assert_eq!(
        (
            &shown["ec2InstanceId"],
            &shown["status"],
            &shown["agentConnected"]
        ),
        (&json!(ONE), &json!("ACTIVE"), &json!(true))
    );
    assert_eq!(
        (&shown["pendingTasksCount"], &shown["runningTasksCount"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(shown["versionInfo"], json!({"agentVersion": "0.1.0"}));
    assert!(
        shown["attributes"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "bare"}))
    );
    let resource = |list: &str, name: &str| {
        let list = shown[list].as_array().unwrap();
        list.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(resource("registeredResources", "CPU")["integerValue"], 1024);
    assert_eq!(resource("remainingResources", "CPU")["integerValue"], 924);
    assert_eq!(
        resource("remainingResources", "MEMORY")["integerValue"],
        896
    );
    assert_eq!(
        resource("registeredResources", "PORTS")["stringSetValue"],
        json!(["22"])
    );
    assert_eq!(
        resource("remainingResources", "PORTS")["stringSetValue"],
        json!(["22", "61000"])
    );
    assert_eq!(
        resource("remainingResources", "PORTS_UDP")["stringSetValue"],
        json!([])
    );
    assert_eq!(shown["healthStatus"]["overallStatus"], "OK");
}

#[test]
fn unknown_instances_are_failures() {
    let mut desk = Desk::with_room();
    let found = desk.ok(
        "DescribeContainerInstances",
        json!({"containerInstances": ["mi-0000000000000000f", ONE]}),
    );
    assert_eq!(found["containerInstances"].as_array().unwrap().len(), 1);
    assert_eq!(
        found["failures"],
        json!([{"arn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-0000000000000000f", "reason": "MISSING"}])
    );
}

#[test]
fn tasks_keep_an_instance_unless_forced() {
    let mut desk = Desk::with_room();
    let ran = desk.ok("RunTask", json!({"taskDefinition": "web"}));
    assert_eq!(
        desk.refused(
            "DeregisterContainerInstance",
            json!({"containerInstance": ONE})
        ),
        (
            Refused::InvalidParameter,
            "Found running tasks on the instance.".into()
        )
    );
    let gone = desk.ok(
        "DeregisterContainerInstance",
        json!({"containerInstance": ONE, "force": true}),
    );
    assert_eq!(gone["containerInstance"]["status"], "INACTIVE");
    let task = desk.ok(
        "DescribeTasks",
        json!({"tasks": [ran["tasks"][0]["taskArn"]]}),
    )["tasks"][0]
        .clone();
    assert_eq!(
        (&task["lastStatus"], &task["connectivity"]),
        (&json!("STOPPED"), &json!("DISCONNECTED"))
    );
    let again = desk.refused(
        "DeregisterContainerInstance",
        json!({"containerInstance": ONE}),
    );
    assert_eq!(again.0, Refused::InvalidParameter);
    let unknown = desk.refused(
        "DeregisterContainerInstance",
        json!({"containerInstance": "mi-0000000000000000f"}),
    );
    assert_eq!(unknown.0, Refused::InvalidParameter);
}

#[test]
fn inactive_instances_are_described_but_not_listed() {
    let mut desk = Desk::with_room();
    desk.instance(2, "default");
    desk.ok(
        "DeregisterContainerInstance",
        json!({"containerInstance": ONE}),
    );
    let mut list = |input: Value| {
        desk.ok("ListContainerInstances", input)["containerInstanceArns"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(list(json!({})), 1);
    assert_eq!(list(json!({"status": "ACTIVE"})), 1);
    assert_eq!(list(json!({"status": "DRAINING"})), 0);
    assert_eq!(list(json!({"filter": ""})), 1);
    let found = desk.ok(
        "DescribeContainerInstances",
        json!({"containerInstances": [ONE]}),
    );
    assert_eq!(found["containerInstances"][0]["status"], "INACTIVE");
}

#[test]
fn lists_are_filtered_by_the_query_language() {
    let mut desk = Desk::with_room();
    desk.instance(2, "default");
    desk.ok("RunTask", json!({"taskDefinition": "web"}));
    let mut list = |filter: &str| {
        let found = desk.ok("ListContainerInstances", json!({ "filter": filter }));
        let arns = found["containerInstanceArns"].as_array().unwrap().clone();
        let ends = arns
            .iter()
            .map(|arn| arn.as_str().unwrap().chars().last().unwrap());
        ends.collect::<String>()
    };
    assert_eq!(list("task:group == family:web"), "1");
    assert_eq!(list("not(task:group == family:web)"), "2");
    assert_eq!(
        list("attribute:ecs.availability-zone =~ rack-.* and agentConnected == true"),
        "12"
    );
    assert_eq!(list("attribute:bare !exists || runningTasksCount > 0"), "");
    let wrong = json!({"filter": "attribute:a = b"});
    assert_eq!(
        desk.refused("ListContainerInstances", wrong),
        (
            Refused::InvalidParameter,
            "Invalid expression at character 13: an operator was expected, such as ==, in, =~ or exists.".into()
        )
    );
}

#[test]
fn draining_instances_take_no_tasks_until_they_are_active_again() {
    let mut desk = Desk::with_room();
    desk.instance(2, "default");
    desk.ok(
        "DeregisterContainerInstance",
        json!({"containerInstance": "mi-00000000000000002"}),
    );
    let update = |status: &str| json!({"containerInstances": [ONE, "mi-00000000000000002", "mi-0000000000000000f"], "status": status});
    let drained = desk.ok("UpdateContainerInstancesState", update("DRAINING"));
    assert_eq!(drained["containerInstances"].as_array().unwrap().len(), 1);
    assert_eq!(drained["containerInstances"][0]["status"], "DRAINING");
    let reasons: Vec<_> = drained["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].clone())
        .collect();
    assert_eq!(reasons, ["INACTIVE", "MISSING"]);
    let ran = desk.ok("RunTask", json!({"taskDefinition": "web"}));
    assert_eq!(
        (
            ran["tasks"].as_array().unwrap().len(),
            &ran["failures"][0]["reason"]
        ),
        (0, &json!("INACTIVE"))
    );
    desk.ok("UpdateContainerInstancesState", update("ACTIVE"));
    let ran = desk.ok("RunTask", json!({"taskDefinition": "web"}));
    assert_eq!(ran["tasks"].as_array().unwrap().len(), 1);
    let none = json!({"containerInstances": ["mi-0000000000000000f"], "status": "ACTIVE"});
    let none = desk.ok("UpdateContainerInstancesState", none);
    assert_eq!(none["failures"][0]["reason"], "MISSING");
    for wrong in [
        json!({"containerInstances": [ONE], "status": "REGISTERING"}),
        json!({"containerInstances": [], "status": "ACTIVE"}),
        json!({"containerInstances": vec![ONE; 11], "status": "ACTIVE"}),
    ] {
        let refusal = desk
            .refused("UpdateContainerInstancesState", wrong.clone())
            .0;
        assert_eq!(refusal, Refused::InvalidParameter, "{wrong}");
    }
}
