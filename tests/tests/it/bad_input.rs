//! Bad input at a follower: each has its exact error, none changes anything, none is our fault (5xx).

use std::time::{Duration, SystemTime};

use quorate_chaos::cluster::Standing;
use quorate_tests::harness::{TestCluster, eventually};
use quorate_tests::raw::{Request, target};
use serde_json::{Value, json};

/// The node answers for itself; it needs no more than a moment to have applied what others were told.
const STANDING_LIMIT: Duration = Duration::from_secs(10);

/// Far above any legal body.
const TOO_LARGE: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn every_bad_request_has_its_error_and_changes_nothing() {
    let cluster = TestCluster::start(|options| options.agents = 0).await;
    cluster.any().register_sleeper("steady").await;
    let follower = cluster.followers().await.remove(0);
    let visible = visible(&cluster).await;
    let call = |operation: &str, body: &str| Request::ecs(&cluster, &follower, operation, body);

    // Whether a thing is there is for the replicated state to say: these refusals may be entries of the log.
    unknown_things(&call);
    // These never come so far.
    let before = settled(&cluster, &follower).await;
    malformed_bodies(&call);
    bad_signatures(&call);
    bad_times(&call);
    replays(&call);
    operations(&call);

    assert_eq!(
        settled(&cluster, &follower).await,
        before,
        "not one entry was added"
    );
    assert_eq!(
        self::visible(&cluster).await,
        visible,
        "nothing was changed"
    );
    assert!(cluster.living_nodes().count() == 3, "no node has ended");
}

/// All that these requests could have made or removed.
async fn visible(cluster: &TestCluster) -> Vec<Value> {
    let any = cluster.any();
    let mut all = Vec::new();
    for operation in [
        "ListClusters",
        "ListTaskDefinitions",
        "ListTaskDefinitionFamilies",
    ] {
        all.push(any.call(operation, json!({})).await);
    }
    all
}

/// The index and digest at which the whole cluster rests.
async fn settled(cluster: &TestCluster, follower: &str) -> Standing {
    let leader = cluster.the_leader().await;
    eventually(
        "the follower stands where the leader stands",
        STANDING_LIMIT,
        || async {
            let (one, other) = (
                cluster.standing(&leader).await?,
                cluster.standing(follower).await?,
            );
            (one == other).then_some(one)
        },
    )
    .await
}

fn refuses(request: &Request, status: u16, name: &str) {
    let answer = request.send();
    assert_eq!(
        (answer.status, answer.exception().0.as_str()),
        (status, name),
        "{request:?}: {answer:?}"
    );
}

fn refuses_with(request: &Request, name: &str, message: &str) {
    refuses(request, 400, name);
    assert_eq!(request.send().exception().1, message, "{request:?}");
}

fn malformed_bodies(call: &impl Fn(&str, &str) -> Request) {
    for body in [
        "{",
        "",
        "[]",
        "null",
        "{\"clusters\": [}",
        "{\"a\": 1} trailing",
        "\u{1}",
    ] {
        refuses(&call("DescribeTasks", body), 400, "SerializationException");
    }
    for (operation, body) in [
        ("CreateCluster", r#"{"clusterName": 5}"#),
        (
            "RunTask",
            r#"{"taskDefinition": "steady", "count": "three"}"#,
        ),
        ("RunTask", r#"{"taskDefinition": ["steady"]}"#),
        ("DescribeTasks", r#"{"tasks": "all"}"#),
        (
            "RegisterTaskDefinition",
            r#"{"family": "x", "containerDefinitions": {"name": "main"}}"#,
        ),
    ] {
        refuses(&call(operation, body), 400, "SerializationException");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    refuses(
        &call(
            "CreateCluster",
            &format!(r#"{{"clusterName": "deep", "tags": {deep}}}"#),
        ),
        400,
        "SerializationException",
    );
    let mut large = call("CreateCluster", "");
    large.body = vec![b' '; TOO_LARGE];
    refuses(&large, 413, "RequestEntityTooLargeException");
}

fn unknown_things(call: &impl Fn(&str, &str) -> Request) {
    let none = "0123456789abcdef0123456789abcdef";
    refuses_with(
        &call(
            "RunTask",
            r#"{"cluster": "nowhere", "taskDefinition": "steady"}"#,
        ),
        "ClusterNotFoundException",
        "Cluster not found.",
    );
    refuses_with(
        &call("ListTasks", r#"{"cluster": "nowhere"}"#),
        "ClusterNotFoundException",
        "Cluster not found.",
    );
    refuses_with(
        &call("DeleteCluster", r#"{"cluster": "nowhere"}"#),
        "ClusterNotFoundException",
        "Cluster not found.",
    );
    refuses_with(
        &call("DescribeTaskDefinition", r#"{"taskDefinition": "nothing"}"#),
        "ClientException",
        "Unable to describe task definition.",
    );
    let stop = call("StopTask", &format!(r#"{{"task": "{none}"}}"#));
    let (name, _) = stop.send().exception();
    // Whether `default` exists depends on whether an agent ever came; either way the task is not there.
    assert!(
        ["InvalidParameterException", "ClusterNotFoundException"].contains(&name.as_str()),
        "{name}"
    );
    for body in [
        r#"{"clusterName": "no spaces"}"#,
        r#"{"clusterName": "no/slashes"}"#,
    ] {
        refuses(
            &call("CreateCluster", body),
            400,
            "InvalidParameterException",
        );
    }
    refuses(
        &call(
            "CreateCluster",
            &format!(r#"{{"clusterName": "{}"}}"#, "x".repeat(256)),
        ),
        400,
        "InvalidParameterException",
    );
    refuses(
        &call(
            "RegisterTaskDefinition",
            r#"{"family": "x", "containerDefinitions": []}"#,
        ),
        400,
        "ClientException",
    );
}

fn bad_signatures(call: &impl Fn(&str, &str) -> Request) {
    let create = call("CreateCluster", r#"{"clusterName": "forged"}"#);
    refuses(
        &Request {
            keys: (create.keys.0.clone(), "another secret".to_owned()),
            ..create.clone()
        },
        400,
        "InvalidSignatureException",
    );
    refuses(
        &Request {
            keys: ("AKIANOBODY0000000000".to_owned(), create.keys.1.clone()),
            ..create.clone()
        },
        400,
        "UnrecognizedClientException",
    );
    let unsigned =
        create.send_spoiled(|headers, _| headers.retain(|(name, _)| name != "authorization"));
    assert_eq!(
        unsigned.exception().0,
        "MissingAuthenticationTokenException"
    );
    let garbled = create
        .send_spoiled(|headers, _| set(headers, "authorization", "AWS4-HMAC-SHA256 nonsense"));
    assert_eq!(garbled.exception().0, "IncompleteSignatureException");
    let other_body =
        create.send_spoiled(|_, body| *body = br#"{"clusterName": "forget"}"#.to_vec());
    assert_eq!(other_body.exception().0, "InvalidSignatureException");
    let elsewhere = Request {
        region: "eu-west-1".to_owned(),
        ..create
    };
    assert!(
        ["InvalidSignatureException", "IncompleteSignatureException"]
            .contains(&elsewhere.send().exception().0.as_str())
    );
}

fn bad_times(call: &impl Fn(&str, &str) -> Request) {
    let create = call("CreateCluster", r#"{"clusterName": "late"}"#);
    for time in [
        SystemTime::now() - Duration::from_secs(3600),
        SystemTime::now() + Duration::from_secs(3600),
    ] {
        refuses(
            &Request {
                time,
                ..create.clone()
            },
            400,
            "InvalidSignatureException",
        );
    }
}

/// The operation's name is a header. Were it not signed, a signed list would be a deletion.
fn replays(call: &impl Fn(&str, &str) -> Request) {
    let list = call("ListClusters", "{}");
    let replayed =
        list.send_spoiled(|headers, _| set(headers, "x-amz-target", &target("DeleteCluster")));
    assert_eq!(replayed.exception().0, "InvalidSignatureException");
    let mut without = call("ListClusters", "{}");
    without.headers.retain(|(name, _)| name != "x-amz-target");
    let added = without.send_spoiled(|headers, _| {
        headers.push(("x-amz-target".to_owned(), target("DeleteCluster")));
    });
    assert!(
        ["InvalidSignatureException", "IncompleteSignatureException"]
            .contains(&added.exception().0.as_str()),
        "{added:?}"
    );
    let smuggled = list.send_spoiled(|headers, _| {
        headers.push(("x-amz-security-token".to_owned(), "x".to_owned()));
    });
    assert!((400..500).contains(&smuggled.status), "{smuggled:?}");
}

fn operations(call: &impl Fn(&str, &str) -> Request) {
    for operation in [
        "CreateDaemon",
        "CreateGateway",
        "RegisterContainerInstance",
        "SubmitTaskStateChange",
    ] {
        let (name, message) = call(operation, "{}").send().exception();
        assert_eq!(name, "UnsupportedFeatureException", "{operation}");
        assert!(message.contains(operation), "{message}");
    }
    refuses(&call("MakeCoffee", "{}"), 400, "UnknownOperationException");
}

fn set(headers: &mut [(String, String)], name: &str, value: &str) {
    let header = headers
        .iter_mut()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .expect("the request has this header");
    value.clone_into(&mut header.1);
}
