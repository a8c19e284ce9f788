//! Consumers: the same over every transport, acknowledged over any.

use http::Method;
use tonic::transport::Channel;
use wellspring_protocol::pb::changes_client::ChangesClient;
use wellspring_protocol::pb::consumers_client::ConsumersClient;
use wellspring_protocol::pb::subscribe_response::Message;
use wellspring_protocol::pb::{
    AcknowledgeRequest, DeleteConsumerRequest, From, ListConsumersRequest, SubscribeRequest, from,
};
use wellspring_types::Value;

use crate::support::{Lines, Socket, TestServer, elements, number, request, text, with};

async fn three_orders() -> TestServer {
    let server = TestServer::start().await;
    for id in 1..=3 {
        let path = format!("/v1/documents/orders/{id}");
        assert_eq!(server.put(&path, "{}").await.status, 201);
    }
    server
}

async fn channel(server: &TestServer) -> Channel {
    let address = format!("http://{}", server.address());
    Channel::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn take_part(server: &TestServer, fields: &str) -> Socket {
    let mut socket = server.websocket().await;
    let message = format!(
        r#"{{"type":"subscribe","id":"s","consumer":"mailer","collection":"orders","from":{{"beginning":true}}{fields}}}"#
    );
    socket.say(&message).await;
    socket
}

/// The sequences of the commits of a message.
fn sequences(changes: &Value) -> Vec<u64> {
    let commits = elements(changes, "commits").iter();
    commits.map(|commit| number(commit, "seq")).collect()
}

async fn ack(server: &TestServer, token: &str) -> (u16, u64) {
    let body = format!(r#"{{"token":"{token}"}}"#);
    let answer = server.post("/v1/ack", &body).await;
    (answer.status.as_u16(), number(&answer.json(), "seq"))
}

async fn consumers(server: &TestServer) -> Value {
    server.get("/v1/consumers").await.json()
}

#[tokio::test]
async fn a_position_goes_from_transport_to_transport() {
    let server = three_orders().await;
    // A WebSocket takes one, and acknowledges it itself.
    let mut socket = take_part(&server, r#","unacked_max":1"#).await;
    let changes = socket.hear_type("changes").await;
    assert_eq!(sequences(&changes), [1]);
    let token = text(&changes, "token");
    socket
        .say(&format!(r#"{{"type":"ack","id":"a","token":"{token}"}}"#))
        .await;
    let (mut acked, mut sent) = (None, None);
    while acked.is_none() || sent.is_none() {
        let message = socket.hear().await;
        match text(&message, "type") {
            "result" => acked = Some((text(&message, "id").to_owned(), number(&message, "seq"))),
            "changes" => sent = Some(sequences(&message)),
            _ => {}
        }
    }
    assert_eq!((acked, sent), (Some(("a".to_owned(), 1)), Some(vec![2])));
    socket.say(r#"{"type":"unsubscribe","id":"s"}"#).await;
    socket.hear_type("result").await;

    // Lines of JSON are given what was not acknowledged, and acknowledge by HTTP.
    let url = "/v1/changes/orders?consumer=mailer&unacked_max=1";
    let lines = || request(Method::GET, url, "");
    let accept = |what| with(lines(), "accept", what);
    let mut stream = Lines::of(server.open(accept("application/x-ndjson")).await);
    assert_eq!(text(&stream.message().await, "type"), "subscribed");
    let changes = stream.message().await;
    assert_eq!(sequences(&changes), [2]);
    assert_eq!(ack(&server, text(&changes, "token")).await, (200, 2));
    drop(stream);

    // An EventSource that comes back with the token of an event goes on at the server's position.
    let events = with(
        accept("text/event-stream"),
        "last-event-id",
        text(&changes, "token"),
    );
    let mut stream = Lines::of(server.open(events).await);
    let (id, subscribed) = stream.event().await;
    assert_eq!(text(&subscribed, "type"), "subscribed");
    assert_eq!(number(&subscribed, "seq"), 2);
    assert_eq!(id.as_deref(), Some(text(&subscribed, "token")));
    let (_, changes) = stream.event().await;
    assert_eq!(sequences(&changes), [3]);
    drop(stream);
}

#[tokio::test]
async fn over_grpc_a_consumer_is_the_same() {
    let server = three_orders().await;
    let channel = channel(&server).await;
    let subscribe = SubscribeRequest {
        collection: "orders".into(),
        consumer: "mailer".into(),
        from: Some(From {
            position: Some(from::Position::Beginning(true)),
        }),
        ..SubscribeRequest::default()
    };
    let subscribed = ChangesClient::new(channel.clone())
        .subscribe(subscribe)
        .await;
    let mut stream = subscribed.unwrap().into_inner();
    let token = loop {
        match stream.message().await.unwrap().unwrap().message.unwrap() {
            Message::Changes(batch) => break batch.token,
            Message::Subscribed(_) => {}
            other => panic!("{other:?}"),
        }
    };
    let mut client = ConsumersClient::new(channel);
    let acked = client.acknowledge(AcknowledgeRequest { token }).await;
    assert_eq!(acked.unwrap().into_inner().seq, 3);

    let listed = client.list_consumers(ListConsumersRequest::default()).await;
    let listed = listed.unwrap().into_inner();
    let over_http = consumers(&server).await;
    let mailer = &elements(&over_http, "consumers")[0];
    let over_grpc = &listed.consumers[0];
    assert_eq!(
        (over_grpc.name.as_str(), text(mailer, "name")),
        ("mailer", "mailer")
    );
    assert_eq!(over_grpc.collections, ["orders"]);
    assert!(over_grpc.seq >= 3 && number(mailer, "seq") >= 3);
    assert_eq!((over_grpc.subscriptions, over_grpc.unacked), (1, 0));
    let name = "mailer".to_owned();
    client
        .delete_consumer(DeleteConsumerRequest { name })
        .await
        .unwrap();
    let ended = loop {
        match stream.message().await.unwrap().unwrap().message.unwrap() {
            Message::Ended(ended) => break ended.code,
            Message::Checkpoint(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ended, "not_found");
}

#[tokio::test]
async fn what_is_listed_is_the_same_on_a_websocket_and_over_http() {
    let server = three_orders().await;
    let mut socket = take_part(&server, r#","where":{"a":1},"select":["a"],"old":true"#).await;
    socket.hear_type("subscribed").await;
    socket
        .say(r#"{"type":"consumers","id":"l","limit":5}"#)
        .await;
    let listed = socket.hear_type("result").await;
    let over_http = consumers(&server).await;
    let only = |listed: &Value| elements(listed, "consumers")[0].to_text();
    assert_eq!(only(&listed), only(&over_http));
    let told = only(&over_http);
    let begins = r#"{"name":"mailer","collections":["orders"],"where":{"a":{"eq":1}},"select":["a"],"old":true,"seq":"#;
    assert!(told.starts_with(begins), "{told}");

    socket
        .say(r#"{"type":"delete_consumer","id":"d","name":"mailer"}"#)
        .await;
    let (mut ended, mut deleted) = (None, None);
    while ended.is_none() || deleted.is_none() {
        let message = socket.hear().await;
        match text(&message, "type") {
            "ended" => ended = Some(text(&message, "code").to_owned()),
            "result" => deleted = Some(number(&message, "seq")),
            _ => {}
        }
    }
    assert_eq!(ended.as_deref(), Some("not_found"));
    assert!(elements(&consumers(&server).await, "consumers").is_empty());
    let again = request(Method::DELETE, "/v1/consumers/mailer", "");
    let again = server.send(again).await.problem();
    assert_eq!(again, (404, "not_found".into()));
}

#[tokio::test]
async fn a_consumer_that_waits_holds_no_answer_back() {
    let server = three_orders().await;
    let mut socket = take_part(&server, r#","unacked_max":1"#).await;
    let changes = socket.hear_type("changes").await;
    socket
        .say(r#"{"type":"commit","id":"c","writes":[{"op":"set","path":"orders/9","data":{}}]}"#)
        .await;
    let result = socket.hear_type("result").await;
    assert_eq!(text(&result, "id"), "c");
    assert_eq!(ack(&server, text(&changes, "token")).await, (200, 1));
    assert_eq!(sequences(&socket.hear_type("changes").await), [2]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_reason() {
    let server = three_orders().await;
    let mut socket = take_part(&server, "").await;
    socket.hear_type("changes").await;
    let mut other = take_part(&server, r#","old":true"#).await;
    let ended = other.hear_type("ended").await;
    assert_eq!(text(&ended, "code"), "precondition_failed");
    let mut other = take_part(&server, r#","conflate":true"#).await;
    let refused = other.hear_type("error").await;
    assert_eq!(text(&refused, "code"), "invalid_argument");

    let page = server.get("/v1/changes/orders?consumer=mailer").await;
    assert_eq!(page.problem(), (400, "invalid_argument".into()));
    let page = server.get("/v1/changes/orders?from=beginning").await.json();
    let plain = format!(r#"{{"token":"{}"}}"#, text(&page, "token"));
    for (body, status, code) in [
        ("{}", 400, "invalid_argument"),
        (r#"{"token":"AZ8sKwA"}"#, 400, "token_invalid"),
        (plain.as_str(), 400, "token_invalid"),
    ] {
        let refused = server.post("/v1/ack", body).await;
        assert_eq!(refused.problem(), (status, code.into()), "{body}");
    }
    for name in ["a%2Fb", "__x", "a/b"] {
        let delete = request(Method::DELETE, &format!("/v1/consumers/{name}"), "");
        let refused = server.send(delete).await.problem();
        assert_eq!(refused, (400, "invalid_argument".into()), "{name}");
    }
    assert_eq!(server.get("/v1/ack").await.status, 405);
    assert_eq!(server.post("/v1/consumers", "{}").await.status, 405);
    let reserved = server.get("/v1/documents/__consumers/mailer").await;
    assert_eq!(reserved.problem(), (400, "invalid_argument".into()));
}

#[tokio::test]
async fn one_consumer_more_than_there_may_be_is_refused_and_says_what_to_do() {
    let server = TestServer::start_with(|settings| settings.consumers_max = Some(1)).await;
    let mut mailer = take_part(&server, "").await;
    mailer.hear_type("subscribed").await;
    let mut socket = server.websocket().await;
    let other = r#"{"type":"subscribe","id":"s","consumer":"biller","collection":"orders"}"#;
    socket.say(other).await;
    let ended = socket.hear_type("ended").await;
    assert_eq!(
        (text(&ended, "code"), text(&ended, "retry")),
        ("limit_exceeded", "never")
    );
    let told = "there are 1 consumers, of at most 1: delete one that nobody needs any more, or raise the \
                setting consumers_max";
    assert_eq!(text(&ended, "message"), told);

    let subscribe = SubscribeRequest {
        collection: "orders".into(),
        consumer: "biller".into(),
        ..SubscribeRequest::default()
    };
    let channel = channel(&server).await;
    let subscribed = ChangesClient::new(channel).subscribe(subscribe).await;
    let mut stream = subscribed.unwrap().into_inner();
    match stream.message().await.unwrap().unwrap().message.unwrap() {
        Message::Ended(ended) => assert_eq!(
            (ended.code, ended.message),
            ("limit_exceeded".into(), told.into())
        ),
        other => panic!("{other:?}"),
    }

    let delete = request(Method::DELETE, "/v1/consumers/mailer", "");
    assert_eq!(server.send(delete).await.status, 200);
    socket.say(other).await;
    assert_eq!(
        text(&socket.hear_type("subscribed").await, "how"),
        "resumed"
    );
}
