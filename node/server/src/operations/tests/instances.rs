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
    let filter = json!({"filter": "attribute:a exists"});
    assert_eq!(
        desk.refused("ListContainerInstances", filter).0,
        Refused::UnsupportedFeature
    );
}
