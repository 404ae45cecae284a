//! Large, slow and idle clients.

use tokio::time::Instant;

use super::super::body::BODY;
use super::super::front::HEADERS;
use super::*;

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_over_it_is_refused() {
    let server = Server::start().await;
    let body = |size: usize| format!("{{{}}}", " ".repeat(size - 2));
    assert_eq!(
        server
            .send(&signed(call("ListClusters", &body(BODY))))
            .await
            .status,
        200
    );
    for size in [BODY + 1, 3 * BODY] {
        let reply = server
            .send(&signed(call("ListClusters", &body(size))))
            .await;
        assert_eq!(
            (reply.status, reply.exception().as_str()),
            (413, "RequestEntityTooLargeException")
        );
    }
    assert_eq!(server.calls.lock().len(), 1);
}

#[tokio::test]
async fn headers_over_their_limit_are_refused() {
    let server = Server::start().await;
    let mut request = call("ListClusters", "{}");
    request
        .headers_mut()
        .insert("x-padding", "p".repeat(HEADERS).parse().unwrap());
    let reply = server.send(&signed(request)).await;
    assert_eq!(
        (reply.status, reply.exception().as_str()),
        (431, "RequestEntityTooLargeException")
    );
}

/// Short times, with the one that is not meant far away.
const HEAD: Patience = Patience {
    head: Duration::from_millis(200),
    idle: Duration::from_secs(60),
    look: Duration::from_millis(20),
};
const IDLE: Patience = Patience {
    head: Duration::from_millis(100),
    idle: Duration::from_secs(1),
    look: Duration::from_millis(20),
};
/// Far more than a loaded machine needs, far less than the time that is not meant.
const SOON: Duration = Duration::from_secs(20);

/// How long the server keeps the connection.
async fn kept(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    assert_eq!(
        stream.read(&mut [0; 64]).await.unwrap_or(0),
        0,
        "the connection ends without another answer"
    );
    started.elapsed()
}

#[tokio::test]
async fn a_head_that_dribbles_is_not_waited_for() {
    let server = Server::start_with(HEAD, CALL_TIME).await;
    let mut silent = server.connect().await;
    assert!(kept(&mut silent).await < SOON);
    let mut slow = server.connect().await;
    slow.write_all(b"POST / HTTP/1.1\r\nhost: ").await.unwrap();
    assert!(kept(&mut slow).await < SOON);
}

#[tokio::test]
async fn a_second_head_that_dribbles_is_not_waited_for() {
    let server = Server::start_with(HEAD, CALL_TIME).await;
    let mut stream = server.connect().await;
    stream
        .write_all(&wire(&signed(call("ListClusters", "{}"))))
        .await
        .unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    stream.write_all(b"POST / HT").await.unwrap();
    assert!(kept(&mut stream).await < SOON);
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_longer_than_a_head() {
    let server = Server::start_with(IDLE, CALL_TIME).await;
    let mut stream = server.connect().await;
    stream
        .write_all(&wire(&signed(call("ListClusters", "{}"))))
        .await
        .unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    let kept = kept(&mut stream).await;
    assert!(kept > Duration::from_millis(800) && kept < SOON, "{kept:?}");
}

#[tokio::test]
async fn a_call_under_way_is_not_idle() {
    let server = Server::start_with(IDLE, CALL_TIME).await;
    let reply = server
        .send(&signed(call("ListTasks", r#"{"cluster":"slow"}"#)))
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let server = Server::start_with(Patience::default(), Duration::from_millis(50)).await;
    let mut stream = server.connect().await;
    let mut bytes = wire(&signed(call("ListClusters", "{}")));
    bytes.pop();
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(
        Reply::read(&mut stream).await.exception(),
        "ClientException"
    );
}
