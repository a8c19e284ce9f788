use http::Method;
use wellspring_types::Value;

use crate::support::{
    Answer, Lines, Socket, TestServer, elements, field, number, request, text, with,
};

async fn subscriptions(server: &TestServer, query: &str) -> Answer {
    let path = format!("/subscriptions{query}");
    server.ask_admin(request(Method::GET, &path, "")).await
}

async fn subscribe(server: &TestServer, id: &str, collection: &str) -> Socket {
    let mut socket = server.websocket().await;
    let message = format!(r#"{{"type":"subscribe","id":"{id}","collection":"{collection}"}}"#);
    socket.say(&message).await;
    socket.hear_type("subscribed").await;
    socket
}

/// Asks until the list is as it should become.
async fn until(server: &TestServer, is_there: impl Fn(&[Value]) -> bool) -> Value {
    let found = async {
        loop {
            let answer = subscriptions(server, "").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let list = answer.json();
            if is_there(elements(&list, "subscriptions")) {
                return list;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(crate::support::PATIENCE, found).await;
    found.expect("the list becomes so")
}

#[tokio::test]
async fn subscriptions_are_listed_with_whom_they_serve_and_how_they_stand() {
    let server = TestServer::start().await;
    let socket = subscribe(&server, "s", "rooms").await;
    let events = request(Method::GET, "/v1/changes/users?conflate=true", "");
    let events = Lines::of(
        server
            .open(with(events, "accept", "text/event-stream"))
            .await,
    );
    let list = until(&server, |list| list.len() == 2).await;
    assert_eq!(number(&list, "total"), 2);
    for (one, collection, transport) in [(0, "rooms", "websocket"), (1, "users", "sse")] {
        let one = &elements(&list, "subscriptions")[one];
        assert_eq!(text(one, "collections"), collection);
        assert_eq!(text(one, "transport"), transport);
        assert_eq!(text(one, "state"), "live");
        let conflate = one.as_object().unwrap().get("conflate").unwrap();
        assert_eq!(conflate.as_bool(), Some(transport == "sse"));
        let peer: std::net::SocketAddr = text(one, "peer").parse().unwrap();
        assert!(peer.ip().is_loopback());
        let numbers = ["position", "lag", "floor", "queued_bytes", "age_seconds"];
        assert!(numbers.iter().all(|name| number(one, name) < 20), "{one:?}");
    }
    drop((socket, events));
    until(&server, <[Value]>::is_empty).await;
}

#[tokio::test]
async fn the_list_begins_with_who_is_furthest_behind_and_has_an_end() {
    let server = TestServer::start_with(|settings| settings.queue_bytes_max = Some(65_536)).await;
    let mut awake = subscribe(&server, "s", "a").await;
    let lines = request(Method::GET, "/v1/changes/a", "");
    // Its body is not read, so that what is sent fills the system's buffers, and then ours.
    let _asleep = server
        .open(with(lines, "accept", "application/x-ndjson"))
        .await;
    until(&server, |list| list.len() == 2).await;
    let data = format!(r#"{{"a":"{}"}}"#, "x".repeat(900_000));
    let mut behind = 0;
    for _ in 0..60 {
        let written = server.put("/v1/documents/a/1", &data).await;
        assert!(written.status.is_success());
        awake.hear_type("changes").await;
        let list = subscriptions(&server, "?limit=1").await.json();
        assert_eq!(number(&list, "total"), 2);
        assert_eq!(elements(&list, "subscriptions").len(), 1);
        let first = &elements(&list, "subscriptions")[0];
        behind = number(first, "lag");
        if behind > 5 {
            assert_eq!(text(first, "transport"), "ndjson");
            assert_eq!(
                number(first, "position") + behind,
                number(&list, "visible"),
                "{first:?}"
            );
            break;
        }
    }
    assert!(behind > 5, "the sleeper falls behind");
}

#[tokio::test]
async fn what_is_asked_of_the_list_is_checked() {
    let server = TestServer::start().await;
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?offset=1"] {
        let refused = subscriptions(&server, query).await;
        assert_eq!(refused.problem(), (400, "invalid_argument".to_owned()));
    }
    let everything = subscriptions(&server, "?limit=1000").await;
    assert_eq!(elements(&everything.json(), "subscriptions").len(), 0);
    assert_eq!(everything.header("cache-control"), "no-store");
    assert!(field(&everything.json(), "visible").as_number().is_some());
}

#[tokio::test]
async fn the_port_for_operators_is_for_no_page_and_no_other_name() {
    let server = TestServer::start_with(|settings| {
        settings.allowed_origins = Some(vec!["https://app.example".to_owned()]);
    })
    .await;
    for path in [
        "/metrics",
        "/subscriptions",
        "/floors",
        "/log-level",
        "/healthz",
    ] {
        let mut rebound = request(Method::GET, path, "");
        let name = "evil.example:7655".parse().unwrap();
        rebound.headers_mut().insert("host", name);
        let of_a_page = request(Method::GET, path, "");
        let of_a_page = with(of_a_page, "origin", "https://app.example");
        for refused in [rebound, of_a_page] {
            let refused = server.ask_admin(refused).await;
            assert_eq!(refused.problem(), (403, "permission_denied".to_owned()));
        }
        let hidden = server.get(path).await;
        assert_eq!(hidden.status == 200, path == "/healthz", "{path}");
    }
}
