//! NATS: core publish and subscribe, which stores nothing, and JetStream on disk.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use bytes::BytesMut;
use memchr::memmem;
use serde_json::{Value, json};

use crate::document::{Event, Stamp, Topic, document, scan};
use crate::driver::{Driver, Subscriber, Writer};
use crate::launch::{Launch, Place};
use crate::programs::Programs;
use crate::wire::Connection;

const STREAM: &str = "DOCS";
const EVERYTHING: &str = "docs.>";

fn launch(programs: &Programs, place: &Place, store: &str) -> Result<Launch> {
    let configuration = place.directory.join("nats.conf");
    std::fs::write(
        &configuration,
        format!("listen: \"{}\"\n{store}", place.address),
    )?;
    let mut command = Command::new(programs.find("nats-server")?);
    command.arg("--config").arg(configuration);
    Ok(Launch::of(command))
}

fn jetstream(place: &Place, sync: &str) -> String {
    let directory = place.directory.join("jetstream");
    format!(
        "jetstream {{ store_dir: \"{}\"\n{sync} }}\n",
        directory.display()
    )
}

pub(crate) fn launch_core(programs: &Programs, place: &Place) -> Result<Launch> {
    launch(programs, place, "")
}

pub(crate) fn launch_default(programs: &Programs, place: &Place) -> Result<Launch> {
    launch(programs, place, &jetstream(place, ""))
}

pub(crate) fn launch_always(programs: &Programs, place: &Place) -> Result<Launch> {
    launch(programs, place, &jetstream(place, "sync_interval: always"))
}

fn subject(topic: Topic) -> String {
    format!("docs.{}", topic.room())
}

/// What a subscriber to the topic wants.
fn wanted(topic: Topic) -> String {
    match topic {
        Topic::All => EVERYTHING.to_owned(),
        Topic::Room(_) => subject(topic),
    }
}

/// A subject that nobody else listens to.
fn inbox() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("_INBOX.race{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A connection that has subscribed to one subject; the server has seen it.
async fn open(address: SocketAddr, subject: &str) -> Result<Connection> {
    let mut connection = Connection::open(address).await?;
    let hello =
        format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
    connection.send(hello.as_bytes()).await?;
    connection.take_until(b"PONG\r\n").await?;
    Ok(connection)
}

/// Takes lines until one that is not a ping, which is answered.
async fn line(connection: &mut Connection) -> Result<BytesMut> {
    loop {
        let line = connection.take_until(b"\r\n").await?;
        if line != b"PING\r\n"[..] {
            let said = String::from_utf8_lossy(&line);
            ensure!(!line.starts_with(b"-ERR"), "answered {said}");
            return Ok(line);
        }
        connection.send(b"PONG\r\n").await?;
    }
}

/// Publishes with `inbox`, which the connection has subscribed to, as where to answer; the answer.
async fn request(
    connection: &mut Connection,
    inbox: &str,
    subject: &str,
    body: &str,
) -> Result<BytesMut> {
    let message = format!("PUB {subject} {inbox} {}\r\n{body}\r\n", body.len());
    connection.send(message.as_bytes()).await?;
    let line = line(connection).await?;
    let text = std::str::from_utf8(&line)?.trim_end();
    ensure!(text.starts_with("MSG "), "answered {text}");
    let length: usize = text.rsplit(' ').next().unwrap_or("").parse()?;
    connection.take(length + b"\r\n".len()).await
}

/// A connection on which only messages of its subscription come, and pings.
struct Messages(Connection);

#[async_trait]
impl Subscriber for Messages {
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let Messages(connection) = self;
        connection.fill().await?;
        // A ping comes after two minutes, and no scenario subscribes for so long.
        let done = scan(&connection.buffer, events);
        connection.drop_front(done);
        Ok(())
    }
}

/// Speaks with a server that stores nothing.
#[derive(Debug)]
pub(crate) struct Core {
    address: SocketAddr,
}

impl Core {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(Core { address })
    }
}

#[async_trait]
impl Driver for Core {
    async fn prepare(&self) -> Result<()> {
        open(self.address, &inbox()).await.map(drop)
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(CoreWriter(open(self.address, &inbox()).await?)))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        Ok(Box::new(Messages(
            open(self.address, &wanted(topic)).await?,
        )))
    }
}

/// Takes the answer to a ping behind the message as the acknowledgement: there is no other.
struct CoreWriter(Connection);

#[async_trait]
impl Writer for CoreWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let document = document(topic, stamp);
        let message = format!(
            "PUB {} {}\r\n{document}\r\nPING\r\n",
            subject(topic),
            document.len()
        );
        self.0.send(message.as_bytes()).await?;
        let line = line(&mut self.0).await?;
        ensure!(line == b"PONG\r\n"[..], "answered {line:?}");
        Ok(())
    }
}

/// Speaks with a server that keeps a stream on disk.
#[derive(Debug)]
pub(crate) struct JetStream {
    address: SocketAddr,
}

impl JetStream {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(JetStream { address })
    }

    async fn manage(&self, subject: &str, body: &Value) -> Result<()> {
        let inbox = inbox();
        let mut connection = open(self.address, &inbox).await?;
        let answer = request(&mut connection, &inbox, subject, &body.to_string()).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["error"].is_null(), "{subject}: {answer}");
        Ok(())
    }

    /// A consumer of its own that the server pushes to, without acknowledgements.
    async fn consume(&self, wanted: &str, deliver: &str) -> Result<Box<dyn Subscriber>> {
        let inbox = inbox();
        let connection = open(self.address, &inbox).await?;
        let consumer = json!({
            "stream_name": STREAM,
            "config": {
                "deliver_subject": inbox,
                "deliver_policy": deliver,
                "filter_subject": wanted,
                "ack_policy": "none",
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        self.manage(&format!("$JS.API.CONSUMER.CREATE.{STREAM}"), &consumer)
            .await?;
        Ok(Box::new(Messages(connection)))
    }
}

#[async_trait]
impl Driver for JetStream {
    async fn prepare(&self) -> Result<()> {
        // A stream allows 1,000 consumers unless it says otherwise.
        let stream = json!({
            "name": STREAM,
            "subjects": [EVERYTHING],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "num_replicas": 1,
            "max_consumers": 12_000,
        });
        self.manage(&format!("$JS.API.STREAM.CREATE.{STREAM}"), &stream)
            .await
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        let inbox = inbox();
        let connection = open(self.address, &inbox).await?;
        Ok(Box::new(JetStreamWriter { connection, inbox }))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        self.consume(&wanted(topic), "new").await
    }

    async fn replay(&self) -> Result<Box<dyn Subscriber>> {
        self.consume(EVERYTHING, "all").await
    }
}

struct JetStreamWriter {
    connection: Connection,
    inbox: String,
}

#[async_trait]
impl Writer for JetStreamWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let (subject, document) = (subject(topic), document(topic, stamp));
        let answer = request(&mut self.connection, &self.inbox, &subject, &document).await?;
        if memmem::find(&answer, b"\"seq\":").is_none() {
            bail!("answered {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}
