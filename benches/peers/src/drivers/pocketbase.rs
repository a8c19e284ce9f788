//! PocketBase: REST to create records, Server-Sent Events to follow them.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::document::{Event, Stamp, Topic, document, scan};
use crate::driver::{Driver, Subscriber, Writer};
use crate::launch::{Launch, Place};
use crate::programs::Programs;
use crate::wire::Connection;
use crate::wire::http::Request;

const USER: &str = "race@example.com";
const PASSWORD: &str = "race-password";
const RECORDS: &str = "/api/collections/docs/records";

pub(crate) fn launch(programs: &Programs, place: &Place) -> Result<Launch> {
    let program = programs.find("pocketbase")?;
    let data = place.directory.join("pb_data");
    let mut user = Command::new(&program);
    user.args(["superuser", "upsert", USER, PASSWORD]);
    user.arg("--dir").arg(&data);
    let mut command = Command::new(program);
    command.args(["serve", "--http", &place.address.to_string()]);
    command.arg("--dir").arg(&data);
    Ok(Launch {
        before: vec![user],
        ..Launch::of(command)
    })
}

/// Speaks with a server.
#[derive(Debug)]
pub(crate) struct PocketBase {
    address: SocketAddr,
}

impl PocketBase {
    pub(crate) fn driver(address: SocketAddr) -> Box<dyn Driver> {
        Box::new(PocketBase { address })
    }

    async fn post(&self, path: &str, head: &str, body: &Value) -> Result<Vec<u8>> {
        let mut connection = Connection::open(self.address).await?;
        let request = Request {
            method: "POST",
            path,
            head,
            body: &body.to_string(),
        };
        Ok(connection.request(request).await?.to_vec())
    }
}

#[async_trait]
impl Driver for PocketBase {
    async fn prepare(&self) -> Result<()> {
        let login = json!({"identity": USER, "password": PASSWORD});
        let path = "/api/collections/_superusers/auth-with-password";
        let answer: Value = serde_json::from_slice(&self.post(path, "", &login).await?)?;
        let token = answer["token"].as_str().context("no token")?;
        let field = |name: &str| json!({"name": name, "type": "text"});
        // Open to everyone, as Wellspring's `--dev` is.
        let collection = json!({
            "name": "docs",
            "type": "base",
            "listRule": "", "viewRule": "", "createRule": "", "updateRule": "", "deleteRule": "",
            "fields": [field("room"), field("stamp"), field("text")],
        });
        let head = format!("authorization: {token}\r\n");
        self.post("/api/collections", &head, &collection)
            .await
            .map(drop)
    }

    async fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(RecordWriter(
            Connection::open(self.address).await?,
        )))
    }

    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>> {
        let mut stream = Connection::open(self.address).await?;
        // HTTP/1.0, so that the events come without chunks around them.
        let open =
            "GET /api/realtime HTTP/1.0\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
        stream.send(open.as_bytes()).await?;
        let hello = stream.take_until(b"\"}\n\n").await?;
        let hello = std::str::from_utf8(&hello)?;
        let (_, id) = hello.split_once(r#""clientId":""#).context("no clientId")?;
        let id = id.split('"').next().context("no clientId")?;
        let subscription = match topic {
            Topic::All => "docs/*".to_owned(),
            // {"query":{"filter":"room=\"r7\""}}
            Topic::Room(_) => format!(
                "docs/*?options=%7B%22query%22%3A%7B%22filter%22%3A%22room%3D%5C%22{}%5C%22%22%7D%7D",
                topic.room()
            ),
        };
        let body = json!({"clientId": id, "subscriptions": [subscription]});
        self.post("/api/realtime", "connection: close\r\n", &body)
            .await?;
        Ok(Box::new(Events(stream)))
    }
}

struct Events(Connection);

#[async_trait]
impl Subscriber for Events {
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()> {
        self.0.fill().await?;
        let done = scan(&self.0.buffer, events);
        self.0.drop_front(done);
        Ok(())
    }
}

struct RecordWriter(Connection);

#[async_trait]
impl Writer for RecordWriter {
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()> {
        let request = Request {
            method: "POST",
            path: RECORDS,
            head: "",
            body: &document(topic, stamp),
        };
        self.0.request(request).await.map(drop)
    }
}
