//! What a server has to offer to be raced: a driver, its writers and its subscribers.
//!
//! Drivers speak over plain sockets, and subscribers only look for stamps: what is compared is the
//! servers, and a client library that costs more would take its server's place on the other core.

use anyhow::Result;
use async_trait::async_trait;

use crate::document::{Event, Stamp, Topic};

/// Speaks with one running server.
#[async_trait]
pub(crate) trait Driver: Send + Sync {
    /// Makes what a new server needs: a collection, a stream, a table. Fails while it does not
    /// serve yet, and is then called again.
    async fn prepare(&self) -> Result<()>;

    /// A writer with a connection of its own.
    async fn writer(&self) -> Result<Box<dyn Writer>>;

    /// A subscriber with a connection of its own, which will miss nothing that is written from now on.
    async fn subscribe(&self, topic: Topic) -> Result<Box<dyn Subscriber>>;

    /// A subscriber to everything that was ever written. Only called where
    /// [`Peer::replays`](crate::peers::Peer) says so.
    async fn replay(&self) -> Result<Box<dyn Subscriber>> {
        anyhow::bail!("keeps nothing that could be read again")
    }
}

/// Writes documents, one at a time.
#[async_trait]
pub(crate) trait Writer: Send {
    /// Writes one document under a new name and returns when it is acknowledged.
    async fn write(&mut self, topic: Topic, stamp: Stamp) -> Result<()>;
}

/// Takes what a server sends.
#[async_trait]
pub(crate) trait Subscriber: Send {
    /// Waits for more to come and appends the events in it, if any.
    ///
    /// # Cancel safety
    /// What was received stays in the connection's buffer, and is in the next call's events.
    async fn receive(&mut self, events: &mut Vec<Event>) -> Result<()>;
}
