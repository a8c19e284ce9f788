//! Snapshots of the log, and what becomes of those whose place in it is gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use wellspring_engine::{
    Database, Health, Kept, OpenError, OpenProgress, Options, ReadError, SubscribeError,
    SubscriptionError,
};
use wellspring_types::feed::{FeedMessage, From, How, ResetReason, SubscribeRequest};
use wellspring_types::write::{CommitRequest, CommitResult};
use wellspring_types::{ResumeToken, Sequence, Timestamp};

use crate::common::{Fixture, Subscriber, options, query, set};

const PATIENCE: Duration = Duration::from_secs(20);

/// Segments of a few commits, and snapshots all the time.
fn small(directory: &TempDir) -> Options {
    let mut options = options(directory);
    options.segment_bytes = 4 << 10;
    options.snapshot_log_bytes_min = 1;
    options.snapshot_run_bytes = 4 << 10;
    options.keeper_interval_ms = 1;
    options
}

/// And little of the log kept.
fn short(directory: &TempDir) -> Options {
    let mut options = small(directory);
    options.retention_bytes_max = Some(8 << 10);
    options
}

fn fixture(options: fn(&TempDir) -> Options) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    Fixture {
        database: Database::open(options(&directory), &mut |_| {}).unwrap(),
        directory,
    }
}

/// Closes the database, changes its directory, and opens it again.
async fn reopen(
    db: Fixture,
    options: fn(&TempDir) -> Options,
    change: impl FnOnce(&Path),
) -> Result<Fixture, OpenError> {
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    change(&directory.path().join("data"));
    Ok(Fixture {
        database: Database::open(options(&directory), &mut |_| {})?,
        directory,
    })
}

fn remove_store(data: &Path) {
    fs::remove_dir_all(data.join("store")).unwrap();
}

fn snapshot_file(data: &Path, name: &str) -> PathBuf {
    let snapshots = fs::read_dir(data.join("snapshots")).unwrap();
    let newest = snapshots.map(|entry| entry.unwrap().path()).max().unwrap();
    newest.join(name)
}

fn flip_a_byte(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

async fn until_kept(db: &Fixture, wanted: impl FnMut(&Kept) -> bool) -> Kept {
    let mut kept = db.database.kept();
    let waited = tokio::time::timeout(PATIENCE, kept.wait_for(wanted));
    *waited.await.expect("the keeper is at work").unwrap()
}

fn content(n: u64) -> String {
    format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(500))
}

/// Commits to one collection, a hundred documents again and again, every tenth of them deleted.
async fn fill(db: &Fixture, collection: &str, commits: std::ops::Range<u64>) {
    for n in commits {
        let at = format!("{collection}/{:03}", n % 100);
        db.set(&at, &content(n)).await;
        if n % 10 == 9 {
            db.delete(&at).await;
        }
    }
}

/// Commits until `seq` is not kept any more.
async fn pass(db: &Fixture, seq: Sequence) -> Kept {
    let mut n = 0;
    while db.database.kept().borrow().oldest <= seq.next() {
        assert!(n < 20_000, "the floor moves");
        fill(db, "other", n..n + 1).await;
        n += 1;
        tokio::task::yield_now().await;
    }
    until_kept(db, |kept| kept.oldest > seq.next()).await
}

async fn everything(db: &Fixture, collection: &str) -> Vec<(String, u64, String)> {
    let page = db.database.query(query(collection)).await.unwrap();
    assert!(page.cursor.is_none(), "one page has it all");
    let documents = page.documents.iter();
    documents
        .map(|document| {
            let id = document.path.id().to_owned();
            (id, document.version.0, document.data.as_str().to_owned())
        })
        .collect()
}

fn named(id: &str, at: &str, json: &str) -> CommitRequest {
    CommitRequest {
        mutation_id: Some(id.parse().unwrap()),
        ..CommitRequest::of(vec![set(at, json)])
    }
}

async fn commit(db: &Fixture, request: CommitRequest) -> CommitResult {
    db.database.commit(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_built_again_from_a_snapshot_and_the_log_behind_it() {
    let db = fixture(short);
    let early = commit(&db, named("early", "rooms/early", r#"{"a":1}"#)).await;
    fill(&db, "rooms", 0..250).await;
    let kept = pass(&db, early.seq).await;
    assert!(kept.snapshot >= Sequence(kept.oldest.0 - 1));
    let late = commit(&db, named("late", "rooms/late", r#"{"b":2}"#)).await;
    let before = [
        everything(&db, "rooms").await,
        everything(&db, "other").await,
    ];

    let db = reopen(db, short, remove_store).await.unwrap();
    let after = [
        everything(&db, "rooms").await,
        everything(&db, "other").await,
    ];
    assert_eq!(after, before);
    assert!(db.database.visible() >= late.seq);
    assert!(db.database.floor() >= kept.floor, "it never moves back");
    // The ids of before and behind the snapshot are remembered alike, and new ones come after.
    for (id, at, json, result) in [
        ("early", "rooms/early", r#"{"a":1}"#, &early),
        ("late", "rooms/late", r#"{"b":2}"#, &late),
    ] {
        assert_eq!(&commit(&db, named(id, at, json)).await, result);
    }
    let new = commit(&db, named("new", "third/new", "{}")).await;
    assert!(new.seq > late.seq);
    let db = reopen(db, short, remove_store).await.unwrap();
    assert_eq!(commit(&db, named("new", "third/new", "{}")).await, new);
    assert_eq!(
        commit(&db, named("early", "rooms/early", r#"{"a":1}"#)).await,
        early
    );
    assert_eq!(everything(&db, "rooms").await, before[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_from_a_snapshot_tells_how_far_it_has_come() {
    let db = fixture(small);
    let mut n = 0;
    while db.database.kept().borrow().snapshot <= Sequence(256) {
        assert!(n < 20_000, "snapshots are made");
        db.set(&format!("rooms/{n}"), "{}").await;
        n += 1;
    }
    db.database.close().await.unwrap();
    // Each commit has made one document.
    let documents = db.database.kept().borrow().snapshot.0;
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    remove_store(&directory.path().join("data"));
    let mut told = Vec::new();
    Database::open(small(&directory), &mut |progress| told.push(progress)).unwrap();
    let loading = |loaded| OpenProgress::Loading { loaded, documents };
    assert_eq!(told[..2], [OpenProgress::Recovering, loading(256)]);
    assert!(told.contains(&loading(documents)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_as_many_mutation_ids_as_before_are_remembered_after_a_snapshot() {
    fn three(directory: &TempDir) -> Options {
        let mut options = short(directory);
        options.mutation_ids_max = 3;
        options
    }
    let db = fixture(three);
    let mut results = Vec::new();
    for id in ["a", "b", "c", "d"] {
        results.push(commit(&db, named(id, "rooms/1", r#"{"a":1}"#)).await);
    }
    pass(&db, results[3].seq).await;
    let db = reopen(db, three, remove_store).await.unwrap();
    let head = db.database.visible();
    for (id, result) in ["b", "c", "d"].into_iter().zip(&results[1..]) {
        assert_eq!(
            &commit(&db, named(id, "rooms/1", r#"{"a":1}"#)).await,
            result
        );
    }
    let again = commit(&db, named("a", "rooms/1", r#"{"a":1}"#)).await.seq;
    assert!(again > head, "it is forgotten");
    // That one took the place of the oldest.
    let again = commit(&db, named("b", "rooms/1", r#"{"a":1}"#)).await.seq;
    assert!(again > head, "it is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_kept_unless_told_otherwise() {
    let db = fixture(small);
    fill(&db, "rooms", 0..60).await;
    until_kept(&db, |kept| kept.snapshot > Sequence(30)).await;
    fill(&db, "rooms", 60..120).await;
    let kept = until_kept(&db, |kept| kept.snapshot > Sequence(90)).await;
    assert_eq!(kept.oldest, Sequence(1));
    let mut subscriber = db.subscribe(From::Beginning);
    subscriber.until(db.database.visible()).await;
    assert_eq!(subscriber.changes[0].0, Sequence(1));
    db.database.close().await.unwrap();
    let snapshots = fs::read_dir(db.directory.path().join("data/snapshots")).unwrap();
    assert_eq!(
        snapshots.count(),
        1,
        "the newest holds all that those before it did"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_that_cannot_be_made_are_in_nobodys_way() {
    let db = fixture(short);
    let directory = db.directory.path().join("data/snapshots");
    fs::remove_dir_all(&directory).unwrap();
    fill(&db, "rooms", 0..60).await;
    let kept = *db.database.kept().borrow();
    assert_eq!((kept.snapshot, kept.oldest), (Sequence::ZERO, Sequence(1)));
    assert_eq!(db.database.health(), Health::Writable);
    let before = everything(&db, "rooms").await;
    let db = reopen(db, short, remove_store).await.unwrap();
    assert_eq!(everything(&db, "rooms").await, before);
    pass(&db, Sequence(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_does_no_harm_while_the_log_is_whole() {
    for name in ["manifest", "documents-00000001"] {
        let db = fixture(small);
        fill(&db, "rooms", 0..60).await;
        until_kept(&db, |kept| kept.snapshot > Sequence(30)).await;
        let before = everything(&db, "rooms").await;
        let damage = |data: &Path| {
            remove_store(data);
            flip_a_byte(&snapshot_file(data, name));
        };
        let db = reopen(db, small, damage).await.unwrap();
        assert_eq!(everything(&db, "rooms").await, before, "{name}");
        let head = db.database.visible();
        fill(&db, "rooms", 60..120).await;
        until_kept(&db, |kept| kept.snapshot > head).await;
        let before = everything(&db, "rooms").await;
        let db = reopen(db, small, remove_store).await.unwrap();
        assert_eq!(everything(&db, "rooms").await, before, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_of_what_the_log_has_no_more_is_refused_by_name() {
    for name in ["manifest", "documents-00000001"] {
        let db = fixture(short);
        fill(&db, "rooms", 0..10).await;
        pass(&db, Sequence(20)).await;
        let damage = |data: &Path| {
            remove_store(data);
            flip_a_byte(&snapshot_file(data, name));
        };
        let Err(refused) = reopen(db, short, damage).await else {
            panic!("{name}");
        };
        assert!(matches!(refused, OpenError::Snapshot(_)), "{refused:?}");
        assert!(refused.to_string().contains(name), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_snapshots_are_made_and_segments_dropped_loses_nothing() {
    let mut db = fixture(short);
    for round in 0..8 {
        fill(&db, "rooms", round * 30..round * 30 + 30).await;
        let before = everything(&db, "rooms").await;
        let Fixture {
            database,
            directory,
        } = db;
        drop(database);
        if round % 2 == 1 {
            remove_store(&directory.path().join("data"));
        }
        db = Fixture {
            database: Database::open(short(&directory), &mut |_| {}).unwrap(),
            directory,
        };
        assert_eq!(everything(&db, "rooms").await, before);
    }
}

/// A token of a place that will be gone, and the collection `rooms` with three documents.
async fn with_old_token(db: &Fixture) -> ResumeToken {
    let mut subscriber = db.subscribe(From::Now);
    for n in 0..3 {
        db.set(&format!("rooms/{n}"), &content(n)).await;
    }
    subscriber.until(db.database.visible()).await;
    subscriber.token.unwrap()
}

/// Expects a fresh start for the reason that the place is gone, and follows it to its end.
async fn expect_reset(db: &Fixture, mut subscriber: Subscriber) {
    let first = subscriber.next().await;
    assert!(
        matches!(
            first,
            FeedMessage::Subscribed {
                how: How::Snapshot,
                ..
            }
        ),
        "{first:?}"
    );
    let second = subscriber.next().await;
    assert!(is_reset(&second), "{second:?}");
    subscriber.until_current().await;
    assert_eq!(subscriber.state.len(), everything(db, "rooms").await.len());
}

fn is_reset(message: &FeedMessage) -> bool {
    let retention = ResetReason::Retention;
    matches!(message, FeedMessage::Reset { reason, .. } if *reason == retention)
}

fn ending(from: From) -> SubscribeRequest {
    SubscribeRequest {
        end_on_gap: true,
        ..SubscribeRequest::new("rooms".parse().unwrap(), from)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_before_what_is_kept_is_answered_with_a_reset_or_with_the_end() {
    let db = fixture(short);
    let token = with_old_token(&db).await;
    pass(&db, db.database.visible()).await;
    expect_reset(&db, db.subscribe(From::Token(token.clone()))).await;
    let refused = db.database.subscribe(ending(From::Token(token)));
    let reason = ResetReason::Retention;
    assert!(
        matches!(refused, Err(SubscribeError::TokenExpired { reason: found }) if found == reason)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_inside_a_snapshot_expires_like_any_other() {
    let db = fixture(short);
    with_old_token(&db).await;
    let mut subscriber = db.subscribe(From::Snapshot);
    while subscriber.token.is_none() {
        subscriber.next().await;
    }
    let token = subscriber.token.take().unwrap();
    drop(subscriber);
    pass(&db, db.database.visible()).await;
    expect_reset(&db, db.subscribe(From::Token(token))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_from_before_what_is_kept_is_answered_with_a_reset_or_with_the_end() {
    let db = fixture(short);
    with_old_token(&db).await;
    let early = Timestamp::from_millis(1);
    let whole = db.subscribe(From::Time(early)).next().await;
    assert!(matches!(
        whole,
        FeedMessage::Subscribed {
            how: How::Resumed,
            ..
        }
    ));
    let kept = pass(&db, db.database.visible()).await;
    expect_reset(&db, db.subscribe(From::Time(early))).await;
    let mut over = db.database.subscribe(ending(From::Time(early))).unwrap();
    let ended = over.next().await;
    assert!(
        matches!(ended, Err(SubscriptionError::TokenExpired { oldest }) if oldest >= kept.oldest),
        "{ended:?}"
    );
    let far = Timestamp::from_millis(Timestamp::MAX.as_millis());
    let ahead = db.subscribe(From::Time(far)).next().await;
    assert!(matches!(
        ahead,
        FeedMessage::Subscribed {
            how: How::Resumed,
            ..
        }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_is_the_oldest_that_is_kept() {
    let db = fixture(short);
    with_old_token(&db).await;
    let kept = pass(&db, db.database.visible()).await;
    // Nothing more is dropped, so that the subscription does not have to start over.
    let db = reopen(db, small, |_| {}).await.unwrap();
    let request = SubscribeRequest::new("other".parse().unwrap(), From::Beginning);
    let mut subscriber = db.subscribe_to(request);
    let first = subscriber.next().await;
    let FeedMessage::Subscribed {
        how: How::Resumed,
        seq,
        ..
    } = first
    else {
        panic!("{first:?}");
    };
    assert!(seq.next() >= kept.oldest);
    let last = db.set("other/last", "{}").await;
    subscriber.until(last).await;
    assert!(subscriber.changes[0].0 > seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_falls_behind_what_is_kept_is_reset_in_place() {
    let db = fixture(|directory| {
        let mut options = short(directory);
        options.queue_bytes_max = 2_000;
        options
    });
    let mut subscriber = db.subscribe(From::Now);
    let first = subscriber.next().await;
    assert!(matches!(
        first,
        FeedMessage::Subscribed { how: How::Live, .. }
    ));
    // Its queue overflows, and it is not asked for anything meanwhile.
    fill(&db, "rooms", 0..40).await;
    pass(&db, db.database.visible()).await;
    let mut message = subscriber.next().await;
    while let FeedMessage::Checkpoint { .. } = message {
        message = subscriber.next().await;
    }
    assert!(is_reset(&message), "{message:?}");
    subscriber.until_current().await;
    assert_eq!(subscriber.state.len(), everything(&db, "rooms").await.len());
    let last = db.set("rooms/last", "{}").await;
    subscriber.until(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_subscription_gets_a_checkpoint_before_its_place_is_gone() {
    let db = fixture(short);
    let mut quiet = db.subscribe(From::Now);
    quiet.next().await;
    for _ in 0..3 {
        let at = quiet.position;
        let kept = pass(&db, db.database.visible()).await;
        // Nothing is written to its collection, and it is long before a checkpoint is due anyway.
        quiet.until(Sequence(kept.oldest.0 - 1)).await;
        assert!(quiet.position > at);
    }
    // With what it was sent it can go on, unless more is dropped just now.
    loop {
        let kept = *db.database.kept().borrow();
        quiet.until(Sequence(kept.oldest.0 - 1)).await;
        let token = quiet.token.clone().unwrap();
        let first = db.subscribe(From::Token(token)).next().await;
        if let FeedMessage::Subscribed {
            how: How::Resumed, ..
        } = first
        {
            break;
        }
        until_kept(&db, |now| now.oldest > kept.oldest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_what_is_kept_has_expired() {
    let db = fixture(short);
    with_old_token(&db).await;
    let mut first = query("rooms");
    first.limit = 1;
    let page = db.database.query(first.clone()).await.unwrap();
    first.cursor = page.cursor;
    assert!(first.cursor.is_some());
    // What it would have to undo is gone with the rest.
    db.set("rooms/1", "{}").await;
    pass(&db, db.database.visible()).await;
    let expired = db.database.query(first).await;
    assert!(
        matches!(expired, Err(ReadError::CursorExpired)),
        "{expired:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_by_the_time_of_commits() {
    let db = fixture(|directory| {
        let mut options = small(directory);
        options.retention_age_ms_max = Some(0);
        options
    });
    fill(&db, "rooms", 0..30).await;
    let kept = pass(&db, Sequence(10)).await;
    assert!(kept.oldest > Sequence(11));
}
