//! What matching costs with 100 to 100,000 live subscriptions, each of another room: the time of
//! the hub's thread for a change that one of them sees, commits a second, and the memory that a
//! subscription takes. For comparison, filters of the same meaning that the index cannot find.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use wellspring_benches::{database, per_second, print_row, resident_bytes};
use wellspring_engine::{Database, Subscription, SubscriptionError};
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Filter};

/// Subscriptions, and as many rooms.
const SIZES: [u64; 4] = [100, 1_000, 10_000, 100_000];
/// Subscriptions that have to be asked one by one.
const UNINDEXED_SIZES: [u64; 2] = [100, 1_000];
const ROUNDS: usize = 5;
/// Changes of a large commit, each in another room.
const CHANGES: u64 = 100;
const WRITERS: u64 = 64;
/// What a round commits.
const INDEXED: Load = Load {
    large_commits: 1_600,
    small_commits: 20_000,
};
/// The same for filters that take much longer.
const UNINDEXED: Load = Load {
    large_commits: 128,
    small_commits: 5_000,
};
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let (database, _directory) = database(DIRECTORY)?;
    // First of all: later, what others have freed would be taken.
    let bytes = bytes_a_subscription(&database).await?;
    fill(&database).await?;
    let mut indexed = SIZES.map(|size| (size, Figures::default()));
    let mut unindexed = UNINDEXED_SIZES.map(|size| (size, Figures::default()));
    for _ in 0..ROUNDS {
        for (size, figures) in &mut indexed {
            let audience = Audience::new(&database, *size, by_room)?;
            figures.measure(&database, &audience, INDEXED).await?;
        }
        for (size, figures) in &mut unindexed {
            let audience = Audience::new(&database, *size, by_range)?;
            figures.measure(&database, &audience, UNINDEXED).await?;
        }
    }
    println!("| | min | median | max |\n| --- | --- | --- | --- |");
    let first = indexed[0].1.clone();
    for (size, figures) in indexed {
        figures.print(&format!("{size} subscriptions"), &first);
    }
    for (size, figures) in unindexed {
        figures.print(&format!("{size} unindexed"), &first);
    }
    println!("| bytes a subscription, of {} | | {bytes:.0} | |", SIZES[3]);
    database.close().await?;
    Ok(())
}

#[derive(Clone, Copy)]
struct Load {
    /// Of many changes, whose cost to the hub is measured.
    large_commits: u64,
    /// Of one change, whose rate is measured.
    small_commits: u64,
}

/// What was measured with one number of subscriptions, a figure a round.
#[derive(Clone, Default)]
struct Figures {
    /// Microseconds of the hub's thread for one change.
    hub: Vec<f64>,
    /// Commits of one change a second, until the hub has handed out the last.
    rates: Vec<f64>,
}

impl Figures {
    async fn measure(
        &mut self,
        database: &Database,
        audience: &Audience,
        load: Load,
    ) -> Result<()> {
        let (rooms, received) = (audience.size, || audience.received.load(Ordering::Relaxed));
        let (before, began) = (received(), hub_seconds()?);
        commit_all(database, rooms, (load.large_commits, CHANGES)).await?;
        let changes = load.large_commits * CHANGES;
        self.hub
            .push(1e6 / per_second(changes, hub_seconds()?.saturating_sub(began)));
        let began = Instant::now();
        commit_all(database, rooms, (load.small_commits, 1)).await?;
        self.rates
            .push(per_second(load.small_commits, began.elapsed()));
        let expected = before + changes + load.small_commits;
        while received() < expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ensure!(received() == expected, "each change is seen by one");
        Ok(())
    }

    /// With what the same took with `first`, in the same round.
    fn print(self, name: &str, first: &Figures) {
        let ratios = |these: &[f64], those: &[f64]| {
            let pairs = these.iter().zip(those);
            pairs.map(|(this, that)| this / that).collect()
        };
        let hub = ratios(&self.hub, &first.hub);
        let commits = ratios(&first.rates, &self.rates);
        print_row(&format!("{name}: hub, µs a change"), self.hub, 1);
        print_row(&format!("{name}: hub, ratio"), hub, 2);
        print_row(&format!("{name}: commits/s"), self.rates, 0);
        print_row(&format!("{name}: time of a commit, ratio"), commits, 2);
    }
}

fn by_room(room: u64) -> String {
    format!(r#"{{"room":"r{room}"}}"#)
}

fn by_range(room: u64) -> String {
    format!(r#"{{"room":{{"gte":"r{room}","lte":"r{room}"}}}}"#)
}

fn subscribe(database: &Database, filter: &str) -> Result<Subscription> {
    let request = SubscribeRequest {
        view: View {
            filter: Some(Filter::parse(filter)?),
            ..View::default()
        },
        ..SubscribeRequest::new("docs".parse()?, From::Now)
    };
    Ok(database.subscribe(request)?)
}

/// Subscriptions, each taken from by a task of its own.
struct Audience {
    size: u64,
    received: Arc<AtomicU64>,
    /// Ends the tasks when it is dropped.
    _tasks: JoinSet<Result<(), SubscriptionError>>,
}

impl Audience {
    fn new(database: &Database, size: u64, filter: fn(u64) -> String) -> Result<Audience> {
        let received = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for room in 0..size {
            let mut subscription = subscribe(database, &filter(room))?;
            let received = Arc::clone(&received);
            tasks.spawn(async move {
                loop {
                    if let FeedMessage::Changes { commits, .. } = subscription.next().await? {
                        let changes = commits.iter().map(|commit| commit.changes.len() as u64);
                        received.fetch_add(changes.sum(), Ordering::Relaxed);
                    }
                }
            });
        }
        Ok(Audience {
            size,
            received,
            _tasks: tasks,
        })
    }
}

fn set(room: u64, n: u64) -> Result<Write> {
    let padding = "x".repeat(120);
    let data = format!(r#"{{"n":{n},"room":"r{room}","body":"{padding}"}}"#);
    let data = Data::parse(data.as_bytes())?;
    Ok(Write::set(format!("docs/{room}").parse()?, data))
}

/// A document in every room, so that every change that is measured is an update.
async fn fill(database: &Database) -> Result<()> {
    for first in (0..SIZES[3]).step_by(500) {
        let writes = (first..first + 500).map(|room| set(room, 0));
        let writes = writes.collect::<Result<_>>()?;
        database.commit(CommitRequest::of(writes)).await?;
    }
    Ok(())
}

/// Commits from many writers, of `changes` each, into all rooms in turn, until the hub has handed
/// out the last.
async fn commit_all(database: &Database, rooms: u64, (commits, changes): (u64, u64)) -> Result<()> {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let database = database.clone();
        tasks.spawn(async move {
            for n in (writer..commits).step_by(usize::try_from(WRITERS)?) {
                // A prime far from any size spreads them over the rooms.
                let first = n * 7_919;
                let writes = (0..changes).map(|i| set((first + i * (rooms / CHANGES)) % rooms, n));
                let writes = writes.collect::<Result<_>>()?;
                database.commit(CommitRequest::of(writes)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let last = database.visible();
    database.handed_out().wait_for(|now| *now >= last).await?;
    Ok(())
}

/// The processor's time that the hub's thread has taken: unlike the clock's, it is the same
/// whatever else runs. Linux counts it in hundredths of a second.
fn hub_seconds() -> Result<Duration> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if std::fs::read_to_string(thread.join("comm"))?.trim_end() != "wellspring-hub" {
            continue;
        }
        let status = std::fs::read_to_string(thread.join("stat"))?;
        // The 14th and 15th field, behind the name.
        let (_, fields) = status.rsplit_once(") ").context("the name")?;
        let times = fields.split(' ').skip(11).take(2);
        let times = times.map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        return Ok(Duration::from_millis(times.iter().sum::<u64>() * 10));
    }
    anyhow::bail!("no thread of a hub")
}

/// What a live subscription takes that waits for its first change: its filter and its place in the
/// index included, without the task that asks it for messages.
async fn bytes_a_subscription(database: &Database) -> Result<f64> {
    let before = resident_bytes()?;
    let mut subscriptions = Vec::new();
    for room in 0..SIZES[3] {
        let mut subscription = subscribe(database, &by_room(room))?;
        let first = subscription.next().await?;
        ensure!(matches!(first, FeedMessage::Subscribed { .. }));
        subscriptions.push(subscription);
    }
    let taken = resident_bytes()?.saturating_sub(before);
    // A figure for each of them, as if they were seconds.
    Ok(per_second(taken, Duration::from_secs(SIZES[3])))
}
