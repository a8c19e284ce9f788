use http::Method;

use crate::support::{TestServer, request, with};

#[tokio::test]
async fn pages_of_foreign_origins_are_refused_on_every_path() {
    let server = TestServer::start().await;
    for path in ["/v1/ws", "/v1/changes/a", "/v1/documents/a/b", "/healthz"] {
        let foreign = with(
            request(Method::GET, path, ""),
            "origin",
            "https://evil.example",
        );
        let refused = server.send(foreign).await;
        assert_eq!(
            refused.problem(),
            (403, "permission_denied".into()),
            "{path}"
        );
        assert_eq!(refused.header("access-control-allow-origin"), "");
    }
    let rebound = with(
        request(Method::GET, "/v1/documents/a", ""),
        "host",
        "evil.example",
    );
    assert_eq!(
        server.send(rebound).await.problem(),
        (403, "permission_denied".into())
    );
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_what_they_get() {
    let server = TestServer::start_with(|settings| {
        settings.allowed_origins = Some(vec!["https://app.example".into()]);
    })
    .await;
    for origin in ["https://app.example", "http://localhost:5173"] {
        let get = with(
            request(Method::GET, "/v1/documents/a", ""),
            "origin",
            origin,
        );
        let answer = server.send(get).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("vary"), "origin");
        let preflight = with(
            request(Method::OPTIONS, "/v1/documents/a/b", ""),
            "origin",
            origin,
        );
        let preflight = with(preflight, "access-control-request-method", "PUT");
        let preflight = with(preflight, "access-control-request-headers", "if-match");
        let answer = server.send(preflight).await;
        assert_eq!(answer.status, 204);
        assert!(
            answer
                .header("access-control-allow-methods")
                .contains("PUT")
        );
        assert_eq!(answer.header("access-control-allow-headers"), "if-match");
    }
}
