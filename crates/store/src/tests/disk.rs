//! What only a store on disk has: files, formats, opening and closing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::history::{History, LARGE, ROOMS, SMALL, assert_alike};
use crate::error::Damage;
use crate::{Applied, MemoryStore, Options, SledStore, Store, StoreError};

fn open(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, Options::default())
}

/// Writes an entry behind the store's back.
fn tamper(dir: &Path, key: &[u8], change: impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>>) {
    let db = sled::open(dir).unwrap();
    let value = db.get(key).unwrap().map(|value| value.to_vec());
    match change(value) {
        Some(value) => db.insert(key, value).unwrap(),
        None => db.remove(key).unwrap(),
    };
    db.flush().unwrap();
}

/// A closed store with one small and one large document.
fn closed_store() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = Box::new(open(dir.path()).unwrap());
    let mut history = History::default();
    let writes = [(ROOMS, "large", Some(LARGE)), (ROOMS, "small", Some(SMALL))];
    store
        .apply(&history.remembered((None, "m", 1), &writes))
        .unwrap();
    store.close().unwrap();
    dir
}

#[test]
fn a_closed_store_opens_at_once_and_has_everything() {
    let dir = TempDir::new().unwrap();
    let (mut history, model) = (History::default(), MemoryStore::new());
    for round in 0..5 {
        let store = Box::new(open(dir.path()).unwrap());
        assert_alike(&*store, &model, &[(None, "m")]);
        let writes = [
            (ROOMS, "large", Some(LARGE + round)),
            (ROOMS, "small", Some(round)),
        ];
        let batch = history.remembered((None, "m", round), &writes);
        store.apply(&batch).unwrap();
        model.apply(&batch).unwrap();
        store.close().unwrap();
    }
}

#[test]
fn a_store_that_was_scrubbed_has_what_was_there_before_and_what_came_since() {
    let dir = TempDir::new().unwrap();
    let (mut history, model) = (History::default(), MemoryStore::new());
    let ids: Vec<String> = (0..300).map(|index| index.to_string()).collect();
    for (round, some) in ids.chunks(100).enumerate() {
        let store = Box::new(open(dir.path()).unwrap());
        let (first, second) = some.split_at(50);
        for some in [first, second] {
            let writes: Vec<_> = some.iter().map(|id| (ROOMS, &**id, Some(round))).collect();
            let batch = history.commit(&writes);
            store.apply(&batch).unwrap();
            model.apply(&batch).unwrap();
            assert!(store.scrub().unwrap().matches());
        }
        for id in &ids {
            assert_eq!(store.get(ROOMS, id).unwrap(), model.get(ROOMS, id).unwrap());
        }
        store.close().unwrap();
    }
}

#[test]
fn large_documents_never_become_files_of_their_own() {
    let dir = TempDir::new().unwrap();
    let store = Box::new(open(dir.path()).unwrap());
    let mut history = History::default();
    let ids: Vec<String> = (0..40).map(|index| format!("{index:0>256}")).collect();
    // The largest inline payloads, next to each other in one leaf, and megabytes in chunks.
    for bytes in [6111, 1 << 20, 6111] {
        let count = if bytes > LARGE { 6 } else { ids.len() };
        for id in &ids[..count] {
            store
                .apply(&history.commit(&[(ROOMS, id, Some(bytes))]))
                .unwrap();
        }
    }
    assert!(store.scrub().unwrap().matches());
    store.close().unwrap();
    assert!(dir.path().join("db").exists());
    assert_eq!(fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
}

#[test]
fn an_unfinished_snapshot_of_sleds_is_deleted_before_opening() {
    let dir = closed_store();
    let stale = dir.path().join("snap.00000000000000FF.generating");
    fs::write(&stale, b"half").unwrap();
    let store = open(dir.path()).unwrap();
    assert!(!stale.exists());
    assert!(store.scrub().unwrap().matches());
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let dir = closed_store();
    tamper(dir.path(), b"mf", |_| {
        let mut value = 2_u32.to_be_bytes().to_vec();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(b"mf"), &value);
        value.extend_from_slice(&checksum.to_be_bytes());
        Some(value)
    });
    let error = open(dir.path()).err().unwrap();
    assert!(
        matches!(error, StoreError::FormatUnknown { found: 2, known: 1 }),
        "{error}"
    );
}

#[test]
fn a_store_in_use_is_not_opened_twice() {
    let dir = TempDir::new().unwrap();
    let _store = open(dir.path()).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::File { .. }), "{error}");
}

#[test]
fn opening_gives_up_at_its_deadline() {
    let dir = TempDir::new().unwrap();
    // As long as this one is open, another waits for it: for seconds.
    let _store = open(dir.path()).unwrap();
    let deadline = Duration::from_millis(20);
    let error = SledStore::open_within(dir.path(), Options::default(), deadline);
    let error = error.err().unwrap();
    assert!(
        matches!(error, StoreError::TimedOut { after } if after == deadline),
        "{error}"
    );
}

#[test]
fn a_path_that_cannot_be_a_directory_is_named_in_the_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    let error = open(&path).err().unwrap();
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
}

/// What happens to an entry's value.
type Change = fn(Option<Vec<u8>>) -> Option<Vec<u8>>;

/// Opens the store after `key` was changed, reads what `read` reads, and returns the damage.
fn damage_of(
    key: &[u8],
    change: impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>>,
    read: impl FnOnce(&SledStore) -> Result<(), StoreError>,
) -> Damage {
    let dir = closed_store();
    tamper(dir.path(), key, change);
    let error = open(dir.path()).and_then(|store| read(&store)).unwrap_err();
    let StoreError::Damaged { key: named, damage } = error else {
        panic!("{error}")
    };
    assert!(
        named.as_bytes() == key || damage == Damage::MissingPart,
        "{named}"
    );
    damage
}

fn flip(position: usize) -> impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>> {
    move |value| {
        let mut value = value.expect("the entry is there");
        value[position] ^= 1;
        Some(value)
    }
}

fn shorten(value: Option<Vec<u8>>) -> Option<Vec<u8>> {
    value.map(|value| value[..value.len() - 1].to_vec())
}

#[test]
fn a_damaged_entry_is_named() {
    let small = b"d\0\0\0\x01small";
    let get_small = |store: &SledStore| store.get(ROOMS, "small").map(drop);
    let scan = |store: &SledStore| {
        store
            .scan(ROOMS, None, super::history::EVERYTHING)
            .map(drop)
    };
    let scrub = |store: &SledStore| store.scrub().map(drop);
    // The kind, the version, the data; the length is found by the data's.
    assert_eq!(damage_of(small, flip(0), get_small), Damage::Length);
    assert_eq!(damage_of(small, flip(5), get_small), Damage::Checksum);
    assert_eq!(damage_of(small, flip(200), scan), Damage::Checksum);
    assert_eq!(damage_of(small, flip(28), scrub), Damage::Length);
    assert_eq!(damage_of(small, shorten, get_small), Damage::Length);
    assert_eq!(damage_of(small, |_| Some(Vec::new()), scan), Damage::Length);
    assert_eq!(
        damage_of(small, |_| Some(vec![9; 40]), get_small),
        Damage::Kind
    );
    let mutation = |store: &SledStore| store.mutation(None, "m").map(drop);
    assert_eq!(damage_of(b"r\0m", flip(40), mutation), Damage::Checksum);
    let collections = |store: &SledStore| store.collections().map(drop);
    assert_eq!(
        damage_of(b"n\0\0\0\x01", flip(0), collections),
        Damage::Checksum
    );
    let nothing = |_: &SledStore| Ok(());
    assert_eq!(damage_of(b"ma", flip(7), nothing), Damage::Checksum);
    assert_eq!(damage_of(b"ma", |_| None, nothing), Damage::Missing);
    assert_eq!(damage_of(b"mf", flip(3), nothing), Damage::Checksum);
    assert_eq!(damage_of(b"mf", |_| None, nothing), Damage::Missing);
}

#[test]
fn a_damaged_or_missing_chunk_is_damage_of_its_document() {
    let head = b"d\0\0\0\x01large".to_vec();
    let chunk = [
        b"c\0\0\0\x01large".as_slice(),
        &1_u64.to_be_bytes(),
        &2_u32.to_be_bytes(),
    ]
    .concat();
    let changes: [(Change, Damage); 3] = [
        (|_| None, Damage::MissingPart),
        (shorten, Damage::Length),
        (
            |value| value.map(|value| vec![0; value.len()]),
            Damage::Checksum,
        ),
    ];
    for (change, expected) in changes {
        let dir = closed_store();
        tamper(dir.path(), &chunk, change);
        let store = open(dir.path()).unwrap();
        let results = [
            store.get(ROOMS, "large").map(drop),
            store
                .scan(ROOMS, None, super::history::EVERYTHING)
                .map(drop),
            store.scrub().map(drop),
        ];
        for result in results {
            let Err(StoreError::Damaged { key, damage }) = result else {
                panic!("{result:?}")
            };
            assert_eq!((key.as_bytes(), damage), (&*head, expected));
        }
        assert!(store.get(ROOMS, "small").unwrap().is_some());
    }
}

#[test]
fn a_document_that_was_lost_or_moved_or_went_back_is_found() {
    let small = b"d\0\0\0\x01small";
    let dir = closed_store();
    tamper(dir.path(), small, |_| None);
    assert!(!open(dir.path()).unwrap().scrub().unwrap().matches());

    let dir = closed_store();
    let mut moved = None;
    tamper(dir.path(), small, |value| {
        moved = value;
        None
    });
    tamper(dir.path(), b"d\0\0\0\x01other", |_| moved);
    let error = open(dir.path()).unwrap().scrub().unwrap_err();
    let checksum = matches!(
        error,
        StoreError::Damaged {
            damage: Damage::Checksum,
            ..
        }
    );
    assert!(checksum, "{error}");

    let dir = closed_store();
    let mut old = None;
    tamper(dir.path(), small, |value| {
        old.clone_from(&value);
        value
    });
    let store = Box::new(open(dir.path()).unwrap());
    let mut history = History::default();
    let before = [(ROOMS, "large", Some(LARGE)), (ROOMS, "small", Some(SMALL))];
    history.remembered((None, "m", 1), &before);
    store
        .apply(&history.commit(&[(ROOMS, "small", Some(SMALL))]))
        .unwrap();
    assert!(store.scrub().unwrap().matches());
    store.close().unwrap();
    tamper(dir.path(), small, |_| old);
    assert!(!open(dir.path()).unwrap().scrub().unwrap().matches());
}

#[test]
fn another_database_is_no_store() {
    let dir = TempDir::new().unwrap();
    tamper(dir.path(), b"someone", |_| Some(b"else".to_vec()));
    let error = open(dir.path()).err().unwrap();
    let missing = matches!(
        error,
        StoreError::Damaged {
            damage: Damage::Missing,
            ..
        }
    );
    assert!(missing, "{error}");
}

#[test]
fn a_new_store_stands_at_zero_when_it_is_opened_again() {
    let dir = TempDir::new().unwrap();
    Box::new(open(dir.path()).unwrap()).close().unwrap();
    assert_eq!(open(dir.path()).unwrap().applied(), Applied::default());
}
