//! What the engine's tests share: a database in a directory of its own, short ways to write and
//! to read, and a subscriber that folds what it is sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use wellspring_engine::{Clock, Database, Options, ReadError, Subscription};
use wellspring_types::feed::{Change, FeedMessage, From, Op, SubscribeRequest};
use wellspring_types::query::{Found, Query};
use wellspring_types::write::{CommitRequest, CommitResult, Write};
use wellspring_types::{At, Data, Document, DocumentPath, Filter, Sequence, Timestamp};

/// Longer than anything here takes, so that a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that the test turns.
#[derive(Default)]
pub(crate) struct Hand(AtomicU64);

impl Hand {
    pub(crate) fn turn(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) directory: TempDir,
}

pub(crate) fn options(directory: &TempDir) -> Options {
    let mut options = Options::new(directory.path().join("data"));
    options.segment_bytes = 64 << 10;
    options.reserve_bytes = 0;
    options
}

pub(crate) fn open(directory: &TempDir) -> Database {
    Database::open(options(directory), &mut |_| {}).unwrap()
}

pub(crate) fn fixture() -> Fixture {
    fixture_with(|_| {})
}

pub(crate) fn fixture_with(change: impl FnOnce(&mut Options)) -> Fixture {
    fixture_in(tempfile::tempdir().unwrap(), change)
}

fn fixture_in(directory: TempDir, change: impl FnOnce(&mut Options)) -> Fixture {
    let mut options = options(&directory);
    change(&mut options);
    Fixture {
        database: Database::open(options, &mut |_| {}).unwrap(),
        directory,
    }
}

impl Fixture {
    /// Closes the database and opens it again.
    pub(crate) async fn reopen(self) -> Fixture {
        self.database.close().await.unwrap();
        let Fixture {
            database,
            directory,
        } = self;
        drop(database);
        Fixture {
            database: open(&directory),
            directory,
        }
    }

    /// Leaves the database as a crash of the process would, and opens it again.
    pub(crate) fn crash(self) -> Fixture {
        self.crash_into(|_| {})
    }

    /// As [`Fixture::crash`], and it is opened with other options.
    pub(crate) fn crash_into(self, change: impl FnOnce(&mut Options)) -> Fixture {
        let Fixture {
            database,
            directory,
        } = self;
        drop(database);
        fixture_in(directory, change)
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> CommitResult {
        self.database
            .commit(CommitRequest::of(writes))
            .await
            .unwrap()
    }

    pub(crate) async fn set(&self, at: &str, json: &str) -> Sequence {
        self.commit(vec![Write::set(path(at), data(json))])
            .await
            .seq
    }

    pub(crate) async fn delete(&self, at: &str) -> Sequence {
        self.commit(vec![Write::delete(path(at))]).await.seq
    }

    pub(crate) async fn get(&self, at: &str) -> Option<String> {
        let document = self.database.get(&path(at)).await.unwrap();
        document.map(|document| document.data.as_str().to_owned())
    }

    pub(crate) async fn get_at(&self, of: &str, at: At) -> Result<Found, ReadError> {
        self.database.get_at(&path(of), &at).await
    }

    pub(crate) fn subscribe(&self, from: From) -> Subscriber {
        self.subscribe_to(SubscribeRequest::new("rooms".parse().unwrap(), from))
    }

    pub(crate) fn subscribe_to(&self, request: SubscribeRequest) -> Subscriber {
        Subscriber::new(self.database.subscribe(request).unwrap())
    }
}

pub(crate) fn path(path: &str) -> DocumentPath {
    path.parse().unwrap()
}

pub(crate) fn data(json: &str) -> Data {
    Data::parse(json.as_bytes()).unwrap()
}

pub(crate) fn filter(json: &str) -> Filter {
    Filter::parse(json).unwrap()
}

pub(crate) fn set(at: &str, json: &str) -> Write {
    Write::set(path(at), data(json))
}

pub(crate) fn query(collection: &str) -> Query {
    Query {
        collection: collection.parse().unwrap(),
        filter: None,
        select: None,
        order_by: Vec::new(),
        limit: 100,
        cursor: None,
        at: None,
    }
}

/// Ids and data of documents.
pub(crate) fn shown(documents: &[Document]) -> Vec<(String, String)> {
    let shown = documents.iter();
    shown
        .map(|d| (d.path.id().to_owned(), d.data.as_str().to_owned()))
        .collect()
}

/// A subscription, and what it adds up to.
pub(crate) struct Subscriber {
    pub(crate) subscription: Subscription,
    /// The documents in view, by [`Subscriber::name`].
    pub(crate) state: BTreeMap<String, (Sequence, String)>,
    /// Every change, with its sequence.
    pub(crate) changes: Vec<(Sequence, Change)>,
    pub(crate) token: Option<wellspring_types::ResumeToken>,
    pub(crate) position: Sequence,
}

impl Subscriber {
    pub(crate) fn new(subscription: Subscription) -> Subscriber {
        Subscriber {
            subscription,
            state: BTreeMap::new(),
            changes: Vec::new(),
            token: None,
            position: Sequence::ZERO,
        }
    }

    /// A document's path without `rooms/`: most are only there.
    pub(crate) fn name(path: &DocumentPath) -> String {
        let path = path.as_str();
        path.strip_prefix("rooms/").unwrap_or(path).to_owned()
    }

    pub(crate) async fn next(&mut self) -> FeedMessage {
        let next = tokio::time::timeout(PATIENCE, self.subscription.next());
        let message = next.await.expect("a message in time").unwrap();
        self.absorb(&message);
        message
    }

    /// Takes messages until the position reaches `seq`.
    pub(crate) async fn until(&mut self, seq: Sequence) {
        while self.position < seq {
            self.next().await;
        }
    }

    /// Takes messages until the snapshot is whole.
    pub(crate) async fn until_current(&mut self) -> Sequence {
        loop {
            if let FeedMessage::Current { seq, .. } = self.next().await {
                return seq;
            }
        }
    }

    pub(crate) fn absorb(&mut self, message: &FeedMessage) {
        match message {
            FeedMessage::Subscribed { token, .. } => {
                if token.is_some() {
                    self.token.clone_from(token);
                }
            }
            FeedMessage::Snapshot {
                documents,
                removed,
                token,
            } => {
                for document in documents {
                    let shown = (document.version, document.data.as_str().to_owned());
                    self.state.insert(Subscriber::name(&document.path), shown);
                }
                for path in removed {
                    self.state.remove(&Subscriber::name(path));
                }
                self.token = Some(token.clone());
            }
            FeedMessage::Current { seq, token } | FeedMessage::Checkpoint { seq, token } => {
                assert!(self.position <= *seq, "positions rise");
                self.position = *seq;
                self.token = Some(token.clone());
            }
            FeedMessage::Changes { commits, token } => {
                for commit in commits {
                    assert!(self.position < commit.seq, "each commit once, in order");
                    self.position = commit.seq;
                    for change in &commit.changes {
                        self.fold(commit.seq, change);
                    }
                }
                self.token = Some(token.clone());
            }
            FeedMessage::Reset { known: true, .. } => {}
            FeedMessage::Reset { known: false, .. } => self.state.clear(),
        }
    }

    fn fold(&mut self, seq: Sequence, change: &Change) {
        let id = Subscriber::name(&change.path);
        match (change.op, &change.data) {
            (Op::Insert | Op::Update, Some(data)) => {
                self.state
                    .insert(id, (change.version, data.as_str().to_owned()));
            }
            (Op::Delete, None) => {
                self.state.remove(&id);
            }
            other => panic!("{other:?}"),
        }
        self.changes.push((seq, change.clone()));
    }
}
