//! What is answered while there is no database yet, or no more.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use wellspring_engine::OpenProgress;
use wellspring_types::Sequence;

use super::client_routes;
use crate::config::{Config, Overrides, Sources};
use crate::phase::{Phase, PhaseWriter, phase};
use crate::shared::Shared;
use crate::tasks::Tasks;

struct Fixture {
    shared: Shared,
    writer: PhaseWriter,
}

fn fixture() -> Fixture {
    let overrides = Overrides {
        dev: Some(true),
        ..Overrides::default()
    };
    let config = Config::load(Sources {
        overrides,
        ..Sources::default()
    })
    .unwrap();
    let (writer, reader) = phase();
    Fixture {
        shared: Shared::new(Arc::new(config), reader, Tasks::default()),
        writer,
    }
}

impl Fixture {
    async fn get(&self, path: &str, accept: &str) -> (Response<()>, String) {
        let request = Request::get(path)
            .header("accept", accept)
            .body(Body::empty())
            .unwrap();
        let response = client_routes(self.shared.clone())
            .oneshot(request)
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            Response::from_parts(parts, ()),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }
}

#[tokio::test]
async fn readiness_tells_how_far_the_opening_has_come() {
    let fixture = fixture();
    let progress = OpenProgress::Applying {
        applied: Sequence(7),
        head: Sequence(90),
    };
    for (phase, expected) in [
        (Phase::Opening(None), r#"{"status":"opening"}"#),
        (
            Phase::Opening(Some(OpenProgress::Recovering)),
            r#"{"status":"recovering"}"#,
        ),
        (
            Phase::Opening(Some(OpenProgress::Loading {
                loaded: 256,
                documents: 1000,
            })),
            r#"{"status":"loading","loaded":256,"documents":1000}"#,
        ),
        (
            Phase::Opening(Some(progress)),
            r#"{"status":"applying","applied":7,"head":90}"#,
        ),
        (Phase::Closed, r#"{"status":"stopping"}"#),
    ] {
        fixture.writer.set(phase);
        let (response, body) = fixture.get("/readyz", "").await;
        assert_eq!(
            (response.status(), body.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, expected)
        );
        assert_eq!(fixture.get("/healthz", "").await.0.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn requests_are_unavailable_while_the_database_opens() {
    let fixture = fixture();
    for path in ["/v1/documents/a/b", "/v1/documents/a", "/v1/changes/a"] {
        let (response, body) = fixture.get(path, "").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(
            body.contains(r#""code":"unavailable","retry":"backoff""#),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_event_source_is_told_to_come_back_by_a_stream_that_ends() {
    let fixture = fixture();
    let (response, body) = fixture.get("/v1/changes/a", "text/event-stream").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(body.starts_with("retry: 1"), "{body}");
    let (response, _) = fixture.get("/v1/changes/a", "application/x-ndjson").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    // What lasts keeps its status.
    let (response, _) = fixture.get("/v1/changes/a/b", "text/event-stream").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}
