//! Services under an EXTERNAL controller: CreateTaskSet, UpdateTaskSet, DeleteTaskSet, DescribeTaskSets,
//! UpdateServicePrimaryTaskSet, and what CreateService, UpdateService and DeleteService make of them.

use super::*;

fn with(mut input: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(more);
    input
}

fn service(more: Value) -> Value {
    let controller = json!({"type": "EXTERNAL"});
    with(
        json!({"serviceName": "api", "desiredCount": 3, "deploymentController": controller}),
        more,
    )
}

fn named(more: Value) -> Value {
    with(json!({"cluster": "default", "service": "api"}), more)
}

/// A service without task sets.
fn bare() -> Desk {
    let mut desk = Desk::with_room();
    desk.ok("CreateService", service(json!({})));
    desk
}

fn create(desk: &mut Desk, more: Value) -> Value {
    let input = with(named(json!({"taskDefinition": "web"})), more);
    desk.ok("CreateTaskSet", input)["taskSet"].clone()
}

fn described(desk: &mut Desk) -> Value {
    desk.ok("DescribeServices", json!({"services": ["api"]}))["services"][0].clone()
}

fn settle(desk: &mut Desk) {
    desk.wait(0);
    desk.all_well();
    desk.wait(41_000);
}

fn invalid(desk: &mut Desk, operation: &str, input: Value) -> String {
    let (kind, text) = desk.refused(operation, input);
    assert_eq!(kind, Refused::InvalidParameter, "{text}");
    text
}

#[test]
fn a_task_set_is_shown_as_ecs_shows_it() {
    let mut desk = bare();
    let more = json!({
        "scale": {"value": 33.4, "unit": "PERCENT"}, "externalId": "v1", "launchType": "EC2", "platformVersion": "LATEST",
        "tags": [{"key": "team", "value": "a"}], "loadBalancers": [],
    });
    let made = create(&mut desk, more);
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        made["taskSetArn"],
        format!("arn:aws:ecs:us-east-1:000000000000:task-set/default/api/{id}")
    );
    let expected = json!({
        "status": "ACTIVE", "computedDesiredCount": 2, "pendingCount": 0, "runningCount": 0, "launchType": "EC2",
        "externalId": "v1", "platformVersion": "LATEST", "stabilityStatus": "STABILIZING", "loadBalancers": [],
        "serviceRegistries": [], "scale": {"value": 33.4, "unit": "PERCENT"},
        "taskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1",
        "tags": [{"key": "team", "value": "a"}],
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&made[member], value, "{member}");
    }
    settle(&mut desk);
    let tasks = desk.ok("ListTasks", json!({"startedBy": id}));
    assert_eq!(tasks["taskArns"].as_array().unwrap().len(), 2);
    let shown = desk.ok("DescribeTasks", json!({"tasks": tasks["taskArns"]}));
    assert_eq!(shown["tasks"][0]["launchType"], "EC2");
    let whole = described(&mut desk);
    let set = &whole["taskSets"][0];
    assert_eq!(
        (&set["runningCount"], &set["stabilityStatus"], &set["tags"]),
        (&json!(2), &json!("STEADY_STATE"), &json!([]))
    );
    assert_eq!(
        (&whole["deployments"], &whole["runningCount"]),
        (&json!([]), &json!(2))
    );
    assert_eq!(whole.get("currentServiceRevisions"), None);
    let event = whole["events"][0]["message"].as_str().unwrap();
    assert_eq!(
        event,
        format!("(service api, taskSet {id}) has reached a steady state.")
    );
}

#[test]
fn the_parameters_of_the_primary_task_set_are_the_services() {
    let mut desk = bare();
    let before = described(&mut desk);
    assert_eq!(
        (before.get("taskDefinition"), &before["launchType"]),
        (None, &json!("EXTERNAL"))
    );
    let fargate = json!({"cluster": "default", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": []});
    desk.ok("PutClusterCapacityProviders", fargate);
    let blue = create(&mut desk, json!({"launchType": "EC2"}));
    desk.register(&web());
    let green = create(&mut desk, json!({"launchType": "FARGATE"}));
    let mut promote = |set: &Value| {
        let input = named(json!({"primaryTaskSet": set["taskSetArn"]}));
        let answer = desk.ok("UpdateServicePrimaryTaskSet", input);
        assert_eq!(answer["taskSet"]["status"], "PRIMARY");
        described(&mut desk)
    };
    let first = promote(&blue);
    assert!(first["taskDefinition"].as_str().unwrap().ends_with("web:1"));
    assert_eq!(first["launchType"], "EC2");
    let second = promote(&green);
    assert!(
        second["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("web:2")
    );
    let statuses: Vec<&Value> = second["taskSets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["status"])
        .collect();
    assert_eq!(statuses, ["PRIMARY", "ACTIVE"]);
    let ec2 = desk.ok("ListServices", json!({"launchType": "FARGATE"}));
    assert_eq!(ec2["serviceArns"].as_array().unwrap().len(), 1);
}

#[test]
fn a_task_set_is_scaled_and_deleted_as_ecs_does() {
    let mut desk = bare();
    let (old, new) = (
        create(&mut desk, json!({})),
        create(&mut desk, json!({"scale": {"value": 50.0}})),
    );
    settle(&mut desk);
    desk.ok(
        "UpdateServicePrimaryTaskSet",
        named(json!({"primaryTaskSet": new["id"]})),
    );
    // Clients leave a zero out.
    let mut scale = |percent: Value| {
        let input = named(json!({"taskSet": old["id"], "scale": percent}));
        desk.call("UpdateTaskSet", input)
    };
    let more = scale(json!({"value": 34.0, "unit": "PERCENT"})).unwrap();
    assert_eq!(more["taskSet"]["computedDesiredCount"], 2);
    assert_eq!(more["taskSet"]["stabilityStatus"], "STABILIZING");
    let text = scale(json!({"value": 100.5})).unwrap_err();
    assert!(text.message().contains("between 0 and 100"), "{text}");
    let text = invalid(
        &mut desk,
        "DeleteTaskSet",
        named(json!({"taskSet": old["id"]})),
    );
    assert_eq!(
        text,
        "The task set cannot be deleted while it is scaled above 0."
    );
    let text = invalid(
        &mut desk,
        "DeleteTaskSet",
        named(json!({"taskSet": new["id"]})),
    );
    assert_eq!(text, "Primary TaskSet cannot be deleted");
    let none = named(json!({"taskSet": old["id"], "scale": {"unit": "PERCENT"}}));
    assert_eq!(
        desk.ok("UpdateTaskSet", none)["taskSet"]["scale"]["value"],
        0.0
    );
    let gone = desk.ok("DeleteTaskSet", named(json!({"taskSet": old["id"]})));
    assert_eq!(gone["taskSet"]["status"], "DRAINING");
    let text = invalid(
        &mut desk,
        "UpdateTaskSet",
        named(json!({"taskSet": old["id"], "scale": {"value": 1.0}})),
    );
    assert_eq!(text, "The task set is DRAINING.");
    settle(&mut desk);
    desk.wait(0);
    let (kind, _) = desk.refused("DeleteTaskSet", named(json!({"taskSet": old["id"]})));
    assert_eq!(kind, Refused::TaskSetNotFound);
    let whole = described(&mut desk);
    assert_eq!(
        (
            whole["taskSets"].as_array().unwrap().len(),
            &whole["runningCount"]
        ),
        (1, &json!(2))
    );
}

#[test]
fn creating_twice_with_a_token_is_one_task_set_and_five_are_enough() {
    let mut desk = bare();
    let token = || json!({"clientToken": "t", "scale": {"value": 0.0}});
    let first = create(&mut desk, token());
    assert_eq!(create(&mut desk, token())["id"], first["id"]);
    let other = named(json!({"taskDefinition": "web", "clientToken": "t"}));
    let text = invalid(&mut desk, "CreateTaskSet", other);
    assert_eq!(text, "Creation of task set was not idempotent.");
    for _ in 0..4 {
        create(&mut desk, json!({"scale": {"value": 0.0}}));
    }
    let (kind, text) = desk.refused("CreateTaskSet", named(json!({"taskDefinition": "web"})));
    assert_eq!(kind, Refused::LimitExceeded);
    assert!(
        text.starts_with("5 deployments exist on the service."),
        "{text}"
    );
}

#[test]
fn task_sets_are_described_by_id_and_arn() {
    let mut desk = bare();
    let made = create(&mut desk, json!({"tags": [{"key": "team", "value": "a"}]}));
    let sets = json!([made["id"], made["taskSetArn"], "ecs-svc/7"]);
    let found = desk.ok(
        "DescribeTaskSets",
        named(json!({"taskSets": sets, "include": ["TAGS"]})),
    );
    assert_eq!(found["taskSets"].as_array().unwrap().len(), 2);
    assert_eq!(found["taskSets"][1]["tags"][0]["key"], "team");
    let arn = "arn:aws:ecs:us-east-1:000000000000:task-set/default/api/ecs-svc/7";
    assert_eq!(
        found["failures"],
        json!([{"arn": arn, "reason": "MISSING"}])
    );
    let plain = desk.ok("DescribeTaskSets", named(json!({"taskSets": [made["id"]]})));
    assert_eq!(plain["taskSets"][0]["tags"], json!([]));
    let text = invalid(
        &mut desk,
        "DescribeTaskSets",
        named(json!({"taskSets": ["nope"]})),
    );
    assert_eq!(text, "Task Set Identifier is invalid");
    assert_eq!(
        invalid(&mut desk, "DescribeTaskSets", named(json!({}))),
        "Task Sets cannot be empty."
    );
}

#[test]
fn what_is_not_there_or_can_not_work_is_refused_by_name() {
    let mut desk = bare();
    desk.ok(
        "CreateService",
        json!({"serviceName": "ecs", "taskDefinition": "web", "desiredCount": 1}),
    );
    let mut refused = |more: Value| {
        let input = with(named(json!({"taskDefinition": "web"})), more);
        desk.refused("CreateTaskSet", input)
    };
    let (kind, text) = refused(json!({"service": "ecs"}));
    assert_eq!(kind, Refused::InvalidParameter);
    assert_eq!(
        text,
        "Amazon ECS only supports task set management on services configured to use external deployment controllers."
    );
    assert_eq!(
        refused(json!({"service": "nope"})).0,
        Refused::ServiceNotFound
    );
    assert_eq!(
        refused(json!({"cluster": "nope"})).0,
        Refused::ClusterNotFound
    );
    assert_eq!(
        refused(json!({"taskDefinition": "nope"})).0,
        Refused::Client
    );
    assert_eq!(
        refused(json!({"taskDefinition": ""})).0,
        Refused::InvalidParameter
    );
    assert_eq!(
        refused(json!({"clientToken": "x".repeat(37)})).0,
        Refused::InvalidParameter
    );
    let balancers = json!({"loadBalancers": [{"targetGroupArn": "x", "containerName": "app", "containerPort": 80}]});
    for more in [
        balancers,
        json!({"serviceRegistries": [{"registryArn": "x"}]}),
        json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["x"]}}}),
        json!({"platformVersion": "1.4.0"}),
    ] {
        let (kind, text) = refused(more);
        assert_eq!(kind, Refused::UnsupportedFeature, "{text}");
    }
    let strategy = json!({"capacityProviderStrategy": [{"capacityProvider": "x"}]});
    assert_eq!(refused(strategy).0, Refused::InvalidParameter);
    let set = json!({"primaryTaskSet": "ecs-svc/7"});
    let (kind, text) = desk.refused("UpdateServicePrimaryTaskSet", named(set));
    assert_eq!(kind, Refused::TaskSetNotFound);
    assert_eq!(text, "The specified task set does not exist.");
}

#[test]
fn a_service_of_task_sets_is_made_and_updated_without_what_belongs_to_them() {
    let mut desk = Desk::with_room();
    let vpc = json!({"awsvpcConfiguration": {"subnets": ["x"]}});
    let wrong = [
        (
            json!({"taskDefinition": "web"}),
            "TaskDefinition must be blank",
        ),
        (
            json!({"loadBalancers": [{"targetGroupArn": "x"}]}),
            "LoadBalancers must be empty or null.",
        ),
        (
            json!({"networkConfiguration": vpc}),
            "NetworkConfiguration must be null.",
        ),
        (
            json!({"schedulingStrategy": "DAEMON", "desiredCount": null}),
            "The DAEMON scheduling strategy",
        ),
        (
            json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": false}}}),
            "DeploymentCircuitBreaker",
        ),
    ];
    for (more, text) in wrong {
        let said = invalid(&mut desk, "CreateService", service(more));
        assert!(said.starts_with(text), "{said}");
    }
    desk.ok(
        "CreateService",
        service(json!({"launchType": "EC2", "loadBalancers": []})),
    );
    assert_eq!(described(&mut desk)["launchType"], "EC2");
    create(&mut desk, json!({}));
    for more in [
        json!({"taskDefinition": "web"}),
        json!({"networkConfiguration": vpc}),
        json!({"forceNewDeployment": true}),
    ] {
        let text = invalid(
            &mut desk,
            "UpdateService",
            with(json!({"service": "api"}), more),
        );
        assert!(
            text.contains("on services with an EXTERNAL deployment controller."),
            "{text}"
        );
    }
    let other = json!({"service": "api", "deploymentController": {"type": "ECS"}});
    assert_eq!(
        desk.refused("UpdateService", other).0,
        Refused::UnsupportedFeature
    );
    let update = json!({
        "service": "api", "desiredCount": 4, "healthCheckGracePeriodSeconds": 5, "enableExecuteCommand": true,
        "propagateTags": "SERVICE", "enableECSManagedTags": true, "placementStrategy": [{"type": "random"}],
        "deploymentConfiguration": {"minimumHealthyPercent": 50}, "loadBalancers": [], "taskDefinition": "",
    });
    let updated = desk.ok("UpdateService", update)["service"].clone();
    assert_eq!(updated["taskSets"][0]["computedDesiredCount"], 4);
    assert_eq!(updated["healthCheckGracePeriodSeconds"], 5);
}

#[test]
fn a_service_with_task_sets_is_deleted_when_they_are_gone_or_by_force() {
    let mut desk = bare();
    let set = create(&mut desk, json!({}));
    settle(&mut desk);
    desk.ok(
        "UpdateService",
        json!({"service": "api", "desiredCount": 0}),
    );
    let text = invalid(&mut desk, "DeleteService", json!({"service": "api"}));
    assert_eq!(
        text,
        "The service cannot be stopped while deployments are active."
    );
    desk.ok("DeleteTaskSet", named(json!({"taskSet": set["id"]})));
    settle(&mut desk);
    desk.wait(0);
    let deleted = desk.ok("DeleteService", json!({"service": "api"}));
    assert_eq!(deleted["service"]["status"], "DRAINING");
    desk.wait(0);
    let (kind, _) = desk.refused("CreateTaskSet", named(json!({"taskDefinition": "web"})));
    assert_eq!(kind, Refused::ServiceNotActive);
    let (kind, _) = desk.refused(
        "DescribeTaskSets",
        named(json!({"taskSets": ["ecs-svc/7"]})),
    );
    assert_eq!(kind, Refused::ServiceNotActive);
    desk.ok("CreateService", service(json!({})));
    create(&mut desk, json!({}));
    settle(&mut desk);
    desk.ok("DeleteService", json!({"service": "api", "force": true}));
    desk.wait(0);
    desk.all_well();
    desk.wait(0);
    assert_eq!(described(&mut desk)["status"], "INACTIVE");
}
