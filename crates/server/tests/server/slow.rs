//! Clients that read slowly, or not at all.

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wellspring_types::Value;

use crate::support::{Lines, PATIENCE, TestServer, elements, number, parse, request, text, with};

/// Large enough that a few fill what the system buffers for a socket.
const LARGE: usize = 900_000;

fn member<'a>(message: &'a Value, name: &str) -> &'a Value {
    message.as_object().unwrap().get(name).unwrap()
}

async fn fill(server: &TestServer, documents: usize) {
    let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(LARGE));
    for n in 0..documents {
        let put = server.put(&format!("/v1/documents/a/{n}"), &data).await;
        assert_eq!(put.status, 201);
    }
}

#[tokio::test]
async fn a_websocket_that_reads_nothing_is_closed_as_slow() {
    let server = TestServer::start_with(|settings| {
        settings.stalled_write_ms = Some(2000);
        settings.queue_bytes_max = Some(65_536);
    })
    .await;
    fill(&server, 40).await;
    let mut asleep = server.websocket().await;
    asleep
        .say(r#"{"type":"subscribe","id":"s","collection":"a","from":{"snapshot":true}}"#)
        .await;
    // Others are not held up meanwhile. The canary's checkpoint comes when the first write has
    // stalled and the close frame has not yet.
    let mut canary = server.websocket().await;
    canary
        .say(r#"{"type":"subscribe","id":"c","collection":"b","checkpoint_interval_ms":3000}"#)
        .await;
    canary.hear_type("checkpoint").await;
    assert_eq!(asleep.hear_close().await, 4409);
    let metrics = request(http::Method::GET, "/metrics", "");
    let metrics = server.ask_admin(metrics).await.body;
    assert!(metrics.contains("wellspring_errors_total{code=\"slow\"} 1\n"));
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_as_slow() {
    let server = TestServer::start_with(|settings| {
        settings.stalled_write_ms = Some(2000);
        settings.queue_bytes_max = Some(65_536);
    })
    .await;
    fill(&server, 40).await;
    let feed = request(http::Method::GET, "/v1/changes/a?from=snapshot", "");
    let feed = with(feed, "accept", "application/x-ndjson");
    let mut asleep = Lines::of(server.open(feed).await);
    let mut canary = server.websocket().await;
    canary
        .say(r#"{"type":"subscribe","id":"c","collection":"b","checkpoint_interval_ms":3000}"#)
        .await;
    canary.hear_type("checkpoint").await;
    let (mut token, mut last) = (None, asleep.message().await);
    while let Some(line) = asleep.next().await {
        let received = last
            .as_object()
            .and_then(|message| message.get("token"))
            .cloned();
        (token, last) = (received.or(token), parse(&line));
    }
    assert_eq!(text(&last, "code"), "slow");
    assert_eq!(number(member(&last, "details"), "stalled_ms"), 2000);
    // What was dropped unread must not count as seen: the last token is that of what was read.
    assert!(!last.as_object().unwrap().contains_key("token"));
    let token = token.expect("a part of the snapshot was read");
    let rest = server
        .get(&format!("/v1/changes/a?after={}", token.as_str().unwrap()))
        .await;
    assert!(rest.body.contains("snapshot"), "the rest of it follows");
}

#[tokio::test]
async fn a_stream_that_ends_as_slow_tells_how_far_behind_it_is() {
    let server = TestServer::start_with(|settings| {
        settings.stalled_write_ms = Some(2000);
        settings.queue_bytes_max = Some(65_536);
    })
    .await;
    fill(&server, 40).await;
    let feed = request(http::Method::GET, "/v1/changes/a?from=beginning", "");
    let feed = with(feed, "accept", "application/x-ndjson");
    let mut asleep = Lines::of(server.open(feed).await);
    let mut canary = server.websocket().await;
    canary
        .say(r#"{"type":"subscribe","id":"c","collection":"b","checkpoint_interval_ms":3000}"#)
        .await;
    canary.hear_type("checkpoint").await;
    let (mut read, mut last) = (0, asleep.message().await);
    while let Some(line) = asleep.next().await {
        if text(&last, "type") == "changes" {
            read = number(elements(&last, "commits").last().unwrap(), "seq");
        }
        last = parse(&line);
    }
    assert_eq!(text(&last, "code"), "slow");
    let behind = number(member(&last, "details"), "behind");
    // What was queued for it is lost with it, and not counted.
    assert!(behind > 0 && read + behind <= 40, "{read}, {behind}");
}

#[tokio::test]
async fn a_stream_that_is_read_slowly_loses_nothing() {
    let server = TestServer::start_with(|settings| settings.queue_bytes_max = Some(65_536)).await;
    let feed = with(
        request(http::Method::GET, "/v1/changes/a", ""),
        "accept",
        "application/x-ndjson",
    );
    let mut lines = Lines::of(server.open(feed).await);
    let first = lines.message().await;
    assert_eq!(text(&first, "type"), "subscribed");
    // More than socket and queues hold: the subscription falls back to the log.
    fill(&server, 30).await;
    let mut seen = Vec::new();
    while seen.len() < 30 {
        let message = parse(&lines.next().await.expect("the stream goes on"));
        if text(&message, "type") == "changes" {
            seen.extend(
                elements(&message, "commits")
                    .iter()
                    .map(|commit| number(commit, "seq")),
            );
        }
    }
    assert_eq!(seen, (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_grpc_stream_that_is_read_late_loses_nothing() {
    use wellspring_protocol::pb::subscribe_response::Message;
    let server = TestServer::start_with(|settings| settings.queue_bytes_max = Some(65_536)).await;
    let url = format!("http://{}", server.address());
    let channel = tonic::transport::Channel::from_shared(url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut changes = wellspring_protocol::pb::changes_client::ChangesClient::new(channel);
    let subscribe = wellspring_protocol::pb::SubscribeRequest {
        collection: "a".into(),
        ..Default::default()
    };
    let mut stream = changes.subscribe(subscribe).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    fill(&server, 30).await;
    let mut seen = Vec::new();
    while seen.len() < 30 {
        let message = stream.message().await.unwrap().unwrap().message.unwrap();
        if let Message::Changes(batch) = message {
            let commits = batch
                .commits
                .into_iter()
                .map(|commit| commit.into_commit().unwrap());
            seen.extend(commits.map(|commit| commit.seq));
        }
    }
    assert_eq!(seen, (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_http2_response_that_is_not_taken_is_reset_and_the_connection_goes_on() {
    let server = TestServer::start_with(|settings| settings.stalled_write_ms = Some(300)).await;
    fill(&server, 1).await;
    let stream = TcpStream::connect(server.address()).await.unwrap();
    // The window never opens, while the connection itself stays alive.
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::task::spawn(connection);
    let mut get = |method: &str, path: &str| {
        let uri = format!("http://localhost{path}");
        let request = http::Request::builder().method(method).uri(uri);
        sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap())
    };
    for path in [
        "/v1/documents/a/0",
        "/v1/documents/a",
        "/v1/changes/a?from=beginning",
    ] {
        let mut body = get("GET", path).await.unwrap().into_body();
        let ended = timeout(PATIENCE, body.frame()).await.expect("it is reset");
        assert!(ended.expect("more than nothing").is_err(), "{path}");
    }
    assert_eq!(
        get("HEAD", "/v1/documents/a/0").await.unwrap().status(),
        200
    );
}
