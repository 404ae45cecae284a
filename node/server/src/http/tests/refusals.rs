//! Bad input of every kind gets its exact exception, with the headers of every answer, and reaches no handler.

use super::*;

async fn refused(request: Request<Vec<u8>>) -> (u16, String) {
    let server = Server::start().await;
    let reply = server.send(&request).await;
    assert!(server.calls.lock().is_empty());
    (reply.status, reply.exception())
}

fn refusal(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

fn with(mut request: Request<Vec<u8>>, name: &'static str, value: &str) -> Request<Vec<u8>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn signatures_are_asked_for_and_checked() {
    let unsigned = call("ListClusters", "{}");
    assert_eq!(
        refused(unsigned).await,
        refusal(400, "MissingAuthenticationTokenException")
    );
    let wrong = Signer {
        secret: "wrong",
        ..signer()
    }
    .sign(call("ListClusters", "{}"));
    assert_eq!(
        refused(wrong).await,
        refusal(400, "InvalidSignatureException")
    );
    let nobody = Signer {
        key: "AKIDNOBODY",
        ..signer()
    }
    .sign(call("ListClusters", "{}"));
    assert_eq!(
        refused(nobody).await,
        refusal(400, "UnrecognizedClientException")
    );
    let old = Signer {
        offset: signer().offset - 400,
        ..signer()
    }
    .sign(call("ListClusters", "{}"));
    assert_eq!(
        refused(old).await,
        refusal(400, "InvalidSignatureException")
    );
    let garbled = with(
        call("ListClusters", "{}"),
        "authorization",
        "AWS4-HMAC-SHA256 nothing",
    );
    assert_eq!(
        refused(garbled).await,
        refusal(400, "IncompleteSignatureException")
    );
}

#[tokio::test]
async fn a_target_is_not_replayed_as_another() {
    let replayed = with(
        signed(call("ListClusters", r#"{"cluster":"c"}"#)),
        "x-amz-target",
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
    );
    assert_eq!(
        refused(replayed).await,
        refusal(400, "InvalidSignatureException")
    );
}

#[tokio::test]
async fn the_door_is_one_path_and_one_method() {
    let mut elsewhere = call("ListClusters", "{}");
    *elsewhere.uri_mut() = "/v1/clusters".parse().unwrap();
    assert_eq!(
        refused(signed(elsewhere)).await,
        refusal(404, "UnknownOperationException")
    );
    let mut get = call("ListClusters", "");
    *get.method_mut() = http::Method::GET;
    assert_eq!(
        refused(signed(get)).await,
        refusal(405, "UnknownOperationException")
    );
}

#[tokio::test]
async fn operations_are_the_models() {
    for target in [
        "AmazonEC2ContainerServiceV20141113.NoSuch",
        "DynamoDB_20120810.ListTables",
        "ListClusters",
        ".",
    ] {
        let request = signed(with(call("", "{}"), "x-amz-target", target));
        assert_eq!(
            refused(request).await,
            refusal(400, "UnknownOperationException"),
            "{target}"
        );
    }
    let mut none = call("", "{}");
    none.headers_mut().remove("x-amz-target");
    assert_eq!(
        refused(signed(none)).await,
        refusal(400, "UnknownOperationException")
    );
    let form = signed(with(
        call("ListClusters", "{}"),
        "content-type",
        "text/plain",
    ));
    assert_eq!(
        refused(form).await,
        refusal(400, "UnknownOperationException")
    );
}

#[tokio::test]
async fn every_operation_that_is_not_offered_says_so_by_name() {
    let server = Server::start().await;
    let offered = |name: &str| crate::operations::find("ecs", name).is_ok();
    for operation in crate::operations::model::operations().filter(|name| !offered(name)) {
        let reply = server.send(&signed(call(operation, "{}"))).await;
        assert_eq!(
            (reply.status, reply.exception().as_str()),
            (400, "UnsupportedFeatureException")
        );
        assert!(reply.body.contains(operation), "{reply:?}");
    }
    assert!(server.calls.lock().is_empty());
}

#[tokio::test]
async fn inputs_are_the_models() {
    for body in [
        "",
        "{",
        "[]",
        "nul",
        r#"{"maxResults":"5"}"#,
        r#"{"maxResults":1,"maxResults":2}"#,
    ] {
        let request = signed(call("ListClusters", body));
        assert_eq!(
            refused(request).await,
            refusal(400, "SerializationException"),
            "{body}"
        );
    }
    let deep = signed(call("ListClusters", &"[".repeat(100_000)));
    assert_eq!(refused(deep).await, refusal(400, "SerializationException"));
    let missing = signed(call("RunTask", "{}"));
    assert_eq!(
        refused(missing).await,
        refusal(400, "InvalidParameterException")
    );
}

#[tokio::test]
async fn a_handlers_refusal_is_passed_on() {
    let server = Server::start().await;
    let reply = server
        .send(&signed(call("ListTasks", r#"{"cluster":"missing"}"#)))
        .await;
    assert_eq!(
        (reply.status, reply.exception().as_str()),
        (400, "ClusterNotFoundException")
    );
}

#[tokio::test]
async fn a_panic_is_a_server_exception_and_no_more() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(&wire(&signed(call("ListTasks", r#"{"cluster":"panic"}"#))))
        .await
        .unwrap();
    let reply = Reply::read(&mut stream).await;
    assert_eq!(
        (reply.status, reply.exception().as_str()),
        (500, "ServerException")
    );
    stream
        .write_all(&wire(&signed(call("ListClusters", "{}"))))
        .await
        .unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
}

#[tokio::test]
async fn a_handler_that_never_answers_is_given_up() {
    let server = Server::start_with(Patience::default(), Duration::from_millis(50)).await;
    let reply = server
        .send(&signed(call("ListTasks", r#"{"cluster":"forever"}"#)))
        .await;
    assert_eq!(
        (reply.status, reply.exception().as_str()),
        (500, "ServerException")
    );
}
