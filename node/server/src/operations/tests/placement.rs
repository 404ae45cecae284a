//! What callers say of placement: constraints and strategies of a call, and constraints of a definition.

use super::*;

fn run(extra: Value) -> Value {
    let mut input = json!({"taskDefinition": "web"});
    let members = extra.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(members);
    input
}

/// The last digits of the instances that took tasks.
fn places(ran: &Value) -> String {
    let tasks = ran["tasks"].as_array().unwrap();
    let arns = tasks
        .iter()
        .map(|task| task["containerInstanceArn"].as_str().unwrap());
    arns.map(|arn| arn.chars().last().unwrap()).collect()
}

fn reasons(ran: &Value) -> Vec<&str> {
    let failures = ran["failures"].as_array().unwrap();
    failures
        .iter()
        .map(|one| one["reason"].as_str().unwrap())
        .collect()
}

fn desk() -> Desk {
    let mut desk = Desk::with_room();
    desk.instance(2, "default");
    desk.instance(3, "default");
    let target = "mi-00000000000000002";
    desk.ok(
        "PutAttributes",
        json!({"attributes": [{"name": "stack", "value": "prod", "targetId": target}]}),
    );
    desk
}

#[test]
fn constraints_of_a_call_bind() {
    let mut desk = desk();
    let member_of = json!({"type": "memberOf", "expression": "attribute:stack == prod"});
    let ran = desk.ok(
        "RunTask",
        run(json!({"count": 2, "placementConstraints": [member_of]})),
    );
    assert_eq!(places(&ran), "22");
    let distinct = json!({"count": 3, "placementConstraints": [{"type": "distinctInstance"}, {"type": "memberOf", "expression": "attribute:stack !exists"}]});
    let ran = desk.ok("RunTask", run(distinct));
    assert_eq!(places(&ran), "13");
    assert_eq!(
        reasons(&ran),
        [
            "DistinctInstance placement constraint unsatisfied.",
            "DistinctInstance placement constraint unsatisfied.",
            "DistinctInstance placement constraint unsatisfied.",
        ]
    );
}

#[test]
fn strategies_of_a_call_choose() {
    let mut desk = desk();
    let packed = json!({"count": 3, "placementStrategy": [{"type": "binpack", "field": "memory"}]});
    assert_eq!(places(&desk.ok("RunTask", run(packed))), "111");
    let spread = json!({"count": 2, "placementStrategy": [{"type": "spread", "field": "attribute:stack"}, {"type": "spread", "field": "host"}]});
    assert_eq!(places(&desk.ok("RunTask", run(spread))), "22");
    let random = json!({"count": 5, "placementStrategy": [{"type": "random"}]});
    assert_eq!(places(&desk.ok("RunTask", run(random))).len(), 5);
}

#[test]
fn constraints_and_needs_of_a_definition_bind_too() {
    let mut desk = desk();
    let with = |member: &str, value: Value| {
        let mut definition = web();
        definition[member] = value;
        definition
    };
    let member_of = json!([{"type": "memberOf", "expression": "attribute:stack == prod"}]);
    desk.register(&with("placementConstraints", member_of));
    assert_eq!(places(&desk.ok("RunTask", run(json!({})))), "2");
    let started = desk.ok(
        "StartTask",
        json!({"taskDefinition": "web", "containerInstances": ["mi-00000000000000001"]}),
    );
    assert_eq!(
        reasons(&started),
        ["MemberOf placement constraint unsatisfied."]
    );
    desk.register(&with(
        "runtimePlatform",
        json!({"cpuArchitecture": "ARM64"}),
    ));
    let ran = desk.ok("RunTask", run(json!({})));
    assert_eq!(
        reasons(&ran),
        ["MemberOf placement constraint unsatisfied."; 3]
    );
    desk.register(&with(
        "runtimePlatform",
        json!({"cpuArchitecture": "X86_64"}),
    ));
    assert_eq!(places(&desk.ok("RunTask", run(json!({})))), "1");
    let mut gpu = web();
    gpu["containerDefinitions"][0]["resourceRequirements"] = json!([{"type": "GPU", "value": "1"}]);
    desk.register(&gpu);
    assert_eq!(
        reasons(&desk.ok("RunTask", run(json!({})))),
        ["RESOURCE:GPU"; 3]
    );
    let wrong = with(
        "placementConstraints",
        json!([{"type": "memberOf", "expression": "attribute:stack = prod"}]),
    );
    let refusal = desk.refused("RegisterTaskDefinition", wrong);
    assert!(
        refusal.0 == Refused::Client && refusal.1.contains("at character 17"),
        "{refusal:?}"
    );
}

#[test]
fn what_is_no_placement_is_refused() {
    let mut desk = desk();
    let exists = json!({"type": "memberOf", "expression": "attribute:a exists"});
    let host = json!({"type": "spread", "field": "host"});
    for (wrong, part) in [
        (
            json!({"placementConstraints": vec![exists; 11]}),
            "more than 10 entries",
        ),
        (
            json!({"placementStrategy": vec![host; 12]}),
            "more than 5 entries",
        ),
        (
            json!({"placementConstraints": [{"type": "memberOf", "expression": "attribute:a = b"}]}),
            "at character 13",
        ),
        (
            json!({"placementConstraints": [{"type": "memberOf"}]}),
            "needs an expression",
        ),
        (
            json!({"placementConstraints": [{"type": "distinctInstance", "expression": "a"}]}),
            "takes no expression",
        ),
        (
            json!({"placementStrategy": [{"type": "spread"}]}),
            "Invalid field",
        ),
        (
            json!({"placementStrategy": [{"type": "binpack", "field": "disk"}]}),
            "Invalid field",
        ),
    ] {
        let (kind, text) = desk.refused("RunTask", run(wrong.clone()));
        assert!(
            kind == Refused::InvalidParameter && text.contains(part),
            "{wrong}: {text}"
        );
    }
    assert_eq!(desk.state.tasks().count(), 0);
}
