use crate::support::{TestServer, open, request, text};

#[tokio::test]
async fn health_is_told_on_both_ports() {
    let server = TestServer::start().await;
    for address in [server.addresses.clients, server.addresses.admin] {
        for path in ["/healthz", "/readyz"] {
            let response = open(address, request(http::Method::GET, path, "")).await;
            assert_eq!(response.status(), 200, "{path}");
        }
    }
    let ready = server.get("/readyz").await.json();
    assert_eq!(text(&ready, "status"), "ready");
    let hidden = open(
        server.addresses.admin,
        request(http::Method::GET, "/v1/documents/a", ""),
    )
    .await;
    assert_eq!(hidden.status(), 404);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_readiness_says_why() {
    let server = TestServer::start_with(|settings| settings.reserve_bytes = Some(u64::MAX)).await;
    let refused = server.put("/v1/documents/rooms/1", "{}").await;
    assert_eq!(refused.problem(), (503, "read_only".to_owned()));
    let ready = server.get("/readyz").await;
    let wanted = r#"{"status":"ready","writable":false,"reason":"disk_full"}"#;
    assert_eq!((ready.status.as_u16(), ready.body.as_str()), (200, wanted));
    assert_eq!(server.get("/v1/documents/rooms/1").await.status, 404);
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let server = TestServer::start().await;
    server.put("/v1/documents/rooms/1", r#"{"n":1}"#).await;
    let directory = server.stop().await;
    let server = TestServer::start_in(directory, |_| {}).await;
    assert!(
        server
            .get("/v1/documents/rooms/1")
            .await
            .body
            .contains(r#"{"n":1}"#)
    );
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_stays_is_cut_off_when_the_drain_is_over() {
    let mut server = TestServer::start_with(|settings| settings.drain_ms = Some(100)).await;
    // A request that is never finished keeps its connection.
    let mut stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    let head = b"PUT /v1/documents/a/b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
    tokio::io::AsyncWriteExt::write_all(&mut stream, head)
        .await
        .unwrap();
    server.get("/healthz").await;
    server.tell_to_stop();
    server.stop().await;
}

#[tokio::test]
async fn a_database_in_use_is_an_error_that_ends_the_server() {
    let server = TestServer::start().await;
    let directory = server.stop().await;
    let data = directory.path().join("data");
    let _first = TestServer::start_in(directory, |_| {}).await;
    let second = TestServer::fail_in(&data).await;
    assert!(second.contains("in use"), "{second}");
}
