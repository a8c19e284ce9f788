//! Which collections there are: the same over every transport.

use http::Method;
use tonic::transport::Channel;
use wellspring_protocol::error::WireError;
use wellspring_protocol::pb::documents_client::DocumentsClient;
use wellspring_protocol::pb::{ListCollectionsRequest, ListCollectionsResponse};
use wellspring_types::Value;

use crate::support::{TestServer, elements, field, number, request, text};

/// Four collections by sequence 5, of which one has been emptied.
async fn four_collections() -> TestServer {
    let server = TestServer::start().await;
    for path in [
        "users/ann",
        "rooms/42",
        "rooms/42/messages/1",
        "rooms/r%C3%A9/notes/1",
    ] {
        let put = server.put(&format!("/v1/documents/{path}"), "{}").await;
        assert_eq!(put.status, 201, "{path}");
    }
    let delete = request(Method::DELETE, "/v1/documents/users/ann", "");
    assert_eq!(server.send(delete).await.status, 200);
    server
}

const ALL: [&str; 4] = ["rooms", "rooms/42/messages", "rooms/ré/notes", "users"];

fn paths(answer: &Value) -> Vec<String> {
    let paths = elements(answer, "collections").iter();
    paths
        .map(|path| path.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn over_http_collections_are_listed_page_by_page() {
    let server = four_collections().await;
    let whole = server.get("/v1/collections").await;
    assert_eq!(whole.header("content-type"), "application/json");
    let whole = whole.json();
    assert_eq!(
        (paths(&whole).as_slice(), number(&whole, "seq")),
        (&ALL.map(String::from)[..], 5)
    );
    assert!(whole.as_object().unwrap().get("cursor").is_none());

    let first = server.get("/v1/collections?limit=3").await.json();
    assert_eq!(paths(&first), ALL[..3]);
    server.put("/v1/documents/a/1", "{}").await;
    let cursor = text(&first, "cursor");
    let rest = server
        .get(&format!("/v1/collections?limit=3&cursor={cursor}"))
        .await
        .json();
    assert_eq!(paths(&rest), ALL[3..]);
    assert_eq!(number(&rest, "seq"), 5, "as of the first page");

    let below = server.get("/v1/collections?below=rooms/42").await.json();
    assert_eq!(paths(&below), ALL[1..2]);
    let below = server.get("/v1/collections?below=rooms/r%C3%A9").await;
    assert_eq!(paths(&below.json()), ALL[2..3]);
    let head = request(Method::HEAD, "/v1/collections", "");
    assert_eq!(server.send(head).await.status, 200);
}

#[tokio::test]
async fn over_http_what_is_no_listing_says_why() {
    let server = four_collections().await;
    let first = server.get("/v1/collections?limit=1").await.json();
    let cursor = text(&first, "cursor");
    let other = format!("below=rooms/42&cursor={cursor}");
    for (query, code) in [
        ("limit=0", "invalid_argument"),
        ("limit=1001", "invalid_argument"),
        ("below=", "invalid_argument"),
        ("below=rooms", "invalid_argument"),
        ("below=__keys/1", "invalid_argument"),
        ("at=3", "invalid_argument"),
        ("prefix=rooms", "invalid_argument"),
        ("cursor=AZ8sWgA", "token_invalid"),
        (other.as_str(), "token_invalid"),
    ] {
        let refused = server.get(&format!("/v1/collections?{query}")).await;
        assert_eq!(refused.problem(), (400, code.into()), "{query}");
    }
    let of_documents = format!("/v1/documents/rooms?cursor={cursor}");
    let refused = server.get(&of_documents).await.problem();
    assert_eq!(refused, (400, "token_invalid".into()));
    let post = server.post("/v1/collections", "{}").await;
    assert_eq!(post.status, 405);
    let deeper = server.get("/v1/collections/rooms").await;
    assert_eq!(deeper.status, 404);
}

#[tokio::test]
async fn over_a_websocket_collections_are_listed_as_over_http() {
    let server = four_collections().await;
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"collections","id":"l","limit":3}"#)
        .await;
    let listed = socket.hear_type("result").await;
    assert_eq!(text(&listed, "id"), "l");
    let over_http = server.get("/v1/collections?limit=3").await.json();
    for same in ["seq", "collections", "cursor"] {
        assert_eq!(field(&listed, same), field(&over_http, same), "{same}");
    }
    socket
        .say(r#"{"type":"collections","id":"b","below":"rooms/42"}"#)
        .await;
    assert_eq!(paths(&socket.hear_type("result").await), ALL[1..2]);
    socket
        .say(r#"{"type":"collections","id":"w","below":"rooms"}"#)
        .await;
    let wrong = socket.hear_type("error").await;
    assert_eq!(
        (text(&wrong, "id"), text(&wrong, "code")),
        ("w", "invalid_argument")
    );
}

#[tokio::test]
async fn over_grpc_collections_are_listed_as_over_http() {
    let server = four_collections().await;
    let url = format!("http://{}", server.address());
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut documents = DocumentsClient::new(channel);
    let mut list = async |request: ListCollectionsRequest| {
        let listed = documents.list_collections(request).await;
        listed.map(tonic::Response::into_inner)
    };
    let whole = list(ListCollectionsRequest::default()).await.unwrap();
    let expected = ListCollectionsResponse {
        collections: ALL.map(String::from).to_vec(),
        seq: 5,
        cursor: String::new(),
    };
    assert_eq!(whole, expected);
    let of_three = ListCollectionsRequest {
        limit: 3,
        ..ListCollectionsRequest::default()
    };
    let first = list(of_three.clone()).await.unwrap();
    let over_http = server.get("/v1/collections?limit=3").await.json();
    assert_eq!(first.cursor, text(&over_http, "cursor"));
    let rest = ListCollectionsRequest {
        cursor: first.cursor,
        ..of_three
    };
    assert_eq!(list(rest).await.unwrap().collections, ALL[3..]);
    let below = |below: &str| ListCollectionsRequest {
        below: below.into(),
        ..ListCollectionsRequest::default()
    };
    assert_eq!(
        list(below("rooms/42")).await.unwrap().collections,
        ALL[1..2]
    );
    let wrong = list(below("rooms")).await.unwrap_err();
    assert_eq!(
        WireError::from_status(&wrong).code.to_string(),
        "invalid_argument"
    );
}
