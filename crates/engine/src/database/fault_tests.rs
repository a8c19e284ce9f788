//! What a database does when its disk fails: it says so, keeps on reading, and loses nothing.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use wellspring_log::{Faults, Log, Operation, Witnesses};
use wellspring_store::{
    Applied, Batch, MemoryStore, RememberedMutation, ScanLimit, ScanPage, Scrub, Store, StoreError,
    StoredDocument,
};
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};
use wellspring_types::query::Query;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{CollectionId, CollectionPath, Data, Document, DocumentPath, Sequence};

use super::start::start;
use super::{CloseError, Database};
use crate::commit::CommitError;
use crate::health::{Condition, Health, ReadOnlyReason};
use crate::open::{self, Meta, OpenError};
use crate::options::Options;

/// A store that fails from some moment on: half-way through a batch, as sled might.
struct FailingStore {
    inner: MemoryStore,
    fails: Arc<AtomicBool>,
    panics: bool,
    /// Whether a scrub finds something else than was applied.
    is_wrong: bool,
    /// Whether a scrub gets on.
    may_scrub: Arc<AtomicBool>,
    /// Pages whose documents are all deleted while they are read.
    empty_pages: AtomicUsize,
    on_close: Box<dyn Fn() -> Result<(), StoreError> + Send + Sync>,
}

impl Default for FailingStore {
    fn default() -> FailingStore {
        FailingStore {
            inner: MemoryStore::new(),
            fails: Arc::default(),
            panics: false,
            is_wrong: false,
            may_scrub: Arc::new(AtomicBool::new(true)),
            empty_pages: AtomicUsize::new(0),
            on_close: Box::new(|| Ok(())),
        }
    }
}

impl Store for FailingStore {
    fn applied(&self) -> Applied {
        self.inner.applied()
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        if !self.fails.load(Ordering::Acquire) {
            return self.inner.apply(batch);
        }
        // Some of the batch is there, and `applied` is as before.
        let half = Batch {
            applied: self.inner.applied(),
            collections: batch.collections.clone(),
            changes: batch.changes[..batch.changes.len() / 2].to_vec(),
            ..Batch::default()
        };
        self.inner.apply(&half).ok();
        assert!(!self.panics, "as the library does on some damaged files");
        Err(StoreError::ApplyFailed)
    }

    fn get(&self, c: CollectionId, id: &str) -> Result<Option<StoredDocument>, StoreError> {
        self.inner.get(c, id)
    }

    fn scan(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError> {
        let left = self.empty_pages.load(Ordering::Relaxed);
        if left > 0 {
            self.empty_pages.store(left - 1, Ordering::Relaxed);
            let (entries, end) = (Vec::new(), false);
            return Ok(ScanPage { entries, end });
        }
        self.inner.scan(collection, after, limit)
    }

    fn collections(&self) -> Result<Vec<(CollectionId, CollectionPath)>, StoreError> {
        self.inner.collections()
    }

    fn mutation(
        &self,
        p: Option<&str>,
        id: &str,
    ) -> Result<Option<RememberedMutation>, StoreError> {
        self.inner.mutation(p, id)
    }

    fn scrub_until(&self, stop: &AtomicBool) -> Result<Scrub, StoreError> {
        while !self.may_scrub.load(Ordering::Acquire) {
            if stop.load(Ordering::Relaxed) {
                return Err(StoreError::Stopped);
            }
            std::thread::yield_now();
        }
        if self.is_wrong {
            return Err(StoreError::Wrong);
        }
        self.inner.scrub_until(stop)
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        (self.on_close)()
    }
}

fn options(directory: &Path) -> Options {
    let mut options = Options::new(directory.join("data"));
    options.reserve_bytes = 0;
    options
}

fn path(path: &str) -> DocumentPath {
    path.parse().unwrap()
}

async fn set(database: &Database, at: &str, json: &str) -> Result<Sequence, CommitError> {
    let write = Write::set(path(at), Data::parse(json.as_bytes()).unwrap());
    Ok(database.commit(CommitRequest::of(vec![write])).await?.seq)
}

async fn list(database: &Database) -> Vec<(String, String)> {
    let query = Query {
        collection: "rooms".parse().unwrap(),
        filter: None,
        select: None,
        order_by: Vec::new(),
        limit: 1000,
        cursor: None,
        at: None,
    };
    let documents = database.query(query).await.unwrap().documents.into_iter();
    let shown = |d: Document| (d.path.id().to_owned(), d.data.as_str().to_owned());
    documents.map(shown).collect()
}

async fn snapshot(database: &Database) -> Vec<Document> {
    let request = SubscribeRequest::new("rooms".parse().unwrap(), From::Snapshot);
    let mut subscription = database.subscribe(request).unwrap();
    let mut documents = Vec::new();
    loop {
        match subscription.next().await.unwrap() {
            FeedMessage::Snapshot {
                documents: page, ..
            } => documents.extend(page),
            FeedMessage::Current { .. } => return documents,
            _ => {}
        }
    }
}

fn with_store(options: &Options, store: FailingStore) -> Database {
    let mut opened = open::open(options, &mut |_| {}).unwrap();
    opened.unscrubbed = store.is_wrong;
    opened.store = Box::new(store);
    start(opened, options.clone()).unwrap()
}

async fn read_on_after_a_failed_apply(panics: bool) {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let fails = Arc::new(AtomicBool::new(false));
    let store = FailingStore {
        fails: Arc::clone(&fails),
        panics,
        ..FailingStore::default()
    };
    let database = with_store(&options, store);
    for n in 0..10 {
        set(&database, &format!("rooms/{n}"), r#"{"v":1}"#)
            .await
            .unwrap();
    }
    database.inner.read.visible.applied(Sequence(10)).await;

    fails.store(true, Ordering::Release);
    let writes = [
        Write::delete(path("rooms/3")),
        Write::delete(path("rooms/4")),
    ];
    let changed = Write::set(path("rooms/5"), Data::parse(br#"{"v":2}"#).unwrap());
    let new = Write::set(path("rooms/x"), Data::parse(br#"{"v":2}"#).unwrap());
    let request = CommitRequest::of(writes.into_iter().chain([changed, new]).collect());
    database.commit(request).await.unwrap();
    // Readers that wait for the store are freed, and see what was acknowledged.
    let expected = [
        ("0", 1),
        ("1", 1),
        ("2", 1),
        ("5", 2),
        ("6", 1),
        ("7", 1),
        ("8", 1),
        ("9", 1),
    ];
    let mut expected: Vec<_> = expected
        .map(|(id, v)| (id.to_owned(), format!(r#"{{"v":{v}}}"#)))
        .to_vec();
    expected.push(("x".into(), r#"{"v":2}"#.into()));
    assert_eq!(list(&database).await, expected);
    assert_eq!(
        database.health(),
        Health::ReadOnly(ReadOnlyReason::StoreFailed)
    );
    let refused = set(&database, "rooms/y", "{}").await.unwrap_err();
    assert_eq!(refused, CommitError::ReadOnly(ReadOnlyReason::StoreFailed));
    assert_eq!(database.get(&path("rooms/3")).await.unwrap(), None);

    let documents = snapshot(&database).await;
    assert_eq!(documents.len(), expected.len());
    assert!(matches!(
        database.close().await,
        Err(CloseError::StoreBehind)
    ));
    drop(database);

    let database = Database::open(options, &mut |_| {}).unwrap();
    assert_eq!(list(&database).await, expected, "from the log");
    set(&database, "rooms/y", "{}").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_store_makes_the_database_read_only_and_hides_nothing() {
    read_on_after_a_failed_apply(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_store_is_a_failed_store() {
    read_on_after_a_failed_apply(true).await;
}

/// A database whose log fails `operation` once `fails` is set.
fn with_failing_log(
    options: &Options,
    operation: Operation,
    fails: &Arc<AtomicBool>,
    store: Option<FailingStore>,
) -> Result<Database, OpenError> {
    let mut opened = open::open(options, &mut |_| {})?;
    if let Some(store) = store {
        opened.unscrubbed = store.is_wrong;
        opened.store = Box::new(store);
    }
    let fails = Arc::clone(fails);
    let faults = Faults::new(move |what, _path| {
        let hit = what == operation && fails.load(Ordering::Acquire);
        if hit {
            Err(io::Error::other("the disk failed"))
        } else {
            Ok(())
        }
    });
    with_faults(opened, options, faults)
}

fn with_faults(
    mut opened: open::Opened,
    options: &Options,
    faults: Faults,
) -> Result<Database, OpenError> {
    let log_epoch = opened.meta.meta().log_epoch;
    let mut log_options = wellspring_log::Options::new(options.data_dir.join("log"), log_epoch);
    log_options.faults = faults;
    opened.log = Log::open(log_options, Witnesses::default())?;
    start(opened, options.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_or_sync_leaves_the_outcome_unknown_and_the_rest_readable() {
    for operation in [Operation::Write, Operation::Sync] {
        let directory = tempfile::tempdir().unwrap();
        let options = options(directory.path());
        let fails = Arc::new(AtomicBool::new(false));
        let database = with_failing_log(&options, operation, &fails, None).unwrap();
        set(&database, "rooms/1", "{}").await.unwrap();
        let request = SubscribeRequest::new("rooms".parse().unwrap(), From::Now);
        let mut live = database.subscribe(request).unwrap();
        fails.store(true, Ordering::Release);
        let unknown = set(&database, "rooms/2", "{}").await.unwrap_err();
        assert_eq!(unknown, CommitError::OutcomeUnknown, "{operation:?}");
        assert_eq!(
            database.visible(),
            Sequence(1),
            "only what is durable is seen"
        );
        assert_eq!(
            database.health(),
            Health::ReadOnly(ReadOnlyReason::LogFailed)
        );
        assert_eq!(database.get(&path("rooms/2")).await.unwrap(), None);
        assert_eq!(list(&database).await.len(), 1);
        let refused = set(&database, "rooms/3", "{}").await.unwrap_err();
        assert_eq!(refused, CommitError::ReadOnly(ReadOnlyReason::LogFailed));
        assert!(matches!(
            live.next().await,
            Ok(FeedMessage::Subscribed { .. })
        ));
        drop(live);
        assert!(database.close().await.is_err(), "no mark of a clean close");
        drop(database);

        // The disk is well again: what was acknowledged is there, the unknown one whole or not.
        let database = Database::open(options, &mut |_| {}).unwrap();
        let found = list(&database).await.len();
        assert!((1..=2).contains(&found), "{operation:?}: {found}");
        assert_eq!(database.visible().0, found as u64);
        set(&database, "rooms/3", "{}").await.unwrap();
    }
}

/// A commit with a mutation id, which can be sent again.
fn repeatable(id: &str) -> CommitRequest {
    let write = Write::set(path(&format!("rooms/{id}")), Data::parse(b"{}").unwrap());
    CommitRequest {
        mutation_id: Some(id.parse().unwrap()),
        ..CommitRequest::of(vec![write])
    }
}

/// What a client may be told that sends again what it was told about before: the same, or that it is
/// still unknown; never that it is refused, as it may be there after the next opening.
async fn assert_repeats_are_told_the_truth(database: &Database, reason: ReadOnlyReason) {
    assert_eq!(database.health(), Health::ReadOnly(reason));
    for _ in 0..2 {
        let first = database.commit(repeatable("acknowledged")).await.unwrap();
        assert_eq!(first.seq, Sequence(1));
        let unknown = database.commit(repeatable("unknown")).await.unwrap_err();
        assert_eq!(unknown, CommitError::OutcomeUnknown);
        let refused = database.commit(repeatable("new")).await.unwrap_err();
        assert_eq!(refused, CommitError::ReadOnly(reason));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_commit_that_may_be_there_is_not_refused() {
    for panics in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let options = options(directory.path());
        let fails = Arc::new(AtomicBool::new(false));
        let failing = Arc::clone(&fails);
        let faults = Faults::new(move |operation, _path| {
            if operation != Operation::Sync || !failing.load(Ordering::Acquire) {
                return Ok(());
            }
            assert!(!panics, "as told");
            Err(io::Error::other("the disk failed"))
        });
        let opened = open::open(&options, &mut |_| {}).unwrap();
        let database = with_faults(opened, &options, faults).unwrap();
        database.commit(repeatable("acknowledged")).await.unwrap();
        fails.store(true, Ordering::Release);
        let unknown = database.commit(repeatable("unknown")).await.unwrap_err();
        assert_eq!(unknown, CommitError::OutcomeUnknown);
        let reason = match panics {
            true => ReadOnlyReason::WriterFailed,
            false => ReadOnlyReason::LogFailed,
        };
        assert_repeats_are_told_the_truth(&database, reason).await;
        database.close().await.unwrap_err();
        drop(database);

        // It was written, and only its sync had failed.
        let database = Database::open(options, &mut |_| {}).unwrap();
        let found = database.commit(repeatable("unknown")).await.unwrap();
        assert_eq!(found.seq, Sequence(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_commit_that_was_lost_after_the_store_had_failed_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let store = FailingStore {
        is_wrong: true,
        may_scrub: Arc::new(AtomicBool::new(false)),
        ..FailingStore::default()
    };
    let may_scrub = Arc::clone(&store.may_scrub);
    let mut opened = open::open(&options, &mut |_| {}).unwrap();
    opened.unscrubbed = true;
    opened.store = Box::new(store);
    let condition: Arc<OnceLock<Arc<Condition>>> = Arc::default();
    let of_database = Arc::clone(&condition);
    let faults = Faults::new(move |operation, _path| {
        let Some(condition) = of_database.get().filter(|_| operation == Operation::Write) else {
            return Ok(());
        };
        // The store fails while the group is being written, and then that fails too.
        may_scrub.store(true, Ordering::Release);
        while condition.read_only().is_none() {
            std::thread::yield_now();
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    let database = with_faults(opened, &options, faults).unwrap();
    database.commit(repeatable("acknowledged")).await.unwrap();
    condition.set(Arc::clone(&database.inner.condition)).ok();
    let unknown = database.commit(repeatable("unknown")).await.unwrap_err();
    assert_eq!(unknown, CommitError::OutcomeUnknown);
    assert_repeats_are_told_the_truth(&database, ReadOnlyReason::StoreFailed).await;
}

/// Whether the next opening trusts the store that is there.
fn is_trusted(options: &Options) -> bool {
    let meta = Meta::load(&*options.file_system, &options.data_dir)
        .unwrap()
        .unwrap();
    meta.clean_close || meta.stamp.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_a_scrub_finds_wrong_is_not_trusted_again() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(directory.path());
    let is_wrong = true;
    let database = with_store(
        &options,
        FailingStore {
            is_wrong,
            ..FailingStore::default()
        },
    );
    while database.health() == Health::Writable {
        tokio::task::yield_now().await;
    }
    let closed = database.close().await;
    assert!(matches!(closed, Err(CloseError::StoreBehind)), "{closed:?}");
    assert!(!is_trusted(&options));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_close_is_not_trusted_again() {
    for dropped in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let options = options(directory.path());
        let on_close = Box::new(|| Err(StoreError::ApplyFailed));
        let database = with_store(
            &options,
            FailingStore {
                on_close,
                ..FailingStore::default()
            },
        );
        if !dropped {
            let closed = database.close().await;
            assert!(matches!(closed, Err(CloseError::Store(_))), "{closed:?}");
        }
        drop(database);
        assert!(!is_trusted(&options), "dropped: {dropped}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_open_the_directory_before_the_store_is_closed() {
    for (log_fails, dropped) in [(false, false), (false, true), (true, false)] {
        let directory = tempfile::tempdir().unwrap();
        let options = options(directory.path());
        let closed = Arc::new(AtomicBool::new(false));
        let (lock, closing) = (options.data_dir.join("LOCK"), Arc::clone(&closed));
        let on_close = Box::new(move || {
            let lock = std::fs::File::open(&lock).unwrap();
            closing.store(lock.try_lock().is_err(), Ordering::Release);
            Ok(())
        });
        let store = FailingStore {
            on_close,
            ..FailingStore::default()
        };
        let fails = Arc::new(AtomicBool::new(false));
        let database = with_failing_log(&options, Operation::Sync, &fails, Some(store)).unwrap();
        // A reader that holds on to the store does not keep it open.
        let request = SubscribeRequest::new("rooms".parse().unwrap(), From::Now);
        let _reader = database.subscribe(request).unwrap();
        fails.store(log_fails, Ordering::Release);
        set(&database, "rooms/1", "{}").await.ok();
        if !dropped {
            let closed = database.close().await;
            assert_eq!(closed.is_err(), log_fails, "{closed:?}");
        }
        drop(database);
        assert!(
            closed.load(Ordering::Acquire),
            "log fails: {log_fails}, dropped: {dropped}"
        );
        let lock = std::fs::File::open(options.data_dir.join("LOCK")).unwrap();
        lock.try_lock().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_deleted_while_it_was_read_does_not_end_a_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = FailingStore {
        empty_pages: AtomicUsize::new(2),
        ..FailingStore::default()
    };
    let database = with_store(&options(directory.path()), store);
    set(&database, "rooms/1", "{}").await.unwrap();
    assert_eq!(list(&database).await.len(), 1);
}
