//! Commits and reads, with a server that fails them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the clippy settings for tests do not reach the helpers of integration tests"
)]

mod fake;

use std::time::Duration;

use fake::{FakeServer, WELCOME, data, patiently, text_of};
use wellspring_client::types::write::{CommitRequest, Write};
use wellspring_client::{Client, Code, ConnectError, RequestError, Retry};

fn write() -> CommitRequest {
    CommitRequest::of(vec![Write::set("rooms/1".parse().unwrap(), data("{}"))])
}

#[tokio::test]
async fn a_commit_is_sent_again_with_the_same_mutation_id_after_a_lost_connection() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let play = async {
        let first = peer.expect("commit").await;
        drop(peer);
        let mut peer = server.welcome().await;
        let second = peer.expect("commit").await;
        peer.accept_commit(&text_of(&second, "id"), 7).await;
        (
            text_of(&first, "mutation_id"),
            text_of(&second, "mutation_id"),
            peer,
        )
    };
    let (result, (first, second, _peer)) = tokio::join!(patiently(client.commit(write())), play);
    assert_eq!(result.unwrap().seq.0, 7);
    assert_eq!(first, second);
    assert_eq!(first.len(), 32, "16 random bytes: {first}");
}

#[tokio::test]
async fn a_mutation_id_of_the_callers_own_is_kept() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let request = CommitRequest {
        mutation_id: Some("mine".parse().unwrap()),
        ..write()
    };
    let play = async {
        let commit = peer.expect("commit").await;
        assert_eq!(text_of(&commit, "mutation_id"), "mine");
        peer.accept_commit(&text_of(&commit, "id"), 7).await;
    };
    tokio::join!(patiently(client.commit(request)), play)
        .0
        .unwrap();
}

#[tokio::test]
async fn a_refusal_that_passes_is_tried_again_and_one_that_lasts_is_returned() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let play = async {
        let id = text_of(&peer.expect("commit").await, "id");
        peer.send_to(&id, r#"{"type":"error","id":"ID","code":"unavailable","message":"sync failed","retry":"backoff"}"#).await;
        let id = text_of(&peer.expect("commit").await, "id");
        peer.send_to(&id, r#"{"type":"error","id":"ID","code":"conflict","message":"rooms/1 changed","retry":"now"}"#).await;
    };
    let error = tokio::join!(patiently(client.commit(write())), play)
        .0
        .unwrap_err();
    assert_eq!(
        (error.code(), error.retry()),
        (Some(Code::Conflict), Retry::Now)
    );
    assert_eq!(error.to_string(), "rooms/1 changed");
}

#[tokio::test]
async fn a_commit_without_an_answer_times_out_and_tells_its_mutation_id() {
    let server = FakeServer::start().await;
    let builder = server.client().request_timeout(Duration::from_millis(50));
    let (client, mut peer) = server.connected(builder).await;
    let (result, commit) = tokio::join!(patiently(client.commit(write())), async {
        peer.expect("commit").await
    });
    let Err(RequestError::TimedOut {
        mutation_id: Some(mutation_id),
        ..
    }) = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(mutation_id.as_str(), text_of(&commit, "mutation_id"));
}

#[tokio::test]
async fn while_a_server_is_away_a_request_waits_no_longer_than_its_timeout() {
    let server = FakeServer::start().await;
    let builder = server.client().request_timeout(Duration::from_millis(50));
    let (client, peer) = server.connected(builder).await;
    drop((peer, server));
    let result = patiently(client.commit(write())).await;
    assert!(
        matches!(result, Err(RequestError::TimedOut { .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_document_that_is_not_there_is_none() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let play = async {
        let get = peer.expect("get").await;
        assert_eq!(text_of(&get, "path"), "rooms/1");
        peer.send_to(
            &text_of(&get, "id"),
            r#"{"type":"error","id":"ID","code":"not_found","message":"absent","retry":"never"}"#,
        )
        .await;
    };
    let got = tokio::join!(patiently(client.get("rooms/1".parse().unwrap())), play).0;
    assert_eq!(got.unwrap(), None);
}

#[tokio::test]
async fn a_request_larger_than_a_server_takes_is_not_sent() {
    let server = FakeServer::start().await;
    let (client, _peer) = server.connected(server.client()).await;
    let large = data(&format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 19)));
    let set = |n: usize| Write::set(format!("rooms/{n}").parse().unwrap(), large.clone());
    let result = client
        .commit(CommitRequest::of((0..9).map(set).collect()))
        .await;
    assert!(
        matches!(result, Err(RequestError::TooLarge { .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn many_commits_are_in_flight_at_once() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let play = async {
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(text_of(&peer.expect("commit").await, "id"));
        }
        for (id, seq) in ids.iter().rev().zip(1..) {
            peer.accept_commit(id, seq).await;
        }
    };
    let commit = || patiently(client.commit(write()));
    let (first, second, third, ()) = tokio::join!(commit(), commit(), commit(), play);
    let seq =
        |result: Result<wellspring_client::types::write::CommitResult, _>| result.unwrap().seq.0;
    assert_eq!([seq(first), seq(second), seq(third)], [3, 2, 1]);
}

#[tokio::test]
async fn a_server_that_refuses_the_hello_is_not_asked_again() {
    const REFUSAL: &str =
        r#"{"type":"error","code":"unauthenticated","message":"who are you?","retry":"reauth"}"#;
    let server = FakeServer::start().await;
    let refuse = async {
        let mut peer = server.accept().await;
        peer.expect("hello").await;
        peer.send(REFUSAL).await;
        peer
    };
    let (refused, _peer) = tokio::join!(server.client().connect(), refuse);
    assert!(
        matches!(refused, Err(ConnectError::Refused(error)) if error.code == Code::Unauthenticated)
    );

    let (client, peer) = server.connected(server.client()).await;
    drop(peer);
    let refuse = async {
        let mut peer = server.accept().await;
        peer.expect("hello").await;
        peer.send(REFUSAL).await;
        peer
    };
    let (result, _peer) = tokio::join!(patiently(client.commit(write())), refuse);
    assert_eq!(result.unwrap_err().code(), Some(Code::Unauthenticated));
    let again = patiently(client.commit(write())).await;
    assert_eq!(again.unwrap_err().code(), Some(Code::Unauthenticated));
}

#[tokio::test]
async fn credentials_and_the_clients_name_are_in_the_hello() {
    let server = FakeServer::start().await;
    let greet = async {
        let mut peer = server.accept().await;
        let hello = peer.expect("hello").await;
        peer.send(WELCOME).await;
        (hello, peer)
    };
    let (client, (hello, _peer)) =
        tokio::join!(server.client().access_token("secret").connect(), greet);
    client.unwrap();
    assert_eq!(
        (text_of(&hello, "access_token"), text_of(&hello, "client")),
        ("secret".into(), "test/1".into())
    );
}

#[tokio::test]
async fn an_address_where_nobody_listens_shows_at_once() {
    let server = FakeServer::start().await;
    let url = server.url();
    drop(server);
    let error = patiently(Client::connect(&url)).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_ready_says_so_before_any_websocket() {
    let server = FakeServer::start().await;
    let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let (refused, ()) = tokio::join!(server.client().connect(), server.answer(answer));
    assert!(
        matches!(refused, Err(ConnectError::Refused(error)) if error.code == Code::Unavailable)
    );
    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let (refused, ()) = tokio::join!(server.client().connect(), server.answer(answer));
    assert!(
        matches!(refused, Err(ConnectError::Handshake { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn closing_ends_the_connection_and_what_waits_for_it() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let close = async {
        peer.expect("commit").await;
        patiently(client.close()).await;
        peer.hung_up().await;
    };
    let (result, ()) = tokio::join!(patiently(client.commit(write())), close);
    assert!(matches!(result, Err(RequestError::Closed)), "{result:?}");
    assert!(matches!(
        patiently(client.commit(write())).await,
        Err(RequestError::Closed)
    ));
}

#[tokio::test]
async fn the_connection_ends_with_its_last_handle() {
    let server = FakeServer::start().await;
    let (client, peer) = server.connected(server.client()).await;
    let clone = client.clone();
    drop(client);
    drop(clone);
    peer.hung_up().await;
}
