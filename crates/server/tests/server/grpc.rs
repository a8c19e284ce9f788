use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use wellspring_protocol::error::WireError;
use wellspring_protocol::pb::changes_client::ChangesClient;
use wellspring_protocol::pb::documents_client::DocumentsClient;
use wellspring_protocol::pb::subscribe_response::Message;
use wellspring_protocol::pb::{
    CommitRequest, Content, CreateDocumentRequest, GetDocumentRequest, QueryRequest,
    SubscribeRequest, Write, WriteOp, content, from,
};

use crate::support::{PATIENCE, TestServer, number, request, with};

async fn channel(server: &TestServer) -> Channel {
    let url = format!("http://{}", server.address());
    Channel::from_shared(url).unwrap().connect().await.unwrap()
}

fn json(text: &str) -> Option<Content> {
    Some(Content {
        form: Some(content::Form::Json(text.to_owned())),
        inexact: false,
    })
}

fn set(path: &str, data: &str) -> CommitRequest {
    let write = Write {
        op: WriteOp::Set.into(),
        path: path.to_owned(),
        data: json(data),
        ..Write::default()
    };
    CommitRequest {
        writes: vec![write],
        ..CommitRequest::default()
    }
}

fn code(status: &Status) -> (Code, String) {
    (
        status.code(),
        WireError::from_status(status).code.to_string(),
    )
}

#[tokio::test]
async fn documents_are_written_and_read() {
    let server = TestServer::start().await;
    let mut documents = DocumentsClient::new(channel(&server).await);
    let committed = documents
        .commit(set("rooms/1", r#"{"n":1.50}"#))
        .await
        .unwrap()
        .into_inner();
    let get = GetDocumentRequest {
        path: "rooms/1".into(),
        ..GetDocumentRequest::default()
    };
    let got = documents
        .get_document(get)
        .await
        .unwrap()
        .into_inner()
        .document
        .unwrap();
    assert_eq!(got.version, committed.seq);
    assert_eq!(got.data, json(r#"{"n":1.50}"#));
    let create = CreateDocumentRequest {
        collection: "rooms".into(),
        data: json("{}"),
        mutation_id: "m1".into(),
        ..CreateDocumentRequest::default()
    };
    let created = documents
        .create_document(create.clone())
        .await
        .unwrap()
        .into_inner();
    let again = documents
        .create_document(create)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(created, again);
    let query = QueryRequest {
        collection: "rooms".into(),
        ..QueryRequest::default()
    };
    assert_eq!(
        documents
            .query(query)
            .await
            .unwrap()
            .into_inner()
            .documents
            .len(),
        2
    );
}

#[tokio::test]
async fn errors_carry_the_code_of_the_table() {
    let server = TestServer::start().await;
    let mut documents = DocumentsClient::new(channel(&server).await);
    let get = GetDocumentRequest {
        path: "rooms/1".into(),
        ..GetDocumentRequest::default()
    };
    let missing = documents.get_document(get).await.unwrap_err();
    assert_eq!(code(&missing), (Code::NotFound, "not_found".into()));
    let invalid = documents
        .commit(CommitRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        code(&invalid),
        (Code::InvalidArgument, "invalid_argument".into())
    );
    let large = set("rooms/1", &format!(r#"{{"a":"{}"}}"#, "x".repeat(4 << 20)));
    let large = documents.commit(large).await.unwrap_err();
    assert_eq!(code(&large), (Code::InvalidArgument, "too_large".into()));
}

#[tokio::test]
async fn statuses_of_the_library_are_replaced() {
    let server = TestServer::start().await;
    let channel = channel(&server).await;
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetDocumentRequest, GetDocumentRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/wellspring.v1.Documents/Nothing");
    let request = Request::new(GetDocumentRequest::default());
    let status = grpc.unary(request, path, codec).await.unwrap_err();
    assert!(WireError::is_in_status(&status), "{status:?}");
    assert_eq!(code(&status), (Code::Unimplemented, "unimplemented".into()));
}

#[tokio::test]
async fn a_subscription_streams_a_snapshot_and_then_changes() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let mut changes = ChangesClient::new(channel(&server).await);
    let from = wellspring_protocol::pb::From {
        position: Some(from::Position::Snapshot(true)),
    };
    let request = SubscribeRequest {
        collection: "rooms".into(),
        from: Some(from),
        ..Default::default()
    };
    let mut stream = changes.subscribe(request).await.unwrap().into_inner();
    let mut next = async || {
        let message = tokio::time::timeout(PATIENCE, stream.message())
            .await
            .expect("in time");
        message.unwrap().unwrap().message.unwrap()
    };
    assert!(matches!(next().await, Message::Subscribed(_)));
    let Message::Snapshot(snapshot) = next().await else {
        panic!("a snapshot")
    };
    assert_eq!(snapshot.documents[0].path, "rooms/1");
    assert!(matches!(next().await, Message::Current(_)));
    let put = server.put("/v1/documents/rooms/1", r#"{"n":2}"#).await;
    let Message::Changes(batch) = next().await else {
        panic!("changes")
    };
    let commit = batch.commits[0].clone().into_commit().unwrap();
    assert_eq!(commit.seq, number(&put.json(), "seq"));
    assert_eq!(commit.changes[0].data, json(r#"{"n":2}"#));
}

#[tokio::test]
async fn a_snapshot_has_only_what_differs_from_what_is_known() {
    let server = TestServer::start().await;
    for n in 1..=3 {
        server.put(&format!("/v1/documents/rooms/{n}"), "{}").await;
    }
    let mut changes = ChangesClient::new(channel(&server).await);
    let subscribe = |position, known: Option<(&str, [(&str, u64); 3])>| SubscribeRequest {
        collection: "rooms".into(),
        from: Some(wellspring_protocol::pb::From {
            position: Some(position),
        }),
        known: known.map(|(token, versions)| wellspring_protocol::pb::Known {
            token: token.into(),
            versions: versions.map(|(id, v)| (id.to_owned(), v)).into(),
        }),
        ..Default::default()
    };
    let now = subscribe(from::Position::Now(true), None);
    let mut stream = changes.subscribe(now).await.unwrap().into_inner();
    let Some(Message::Subscribed(now)) = stream.message().await.unwrap().unwrap().message else {
        panic!("subscribed")
    };
    server.put("/v1/documents/rooms/2", r#"{"n":2}"#).await;
    let body = r#"{"through":4}"#;
    let moved = crate::support::request(http::Method::POST, "/floors", body);
    assert_eq!(server.ask_admin(moved).await.status, 200);
    for (position, token) in [
        (from::Position::Token(now.token.clone()), ""),
        (from::Position::Snapshot(true), now.token.as_str()),
    ] {
        let is_reset = token.is_empty();
        let known = Some((token, [("1", 1), ("2", 2), ("9", 9)]));
        let request = subscribe(position, known);
        let mut stream = changes.subscribe(request).await.unwrap().into_inner();
        let mut next = async || stream.message().await.unwrap().unwrap().message.unwrap();
        let Message::Subscribed(subscribed) = next().await else {
            panic!("subscribed")
        };
        assert!(subscribed.known);
        if is_reset {
            assert!(matches!(next().await, Message::Reset(reset) if reset.known));
        }
        let Message::Snapshot(snapshot) = next().await else {
            panic!("a snapshot")
        };
        let paths = snapshot.documents.iter().map(|d| d.path.as_str());
        assert_eq!(paths.collect::<Vec<_>>(), ["rooms/2", "rooms/3"]);
        assert_eq!(snapshot.removed, ["rooms/9"]);
        assert!(matches!(next().await, Message::Current(_)));
    }
    let beginning = from::Position::Beginning(true);
    let request = subscribe(
        beginning,
        Some((&now.token, [("1", 1), ("2", 2), ("9", 9)])),
    );
    let status = changes.subscribe(request).await.unwrap_err();
    assert_eq!(
        code(&status),
        (Code::InvalidArgument, "invalid_argument".into())
    );
}

#[tokio::test]
async fn a_stream_ends_with_ended_and_then_the_status() {
    let mut server = TestServer::start().await;
    let mut changes = ChangesClient::new(channel(&server).await);
    let subscribe = || SubscribeRequest {
        collection: "rooms".into(),
        ..Default::default()
    };

    let mut hurried = Request::new(subscribe());
    hurried.set_timeout(Duration::from_millis(100));
    let mut stream = changes.subscribe(hurried).await.unwrap().into_inner();
    assert!(matches!(
        stream.message().await.unwrap().unwrap().message,
        Some(Message::Subscribed(_))
    ));
    let ended = stream.message().await;
    // The client keeps the deadline, too, and may be the first.
    if let Ok(ended) = ended {
        let Some(Message::Ended(ended)) = ended.unwrap().message else {
            panic!("ended")
        };
        assert_eq!(ended.code, "deadline_exceeded");
    }

    let mut stream = changes.subscribe(subscribe()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    server.tell_to_stop();
    let Some(Message::Ended(ended)) = stream.message().await.unwrap().unwrap().message else {
        panic!("ended")
    };
    assert_eq!(ended.code, "unavailable");
    assert!(!ended.token.is_empty());
    let status = stream.message().await.unwrap_err();
    assert_eq!(code(&status), (Code::Unavailable, "unavailable".into()));
    server.stop().await;
}

#[tokio::test]
async fn reflection_and_health_are_served() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let server = TestServer::start().await;
    let channel = channel(&server).await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "wellspring.v1.Changes"] {
        let check = HealthCheckRequest {
            service: service.into(),
        };
        let serving = async {
            while health
                .check(check.clone())
                .await
                .unwrap()
                .into_inner()
                .status
                != 1
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, serving)
            .await
            .expect("it serves");
    }
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let requests = futures_util::stream::iter([list]);
    let mut answers = reflection
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap());
    for service in [
        "wellspring.v1.Documents",
        "wellspring.v1.Changes",
        "grpc.health.v1.Health",
    ] {
        assert!(answer.contains(service), "{answer}");
    }
}

#[tokio::test]
async fn grpc_web_works_over_http_1() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    // A frame: not compressed, nine bytes, field 1 is the path.
    let frame = "\0\0\0\0\x09\x0a\x07rooms/1";
    let path = "/wellspring.v1.Documents/GetDocument";
    let post = |content_type| {
        let request = request(http::Method::POST, path, frame);
        with(
            with(request, "content-type", content_type),
            "origin",
            "http://localhost:3000",
        )
    };
    let answer = server.open(post("application/grpc-web+proto")).await;
    assert_eq!(answer.status(), 200);
    let exposed = answer.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(exposed.contains("grpc-status-details-bin"), "{exposed}");
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap()
        .to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(
        body.contains(r#"{"n":1}"#) && body.contains("grpc-status:0"),
        "{body}"
    );
    let refused = server.open(post("application/grpc")).await;
    assert_eq!(refused.status(), 400);
}

/// What the server says to this body of a gRPC-web request; the trailers are in it as text.
async fn answer_to(server: &TestServer, content_type: &str, body: &[u8]) -> String {
    let path = "/wellspring.v1.Documents/GetDocument";
    let mut post = with(
        request(http::Method::POST, path, ""),
        "content-type",
        content_type,
    );
    *post.body_mut() = http_body_util::Full::from(body.to_vec());
    let answer = server.open(post).await;
    let (parts, body) = answer.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap();
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    format!("{} {:?} {body}", parts.status.as_u16(), parts.headers)
}

fn framed(path_bytes: usize) -> Vec<u8> {
    let message = wellspring_protocol::pb::GetDocumentRequest {
        path: "x".repeat(path_bytes),
        ..Default::default()
    };
    let message = prost::Message::encode_to_vec(&message);
    let mut body = vec![0];
    body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&message);
    body
}

#[tokio::test]
async fn a_body_is_exactly_one_message_of_protobuf() {
    let server = TestServer::start().await;
    let sound = framed(7);
    let with_flag = |flag| [&[flag], &sound[1..]].concat();
    for (body, expected) in [
        (sound[..4].to_vec(), "grpc-status\": \"3"),
        (sound[..10].to_vec(), "grpc-status\": \"3"),
        (sound.repeat(2), "grpc-status\": \"3"),
        (with_flag(1), "grpc-status\": \"12"),
        (with_flag(2), "grpc-status\": \"3"),
    ] {
        let answer = answer_to(&server, "application/grpc-web", &body).await;
        assert!(answer.contains(expected), "{body:?}: {answer}");
    }
    for content_type in ["application/grpc-web+json", "application/grpc-webs"] {
        let answer = answer_to(&server, content_type, &sound).await;
        assert!(answer.starts_with("415 "), "{answer}");
    }
}

#[tokio::test]
async fn the_largest_message_is_as_large_as_that_of_other_transports() {
    const LIMIT: usize = wellspring_types::limits::REQUEST_BYTES_MAX;
    let server = TestServer::start().await;
    // The path's key and length are five bytes.
    let largest = answer_to(&server, "application/grpc-web", &framed(LIMIT - 5)).await;
    assert!(largest.contains("a%20path%20has%20at%20most"), "{largest}");
    let larger = answer_to(&server, "application/grpc-web", &framed(LIMIT - 4)).await;
    assert!(larger.contains("body%20has%20at%20most"), "{larger}");
}
