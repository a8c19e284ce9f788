//! Reads as of the past, and histories: the same over every transport.

use http::Method;
use tonic::transport::Channel;
use wellspring_protocol::error::WireError;
use wellspring_protocol::pb::documents_client::DocumentsClient;
use wellspring_protocol::pb::{
    At, GetDocumentRequest, GetHistoryRequest, ListDocumentsRequest, Op, QueryRequest, at,
};

use crate::support::{Answer, TestServer, elements, field, number, request, text, with};

/// `rooms/1` is topic 1 at sequence 1, topic 2 at 3, gone at 4 and topic 5 at 5; `rooms/2` is
/// there from 2 on.
async fn five_commits(server: &TestServer) {
    for (path, body) in [
        ("rooms/1", r#"{"topic":1}"#),
        ("rooms/2", r#"{"topic":0}"#),
        ("rooms/1", r#"{"topic":2}"#),
    ] {
        server.put(&format!("/v1/documents/{path}"), body).await;
    }
    let delete = request(Method::DELETE, "/v1/documents/rooms/1", "");
    assert_eq!(server.send(delete).await.status, 200);
    let put = request(Method::PUT, "/v1/documents/rooms/1", r#"{"topic":5}"#);
    let put = with(put, "idempotency-key", "m5");
    let put = server.send(put).await;
    assert_eq!(number(&put.json(), "seq"), 5);
}

async fn floor_at(server: &TestServer, through: u64) {
    let body = format!(r#"{{"collection":"rooms","through":{through}}}"#);
    let moved = server.ask_admin(request(Method::POST, "/floors", &body));
    assert_eq!(moved.await.status, 200);
}

fn topics(answer: &Answer) -> Vec<u64> {
    let json = answer.json();
    let topic = |document| number(field(document, "data"), "topic");
    elements(&json, "documents").iter().map(topic).collect()
}

/// Versions as `5 insert {"topic":5}`.
fn versions(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let line = |version: &wellspring_types::Value| {
        let object = version.as_object().unwrap();
        let op = object.get("op").map_or("kept", |op| op.as_str().unwrap());
        let data = object.get("data").map(ToString::to_string);
        let data = data.unwrap_or_else(|| "-".to_owned());
        format!("{} {op} {data}", number(version, "version"))
    };
    elements(&json, "versions").iter().map(line).collect()
}

#[tokio::test]
async fn over_http_documents_and_lists_are_read_at_a_sequence_a_token_and_a_time() {
    let server = TestServer::start().await;
    five_commits(&server).await;
    let at_first = server.get("/v1/documents/rooms/1?at=1").await;
    assert_eq!(
        (at_first.status.as_u16(), at_first.header("etag")),
        (200, "\"1\"")
    );
    let document = at_first.json();
    assert_eq!(number(field(&document, "data"), "topic"), 1);
    // What was there then is the same whenever it is asked for.
    let again = request(Method::GET, "/v1/documents/rooms/1?at=2", "");
    let again = with(again, "if-none-match", "\"1\"");
    assert_eq!(server.send(again).await.status, 304);
    let gone = server.get("/v1/documents/rooms/1?at=4").await;
    assert_eq!(gone.problem(), (404, "not_found".into()));

    let second = server.get("/v1/documents/rooms/1?at=3").await.json();
    let time = text(&second, "updated_at").to_owned();
    let listed = server.get("/v1/documents/rooms?at=3&order_by=-topic").await;
    assert_eq!(topics(&listed), [2, 0]);
    assert_eq!(number(&listed.json(), "seq"), 3);
    // Later commits may have the same millisecond.
    let of_time = server.get(&format!("/v1/documents/rooms?at={time}")).await;
    assert!(
        (3..=5).contains(&number(&of_time.json(), "seq")),
        "{of_time:?}"
    );

    let page = server.get("/v1/changes/rooms?from=snapshot").await.json();
    let token = text(&page, "token").to_owned();
    server.put("/v1/documents/rooms/1", r#"{"topic":6}"#).await;
    let of_token = server.get(&format!("/v1/documents/rooms?at={token}")).await;
    assert_eq!(topics(&of_token), [5, 0]);

    let query = r#"{"collection":"rooms","limit":1,"at":{"seq":3}}"#;
    let first = server.post("/v1/query", query).await;
    assert_eq!(topics(&first), [2]);
    let cursor = text(&first.json(), "cursor").to_owned();
    let next =
        format!(r#"{{"collection":"rooms","limit":1,"at":{{"seq":3}},"cursor":"{cursor}"}}"#);
    let next = server.post("/v1/query", &next).await;
    assert_eq!((topics(&next), number(&next.json(), "seq")), (vec![0], 3));
    let bare = server
        .get(&format!("/v1/documents/rooms?cursor={cursor}"))
        .await;
    assert_eq!(bare.problem(), (400, "token_invalid".into()));
}

#[tokio::test]
async fn over_http_what_cannot_be_read_says_why() {
    let server = TestServer::start().await;
    five_commits(&server).await;
    floor_at(&server, 3).await;
    let problem = async |query: &str| {
        let one = server.get(&format!("/v1/documents/rooms/1?{query}")).await;
        let all = server.get(&format!("/v1/documents/rooms?{query}")).await;
        assert_eq!(one.problem(), all.problem(), "{query}");
        (one.problem(), field(&one.json(), "details").clone())
    };
    let refused = |status, code: &str| (status, code.to_owned());
    let (ahead, details) = problem("at=7").await;
    assert_eq!(ahead, refused(400, "invalid_argument"));
    assert_eq!(number(&details, "seq"), 6);
    let (expired, details) = problem("at=2").await;
    assert_eq!(expired, refused(410, "token_expired"));
    assert_eq!(number(&details, "oldest"), 3);
    assert_eq!(
        problem("at=1970-01-01T00:00:00Z").await.0,
        refused(410, "token_expired")
    );
    let told = async |query: &str| {
        server
            .get(&format!("/v1/documents/rooms?{query}"))
            .await
            .problem()
    };
    assert_eq!(
        told("at=9999-01-01T00:00:00Z").await,
        refused(400, "invalid_argument")
    );
    assert_eq!(told("at=AZ8sWgA").await, refused(400, "token_invalid"));
    for wrong in ["at=", "at=-1", "at=4x", "at=99999999999999999999"] {
        let (status, code) = told(wrong).await;
        let known = ["invalid_argument", "token_invalid"].contains(&code.as_str());
        assert!(status == 400 && known, "{wrong}: {status} {code}");
    }
    // A write is never as of the past.
    let put = server.put("/v1/documents/rooms/1?at=5", "{}").await;
    assert_eq!(put.problem(), refused(400, "invalid_argument"));
}

#[tokio::test]
async fn over_http_a_history_is_read_page_by_page() {
    let server = TestServer::start().await;
    five_commits(&server).await;
    let expected = [
        r#"5 insert {"topic":5}"#,
        "4 delete -",
        r#"3 update {"topic":2}"#,
        r#"1 insert {"topic":1}"#,
    ];
    let whole = server.get("/v1/history/rooms/1").await;
    assert_eq!(versions(&whole), expected);
    assert_eq!(number(&whole.json(), "seq"), 5);
    assert!(!whole.body.contains("truncated") && !whole.body.contains("cursor"));
    let newest = &elements(&whole.json(), "versions")[0].clone();
    assert_eq!(text(newest, "mutation_id"), "m5");

    let first = server.get("/v1/history/rooms/1?limit=3").await;
    assert_eq!(versions(&first), expected[..3]);
    let cursor = text(&first.json(), "cursor").to_owned();
    server.put("/v1/documents/rooms/1", "{}").await;
    let rest = format!("/v1/history/rooms/1?limit=3&cursor={cursor}");
    assert_eq!(versions(&server.get(&rest).await), expected[3..]);

    floor_at(&server, 3).await;
    let kept = server.get("/v1/history/rooms/1").await;
    assert_eq!(versions(&kept)[3], r#"3 kept {"topic":2}"#);
    assert_eq!(field(&kept.json(), "truncated").as_bool(), Some(true));

    let problem = async |path: &str| server.get(path).await.problem();
    let invalid = |status| (status, "invalid_argument".to_owned());
    assert_eq!(problem("/v1/history/rooms").await, invalid(400));
    assert_eq!(problem("/v1/history/rooms/1?at=3").await, invalid(400));
    assert_eq!(problem("/v1/history/rooms/1?limit=0").await, invalid(400));
    let other = format!("/v1/history/rooms/2?cursor={cursor}");
    assert_eq!(problem(&other).await, (400, "token_invalid".into()));
    let post = server.post("/v1/history/rooms/1", "{}").await;
    assert_eq!(post.problem(), invalid(405));
    // A document may well be called so, or have such a collection.
    let put = server.put("/v1/documents/rooms/history", "{}").await;
    assert_eq!(put.status, 201);
    assert_eq!(
        versions(&server.get("/v1/history/rooms/history").await).len(),
        1
    );
}

#[tokio::test]
async fn over_a_websocket_the_past_is_read_as_over_http() {
    let server = TestServer::start().await;
    five_commits(&server).await;
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"get","id":"g","path":"rooms/1","at":{"seq":3}}"#)
        .await;
    let got = socket.hear().await;
    assert_eq!((text(&got, "id"), number(&got, "seq")), ("g", 3));
    assert_eq!(number(field(&got, "document"), "version"), 3);
    socket
        .say(r#"{"type":"query","id":"q","collection":"rooms","at":{"seq":4}}"#)
        .await;
    let found = socket.hear().await;
    assert_eq!(elements(&found, "documents").len(), 1);
    socket
        .say(r#"{"type":"history","id":"h","path":"rooms/1"}"#)
        .await;
    let history = socket.hear().await;
    assert_eq!((text(&history, "id"), number(&history, "seq")), ("h", 5));
    let over_http = server.get("/v1/history/rooms/1").await.json();
    assert_eq!(field(&history, "versions"), field(&over_http, "versions"));
    socket
        .say(r#"{"type":"get","id":"a","path":"rooms/1","at":{"seq":6}}"#)
        .await;
    let ahead = socket.hear().await;
    assert_eq!(
        (text(&ahead, "id"), text(&ahead, "code")),
        ("a", "invalid_argument")
    );
}

async fn channel(server: &TestServer) -> Channel {
    let url = format!("http://{}", server.address());
    Channel::from_shared(url).unwrap().connect().await.unwrap()
}

fn seq(seq: u64) -> Option<At> {
    Some(At {
        position: Some(at::Position::Seq(seq)),
    })
}

#[tokio::test]
async fn over_grpc_the_past_is_read_as_over_http() {
    let server = TestServer::start().await;
    five_commits(&server).await;
    let mut documents = DocumentsClient::new(channel(&server).await);
    let get = GetDocumentRequest {
        path: "rooms/1".into(),
        at: seq(3),
        ..GetDocumentRequest::default()
    };
    let got = documents.get_document(get).await.unwrap().into_inner();
    assert_eq!((got.seq, got.document.unwrap().version), (3, 3));
    let list = ListDocumentsRequest {
        collection: "rooms".into(),
        at: seq(4),
        ..ListDocumentsRequest::default()
    };
    let listed = documents.list_documents(list).await.unwrap().into_inner();
    assert_eq!((listed.seq, listed.documents.len()), (4, 1));
    let query = QueryRequest {
        collection: "rooms".into(),
        at: seq(1),
        ..QueryRequest::default()
    };
    let found = documents.query(query).await.unwrap().into_inner();
    assert_eq!((found.seq, found.documents.len()), (1, 1));
    let history = GetHistoryRequest {
        path: "rooms/1".into(),
        limit: 3,
        ..GetHistoryRequest::default()
    };
    let page = documents.get_history(history.clone()).await.unwrap();
    let page = page.into_inner();
    let ops: Vec<_> = page.versions.iter().map(|v| (v.version, v.op())).collect();
    assert_eq!(ops, [(5, Op::Insert), (4, Op::Delete), (3, Op::Update)]);
    let rest = GetHistoryRequest {
        cursor: page.cursor,
        ..history
    };
    let rest = documents.get_history(rest).await.unwrap().into_inner();
    assert_eq!((rest.versions.len(), rest.truncated), (1, false));
    assert_eq!(rest.cursor, "");

    floor_at(&server, 3).await;
    let query = QueryRequest {
        collection: "rooms".into(),
        at: seq(1),
        ..QueryRequest::default()
    };
    let expired = documents.query(query).await.unwrap_err();
    assert_eq!(expired.code(), tonic::Code::OutOfRange);
    assert_eq!(
        WireError::from_status(&expired).code.to_string(),
        "token_expired"
    );
}
