//! A herd: filtered subscriptions of one collection that come back at once after a restart, each of
//! a room of its own and from one of many tokens. The time until all are level and what was read of
//! the log for them, without writers and beside some; their rate before, beside it, with all live,
//! and after, in turn; and the memory that one takes. For comparison, one that reads all of the log
//! alone.
//!
//! `cargo bench -p wellspring-benches --bench herd`; other numbers behind `--`: subscriptions, and
//! commits of the log.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use wellspring_benches::{per_second, print_row, resident_bytes};
use wellspring_engine::{Database, Options, PageLimit, Subscription, SubscriptionState};
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Filter, ResumeToken};

const SUBSCRIPTIONS: u64 = 20_000;
const COMMITS: u64 = 100_000;
/// Places that they come back from, evenly over the log.
const TOKENS: u64 = 1_000;
const WRITERS: u64 = 16;
const ROUNDS: usize = 5;
/// How long writers are measured alone. Where they are meanwhile is where a herd comes back from.
const WINDOW: Duration = Duration::from_secs(5);
/// Between two looks at all subscriptions, which take a while each: so much, and more once it has
/// taken long.
const LOOK: Duration = Duration::from_millis(300);
/// Longer than any herd takes.
const PATIENCE: Duration = Duration::from_secs(300);
/// Processors that would be busy if each read for itself.
const PROCESSORS: u64 = 2;
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let size = numbers.next().unwrap_or(SUBSCRIPTIONS);
    let commits = numbers.next().unwrap_or(COMMITS);
    runtime.block_on(run(size, commits))
}

async fn run(size: u64, commits: u64) -> Result<()> {
    let directory = tempfile::tempdir_in(DIRECTORY)?;
    let options = || Options::new(directory.path().join("data"));
    let database = Database::open(options(), &mut |_| {})?;
    let tokens = fill(&database, (size, commits)).await?;
    database.close().await?;
    drop(database);
    let database = Database::open(options(), &mut |_| {})?;
    let mut figures = Figures {
        memory: bytes_a_subscription(&database, size, &tokens)?,
        ..Figures::default()
    };
    for _ in 0..ROUNDS {
        figures.alone.push(alone(&database, &tokens).await?);
        let herd = Herd::come_back(&database, size, &tokens)?;
        figures.quiet.push(herd.until_level().await?);
        drop(herd);
    }
    for round in 0..ROUNDS {
        // The windows around a herd, as the rate drifts.
        let writers = Writers::start(&database, size);
        let (before, tokens) = writers.rate(&database).await?;
        let (began, committed) = (Instant::now(), writers.committed());
        let herd = Herd::come_back(&database, size, &tokens)?;
        let level = herd.until_level().await?;
        let beside = per_second(writers.committed() - committed, began.elapsed());
        let (live, _) = writers.rate(&database).await?;
        drop(herd);
        let (after, _) = writers.rate(&database).await?;
        writers.stop().await?;
        println!(
            "round {round}: {before:.0}/s, {beside:.0}/s beside it for {:.1} s, {live:.0}/s with \
             all live, {after:.0}/s",
            level.seconds
        );
        figures.busy.push(level);
        figures.without.push(f64::midpoint(before, after));
        figures.beside.push(beside);
        figures.live.push(live);
    }
    figures.print(size);
    database.close().await?;
    Ok(())
}

/// What a herd took.
struct Level {
    /// Until all had subscribed.
    subscribed: f64,
    seconds: f64,
    passes: u64,
    commits_read: u64,
}

#[derive(Default)]
struct Figures {
    memory: f64,
    /// Seconds that one took that reads all of the log for itself.
    alone: Vec<f64>,
    quiet: Vec<Level>,
    busy: Vec<Level>,
    /// The rates of writers: before and after, beside a herd, and with all of it live.
    without: Vec<f64>,
    beside: Vec<f64>,
    live: Vec<f64>,
}

impl Figures {
    fn print(self, size: u64) {
        println!("| {size} subscriptions | min | median | max |\n| --- | --- | --- | --- |");
        let pairs = self.quiet.iter().zip(&self.alone);
        // Each would have read half of the log.
        let half = per_second(size, Duration::from_secs(2 * PROCESSORS));
        let ratios = pairs.map(|(level, alone)| alone * half / level.seconds);
        let ratios = ratios.collect();
        for (name, levels) in [("", &self.quiet), (", beside writers", &self.busy)] {
            let row = |what: &str, decimals, figure: fn(&Level) -> f64| {
                let figures = levels.iter().map(figure).collect();
                print_row(&format!("{what}{name}"), figures, decimals);
            };
            row("s until all have subscribed", 1, |one| one.subscribed);
            row("s until all are level", 1, |one| one.seconds);
            row("passes", 0, |one| count(one.passes));
            row("commits read", 0, |one| count(one.commits_read));
        }
        print_row("times as long by itself each", ratios, 0);
        for (name, rates) in [("beside it", &self.beside), ("all live", &self.live)] {
            let pairs = rates.iter().zip(&self.without);
            let ratios = pairs.map(|(rate, without)| rate / without).collect();
            print_row(&format!("commits/s, {name}"), rates.clone(), 0);
            print_row("ratio to without", ratios, 2);
        }
        print_row("commits/s without", self.without, 0);
        println!("| bytes a subscription | | {:.0} | |", self.memory);
    }
}

fn count(number: u64) -> f64 {
    per_second(number, Duration::from_secs(1))
}

fn set(room: u64, n: u64) -> Result<Write> {
    let padding = "x".repeat(120);
    let data = format!(r#"{{"n":{n},"room":"r{room}","body":"{padding}"}}"#);
    let data = Data::parse(data.as_bytes())?;
    Ok(Write::set(format!("docs/{room}").parse()?, data))
}

/// A log of commits of one document each, in rooms that follow each other by a large prime, and
/// tokens of places in it.
async fn fill(database: &Database, (rooms, commits): (u64, u64)) -> Result<Vec<ResumeToken>> {
    let mut tokens = Vec::new();
    let part = commits / TOKENS;
    for place in 0..TOKENS {
        tokens.push(token(database).await?);
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let database = database.clone();
            tasks.spawn(async move {
                for n in (writer..part).step_by(usize::try_from(WRITERS)?) {
                    let n = place * part + n;
                    let write = set(n * 7_919 % rooms, n)?;
                    database.commit(CommitRequest::of(vec![write])).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
    }
    Ok(tokens)
}

/// That of what is visible.
async fn token(database: &Database) -> Result<ResumeToken> {
    let request = SubscribeRequest::new("docs".parse()?, From::Now);
    let first = database.subscribe(request)?.next().await?;
    let FeedMessage::Subscribed { token, .. } = first else {
        anyhow::bail!("subscribed comes first");
    };
    token.context("the position's token")
}

fn subscribe(database: &Database, room: u64, token: &ResumeToken) -> Result<Subscription> {
    let filter = format!(r#"{{"room":"r{room}"}}"#);
    let request = SubscribeRequest {
        view: View {
            filter: Some(Filter::parse(&filter)?),
            ..View::default()
        },
        ..SubscribeRequest::new("docs".parse()?, From::Token(token.clone()))
    };
    Ok(database.subscribe(request)?)
}

fn counted(database: &Database) -> (u64, u64) {
    let now = database.statistics();
    (now.passes, now.catch_up_commits)
}

/// Subscriptions that came back, each taken from by a task of its own.
struct Herd {
    database: Database,
    began: Instant,
    subscribed: f64,
    size: u64,
    counted: (u64, u64),
    /// Ends the tasks when it is dropped.
    _tasks: JoinSet<Result<()>>,
}

impl Herd {
    fn come_back(database: &Database, size: u64, tokens: &[ResumeToken]) -> Result<Herd> {
        let (began, counted) = (Instant::now(), counted(database));
        let mut tasks = JoinSet::new();
        for room in 0..size {
            let place = room * 31 % u64::try_from(tokens.len())?;
            let mut subscription = subscribe(database, room, &tokens[usize::try_from(place)?])?;
            tasks.spawn(async move {
                loop {
                    subscription.next().await?;
                }
            });
        }
        Ok(Herd {
            database: database.clone(),
            began,
            subscribed: began.elapsed().as_secs_f64(),
            size,
            counted,
            _tasks: tasks,
        })
    }

    /// Waits until all are live.
    async fn until_level(&self) -> Result<Level> {
        loop {
            tokio::time::sleep(LOOK.max(self.began.elapsed() / 8)).await;
            let totals = self.database.statistics().subscriptions;
            let live = totals.counts.iter();
            let live = live.filter(|(_, state, _)| *state == SubscriptionState::Live);
            if live.map(|(_, _, count)| *count).sum::<u64>() == self.size {
                break;
            }
            ensure!(self.began.elapsed() < PATIENCE, "{totals:?}");
        }
        let (passes, commits) = counted(&self.database);
        Ok(Level {
            subscribed: self.subscribed,
            seconds: self.began.elapsed().as_secs_f64(),
            passes: passes - self.counted.0,
            commits_read: commits - self.counted.1,
        })
    }
}

/// Seconds that one takes which comes back from the beginning with nobody else.
async fn alone(database: &Database, tokens: &[ResumeToken]) -> Result<f64> {
    let began = Instant::now();
    let mut subscription = subscribe(database, 1, &tokens[0])?;
    let limit = PageLimit {
        bytes: usize::MAX,
        messages: usize::MAX,
    };
    let page = subscription.page(limit, Duration::ZERO).await?;
    ensure!(!page.more, "all of the log is read");
    Ok(began.elapsed().as_secs_f64())
}

/// What one takes of memory that is behind and was not asked for anything yet.
fn bytes_a_subscription(database: &Database, size: u64, tokens: &[ResumeToken]) -> Result<f64> {
    let before = resident_bytes()?;
    let all = (0..size).map(|room| subscribe(database, room, &tokens[0]));
    let all = all.collect::<Result<Vec<_>>>()?;
    let taken = resident_bytes()?.saturating_sub(before);
    drop(all);
    Ok(per_second(taken, Duration::from_secs(size)))
}

/// Tasks that commit a document each, wait, and commit the next.
struct Writers {
    committed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<()>>,
}

impl Writers {
    fn start(database: &Database, rooms: u64) -> Writers {
        let (committed, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let (database, committed) = (database.clone(), Arc::clone(&committed));
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                for n in (writer..).step_by(usize::try_from(WRITERS)?) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let write = set(n * 7_919 % rooms, n)?;
                    database.commit(CommitRequest::of(vec![write])).await?;
                    committed.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Writers {
            committed,
            stop,
            tasks,
        }
    }

    fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Commits a second in a window, and tokens of places in it.
    async fn rate(&self, database: &Database) -> Result<(f64, Vec<ResumeToken>)> {
        let (began, before, mut tokens) = (Instant::now(), self.committed(), Vec::new());
        while began.elapsed() < WINDOW {
            tokens.push(token(database).await?);
            tokio::time::sleep(WINDOW / 500).await;
        }
        let rate = per_second(self.committed() - before, began.elapsed());
        Ok((rate, tokens))
    }

    async fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}
