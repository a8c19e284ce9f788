//! The transports side by side.

use http::Method;
use tonic::transport::Channel;
use wellspring_protocol::pb::SubscribeRequest;
use wellspring_protocol::pb::changes_client::ChangesClient;
use wellspring_protocol::pb::subscribe_response::Message;

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
