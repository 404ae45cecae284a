//! What a client does with endpoints that are dead, silent or break off, over real sockets.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use quorate_client::{Client, ClientConfig, ClientError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a listener does with each request it has read to the end.
#[derive(Clone, Copy)]
enum Manner {
    Answer(&'static str),
    Refuse,
    BreakOff,
    StaySilent,
}

/// Serves on a free port until the set is dropped; gives `http://host:port`.
async fn serve(set: &mut JoinSet<()>, manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    set.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.spawn(converse(stream, manner));
        }
    });
    endpoint
}

/// A port on which nobody listens.
async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn converse(mut stream: TcpStream, manner: Manner) {
    let mut seen = Vec::new();
    loop {
        let (status, body) = match manner {
            Manner::Answer(body) => (200, body),
            Manner::Refuse => (500, r#"{"__type":"ServerException","message":"no leader"}"#),
            Manner::BreakOff | Manner::StaySilent => (0, ""),
        };
        // Every body in these tests ends in `}` and no header does.
        while !seen.ends_with(b"}") {
            if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                return;
            }
        }
        seen.clear();
        match manner {
            Manner::BreakOff => return,
            Manner::StaySilent => std::future::pending().await,
            Manner::Answer(_) | Manner::Refuse => {}
        }
        let head = format!(
            "HTTP/1.1 {status} X\r\nx-amzn-requestid: r-9\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .unwrap();
    }
}

fn client(endpoints: &[&String]) -> Client {
    let config = ClientConfig {
        endpoints: endpoints.iter().map(|one| (*one).clone()).collect(),
        region: "us-east-1".to_owned(),
        access_key_id: "AK".to_owned(),
        secret_access_key: "SK".to_owned(),
        timeout: Duration::from_millis(300),
    };
    Client::new(config).unwrap()
}

#[tokio::test]
async fn a_dead_endpoint_is_passed_over() {
    let mut set = JoinSet::new();
    let (dead, alive) = (
        dead().await,
        serve(&mut set, Manner::Answer(r#"{"clusterArns":[]}"#)).await,
    );
    let client = client(&[&dead, &alive]);
    for _ in 0..3 {
        assert_eq!(
            client.call("ListClusters", json!({})).await.unwrap(),
            json!({"clusterArns": []})
        );
    }
}

#[tokio::test]
async fn a_read_that_broke_off_is_asked_elsewhere() {
    let mut set = JoinSet::new();
    let broken = serve(&mut set, Manner::BreakOff).await;
    let alive = serve(&mut set, Manner::Answer(r#"{"clusterArns":[]}"#)).await;
    let answer = client(&[&broken, &alive])
        .call("ListClusters", json!({}))
        .await;
    assert_eq!(answer.unwrap(), json!({"clusterArns": []}));
}

#[tokio::test]
async fn nothing_sent_is_told_from_outcome_unknown() {
    let mut set = JoinSet::new();
    let unreachable = client(&[&dead().await])
        .call("RunTask", json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(unreachable, ClientError::Unreachable { .. }) && !unreachable.outcome_is_unknown()
    );

    let broken = client(&[&serve(&mut set, Manner::BreakOff).await])
        .call("RunTask", json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(broken, ClientError::Interrupted { .. }) && broken.outcome_is_unknown(),
        "{broken}"
    );

    let silent = client(&[&serve(&mut set, Manner::StaySilent).await])
        .call("RunTask", json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(silent, ClientError::Timeout { .. }) && silent.outcome_is_unknown(),
        "{silent}"
    );
}

#[tokio::test]
async fn a_call_with_a_token_goes_on_at_the_next_endpoint() {
    let mut set = JoinSet::new();
    let silent = serve(&mut set, Manner::StaySilent).await;
    let broken = serve(&mut set, Manner::BreakOff).await;
    let alive = serve(&mut set, Manner::Answer(r#"{"tasks":[]}"#)).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    let body = json!({"clientToken": quorate_client::client_token()});
    let answer = client(&[&silent, &broken, &alive])
        .call_until("RunTask", body, deadline)
        .await;
    assert_eq!(answer.unwrap(), json!({"tasks": []}));
}

#[tokio::test]
async fn the_last_failure_is_told_at_the_deadline() {
    let mut set = JoinSet::new();
    let refusing = serve(&mut set, Manner::Refuse).await;
    let deadline = Instant::now() + Duration::from_millis(400);
    let error = client(&[&refusing])
        .call_until("RunTask", json!({}), deadline)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ClientError::Exception { code, status: 500, request_id, .. }
            if code == "ServerException" && request_id == "r-9"),
        "{error}"
    );
}
