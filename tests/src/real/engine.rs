//! The engine in this process: openings that end with a clean close, or in the middle of writes, and
//! subscriptions that go on through all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use wellspring_engine::{Database, FloorMove, PageLimit};
use wellspring_testkit::history::recorder::FeedRecorder;
use wellspring_testkit::random::Random;
use wellspring_types::Sequence;
use wellspring_types::feed::{FeedMessage, From, Known, Op, SubscribeRequest};

use wellspring_tests::scene::{Scene, open, request};
use wellspring_tests::writers::{COLLECTIONS, Writer};

/// Few, so that writers meet.
const DOCUMENTS: u64 = 12;
const SUBSCRIPTIONS: usize = 16;
const OPENINGS: u64 = 5;
const PAGE: PageLimit = PageLimit {
    bytes: 4 << 10,
    messages: 5,
};

struct Follower {
    feed: FeedRecorder,
    request: SubscribeRequest,
    random: Random,
    number: usize,
    is_poll: bool,
    /// Versions by ids, of those that say what they hold.
    held: Option<BTreeMap<Box<str>, Sequence>>,
}

impl Follower {
    fn new(scene: &Scene, number: usize) -> Follower {
        let request = request(number);
        Follower {
            feed: FeedRecorder::new(scene.recorder.clone(), &format!("s{number}"), &request),
            request,
            random: Random::new(number as u64),
            number,
            is_poll: false,
            held: (number % 3 == 1).then(BTreeMap::new),
        }
    }

    /// Where the next session begins.
    fn next_request(&mut self) -> SubscribeRequest {
        let transport = if self.is_poll {
            "engine, pages"
        } else {
            "engine"
        };
        let mut request = self.request.clone();
        match self.feed.token().cloned() {
            Some(at) => {
                self.feed.resume(transport, &at);
                request.from = From::Token(at.token);
                let known = |versions| Known {
                    token: None,
                    versions,
                };
                request.known = self.held.clone().map(known);
            }
            None => self.feed.begin(transport, &request.from),
        }
        request
    }

    fn take(&mut self, message: &FeedMessage) {
        self.feed.message(message);
        let Some(held) = &mut self.held else { return };
        match message {
            FeedMessage::Reset { known: false, .. } => held.clear(),
            FeedMessage::Snapshot {
                documents, removed, ..
            } => {
                let documents = documents.iter();
                held.extend(documents.map(|d| (d.path.id().into(), d.version)));
                removed.iter().for_each(|path| {
                    held.remove(path.id());
                });
            }
            FeedMessage::Changes { commits, .. } => {
                for change in commits.iter().flat_map(|commit| &commit.changes) {
                    match change.op {
                        Op::Delete => held.remove(change.path.id()),
                        _ => held.insert(change.path.id().into(), change.version),
                    };
                }
            }
            _ => {}
        }
    }

    /// Follows in sessions of some messages each, until the database or the test stops.
    async fn follow(mut self, database: Database, mut stop: watch::Receiver<bool>) -> Follower {
        while !*stop.borrow() {
            let request = self.next_request();
            let Ok(mut subscription) = database.subscribe(request) else {
                break;
            };
            if self.is_poll {
                let Ok(page) = subscription.page(PAGE, Duration::from_millis(20)).await else {
                    break;
                };
                page.messages.iter().for_each(|message| self.take(message));
                self.feed.page(&page.token);
                continue;
            }
            for _ in 0..=self.random.below(60) {
                let message = tokio::select! {
                    message = subscription.next() => message,
                    _ = stop.changed() => return self,
                };
                let Ok(message) = message else { return self };
                self.take(&message);
                // Slow now and then: its queue overflows.
                for _ in 0..self.random.below(200) {
                    tokio::task::yield_now().await;
                }
            }
        }
        self
    }

    /// Reads everything that is left, through to where the database is.
    async fn finish(mut self, database: &Database) {
        self.is_poll = true;
        let mut is_last = false;
        loop {
            let request = self.next_request();
            let mut subscription = database.subscribe(request).unwrap();
            let page = subscription.page(PAGE, Duration::ZERO).await.unwrap();
            page.messages.iter().for_each(|message| self.take(message));
            self.feed.page(&page.token);
            if is_last {
                self.feed.drained();
                return; // And this page has told the position of the one before.
            }
            is_last = !page.more;
        }
    }
}

/// Moves the floor of everything, or of a collection, to where half of it is not offered any more.
async fn move_floor(database: &Database, writer: usize) {
    let collection = COLLECTIONS.get(writer).map(|path| path.parse().unwrap());
    let through = Sequence(database.visible().0 / 2);
    let wished = FloorMove {
        collection,
        through,
    };
    // It may be closed by now.
    database.move_floor(wished).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_engine_keeps_every_promise_through_reopenings() {
    let scene = Scene::default();
    let mut followers: Vec<_> = (0..SUBSCRIPTIONS)
        .map(|n| Follower::new(&scene, n))
        .collect();
    for opening in 0..OPENINGS {
        let database = open(&scene.data_dir());
        let (stop, stopped) = watch::channel(false);
        let mut following = JoinSet::new();
        for mut follower in followers.drain(..) {
            follower.is_poll = follower.number % 4 == 3;
            following.spawn(follower.follow(database.clone(), stopped.clone()));
        }
        let mut writing = JoinSet::new();
        for writer in 0..4 {
            let (database, recorder) = (database.clone(), scene.recorder.clone());
            writing.spawn(async move {
                let name = format!("w{opening}{writer}");
                let mut writer_of = Writer::new(recorder, &name, DOCUMENTS);
                writer_of.write(&database, 50).await;
                // Past whoever has fallen behind.
                move_floor(&database, writer).await;
                writer_of.write(&database, 50).await;
            });
        }
        // Every other opening ends while three of the four writers are in the middle.
        if opening % 2 == 1 {
            writing.join_next().await.unwrap().unwrap();
            scene.recorder.fault("close", Some("under writers"));
            database.close().await.unwrap();
        }
        while let Some(written) = writing.join_next().await {
            written.unwrap();
        }
        stop.send_replace(true);
        while let Some(follower) = following.join_next().await {
            followers.push(follower.unwrap());
        }
        // Without a close the store is not trusted, and built again.
        if opening % 2 == 0 {
            scene.recorder.fault("drop", None);
        }
        drop(database);
    }
    let database = open(&scene.data_dir());
    for follower in followers {
        follower.finish(&database).await;
    }
    database.close().await.unwrap();
    drop(database);

    let summary = scene.judge_clean().await.summary;
    println!("{summary:?}");
    assert!(
        summary.commits > 500 && summary.changes > 1000,
        "{summary:?}"
    );
    assert!(summary.refused > 10 && summary.reads > 100, "{summary:?}");
    assert!(
        summary.snapshots > 3 && summary.sessions > 50,
        "{summary:?}"
    );
}
