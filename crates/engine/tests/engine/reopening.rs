//! Opening: what was acknowledged is there, whatever happened to everything but the log.

use std::fs;
use std::path::{Path, PathBuf};

use wellspring_engine::{Database, OpenError, OpenProgress};

use crate::common::{Fixture, fixture, open, options};

async fn filled() -> Fixture {
    let db = fixture();
    for n in 0..300 {
        db.set(&format!("rooms/{n:03}"), &format!(r#"{{"n":{n}}}"#))
            .await;
    }
    db.delete("rooms/007").await;
    db
}

async fn assert_filled(db: &Fixture) {
    assert_eq!(db.database.visible().0, 301);
    for n in [0, 6, 8, 299] {
        let expected = format!(r#"{{"n":{n}}}"#);
        assert_eq!(db.get(&format!("rooms/{n:03}")).await, Some(expected));
    }
    assert_eq!(db.get("rooms/007").await, None);
    let page = db
        .database
        .query(crate::common::query("rooms"))
        .await
        .unwrap();
    assert_eq!(page.documents.len(), 100);
}

fn data_dir(db: &Fixture) -> PathBuf {
    db.directory.path().join("data")
}

/// Closes, changes the directory, opens again.
async fn reopened_after(change: impl FnOnce(&Path)) -> Fixture {
    let db = filled().await;
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    change(&directory.path().join("data"));
    Fixture {
        database: open(&directory),
        directory,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_close_and_a_crash_lose_nothing() {
    let db = filled().await.reopen().await;
    assert_filled(&db).await;
    let db = db.crash();
    assert_filled(&db).await;
    assert_filled(&db.crash()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_store_is_built_again_from_the_log() {
    let db = reopened_after(|data| fs::remove_dir_all(data.join("store")).unwrap()).await;
    assert_filled(&db).await;
    db.set("rooms/new", "{}").await;
    assert_eq!(
        db.reopen().await.get("rooms/new").await.as_deref(),
        Some("{}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_rubbish_is_built_again_from_the_log() {
    let db = reopened_after(|data| {
        for entry in walk(&data.join("store")) {
            let mut bytes = fs::read(&entry).unwrap();
            for byte in bytes.iter_mut().skip(10).step_by(64) {
                *byte ^= 0xFF;
            }
            fs::write(entry, bytes).unwrap();
        }
    })
    .await;
    assert_filled(&db).await;
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_tells_its_progress_and_removes_the_old_store() {
    let db = filled().await;
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    let store = directory.path().join("data/store");
    let before: Vec<_> = fs::read_dir(&store)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    fs::remove_dir_all(&store).unwrap();
    let mut told = Vec::new();
    let opened = Database::open(options(&directory), &mut |progress| told.push(progress)).unwrap();
    assert_eq!(told[0], OpenProgress::Recovering);
    assert!(
        told.iter()
            .any(|p| matches!(p, OpenProgress::Applying { head, .. } if head.0 == 301))
    );
    let after: Vec<_> = fs::read_dir(&store)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
    drop(opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opening_is_refused() {
    let db = fixture();
    let again = Database::open(options(&db.directory), &mut |_| {});
    assert!(matches!(again, Err(OpenError::InUse { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_meta_is_refused_and_changes_nothing() {
    let db = filled().await;
    let data = data_dir(&db);
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    let meta = fs::read(data.join("META")).unwrap();
    fs::remove_file(data.join("META")).unwrap();
    let missing = Database::open(options(&directory), &mut |_| {});
    assert!(matches!(missing, Err(OpenError::MetaMissing { .. })));
    let mut damaged = meta.clone();
    damaged[30] ^= 1;
    fs::write(data.join("META"), damaged).unwrap();
    assert!(matches!(
        Database::open(options(&directory), &mut |_| {}),
        Err(OpenError::Meta(_))
    ));
    fs::write(data.join("META"), meta).unwrap();
    assert_filled(&Fixture {
        database: open(&directory),
        directory,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_cut_short_after_a_clean_close_is_damage_and_named() {
    let db = filled().await;
    let data = data_dir(&db);
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    let mut segments = walk(&data.join("log"));
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    segments.sort();
    let last = segments.last().unwrap();
    let bytes = fs::read(last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(last, &bytes[..end - 10]).unwrap();
    let refused = Database::open(options(&directory), &mut |_| {})
        .err()
        .unwrap();
    assert!(matches!(
        refused,
        OpenError::Log(wellspring_log::OpenError::Damaged(_))
    ));
    assert!(refused.to_string().contains(".seg"), "{refused}");

    // Nor is it forgotten when the store, the other witness, is not there the next time.
    fs::remove_dir_all(data.join("store")).unwrap();
    let again = Database::open(options(&directory), &mut |_| {}).err();
    assert!(matches!(
        again,
        Some(OpenError::Log(wellspring_log::OpenError::Damaged(_)))
    ));
}
