//! `kill -9` of a server at random moments, under 8 writers, 32 subscribers that go on over four
//! transports, some of them conflating, and two consumers whose work is shared: the history of what they were told, through all its deaths, keeps every promise.
//!
//! Every database of so many kills is a history of its own. Every other one drops its oldest
//! changes, so that kills meet truncation and clients come back to what is not kept any more.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wellspring_testkit::random::Random;
use wellspring_tests::process::ServerProcess;
use wellspring_tests::scene::Scene;
use wellspring_tests::store_loss::hurt_store;
use wellspring_tests::writers::Writer;
use wellspring_tests::{Follower, Group, PATIENCE, Transport, Worker};

const WRITERS: usize = 8;
const SUBSCRIBERS: usize = 32;
/// Those who share the work of each of two consumers.
const WORKERS: [usize; 2] = [3, 2];
const TRANSPORTS: &[Transport] = &[
    Transport::WebSocket,
    Transport::Grpc,
    Transport::Sse,
    Transport::LongPoll,
];
/// Enough for snapshots of several pages, few enough for writers to meet.
const DOCUMENTS: u64 = 200;
const KILLS_A_DATABASE: u64 = 10;
/// Four segments.
const RETENTION_BYTES: &str = "65536";
/// Acknowledgements between an opening and the kill, at most.
const ACKNOWLEDGEMENTS_MAX: u64 = if cfg!(debug_assertions) { 200 } else { 600 };
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How often the server is killed: 1,000 times with `WELLSPRING_KILLS=1000` set when this is
/// compiled, as the long form in `docs/testing.md` does.
fn kills() -> u64 {
    option_env!("WELLSPRING_KILLS")
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(20)
}

/// What happened, over all databases.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    /// Before the database was open.
    while_opening: u64,
    /// Of those, after the store had been deleted or damaged.
    while_rebuilding: u64,
    /// With a snapshot half made or half removed.
    while_making_a_snapshot: u64,
    /// After the oldest segments were dropped since the kill before.
    after_truncation: u64,
    acknowledged: u64,
    unknown: u64,
    changes: u64,
    /// Commits that stood for several, to who asked for that.
    conflated: u64,
    /// To consumers, and answered.
    acks: u64,
    /// Changes that consumers were sent once more.
    repeats: u64,
    sessions: u64,
    snapshots: u64,
    reads: u64,
    longest_opening: Duration,
}

/// A database, through its kills.
struct Life {
    scene: Scene,
    random: Random,
    retention_bytes: &'static str,
    /// Where the server is.
    at: watch::Sender<Option<SocketAddr>>,
    /// The same, once its database is open: the Rust client heeds being told to come back later.
    ready_at: watch::Sender<Option<SocketAddr>>,
    acknowledged: Arc<AtomicU64>,
    opening: Duration,
    oldest: u64,
}

impl Life {
    fn new(number: u64) -> Life {
        Life {
            scene: Scene::default(),
            random: Random::new(number),
            retention_bytes: if number.is_multiple_of(2) {
                "0"
            } else {
                RETENTION_BYTES
            },
            at: watch::Sender::new(None),
            ready_at: watch::Sender::new(None),
            acknowledged: Arc::default(),
            opening: Duration::from_millis(50),
            oldest: 1,
        }
    }

    fn start(&self) -> ServerProcess {
        let program = Path::new(env!("CARGO_BIN_EXE_wellspring-test-server"));
        let data_dir = self.scene.data_dir();
        let arguments = [data_dir.to_str().unwrap(), self.retention_bytes];
        let logs = self.scene.logs();
        let start = || ServerProcess::start(program, &arguments, &logs);
        let server = tokio::task::block_in_place(start);
        self.at.send_replace(Some(server.clients));
        server
    }

    fn kill(&self, server: ServerProcess) {
        self.scene.recorder.fault("kill", None);
        tokio::task::block_in_place(|| server.kill());
        self.at.send_replace(None);
        self.ready_at.send_replace(None);
    }

    async fn opened(&mut self, server: &mut ServerProcess, figures: &mut Figures) {
        self.opening = server.ready().await;
        self.ready_at.send_replace(Some(server.clients));
        figures.longest_opening = figures.longest_opening.max(self.opening);
    }

    /// Starts the server and kills it: mostly some acknowledgements after it opened its database,
    /// now and then while it does that.
    async fn start_and_kill(&mut self, hurt: bool, figures: &mut Figures) {
        let mut server = self.start();
        if figures.kills % 3 == 2 {
            let opening = u64::try_from(self.opening.as_micros()).unwrap();
            let moment = Duration::from_micros(self.random.below(opening));
            tokio::time::sleep(moment).await;
            if !server.is_ready().await {
                figures.while_opening += 1;
                figures.while_rebuilding += u64::from(hurt);
            }
        } else {
            self.opened(&mut server, figures).await;
            let wanted = self.random.below(ACKNOWLEDGEMENTS_MAX);
            self.acknowledged(wanted).await;
        }
        self.kill(server);
        figures.kills += 1;
        let left = names(&self.scene.data_dir().join("snapshots"));
        let half = left.iter().any(|name| name.ends_with(".tmp"));
        figures.while_making_a_snapshot += u64::from(half);
        let segments = names(&self.scene.data_dir().join("log"));
        let oldest = segments
            .iter()
            .filter_map(|name| name.strip_suffix(".seg"))
            .filter_map(|first| first.parse().ok())
            .min()
            .unwrap_or(1);
        figures.after_truncation += u64::from(oldest > self.oldest);
        self.oldest = oldest;
    }

    /// Waits for this many further acknowledgements.
    async fn acknowledged(&self, count: u64) {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + count;
        let waiting = async {
            while self.acknowledged.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.expect("writers get on");
    }

    async fn live(mut self, kills: u64, figures: &mut Figures) {
        let recorder = &self.scene.recorder;
        let mut following = JoinSet::new();
        for number in 0..SUBSCRIBERS {
            let follower = Follower::new(recorder.clone(), number, self.oldest, TRANSPORTS);
            following.spawn(follower.follow(self.at.subscribe()));
        }
        let mut working = JoinSet::new();
        for (number, workers) in WORKERS.into_iter().enumerate() {
            let group = Group::new(number);
            for number in 0..workers {
                let worker = Worker::new(recorder.clone(), &group, number, self.oldest);
                working.spawn(worker.work(self.at.subscribe()));
            }
        }
        let mut writing = JoinSet::new();
        for number in 0..WRITERS {
            let writer = Writer::new(recorder.clone(), &format!("w{number}"), DOCUMENTS);
            writing.spawn(writer.go_on(self.ready_at.subscribe(), Arc::clone(&self.acknowledged)));
        }
        let mut hurt = false;
        for _ in 0..kills {
            self.start_and_kill(hurt, figures).await;
            // Before half of the kills that come while it opens, and before some others.
            hurt = (figures.kills % 6 == 2 || self.random.below(6) == 0)
                && hurt_store(&self.scene.data_dir(), &mut self.random);
        }
        // Nobody who has panicked is missed.
        (self.at, self.ready_at) = Default::default();
        while let Some(written) = writing.join_next().await {
            written.unwrap();
        }
        let mut followers = Vec::new();
        while let Some(follower) = following.join_next().await {
            followers.push(follower.unwrap());
        }
        let workers = working.join_all().await;
        let mut server = self.start();
        self.opened(&mut server, figures).await;
        let mut finishing = JoinSet::new();
        for worker in last_of_each(workers) {
            finishing.spawn(worker.finish(server.clients));
        }
        for follower in followers {
            finishing.spawn(follower.finish(server.clients));
        }
        while let Some(finished) = finishing.join_next().await {
            finished.unwrap();
        }
        self.kill(server);
        let summary = self.scene.judge_clean().await.summary;
        figures.acknowledged += summary.acknowledged;
        figures.unknown += summary.unknown;
        figures.changes += summary.changes;
        figures.conflated += summary.conflated;
        figures.acks += summary.acks;
        figures.repeats += summary.repeats;
        figures.sessions += summary.sessions;
        figures.snapshots += summary.snapshots;
        figures.reads += summary.reads;
    }
}

/// One worker of each consumer.
fn last_of_each(workers: Vec<Worker>) -> Vec<Worker> {
    let by_group = workers.into_iter().map(|worker| (worker.group(), worker));
    by_group.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Names in a directory; none where there is no directory.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_loses_nothing_and_tells_nobody_anything_wrong() {
    let mut figures = Figures::default();
    for number in 0..kills().div_ceil(KILLS_A_DATABASE) {
        let kills = KILLS_A_DATABASE.min(kills() - figures.kills);
        Life::new(number).live(kills, &mut figures).await;
        println!("{figures:?}");
    }
    assert!(figures.acknowledged > 300, "{figures:?}");
    assert!(figures.changes > 1000, "{figures:?}");
    assert!(figures.unknown > 0, "{figures:?}");
    assert!(figures.while_opening > 0, "{figures:?}");
    assert!(figures.after_truncation > 0, "{figures:?}");
    assert!(figures.conflated > 0, "{figures:?}");
    assert!(figures.acks > 100 && figures.repeats > 0, "{figures:?}");
}
