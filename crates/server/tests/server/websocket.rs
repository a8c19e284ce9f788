use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};

use crate::support::{PATIENCE, TestServer, elements, field, number, text};

#[tokio::test]
async fn hello_is_answered_by_welcome() {
    let server = TestServer::start().await;
    let mut socket = server.raw_websocket().await;
    socket.say(r#"{"type":"hello","client":"test/1"}"#).await;
    let welcome = socket.hear().await;
    assert_eq!(text(&welcome, "type"), "welcome");
    assert_eq!(text(&welcome, "epoch").len(), 8);
    assert_eq!(number(&welcome, "heartbeat_ms"), 25_000);
    assert_eq!(number(field(&welcome, "limits"), "message_bytes"), 4 << 20);
    assert_eq!(number(field(&welcome, "limits"), "subscriptions"), 128);
}

#[tokio::test]
async fn a_commit_is_answered_after_its_changes() {
    let server = TestServer::start().await;
    let mut socket = server.websocket().await;
    // What a filter or another collection hides is passed, too.
    for (id, collection, filter) in [
        ("s1", "rooms", "{}"),
        ("s2", "rooms", r#"{"n":{"gte":50}}"#),
        ("s3", "users", "{}"),
    ] {
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"{id}","collection":"{collection}","where":{filter}}}"#
        );
        socket.say(&subscribe).await;
        assert_eq!(text(&socket.hear().await, "type"), "subscribed");
    }
    for n in 0..100_u64 {
        let commit = format!(
            r#"{{"type":"commit","id":"c{n}","writes":[{{"op":"set","path":"rooms/1","data":{{"n":{n}}}}}]}}"#
        );
        socket.say(&commit).await;
        let mut seen = Vec::new();
        loop {
            let message = socket.hear().await;
            match text(&message, "type") {
                "changes" => seen.push(text(&message, "id").to_owned()),
                "result" => {
                    assert_eq!(text(&message, "id"), format!("c{n}"));
                    break;
                }
                other => assert_eq!(other, "checkpoint"),
            }
        }
        seen.sort();
        // Through the second filter the document comes into view at 50.
        let expected: &[&str] = if n < 50 { &["s1"] } else { &["s1", "s2"] };
        assert_eq!(seen, expected, "commit {n}");
    }
}

#[tokio::test]
async fn many_commits_at_once_are_all_answered() {
    let server = TestServer::start().await;
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"subscribe","id":"s","collection":"a"}"#)
        .await;
    for n in 0..200 {
        let commit = format!(
            r#"{{"type":"commit","id":"{n}","writes":[{{"op":"insert","path":"a/{n}","data":{{}}}}]}}"#
        );
        socket.say(&commit).await;
    }
    let (mut answered, mut last_seen) = (0, 0);
    while answered < 200 {
        let message = socket.hear().await;
        match text(&message, "type") {
            "result" => {
                answered += 1;
                assert!(
                    number(&message, "seq") <= last_seen,
                    "its change came first"
                );
            }
            "changes" => last_seen = number(elements(&message, "commits").last().unwrap(), "seq"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_commit_is_answered_while_snapshots_are_on_their_way() {
    let server = TestServer::start().await;
    let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000));
    for n in 0..30 {
        server.put(&format!("/v1/documents/a/{n}"), &data).await;
    }
    let mut socket = server.websocket().await;
    for id in 0..5 {
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"{id}","collection":"a","from":{{"snapshot":true}}}}"#
        );
        socket.say(&subscribe).await;
        let commit = format!(
            r#"{{"type":"commit","id":"c{id}","writes":[{{"op":"set","path":"a/new","data":{{}}}}]}}"#
        );
        socket.say(&commit).await;
    }
    let (mut answered, mut current) = (0, 0);
    while answered < 5 || current < 5 {
        match text(&socket.hear().await, "type") {
            "result" => answered += 1,
            "current" => current += 1,
            _ => {}
        }
    }
}

#[tokio::test]
async fn documents_are_read_and_queried() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"get","id":"g","path":"rooms/1"}"#)
        .await;
    let got = socket.hear().await;
    assert_eq!(text(field(&got, "document"), "path"), "rooms/1");
    socket
        .say(r#"{"type":"query","id":"q","collection":"rooms","where":{"n":1}}"#)
        .await;
    assert_eq!(elements(&socket.hear().await, "documents").len(), 1);
    socket
        .say(r#"{"type":"get","id":"none","path":"rooms/2"}"#)
        .await;
    let error = socket.hear().await;
    assert_eq!(
        (text(&error, "id"), text(&error, "code")),
        ("none", "not_found")
    );
    socket.say(r#"{"type":"ping","n":7}"#).await;
    assert_eq!(socket.hear().await.to_text(), r#"{"type":"pong","n":7}"#);
}

#[tokio::test]
async fn a_subscription_with_an_id_in_use_leaves_the_first_running() {
    let server = TestServer::start().await;
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"subscribe","id":"s","collection":"rooms"}"#)
        .await;
    assert_eq!(text(&socket.hear().await, "type"), "subscribed");
    socket
        .say(r#"{"type":"subscribe","id":"s","collection":"users"}"#)
        .await;
    let error = socket.hear().await;
    assert_eq!((text(&error, "type"), text(&error, "id")), ("error", "s"));
    server.put("/v1/documents/rooms/1", "{}").await;
    assert_eq!(text(&socket.hear().await, "type"), "changes");

    socket.say(r#"{"type":"unsubscribe","id":"s"}"#).await;
    assert_eq!(text(&socket.hear().await, "type"), "result");
    socket.say(r#"{"type":"unsubscribe","id":"s"}"#).await;
    assert_eq!(text(&socket.hear().await, "code"), "not_found");
    // The id is free again, and the old subscription is silent.
    socket
        .say(r#"{"type":"subscribe","id":"s","collection":"users"}"#)
        .await;
    assert_eq!(text(&socket.hear().await, "type"), "subscribed");
    server.put("/v1/documents/rooms/1", "{}").await;
    server.put("/v1/documents/users/1", "{}").await;
    let changes = socket.hear().await;
    assert!(
        changes.to_text().contains("users/1"),
        "{}",
        changes.to_text()
    );
}

#[tokio::test]
async fn subscriptions_of_a_connection_are_counted() {
    let server = TestServer::start_with(|settings| settings.subscriptions_max = Some(2)).await;
    let mut socket = server.websocket().await;
    for (id, kind) in [("1", "subscribed"), ("2", "subscribed"), ("3", "error")] {
        socket
            .say(&format!(
                r#"{{"type":"subscribe","id":"{id}","collection":"a"}}"#
            ))
            .await;
        assert_eq!(text(&socket.hear().await, "type"), kind);
    }
}

#[tokio::test]
async fn a_connection_survives_a_bad_request() {
    let server = TestServer::start().await;
    let mut socket = server.websocket().await;
    for (bad, id, code) in [
        ("{", None, "invalid_argument"),
        (
            r#"{"type":"nonsense","id":"x"}"#,
            Some("x"),
            "invalid_argument",
        ),
        (
            r#"{"type":"get","id":"x","path":"rooms"}"#,
            Some("x"),
            "invalid_argument",
        ),
        (
            r#"{"type":"get","id":"x","path":"a/b","ful":1}"#,
            Some("x"),
            "invalid_argument",
        ),
        (
            r#"{"type":"get","id":"x","id":"y","path":"a/b"}"#,
            Some("x"),
            "duplicate_key",
        ),
        (
            r#"{"type":"subscribe","id":"x","collection":"a","from":{"token":"no"}}"#,
            Some("x"),
            "token_invalid",
        ),
    ] {
        socket.say(bad).await;
        let error = socket.hear().await;
        assert_eq!(
            (text(&error, "type"), text(&error, "code")),
            ("error", code),
            "{bad}"
        );
        let told = error
            .as_object()
            .unwrap()
            .get("id")
            .and_then(|id| id.as_str());
        assert_eq!(told, id, "{bad}");
    }
    socket.say(r#"{"type":"ping","n":1}"#).await;
    assert_eq!(text(&socket.hear().await, "type"), "pong");
}

#[tokio::test]
async fn breaking_the_protocol_closes_with_its_code() {
    let server = TestServer::start_with(|settings| settings.hello_timeout_ms = Some(50)).await;
    let mut silent = server.raw_websocket().await;
    assert_eq!(silent.hear_close().await, 4408);

    let mut rude = server.raw_websocket().await;
    rude.say(r#"{"type":"ping","n":1}"#).await;
    assert_eq!(rude.hear_close().await, 4400);

    let mut bytes = server.raw_websocket().await;
    futures_util::SinkExt::send(&mut bytes.0, Message::binary(vec![1]))
        .await
        .unwrap();
    assert_eq!(bytes.hear_close().await, 4400);

    let mut twice = server.websocket().await;
    twice.say(r#"{"type":"hello"}"#).await;
    assert_eq!(twice.hear_close().await, 4400);

    let mut binary = server.websocket().await;
    futures_util::SinkExt::send(&mut binary.0, Message::binary(vec![1]))
        .await
        .unwrap();
    assert_eq!(binary.hear_close().await, 4400);

    let mut large = server.websocket().await;
    let message = Message::text("x".repeat((4 << 20) + 1));
    // The server may close before it has taken all of it.
    let _ = futures_util::SinkExt::send(&mut large.0, message).await;
    assert_eq!(large.hear_close().await, 1009);
}

#[tokio::test]
async fn an_unknown_subprotocol_is_refused_and_ours_is_chosen() {
    let server = TestServer::start().await;
    let connect = async |offer: &str| {
        let mut request = format!("ws://{}/v1/ws", server.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", offer.parse().unwrap());
        connect_async(request).await
    };
    match connect("wellspring.v9.json").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
    let (_socket, response) = connect("wellspring.v9.json, wellspring.v1.json")
        .await
        .unwrap();
    assert_eq!(
        response.headers()["sec-websocket-protocol"],
        "wellspring.v1.json"
    );
}

#[tokio::test]
async fn a_connection_that_answers_pings_lives_and_one_that_does_not_is_dead() {
    let server = TestServer::start_with(|settings| {
        settings.heartbeat_ms = Some(30);
        settings.dead_after_ms = Some(150);
    })
    .await;
    let mut alive = server.websocket().await;
    alive
        .say(r#"{"type":"subscribe","id":"s","collection":"a","checkpoint_interval_ms":400}"#)
        .await;
    // Reading answers pings.
    alive.hear_type("checkpoint").await;

    // This one reads bytes and answers nothing.
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    silent.write_all(HANDSHAKE).await.unwrap();
    silent
        .write_all(&masked(r#"{"type":"hello"}"#))
        .await
        .unwrap();
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut heard)).await;
    read.expect("the server closes").unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert!(
        heard.contains("welcome") && heard.contains("closing"),
        "{heard}"
    );
}

const HANDSHAKE: &[u8] = b"GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A short text frame, masked with zeros.
fn masked(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[tokio::test]
async fn clients_are_told_that_the_server_stops() {
    let mut server = TestServer::start().await;
    let mut socket = server.websocket().await;
    server.tell_to_stop();
    let closing = socket.hear_type("closing").await;
    assert_eq!(
        (text(&closing, "code"), text(&closing, "retry")),
        ("unavailable", "backoff")
    );
    assert!(number(&closing, "after_ms") > 0);
    assert_eq!(socket.hear_close().await, 4500);
    server.stop().await;
}

#[tokio::test]
async fn every_subscription_of_a_connection_is_told_of_quiet_times() {
    const SUBSCRIPTIONS: usize = 300;
    let server = TestServer::start_with(|settings| settings.subscriptions_max = Some(300)).await;
    let mut socket = server.websocket().await;
    for id in 0..SUBSCRIPTIONS {
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"{id}","collection":"a","checkpoint_interval_ms":100}}"#
        );
        socket.say(&subscribe).await;
    }
    let mut told = std::collections::HashSet::new();
    while told.len() < SUBSCRIPTIONS {
        let checkpoint = socket.hear_type("checkpoint").await;
        told.insert(text(&checkpoint, "id").to_owned());
    }
    server.put("/v1/documents/a/1", "{}").await;
    let mut changed = std::collections::HashSet::new();
    while changed.len() < SUBSCRIPTIONS {
        let changes = socket.hear_type("changes").await;
        assert!(changed.insert(text(&changes, "id").to_owned()));
    }
}
