//! Wellspring over its WebSocket, by `docs/protocol.md` alone.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use memchr::memmem;

use crate::document::{Stamp, Topic, document};
use crate::driver::{Driver, Subscriber, Writer};
use crate::launch::{Launch, Place};
use crate::programs::Programs;
use crate::wire::Connection;
use crate::wire::websocket::WebSocket;

/// As it is shipped. `--dev` serves whoever comes without a token and from one address as many as
/// like; of the limits only that of connections is raised, for 10,000 subscribers and a writer.
pub(crate) fn launch(programs: &Programs, place: &Place) -> Result<Launch> {
    let mut command = Command::new(programs.find("wellspring")?);
    command.args(["serve", "--dev", "--connections-max", "12000"]);
    command.args(["--listen", &place.address.to_string()]);
    command.args(["--admin", &place.second_address.to_string()]);
    command.arg("--data").arg(place.directory.join("data"));
    command.args(["--log-filter", "warn"]);
    Ok(Launch::of(command))
}

/// Speaks with a server.
#[derive(Debug)]
pub(crate) struct Wellspring {
    address: SocketAddr,
}

impl Wellspring {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(Wellspring { address })
    }

    async fn open(&self) -> Result<WebSocket> {
        let connection = Connection::open(self.address).await?;
        let mut socket = WebSocket::open(connection, "/v1/ws").await?;
        socket
            .send_text(br#"{"type":"hello","client":"race"}"#)
            .await?;
        expect(&mut socket, "welcome").await?;
        Ok(socket)
    }

    async fn follow(&self, topic: Topic, from: &str) -> Result<Box<dyn Subscriber>> {
        let filter = match topic {
            Topic::All => String::new(),
            Topic::Room(_) => format!(r#""where":{{"room":"{}"}},"#, topic.room()),
        };
        let request = format!(
            r#"{{"type":"subscribe","id":"s","collection":"docs",{filter}"from":{{"{from}":true}}}}"#
        );
        let mut socket = self.open().await?;
        socket.send_text(request.as_bytes()).await?;
        expect(&mut socket, "subscribed").await?;
        Ok(Box::new(socket))
    }
}

/// Takes the next message, which must be of this type.
async fn expect(socket: &mut WebSocket, kind: &str) -> Result<()> {
    let message = socket.text().await?;
    let wanted = format!(r#"{{"type":"{kind}""#);
    let said = String::from_utf8_lossy(&message);
    ensure!(message.starts_with(wanted.as_bytes()), "no {kind}: {said}");
    Ok(())
}

#[async_trait]
impl Driver for Wellspring {
    async fn prepare(&self) -> Result<()> {
        self.open().await.map(drop)
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(WellspringWriter(self.open().await?)))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        self.follow(topic, "now").await
    }

    async fn replay(&self) -> Result<Box<dyn Subscriber>> {
        self.follow(Topic::All, "beginning").await
    }
}

struct WellspringWriter(WebSocket);

#[async_trait]
impl Writer for WellspringWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let Stamp { writer, number, .. } = stamp;
        let message = format!(
            r#"{{"type":"commit","id":"c","writes":[{{"op":"set","path":"docs/{}-{writer}-{number}","data":{}}}]}}"#,
            topic.room(),
            document(topic, stamp)
        );
        self.0.send_text(message.as_bytes()).await?;
        let answer = self.0.text().await?;
        let is_result = memmem::find(&answer, br#""type":"result""#).is_some();
        ensure!(is_result, "answered {}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}
