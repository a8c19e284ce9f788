use http::Method;

use crate::support::{Lines, TestServer, elements, field, number, request, text, with};

fn feed(path: &str, accept: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    with(request(Method::GET, path, ""), "accept", accept)
}

#[tokio::test]
async fn events_resume_where_the_last_event_id_says() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let response = server
        .open(feed("/v1/changes/rooms?from=snapshot", "text/event-stream"))
        .await;
    let header = |name| {
        response
            .headers()
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-store, no-transform");
    assert_eq!(header("x-accel-buffering"), "no");
    let mut events = Lines::of(response);
    let retry = events.next().await.unwrap();
    let retry: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((2000..=3000).contains(&retry));
    assert!(
        events.next().await.unwrap().starts_with(':'),
        "a comment at once"
    );
    assert_eq!(text(&events.event().await.1, "how"), "snapshot");
    let (id, snapshot) = events.event().await;
    assert_eq!(id.as_deref(), Some(text(&snapshot, "token")));
    assert_eq!(
        text(&elements(&snapshot, "documents")[0], "path"),
        "rooms/1"
    );
    let (id, current) = events.event().await;
    assert_eq!(text(&current, "type"), "current");
    drop(events);

    server.put("/v1/documents/rooms/1", r#"{"n":2}"#).await;
    let resume = feed(
        "/v1/changes/rooms?from=snapshot&old=true",
        "text/event-stream",
    );
    let resume = with(resume, "last-event-id", &id.unwrap());
    let mut events = Lines::of(server.open(resume).await);
    let (_, subscribed) = events.event().await;
    assert_eq!(text(&subscribed, "how"), "resumed");
    let (id, changes) = events.event().await;
    assert_eq!(id.as_deref(), Some(text(&changes, "token")));
    let change = &elements(&elements(&changes, "commits")[0], "changes")[0];
    assert_eq!(field(change, "data").to_text(), r#"{"n":2}"#);
    assert_eq!(field(change, "old").to_text(), r#"{"n":1}"#);
}

#[tokio::test]
async fn lines_have_the_same_messages() {
    let server = TestServer::start().await;
    let response = server
        .open(feed("/v1/changes/rooms", "application/x-ndjson"))
        .await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut lines = Lines::of(response);
    assert_eq!(text(&lines.message().await, "how"), "live");
    let put = server.put("/v1/documents/rooms/1", r#"{"n":1.50}"#).await;
    let line = lines.next().await.unwrap();
    assert!(line.contains(r#""data":{"n":1.50}"#), "{line}");
    let changes = crate::support::parse(&line);
    assert_eq!(
        number(&elements(&changes, "commits")[0], "seq"),
        number(&put.json(), "seq")
    );
}

#[tokio::test]
async fn polls_page_through_the_feed() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let page = server.get("/v1/changes/rooms?from=beginning").await;
    assert_eq!(page.status, 200, "{page:?}");
    let json = page.json();
    let changes = elements(&json, "messages")
        .iter()
        .find(|m| text(m, "type") == "changes");
    assert_eq!(elements(changes.unwrap(), "commits").len(), 1);
    assert!(!field(&json, "more").as_bool().unwrap());

    let after = |token: &str| format!("/v1/changes/rooms?after={token}");
    let empty = server.get(&after(text(&json, "token"))).await;
    let has_changes = |json: &wellspring_types::Value| {
        elements(json, "messages")
            .iter()
            .any(|message| text(message, "type") == "changes")
    };
    assert!(!has_changes(&empty.json()), "{}", empty.body);

    // A long poll ends with what happens while it waits.
    let waiting = format!("{}&wait=55s", after(text(&empty.json(), "token")));
    let (woken, _) = tokio::join!(
        server.get(&waiting),
        server.put("/v1/documents/rooms/1", r#"{"n":2}"#)
    );
    assert!(has_changes(&woken.json()), "{}", woken.body);
    let quiet = format!("{}&wait=50ms", after(text(&woken.json(), "token")));
    let quiet = server.get(&quiet).await;
    assert_eq!(quiet.status, 200);
    assert!(!has_changes(&quiet.json()));
}

#[tokio::test]
async fn refusals_that_last_keep_their_status() {
    let server = TestServer::start().await;
    for accept in [
        "text/event-stream",
        "application/x-ndjson",
        "application/json",
    ] {
        let forged = server
            .send(feed("/v1/changes/rooms?after=AAAA", accept))
            .await;
        assert_eq!(forged.problem(), (400, "token_invalid".into()), "{accept}");
        let unknown = server
            .send(feed("/v1/changes/rooms?form=now", accept))
            .await;
        assert_eq!(
            unknown.problem(),
            (400, "invalid_argument".into()),
            "{accept}"
        );
        let document = server.send(feed("/v1/changes/rooms/1", accept)).await;
        assert_eq!(
            document.problem(),
            (400, "invalid_argument".into()),
            "{accept}"
        );
    }
    let long = server.get("/v1/changes/rooms?wait=56s").await;
    assert_eq!(long.problem(), (400, "invalid_argument".into()));
}

#[tokio::test]
async fn a_quiet_event_stream_has_comments() {
    let server = TestServer::start_with(|settings| settings.heartbeat_ms = Some(20)).await;
    let mut events = Lines::of(
        server
            .open(feed("/v1/changes/rooms", "text/event-stream"))
            .await,
    );
    let mut comments = 0;
    while comments < 3 {
        comments += usize::from(events.next().await.unwrap() == ": alive");
    }
}

#[tokio::test]
async fn a_stream_says_from_where_to_go_on_when_the_server_stops() {
    let mut server = TestServer::start().await;
    let mut lines = Lines::of(
        server
            .open(feed("/v1/changes/rooms", "application/x-ndjson"))
            .await,
    );
    let token = text(&lines.message().await, "token").to_owned();
    server.tell_to_stop();
    let ended = lines.message().await;
    assert_eq!(
        (text(&ended, "type"), text(&ended, "code")),
        ("ended", "unavailable")
    );
    assert_eq!(
        (text(&ended, "retry"), text(&ended, "token")),
        ("backoff", token.as_str())
    );
    assert_eq!(lines.next().await, None);
    let directory = server.stop().await;

    let server = TestServer::start_in(directory, |_| {}).await;
    server.put("/v1/documents/rooms/1", "{}").await;
    let page = server
        .get(&format!("/v1/changes/rooms?after={token}"))
        .await;
    assert!(page.body.contains("rooms/1"), "{}", page.body);
}

#[tokio::test]
async fn an_unreadable_last_event_id_is_refused_and_not_passed_over() {
    let server = TestServer::start().await;
    for accept in ["text/event-stream", "application/x-ndjson"] {
        let mut resume = feed("/v1/changes/rooms", accept);
        let unreadable = http::HeaderValue::from_bytes(b"AZ\xff").unwrap();
        resume.headers_mut().insert("last-event-id", unreadable);
        let refused = server.send(resume).await;
        assert_eq!(refused.problem(), (400, "token_invalid".into()));
    }
}
