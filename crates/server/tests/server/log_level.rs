use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tracing::level_filters::LevelFilter;
use wellspring_server::config::{Config, Overrides, Sources};

use crate::support::{TestServer, request, text, with};

fn set(filter: &str) -> Request<Full<Bytes>> {
    request(Method::PUT, "/log-level", filter)
}

fn get() -> Request<Full<Bytes>> {
    request(Method::GET, "/log-level", "")
}

/// The only test that writes logs: they are the process's.
#[tokio::test]
async fn the_log_filter_is_changed_while_the_server_runs() {
    let mut overrides = Overrides::default();
    overrides.dev = Some(true);
    overrides.log_filter = Some("off".to_owned());
    let sources = Sources {
        overrides,
        ..Sources::default()
    };
    let logs = wellspring_server::write_logs(&Config::load(sources).unwrap()).unwrap();
    assert_eq!(LevelFilter::current(), LevelFilter::OFF);
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::begin_with(directory, |_| {}, |server| server.with_logs(logs)).await;

    let now = server.ask_admin(get()).await;
    assert_eq!(text(&now.json(), "filter"), "off");
    let changed = server.ask_admin(set("off,quiet=trace\n")).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(text(&changed.json(), "filter"), "off,quiet=trace");
    assert_eq!(LevelFilter::current(), LevelFilter::TRACE);

    for wrong in ["", "  ", "a=b=c", "quiet=loud", &"x".repeat(5000)] {
        let refused = server.ask_admin(set(wrong)).await;
        assert!(refused.status.is_client_error(), "{wrong:?}: {refused:?}");
    }
    let still = server.ask_admin(get()).await;
    assert_eq!(text(&still.json(), "filter"), "off,quiet=trace");
    let foreign = with(set("trace"), "origin", "https://evil.example");
    assert_eq!(server.ask_admin(foreign).await.status, 403);
    assert_eq!(server.ask_admin(set("off")).await.status, 200);
    assert_eq!(LevelFilter::current(), LevelFilter::OFF);

    let on_the_port_for_clients = server.send(get()).await;
    assert_eq!(on_the_port_for_clients.status, 404);
}

#[tokio::test]
async fn a_server_that_does_not_write_the_logs_says_so() {
    let server = TestServer::start().await;
    for request in [get(), set("info")] {
        let refused = server.ask_admin(request).await;
        assert_eq!(refused.problem(), (501, "unimplemented".to_owned()));
    }
    let method = server
        .ask_admin(request(Method::DELETE, "/log-level", ""))
        .await;
    assert_eq!(method.status, 405);
    assert_eq!(method.header("allow"), "GET, HEAD, PUT");
}
