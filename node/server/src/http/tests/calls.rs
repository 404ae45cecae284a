//! What is understood reaches the handler, and its answer the caller.

use super::*;

#[tokio::test]
async fn a_signed_call_reaches_the_handler() {
    let server = Server::start().await;
    let reply = server
        .send(&signed(call("ListClusters", r#"{"maxResults":5}"#)))
        .await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"clusterArns": []}))
    );
    reply.assert_well_formed("application/x-amz-json-1.1");
    let calls = server.calls.lock();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].operation, "ListClusters");
    assert_eq!(&calls[0].body[..], br#"{"maxResults":5}"#);
    assert_eq!(calls[0].request_id, reply.headers["x-amzn-requestid"]);
    assert_eq!(calls[0].principal.access_key_id, KEY);
}

#[tokio::test]
async fn our_own_operations_have_a_target_of_their_own() {
    let server = Server::start().await;
    let mut request = call("", "{}");
    request.headers_mut().insert(
        "x-amz-target",
        "Quorate_20261122.ListNodes".parse().unwrap(),
    );
    assert_eq!(server.send(&signed(request)).await.status, 200);
    let calls = server.calls.lock();
    assert_eq!(
        (calls[0].service, calls[0].operation.as_str()),
        (crate::gateway::Service::Quorate, "ListNodes")
    );
}

#[tokio::test]
async fn one_connection_carries_many_calls() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    for _ in 0..10 {
        stream
            .write_all(&wire(&signed(call("ListClusters", "{}"))))
            .await
            .unwrap();
        assert_eq!(Reply::read(&mut stream).await.status, 200);
    }
    assert_eq!(server.calls.lock().len(), 10);
}

#[tokio::test]
async fn a_body_in_chunks_is_one_body() {
    let server = Server::start().await;
    let request = signed(call("ListClusters", r#"{"maxResults":5}"#));
    let text = String::from_utf8(wire(&request)).unwrap();
    let (head, _) = text.split_once("content-length").unwrap();
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n3\r\n{{\"m\r\nd\r\naxResults\":5}}\r\n0\r\n\r\n"
    );
    let mut stream = server.connect().await;
    stream.write_all(chunked.as_bytes()).await.unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    assert_eq!(&server.calls.lock()[0].body[..], br#"{"maxResults":5}"#);
}

#[tokio::test]
async fn http2_is_understood_too() {
    let server = Server::start().await;
    let io = hyper_util::rt::TokioIo::new(server.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut request = signed(call("ListClusters", "{}"));
    // In HTTP/2 the host is a part of the target, not a header.
    let host = request.headers_mut().remove("host").unwrap();
    *request.uri_mut() = format!("http://{}/", host.to_str().unwrap())
        .parse()
        .unwrap();
    let response = sender
        .send_request(request.map(|body| http_body_util::Full::new(Bytes::from(body))))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("x-amzn-requestid"));
    connection.abort();
}

fn sts(body: &str) -> Request<Vec<u8>> {
    Request::post("/")
        .header("host", "127.0.0.1")
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
        .body(body.as_bytes().to_vec())
        .unwrap()
}

#[tokio::test]
async fn sts_speaks_xml() {
    let server = Server::start().await;
    let signer = Signer {
        service: "sts",
        ..signer()
    };
    let reply = server
        .send(&signer.sign(sts("Action=GetCallerIdentity&Version=2011-06-15")))
        .await;
    reply.assert_well_formed("text/xml");
    let request_id = &reply.headers["x-amzn-requestid"];
    assert_eq!(
        reply.body,
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Account>{ACCOUNT}</Account><Arn>a&lt;b&amp;c</Arn><UserId>{KEY}</UserId></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )
    );
}

#[tokio::test]
async fn sts_refuses_in_xml_by_its_own_names() {
    let server = Server::start().await;
    let sts_signer = || Signer {
        service: "sts",
        ..signer()
    };
    let wrong = Signer {
        secret: "wrong",
        ..sts_signer()
    };
    for (request, status, code) in [
        (
            wrong.sign(sts("Action=GetCallerIdentity")),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            Signer {
                key: "AKIDNOBODY",
                ..sts_signer()
            }
            .sign(sts("")),
            403,
            "InvalidClientTokenId",
        ),
        (
            sts("Action=GetCallerIdentity"),
            403,
            "MissingAuthenticationToken",
        ),
        (
            sts_signer().sign(sts("Action=Nothing")),
            400,
            "InvalidAction",
        ),
        (
            sts_signer().sign(sts("Action=GetCallerIdentity&Action=x")),
            400,
            "MalformedInput",
        ),
        (sts_signer().sign(sts("Action=%ff")), 400, "MalformedInput"),
    ] {
        let reply = server.send(&request).await;
        reply.assert_well_formed("text/xml");
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(
            reply.body.contains(&format!("<Code>{code}</Code>")),
            "{reply:?}"
        );
    }
    assert!(server.calls.lock().is_empty());
}

#[tokio::test]
async fn a_closing_listener_finishes_its_calls() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(&wire(&signed(call("ListTasks", r#"{"cluster":"slow"}"#))))
        .await
        .unwrap();
    while server.calls.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    server.stop.cancel();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
