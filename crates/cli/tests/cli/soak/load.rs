//! The writers, and what is measured of everybody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use wellspring_client::{Client, Code, RequestError};
use wellspring_testkit::random::Random;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{CollectionPath, Data, DocumentPath};

pub(super) const ROOMS: u64 = 20;
const MESSAGES_OF_A_ROOM: u64 = 500;
pub(super) const AUTHORS: u64 = 10;
const WRITERS: u64 = 8;
/// Between two commits of a writer: the load is the same all the time, however fast the server.
const PACE: Duration = Duration::from_millis(20);

/// What is measured and counted since somebody looked.
#[derive(Default)]
pub(super) struct Load {
    /// From sending a commit to its answer, in microseconds.
    pub(super) commits: Latency,
    /// From sending a commit to a follower's seeing it, in microseconds.
    pub(super) deliveries: Latency,
    pub(super) visits: AtomicU64,
    pub(super) stalls: AtomicU64,
    pub(super) resets: AtomicU64,
}

impl Load {
    pub(super) fn assert_everybody_did_something(&self) {
        assert!(self.commits.total() > 0, "no commit");
        assert!(self.deliveries.total() > 0, "no delivery");
        assert!(self.visits.load(Ordering::Relaxed) > 0, "no visit");
        assert!(self.stalls.load(Ordering::Relaxed) > 0, "no stalled reader");
    }
}

/// Times of the window, and how many there were in all.
pub(super) struct Latency {
    window: Mutex<Histogram<u64>>,
    total: AtomicU64,
}

impl Default for Latency {
    fn default() -> Latency {
        // Up to a minute, to three digits.
        let window = Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        Latency {
            window: Mutex::new(window),
            total: AtomicU64::new(0),
        }
    }
}

impl Latency {
    pub(super) fn took(&self, micros: u64) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.window.lock().unwrap().saturating_record(micros);
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Number, median and 99th percentile, and begins anew.
    pub(super) fn finish_window(&self) -> (u64, u64, u64) {
        let mut window = self.window.lock().unwrap();
        let (median, high) = (
            window.value_at_quantile(0.5),
            window.value_at_quantile(0.99),
        );
        let finished = (window.len(), median, high);
        window.reset();
        finished
    }
}

/// Microseconds of the machine's clock: writers and followers are of one process.
pub(super) fn now_micros() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since_1970.as_micros()).unwrap()
}

fn is_not_found(error: &RequestError) -> bool {
    error.code() == Some(Code::NotFound)
}

pub(super) fn room(number: u64) -> CollectionPath {
    format!("rooms/{}/messages", number % ROOMS)
        .parse()
        .unwrap()
}

/// Every document once: from now on there are about as many all the time.
pub(super) async fn fill(url: &str) {
    let client = Client::connect(url).await.unwrap();
    for room_number in 0..ROOMS {
        let mut dice = Dice::new(room_number);
        let writes = (0..MESSAGES_OF_A_ROOM).map(|message| {
            let path = format!("{}/{message}", room(room_number)).parse().unwrap();
            Write::set(path, dice.message())
        });
        let request = CommitRequest::of(writes.collect());
        client.commit(request).await.unwrap();
    }
    client.close().await;
}

pub(super) async fn write(
    tasks: &mut JoinSet<()>,
    url: &str,
    load: &Arc<Load>,
    stop: &CancellationToken,
) {
    for writer in 0..WRITERS {
        let client = Client::connect(url).await.unwrap();
        let (load, stop) = (Arc::clone(load), stop.clone());
        tasks.spawn(async move {
            let mut dice = Dice::new(1_000 + writer);
            let mut pace = interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while stop.run_until_cancelled(pace.tick()).await.is_some() {
                let request = dice.commit();
                let sent = Instant::now();
                let committed = client.commit(request).await;
                // What is to be removed may be gone already.
                assert!(
                    committed.as_ref().err().is_none_or(is_not_found),
                    "{committed:?}"
                );
                load.commits
                    .took(u64::try_from(sent.elapsed().as_micros()).unwrap());
            }
            client.close().await;
        });
    }
}

/// What a writer writes: the same paths in each run.
pub(super) struct Dice(Random);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(Random::new(seed))
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0.below(limit)
    }

    fn path(&mut self) -> DocumentPath {
        let collection = room(self.below(ROOMS));
        let message = self.below(MESSAGES_OF_A_ROOM);
        format!("{collection}/{message}").parse().unwrap()
    }

    fn message(&mut self) -> Data {
        let words = usize::try_from(1 + self.below(20)).unwrap();
        let (sent, author) = (now_micros(), self.below(AUTHORS));
        let text = "tea and biscuits ".repeat(words);
        let data = format!(r#"{{"sent":{sent},"author":"a{author}","text":"{text}"}}"#);
        Data::parse(data.as_bytes()).unwrap()
    }

    /// Mostly one write; sometimes several, or a removal.
    fn commit(&mut self) -> CommitRequest {
        let kind = self.below(20);
        if kind == 0 {
            return CommitRequest::of(vec![Write::delete(self.path())]);
        }
        let mut paths = HashSet::new();
        while paths.len() < if kind == 1 { 3 } else { 1 } {
            paths.insert(self.path());
        }
        let writes = paths
            .into_iter()
            .map(|path| Write::set(path, self.message()));
        CommitRequest::of(writes.collect())
    }
}
