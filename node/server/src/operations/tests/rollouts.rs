//! ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions, StopServiceDeployment.

use super::*;

fn two_deployments() -> Desk {
    let mut desk = Desk::with_room();
    desk.ok(
        "CreateService",
        json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 1}),
    );
    desk.wait(0);
    desk.all_well();
    desk.wait(41_000);
    desk.register(&web());
    desk.ok(
        "UpdateService",
        json!({"service": "api", "taskDefinition": "web:2"}),
    );
    desk.wait(0);
    desk
}

fn list(desk: &mut Desk) -> Vec<Value> {
    let listed = desk.ok("ListServiceDeployments", json!({"service": "api"}));
    listed["serviceDeployments"].as_array().unwrap().clone()
}

#[test]
fn deployments_are_listed_newest_first_and_numbered_as_their_revisions() {
    let mut desk = two_deployments();
    let all = list(&mut desk);
    assert_eq!(
        (&all[0]["status"], &all[1]["status"]),
        (&json!("IN_PROGRESS"), &json!("SUCCESSFUL"))
    );
    let service = desk.ok("DescribeServices", json!({"services": ["api"]}))["services"][0].clone();
    let id = service["deployments"][0]["id"].as_str().unwrap().to_owned();
    let number = id.strip_prefix("ecs-svc/").unwrap();
    assert!(
        all[0]["targetServiceRevisionArn"]
            .as_str()
            .unwrap()
            .ends_with(number)
    );
    assert_eq!(
        service["currentServiceDeployment"],
        all[0]["serviceDeploymentArn"]
    );
    let after = json!({"after": all[0]["createdAt"]});
    let newer = desk.ok(
        "ListServiceDeployments",
        json!({"service": "api", "createdAt": after}),
    );
    assert_eq!(newer["serviceDeployments"].as_array().unwrap().len(), 1);
    let done = desk.ok(
        "ListServiceDeployments",
        json!({"service": "api", "status": ["SUCCESSFUL"]}),
    );
    assert_eq!(done["serviceDeployments"][0], all[1]);
    let page = desk.ok(
        "ListServiceDeployments",
        json!({"service": "api", "maxResults": 1}),
    );
    let next = desk.ok(
        "ListServiceDeployments",
        json!({"service": "api", "nextToken": page["nextToken"]}),
    );
    assert_eq!(next["serviceDeployments"][0], all[1]);
}

#[test]
fn a_deployment_tells_its_story_and_revisions_stay() {
    let mut desk = two_deployments();
    let all = list(&mut desk);
    let arns = json!([
        all[0]["serviceDeploymentArn"],
        "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/api/1"
    ]);
    let found = desk.ok(
        "DescribeServiceDeployments",
        json!({"serviceDeploymentArns": arns}),
    );
    let one = &found["serviceDeployments"][0];
    assert_eq!(one["lifecycleStage"], "SCALE_UP");
    assert_eq!(
        one["deploymentCircuitBreaker"],
        json!({"status": "DISABLED", "failureCount": 0, "threshold": 3})
    );
    assert_eq!(one["sourceServiceRevisions"][0]["runningTaskCount"], 1);
    assert_eq!(found["failures"][0]["reason"], "MISSING");
    let revision = json!({"serviceRevisionArns": [all[1]["targetServiceRevisionArn"], "nonsense"]});
    let found = desk.ok("DescribeServiceRevisions", revision);
    let one = &found["serviceRevisions"][0];
    assert!(one["taskDefinition"].as_str().unwrap().ends_with("web:1"));
    assert_eq!(
        one["containerImages"][0],
        json!({"containerName": "app", "image": "nginx:1", "imageDigest": "sha256:1"})
    );
    assert_eq!(found["failures"][0]["arn"], "nonsense");
}

#[test]
fn a_deployment_that_is_stopped_is_rolled_back() {
    let mut desk = two_deployments();
    let all = list(&mut desk);
    let stop = json!({"serviceDeploymentArn": all[0]["serviceDeploymentArn"]});
    let stopped = desk.ok("StopServiceDeployment", stop.clone());
    assert_eq!(
        stopped["serviceDeploymentArn"],
        all[0]["serviceDeploymentArn"]
    );
    assert_eq!(list(&mut desk)[0]["status"], "ROLLBACK_REQUESTED");
    desk.wait(0);
    assert_eq!(list(&mut desk)[0]["status"], "ROLLBACK_IN_PROGRESS");
    desk.all_well();
    desk.wait(41_000);
    assert_eq!(list(&mut desk)[0]["status"], "ROLLBACK_SUCCESSFUL");
    assert_eq!(
        desk.refused("StopServiceDeployment", stop).0,
        Refused::Conflict
    );
    let unknown = json!({"serviceDeploymentArn": "nonsense"});
    assert_eq!(
        desk.refused("StopServiceDeployment", unknown).0,
        Refused::ServiceDeploymentNotFound
    );
}

#[test]
fn a_deployment_waits_at_pause_hooks_until_it_is_told_to_go_on() {
    let mut desk = Desk::with_room();
    let hooks = json!([{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}]);
    desk.ok(
        "CreateService",
        json!({"serviceName": "api", "taskDefinition": "web", "desiredCount": 1,
            "deploymentConfiguration": {"lifecycleHooks": hooks}}),
    );
    desk.wait(0);
    let arn = list(&mut desk)[0]["serviceDeploymentArn"].clone();
    let describe = json!({"serviceDeploymentArns": [arn]});
    let waits = desk.ok("DescribeServiceDeployments", describe.clone());
    let one = &waits["serviceDeployments"][0];
    assert_eq!(one["lifecycleStage"], "PRE_SCALE_UP");
    let hook = one["lifecycleHookDetails"][0].clone();
    assert_eq!(hook["status"], "AWAITING_ACTION");
    assert_eq!(hook["timeoutAction"], "ROLLBACK");
    assert_eq!(desk.state.tasks().count(), 0);
    let unknown = json!({"serviceDeploymentArn": arn, "hookId": "x"});
    let refused = desk.refused("ContinueServiceDeployment", unknown).0;
    assert_eq!(refused, Refused::InvalidParameter);
    let go_on =
        json!({"serviceDeploymentArn": arn, "hookId": hook["hookId"], "action": "CONTINUE"});
    desk.ok("ContinueServiceDeployment", go_on);
    desk.wait(0);
    assert_eq!(desk.state.tasks().count(), 1);
    let goes_on = desk.ok("DescribeServiceDeployments", describe);
    let hook = &goes_on["serviceDeployments"][0]["lifecycleHookDetails"][0];
    assert_eq!(hook["status"], "SUCCEEDED");
    let lambda = json!([{"targetType": "AWS_LAMBDA", "hookTargetArn": "arn:aws:lambda:x", "lifecycleStages": ["PRE_SCALE_UP"]}]);
    let (kind, _) = desk.refused(
        "UpdateService",
        json!({"service": "api", "deploymentConfiguration": {"lifecycleHooks": lambda}}),
    );
    assert_eq!(kind, Refused::UnsupportedFeature);
}
