//! RegisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitions, ListTaskDefinitionFamilies, DeregisterTaskDefinition.

use super::*;
use quorate_core::documents::DefinitionSpec;

/// A definition that says much.
fn full() -> Value {
    json!({
        "family": "full", "networkMode": "host", "cpu": ".5 vCPU", "memory": "1 GB", "taskRoleArn": "role",
        "containerDefinitions": [{
            "name": "app", "image": "nginx:1", "cpu": 10, "memoryReservation": 64, "essential": true,
            "command": ["serve"], "entryPoint": ["/bin/app"], "environment": [{"name": "A", "value": "1"}],
            "portMappings": [{"containerPort": 80, "protocol": "udp", "name": "dns"}],
            "dockerLabels": {"traefik.enable": "true"}, "stopTimeout": 5, "user": "root",
            "healthCheck": {"command": ["CMD", "true"]}, "ulimits": [],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}},
        }],
        "volumes": [], "placementConstraints": [], "requiresCompatibilities": ["EXTERNAL"],
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "tags": [{"key": "team", "value": "a"}],
    })
}

#[test]
fn the_echo_is_the_document_with_notes_and_the_defaults_of_ecs_and_no_more() {
    let mut desk = Desk::new();
    let mut shown = desk.register(&web());
    let registered_at = shown["registeredAt"].take();
    assert!(registered_at.as_f64().unwrap() > 0.0);
    assert_eq!(
        shown,
        json!({
            "family": "web", "volumes": [], "placementConstraints": [],
            "containerDefinitions": [{
                "name": "app", "image": "nginx:1", "cpu": 100, "memory": 128, "essential": true,
                "portMappings": [{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}],
                "environment": [], "mountPoints": [], "volumesFrom": [], "systemControls": [],
            }],
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1", "revision": 1,
            "status": "ACTIVE", "requiresAttributes": [], "compatibilities": ["EXTERNAL", "EC2", "FARGATE"],
            "registeredAt": null, "registeredBy": "arn:aws:iam::000000000000:user/dev",
        })
    );
}

#[test]
fn what_is_described_can_be_registered_again_and_means_the_same() {
    let mut desk = Desk::new();
    for definition in [web(), full()] {
        let family = definition["family"].clone();
        desk.register(&definition);
        let described = desk.ok(
            "DescribeTaskDefinition",
            json!({"taskDefinition": family, "include": ["TAGS"]}),
        );
        let mut input = described["taskDefinition"].as_object().unwrap().clone();
        let notes = [
            "taskDefinitionArn",
            "revision",
            "status",
            "requiresAttributes",
            "compatibilities",
            "registeredAt",
            "registeredBy",
        ];
        notes
            .iter()
            .for_each(|note| assert!(input.remove(*note).is_some(), "{note}"));
        input.insert("tags".into(), described["tags"].clone());
        let twin = desk.register(&Value::Object(input.clone()));
        assert_eq!(twin["revision"], 2);
        let spec = |document: &Value| DefinitionSpec::parse(document.as_object().unwrap()).unwrap();
        assert_eq!(spec(&definition), spec(&Value::Object(input)));
        let again = desk.ok(
            "DescribeTaskDefinition",
            json!({"taskDefinition": family, "include": ["TAGS"]}),
        );
        assert_eq!(
            again["taskDefinition"]["containerDefinitions"],
            described["taskDefinition"]["containerDefinitions"]
        );
    }
}

#[test]
fn sizes_lose_their_units_and_what_the_model_does_not_know_is_dropped() {
    let mut desk = Desk::new();
    let mut definition = full();
    definition["newInAnotherRelease"] = json!(1);
    definition["pidMode"] = Value::Null;
    let shown = desk.register(&definition);
    assert_eq!(
        (&shown["cpu"], &shown["memory"]),
        (&json!("512"), &json!("1024"))
    );
    assert_eq!(
        (shown.get("newInAnotherRelease"), shown.get("pidMode")),
        (None, None)
    );
    let container = &shown["containerDefinitions"][0];
    assert_eq!(
        container["healthCheck"],
        json!({"command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3})
    );
    assert_eq!(
        container["portMappings"],
        json!([{"containerPort": 80, "protocol": "udp", "name": "dns"}])
    );
}

#[test]
fn bad_definitions_are_refused_with_the_texts_of_ecs() {
    let mut desk = Desk::new();
    let of =
        |desk: &mut Desk, definition: Value| desk.refused("RegisterTaskDefinition", definition);
    let none = json!({"family": "f", "containerDefinitions": []});
    assert_eq!(
        of(&mut desk, none),
        (Refused::Client, "Container list cannot be empty.".into())
    );
    let mut family = web();
    family["family"] = json!("with space");
    assert_eq!(of(&mut desk, family).0, Refused::Client);
    let mut large = web();
    large["containerDefinitions"][0]["command"] = json!(["x".repeat(70_000)]);
    assert_eq!(
        of(&mut desk, large),
        (
            Refused::Client,
            "Task definition can not exceed 64 KiB.".into()
        )
    );
    assert_eq!(
        of(&mut desk, json!({"family": "f"})).0,
        Refused::InvalidParameter
    );
    assert_eq!(desk.state.families().count(), 0);
}

#[test]
fn a_family_means_its_newest_active_revision() {
    let mut desk = Desk::new();
    (0..2).for_each(|_| drop(desk.register(&web())));
    let describe = |desk: &mut Desk, text: &str| {
        desk.call("DescribeTaskDefinition", json!({ "taskDefinition": text }))
    };
    assert_eq!(
        describe(&mut desk, "web").unwrap()["taskDefinition"]["revision"],
        2
    );
    let gone = desk.ok(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "web:2"}),
    );
    assert_eq!(gone["taskDefinition"]["status"], "INACTIVE");
    assert!(gone["taskDefinition"]["deregisteredAt"].is_number());
    assert_eq!(
        describe(&mut desk, "web").unwrap()["taskDefinition"]["revision"],
        1
    );
    assert_eq!(
        describe(&mut desk, "web:2").unwrap()["taskDefinition"]["status"],
        "INACTIVE"
    );
    let missing = describe(&mut desk, "nope").unwrap_err();
    assert_eq!(
        (missing.kind(), missing.message()),
        (Refused::Client, "Unable to describe task definition.")
    );
    assert_eq!(
        desk.refused("DeregisterTaskDefinition", json!({"taskDefinition": "web"}))
            .0,
        Refused::Client
    );
    assert_eq!(
        desk.refused(
            "DeregisterTaskDefinition",
            json!({"taskDefinition": "web:9"})
        )
        .0,
        Refused::Client
    );
    assert_eq!(desk.register(&web())["revision"], 3);
}

#[test]
fn definitions_are_listed_by_family_and_number_in_both_directions() {
    let mut desk = Desk::new();
    (0..11).for_each(|_| drop(desk.register(&web())));
    desk.register(&full());
    desk.ok(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "web:1"}),
    );
    let list = |desk: &mut Desk, input: Value| -> Vec<String> {
        let arns = desk.ok("ListTaskDefinitions", input)["taskDefinitionArns"].clone();
        arns.as_array()
            .unwrap()
            .iter()
            .map(|arn| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    let all = list(&mut desk, json!({}));
    assert_eq!(
        (
            all.len(),
            all[0].as_str(),
            all[1].as_str(),
            all[10].as_str()
        ),
        (11, "full:1", "web:2", "web:11")
    );
    assert_eq!(
        list(&mut desk, json!({"sort": "DESC", "maxResults": 1})),
        ["web:11"]
    );
    assert_eq!(list(&mut desk, json!({"status": "INACTIVE"})), ["web:1"]);
    assert_eq!(list(&mut desk, json!({"familyPrefix": "we"})), [""; 0]);
    let first = desk.ok(
        "ListTaskDefinitions",
        json!({"sort": "DESC", "maxResults": 10}),
    );
    let rest = list(
        &mut desk,
        json!({"sort": "DESC", "nextToken": first["nextToken"]}),
    );
    assert_eq!(rest, ["full:1"]);
}

#[test]
fn families_are_listed_by_what_is_left_of_them() {
    let mut desk = Desk::new();
    desk.register(&web());
    desk.register(&full());
    desk.ok(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "web:1"}),
    );
    let mut list = |input: Value| desk.ok("ListTaskDefinitionFamilies", input)["families"].clone();
    assert_eq!(list(json!({})), json!(["full", "web"]));
    assert_eq!(list(json!({"status": "ACTIVE"})), json!(["full"]));
    assert_eq!(list(json!({"status": "INACTIVE"})), json!(["web"]));
    assert_eq!(
        list(json!({"status": "ALL", "familyPrefix": "w"})),
        json!(["web"])
    );
}

#[test]
fn revisions_are_deleted_once_nothing_uses_them() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        desk.register(&web());
    }
    desk.instance(1, "default");
    let task = desk.ok("RunTask", json!({"taskDefinition": "web:1"}))["tasks"][0].take();
    for revision in ["web:1", "web:2"] {
        let input = json!({"taskDefinition": revision});
        desk.ok("DeregisterTaskDefinition", input);
    }
    let all =
        json!({"taskDefinitions": ["web:1", "web:2", "web:2", "web:3", "web:4", "web", "w:e:b"]});
    let deleted = desk.ok("DeleteTaskDefinitions", all);
    let shown = deleted["taskDefinitions"].as_array().unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|one| (&one["revision"], &one["status"]))
        .collect();
    let going = json!("DELETE_IN_PROGRESS");
    assert_eq!(shown, [(&json!(1), &going), (&json!(2), &going)]);
    assert!(deleted["taskDefinitions"][0]["deleteRequestedAt"].is_number());
    let failures = deleted["failures"].as_array().unwrap();
    let failed: Vec<_> = failures
        .iter()
        .map(|one| one["arn"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["web:3", "web:4", "web", "w:e:b"]);
    desk.wait(0);
    let describe = |revision: &str| json!({"taskDefinition": revision});
    assert_eq!(
        desk.refused("DescribeTaskDefinition", describe("web:2")),
        (
            Refused::Client,
            "Unable to describe task definition.".to_owned()
        )
    );
    let used = desk.ok("DescribeTaskDefinition", describe("web:1"));
    assert_eq!(used["taskDefinition"]["status"], going);
    let run = desk.refused("RunTask", json!({"taskDefinition": "web:1"}));
    assert_eq!(
        run,
        (Refused::Client, "TaskDefinition is inactive".to_owned())
    );
    let list = json!({"status": "DELETE_IN_PROGRESS"});
    let listed = desk.ok("ListTaskDefinitions", list)["taskDefinitionArns"].take();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    desk.ok("StopTask", json!({"task": task["taskArn"]}));
    desk.observe(Desk::id(&task), TaskStatus::Stopped, Some(0));
    desk.wait(2 * 3_600_000);
    desk.wait(60_000);
    assert_eq!(
        desk.refused("DescribeTaskDefinition", describe("web:1")).0,
        Refused::Client
    );
    let all_gone = json!({"taskDefinitions": ["web:1"]});
    assert_eq!(
        desk.ok("DeleteTaskDefinitions", all_gone)["taskDefinitions"],
        json!([])
    );
    let too_many: Vec<String> = (0..11).map(|n| format!("web:{n}")).collect();
    let too_many = desk.refused(
        "DeleteTaskDefinitions",
        json!({"taskDefinitions": too_many}),
    );
    assert_eq!(too_many.0, Refused::InvalidParameter);
}
