//! What every store does. Each behaviour is tested once, and run for each store.

use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use wellspring_types::{CollectionId, Sequence};

use super::history::{
    EVERYTHING, History, LARGE, ROOMS, SMALL, USERS, data, documents, group, path,
};
use crate::{
    Applied, Batch, MemoryStore, Options, ScanLimit, Scanned, SledStore, Store, StoreError,
};

/// A store, and whatever it needs to live.
struct Fixture {
    store: Box<dyn Store>,
    _dir: Option<TempDir>,
}

fn memory() -> Fixture {
    Fixture {
        store: Box::new(MemoryStore::new()),
        _dir: None,
    }
}

fn on_disk() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), Options::default()).unwrap();
    Fixture {
        store: Box::new(store),
        _dir: Some(dir),
    }
}

macro_rules! conformance {
    ($($behaviour:ident)*) => {
        mod memory_store {
            $(#[test] fn $behaviour() { super::$behaviour(&*super::memory().store); })*
        }
        mod sled_store {
            $(#[test] fn $behaviour() { super::$behaviour(&*super::on_disk().store); })*
        }
    };
}

conformance! {
    an_empty_store_has_nothing_and_stands_at_zero
    a_document_is_got_as_it_was_written_whatever_its_size
    a_deleted_document_is_gone
    the_last_change_of_a_document_in_a_batch_counts
    applied_and_collections_are_what_the_batch_said
    a_scan_goes_by_the_bytes_of_ids_and_stays_in_its_collection
    a_scan_continues_after_an_id_that_is_not_there
    a_scan_ends_at_either_limit_and_one_document_always_fits
    a_batch_that_was_applied_or_lies_before_is_refused_and_changes_nothing
    a_snapshot_is_loaded_at_zero_in_several_batches
    a_mutation_is_found_by_principal_and_id_together
    a_mutation_of_many_long_paths_is_remembered_whole
    mutations_are_forgotten_by_ordinal_at_once_however_many
    a_mutation_id_that_is_used_again_survives_that_the_older_use_is_forgotten
    what_is_forgotten_stays_forgotten_when_a_smaller_ordinal_follows
    a_scrub_finds_what_was_applied
    a_scrub_tells_when_a_change_was_not_of_what_was_there
    readers_see_every_document_whole_and_scrubs_match_while_changes_are_applied
}

fn an_empty_store_has_nothing_and_stands_at_zero(store: &dyn Store) {
    assert_eq!(store.applied(), Applied::default());
    assert_eq!(store.get(ROOMS, "a").unwrap(), None);
    let page = store.scan(ROOMS, None, EVERYTHING).unwrap();
    assert_eq!((page.entries.len(), page.end), (0, true));
    assert_eq!(store.collections().unwrap(), []);
    assert_eq!(store.mutation(None, "m").unwrap(), None);
    assert_eq!(store.scrub().unwrap().documents, 0);
    store.flush().unwrap();
}

fn a_document_is_got_as_it_was_written_whatever_its_size(store: &dyn Store) {
    let mut history = History::default();
    // Around what fits into a head, into one chunk and into two, and the largest document.
    for bytes in [0, 1, 6110, 6111, 6112, 6144, 6145, 12_288, 12_289, 1 << 20] {
        let batch = history.commit(&[(ROOMS, "a", Some(bytes))]);
        store.apply(&batch).unwrap();
        let written = batch.changes[0].after.clone();
        assert_eq!(store.get(ROOMS, "a").unwrap(), written, "{bytes} bytes");
        assert_eq!(documents(store, ROOMS), [written.unwrap()], "{bytes} bytes");
    }
}

fn a_deleted_document_is_gone(store: &dyn Store) {
    let mut history = History::default();
    let (small, large) = ((ROOMS, "small"), (ROOMS, "large"));
    let writes = [
        (small.0, small.1, Some(SMALL)),
        (large.0, large.1, Some(LARGE)),
    ];
    store.apply(&history.commit(&writes)).unwrap();
    let deletes = [(small.0, small.1, None), (large.0, large.1, None)];
    store.apply(&history.commit(&deletes)).unwrap();
    assert_eq!(store.get(ROOMS, "small").unwrap(), None);
    assert_eq!(store.get(ROOMS, "large").unwrap(), None);
    assert_eq!(documents(store, ROOMS), []);
}

fn the_last_change_of_a_document_in_a_batch_counts(store: &dyn Store) {
    let mut history = History::default();
    let commits = [
        history.commit(&[(ROOMS, "a", Some(LARGE)), (ROOMS, "b", Some(LARGE))]),
        history.commit(&[(ROOMS, "b", None), (ROOMS, "a", Some(LARGE + 1))]),
        history.commit(&[(ROOMS, "a", Some(SMALL))]),
    ];
    store.apply(&group(&commits)).unwrap();
    let found = documents(store, ROOMS);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].version, &found[0].data),
        (Sequence(3), &data("a", 3, SMALL))
    );
    assert!(store.scrub().unwrap().matches());
}

fn applied_and_collections_are_what_the_batch_said(store: &dyn Store) {
    let mut history = History::default();
    let batch = history.remembered((None, "m", 1), &[(ROOMS, "a", Some(SMALL))]);
    store.apply(&batch).unwrap();
    let applied = Applied {
        sequence: Sequence(1),
        position: 1001,
        mutations: 1,
    };
    assert_eq!(store.applied(), applied);
    let collections = [(ROOMS, path(ROOMS)), (USERS, path(USERS))];
    assert_eq!(store.collections().unwrap(), collections);
}

fn ids(store: &dyn Store, collection: CollectionId) -> Vec<Box<str>> {
    documents(store, collection)
        .into_iter()
        .map(|document| document.id)
        .collect()
}

fn a_scan_goes_by_the_bytes_of_ids_and_stays_in_its_collection(store: &dyn Store) {
    let neighbours = [CollectionId(255), CollectionId(256), CollectionId(u32::MAX)];
    let mut history = History::default();
    for collection in neighbours {
        for id in ["é", "b", "a", "ab", "Z", "\u{10ffff}"] {
            let batch = history.commit(&[(collection, id, Some(SMALL))]);
            store.apply(&batch).unwrap();
        }
    }
    for collection in neighbours {
        let expected = ["Z", "a", "ab", "b", "é", "\u{10ffff}"];
        assert_eq!(ids(store, collection), expected.map(Box::from));
    }
    assert_eq!(ids(store, CollectionId(257)), []);
}

fn a_scan_continues_after_an_id_that_is_not_there(store: &dyn Store) {
    let mut history = History::default();
    let writes = ["a", "c", "d"].map(|id| (ROOMS, id, Some(SMALL)));
    store.apply(&history.commit(&writes)).unwrap();
    for (after, expected) in [("a", 2), ("b", 2), ("c", 1), ("d", 0), ("e", 0)] {
        let page = store.scan(ROOMS, Some(after), EVERYTHING).unwrap();
        assert_eq!(
            (page.entries.len(), page.end),
            (expected, true),
            "after {after}"
        );
    }
}

fn a_scan_ends_at_either_limit_and_one_document_always_fits(store: &dyn Store) {
    let mut history = History::default();
    // Each takes 10,000 bytes with its id.
    let writes = ["a", "b", "c", "d"].map(|id| (ROOMS, id, Some(9_999)));
    store.apply(&history.commit(&writes)).unwrap();
    let limits = [
        ((2, usize::MAX), 2, false),
        ((4, usize::MAX), 4, true),
        ((5, usize::MAX), 4, true),
        ((9, 30_000), 3, false),
        ((9, 29_999), 2, false),
        ((9, 1), 1, false),
        ((0, 0), 1, false),
    ];
    for ((documents, bytes), expected, end) in limits {
        let limit = ScanLimit { documents, bytes };
        let page = store.scan(ROOMS, None, limit).unwrap();
        assert_eq!((page.entries.len(), page.end), (expected, end), "{limit:?}");
    }
}

fn a_batch_that_was_applied_or_lies_before_is_refused_and_changes_nothing(store: &dyn Store) {
    let mut history = History::default();
    let first = history.commit(&[(ROOMS, "a", Some(SMALL))]);
    let second = history.commit(&[(ROOMS, "a", Some(SMALL + 1))]);
    store.apply(&first).unwrap();
    store.apply(&second).unwrap();
    for batch in [&first, &second] {
        let error = store.apply(batch).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::OutOfOrder {
                    applied: Sequence(2),
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(store.applied().sequence, Sequence(2));
    assert!(store.scrub().unwrap().matches());
    store
        .apply(&history.commit(&[(ROOMS, "b", Some(SMALL))]))
        .unwrap();
}

fn a_snapshot_is_loaded_at_zero_in_several_batches(store: &dyn Store) {
    let mut history = History::default();
    let parts = [
        history.commit(&[(ROOMS, "a", Some(LARGE))]),
        history.commit(&[(ROOMS, "b", Some(SMALL))]),
        history.commit(&[(USERS, "a", Some(SMALL))]),
    ];
    for part in &parts[..2] {
        let part = Batch {
            applied: Applied::default(),
            ..part.clone()
        };
        store.apply(&part).unwrap();
        assert_eq!(store.applied(), Applied::default());
    }
    store.apply(&parts[2]).unwrap();
    assert_eq!(store.applied().sequence, Sequence(3));
    let scrub = store.scrub().unwrap();
    assert_eq!((scrub.documents, scrub.matches()), (3, true));
}

fn a_mutation_is_found_by_principal_and_id_together(store: &dyn Store) {
    let mut history = History::default();
    // The last two would be one text if principal and id were joined as they are.
    let names = [
        (None, "m"),
        (Some(""), "m"),
        (Some("p"), "m"),
        (Some("pm"), "m"),
        (Some("p"), "mm"),
    ];
    let mut remembered = Vec::new();
    for (principal, id) in names {
        let batch = history.remembered((principal, id, 2), &[]);
        store.apply(&batch).unwrap();
        remembered.push(batch.mutations[0].clone());
    }
    for ((principal, id), expected) in names.into_iter().zip(remembered) {
        assert_eq!(store.mutation(principal, id).unwrap(), Some(expected));
    }
    assert_eq!(store.mutation(None, "mm").unwrap(), None);
    assert_eq!(store.mutation(Some("q"), "m").unwrap(), None);
}

fn a_mutation_of_many_long_paths_is_remembered_whole(store: &dyn Store) {
    let mut history = History::default();
    let mut batch = history.remembered((Some("p"), "m", 0), &[]);
    let long = format!("{0}/{0}/{0}", "x".repeat(250)).parse::<wellspring_types::CollectionPath>();
    let long = long.unwrap();
    batch.mutations[0].paths = (0..500)
        .map(|index| long.join(&index.to_string()))
        .collect();
    store.apply(&batch).unwrap();
    let expected = Some(batch.mutations[0].clone());
    assert_eq!(store.mutation(Some("p"), "m").unwrap(), expected);
    assert!(store.scrub().unwrap().matches());
}

fn mutations_are_forgotten_by_ordinal_at_once_however_many(store: &dyn Store) {
    let mut history = History::default();
    let names: Vec<String> = (1..=600).map(|ordinal| format!("m{ordinal}")).collect();
    let commits: Vec<Batch> = names
        .iter()
        .map(|name| history.remembered((Some("p"), name, 1), &[]))
        .collect();
    store.apply(&group(&commits)).unwrap();
    history.forget_through(590);
    // More than are deleted with one apply, and all of them in the end.
    for _ in 0..12 {
        store.apply(&history.commit(&[])).unwrap();
        for (name, ordinal) in names.iter().zip(1..) {
            let found = store.mutation(Some("p"), name).unwrap();
            assert_eq!(found.is_some(), ordinal > 590, "{name}");
        }
    }
}

fn a_mutation_id_that_is_used_again_survives_that_the_older_use_is_forgotten(store: &dyn Store) {
    let mut history = History::default();
    // Both uses are large enough for chunks of their own.
    store
        .apply(&history.remembered((None, "m", 900), &[]))
        .unwrap();
    store
        .apply(&history.remembered((None, "other", 1), &[]))
        .unwrap();
    let again = history.remembered((None, "m", 901), &[]);
    store.apply(&again).unwrap();
    for through in [1, 2] {
        history.forget_through(through);
        store.apply(&history.commit(&[])).unwrap();
        store.apply(&history.commit(&[])).unwrap();
        assert_eq!(
            store.mutation(None, "m").unwrap(),
            Some(again.mutations[0].clone())
        );
        assert!(store.scrub().unwrap().matches());
    }
    // Remembered anew by the batch that forgets the use before.
    history.forget_through(3);
    let third = history.remembered((None, "m", 1), &[]);
    store.apply(&third).unwrap();
    assert_eq!(
        store.mutation(None, "m").unwrap(),
        Some(third.mutations[0].clone())
    );
    history.forget_through(4);
    store.apply(&history.commit(&[])).unwrap();
    assert_eq!(store.mutation(None, "m").unwrap(), None);
}

fn what_is_forgotten_stays_forgotten_when_a_smaller_ordinal_follows(store: &dyn Store) {
    let mut history = History::default();
    store
        .apply(&history.remembered((None, "m", 1), &[]))
        .unwrap();
    history.forget_through(1);
    store.apply(&history.commit(&[])).unwrap();
    history.forget_through(0);
    store.apply(&history.commit(&[])).unwrap();
    assert_eq!(store.mutation(None, "m").unwrap(), None);
}

fn a_scrub_finds_what_was_applied(store: &dyn Store) {
    let mut history = History::default();
    for round in 0..3 {
        let ids: Vec<String> = (0..100).map(|index| format!("document-{index}")).collect();
        let size = |index: usize| {
            if index.is_multiple_of(7) {
                LARGE
            } else {
                SMALL
            }
        };
        let writes: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(index, id)| (ROOMS, &**id, Some(size(index))))
            .collect();
        store.apply(&history.commit(&writes)).unwrap();
        let deleted = ids[round].as_str();
        store
            .apply(&history.commit(&[(ROOMS, deleted, None)]))
            .unwrap();
        let scrub = store.scrub().unwrap();
        assert_eq!((scrub.documents, scrub.matches()), (99, true), "{scrub:?}");
    }
}

fn a_scrub_tells_when_a_change_was_not_of_what_was_there(store: &dyn Store) {
    let mut history = History::default();
    store
        .apply(&history.commit(&[(ROOMS, "a", Some(SMALL))]))
        .unwrap();
    let mut batch = history.commit(&[(ROOMS, "a", Some(SMALL))]);
    batch.changes[0].before = None;
    store.apply(&batch).unwrap();
    assert!(!store.scrub().unwrap().matches());
}

fn readers_see_every_document_whole_and_scrubs_match_while_changes_are_applied(store: &dyn Store) {
    let mut history = History::default();
    let ids: Vec<String> = (0..40)
        .map(|index| format!("document-{index:02}"))
        .collect();
    let writes: Vec<_> = ids.iter().map(|id| (ROOMS, &**id, Some(LARGE))).collect();
    store.apply(&history.commit(&writes)).unwrap();
    let done = AtomicBool::new(false);
    let whole = |document: &crate::StoredDocument| {
        let expected = data(&document.id, document.version.0, document.data.len());
        assert_eq!(document.data, expected, "{}", document.id);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                for id in &ids {
                    whole(&store.get(ROOMS, id).unwrap().unwrap());
                }
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let page = store.scan(ROOMS, None, EVERYTHING).unwrap();
                assert_eq!(page.entries.len(), ids.len());
                for scanned in &page.entries {
                    if let Scanned::Document(document) = scanned {
                        whole(document);
                    }
                }
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let scrub = store.scrub().unwrap();
                assert!(scrub.matches(), "{scrub:?}");
                assert_eq!(scrub.documents, 40);
            }
        });
        for round in 0..60 {
            let size = if round % 3 == 0 { SMALL } else { LARGE - round };
            let id = |step: usize| &*ids[(round * 7 + step * 13) % ids.len()];
            let writes = [0, 1, 2].map(|step| (ROOMS, id(step), Some(size)));
            store.apply(&history.commit(&writes)).unwrap();
        }
        done.store(true, Ordering::Release);
    });
}
