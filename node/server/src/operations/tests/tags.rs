//! TagResource, UntagResource, ListTagsForResource.

use super::*;

fn tags(pairs: &[(&str, &str)]) -> Value {
    let tag = |(key, value): &(&str, &str)| json!({"key": key, "value": value});
    pairs.iter().map(tag).collect()
}

fn listed(desk: &mut Desk, arn: &Value) -> Value {
    desk.ok("ListTagsForResource", json!({"resourceArn": arn}))["tags"].take()
}

#[test]
fn everything_that_has_an_arn_and_tags_can_be_tagged() {
    let mut desk = Desk::with_room();
    let task = desk.ok("RunTask", json!({"taskDefinition": "web"}))["tasks"][0].take();
    let service = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 1});
    let service = desk.ok("CreateService", service)["service"].take();
    let external = json!({"serviceName": "sets", "desiredCount": 1, "deploymentController": {"type": "EXTERNAL"}});
    desk.ok("CreateService", external);
    let set = json!({"cluster": "default", "service": "sets", "taskDefinition": "web"});
    let set = desk.ok("CreateTaskSet", set)["taskSet"].take();
    let group =
        "arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:1:autoScalingGroupName/g";
    let provider = json!({"name": "p", "autoScalingGroupProvider": {"autoScalingGroupArn": group}});
    let provider = desk.ok("CreateCapacityProvider", provider)["capacityProvider"].take();
    let arns = [
        json!("arn:aws:ecs:us-east-1:000000000000:cluster/default"),
        task["taskArn"].clone(),
        task["containerInstanceArn"].clone(),
        task["taskDefinitionArn"].clone(),
        service["serviceArn"].clone(),
        set["taskSetArn"].clone(),
        provider["capacityProviderArn"].clone(),
    ];
    for arn in &arns {
        let put = |pairs: &[(&str, &str)]| json!({"resourceArn": arn, "tags": tags(pairs)});
        let answer = desk.ok("TagResource", put(&[("team", "a"), ("cost", "")]));
        assert_eq!(answer, json!({}));
        desk.ok("TagResource", put(&[("team", "b")]));
        assert_eq!(listed(&mut desk, arn), tags(&[("team", "b"), ("cost", "")]));
        let keys = json!({"resourceArn": arn, "tagKeys": ["cost", "never there"]});
        assert_eq!(desk.ok("UntagResource", keys), json!({}));
        assert_eq!(listed(&mut desk, arn), tags(&[("team", "b")]));
    }
    let shown = json!({"tasks": [task["taskArn"]], "include": ["TAGS"]});
    let shown = desk.ok("DescribeTasks", shown);
    assert_eq!(shown["tasks"][0]["tags"], tags(&[("team", "b")]));
}

#[test]
fn tags_that_ecs_would_not_take_are_refused() {
    let mut desk = Desk::new();
    let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/default";
    let put = |given: Value| json!({"resourceArn": arn, "tags": given});
    let long = "v".repeat(257);
    for wrong in [
        tags(&[("AWS:mine", "")]),
        tags(&[("k", &long)]),
        tags(&[("k", "1"), ("k", "2")]),
        tags(&[]),
    ] {
        let refusal = desk.refused("TagResource", put(wrong));
        assert_eq!(refusal.0, Refused::InvalidParameter, "{refusal:?}");
    }
    let many = |from: usize, to: usize| -> Value {
        let tag = |n| json!({"key": format!("k{n}"), "value": ""});
        (from..to).map(tag).collect()
    };
    desk.ok("TagResource", put(many(0, 50)));
    desk.ok("TagResource", put(many(10, 20)));
    let one_more = desk.refused("TagResource", put(many(50, 51)));
    let expected = "Tags can not have more than 50 entries.";
    assert_eq!(one_more, (Refused::InvalidParameter, expected.to_owned()));
    assert_eq!(listed(&mut desk, &json!(arn)), many(0, 50));
    let keys = json!({"resourceArn": arn, "tagKeys": ["aws:mine"]});
    assert_eq!(
        desk.refused("UntagResource", keys).0,
        Refused::InvalidParameter
    );
}

#[test]
fn what_is_not_there_or_has_ended_is_refused() {
    let mut desk = Desk::with_room();
    let one = tags(&[("k", "v")]);
    let ours = "arn:aws:ecs:us-east-1:000000000000";
    let refused = |desk: &mut Desk, operation: &str, arn: &str| {
        let input = match operation {
            "TagResource" => json!({"resourceArn": arn, "tags": one}),
            "UntagResource" => json!({"resourceArn": arn, "tagKeys": ["k"]}),
            _ => json!({"resourceArn": arn}),
        };
        desk.refused(operation, input).0
    };
    for operation in ["TagResource", "UntagResource", "ListTagsForResource"] {
        for malformed in [
            "web".to_owned(),
            format!("{ours}:task-definition/web"),
            format!("{ours}:service-deployment/default/web/1"),
            "arn:aws:ecs:us-east-1:111111111111:cluster/default".to_owned(),
            "arn:aws:s3:::bucket/key".to_owned(),
        ] {
            let kind = refused(&mut desk, operation, &malformed);
            assert_eq!(kind, Refused::InvalidParameter, "{operation} {malformed}");
        }
        let cluster = refused(&mut desk, operation, &format!("{ours}:cluster/none"));
        assert_eq!(cluster, Refused::ClusterNotFound);
        let task = format!("{ours}:task/default/{}", "0".repeat(32));
        let expected = match operation {
            "ListTagsForResource" => Refused::InvalidParameter,
            _ => Refused::ResourceNotFound,
        };
        assert_eq!(refused(&mut desk, operation, &task), expected);
    }
    let task = desk.ok("RunTask", json!({"taskDefinition": "web"}))["tasks"][0].take();
    desk.ok("StopTask", json!({"task": task["taskArn"]}));
    desk.observe(Desk::id(&task), TaskStatus::Stopped, Some(0));
    let input = json!({"resourceArn": task["taskArn"], "tags": one});
    let expected = "The specified task is stopped. Specify a running task and try again.";
    assert_eq!(
        desk.refused("TagResource", input),
        (Refused::InvalidParameter, expected.to_owned())
    );
    assert_eq!(listed(&mut desk, &task["taskArn"]), json!([]));
}
