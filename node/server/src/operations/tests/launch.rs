//! RunTask and StartTask.

use super::*;

fn run(extra: Value) -> Value {
    let mut input = json!({"taskDefinition": "web"});
    input
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    input
}

#[test]
fn a_new_task_has_all_that_clients_look_for() {
    let mut desk = Desk::with_room();
    let ran = desk.ok(
        "RunTask",
        run(json!({"startedBy": "me", "tags": [{"key": "a", "value": "b"}]})),
    );
    assert_eq!(ran["failures"], json!([]));
    let task = &ran["tasks"][0];
    let expected = json!({
        "attachments": [], "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": "rack-1", "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/default",
        "connectivity": "CONNECTED", "cpu": "100", "memory": "128", "desiredStatus": "RUNNING", "lastStatus": "PENDING",
        "containerInstanceArn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-00000000000000001",
        "enableExecuteCommand": false, "group": "family:web", "healthStatus": "UNKNOWN", "launchType": "EXTERNAL",
        "overrides": {"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []},
        "startedBy": "me", "tags": [{"key": "a", "value": "b"}], "version": 1,
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&task[member], value, "{member}");
    }
    let container = &task["containers"][0];
    assert_eq!(
        container["networkBindings"],
        json!([{"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 61000, "protocol": "tcp"}])
    );
    assert_eq!(
        (&container["cpu"], &container["memory"]),
        (&json!("100"), &json!("128"))
    );
    assert_eq!(
        (
            container.get("exitCode"),
            container.get("memoryReservation")
        ),
        (None, None)
    );
}

#[test]
fn where_there_is_no_room_each_instance_says_why() {
    let mut desk = Desk::with_room();
    let ran = desk.ok("RunTask", run(json!({"count": 10})));
    assert_eq!(ran["tasks"].as_array().unwrap().len(), 8);
    assert_eq!(
        ran["failures"],
        json!([{"arn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-00000000000000001", "reason": "RESOURCE:MEMORY"}])
    );
}

#[test]
fn an_empty_cluster_and_unusable_definitions_are_refused() {
    let mut desk = Desk::new();
    desk.register(&web());
    assert_eq!(
        desk.refused("RunTask", run(json!({}))),
        (
            Refused::InvalidParameter,
            "No Container Instances were found in your cluster.".into()
        )
    );
    desk.instance(1, "default");
    let mut refusal = |definition: &str| {
        desk.refused("RunTask", json!({ "taskDefinition": definition }))
            .1
    };
    assert_eq!(refusal("nope"), "TaskDefinition not found.");
    assert_eq!(refusal("web:2"), "TaskDefinition not found.");
    assert!(refusal("a/b").contains("Invalid identifier"));
    desk.ok(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "web:1"}),
    );
    for inactive in ["web:1", "web"] {
        let refusal = desk.refused("RunTask", json!({ "taskDefinition": inactive }));
        assert_eq!(
            refusal,
            (Refused::Client, "TaskDefinition is inactive".into())
        );
    }
    assert_eq!(
        desk.refused("RunTask", run(json!({"cluster": "nope"}))).0,
        Refused::ClusterNotFound
    );
}

#[test]
fn a_token_starts_its_tasks_once() {
    let mut desk = Desk::with_room();
    let input = run(json!({"clientToken": "t-1", "count": 2}));
    let first = desk.ok("RunTask", input.clone());
    let arns = |answer: &Value| [0, 1].map(|n| answer["tasks"][n]["taskArn"].clone());
    // The same cluster by another name, and a definition that is gone meanwhile: it is still the same wish.
    desk.ok(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "web:1"}),
    );
    let mut again = input;
    again["cluster"] = json!("arn:aws:ecs:us-east-1:000000000000:cluster/default");
    assert_eq!(arns(&desk.ok("RunTask", again)), arns(&first));
    assert_eq!(desk.state.tasks().count(), 2);
    let other = desk
        .call("RunTask", run(json!({"clientToken": "t-1", "count": 3})))
        .unwrap_err();
    assert_eq!(other.kind(), Refused::Conflict);
    let body: Value = serde_json::from_slice(&other.render()).unwrap();
    let mut ids: Vec<_> = body["resourceIds"].as_array().unwrap().clone();
    let mut expected = arns(&first).to_vec();
    ids.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(ids, expected);
    for token in ["with space", "ä", &"x".repeat(65)] {
        assert_eq!(
            desk.refused("RunTask", run(json!({ "clientToken": token })))
                .0,
            Refused::InvalidParameter
        );
    }
}

#[test]
fn a_token_outlives_its_tasks() {
    let mut desk = Desk::with_room();
    let input = run(json!({"clientToken": "t-1"}));
    let task = desk.ok("RunTask", input.clone())["tasks"][0].clone();
    desk.observe(Desk::id(&task), TaskStatus::Stopped, Some(0));
    let tasks = vec![Desk::id(&task)];
    desk.apply(Command::Forget { tasks }).unwrap();
    let again = desk.ok("RunTask", input);
    assert_eq!(
        again,
        json!({"tasks": [], "failures": [{"arn": task["taskArn"], "reason": "MISSING"}]})
    );
}

#[test]
fn limits_hold() {
    let mut desk = Desk::with_room();
    for wrong in [
        json!({"count": 0}),
        json!({"count": 11}),
        json!({"startedBy": "x".repeat(129)}),
        json!({"group": "x".repeat(256)}),
        json!({"group": "service:web"}),
        json!({"propagateTags": "SERVICE"}),
        json!({"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "a"}]}),
        json!({"tags": [{"key": "aws:x", "value": ""}]}),
        json!({"overrides": {"containerOverrides": [{"name": "app", "command": ["x".repeat(8192)]}]}}),
        json!({"overrides": {"containerOverrides": [{"name": "other"}]}}),
        json!({"overrides": {"containerOverrides": [{"name": "app"}, {"name": "app"}]}}),
        json!({"overrides": {"containerOverrides": [{"name": "app", "cpu": -1}]}}),
        json!({"overrides": {"cpu": "1 vCPU"}}),
    ] {
        assert_eq!(
            desk.refused("RunTask", run(wrong.clone())).0,
            Refused::InvalidParameter,
            "{wrong}"
        );
    }
    assert_eq!(desk.state.tasks().count(), 0);
}

#[test]
fn what_cannot_work_yet_is_refused_and_empty_lists_ask_for_nothing() {
    let mut desk = Desk::with_room();
    for wish in [
        json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}}}),
        json!({"volumeConfigurations": [{"name": "v"}]}),
        json!({"launchType": "MANAGED_INSTANCES"}),
        json!({"platformVersion": "1.4.0"}),
        json!({"overrides": {"containerOverrides": [{"name": "app", "environmentFiles": [{"value": "v", "type": "s3"}]}]}}),
    ] {
        assert_eq!(
            desk.refused("RunTask", run(wish.clone())).0,
            Refused::UnsupportedFeature,
            "{wish}"
        );
    }
    let empty = json!({"capacityProviderStrategy": [], "placementConstraints": [], "placementStrategy": [], "tags": [],
        "volumeConfigurations": [], "networkConfiguration": {}, "overrides": {"containerOverrides": []}, "clientToken": "",
        "launchType": "EC2", "placementStrategy": [{"type": "spread", "field": "instanceId"}]});
    let ran = desk.ok("RunTask", run(empty));
    assert_eq!(ran["tasks"][0]["launchType"], "EC2");
}

#[test]
fn definitions_that_ask_for_more_than_agents_give_are_not_run() {
    let mut desk = Desk::with_room();
    let with = |member: &str, value: Value| {
        let mut definition = web();
        definition["containerDefinitions"][0][member] = value;
        definition
    };
    let mut windows = web();
    windows["runtimePlatform"] = json!({"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"});
    let accelerator = json!([{"type": "InferenceAccelerator", "value": "a"}]);
    let mut own_network = with("portMappings", json!([]));
    own_network["networkMode"] = json!("awsvpc");
    let secrets = json!([{"name": "A", "valueFrom": "b"}]);
    for definition in [
        windows,
        with("resourceRequirements", accelerator),
        own_network,
        with("secrets", secrets),
        with(
            "ulimits",
            json!([{"name": "core", "softLimit": 1, "hardLimit": 1}]),
        ),
    ] {
        desk.register(&definition);
        assert_eq!(
            desk.refused("RunTask", run(json!({}))).0,
            Refused::UnsupportedFeature,
            "{definition}"
        );
    }
    desk.register(&with("privileged", json!(false)));
    desk.register(&with("links", json!([])));
    desk.ok("RunTask", run(json!({})));
}

#[test]
fn overrides_and_tags_are_shown_as_given() {
    let mut desk = Desk::with_room();
    let mut definition = web();
    definition["tags"] =
        json!([{"key": "a", "value": "definition"}, {"key": "b", "value": "definition"}]);
    definition["containerDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "side", "image": "x", "memory": 16}));
    desk.register(&definition);
    let ran = desk.ok(
        "RunTask",
        run(json!({"overrides": {"containerOverrides": [{"name": "app", "command": ["x"], "memory": 256}], "taskRoleArn": "r"},
            "tags": [{"key": "a", "value": "mine"}], "propagateTags": "TASK_DEFINITION", "enableECSManagedTags": true})),
    );
    let task = &ran["tasks"][0];
    assert_eq!(
        task["overrides"],
        json!({"containerOverrides": [{"name": "app", "command": ["x"], "memory": 256}, {"name": "side"}],
            "inferenceAcceleratorOverrides": [], "taskRoleArn": "r"})
    );
    assert_eq!(task["memory"], "272");
    assert_eq!(
        task["tags"],
        json!([{"key": "a", "value": "mine"}, {"key": "b", "value": "definition"}, {"key": "aws:ecs:clusterName", "value": "default"}])
    );
}

#[test]
fn start_task_goes_where_it_is_told() {
    let mut desk = Desk::with_room();
    desk.instance(2, "default");
    desk.ok("CreateCluster", json!({"clusterName": "other"}));
    let far = desk.instance(3, "other");
    let near = ["mi-00000000000000002", "mi-0000000000000000f"];
    let chosen = json!([near[0], near[1], far.to_string(), "nonsense"]);
    let started = desk.ok(
        "StartTask",
        json!({"taskDefinition": "web", "containerInstances": chosen}),
    );
    assert_eq!(started["tasks"].as_array().unwrap().len(), 1);
    assert!(
        started["tasks"][0]["containerInstanceArn"]
            .as_str()
            .unwrap()
            .ends_with(near[0])
    );
    let failures = started["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 3);
    assert!(
        failures
            .iter()
            .all(|failure| failure["reason"] == "MISSING")
    );
    desk.ok(
        "DeregisterContainerInstance",
        json!({"containerInstance": near[0], "force": true}),
    );
    let started = desk.ok(
        "StartTask",
        json!({"taskDefinition": "web", "containerInstances": [near[0]]}),
    );
    assert_eq!(
        (&started["tasks"], &started["failures"][0]["reason"]),
        (&json!([]), &json!("INACTIVE"))
    );
    let long = json!({"taskDefinition": "web", "containerInstances": [near[0]], "startedBy": "x".repeat(37)});
    assert_eq!(desk.refused("StartTask", long).0, Refused::InvalidParameter);
    let none = json!({"taskDefinition": "web", "containerInstances": []});
    assert_eq!(desk.refused("StartTask", none).0, Refused::InvalidParameter);
}
