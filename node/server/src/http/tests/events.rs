//! The stream of events over real sockets: asked for as it should be or refused, told bit by bit, ended with the listener.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use quorate_core::events::{Kind, Point};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;
use crate::gateway::{From, Seen, WatchAsk};

/// Tells one event and goes on without a word, or ends if it is not to follow. No point is kept but 5.1.
pub(super) async fn watch(ask: WatchAsk) -> Result<BoxStream<'static, Seen>, Exception> {
    let point = Point { index: 5, place: 1 };
    if ask.from != From::Now && ask.from != From::Point(point) {
        let gone = crate::operations::exception::Kind::EventsGone;
        return Err(Exception::new(gone, "no longer kept"));
    }
    let (kind, text) = (ask.kind.unwrap_or(Kind::Task), ask.cluster);
    let body = Bytes::from(text.unwrap_or_else(|| "{}".into()));
    let told = stream::iter([Seen::At(point), Seen::Event { point, kind, body }]);
    let gap = Seen::Gap(Exception::server("the rest is gone"));
    Ok(if ask.follows {
        told.chain(stream::pending()).boxed()
    } else {
        told.chain(stream::iter([gap])).boxed()
    })
}

fn get(path: &str) -> Request<Vec<u8>> {
    let request = Request::get(path).header("host", "127.0.0.1:6570");
    signed(request.body(Vec::new()).unwrap())
}

/// The lines of a stream, without its head and without the lines of its chunks.
async fn lines(server: &Server, request: &Request<Vec<u8>>, count: usize) -> Vec<String> {
    let mut stream = server.connect().await;
    stream.write_all(&wire(request)).await.unwrap();
    let mut all = BufReader::new(stream).lines();
    assert_eq!(all.next_line().await.unwrap().unwrap(), "HTTP/1.1 200 OK");
    let (mut lines, mut is_head) = (Vec::new(), true);
    while let Some(line) = all.next_line().await.unwrap() {
        let is_chunk = line.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_head &= !line.is_empty();
        if is_head && line.starts_with("content-type") {
            assert_eq!(line, "content-type: text/event-stream");
        } else if !is_head && !is_chunk {
            lines.push(line);
        }
        if lines.len() == count {
            break;
        }
    }
    lines
}

#[tokio::test]
async fn events_are_told_as_they_come() {
    let server = Server::start().await;
    let told = lines(&server, &get("/events"), 5).await;
    let expected = [": quorate", "id: 5.1", "id: 5.1", "event: task", "data: {}"];
    assert_eq!(told, expected);
    let asked = get("/events?after=5.1&cluster=%7B%22a%22%7D&type=service&follow=false");
    let told = lines(&server, &asked, 7).await;
    assert_eq!(told[3..5], ["event: service", r#"data: {"a"}"#]);
    assert_eq!(told[5], "event: gap");
    assert!(told[6].starts_with(r#"data: {"__type":"ServerException""#));
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let server = Server::start().await;
    let mut unsigned = get("/events");
    unsigned.headers_mut().remove("authorization");
    let mut late = get("/events?after=5.1");
    late.headers_mut()
        .insert("last-event-id", "4.2".parse().unwrap());
    for (request, status, name) in [
        (unsigned, 400, "MissingAuthenticationTokenException"),
        (get("/events?after=4.1"), 410, "EventsGoneException"),
        (get("/events?after=kept"), 410, "EventsGoneException"),
        (late, 410, "EventsGoneException"),
        (get("/events?after=now"), 400, "InvalidParameterException"),
        (get("/events?type=tasks"), 400, "InvalidParameterException"),
        (get("/events?what=x"), 400, "InvalidParameterException"),
        (get("/event"), 405, "UnknownOperationException"),
    ] {
        let reply = server.send(&request).await;
        assert_eq!((reply.status, reply.exception()), (status, name.to_owned()));
    }
}

#[tokio::test]
async fn a_stream_outlives_idle_connections_and_ends_with_the_listener() {
    let patience = Patience {
        head: Duration::from_millis(50),
        idle: Duration::from_millis(50),
        look: Duration::from_millis(10),
    };
    let server = Server::start_with(patience, CALL_TIME).await;
    let mut stream = server.connect().await;
    stream.write_all(&wire(&get("/events"))).await.unwrap();
    let mut bytes = vec![0; 4096];
    while !String::from_utf8_lossy(&bytes).contains("data: {}") {
        assert_ne!(stream.read(&mut bytes).await.unwrap(), 0);
    }
    let quiet = Duration::from_millis(300);
    let read = tokio::time::timeout(quiet, stream.read(&mut bytes)).await;
    assert!(read.is_err(), "it is still there");
    server.stop.cancel();
    while stream.read(&mut bytes).await.unwrap() > 0 {}
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_takes_nothing_is_dropped() {
    let point = Point { index: 5, place: 1 };
    let endless = stream::repeat_with(move || Seen::At(point)).boxed();
    let (tell, mut frames) = tokio::sync::mpsc::channel(2);
    super::super::events::tell_all(endless, tell).await;
    // What waits for it is all that there ever was.
    let mut waiting = 0;
    while frames.recv().await.is_some() {
        waiting += 1;
    }
    assert_eq!(waiting, 2);
}
