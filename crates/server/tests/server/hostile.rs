use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, TestServer, text};

/// What the server says to these bytes until it closes.
async fn answer_to(server: &TestServer, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as any.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_connection_that_does_not_finish_its_headers_is_closed() {
    let server = TestServer::start_with(|settings| settings.header_timeout_ms = Some(100)).await;
    for unfinished in [
        &b""[..],
        b"PRI * HTTP/2.0\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n",
        b"G",
    ] {
        answer_to(&server, unfinished).await;
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn headers_are_bounded() {
    let server = TestServer::start().await;
    let long = format!(
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "x".repeat(17_000)
    );
    let answer = answer_to(&server, long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = TestServer::start_with(|settings| settings.body_timeout_ms = Some(100)).await;
    let head = b"PUT /v1/documents/a/b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{";
    let answer = answer_to(&server, head).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains("deadline_exceeded"), "{answer}");
}

#[tokio::test]
async fn a_client_that_writes_too_much_before_it_reads_learns_so() {
    let server = TestServer::start().await;
    let bytes = 6 << 20;
    let mut put = format!(
        "PUT /v1/documents/a/b HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n"
    )
    .into_bytes();
    put.resize(put.len() + bytes, b' ');
    put.extend_from_slice(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answer = answer_to(&server, &put).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("HTTP/1.1 200"),
        "{answer}"
    );
}

#[tokio::test]
async fn noise_does_not_disturb_others() {
    let server = TestServer::start().await;
    let mut canary = server.websocket().await;
    canary
        .say(r#"{"type":"subscribe","id":"s","collection":"a"}"#)
        .await;
    canary.hear_type("subscribed").await;
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET /v1/documents/\xff HTTP/1.1\r\n\r\n",
        b"POST /v1/commit HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        answer_to(&server, noise).await;
    }
    server.put("/v1/documents/a/1", "{}").await;
    assert_eq!(text(&canary.hear().await, "type"), "changes");
}

#[tokio::test]
async fn connections_are_counted() {
    let server = TestServer::start_with(|settings| settings.connections_max = Some(3)).await;
    // The client of the last readiness check may still be leaving.
    let mut kept = Vec::new();
    let refused = async {
        loop {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            let asked = stream
                .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .await;
            let mut byte = [0];
            match (asked, stream.read(&mut byte).await) {
                (Ok(()), Ok(1)) => kept.push(stream),
                _ => return kept.len(),
            }
        }
    };
    let served = tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("one is refused");
    assert!(served <= 3, "{served}");
}

#[tokio::test]
async fn a_filter_is_bounded_whatever_its_operands() {
    let server = TestServer::start().await;
    let mut socket = server.websocket().await;
    let operand = "1,".repeat(100_000) + "1";
    let subscribe = format!(
        r#"{{"type":"subscribe","id":"s","collection":"a","where":{{"a":{{"ne":[{operand}]}}}}}}"#
    );
    socket.say(&subscribe).await;
    let refused = socket.hear().await;
    assert_eq!(text(&refused, "id"), "s");
    assert_eq!(text(&refused, "code"), "too_large");
    let query = format!(r#"{{"collection":"a","where":{{"a":[{operand}]}}}}"#);
    let refused = server.post("/v1/query", &query).await;
    assert_eq!(refused.problem(), (413, "too_large".into()));
    socket.say(r#"{"type":"ping","n":1}"#).await;
    assert_eq!(text(&socket.hear().await, "type"), "pong");
}
