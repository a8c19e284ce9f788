//! Changes a second that one subscription reads from the log: all of a collection, those that a
//! filter leaves, and a rare collection in a log full of another's changes. For comparison, the
//! same bytes read from the files and nothing done with them.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use wellspring_benches::{database, document, per_second, print_row};
use wellspring_engine::Database;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Filter, Sequence};

/// Commits, each of one change.
const CHANGES: u64 = 200_000;
/// Of which in another, rare collection.
const RARE: u64 = 200;
const ROUNDS: usize = 5;
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let (database, directory) = database(DIRECTORY)?;
    fill(&database).await?;
    println!("| {CHANGES} commits | min | median | max |\n| --- | --- | --- | --- |");
    let log = directory.path().join("data/log");
    let (mut all, mut filtered, mut rare, mut raw) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        raw.push(read_files(&log)?);
        all.push(per_second(
            CHANGES - RARE,
            catch_up(&database, "docs", None, CHANGES - RARE).await?,
        ));
        let one_room = Filter::parse(r#"{"room":"r7"}"#)?;
        let matching = (0..CHANGES)
            .filter(|n| n % 100 == 7 && n % (CHANGES / RARE) != 0)
            .count();
        let took = catch_up(&database, "docs", Some(one_room), u64::try_from(matching)?).await?;
        filtered.push(per_second(CHANGES - RARE, took));
        rare.push(catch_up(&database, "rare", None, RARE).await?.as_secs_f64() * 1000.0);
    }
    print_row("changes/s, a whole collection", all, 0);
    print_row("changes/s read, 1 of 100 matching", filtered, 0);
    print_row(
        &format!("ms for {RARE} changes of a rare collection"),
        rare,
        2,
    );
    print_row("ms to read the log's files", raw, 2);
    database.close().await?;
    Ok(())
}

/// Many writers, so that groups are as large as they get.
async fn fill(database: &Database) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..200 {
        let database = database.clone();
        tasks.spawn(async move {
            for n in (writer..CHANGES).step_by(200) {
                let collection = if n % (CHANGES / RARE) == 0 {
                    "rare"
                } else {
                    "docs"
                };
                let path = format!("{collection}/{n}").parse()?;
                let write = Write::set(path, document(n)?);
                database.commit(CommitRequest::of(vec![write])).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    ensure!(database.visible() == Sequence(CHANGES));
    Ok(())
}

/// The time until `changes` changes were returned.
async fn catch_up(
    database: &Database,
    collection: &str,
    filter: Option<Filter>,
    changes: u64,
) -> Result<std::time::Duration> {
    let began = Instant::now();
    let request = SubscribeRequest {
        view: View {
            filter,
            ..View::default()
        },
        ..SubscribeRequest::new(collection.parse()?, From::Beginning)
    };
    let mut subscription = database.subscribe(request)?;
    let mut found = 0;
    while found < changes {
        if let FeedMessage::Changes { commits, .. } = subscription.next().await? {
            found += commits.len() as u64;
        }
    }
    ensure!(found == changes, "{found} of {changes}");
    Ok(began.elapsed())
}

/// Milliseconds to read every file of a directory.
fn read_files(directory: &Path) -> Result<f64> {
    let began = Instant::now();
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        bytes += fs::read(entry?.path())?.len();
    }
    ensure!(bytes > 0);
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}
