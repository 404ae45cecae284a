//! PutAttributes, DeleteAttributes, ListAttributes.

use super::*;

const ONE: &str = "mi-00000000000000001";
const ARN: &str =
    "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-00000000000000001";

fn put(name: &str, value: &str) -> Value {
    json!({"attributes": [{"name": name, "value": value, "targetId": ONE, "targetType": "container-instance"}]})
}

fn list(desk: &mut Desk, extra: Value) -> Value {
    let mut input = json!({"targetType": "container-instance"});
    let members = extra.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(members);
    desk.ok("ListAttributes", input)
}

#[test]
fn custom_attributes_are_put_shown_and_deleted() {
    let mut desk = Desk::with_room();
    let answer = desk.ok("PutAttributes", put("stack", "prod 1"));
    let shown = json!([{"name": "stack", "value": "prod 1", "targetId": ARN}]);
    assert_eq!(answer["attributes"], shown);
    assert_eq!(
        list(&mut desk, json!({"attributeName": "stack"}))["attributes"],
        shown
    );
    let described = desk.ok(
        "DescribeContainerInstances",
        json!({"containerInstances": [ONE]}),
    );
    let attributes = described["containerInstances"][0]["attributes"]
        .as_array()
        .unwrap();
    assert!(attributes.contains(&json!({"name": "stack", "value": "prod 1"})));
    let key = json!({"attributes": [{"name": "stack", "targetId": ARN}, {"name": "bare", "targetId": ARN}]});
    assert_eq!(desk.ok("DeleteAttributes", key)["attributes"], shown);
    assert_eq!(
        list(&mut desk, json!({"attributeName": "stack"}))["attributes"],
        json!([])
    );
    // What the agent reports is not people's to delete.
    assert_eq!(
        list(&mut desk, json!({"attributeName": "bare"}))["attributes"][0]["targetId"],
        ARN
    );
}

#[test]
fn lists_are_filtered_and_come_in_pages() {
    let mut desk = Desk::with_room();
    desk.instance(2, "default");
    desk.instance(3, "default");
    desk.ok(
        "DeregisterContainerInstance",
        json!({"containerInstance": "mi-00000000000000003"}),
    );
    let zone = "ecs.availability-zone";
    let count = |answer: &Value| answer["attributes"].as_array().unwrap().len();
    assert_eq!(count(&list(&mut desk, json!({}))), 8);
    assert_eq!(
        count(&list(
            &mut desk,
            json!({"attributeName": zone, "attributeValue": "rack-1"})
        )),
        2
    );
    assert_eq!(
        count(&list(
            &mut desk,
            json!({"attributeName": zone, "attributeValue": "rack-2"})
        )),
        0
    );
    let first = list(&mut desk, json!({"maxResults": 4}));
    assert_eq!(count(&first), 4);
    let rest = list(
        &mut desk,
        json!({"maxResults": 4, "nextToken": first["nextToken"]}),
    );
    assert_eq!((count(&rest), rest.get("nextToken")), (4, None));
    let value_only = json!({"targetType": "container-instance", "attributeValue": "a"});
    assert_eq!(
        desk.refused("ListAttributes", value_only).0,
        Refused::InvalidParameter
    );
}

#[test]
fn limits_texts_and_targets_are_checked() {
    let mut desk = Desk::with_room();
    let long = "x".repeat(129);
    for (name, value) in [
        ("", "a"),
        ("a", ""),
        (&long, "a"),
        ("a", &long),
        ("a b", "c"),
        ("a", " b"),
        ("a", "b "),
        ("a", "b!"),
    ] {
        let refusal = desk.refused("PutAttributes", put(name, value));
        assert_eq!(refusal.0, Refused::InvalidParameter, "{name:?} {value:?}");
    }
    let mut unknown = put("a", "b");
    unknown["attributes"][0]["targetId"] = json!("mi-0000000000000000f");
    assert_eq!(
        desk.refused("PutAttributes", unknown.clone()).0,
        Refused::TargetNotFound
    );
    assert_eq!(
        desk.refused("DeleteAttributes", unknown).0,
        Refused::TargetNotFound
    );
    let many = |from: usize, count: usize| {
        let one = |number: usize| json!({"name": format!("n{number}"), "targetId": ONE});
        let all: Vec<Value> = (from..from + count).map(one).collect();
        json!({ "attributes": all })
    };
    assert_eq!(
        desk.refused("PutAttributes", many(0, 11)).0,
        Refused::InvalidParameter
    );
    desk.ok("PutAttributes", many(0, 10));
    assert_eq!(
        desk.refused("PutAttributes", many(10, 1)).0,
        Refused::AttributeLimitExceeded
    );
    desk.ok("PutAttributes", many(3, 1));
}
