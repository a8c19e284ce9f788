//! What is no longer offered, as operators move it and clients are told of it.

use http::Method;

use crate::support::{Answer, Lines, TestServer, elements, field, number, request, text, with};

async fn floors(server: &TestServer, query: &str) -> Answer {
    let path = format!("/floors{query}");
    server.ask_admin(request(Method::GET, &path, "")).await
}

async fn move_floor(server: &TestServer, body: &str) -> Answer {
    server
        .ask_admin(request(Method::POST, "/floors", body))
        .await
}

/// Three rooms and a token of the position after the first of them.
async fn with_token(server: &TestServer) -> String {
    let written = server.put("/v1/documents/rooms/1", "{}").await;
    assert!(written.status.is_success());
    let page = server.get("/v1/changes/rooms?from=beginning").await.json();
    for n in 2..=3 {
        server.put(&format!("/v1/documents/rooms/{n}"), "{}").await;
    }
    text(&page, "token").to_owned()
}

#[tokio::test]
async fn a_floor_is_moved_told_and_never_moved_back() {
    let server = TestServer::start().await;
    with_token(&server).await;
    let moved = move_floor(&server, r#"{"collection":"rooms","through":2}"#).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    assert_eq!(
        moved.body,
        r#"{"collection":"rooms","floor":2,"moved":true,"seq":4}"#
    );
    let moved = move_floor(&server, r#"{"through":1}"#).await;
    assert_eq!(moved.body, r#"{"floor":1,"moved":true,"seq":5}"#);
    for back in [r#"{"collection":"rooms","through":1}"#, r#"{"through":0}"#] {
        let moved = move_floor(&server, back).await.json();
        assert_eq!(field(&moved, "moved").as_bool(), Some(false));
        assert!(moved.to_text().find("seq").is_none());
    }
    let list = floors(&server, "").await;
    assert_eq!(list.header("cache-control"), "no-store");
    assert_eq!(
        list.body,
        r#"{"visible":5,"floor":1,"total":1,"collections":[{"collection":"rooms","floor":2}]}"#
    );
    let rest = floors(&server, "?after=rooms").await.json();
    assert_eq!(number(&rest, "total"), 1);
    assert_eq!(elements(&rest, "collections").len(), 0);
}

#[tokio::test]
async fn what_is_asked_of_floors_is_checked() {
    let server = TestServer::start().await;
    with_token(&server).await;
    for (body, code) in [
        (r#"{"through":99}"#, "invalid_argument"),
        (r#"{"collection":"rooms"}"#, "invalid_argument"),
        (r#"{"collection":"rooms","trough":1}"#, "invalid_argument"),
        (r#"{"through":1,"force":true}"#, "invalid_argument"),
        (r#"{"through":-1}"#, "invalid_argument"),
        (
            r#"{"collection":"rooms/1","through":1}"#,
            "invalid_argument",
        ),
        (
            r#"{"collection":"__floors","through":1}"#,
            "invalid_argument",
        ),
        (r#"{"collection":7,"through":1}"#, "invalid_argument"),
        ("[]", "invalid_argument"),
        (r#"{"collection":"never","through":1}"#, "not_found"),
    ] {
        let refused = move_floor(&server, body).await;
        assert_eq!(refused.problem().1, code, "{body}");
    }
    for query in ["?limit=0", "?limit=1001", "?offset=1", "?after=rooms/1"] {
        let refused = floors(&server, query).await;
        assert_eq!(refused.problem(), (400, "invalid_argument".to_owned()));
    }
    let untouched = floors(&server, "").await.json();
    assert_eq!(
        (number(&untouched, "visible"), number(&untouched, "floor")),
        (3, 0)
    );
    assert_eq!(
        server.get("/floors").await.status,
        404,
        "for operators alone"
    );
}

#[tokio::test]
async fn who_comes_back_from_before_a_floor_is_told_so_on_each_transport() {
    let server = TestServer::start().await;
    let token = with_token(&server).await;
    let resumed = server
        .get(&format!("/v1/changes/rooms?after={token}"))
        .await;
    assert_eq!(resumed.status, 200);
    move_floor(&server, r#"{"collection":"rooms","through":2}"#).await;

    let page = server
        .get(&format!("/v1/changes/rooms?after={token}"))
        .await;
    assert_eq!(page.problem(), (410, "token_expired".to_owned()));

    let events = request(Method::GET, "/v1/changes/rooms", "");
    let events = with(events, "accept", "text/event-stream");
    let mut events = Lines::of(server.open(with(events, "last-event-id", &token)).await);
    let (_, subscribed) = events.event().await;
    assert_eq!(text(&subscribed, "how"), "snapshot");
    let (_, reset) = events.event().await;
    assert_eq!(reset.to_text(), r#"{"type":"reset","reason":"retention"}"#);

    let mut socket = server.websocket().await;
    let subscribe = format!(
        r#"{{"type":"subscribe","id":"s","collection":"rooms","from":{{"token":"{token}"}}}}"#
    );
    socket.say(&subscribe).await;
    let subscribed = socket.hear_type("subscribed").await;
    assert_eq!(text(&subscribed, "how"), "snapshot");
    let reset = socket.hear_type("reset").await;
    assert_eq!(text(&reset, "reason"), "retention");
}

#[tokio::test]
async fn the_collection_of_floors_can_be_named_by_nobody() {
    let server = TestServer::start().await;
    with_token(&server).await;
    move_floor(&server, r#"{"collection":"rooms","through":1}"#).await;
    for path in [
        "/v1/documents/__floors/all",
        "/v1/documents/__floors",
        "/v1/changes/__floors",
    ] {
        let refused = server.get(path).await;
        assert_eq!(refused.problem(), (400, "invalid_argument".to_owned()));
    }
    let refused = server
        .put("/v1/documents/__floors/1", r#"{"through":9}"#)
        .await;
    assert_eq!(refused.problem(), (400, "invalid_argument".to_owned()));
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"query","id":"q","collection":"__floors"}"#)
        .await;
    let error = socket.hear_type("error").await;
    assert_eq!(text(&error, "code"), "invalid_argument");
}

#[tokio::test]
async fn who_says_what_it_holds_is_sent_only_what_differs() {
    let server = TestServer::start().await;
    let token = with_token(&server).await;
    server.put("/v1/documents/rooms/2", r#"{"n":2}"#).await;
    move_floor(&server, r#"{"through":4}"#).await;
    let mut socket = server.websocket().await;
    let known = r#""versions":{"1":1,"2":2,"9":9}"#;
    for (id, from, known) in [
        (
            "s1",
            format!(r#"{{"token":"{token}"}}"#),
            format!("{{{known}}}"),
        ),
        (
            "s2",
            r#"{"snapshot":true}"#.to_owned(),
            format!(r#"{{"token":"{token}",{known}}}"#),
        ),
    ] {
        socket
            .say(&format!(
                r#"{{"type":"subscribe","id":"{id}","collection":"rooms","from":{from},"known":{known}}}"#
            ))
            .await;
        let subscribed = socket.hear_type("subscribed").await;
        assert_eq!(field(&subscribed, "known").as_bool(), Some(true));
        if id == "s1" {
            let reset = socket.hear_type("reset").await;
            assert_eq!(field(&reset, "known").as_bool(), Some(true));
        }
        let snapshot = socket.hear_type("snapshot").await;
        let paths: Vec<_> = elements(&snapshot, "documents")
            .iter()
            .map(|document| text(document, "path"))
            .collect();
        assert_eq!(paths, ["rooms/2", "rooms/3"]);
        let removed = elements(&snapshot, "removed").iter();
        let removed: Vec<_> = removed.filter_map(|path| path.as_str()).collect();
        assert_eq!(removed, ["rooms/9"]);
        socket.hear_type("current").await;
    }
    // A snapshot needs the token that says which history the versions are of.
    socket
        .say(&format!(
            r#"{{"type":"subscribe","id":"s3","collection":"rooms","from":{{"snapshot":true}},"known":{{{known}}}}}"#
        ))
        .await;
    let error = socket.hear_type("error").await;
    assert_eq!(text(&error, "code"), "invalid_argument");
    // It does not fit into a URL.
    let refused = server.get("/v1/changes/rooms?from=snapshot&known=1").await;
    assert_eq!(refused.problem(), (501, "unimplemented".to_owned()));
}
