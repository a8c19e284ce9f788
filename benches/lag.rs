//! What one subscriber that takes nothing costs the others: the 99th percentile of the time from a
//! commit's request to its delivery to 999 healthy subscribers, commits a second, and memory, with
//! it and without it in turn; in the process, and over sockets.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use wellspring_benches::served::{Served, Subscriber, number_after};
use wellspring_benches::{database, per_second, print_row, resident_bytes};
use wellspring_client::Client;
use wellspring_engine::{Database, Subscription};
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Filter};

const HEALTHY: u64 = 999;
const WRITERS: u64 = 8;
const DOCUMENTS: u64 = 10_000;
const BODY_BYTES: usize = 1_000;
const ROUNDS: usize = 7;
/// In which the one that is stalled fills what there is before it, and falls behind.
const SETTLE: Duration = Duration::from_millis(2_500);
const WINDOW: Duration = Duration::from_secs(3);
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    println!("| | min | median | max |\n| --- | --- | --- | --- |");
    runtime.block_on(async {
        let (database, _directory) = database(DIRECTORY)?;
        measure("in process", &Place::Process(database.clone())).await?;
        database.close().await?;
        let served = Served::start(DIRECTORY).await?;
        let place = Place::Sockets(served);
        measure("sockets", &place).await?;
        if let Place::Sockets(served) = place {
            served.stop().await?;
        }
        Ok(())
    })
}

/// Where the database is reached.
enum Place {
    Process(Database),
    Sockets(Served),
}

enum Port {
    Process(Database),
    Sockets(Client),
}

enum Feed {
    Process(Box<Subscription>),
    Sockets(Box<Subscriber>),
}

impl Place {
    async fn port(&self) -> Result<Port> {
        Ok(match self {
            Place::Process(database) => Port::Process(database.clone()),
            Place::Sockets(served) => Port::Sockets(served.client().await?),
        })
    }

    /// Live, and told so.
    async fn subscribe(&self, filter: String) -> Result<Feed> {
        match self {
            Place::Process(database) => {
                let request = SubscribeRequest {
                    view: View {
                        filter: Some(Filter::parse(&filter)?),
                        ..View::default()
                    },
                    ..SubscribeRequest::new("docs".parse()?, From::Now)
                };
                let mut subscription = database.subscribe(request)?;
                subscription.next().await?;
                Ok(Feed::Process(Box::new(subscription)))
            }
            Place::Sockets(served) => {
                let subscriber = served.subscriber(&[filter]).await?;
                Ok(Feed::Sockets(Box::new(subscriber)))
            }
        }
    }

    async fn lag_max(&self) -> Result<u64> {
        match self {
            Place::Process(database) => {
                let all = database.subscriptions();
                Ok(all.iter().map(|one| one.lag).max().unwrap_or(0))
            }
            Place::Sockets(served) => served.lag_max().await,
        }
    }
}

impl Port {
    async fn commit(&self, request: CommitRequest) -> Result<()> {
        match self {
            Port::Process(database) => drop(database.commit(request).await?),
            Port::Sockets(client) => drop(client.commit(request).await?),
        }
        Ok(())
    }
}

impl Feed {
    /// When the commits of the next message were asked for, in microseconds.
    async fn next(&mut self) -> Result<Vec<u64>> {
        Ok(match self {
            Feed::Process(subscription) => match subscription.next().await? {
                FeedMessage::Changes { commits, .. } => {
                    let changes = commits.iter().flat_map(|commit| &commit.changes);
                    let data = changes.filter_map(|change| change.data.as_ref());
                    data.filter_map(|data| number_after(data.as_str(), "\"t\":"))
                        .collect()
                }
                _ => Vec::new(),
            },
            Feed::Sockets(subscriber) => {
                let text = subscriber.next().await?;
                let documents = text.split("\"data\":").skip(1);
                documents
                    .filter_map(|document| number_after(document, "\"t\":"))
                    .collect()
            }
        })
    }
}

/// What all tasks share.
struct Shared {
    began: Instant,
    commits: AtomicU64,
    is_recording: AtomicBool,
    /// Microseconds from the request to the delivery.
    latencies: Mutex<Vec<u64>>,
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn latencies(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A figure for each window.
#[derive(Default)]
struct Figures {
    p99_ms: Vec<f64>,
    commits: Vec<f64>,
    resident_mb: Vec<f64>,
}

async fn measure(name: &str, place: &Place) -> Result<()> {
    let shared = Arc::new(Shared {
        began: Instant::now(),
        commits: AtomicU64::new(0),
        is_recording: AtomicBool::new(false),
        latencies: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    let first_port = place.port().await?;
    for room in 0..HEALTHY {
        let feed = place.subscribe(format!(r#"{{"room":{room}}}"#)).await?;
        tasks.spawn(follow(feed, Arc::clone(&shared)));
    }
    drop(first_port);
    for writer in 0..WRITERS {
        let port = place.port().await?;
        tasks.spawn(write(port, writer, Arc::clone(&shared)));
    }
    let (mut without, mut with) = (Figures::default(), Figures::default());
    let mut lags = Vec::new();
    tokio::time::sleep(SETTLE).await;
    for round in 0..ROUNDS {
        // Each side comes first in turn.
        for is_with in [round % 2 == 1, round % 2 == 0] {
            if is_with {
                let stalled = place.subscribe("{}".to_owned()).await?;
                tokio::time::sleep(SETTLE).await;
                with.window(&shared).await?;
                let lag = place.lag_max().await?;
                ensure!(lag > 1_000, "it is far behind: {lag}");
                lags.push(per_second(lag, Duration::from_secs(1)));
                drop(stalled);
            } else {
                tokio::time::sleep(SETTLE).await;
                without.window(&shared).await?;
            }
        }
    }
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Err(cancelled) if cancelled.is_cancelled() => {}
            ended => ended??,
        }
    }
    let ratios = |with: &[f64], without: &[f64]| {
        let pairs = with.iter().zip(without);
        pairs
            .map(|(with, without)| with / without)
            .collect::<Vec<_>>()
    };
    let p99 = ratios(&with.p99_ms, &without.p99_ms);
    let commits = ratios(&with.commits, &without.commits);
    let more = with.resident_mb.iter().zip(&without.resident_mb);
    let more = more.map(|(with, without)| with - without).collect();
    print_row(&format!("{name}: p99 without, ms"), without.p99_ms, 2);
    print_row(&format!("{name}: p99 with, ms"), with.p99_ms, 2);
    print_row(&format!("{name}: p99, ratio"), p99, 2);
    print_row(&format!("{name}: commits/s without"), without.commits, 0);
    print_row(&format!("{name}: commits/s with"), with.commits, 0);
    print_row(&format!("{name}: commits/s, ratio"), commits, 2);
    print_row(&format!("{name}: resident with, MB"), with.resident_mb, 0);
    print_row(&format!("{name}: resident, difference, MB"), more, 0);
    print_row(&format!("{name}: commits behind at the end"), lags, 0);
    Ok(())
}

impl Figures {
    async fn window(&mut self, shared: &Shared) -> Result<()> {
        shared.latencies().clear();
        let (before, began) = (shared.commits.load(Ordering::Relaxed), Instant::now());
        shared.is_recording.store(true, Ordering::Relaxed);
        tokio::time::sleep(WINDOW).await;
        shared.is_recording.store(false, Ordering::Relaxed);
        let commits = shared.commits.load(Ordering::Relaxed) - before;
        self.commits.push(per_second(commits, began.elapsed()));
        let mut latencies = std::mem::take(&mut *shared.latencies());
        ensure!(latencies.len() > 1_000, "{} deliveries", latencies.len());
        latencies.sort_unstable();
        let p99 = latencies[latencies.len() * 99 / 100];
        self.p99_ms
            .push(per_second(p99, Duration::from_secs(1_000)));
        let resident = resident_bytes()?;
        self.resident_mb
            .push(per_second(resident, Duration::from_secs(1_000_000)));
        Ok(())
    }
}

async fn follow(mut feed: Feed, shared: Arc<Shared>) -> Result<()> {
    loop {
        let asked = feed.next().await?;
        if shared.is_recording.load(Ordering::Relaxed) {
            let now = shared.now();
            let took = asked.iter().map(|asked| now.saturating_sub(*asked));
            shared.latencies().extend(took);
        }
    }
}

/// Commits of one document, one after the other, spread over the rooms.
async fn write(port: Port, writer: u64, shared: Arc<Shared>) -> Result<()> {
    let body = "x".repeat(BODY_BYTES);
    for n in (writer..).step_by(usize::try_from(WRITERS)?) {
        // One in a thousand is in a room that only the stalled one sees.
        let (room, t) = (n % (HEALTHY + 1), shared.now());
        let json = format!(r#"{{"t":{t},"room":{room},"body":"{body}"}}"#);
        let path = format!("docs/{}", n % DOCUMENTS).parse()?;
        let write = Write::set(path, Data::parse(json.as_bytes())?);
        port.commit(CommitRequest::of(vec![write])).await?;
        shared.commits.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
