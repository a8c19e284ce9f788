//! The transports side by side.

use http::Method;
use tonic::transport::Channel;
use wellspring_protocol::pb::changes_client::ChangesClient;
use wellspring_protocol::pb::subscribe_response::Message;
use wellspring_protocol::pb::{From, SubscribeRequest, from};
use wellspring_types::Value;

use crate::support::{Lines, TestServer, elements, number, request, text, with};

#[tokio::test]
async fn the_same_commit_has_the_same_token_everywhere() {
    let server = TestServer::start().await;
    let start = server.get("/v1/changes/rooms?from=now").await.json();
    let start = text(&start, "token").to_owned();

    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"subscribe","id":"s","collection":"rooms"}"#)
        .await;
    socket.hear_type("subscribed").await;
    let stream = |accept| {
        with(
            request(Method::GET, "/v1/changes/rooms", ""),
            "accept",
            accept,
        )
    };
    let mut events = Lines::of(server.open(stream("text/event-stream")).await);
    events.event().await;
    let mut lines = Lines::of(server.open(stream("application/x-ndjson")).await);
    lines.message().await;
    let url = format!("http://{}", server.address());
    let mut changes =
        ChangesClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap());
    let subscribe = SubscribeRequest {
        collection: "rooms".into(),
        ..Default::default()
    };
    let mut grpc = changes.subscribe(subscribe).await.unwrap().into_inner();
    grpc.message().await.unwrap();

    let seq = number(
        &server
            .put("/v1/documents/rooms/1", r#"{"n":1}"#)
            .await
            .json(),
        "seq",
    );
    let on_socket = socket.hear_type("changes").await;
    let on_events = events.event().await.1;
    let on_lines = lines.message().await;
    let page = server
        .get(&format!("/v1/changes/rooms?after={start}"))
        .await
        .json();
    let Some(Message::Changes(on_grpc)) = grpc.message().await.unwrap().unwrap().message else {
        panic!("changes")
    };

    let token = text(&on_socket, "token");
    assert_eq!(number(&elements(&on_socket, "commits")[0], "seq"), seq);
    assert_eq!(text(&on_events, "token"), token);
    assert_eq!(text(&on_lines, "token"), token);
    assert_eq!(text(&page, "token"), token);
    assert_eq!(on_grpc.token, token);
    let commits = |message| elements(message, "commits").to_vec();
    assert_eq!(commits(&on_events), commits(&on_socket));
    assert_eq!(commits(&on_lines), commits(&on_socket));
}

#[tokio::test]
async fn conflated_commits_are_the_same_everywhere() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let start = server.get("/v1/changes/rooms?from=now").await.json();
    let start = text(&start, "token").to_owned();
    server.put("/v1/documents/rooms/2", r#"{"n":2}"#).await;
    server.put("/v1/documents/rooms/1", r#"{"n":3}"#).await;
    server.put("/v1/documents/rooms/1", r#"{"n":4}"#).await;

    let mut socket = server.websocket().await;
    socket
        .say(&format!(
            r#"{{"type":"subscribe","id":"s","collection":"rooms","from":{{"token":"{start}"}},"old":true,"conflate":true}}"#
        ))
        .await;
    let on_socket = socket.hear_type("changes").await;
    let target = format!("/v1/changes/rooms?after={start}&old=true&conflate=true");
    let stream = |accept| with(request(Method::GET, &target, ""), "accept", accept);
    let mut events = Lines::of(server.open(stream("text/event-stream")).await);
    events.event().await;
    let on_events = events.event().await.1;
    let mut lines = Lines::of(server.open(stream("application/x-ndjson")).await);
    lines.message().await;
    let on_lines = lines.message().await;
    let page = server.get(&target).await.json();
    let on_page = &elements(&page, "messages")[1];
    for message in [&on_socket, &on_events, &on_lines, on_page] {
        let commits = elements(message, "commits");
        assert_eq!(commits.len(), 1);
        let commit = commits[0].to_text();
        assert!(
            commit.contains(r#""seq":4,"#) && commit.contains(r#""conflated":true"#),
            "{commit}"
        );
        let changes: Vec<_> = elements(&commits[0], "changes")
            .iter()
            .map(Value::to_text)
            .collect();
        let insert = r#"{"op":"insert","path":"rooms/2","version":2,"data":{"n":2}}"#;
        let update = r#"{"op":"update","path":"rooms/1","version":4,"data":{"n":4},"old":{"n":1}}"#;
        assert_eq!(changes, [insert, update]);
        assert_eq!(text(message, "token"), text(&on_socket, "token"));
    }

    let url = format!("http://{}", server.address());
    let mut changes =
        ChangesClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap());
    let subscribe = SubscribeRequest {
        collection: "rooms".into(),
        from: Some(From {
            position: Some(from::Position::Token(start)),
        }),
        conflate: true,
        ..Default::default()
    };
    let mut grpc = changes.subscribe(subscribe).await.unwrap().into_inner();
    grpc.message().await.unwrap();
    let Some(Message::Changes(on_grpc)) = grpc.message().await.unwrap().unwrap().message else {
        panic!("changes")
    };
    assert_eq!(on_grpc.token, text(&on_socket, "token"));
    let [commit] = <[_; 1]>::try_from(on_grpc.commits).unwrap();
    let commit = commit.into_commit().unwrap();
    let paths: Vec<_> = commit.changes.iter().map(|change| &*change.path).collect();
    assert!(
        commit.conflated && paths == ["rooms/2", "rooms/1"],
        "{commit:?}"
    );
}

#[tokio::test]
async fn several_collections_are_followed_in_one_order_everywhere() {
    let server = TestServer::start().await;
    let start = server.get("/v1/changes/rooms?from=now").await.json();
    let start = text(&start, "token").to_owned();
    server.put("/v1/documents/rooms/1", "{}").await;
    server.put("/v1/documents/teams/1", "{}").await;
    server.put("/v1/documents/rooms/1/messages/7", "{}").await;
    server.put("/v1/documents/users/1", "{}").await;

    let mut socket = server.websocket().await;
    socket
        .say(&format!(
            r#"{{"type":"subscribe","id":"s","collections":["users","rooms/**"],"from":{{"token":"{start}"}}}}"#
        ))
        .await;
    let on_socket = socket.hear_type("changes").await;
    // ["users","rooms/**"]
    let named = "%5B%22users%22%2C%22rooms%2F**%22%5D";
    let target = format!("/v1/changes?collections={named}&after={start}");
    let stream = |accept| with(request(Method::GET, &target, ""), "accept", accept);
    let mut events = Lines::of(server.open(stream("text/event-stream")).await);
    events.event().await;
    let on_events = events.event().await.1;
    let mut lines = Lines::of(server.open(stream("application/x-ndjson")).await);
    lines.message().await;
    let on_lines = lines.message().await;
    let page = server.get(&target).await.json();
    let on_page = &elements(&page, "messages")[1];
    for message in [&on_socket, &on_events, &on_lines, on_page] {
        let changes = elements(message, "commits").iter();
        let paths: Vec<_> = changes
            .map(|commit| text(&elements(commit, "changes")[0], "path").to_owned())
            .collect();
        assert_eq!(paths, ["rooms/1/messages/7", "users/1"]);
        assert_eq!(text(message, "token"), text(&on_socket, "token"));
    }

    let url = format!("http://{}", server.address());
    let mut changes =
        ChangesClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap());
    let subscribe = SubscribeRequest {
        collections: vec!["users".into(), "rooms/**".into()],
        from: Some(From {
            position: Some(from::Position::Token(start)),
        }),
        ..Default::default()
    };
    let mut grpc = changes.subscribe(subscribe).await.unwrap().into_inner();
    grpc.message().await.unwrap();
    let Some(Message::Changes(on_grpc)) = grpc.message().await.unwrap().unwrap().message else {
        panic!("changes")
    };
    assert_eq!(on_grpc.token, text(&on_socket, "token"));
    assert_eq!(on_grpc.commits.len(), 2);
}

#[tokio::test]
async fn what_names_no_collections_is_refused_by_what_is_wrong() {
    let server = TestServer::start().await;
    let refused = [
        ("/v1/changes", "a collection is required"),
        ("/v1/changes?collections=rooms", "a JSON array of strings"),
        ("/v1/changes?collections=%5B%5D", "from 1 to 16"),
        ("/v1/changes?collections=%5B%22rooms%2F1%22%5D", "rooms/1"),
        (
            "/v1/changes/rooms?collections=%5B%22users%22%5D",
            "give one of them",
        ),
    ];
    for (target, told) in refused {
        let answer = server.get(target).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_argument".into()),
            "{target}"
        );
        assert!(answer.body.contains(told), "{target}: {}", answer.body);
    }
}
