//! CreateService, UpdateService, DeleteService, DescribeServices, ListServices.

use super::*;

fn create(more: Value) -> Value {
    with(
        json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 2}),
        more,
    )
}

fn with(mut input: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(more);
    input
}

fn described(desk: &mut Desk) -> Value {
    desk.ok("DescribeServices", json!({"services": ["api"]}))["services"][0].clone()
}

/// A service of two that is steady.
fn steady(more: Value) -> Desk {
    let mut desk = Desk::with_room();
    desk.ok("CreateService", create(more));
    desk.wait(0);
    desk.all_well();
    desk.wait(41_000);
    desk
}

#[test]
fn a_service_is_shown_as_ecs_shows_it() {
    let mut desk = Desk::with_room();
    let made = desk.ok(
        "CreateService",
        create(json!({"tags": [{"key": "team", "value": "a"}]})),
    );
    let service = &made["service"];
    assert_eq!(
        service["serviceArn"],
        "arn:aws:ecs:us-east-1:000000000000:service/default/api"
    );
    assert_eq!(
        service["taskDefinition"],
        "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1"
    );
    let configuration = &service["deploymentConfiguration"];
    assert_eq!(
        (
            &configuration["minimumHealthyPercent"],
            &configuration["maximumPercent"]
        ),
        (&json!(100), &json!(200))
    );
    assert_eq!(service["launchType"], "EXTERNAL");
    let deployment = &service["deployments"][0];
    assert_eq!(
        (&deployment["status"], &deployment["rolloutState"]),
        (&json!("PRIMARY"), &json!("IN_PROGRESS"))
    );
    assert_eq!(service["tags"][0]["key"], "team");
    desk.wait(0);
    let tasks = desk.ok("ListTasks", json!({"serviceName": "api"}));
    assert_eq!(tasks["taskArns"].as_array().unwrap().len(), 2);
    let shown = desk.ok("DescribeTasks", json!({"tasks": tasks["taskArns"]}));
    assert_eq!(shown["tasks"][0]["group"], "service:api");
    assert_eq!(shown["tasks"][0]["startedBy"], deployment["id"]);
    desk.all_well();
    desk.wait(41_000);
    let service = described(&mut desk);
    assert_eq!(service["runningCount"], 2);
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(
        service["events"][0]["message"],
        "(service api) has reached a steady state."
    );
    assert_eq!(service.get("currentServiceDeployment"), None);
}

#[test]
fn creating_twice_is_one_service_and_another_is_refused() {
    let mut desk = Desk::with_room();
    let first = desk.ok("CreateService", create(json!({"clientToken": "t"})));
    let again = desk.ok("CreateService", create(json!({"clientToken": "t"})));
    assert_eq!(
        first["service"]["deployments"][0]["id"],
        again["service"]["deployments"][0]["id"]
    );
    let (kind, text) = desk.refused("CreateService", create(json!({"desiredCount": 3})));
    assert_eq!(kind, Refused::InvalidParameter);
    assert_eq!(text, "Creation of service was not idempotent.");
}

#[test]
fn inputs_that_can_not_be_are_refused() {
    let mut desk = Desk::with_room();
    let mut invalid = |more: Value| {
        let (kind, text) = desk.refused("CreateService", create(more));
        assert_eq!(kind, Refused::InvalidParameter, "{text}");
        text
    };
    assert!(invalid(json!({"desiredCount": -1})).contains("desiredCount"));
    assert!(invalid(json!({"desiredCount": null})).contains("desiredCount"));
    assert!(invalid(json!({"serviceName": "a b"})).contains("Service names"));
    assert!(invalid(json!({"clientToken": "x".repeat(37)})).contains("clientToken"));
    assert!(invalid(json!({"schedulingStrategy": "DAEMON"})).contains("desired count"));
    let percent = json!({"deploymentConfiguration": {"minimumHealthyPercent": -1}});
    assert!(invalid(percent).contains("minimumHealthyPercent"));
    let strategies = vec![json!({"type": "spread", "field": "host"}); 12];
    assert!(invalid(json!({"placementStrategy": strategies})).contains("more than 5"));
    let constraint = json!([{"type": "distinctInstance", "expression": "x"}]);
    assert!(invalid(json!({"placementConstraints": constraint})).contains("no expression"));
    let constraint = json!([{"type": "memberOf", "expression": "attribute:a = b"}]);
    assert!(invalid(json!({"placementConstraints": constraint})).contains("Invalid expression"));
    let strategy = json!([{"type": "binpack", "field": "disk"}]);
    assert!(invalid(json!({"placementStrategy": strategy})).contains("binpack"));
    let daemon = json!({"schedulingStrategy": "DAEMON", "desiredCount": null, "placementStrategy": [{"type": "random"}]});
    assert!(invalid(daemon).contains("DAEMON"));
    let (kind, _) = desk.refused("CreateService", create(json!({"taskDefinition": "nope"})));
    assert_eq!(kind, Refused::Client);
    let (kind, _) = desk.refused("CreateService", create(json!({"cluster": "nope"})));
    assert_eq!(kind, Refused::ClusterNotFound);
}

#[test]
fn what_can_not_work_yet_is_said_by_name_and_empty_lists_ask_for_nothing() {
    let mut desk = Desk::with_room();
    let arn = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/x/1";
    let asked = [
        json!({"loadBalancers": [{"targetGroupArn": arn, "containerName": "app", "containerPort": 80}]}),
        json!({"serviceRegistries": [{"registryArn": "arn:aws:servicediscovery:x"}]}),
        json!({"serviceConnectConfiguration": {"enabled": true}}),
        json!({"deploymentController": {"type": "CODE_DEPLOY"}}),
        json!({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}),
        json!({"deploymentConfiguration": {"alarms": {"enable": true, "rollback": true, "alarmNames": ["x"]}}}),
        json!({"deploymentConfiguration": {"earlySuccessCriteria": {"enable": true, "healthyPercent": 100}}}),
        json!({"launchType": "MANAGED_INSTANCES"}),
    ];
    for more in asked {
        let (kind, text) = desk.refused("CreateService", create(more.clone()));
        assert_eq!(kind, Refused::UnsupportedFeature, "{more}: {text}");
    }
    let nothing = json!({
        "loadBalancers": [], "serviceRegistries": [], "placementConstraints": [], "placementStrategy": [],
        "capacityProviderStrategy": [], "tags": [], "volumeConfigurations": [],
        "serviceConnectConfiguration": {"enabled": false}, "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {"alarms": {"enable": false, "rollback": false, "alarmNames": []}},
    });
    let made = desk.ok("CreateService", create(nothing));
    assert_eq!(made["service"]["deploymentController"]["type"], "ECS");
}

#[test]
fn an_update_changes_what_it_says_and_deploys_where_it_must() {
    let mut desk = steady(json!({}));
    let before = described(&mut desk)["deployments"][0]["id"].clone();
    let mut update = |more: Value| {
        let input = with(json!({"service": "api"}), more);
        desk.ok("UpdateService", input)["service"].clone()
    };
    let scaled = update(json!({"desiredCount": 3}));
    assert_eq!(scaled["desiredCount"], 3);
    assert_eq!(scaled["deployments"].as_array().unwrap().len(), 1);
    let percent = json!({"deploymentConfiguration": {"minimumHealthyPercent": 50}});
    let configured = update(percent)["deploymentConfiguration"].clone();
    assert_eq!(
        (
            &configured["minimumHealthyPercent"],
            &configured["maximumPercent"]
        ),
        (&json!(50), &json!(200))
    );
    // The same definition is no change, unless a deployment is forced.
    let same = update(json!({"taskDefinition": "web:1"}));
    assert_eq!(same["deployments"][0]["id"], before);
    let forced = update(json!({"forceNewDeployment": true}));
    assert_ne!(forced["deployments"][0]["id"], before);
    assert_eq!(forced["deployments"][1]["status"], "ACTIVE");
    assert_eq!(forced["desiredCount"], 3);
    desk.register(&web());
    let newest = desk.ok(
        "UpdateService",
        json!({"service": "api", "taskDefinition": "web"}),
    );
    let arn = newest["service"]["taskDefinition"].as_str().unwrap();
    assert!(arn.ends_with("web:2"), "{arn}");
}

#[test]
fn a_rolling_update_ends_with_one_deployment() {
    let mut desk = steady(json!({}));
    desk.register(&web());
    desk.ok(
        "UpdateService",
        json!({"service": "api", "taskDefinition": "web:2"}),
    );
    for _ in 0..4 {
        desk.wait(0);
        desk.all_well();
        desk.wait(41_000);
    }
    let service = described(&mut desk);
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!(
        (&service["runningCount"], &service["pendingCount"]),
        (&json!(2), &json!(0))
    );
}

#[test]
fn a_broken_update_is_rolled_back_to_the_last_completed_deployment() {
    let breaker = json!({"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": true, "rollback": true}}});
    let mut desk = steady(breaker);
    let good = described(&mut desk)["deployments"][0]["id"].clone();
    desk.register(&web());
    desk.ok(
        "UpdateService",
        json!({"service": "api", "taskDefinition": "web:2"}),
    );
    for _ in 0..3 {
        desk.wait(30_000);
        let pending: Vec<_> = desk
            .state
            .tasks()
            .filter(|t| t.last == TaskStatus::Pending)
            .map(|t| t.id)
            .collect();
        for task in pending {
            desk.observe(task, TaskStatus::Stopped, Some(1));
        }
    }
    desk.wait(0);
    desk.all_well();
    desk.wait(41_000);
    let service = described(&mut desk);
    assert_eq!(service["deployments"][0]["id"], good);
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
    assert!(
        service["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("web:1")
    );
    // The next update builds on what is deployed, not on what failed.
    let scaled = desk.ok(
        "UpdateService",
        json!({"service": "api", "desiredCount": 1}),
    );
    assert_eq!(scaled["service"]["deployments"][0]["id"], good);
}

#[test]
fn a_service_is_deleted_in_ecs_order() {
    let mut desk = steady(json!({}));
    let (kind, text) = desk.refused("DeleteService", json!({"service": "api"}));
    assert_eq!(kind, Refused::InvalidParameter);
    assert_eq!(
        text,
        "The service cannot be stopped while it is scaled above 0."
    );
    assert_eq!(
        desk.refused("DeleteCluster", json!({"cluster": "default"}))
            .0,
        Refused::ClusterContainsTasks
    );
    let deleted = desk.ok("DeleteService", json!({"service": "api", "force": true}));
    assert_eq!(deleted["service"]["status"], "DRAINING");
    assert_eq!(desk.ok("ListServices", json!({}))["serviceArns"], json!([]));
    desk.wait(0);
    desk.all_well();
    desk.wait(0);
    let gone = described(&mut desk);
    assert_eq!(gone["status"], "INACTIVE");
    assert!(gone["taskDefinition"].as_str().unwrap().ends_with("web:1"));
    let (kind, text) = desk.refused(
        "UpdateService",
        json!({"service": "api", "desiredCount": 1}),
    );
    assert_eq!(
        (kind, text.as_str()),
        (Refused::ServiceNotActive, "Service was not ACTIVE.")
    );
    let (kind, _) = desk.refused("DeleteService", json!({"service": "api"}));
    assert_eq!(kind, Refused::ServiceNotFound);
    desk.ok("CreateService", create(json!({"desiredCount": 1})));
}

#[test]
fn lists_have_pages_of_ten_and_filters() {
    let mut desk = Desk::with_room();
    for number in 0..12 {
        let input = create(json!({"serviceName": format!("s{number:02}"), "desiredCount": 0}));
        desk.ok("CreateService", input);
    }
    desk.ok(
        "CreateService",
        json!({"serviceName": "all", "taskDefinition": "web", "schedulingStrategy": "DAEMON"}),
    );
    let page = desk.ok("ListServices", json!({}));
    assert_eq!(page["serviceArns"].as_array().unwrap().len(), 10);
    let rest = desk.ok("ListServices", json!({"nextToken": page["nextToken"]}));
    assert_eq!(rest["serviceArns"].as_array().unwrap().len(), 3);
    let daemons = desk.ok("ListServices", json!({"schedulingStrategy": "DAEMON"}));
    assert_eq!(
        daemons["serviceArns"],
        json!(["arn:aws:ecs:us-east-1:000000000000:service/default/all"])
    );
    assert_eq!(
        desk.ok("ListServices", json!({"launchType": "EC2"}))["serviceArns"],
        json!([])
    );
    let (kind, _) = desk.refused("ListServicesByNamespace", json!({"namespace": "x"}));
    assert_eq!(kind, Refused::NamespaceNotFound);
    let cluster =
        desk.ok("DescribeClusters", json!({"include": ["STATISTICS"]}))["clusters"][0].clone();
    assert_eq!(cluster["activeServicesCount"], 13);
    assert!(
        cluster["statistics"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "activeExternalServiceCount", "value": "13"}))
    );
}

#[test]
fn unknown_services_are_failures_and_eleven_are_too_many() {
    let mut desk = Desk::new();
    let found = desk.ok("DescribeServices", json!({"services": ["nope"]}));
    assert_eq!(
        found["failures"],
        json!([{"arn": "arn:aws:ecs:us-east-1:000000000000:service/default/nope", "reason": "MISSING"}])
    );
    let many: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    assert_eq!(
        desk.refused("DescribeServices", json!({"services": many}))
            .0,
        Refused::InvalidParameter
    );
    assert_eq!(
        desk.refused("ListTasks", json!({"serviceName": "nope"})).0,
        Refused::ServiceNotFound
    );
}

#[test]
fn tasks_go_where_the_rules_of_their_service_say() {
    let mut desk = Desk::with_room();
    let rules = json!({
        "desiredCount": 1,
        "placementConstraints": [{"type": "memberOf", "expression": "attribute:stack == prod"}],
        "placementStrategy": [{"type": "binpack", "field": "memory"}],
    });
    desk.ok("CreateService", create(rules.clone()));
    desk.wait(0);
    let shown = described(&mut desk);
    assert_eq!(shown["placementConstraints"], rules["placementConstraints"]);
    assert_eq!(shown["placementStrategy"], rules["placementStrategy"]);
    let event = shown["events"][0]["message"].as_str().unwrap();
    assert!(event.contains("MemberOf placement constraint"), "{event}");
    let target = InstanceId::from_u128(1).to_string();
    let stack = json!({"name": "stack", "value": "prod", "targetId": target});
    desk.ok("PutAttributes", json!({"attributes": [stack]}));
    desk.wait(0);
    let tasks = desk.ok("ListTasks", json!({"serviceName": "api"}));
    assert_eq!(tasks["taskArns"].as_array().unwrap().len(), 1);
}

#[test]
fn tasks_are_rebalanced_unless_the_service_says_no_or_can_not_be() {
    let mut desk = steady(json!({}));
    assert_eq!(
        described(&mut desk)["availabilityZoneRebalancing"],
        "ENABLED"
    );
    let mut update = |more: Value| {
        let input = with(json!({"service": "api"}), more);
        desk.ok("UpdateService", input)["service"].clone()
    };
    let off = update(json!({"availabilityZoneRebalancing": "DISABLED"}));
    assert_eq!(off["availabilityZoneRebalancing"], "DISABLED");
    assert_eq!(off["deployments"].as_array().unwrap().len(), 1);
    let scaled = update(json!({"desiredCount": 3}));
    assert_eq!(scaled["availabilityZoneRebalancing"], "DISABLED");
    let on = update(json!({"availabilityZoneRebalancing": "ENABLED"}));
    assert_eq!(on["availabilityZoneRebalancing"], "ENABLED");
    let full = json!({"service": "api", "deploymentConfiguration": {"maximumPercent": 100}});
    let (kind, text) = desk.refused("UpdateService", full);
    assert_eq!(kind, Refused::InvalidParameter);
    assert!(text.contains("maximumPercent above 100"), "{text}");
    let can_not_be = [
        json!({"schedulingStrategy": "DAEMON", "desiredCount": null}),
        json!({"deploymentConfiguration": {"maximumPercent": 100}}),
        json!({"placementStrategy": [{"type": "binpack", "field": "memory"}]}),
        json!({"placementStrategy": [{"type": "random"}]}),
    ];
    for (number, more) in can_not_be.into_iter().enumerate() {
        let name = json!({"serviceName": format!("api{number}")});
        let made = create(with(more, name));
        let enabled = with(
            made.clone(),
            json!({"availabilityZoneRebalancing": "ENABLED"}),
        );
        let (kind, text) = desk.refused("CreateService", enabled);
        assert_eq!(kind, Refused::InvalidParameter, "{text}");
        let made = desk.ok("CreateService", made);
        assert_eq!(made["service"]["availabilityZoneRebalancing"], "DISABLED");
    }
}

#[test]
fn an_instance_that_joins_takes_its_share() {
    let mut desk = steady(json!({}));
    desk.instance(2, "default");
    desk.wait(6_000);
    desk.all_well();
    desk.wait(41_000);
    desk.all_well();
    desk.wait(0);
    let events = described(&mut desk)["events"].clone();
    let messages: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .take(5)
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages[0], "(service api) has reached a steady state.");
    assert!(
        messages[1].contains("completed rebalancing"),
        "{messages:?}"
    );
    assert!(
        messages[2].contains("has stopped 1 running tasks"),
        "{messages:?}"
    );
    let tasks = desk.ok("ListTasks", json!({"serviceName": "api"}));
    assert_eq!(tasks["taskArns"].as_array().unwrap().len(), 2);
    let there = desk.ok(
        "ListTasks",
        json!({"serviceName": "api", "containerInstance": InstanceId::from_u128(2).to_string()}),
    );
    assert_eq!(there["taskArns"].as_array().unwrap().len(), 1);
}
