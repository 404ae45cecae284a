//! DescribePlan: what is told of a change is what the operation then does; nothing is changed by asking.

use super::*;

/// Three instances, and a service of six tasks that run.
fn with_service() -> Desk {
    let mut desk = Desk::new();
    for number in 1..=3 {
        desk.instance(number, "default");
    }
    desk.register(&web());
    let create = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 6});
    desk.ok("CreateService", create);
    desk.wait(0);
    all_run(&mut desk);
    desk.wait(60_000);
    desk
}

/// As `all_well`, of tasks on any instance.
fn all_run(desk: &mut Desk) {
    let tasks: Vec<_> = desk.state.tasks().cloned().collect();
    for task in tasks.iter().filter(|task| task.last < TaskStatus::Running) {
        let session = desk.state.instance(&task.instance).unwrap().session;
        let seen = TaskObserved::of(task.id, TaskStatus::Running);
        let instance = task.instance;
        desk.apply(Command::Observe {
            instance,
            session,
            tasks: vec![seen],
        })
        .unwrap();
    }
}

fn count(plan: &Value, action: &str) -> usize {
    let moves = plan["moves"].as_array().unwrap();
    moves.iter().filter(|one| one["action"] == action).count()
}

fn arn(desk: &Desk, number: u128) -> String {
    let id = InstanceId::from_u128(number);
    desk.realm.instance(&ClusterName::default_cluster(), id)
}

#[test]
fn a_drain_moves_tasks_and_changes_nothing() {
    let mut desk = with_service();
    desk.ok(
        "StartTask",
        json!({"taskDefinition": "web", "containerInstances": [arn(&desk, 1)]}),
    );
    let before = desk.state.clone();
    let plan = json!({"drain": {"containerInstances": [arn(&desk, 1)]}});
    let plan = desk.own("DescribePlan", plan).unwrap();
    assert!(desk.state == before);
    assert_eq!(
        (count(&plan, "START"), count(&plan, "STOP")),
        (2, 2),
        "{plan}"
    );
    assert_eq!(
        (&plan["fits"], &plan["settled"]),
        (&json!(true), &json!(true))
    );
    let moves = plan["moves"].as_array().unwrap();
    let stops = moves.iter().filter(|one| one["action"] == "STOP");
    for stop in stops {
        assert_eq!(stop["containerInstanceArn"], json!(arn(&desk, 1)));
        assert!(stop["taskArn"].is_string() && stop["serviceName"] == "web");
    }
    assert_eq!(plan["left"][0]["group"], "family:web");
    assert_eq!(plan["services"][0]["runningCount"], 6);
}

#[test]
fn a_scaling_says_what_would_not_fit() {
    let mut desk = with_service();
    let scale = |count: i64| json!({"scale": {"service": "web", "desiredCount": count}});
    let plan = desk.own("DescribePlan", scale(24)).unwrap();
    assert_eq!((count(&plan, "START"), &plan["fits"]), (18, &json!(true)));
    let plan = desk.own("DescribePlan", scale(30)).unwrap();
    assert_eq!((count(&plan, "START"), &plan["fits"]), (18, &json!(false)));
    let short = &plan["shortfalls"][0];
    assert_eq!(
        (&short["serviceName"], &short["missingCount"]),
        (&json!("web"), &json!(6))
    );
    let rows = short["containerInstances"].as_array().unwrap();
    assert!(
        rows.len() == 3 && rows.iter().all(|row| row["reason"] == "RESOURCE:MEMORY"),
        "{plan}"
    );
    assert_eq!(
        desk.state
            .service(&desk.state.services().next().unwrap().key)
            .unwrap()
            .spec
            .desired_count,
        6
    );
}

#[test]
fn a_loss_of_a_zone_is_told_of_with_its_time() {
    let mut desk = with_service();
    for number in [2, 3] {
        let target = arn(&desk, number);
        let attribute =
            json!({"name": "ecs.availability-zone", "value": "rack-2", "targetId": target});
        desk.ok("PutAttributes", json!({"attributes": [attribute]}));
    }
    let lose = json!({"lose": {"attribute": "ecs.availability-zone", "value": "rack-2"}});
    let plan = desk.own("DescribePlan", lose).unwrap();
    assert_eq!(
        (count(&plan, "LOSE"), count(&plan, "START")),
        (4, 4),
        "{plan}"
    );
    let mut moves = plan["moves"].as_array().unwrap().iter();
    let first = moves.find(|one| one["action"] == "LOSE").unwrap();
    assert_eq!(first["afterSeconds"], 60);
    let nobody = json!({"lose": {"attribute": "ecs.availability-zone", "value": "rack-9"}});
    let exception = desk.own("DescribePlan", nobody).unwrap_err();
    assert_eq!(exception.kind(), Refused::InvalidParameter);
}

#[test]
fn a_deployment_is_told_of_without_registering_anything() {
    let mut desk = with_service();
    let mut definition = web();
    definition["containerDefinitions"][0]["memory"] = json!(300);
    let deploy =
        |definition: &Value| json!({"deploy": {"service": "web", "taskDefinition": definition}});
    let plan = desk.own("DescribePlan", deploy(&definition)).unwrap();
    assert_eq!(
        (count(&plan, "START"), count(&plan, "STOP")),
        (6, 6),
        "{plan}"
    );
    assert_eq!(plan["services"][0]["rolloutState"], "COMPLETED");
    assert_eq!(desk.state.definitions().count(), 1);

    definition["containerDefinitions"][0]["memory"] = json!(5000);
    let plan = desk.own("DescribePlan", deploy(&definition)).unwrap();
    assert_eq!(
        (count(&plan, "START"), &plan["fits"]),
        (0, &json!(false)),
        "{plan}"
    );

    definition["containerDefinitions"][0]["memory"] = json!("much");
    let exception = desk.own("DescribePlan", deploy(&definition)).unwrap_err();
    assert_eq!(exception.kind(), Refused::Serialization);
    definition["containerDefinitions"][0]["memory"] = json!(100);
    definition["networkMode"] = json!("awsvpc");
    let exception = desk.own("DescribePlan", deploy(&definition)).unwrap_err();
    assert_eq!(exception.kind(), Refused::UnsupportedFeature);
}

#[test]
fn a_rebalancing_is_told_of_before_it_is_switched_on() {
    let mut desk = with_service();
    let off = json!({"service": "web", "availabilityZoneRebalancing": "DISABLED"});
    desk.ok("UpdateService", off);
    desk.instance(4, "default");
    desk.wait(60_000);
    let plan = json!({"rebalance": {"service": "web"}});
    let told = desk.own("DescribePlan", plan.clone()).unwrap();
    assert_eq!(
        (count(&told, "START"), count(&told, "STOP")),
        (1, 1),
        "{told}"
    );
    assert_eq!(
        told["moves"][0]["containerInstanceArn"],
        json!(arn(&desk, 4))
    );

    let on = json!({"service": "web", "availabilityZoneRebalancing": "ENABLED"});
    desk.ok("UpdateService", on);
    for _ in 0..8 {
        desk.wait(60_000);
        all_run(&mut desk);
    }
    let newcomer = InstanceId::from_u128(4);
    let on_it = desk.state.live_tasks_on(&newcomer);
    assert_eq!(on_it.count(), 1);
    let told = desk.own("DescribePlan", plan).unwrap();
    assert_eq!(told["moves"], json!([]), "{told}");

    let packed = json!({"service": "web", "placementStrategy": [{"type": "binpack", "field": "memory"}],
        "availabilityZoneRebalancing": "DISABLED"});
    desk.ok("UpdateService", packed);
    let plan = json!({"rebalance": {"service": "web"}});
    let exception = desk.own("DescribePlan", plan).unwrap_err();
    assert_eq!(exception.kind(), Refused::InvalidParameter);
}

#[test]
fn what_can_not_be_thought_of_is_refused_as_ecs_does() {
    let mut desk = with_service();
    let mut refused = |input: Value| desk.own("DescribePlan", input).unwrap_err().kind();
    assert_eq!(refused(json!({})), Refused::InvalidParameter);
    let scale = json!({"service": "web", "desiredCount": 1});
    let lose = json!({"attribute": "a", "value": "b"});
    assert_eq!(
        refused(json!({"scale": scale, "lose": lose})),
        Refused::InvalidParameter
    );
    assert_eq!(
        refused(json!({"cluster": "no", "scale": scale})),
        Refused::ClusterNotFound
    );
    let of =
        |service: &str, count: i64| json!({"scale": {"service": service, "desiredCount": count}});
    assert_eq!(refused(of("no", 1)), Refused::ServiceNotFound);
    assert_eq!(refused(of("web", -1)), Refused::InvalidParameter);
    let drain = |ids: Value| json!({"drain": {"containerInstances": ids}});
    assert_eq!(refused(drain(json!([]))), Refused::InvalidParameter);
    assert_eq!(refused(drain(json!(["mi-no"]))), Refused::InvalidParameter);
}
