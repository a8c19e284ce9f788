//! What a commit costs with 100 and with 10,000 live subscriptions on 100 WebSocket connections,
//! each of another room, so that each change goes to one of them: commits a second until the last
//! was delivered.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use wellspring_benches::served::{Served, Subscriber};
use wellspring_benches::{per_second, print_row};
use wellspring_types::Data;
use wellspring_types::write::{CommitRequest, Write};

const CONNECTIONS: u64 = 100;
/// Subscriptions of each connection.
const SIZES: [u64; 2] = [1, 100];
const ROUNDS: usize = 7;
const CLIENTS: usize = 4;
const WRITERS: u64 = 64;
const COMMITS: u64 = 10_000;
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let served = Served::start(DIRECTORY).await?;
    let mut rates = SIZES.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for side in [round % 2, 1 - round % 2] {
            rates[side].push(measure(&served, SIZES[side]).await?);
        }
    }
    let [few, many] = rates;
    let ratios = few.iter().zip(&many).map(|(few, many)| few / many);
    let ratios = ratios.collect();
    println!("| | min | median | max |\n| --- | --- | --- | --- |");
    for (rates, size) in [few, many].into_iter().zip(SIZES) {
        let name = format!("{} subscriptions: commits/s", size * CONNECTIONS);
        print_row(&name, rates, 0);
    }
    print_row("time of a commit, ratio", ratios, 2);
    served.stop().await
}

/// Commits a second, until each was delivered to the one subscription that sees it.
async fn measure(served: &Served, size: u64) -> Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Arc::new(served.client().await?));
    }
    let received = Arc::new(AtomicU64::new(0));
    let mut following = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let rooms = connection * size..(connection + 1) * size;
        let filters: Vec<_> = rooms
            .map(|room| format!(r#"{{"room":"r{room}"}}"#))
            .collect();
        let subscriber = served.subscriber(&filters).await?;
        following.spawn(follow(subscriber, Arc::clone(&received)));
    }
    let rooms = size * CONNECTIONS;
    let began = Instant::now();
    let mut writing = JoinSet::new();
    for writer in 0..WRITERS {
        let client = Arc::clone(&clients[usize::try_from(writer)? % CLIENTS]);
        writing.spawn(async move {
            for n in (writer..COMMITS).step_by(usize::try_from(WRITERS)?) {
                // A prime far from any size spreads them over the rooms.
                let room = n * 7_919 % rooms;
                let body = "x".repeat(120);
                let json = format!(r#"{{"n":{n},"room":"r{room}","body":"{body}"}}"#);
                let data = Data::parse(json.as_bytes())?;
                let write = Write::set(format!("docs/{room}").parse()?, data);
                client.commit(CommitRequest::of(vec![write])).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writing.join_next().await {
        ended??;
    }
    while received.load(Ordering::Relaxed) < COMMITS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = per_second(COMMITS, began.elapsed());
    ensure!(received.load(Ordering::Relaxed) == COMMITS, "each once");
    for client in clients {
        client.close().await;
    }
    Ok(rate)
}

async fn follow(mut subscriber: Subscriber, received: Arc<AtomicU64>) -> Result<()> {
    loop {
        let text = subscriber.next().await?;
        let changes = text.matches(r#"{"op":""#).count();
        received.fetch_add(u64::try_from(changes)?, Ordering::Relaxed);
    }
}
