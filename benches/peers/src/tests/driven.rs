//! Each driver of ours speaks with its server, and what it hears adds up.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{RunError, Server};

use crate::document::{Event, Stamp, Topic};
use crate::driver::Driver;
use crate::drivers::floors::Floors;
use crate::drivers::wellspring::Wellspring;
use crate::floor::{Floor, serve};

const DOCUMENTS: u32 = 20;

/// Writes to two rooms and to none, beside a subscriber to all and one to a room.
async fn drive(driver: &dyn Driver) -> Result<()> {
    while driver.prepare().await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut everything = driver.subscribe(Topic::All).await?;
    let mut room = driver.subscribe(Topic::Room(1)).await?;
    let mut writer = driver.writer().await?;
    let mut heard = Vec::new();
    let mut in_room = Vec::new();
    for number in 0..DOCUMENTS {
        for topic in [Topic::All, Topic::Room(1), Topic::Room(2)] {
            let stamp = Stamp {
                writer: 0,
                number,
                sent_micros: 1,
            };
            writer.write(topic, stamp).await?;
        }
    }
    let last = |events: &[Event]| {
        events
            .last()
            .is_some_and(|event| event.stamp.number == DOCUMENTS - 1)
    };
    while !last(&heard) {
        everything.receive(&mut heard).await?;
    }
    while !last(&in_room) {
        room.receive(&mut in_room).await?;
    }
    let numbers: Vec<u32> = in_room.iter().map(|event| event.stamp.number).collect();
    assert_eq!(numbers, (0..DOCUMENTS).collect::<Vec<_>>());
    Ok(())
}

async fn drive_floor(floor: Floor) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let path = directory.path().to_path_buf();
    let mut running = JoinSet::new();
    running.spawn(async move { serve(floor, listener, &path).await });
    drive(Floors::driver(address).as_ref()).await
}

#[tokio::test]
async fn the_floor_that_broadcasts_sends_each_topic_what_is_written_to_it() -> Result<()> {
    drive_floor(Floor::Ws).await
}

#[tokio::test]
async fn the_floor_that_syncs_sends_each_topic_what_is_written_to_it() -> Result<()> {
    drive_floor(Floor::Sync).await
}

/// A server in this process.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinSet<Result<(), RunError>>,
    _directory: tempfile::TempDir,
}

async fn start_wellspring() -> Result<Served> {
    let directory = tempfile::tempdir()?;
    let mut overrides = Overrides::default();
    overrides.dev = Some(true);
    overrides.listen = Some("127.0.0.1:0".parse()?);
    overrides.admin = Some("127.0.0.1:0".parse()?);
    overrides.data = Some(directory.path().join("data"));
    let sources = Sources {
        overrides,
        ..Sources::default()
    };
    let server = Server::bind(Config::load(sources)?).await?;
    let address = server.addresses().clients;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut running = JoinSet::new();
    running.spawn(server.run(async {
        stopped.await.ok();
    }));
    Ok(Served {
        address,
        stop,
        server: running,
        _directory: directory,
    })
}

#[tokio::test]
async fn wellspring_sends_what_is_written_now_and_all_of_it_again() -> Result<()> {
    let mut served = start_wellspring().await?;
    let driver = Wellspring::driver(served.address);
    drive(driver.as_ref()).await?;
    let mut replay = driver.replay().await?;
    let mut events = Vec::new();
    while events.len() < 3 * DOCUMENTS as usize {
        replay.receive(&mut events).await?;
    }
    assert!(events.is_sorted_by_key(|event| event.stamp.number));
    drop(replay);
    served.stop.send(()).ok();
    while let Some(ended) = served.server.join_next().await {
        ended??;
    }
    Ok(())
}
