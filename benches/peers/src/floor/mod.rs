//! The floors: the least that a server of one kind can do. They hold what the others are compared with.
//!
//! A client opens `/write` and sends messages of a line that names a topic, and a document; each is
//! answered by `ok`. Or it opens `/subscribe/TOPIC` and is sent the topic's documents.

mod broadcast;
mod hub;
mod sync;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use bytes::{Buf as _, Bytes};
use clap::ValueEnum;
use memchr::memchr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::hub::Hub;
use crate::wire::Connection;

/// What a client opens to write.
pub(crate) const WRITE: &str = "/write";
/// What it opens to subscribe, before the topic.
pub(crate) const SUBSCRIBE: &str = "/subscribe/";
/// What a write is answered with.
pub(crate) const ACKNOWLEDGED: &[u8] = b"ok";

/// Which floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Floor {
    /// tokio-tungstenite on both sides of a broadcast; nothing is stored.
    Ws,
    /// Appends and calls `fdatasync`, once for all that wait, before it acknowledges and sends.
    Sync,
}

/// Serves until the process is ended.
pub(crate) async fn serve(floor: Floor, listener: TcpListener, directory: &Path) -> Result<()> {
    let hub = Hub::default();
    let log = match floor {
        Floor::Ws => None,
        Floor::Sync => Some(sync::start(&directory.join("log"), hub.clone())?),
    };
    let mut clients = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("accepting")?;
        // Whoever is gone has been told, or does not listen any more.
        while clients.try_join_next().is_some() {}
        let (hub, log) = (hub.clone(), log.clone());
        clients.spawn(async move {
            match log {
                None => broadcast::client(stream, hub).await,
                Some(log) => sync::client(Connection::over(stream)?, hub, log).await,
            }
        });
    }
}

/// Binds and serves.
pub(crate) async fn run(floor: Floor, address: SocketAddr, directory: &Path) -> Result<()> {
    let listener = TcpListener::bind(address).await;
    serve(floor, listener.context("binding")?, directory).await
}

/// A message of a writer, taken apart: its topic, and its document.
fn parts(mut message: Bytes) -> Result<(Bytes, Bytes)> {
    let line = memchr(b'\n', &message).context("a message without a topic")?;
    let topic = message.split_to(line);
    message.advance(1);
    Ok((topic, message))
}
