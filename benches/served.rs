//! A server in the benchmark's process, and subscribers over real sockets.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use wellspring_client::Client;
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{RunError, Server};

/// A server on free ports of loopback with a new database.
#[derive(Debug)]
pub struct Served {
    /// Its port for clients.
    pub clients: SocketAddr,
    /// Its port for operators.
    pub admin: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinSet<Result<(), RunError>>,
    _directory: TempDir,
}

impl Served {
    /// Starts one whose database is in a directory of its own under `parent`. Clients that take
    /// nothing are not sent away.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(parent: &str) -> Result<Served> {
        let directory = tempfile::tempdir_in(parent)?;
        let mut overrides = Overrides::default();
        overrides.dev = Some(true);
        overrides.listen = Some("127.0.0.1:0".parse()?);
        overrides.admin = Some("127.0.0.1:0".parse()?);
        overrides.data = Some(directory.path().join("data"));
        overrides.stalled_write_ms = Some(3_600_000);
        overrides.dead_after_ms = Some(3_600_000);
        let sources = Sources {
            overrides,
            ..Sources::default()
        };
        let server = Server::bind(Config::load(sources)?).await?;
        let addresses = server.addresses();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        running.spawn(server.run(async {
            stopped.await.ok();
        }));
        Ok(Served {
            clients: addresses.clients,
            admin: addresses.admin,
            stop,
            server: running,
            _directory: directory,
        })
    }

    /// A client with a connection of its own.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn client(&self) -> Result<Client> {
        loop {
            match Client::connect(&format!("http://{}", self.clients)).await {
                Ok(client) => return Ok(client),
                // It opens its database.
                Err(wellspring_client::ConnectError::Refused(_)) => {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A connection with subscriptions to the documents of `docs`, each with a filter; live once
    /// this returns.
    ///
    /// # Errors
    /// If the server does not answer as it should.
    pub async fn subscriber(&self, filters: &[String]) -> Result<Subscriber> {
        let (socket, _) = connect_async(format!("ws://{}/v1/ws", self.clients)).await?;
        let mut subscriber = Subscriber(socket);
        subscriber.say(r#"{"type":"hello"}"#.to_owned()).await?;
        for (id, filter) in filters.iter().enumerate() {
            let subscribe = format!(
                r#"{{"type":"subscribe","id":"s{id}","collection":"docs","where":{filter}}}"#
            );
            subscriber.say(subscribe).await?;
        }
        let mut missing = filters.len();
        while missing > 0 {
            let text = subscriber.next().await?;
            missing -= usize::from(text.starts_with(r#"{"type":"subscribed""#));
        }
        Ok(subscriber)
    }

    /// The lag of the subscription that is furthest behind, in commits.
    ///
    /// # Errors
    /// If the server does not answer as it should.
    pub async fn lag_max(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(self.admin).await?;
        let ask = b"GET /subscriptions?limit=1 HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(ask).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        number_after(&text, "\"lag\":").context("a lag")
    }

    /// Stops it.
    ///
    /// # Errors
    /// If it does not end well.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.stop);
        let ended = self.server.join_next().await;
        Ok(ended.context("it ran")???)
    }
}

/// The number behind a name.
#[must_use]
pub fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest.find(|digit: char| !digit.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// A connection with subscriptions.
#[derive(Debug)]
pub struct Subscriber(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Subscriber {
    async fn say(&mut self, text: String) -> Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// The next message, as its text.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn next(&mut self) -> Result<String> {
        loop {
            match self.0.next().await.context("the connection goes on")?? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(why) => bail!("closed: {why:?}"),
                _ => {}
            }
        }
    }
}
