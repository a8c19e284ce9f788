use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use wellspring_protocol::pb::changes_client::ChangesClient;
use wellspring_protocol::pb::documents_client::DocumentsClient;
use wellspring_protocol::pb::{GetDocumentRequest, SubscribeRequest};

use crate::support::{Lines, PATIENCE, TestServer, request, with};

/// What `/metrics` shows.
struct Shown {
    text: String,
}

impl Shown {
    async fn of(server: &TestServer) -> Shown {
        let answer = server.ask_admin(request(Method::GET, "/metrics", "")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("content-type"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
        Shown { text: answer.body }
    }

    /// Asks until the series has this value.
    async fn until(server: &TestServer, series: &str, value: u64) -> Shown {
        let mut last = None;
        let becomes = async {
            loop {
                let shown = Shown::of(server).await;
                // A series begins with its first count.
                last = shown.find(series);
                if last == Some(value) {
                    return shown;
                }
                tokio::task::yield_now().await;
            }
        };
        let became = tokio::time::timeout(PATIENCE, becomes).await;
        became.unwrap_or_else(|_| panic!("{series} should become {value}, and is {last:?}"))
    }

    /// The value of a series, as a whole number; `None` where there is no such series yet.
    fn find(&self, series: &str) -> Option<u64> {
        let value = self.text.lines().find_map(|line| {
            let value = line.strip_prefix(series)?;
            value.strip_prefix(' ')
        })?;
        let parsed = value.parse();
        Some(parsed.unwrap_or_else(|_| panic!("{series} {value}")))
    }

    fn value(&self, series: &str) -> u64 {
        let value = self.find(series);
        value.unwrap_or_else(|| panic!("no {series} in {}", self.text))
    }

    /// Every metric, as its samples are called, with its type.
    fn metrics(&self) -> BTreeMap<String, String> {
        let types = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "));
        let metrics = types.map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{suffix}"), kind.to_owned())
        });
        metrics.collect()
    }

    /// The names of all labels.
    fn labels(&self) -> BTreeSet<&str> {
        let samples = self.text.lines().filter(|line| !line.starts_with('#'));
        let labels = samples.filter_map(|line| line.split_once('{')?.1.rsplit_once('}'));
        labels
            .flat_map(|(labels, _)| labels.split(','))
            .map(|label| label.split_once('=').unwrap().0)
            .collect()
    }
}

/// The rows of the table in the documentation: name and type, what it means, what to do.
fn documented() -> BTreeMap<String, String> {
    let guide = include_str!("../../../../docs/operations.md");
    let rows = guide.lines().filter_map(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let kind = cells.next()?;
        if !["counter", "gauge", "histogram"].contains(&kind) {
            return None;
        }
        let rest: Vec<&str> = cells.collect();
        let [_labels, means, to_do, ""] = rest[..] else {
            panic!("not five cells: {line}");
        };
        assert!(!means.is_empty() && !to_do.is_empty(), "{line}");
        Some((name.to_owned(), kind.to_owned()))
    });
    rows.collect()
}

#[tokio::test]
async fn the_table_in_the_documentation_has_every_metric_and_no_other() {
    let server = TestServer::start().await;
    let shown = Shown::of(&server).await.metrics();
    assert_eq!(documented(), shown);
    let named = |name: &str| name.starts_with("wellspring_") || name.starts_with("process_");
    assert!(shown.keys().all(|name| named(name)), "{shown:?}");
}

#[tokio::test]
async fn requests_commits_and_errors_are_counted() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    server.get("/v1/documents/rooms/1").await;
    server.get("/v1/documents/rooms/absent").await;
    let again = with(
        request(Method::PUT, "/v1/documents/rooms/1", "{}"),
        "if-none-match",
        "*",
    );
    assert_eq!(server.send(again).await.status, 412);
    let shown = Shown::of(&server).await;
    let requests = |route: &str, code: &str| {
        let labels = format!(r#"transport="http",route="{route}",code="{code}""#);
        shown.value(&format!("wellspring_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("write", "ok"), 1);
    assert_eq!(requests("write", "precondition_failed"), 1);
    assert_eq!(requests("get", "ok"), 1);
    assert_eq!(requests("get", "not_found"), 1);
    let of_code = |name: &str, code: &str| shown.value(&format!(r#"{name}{{code="{code}"}}"#));
    assert_eq!(of_code("wellspring_errors_total", "not_found"), 1);
    assert_eq!(of_code("wellspring_errors_total", "internal"), 0);
    let refused = "wellspring_commits_refused_total";
    assert_eq!(of_code(refused, "precondition_failed"), 1);
    assert_eq!(shown.value("wellspring_commits_total"), 1);
    assert_eq!(shown.value("wellspring_visible_sequence"), 1);
    assert_eq!(shown.value("wellspring_group_commits_count"), 1);
    assert_eq!(
        shown.value(r#"wellspring_group_commits_bucket{le="+Inf"}"#),
        1
    );
    assert_eq!(shown.value("wellspring_log_sync_seconds_count"), 1);
    assert_eq!(
        shown.value(r#"wellspring_read_only{reason="disk_full"}"#),
        0
    );
    let seconds = r#"wellspring_request_seconds_count{transport="http",route="get"}"#;
    assert_eq!(shown.value(seconds), 2);
    assert!(shown.value("wellspring_disk_free_bytes") > 0);
    assert!(shown.value("wellspring_disk_reserve_bytes") > 0);
}

#[tokio::test]
async fn requests_on_a_websocket_are_counted_like_others() {
    let server = TestServer::start().await;
    let mut socket = server.websocket().await;
    for message in [
        r#"{"type":"subscribe","id":"s","collection":"rooms"}"#,
        r#"{"type":"subscribe","id":"s","collection":"rooms"}"#,
        r#"{"type":"get","id":"g","path":"rooms/absent"}"#,
        r#"{"type":"commit","id":"c","writes":[{"op":"delete","path":"rooms/absent"}]}"#,
        "no JSON",
        r#"{"type":"ping","n":1}"#,
    ] {
        socket.say(message).await;
    }
    socket.hear_type("pong").await;
    let failed = |route: &str, code: &str| {
        let labels = format!(r#"transport="websocket",route="{route}",code="{code}""#);
        format!("wellspring_requests_total{{{labels}}}")
    };
    let told = |code: &str| format!(r#"wellspring_errors_total{{code="{code}"}}"#);
    let refused = r#"wellspring_commits_refused_total{code="not_found"}"#;
    for (series, value) in [
        (failed("commit", "not_found"), 1),
        (failed("get", "not_found"), 1),
        (failed("subscribe", "ok"), 1),
        (failed("subscribe", "invalid_argument"), 1),
        (told("invalid_argument"), 2), // the text that is no JSON is one
        (told("not_found"), 2),
        (refused.to_owned(), 1),
    ] {
        Shown::until(&server, &series, value).await;
    }
}

#[tokio::test]
async fn grpc_requests_are_counted_by_their_method() {
    let server = TestServer::start().await;
    let url = format!("http://{}", server.address());
    let mut documents = DocumentsClient::connect(url.clone()).await.unwrap();
    let absent = GetDocumentRequest {
        path: "rooms/absent".to_owned(),
        ..GetDocumentRequest::default()
    };
    documents.get_document(absent).await.unwrap_err();
    let mut changes = ChangesClient::connect(url).await.unwrap();
    let request = SubscribeRequest {
        collection: "rooms".to_owned(),
        ..SubscribeRequest::default()
    };
    let stream = changes.subscribe(request).await.unwrap();
    let labels = r#"transport="grpc",route="get",code="not_found""#;
    let shown = Shown::of(&server).await;
    assert_eq!(
        shown.value(&format!("wellspring_requests_total{{{labels}}}")),
        1
    );
    let labels = r#"transport="grpc",route="subscribe",code="ok""#;
    assert_eq!(
        shown.value(&format!("wellspring_requests_total{{{labels}}}")),
        1
    );
    let subscribed = r#"wellspring_subscriptions{transport="grpc",state="live"}"#;
    let shown = Shown::until(&server, subscribed, 1).await;
    assert_eq!(
        shown.value(r#"wellspring_connections{protocol="http2"}"#),
        2
    );
    drop((stream, changes, documents));
    Shown::until(&server, subscribed, 0).await;
    Shown::until(&server, r#"wellspring_connections{protocol="http2"}"#, 0).await;
}

#[tokio::test]
async fn connections_and_subscriptions_come_and_go() {
    let server = TestServer::start().await;
    let websockets = r#"wellspring_connections{protocol="websocket"}"#;
    let live = r#"wellspring_subscriptions{transport="websocket",state="live"}"#;
    let events = r#"wellspring_subscriptions{transport="sse",state="live"}"#;
    let mut socket = server.websocket().await;
    socket
        .say(r#"{"type":"subscribe","id":"s","collection":"rooms"}"#)
        .await;
    socket.hear_type("subscribed").await;
    let feed = with(
        request(Method::GET, "/v1/changes/rooms", ""),
        "accept",
        "text/event-stream",
    );
    let stream = Lines::of(server.open(feed).await);
    Shown::until(&server, live, 1).await;
    let shown = Shown::until(&server, events, 1).await;
    assert_eq!(shown.value(websockets), 1);
    assert_eq!(
        shown.value(r#"wellspring_connections_accepted_total{protocol="websocket"}"#),
        1
    );
    assert!(shown.value(r#"wellspring_connections{protocol="http1"}"#) >= 1);
    assert!(shown.value(r#"wellspring_connections{protocol="admin"}"#) >= 1);
    drop((socket, stream));
    for gone in [websockets, live, events] {
        Shown::until(&server, gone, 0).await;
    }
}

#[tokio::test]
async fn a_connection_that_there_is_no_place_for_is_counted() {
    let server = TestServer::start_with(|settings| settings.connections_max = Some(4)).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let stream = tokio::net::TcpStream::connect(server.address()).await;
        held.push(stream.unwrap());
    }
    let mut last = held.pop().unwrap();
    let end = tokio::io::AsyncReadExt::read_u8(&mut last).await;
    end.unwrap_err();
    let shown = Shown::of(&server).await;
    assert!(shown.value("wellspring_connections_turned_away_total") >= 1);
}

#[tokio::test]
async fn no_label_is_made_of_what_a_client_sends() {
    let server = TestServer::start().await;
    for path in [
        "/v1/documents/canary/canary",
        "/canary",
        "/v1/changes/canary",
    ] {
        server.get(path).await;
    }
    let odd = request(Method::from_bytes(b"CANARY").unwrap(), "/canary", "");
    server.send(odd).await;
    let shown = Shown::of(&server).await;
    assert!(!shown.text.contains("canary") && !shown.text.contains("CANARY"));
    let known = [
        "code",
        "le",
        "protocol",
        "reason",
        "route",
        "state",
        "transport",
        "version",
    ];
    assert_eq!(shown.labels(), BTreeSet::from(known));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_is_shown_as_the_system_sees_it() {
    let server = TestServer::start().await;
    let shown = Shown::of(&server).await;
    assert!(shown.value("process_resident_memory_bytes") > 1 << 20);
    let open = shown.value("process_open_fds");
    assert!(
        (3..shown.value("process_max_fds")).contains(&open),
        "{open}"
    );
}
