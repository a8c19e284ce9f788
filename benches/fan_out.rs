//! What a commit costs with 100 to 100,000 live subscriptions, each of another room, of which one
//! matches: the time from the first commit until the hub has handed out the last, and the memory
//! that a subscription takes.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::Instant;

use anyhow::{Context as _, Result};
use wellspring_benches::{database, per_second, print_row};
use wellspring_engine::{Database, Subscription};
use wellspring_types::feed::{From, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Filter};

const COMMITS: u64 = 20_000;
const WRITERS: u64 = 64;
const ROUNDS: usize = 3;
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    println!("| | min | median | max |\n| --- | --- | --- | --- |");
    let sizes = [100, 1_000, 10_000, 100_000];
    let mut rates = sizes.map(|_| Vec::new());
    let mut bytes = Vec::new();
    for _ in 0..ROUNDS {
        for (size, rates) in sizes.iter().zip(&mut rates) {
            let (database, _directory) = database(DIRECTORY)?;
            let before = resident_bytes()?;
            let subscriptions = subscribe(&database, *size)?;
            let taken = resident_bytes()?.saturating_sub(before);
            // Later rounds take memory that the first has freed.
            if *size == 100_000 && bytes.is_empty() {
                bytes.push(per_second(taken, std::time::Duration::from_secs(*size)));
            }
            rates.push(commit_all(&database, *size).await?);
            drop(subscriptions);
            database.close().await?;
        }
    }
    let few = rates[0].clone();
    for (size, rates) in sizes.iter().zip(rates) {
        let ratios = few.iter().zip(&rates).map(|(few, many)| few / many);
        let ratios = ratios.collect();
        print_row(&format!("commits/s, {size} subscriptions"), rates, 0);
        let name = format!("cost of a commit, {size} against {}", sizes[0]);
        print_row(&name, ratios, 2);
    }
    print_row("bytes a subscription, of 100000", bytes, 0);
    Ok(())
}

fn subscribe(database: &Database, count: u64) -> Result<Vec<Subscription>> {
    let mut subscriptions = Vec::new();
    for room in 0..count {
        let filter = Some(Filter::parse(&format!(r#"{{"room":"r{room}"}}"#))?);
        let request = SubscribeRequest {
            view: View {
                filter,
                ..View::default()
            },
            ..SubscribeRequest::new("docs".parse()?, From::Now)
        };
        subscriptions.push(database.subscribe(request)?);
    }
    Ok(subscriptions)
}

/// Commits from many writers until everything is handed out; commits a second.
async fn commit_all(database: &Database, rooms: u64) -> Result<f64> {
    let mut handed_out = database.handed_out();
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let database = database.clone();
        tasks.spawn(async move {
            for n in (writer..COMMITS).step_by(usize::try_from(WRITERS)?) {
                let data = format!(r#"{{"room":"r{}","n":{n}}}"#, n % rooms);
                let data = Data::parse(data.as_bytes())?;
                let write = Write::set(format!("docs/{n}").parse()?, data);
                database.commit(CommitRequest::of(vec![write])).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let last = database.visible();
    handed_out.wait_for(|now| *now >= last).await?;
    Ok(per_second(COMMITS, began.elapsed()))
}

/// What this process holds in memory.
fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages = status.split(' ').nth(1).context("resident pages")?;
    Ok(pages.parse::<u64>()? * 4096)
}
