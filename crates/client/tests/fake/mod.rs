//! A server that says what a test tells it to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the clippy settings for tests do not reach the helpers of integration tests"
)]
#![allow(dead_code, reason = "each test binary uses its own part of the helper")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use wellspring_client::types::{Data, Object, Value, json};
use wellspring_client::{BackoffPolicy, ChangeEvent, Changes, Client, ClientBuilder};

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const WELCOME: &str = r#"{"type":"welcome","session":"s","epoch":"0000000a","seq":5,"heartbeat_ms":25000,"features":[],"limits":{"message_bytes":4194304,"subscriptions":128}}"#;

pub(crate) struct FakeServer {
    listener: TcpListener,
}

/// One client's connection.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
}

impl FakeServer {
    pub(crate) async fn start() -> FakeServer {
        FakeServer {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// A client whose waits are short.
    pub(crate) fn client(&self) -> ClientBuilder {
        let policy = BackoffPolicy {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(4),
        };
        Client::builder(&self.url())
            .backoff(policy)
            .client_name("test/1")
    }

    /// The next connection, before its hello.
    pub(crate) async fn accept(&self) -> Peer {
        let (tcp, _) = patiently(self.listener.accept()).await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let choose = |request: &Request, mut response: Response| {
            let offered = request.headers()["sec-websocket-protocol"].clone();
            assert_eq!(request.uri().path(), "/v1/ws");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", offered);
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(tcp, choose)
            .await
            .unwrap();
        Peer { socket }
    }

    /// Answers the next connection's request with this text.
    pub(crate) async fn answer(&self, response: &str) {
        let (mut tcp, _) = patiently(self.listener.accept()).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            patiently(tcp.read_buf(&mut request)).await.unwrap();
        }
        tcp.write_all(response.as_bytes()).await.unwrap();
        // Reading on until the client hangs up keeps the answer from being reset.
        patiently(tcp.read_buf(&mut request)).await.ok();
    }

    /// The next connection, welcomed.
    pub(crate) async fn welcome(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.expect("hello").await;
        peer.send(WELCOME).await;
        peer
    }

    /// A client and its first connection.
    pub(crate) async fn connected(&self, builder: ClientBuilder) -> (Client, Peer) {
        let (client, peer) = tokio::join!(builder.connect(), self.welcome());
        (client.unwrap(), peer)
    }
}

impl Peer {
    /// The next message, which must be of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Object {
        let message = self.receive().await;
        assert_eq!(text_of(&message, "type"), kind);
        message
    }

    /// The next message, which must be of this type; `None` for an `unsubscribe`.
    pub(crate) async fn expect_or_unsubscribe(&mut self, kind: &str) -> Option<Object> {
        let message = self.receive().await;
        let found = text_of(&message, "type");
        assert!([kind, "unsubscribe"].contains(&found.as_str()), "{found}");
        (found == kind).then_some(message)
    }

    async fn receive(&mut self) -> Object {
        loop {
            let received = patiently(self.socket.next())
                .await
                .expect("the client hung up");
            if let Message::Text(text) = received.unwrap() {
                match json::parse_message(text.as_bytes()) {
                    Ok(Value::Object(message)) => return message,
                    other => panic!("{other:?} is not an object: {text}"),
                }
            }
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends a message whose `ID` is replaced.
    pub(crate) async fn send_to(&mut self, id: &str, text: &str) {
        self.send(&text.replace("ID", id)).await;
    }

    /// Answers a commit.
    pub(crate) async fn accept_commit(&mut self, id: &str, seq: u64) {
        let text = format!(
            r#"{{"type":"result","id":"{id}","seq":{seq},"time":"2026-11-24T09:00:00.000Z","paths":["rooms/1"]}}"#
        );
        self.send(&text).await;
    }

    /// Waits until the client hangs up.
    pub(crate) async fn hung_up(mut self) {
        while let Some(Ok(_)) = patiently(self.socket.next()).await {}
    }
}

pub(crate) async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

pub(crate) fn text_of(message: &Object, field: &str) -> String {
    match message.get(field) {
        Some(Value::String(text)) => text.to_string(),
        other => panic!("{field} is {other:?}"),
    }
}

/// The `from` of a `subscribe`, as JSON.
pub(crate) fn from_of(message: &Object) -> String {
    message.get("from").map_or_else(String::new, Value::to_text)
}

pub(crate) fn data(text: &str) -> Data {
    Data::parse(text.as_bytes()).unwrap()
}

pub(crate) async fn next(changes: &mut Changes) -> ChangeEvent {
    patiently(changes.next())
        .await
        .expect("the feed ended")
        .unwrap()
}

/// A short form of an event, for comparisons.
pub(crate) fn show(event: &ChangeEvent) -> String {
    let token = event
        .token()
        .map(|token| format!(" @{token}"))
        .unwrap_or_default();
    match event {
        ChangeEvent::Snapshot(snapshot) => {
            let paths: Vec<_> = snapshot
                .documents
                .iter()
                .map(|d| format!("{}={}", d.path, d.data.as_str()))
                .collect();
            format!("snapshot {} [{}]{token}", snapshot.seq, paths.join(" "))
        }
        ChangeEvent::Commit(commit) => {
            let paths: Vec<_> = commit.changes.iter().map(|c| c.path.to_string()).collect();
            format!("commit {} [{}]{token}", commit.seq, paths.join(" "))
        }
        ChangeEvent::Checkpoint { seq, .. } => format!("checkpoint {seq}{token}"),
        ChangeEvent::Reset {
            reason,
            known: true,
        } => format!("reset {reason:?}, known"),
        ChangeEvent::Reset { reason, .. } => format!("reset {reason:?}"),
        ChangeEvent::Differences(differences) => {
            let documents = differences.documents.iter();
            let documents: Vec<_> = documents.map(|d| d.path.as_str()).collect();
            let removed: Vec<_> = differences.removed.iter().map(|p| p.as_str()).collect();
            let seq = differences.seq;
            format!("differences {documents:?} {removed:?} at {seq}")
        }
        _ => "something new".to_owned(),
    }
}
