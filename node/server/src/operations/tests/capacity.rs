//! Capacity providers, what clusters run tasks on, strategies and launch types, and tasks that wait for room.

use super::*;

const GROUP_ARN: &str =
    "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:1:autoScalingGroupName/workers";

fn attach(desk: &mut Desk, providers: &Value, strategy: &Value) -> Value {
    desk.ok(
        "PutClusterCapacityProviders",
        json!({"cluster": "default", "capacityProviders": providers, "defaultCapacityProviderStrategy": strategy}),
    )["cluster"]
        .clone()
}

fn mark(desk: &mut Desk, instance: InstanceId, provider: &str) {
    let attribute = json!({"name": "quorate.capacity-provider", "value": provider, "targetId": instance.to_string()});
    desk.ok("PutAttributes", json!({ "attributes": [attribute] }));
}

/// With provider `own` attached; instance 1, which is marked for it, has room for eight tasks.
fn with_provider() -> Desk {
    let mut desk = Desk::with_room();
    desk.ok("CreateCapacityProvider", json!({"name": "own"}));
    attach(&mut desk, &json!(["own"]), &json!([]));
    mark(&mut desk, InstanceId::from_u128(1), "own");
    desk
}

fn on_own(count: u32) -> Value {
    json!({"taskDefinition": "web", "count": count, "startedBy": "me",
        "capacityProviderStrategy": [{"capacityProvider": "own"}]})
}

#[test]
fn a_provider_is_made_described_updated_and_deleted() {
    let mut desk = Desk::with_room();
    let group = json!({"autoScalingGroupArn": GROUP_ARN, "managedScaling": {"status": "DISABLED", "targetCapacity": 100}});
    let input = json!({"name": "own", "autoScalingGroupProvider": group, "tags": [{"key": "a", "value": "b"}]});
    let made = desk.ok("CreateCapacityProvider", input.clone())["capacityProvider"].clone();
    let arn = "arn:aws:ecs:us-east-1:000000000000:capacity-provider/own";
    let expected = json!({
        "capacityProviderArn": arn, "name": "own", "status": "ACTIVE", "type": "EC2_AUTOSCALING", "updateStatus": "CREATE_COMPLETE",
        "tags": [{"key": "a", "value": "b"}],
        "autoScalingGroupProvider": {"autoScalingGroupArn": GROUP_ARN, "managedDraining": "DISABLED",
            "managedScaling": {"status": "DISABLED", "targetCapacity": 100}, "managedTerminationProtection": "DISABLED"},
    });
    assert_eq!(made, expected);
    let (kind, text) = desk.refused("CreateCapacityProvider", input.clone());
    assert_eq!(kind, Refused::Client);
    assert!(text.contains("already exists"), "{text}");
    let mut twin = input;
    twin["name"] = json!("twin");
    let (kind, text) = desk.refused("CreateCapacityProvider", twin);
    assert_eq!(kind, Refused::Client);
    assert!(text.contains("already being used"), "{text}");
    let update = json!({"name": arn, "autoScalingGroupProvider": {"managedScaling": {"status": "DISABLED"}}});
    let updated = desk.ok("UpdateCapacityProvider", update)["capacityProvider"].clone();
    assert_eq!(updated["updateStatus"], "UPDATE_COMPLETE");
    assert_eq!(
        updated["autoScalingGroupProvider"]["autoScalingGroupArn"],
        GROUP_ARN
    );
    attach(&mut desk, &json!([arn]), &json!([]));
    let (kind, text) = desk.refused("DeleteCapacityProvider", json!({"capacityProvider": arn}));
    assert_eq!(kind, Refused::Client);
    assert!(text.contains("associated with cluster: default"), "{text}");
    attach(&mut desk, &json!([]), &json!([]));
    let deleted = desk.ok("DeleteCapacityProvider", json!({"capacityProvider": arn}));
    assert_eq!(deleted["capacityProvider"]["status"], "INACTIVE");
    let named = desk.ok(
        "DescribeCapacityProviders",
        json!({"capacityProviders": ["own"]}),
    );
    assert_eq!(
        named["capacityProviders"][0]["updateStatus"],
        "DELETE_COMPLETE"
    );
    let again = desk.refused("DeleteCapacityProvider", json!({"capacityProvider": "own"}));
    assert!(again.1.contains("was not found"), "{again:?}");
}

#[test]
fn providers_are_described_by_name_by_cluster_and_in_pages() {
    let mut desk = Desk::new();
    for number in 0..10 {
        let tags = json!([{"key": "a", "value": "b"}]);
        desk.ok(
            "CreateCapacityProvider",
            json!({"name": format!("p{number}"), "tags": tags}),
        );
    }
    let first = desk.ok("DescribeCapacityProviders", json!({}));
    assert_eq!(first["capacityProviders"].as_array().unwrap().len(), 10);
    assert_eq!(first["capacityProviders"][0]["name"], "FARGATE");
    assert_eq!(first["capacityProviders"][2]["tags"], json!([]));
    let next = json!({"nextToken": first["nextToken"], "include": ["TAGS"]});
    let rest = desk.ok("DescribeCapacityProviders", next);
    assert_eq!(rest["capacityProviders"].as_array().unwrap().len(), 2);
    assert_eq!(rest["capacityProviders"][1]["tags"][0]["key"], "a");
    assert_eq!(rest.get("nextToken"), None);
    attach(&mut desk, &json!(["p3", "FARGATE_SPOT"]), &json!([]));
    let of_cluster = desk.ok("DescribeCapacityProviders", json!({"cluster": "default"}));
    let names = |answer: &Value| -> Vec<String> {
        let all = answer["capacityProviders"].as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&of_cluster), ["FARGATE_SPOT", "p3"]);
    let some = desk.ok(
        "DescribeCapacityProviders",
        json!({"capacityProviders": ["FARGATE", "gone", "a b"]}),
    );
    assert_eq!(names(&some), ["FARGATE"]);
    let missing = "arn:aws:ecs:us-east-1:000000000000:capacity-provider/gone";
    assert_eq!(
        some["failures"],
        json!([{"arn": missing, "reason": "MISSING"}, {"arn": "a b", "reason": "MISSING"}])
    );
    let long = desk.refused("DescribeCapacityProviders", json!({"maxResults": 11}));
    assert_eq!(long.1, "maxResults must be between 1 and 10.");
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let refused = desk.refused(
        "DescribeCapacityProviders",
        json!({ "capacityProviders": many }),
    );
    assert_eq!(refused.0, Refused::InvalidParameter);
    assert_eq!(
        desk.refused("DescribeCapacityProviders", json!({"cluster": "nope"}))
            .0,
        Refused::ClusterNotFound
    );
}

#[test]
fn what_is_no_provider_is_refused() {
    let mut desk = Desk::new();
    for wrong in [
        json!({"name": "a b"}),
        json!({"name": "AWS-mine"}),
        json!({"name": "ecs"}),
        json!({"name": "fargate2"}),
        json!({"name": "p", "cluster": "default"}),
        json!({"name": "p", "autoScalingGroupProvider": {"autoScalingGroupArn": "arn:aws:autoscaling:x"}}),
        json!({"name": "p", "tags": [{"key": "aws:x"}]}),
    ] {
        let refused = desk.refused("CreateCapacityProvider", wrong.clone());
        assert_eq!(
            refused.0,
            Refused::InvalidParameter,
            "{wrong}: {}",
            refused.1
        );
    }
    let instances = json!({"infrastructureRoleArn": "r", "instanceLaunchTemplate": {
        "ec2InstanceProfileArn": "p", "networkConfiguration": {"subnets": ["s"]}}});
    let group = |more: Value| {
        let mut group = json!({ "autoScalingGroupArn": GROUP_ARN });
        group
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"name": "p", "autoScalingGroupProvider": group})
    };
    for beyond in [
        json!({"name": "p", "cluster": "default", "managedInstancesProvider": instances}),
        group(json!({"managedScaling": {"status": "ENABLED"}})),
        group(json!({"managedDraining": "ENABLED"})),
        group(json!({"managedTerminationProtection": "ENABLED"})),
    ] {
        let refused = desk.refused("CreateCapacityProvider", beyond.clone());
        assert_eq!(refused.0, Refused::UnsupportedFeature, "{beyond}");
    }
    for reserved in ["FARGATE", "FARGATE_SPOT"] {
        let refused = desk.refused(
            "DeleteCapacityProvider",
            json!({ "capacityProvider": reserved }),
        );
        assert_eq!(refused.0, Refused::InvalidParameter);
        assert!(refused.1.contains("reserved"), "{}", refused.1);
    }
}

#[test]
fn a_cluster_has_what_was_put_last() {
    let mut desk = Desk::with_room();
    desk.ok("CreateCapacityProvider", json!({"name": "own"}));
    let strategy = json!([{"capacityProvider": "own", "base": 2, "weight": 1}]);
    let shown = attach(&mut desk, &json!(["own", "FARGATE", "own"]), &strategy);
    assert_eq!(shown["capacityProviders"], json!(["own", "FARGATE"]));
    assert_eq!(shown["defaultCapacityProviderStrategy"], strategy);
    let described = desk.ok("DescribeClusters", json!({}))["clusters"][0].clone();
    assert_eq!(described["capacityProviders"], json!(["own", "FARGATE"]));
    let shown = attach(&mut desk, &json!(["FARGATE"]), &json!([]));
    assert_eq!(shown["defaultCapacityProviderStrategy"], json!([]));
    let many: Vec<_> = (0..21).map(|number| format!("p{number}")).collect();
    for name in &many {
        desk.ok("CreateCapacityProvider", json!({ "name": name }));
    }
    let item = |name: &str, base: u32, weight: u32| json!({"capacityProvider": name, "base": base, "weight": weight});
    for (providers, strategy) in [
        (json!(["gone"]), json!([])),
        (json!(many), json!([])),
        (json!(["own"]), json!([item("FARGATE", 0, 1)])),
        (
            json!(["own", "FARGATE"]),
            json!([item("own", 0, 1), item("FARGATE", 0, 1)]),
        ),
        (
            json!(["p1", "p2"]),
            json!([item("p1", 1, 1), item("p2", 1, 1)]),
        ),
        (
            json!(["p1", "p2"]),
            json!([item("p1", 1, 0), item("p2", 0, 0)]),
        ),
        (json!(["p1"]), json!([item("p1", 0, 1), item("p1", 0, 1)])),
    ] {
        let input = json!({"cluster": "default", "capacityProviders": providers, "defaultCapacityProviderStrategy": strategy});
        let refused = desk.refused("PutClusterCapacityProviders", input.clone());
        assert_eq!(
            refused.0,
            Refused::InvalidParameter,
            "{input}: {}",
            refused.1
        );
    }
    let nowhere =
        json!({"cluster": "nope", "capacityProviders": [], "defaultCapacityProviderStrategy": []});
    assert_eq!(
        desk.refused("PutClusterCapacityProviders", nowhere).0,
        Refused::ClusterNotFound
    );
    let made = json!({"clusterName": "new", "capacityProviders": ["own"], "defaultCapacityProviderStrategy": strategy});
    let made = desk.ok("CreateCluster", made)["cluster"].clone();
    assert_eq!(made["defaultCapacityProviderStrategy"], strategy);
}

#[test]
fn tasks_that_find_no_room_with_their_provider_wait_for_it() {
    let mut desk = with_provider();
    let ran = desk.ok("RunTask", on_own(10));
    assert_eq!(ran["failures"], json!([]));
    let tasks = ran["tasks"].as_array().unwrap().clone();
    assert_eq!(tasks.len(), 10);
    let first = (&tasks[0]["launchType"], &tasks[0]["capacityProviderName"]);
    assert_eq!(first, (&json!("EC2"), &json!("own")));
    let waiting = &tasks[8];
    let expected = json!({
        "lastStatus": "PROVISIONING", "desiredStatus": "RUNNING", "launchType": "EC2", "capacityProviderName": "own", "version": 1,
        "startedBy": "me", "cpu": "100", "memory": "128", "group": "family:web", "healthStatus": "UNKNOWN",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&waiting[member], value, "{member}");
    }
    assert_eq!(waiting.get("containerInstanceArn"), None);
    assert_eq!(waiting["containers"][0]["lastStatus"], "PENDING");
    let arns: Vec<_> = tasks[8..]
        .iter()
        .map(|task| task["taskArn"].clone())
        .collect();
    let mut listed = desk.ok("ListTasks", json!({"startedBy": "me"}))["taskArns"].clone();
    listed
        .as_array_mut()
        .unwrap()
        .retain(|arn| arns.contains(arn));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let instance = desk.ok(
        "DescribeContainerInstances",
        json!({"containerInstances": [InstanceId::from_u128(1).to_string()]}),
    );
    let instance = &instance["containerInstances"][0];
    assert_eq!(
        (
            &instance["pendingTasksCount"],
            &instance["capacityProviderName"]
        ),
        (&json!(8), &json!("own"))
    );
    // One is stopped; the other is placed as soon as there is room.
    let stopped = desk.ok("StopTask", json!({"task": arns[0], "reason": "enough"}))["task"].clone();
    assert_eq!(
        [
            &stopped["lastStatus"],
            &stopped["stopCode"],
            &stopped["stoppedReason"]
        ],
        ["STOPPED", "UserInitiated", "enough"]
    );
    let id = Desk::id(&tasks[9]);
    desk.wait(1000);
    assert!(desk.state.task(&id).is_none());
    desk.observe(Desk::id(&tasks[0]), TaskStatus::Stopped, Some(0));
    desk.wait(1000);
    let shown = desk.ok("DescribeTasks", json!({ "tasks": arns }))["tasks"].clone();
    assert_eq!(
        [&shown[0]["lastStatus"], &shown[1]["lastStatus"]],
        ["STOPPED", "PENDING"]
    );
    assert_eq!(shown[1]["createdAt"], tasks[9]["createdAt"]);
    assert_eq!(
        shown[1]["containers"][0]["containerArn"],
        tasks[9]["containers"][0]["containerArn"]
    );
    assert_eq!(shown[1]["version"], 2);
}

#[test]
fn a_token_starts_waiting_tasks_once_and_the_queue_has_an_end() {
    let mut desk = with_provider();
    let mut input = on_own(10);
    input["clientToken"] = json!("t-1");
    let first = desk.ok("RunTask", input.clone());
    assert_eq!(desk.ok("RunTask", input.clone())["tasks"], first["tasks"]);
    input["count"] = json!(9);
    assert_eq!(
        desk.call("RunTask", input).unwrap_err().kind(),
        Refused::Conflict
    );
    for _ in 0..49 {
        desk.ok("RunTask", on_own(10));
    }
    desk.ok("RunTask", on_own(8));
    let (kind, text) = desk.refused("RunTask", on_own(1));
    assert_eq!(kind, Refused::Client);
    assert!(text.contains("PROVISIONING"), "{text}");
    let (kind, text) = desk.refused(
        "PutClusterCapacityProviders",
        json!({"cluster": "default", "capacityProviders": [], "defaultCapacityProviderStrategy": []}),
    );
    assert_eq!(
        (kind, text.as_str()),
        (
            Refused::ResourceInUse,
            "The specified capacity provider is in use and cannot be removed."
        )
    );
}

#[test]
fn an_empty_provider_is_waited_for_and_the_default_strategy_counts() {
    let mut desk = Desk::new();
    desk.register(&web());
    desk.ok("CreateCapacityProvider", json!({"name": "own"}));
    attach(
        &mut desk,
        &json!(["own"]),
        &json!([{"capacityProvider": "own", "weight": 1}]),
    );
    let ran = desk.ok("RunTask", json!({"taskDefinition": "web"}));
    assert_eq!(ran["tasks"][0]["lastStatus"], "PROVISIONING");
    let by_type = json!({"taskDefinition": "web", "launchType": "EC2"});
    assert!(
        desk.refused("RunTask", by_type)
            .1
            .contains("No Container Instances")
    );
    let instance = desk.instance(1, "default");
    desk.wait(1000);
    assert!(desk.state.task(&Desk::id(&ran["tasks"][0])).is_none());
    mark(&mut desk, instance, "own");
    desk.wait(1000);
    assert!(desk.state.task(&Desk::id(&ran["tasks"][0])).is_some());
}

#[test]
fn fargate_runs_on_what_the_cluster_has_for_it() {
    let mut desk = Desk::with_room();
    let fargate = json!({"taskDefinition": "web", "launchType": "FARGATE"});
    let (kind, text) = desk.refused("RunTask", fargate.clone());
    assert_eq!(kind, Refused::InvalidParameter);
    assert!(text.contains("put-cluster-capacity-providers"), "{text}");
    attach(&mut desk, &json!(["FARGATE", "FARGATE_SPOT"]), &json!([]));
    let ran = desk.ok("RunTask", fargate.clone());
    assert_eq!(ran["tasks"][0]["launchType"], "FARGATE");
    assert_eq!(ran["tasks"][0].get("capacityProviderName"), None);
    let spot = json!({"taskDefinition": "web", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]});
    let ran = desk.ok("RunTask", spot);
    let shown = [
        &ran["tasks"][0]["launchType"],
        &ran["tasks"][0]["capacityProviderName"],
    ];
    assert_eq!(shown, ["FARGATE", "FARGATE_SPOT"]);
    // An instance that is set aside is not for it.
    mark(&mut desk, InstanceId::from_u128(1), "other");
    let ran = desk.ok("RunTask", fargate);
    assert_eq!(
        ran["failures"][0]["reason"],
        "CapacityProvider placement constraint unsatisfied."
    );
}

#[test]
fn definitions_run_on_what_they_are_compatible_with() {
    let mut desk = with_provider();
    let mut definition = web();
    definition["requiresCompatibilities"] = json!(["EC2"]);
    desk.register(&definition);
    attach(&mut desk, &json!(["own", "FARGATE"]), &json!([]));
    desk.ok("RunTask", on_own(1));
    desk.ok("RunTask", json!({"taskDefinition": "web"}));
    let fargate = json!({"taskDefinition": "web", "launchType": "FARGATE"});
    let refused = desk.refused("RunTask", fargate);
    assert_eq!(
        refused.1,
        "Task definition does not support launch_type FARGATE."
    );
    let service = json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 1,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]});
    let refused = desk.refused("CreateService", service);
    assert_eq!(
        refused.1,
        "Task definition does not support launch_type FARGATE."
    );
}

#[test]
fn strategies_that_are_none_are_refused() {
    let mut desk = with_provider();
    desk.ok("CreateCapacityProvider", json!({"name": "far"}));
    for wrong in [
        json!([{"capacityProvider": "gone", "weight": 1}]),
        json!([{"capacityProvider": "far", "weight": 1}]),
        json!([{"capacityProvider": "own", "weight": 0}]),
        json!([{"capacityProvider": "own"}, {"capacityProvider": "own", "weight": 1}]),
    ] {
        let run = json!({"taskDefinition": "web", "capacityProviderStrategy": wrong});
        let refused = desk.refused("RunTask", run.clone());
        assert_eq!(refused.0, Refused::InvalidParameter, "{run}: {}", refused.1);
        let mut create = run;
        create["serviceName"] = json!("api");
        create["desiredCount"] = json!(1);
        assert_eq!(
            desk.refused("CreateService", create).0,
            Refused::InvalidParameter
        );
    }
    assert_eq!(desk.state.tasks().count(), 0);
}

#[test]
fn services_are_shared_out_and_shown_with_their_strategy() {
    let mut desk = with_provider();
    let strategy = json!([{"capacityProvider": "own", "base": 1, "weight": 1}]);
    let create = json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 2, "capacityProviderStrategy": strategy});
    let made = desk.ok("CreateService", create)["service"].clone();
    assert_eq!(made["capacityProviderStrategy"], strategy);
    assert_eq!(made["deployments"][0]["capacityProviderStrategy"], strategy);
    assert_eq!(
        (
            made.get("launchType"),
            made["deployments"][0].get("launchType")
        ),
        (None, None)
    );
    desk.wait(1000);
    let task = desk.state.tasks().next().unwrap();
    assert_eq!(
        task.provider.as_ref().map(|name| name.as_str()),
        Some("own")
    );
    // The same strategy again deploys nothing, another one does.
    let update = |desk: &mut Desk, more: Value| {
        let mut input = json!({"service": "api"});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        desk.ok("UpdateService", input)["service"].clone()
    };
    let same = update(&mut desk, json!({ "capacityProviderStrategy": strategy }));
    assert_eq!(same["deployments"].as_array().unwrap().len(), 1);
    let empty = update(
        &mut desk,
        json!({"capacityProviderStrategy": [], "desiredCount": 3}),
    );
    assert_eq!(empty["capacityProviderStrategy"], strategy);
    let other = json!([{"capacityProvider": "own", "base": 0, "weight": 3}]);
    let changed = update(&mut desk, json!({ "capacityProviderStrategy": other }));
    assert_eq!(changed["capacityProviderStrategy"], other);
    assert_eq!(changed["deployments"].as_array().unwrap().len(), 2);
}

#[test]
fn a_service_by_launch_type_may_go_over_to_a_strategy_and_daemons_may_not() {
    let mut desk = with_provider();
    let create = json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 1, "launchType": "EC2"});
    assert_eq!(
        desk.ok("CreateService", create)["service"]["launchType"],
        "EC2"
    );
    let strategy = json!([{"capacityProvider": "own", "base": 0, "weight": 1}]);
    let update = json!({"service": "api", "capacityProviderStrategy": strategy});
    let changed = desk.ok("UpdateService", update)["service"].clone();
    assert_eq!(
        (
            &changed["capacityProviderStrategy"],
            changed.get("launchType")
        ),
        (&strategy, None)
    );
    let both = json!({"serviceName": "b", "taskDefinition": "web", "desiredCount": 1, "launchType": "EC2", "capacityProviderStrategy": strategy});
    assert_eq!(
        desk.refused("CreateService", both).0,
        Refused::InvalidParameter
    );
    let daemon = json!({"serviceName": "log", "taskDefinition": "web", "schedulingStrategy": "DAEMON", "capacityProviderStrategy": strategy});
    assert_eq!(
        desk.refused("CreateService", daemon).0,
        Refused::InvalidParameter
    );
    attach(&mut desk, &json!(["own"]), &strategy);
    let daemon =
        json!({"serviceName": "log", "taskDefinition": "web", "schedulingStrategy": "DAEMON"});
    assert_eq!(
        desk.ok("CreateService", daemon)["service"]["launchType"],
        "EXTERNAL"
    );
    let of_default = json!({"serviceName": "c", "taskDefinition": "web", "desiredCount": 1});
    assert_eq!(
        desk.ok("CreateService", of_default)["service"]["capacityProviderStrategy"],
        strategy
    );
}
