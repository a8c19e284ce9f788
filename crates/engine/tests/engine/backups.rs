//! Backups taken while everything goes on, and databases made from them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tempfile::TempDir;
use tokio::task::JoinSet;
use wellspring_engine::backup::{self, BackupError, BackupOptions, RestorePoint};
use wellspring_engine::{Database, OpenError, Options, ReadError, SubscribeError};
use wellspring_log::Operation;
use wellspring_testkit::failing::{FailingFileSystem, Fate};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{FeedMessage, From, ResetReason, SubscribeRequest};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{At, MutationId, Sequence};

use crate::common::{Fixture, data, fixture_with, open, options, path, query, set};

const WRITERS: u64 = 3;
const DOCUMENTS: u64 = 40;

/// How many backups are taken under load, and from each how many databases are restored: 60 and 5
/// with `WELLSPRING_BACKUPS=60` set when this is compiled, as the long form in `docs/testing.md` has
/// it.
fn rounds() -> u64 {
    option_env!("WELLSPRING_BACKUPS")
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(4)
}

/// What each commit did: documents set or deleted.
type History = BTreeMap<Sequence, Vec<(String, Option<String>)>>;

/// Segments of a few commits, snapshots all the time, and little of the log kept.
fn busy(options: &mut Options) {
    options.segment_bytes = 16 << 10;
    options.snapshot_log_bytes_min = 24 << 10;
    options.snapshot_run_bytes = 8 << 10;
    options.retention_bytes_max = Some(48 << 10);
    options.keeper_interval_ms = 2;
}

fn take(db: &Fixture, to: &Path) -> Result<backup::BackupTaken, BackupError> {
    let data_dir = db.directory.path().join("data");
    backup::take(
        &data_dir,
        BackupOptions::new(to),
        backup::now(),
        &mut |_| {},
    )
}

fn restore(from: &Path, data_dir: &Path, point: RestorePoint) -> Result<Sequence, BackupError> {
    let from = BackupOptions::new(from);
    backup::restore(from, data_dir, point, &mut |_| {}).map(|restored| restored.head)
}

/// Sets and deletes documents of its own until told to stop.
async fn write(database: Database, writer: u64, seed: u64, stop: Arc<AtomicBool>) -> History {
    let mut random = Random::new(seed * 10 + writer);
    let mut history = History::new();
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let mut changes = BTreeMap::new();
        for _ in 0..=random.below(3) {
            let id = format!("{writer}-{}", random.below(DOCUMENTS));
            let padding = if random.below(40) == 0 { 9_000 } else { 90 };
            let json = format!(r#"{{"n":{n},"s":"{}"}}"#, "x".repeat(padding));
            changes.insert(id, Some(json));
        }
        let writes = changes.iter().map(|(id, json)| {
            let path = path(&format!("rooms/{id}"));
            Write::set(path, data(json.as_deref().unwrap()))
        });
        let seq = database
            .commit(CommitRequest::of(writes.collect()))
            .await
            .unwrap()
            .seq;
        history.insert(seq, changes.into_iter().collect());
        if random.below(6) == 0 {
            let (id, _) = history[&seq][0].clone();
            let delete = Write::delete(path(&format!("rooms/{id}")));
            let seq = database
                .commit(CommitRequest::of(vec![delete]))
                .await
                .unwrap()
                .seq;
            history.insert(seq, vec![(id, None)]);
        }
    }
    history
}

/// What the commits through `head` come to: version and data of each document.
fn fold(history: &History, head: Sequence) -> BTreeMap<String, (Sequence, String)> {
    let mut documents = BTreeMap::new();
    for (seq, changes) in history.range(..=head) {
        for (id, json) in changes {
            match json {
                Some(json) => drop(documents.insert(id.clone(), (*seq, json.clone()))),
                None => drop(documents.remove(id)),
            }
        }
    }
    documents
}

async fn documents(database: &Database) -> BTreeMap<String, (Sequence, String)> {
    let mut all = BTreeMap::new();
    let mut query = query("rooms");
    loop {
        let page = database.query(query.clone()).await.unwrap();
        all.extend(page.documents.iter().map(|document| {
            let id = document.path.id().to_owned();
            (id, (document.version, document.data.as_str().to_owned()))
        }));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return all;
        }
    }
}

/// Restores to `point` and compares with what was committed; returns the last commit.
async fn check(backup: &Path, point: RestorePoint, history: &History) -> Sequence {
    let directory = TempDir::new().unwrap();
    let head = restore(backup, &directory.path().join("data"), point).unwrap();
    let database = open(&directory);
    assert_eq!(database.visible(), head);
    assert_eq!(documents(&database).await, fold(history, head), "{point:?}");
    // It goes on from there.
    let write = CommitRequest::of(vec![set("rooms/new", "{}")]);
    assert_eq!(database.commit(write).await.unwrap().seq, head.next());
    database.close().await.unwrap();
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn every_backup_taken_under_load_restores_to_what_was_committed() {
    let db = fixture_with(busy);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(db.database.clone(), writer, 7, Arc::clone(&stop)));
    }
    let mut backups = Vec::new();
    let place = TempDir::new().unwrap();
    let to = place.path().join("backup");
    let mut visible = db.database.handed_out();
    for round in 0..rounds() {
        let before = db.database.visible();
        let wanted = Sequence(before.0 + 60);
        visible.wait_for(|seq| *seq >= wanted).await.unwrap();
        let acknowledged = db.database.visible();
        let (data_dir, into) = (db.directory.path().join("data"), to.clone());
        let taken = tokio::task::spawn_blocking(move || {
            backup::take(
                &data_dir,
                BackupOptions::new(into),
                backup::now(),
                &mut |_| {},
            )
        });
        let taken = taken.await.unwrap().unwrap();
        assert!(
            taken.head >= acknowledged,
            "round {round}: what was acknowledged is in it"
        );
        // The backup as it was then: it must not have needed what came later.
        let copy = place.path().join(format!("{round}"));
        copy_dir(&to, &copy);
        backups.push((copy, taken.head));
    }
    stop.store(true, Ordering::Relaxed);
    let mut history = History::new();
    while let Some(written) = writers.join_next().await {
        history.extend(written.unwrap());
    }
    assert!(
        db.database.kept().borrow().oldest > Sequence(1),
        "the log was dropped meanwhile"
    );
    let mut random = Random::new(3);
    let restores = if rounds() > 10 { 5 } else { 2 };
    for (backup, head) in &backups {
        let opened = wellspring_log::Backup::open(BackupOptions::new(backup)).unwrap();
        let held = opened.manifest().unwrap().held().0;
        assert_eq!(held.last().unwrap().newest, *head);
        for _ in 0..restores {
            let range = held[usize::try_from(random.below(held.len() as u64)).unwrap()];
            let within = random.below(range.newest.0 - range.oldest.0 + 1);
            let point = RestorePoint::Sequence(Sequence(range.oldest.0 + within));
            check(backup, point, &history).await;
        }
    }
    let last = check(&to, RestorePoint::Newest, &history).await;
    assert_eq!(last, backups.last().unwrap().1);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_from_before_are_reset_by_epoch_in_what_is_restored() {
    let db = fixture_with(|_| {});
    db.set("rooms/a", "1".replace('1', r#"{"n":1}"#).as_str())
        .await;
    let mut subscriber = db.subscribe(From::Snapshot);
    subscriber.until_current().await;
    let token = subscriber.token.clone().unwrap();
    let named = CommitRequest {
        mutation_id: Some("once".parse::<MutationId>().unwrap()),
        ..CommitRequest::of(vec![set("rooms/b", r#"{"n":2}"#)])
    };
    let first = db.database.commit(named.clone()).await.unwrap();
    let place = TempDir::new().unwrap();
    let to = place.path().join("backup");
    take(&db, &to).unwrap();
    db.set("rooms/a", r#"{"n":3}"#).await;
    drop(subscriber);
    db.database.close().await.unwrap();

    restore(&to, &place.path().join("data"), RestorePoint::Newest).unwrap();
    let restored = Fixture {
        database: open(&place),
        directory: place,
    };
    assert_ne!(restored.database.epoch(), db.database.epoch());
    let foreign = token.clone();
    let request = SubscribeRequest::new("rooms".parse().unwrap(), From::Token(token));
    let mut resumed = restored.subscribe_to(request.clone());
    assert!(matches!(
        resumed.next().await,
        FeedMessage::Subscribed { .. }
    ));
    let reset = resumed.next().await;
    assert!(
        matches!(
            &reset,
            FeedMessage::Reset {
                reason: ResetReason::Epoch,
                ..
            }
        ),
        "{reset:?}"
    );
    let past = restored.get_at("rooms/a", At::Token(foreign));
    assert!(matches!(past.await, Err(ReadError::OtherHistory)));
    let ends = SubscribeRequest {
        end_on_gap: true,
        ..request
    };
    let refused = restored.database.subscribe(ends).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            refused,
            SubscribeError::TokenExpired {
                reason: ResetReason::Epoch
            }
        ),
        "{refused:?}"
    );
    // A commit that is repeated is recognised.
    let again = restored.database.commit(named).await.unwrap();
    assert_eq!(again.seq, first.seq);
    // And everything else goes on.
    let mut follower = restored.subscribe(From::Beginning);
    let seq = restored.set("rooms/c", "{}").await;
    follower.until(seq).await;
    assert_eq!(follower.state.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_has_a_backup_of_its_own() {
    let db = fixture_with(|_| {});
    db.set("rooms/a", "{}").await;
    let place = TempDir::new().unwrap();
    let to = place.path().join("backup");
    take(&db, &to).unwrap();
    restore(&to, &place.path().join("data"), RestorePoint::Newest).unwrap();
    let restored = Fixture {
        database: open(&place),
        directory: place,
    };
    restored.set("rooms/b", "{}").await;
    let refused = take(&restored, &to).unwrap_err();
    assert!(
        matches!(refused, BackupError::OtherHistory { .. }),
        "{refused:?}"
    );
    let other = restored.directory.path().join("other");
    assert_eq!(take(&restored, &other).unwrap().head, Sequence(2));
    // Another database altogether.
    let refused = take(&fixture_with(|_| {}), &to).unwrap_err();
    assert!(
        matches!(refused, BackupError::OtherHistory { .. }),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_restored_where_there_is_nothing_and_nowhere_else() {
    let db = fixture_with(|_| {});
    db.set("rooms/a", "{}").await;
    let place = TempDir::new().unwrap();
    let to = place.path().join("backup");
    take(&db, &to).unwrap();
    let onto = |dir: &Path| restore(&to, dir, RestorePoint::Newest).unwrap_err();
    let in_use = onto(&db.directory.path().join("data"));
    assert!(matches!(in_use, BackupError::NotEmpty { .. }), "{in_use:?}");
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("letter"), "dear").unwrap();
    assert!(matches!(onto(&home), BackupError::NotEmpty { .. }));
    assert!(matches!(onto(&to), BackupError::NotEmpty { .. }));
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    restore(&to, &empty, RestorePoint::Newest).unwrap();
    // Beyond what there is: nothing is made.
    let far = place.path().join("far");
    let refused = restore(&to, &far, RestorePoint::Sequence(Sequence(2))).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("commit 2 cannot be restored: the backup holds commits 1 to 1"),
        "{refused}"
    );
    assert!(!far.exists());
    let missing = place.path().join("missing");
    let refused = take_of(&missing, &to).unwrap_err();
    assert!(
        matches!(refused, BackupError::NoDatabase { .. }),
        "{refused:?}"
    );
    assert!(!missing.exists());
}

fn take_of(data_dir: &Path, to: &Path) -> Result<backup::BackupTaken, BackupError> {
    backup::take(data_dir, BackupOptions::new(to), backup::now(), &mut |_| {})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_cut_short_leaves_nothing_that_opens_and_is_done_again() {
    let db = fixture_with(busy);
    for n in 0..150 {
        db.set(
            &format!("rooms/{n}"),
            &format!(r#"{{"s":"{}"}}"#, "x".repeat(300)),
        )
        .await;
    }
    let mut kept = db.database.kept();
    kept.wait_for(|kept| kept.snapshot > Sequence::ZERO)
        .await
        .unwrap();
    let place = TempDir::new().unwrap();
    let to = place.path().join("backup");
    take(&db, &to).unwrap();
    let expected = documents(&db.database).await;
    for passing in (0..).step_by(3) {
        let directory = TempDir::new().unwrap();
        let data_dir = directory.path().join("data");
        let from = BackupOptions {
            file_system: Arc::new(dies_after(passing)),
            ..BackupOptions::new(&to)
        };
        let whole = backup::restore(from, &data_dir, RestorePoint::Newest, &mut |_| {}).is_ok();
        if data_dir.join("RESTORING").exists() {
            assert!(!whole);
            let refused = Database::open(options(&directory), &mut |_| {}).map(|_| ());
            assert!(
                matches!(refused, Err(OpenError::RestoreUnfinished { .. })),
                "{passing}"
            );
            restore(&to, &data_dir, RestorePoint::Newest).unwrap();
        } else if !data_dir.join("META").exists() {
            assert!(!data_dir.join("log").exists(), "{passing}");
            restore(&to, &data_dir, RestorePoint::Newest).unwrap();
        }
        if passing % 5 == 0 || whole {
            let database = open(&directory);
            assert_eq!(documents(&database).await, expected, "{passing}");
        }
        if whole {
            assert!(passing > 40, "{passing}");
            break;
        }
    }
}

/// Does so many operations that change the disk, and none after them.
fn dies_after(passing: u64) -> FailingFileSystem {
    let count = AtomicU64::new(0);
    FailingFileSystem::new(move |operation, _path| {
        let reads = matches!(
            operation,
            Operation::Read | Operation::List | Operation::Open
        );
        match reads || count.fetch_add(1, Ordering::SeqCst) < passing {
            true => Fate::Done,
            false => Fate::Fails,
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_of_a_database_at_rest_and_of_one_that_crashed() {
    let db = fixture_with(|_| {});
    db.set("rooms/a", r#"{"n":1}"#).await;
    let Fixture {
        database,
        directory,
    } = db;
    database.close().await.unwrap();
    drop(database);
    let data_dir = directory.path().join("data");
    let to = directory.path().join("backup");
    let before = files(&data_dir).unwrap();
    assert_eq!(take_of(&data_dir, &to).unwrap().head, Sequence(1));
    assert_eq!(
        files(&data_dir).unwrap(),
        before,
        "nothing of the database changes"
    );
    let database = open(&directory);
    database
        .commit(CommitRequest::of(vec![set("rooms/b", "{}")]))
        .await
        .unwrap();
    drop(database);
    assert_eq!(take_of(&data_dir, &to).unwrap().head, Sequence(2));
    // The end of the log is lost, which the mark of the clean close proves.
    let segment = data_dir.join("log/0000000000000001.seg");
    let database = open(&directory);
    database.close().await.unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    bytes[end] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let other = directory.path().join("other");
    let refused = take_of(&data_dir, &other).unwrap_err().to_string();
    assert!(
        refused.contains("ends at commit 1, but commit 2 was there"),
        "{refused}"
    );
}

fn files(dir: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(files)
}
