//! Who takes part.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::driver::Driver;
use crate::drivers::{etcd, floors, nats, pocketbase, postgres, redis, wellspring};
use crate::launch::{Launch, Place};
use crate::programs::Programs;

/// What an acknowledged write has survived already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It was synced to the disk: a power cut loses nothing.
    Synced,
    /// It was given to the system: a kill of the server loses nothing, a power cut may.
    Written,
    /// It is in nobody's memory but the subscribers'.
    Nothing,
}

/// A server, as it takes part.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) kept: Kept,
    /// How it keeps a write before it acknowledges it, in words.
    pub(crate) how: &'static str,
    /// Whether a subscriber can be sent what was written before it came.
    pub(crate) replays: bool,
    pub(crate) subscribers_max: usize,
    pub(crate) launch: fn(&Programs, &Place) -> Result<Launch>,
    pub(crate) driver: fn(SocketAddr) -> Box<dyn Driver>,
}

/// The one that everyone is compared with.
pub(crate) const WELLSPRING: &str = "wellspring";
/// The floor of durable writes and of feeds.
pub(crate) const LIMIT_SYNC: &str = "limit-sync";
/// The floor of memory.
pub(crate) const LIMIT_WS: &str = "limit-ws";

/// Each has its neighbours' turn next to its own: the floors stand beside Wellspring.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: LIMIT_WS,
        kept: Kept::Nothing,
        how: "nothing is stored",
        replays: false,
        subscribers_max: 10_000,
        launch: floors::launch_ws,
        driver: floors::Floors::driver,
    },
    Peer {
        name: LIMIT_SYNC,
        kept: Kept::Synced,
        how: "`fdatasync`, one for all that wait",
        replays: false,
        subscribers_max: 10_000,
        launch: floors::launch_sync,
        driver: floors::Floors::driver,
    },
    Peer {
        name: WELLSPRING,
        kept: Kept::Synced,
        how: "`fdatasync`, one for all that wait",
        replays: true,
        subscribers_max: 10_000,
        launch: wellspring::launch,
        driver: wellspring::Wellspring::driver,
    },
    Peer {
        name: "redis-stream-always",
        kept: Kept::Synced,
        how: "`appendfsync always`, one for all of a turn",
        replays: true,
        subscribers_max: 10_000,
        launch: redis::launch_always,
        driver: redis::Redis::driver,
    },
    Peer {
        name: "redis-stream-everysec",
        kept: Kept::Written,
        how: "`appendfsync everysec`: synced each second",
        replays: true,
        subscribers_max: 10_000,
        launch: redis::launch_everysec,
        driver: redis::Redis::driver,
    },
    Peer {
        name: "jetstream-always",
        kept: Kept::Synced,
        how: "`sync_interval: always`",
        replays: true,
        subscribers_max: 10_000,
        launch: nats::launch_always,
        driver: nats::JetStream::driver,
    },
    Peer {
        name: "jetstream",
        kept: Kept::Written,
        how: "synced every two minutes",
        replays: true,
        subscribers_max: 10_000,
        launch: nats::launch_default,
        driver: nats::JetStream::driver,
    },
    Peer {
        name: "nats-core",
        kept: Kept::Nothing,
        how: "nothing is stored; the answer to a ping behind the message",
        replays: false,
        subscribers_max: 10_000,
        launch: nats::launch_core,
        driver: nats::Core::driver,
    },
    Peer {
        name: "etcd",
        kept: Kept::Synced,
        how: "raft's log, one node, `fdatasync` for all that wait",
        replays: true,
        subscribers_max: 10_000,
        launch: etcd::launch,
        driver: etcd::Etcd::driver,
    },
    Peer {
        name: "postgres",
        kept: Kept::Synced,
        how: "`synchronous_commit`, then NOTIFY",
        replays: false,
        // A process each.
        subscribers_max: 1000,
        launch: postgres::launch,
        driver: postgres::Postgres::driver,
    },
    Peer {
        name: "pocketbase",
        kept: Kept::Written,
        how: "SQLite's log, `synchronous=NORMAL`: not synced",
        replays: false,
        subscribers_max: 10_000,
        launch: pocketbase::launch,
        driver: pocketbase::PocketBase::driver,
    },
];

/// The peers of these names, in the table's order; all without names.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Peer>> {
    let unknown = names
        .iter()
        .find(|name| PEERS.iter().all(|peer| peer.name != **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
        bail!("no peer {name:?}; there are: {}", known.join(", "));
    }
    let is_chosen = |peer: &&Peer| names.is_empty() || names.iter().any(|name| name == peer.name);
    Ok(PEERS.iter().filter(is_chosen).collect())
}
