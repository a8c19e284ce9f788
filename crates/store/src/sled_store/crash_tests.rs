//! A crash between any two operations of one apply is repaired by applying again.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::{SledStore, keys};
use crate::tests::history::{History, LARGE, ROOMS, SMALL, USERS, assert_alike, documents, group};
use crate::{Batch, MemoryStore, Options, Store, StoreError};

/// Bytes of a document of many chunks.
const HUGE: usize = 16 * LARGE;

const NAMES: [(Option<&str>, &str); 3] = [(None, "m"), (Some("p"), "m"), (Some("p"), "n")];

/// Commits before, in and after the batch that crashes.
struct Commits {
    before: Vec<Batch>,
    crashing: Vec<Batch>,
    after: Vec<Batch>,
}

fn commits() -> Commits {
    let mut history = History::default();
    let ids = ["a", "b", "c", "d", "e"];
    let all = |size: usize| ids.map(|id| (ROOMS, id, Some(size)));
    let before = vec![
        history.remembered((None, "m", 700), &all(HUGE)),
        history.remembered((Some("p"), "m", 1), &[(USERS, "a", Some(SMALL))]),
    ];
    history.forget_through(1);
    let crashing = vec![
        history.remembered((None, "m", 800), &all(HUGE + 1)),
        history.commit(&[(ROOMS, "a", None), (USERS, "b", Some(9))]),
        history.remembered((Some("p"), "n", 2), &[(ROOMS, "a", Some(LARGE))]),
        history.remembered((Some("p"), "m", 900), &[(ROOMS, "c", None)]),
    ];
    history.forget_through(3);
    let after = vec![
        history.commit(&[(ROOMS, "a", Some(LARGE * 2)), (ROOMS, "e", None)]),
        history.remembered(
            (None, "m", 1),
            &[(USERS, "a", None), (ROOMS, "d", Some(SMALL))],
        ),
    ];
    Commits {
        before,
        crashing,
        after,
    }
}

fn open(dir: &TempDir) -> SledStore {
    SledStore::open(dir.path(), Options::default()).unwrap()
}

/// Applies a batch, and fails after `survivors` of its operations.
fn crash(store: &SledStore, batch: &Batch, survivors: usize) -> Result<(), StoreError> {
    let mut passed = 0;
    store.apply_through(batch, &mut |operation| {
        if passed == survivors {
            return Err(StoreError::Panicked {
                message: "crash".into(),
            });
        }
        passed += 1;
        operation.run(store.db())
    })
}

/// Keys of heads and chunks: what is there, whether anything refers to it or not.
fn document_keys(store: &SledStore) -> BTreeSet<Vec<u8>> {
    let keys = store.db().iter().keys().map(|key| key.unwrap().to_vec());
    keys.filter(|key| key.starts_with(keys::HEADS) || key.first() == Some(&b'c'))
        .collect()
}

/// Number of operations that an apply takes.
fn operations(store: &SledStore, batches: &Commits) -> usize {
    let mut operations = 0;
    let counted = store.apply_through(&group(&batches.crashing), &mut |operation| {
        operations += 1;
        operation.run(store.db())
    });
    counted.unwrap();
    operations
}

/// After how many of an apply's operations it crashes: some in the middle of the chunks, the heads and
/// the deletions, and all at the end, where the newest mutation and the store's own entry are written.
fn crashes(batches: &Commits) -> Vec<usize> {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.apply(&group(&batches.before)).unwrap();
    let operations = operations(&store, batches);
    assert!(operations > 100, "{operations}: enough to crash between");
    let all_of_the_last = operations - 6..operations;
    (0..operations - 6)
        .step_by(operations / 6)
        .chain(all_of_the_last)
        .collect()
}

/// Crashes after each of these numbers of operations, applies again as `replays` says, and compares
/// with stores that never crashed.
fn assert_repaired(replays: impl Fn(&Commits) -> Vec<Batch>) {
    let commits = commits();
    assert_repaired_after(crashes(&commits), &commits, &replays(&commits));
}

fn assert_repaired_after(crashes: Vec<usize>, commits: &Commits, replayed: &[Batch]) {
    for survivors in crashes {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        store.apply(&group(&commits.before)).unwrap();
        crash(&store, &group(&commits.crashing), survivors).unwrap_err();
        drop(store);

        let store = open(&dir);
        let (whole_dir, model) = (TempDir::new().unwrap(), MemoryStore::new());
        let whole = open(&whole_dir);
        for never_crashed in [&whole as &dyn Store, &model] {
            never_crashed.apply(&group(&commits.before)).unwrap();
        }
        assert_eq!(store.applied(), model.applied(), "survivors: {survivors}");
        for batch in replayed {
            store.apply(batch).unwrap();
            model.apply(batch).unwrap();
            whole.apply(batch).unwrap();
        }
        assert_alike(&store, &model, &NAMES);
        assert_eq!(
            document_keys(&store),
            document_keys(&whole),
            "survivors: {survivors}"
        );
    }
}

#[test]
fn a_crash_is_repaired_by_the_same_batch() {
    assert_repaired(|commits| vec![group(&commits.crashing)]);
}

#[test]
fn a_crash_is_repaired_by_one_commit_after_the_other() {
    assert_repaired(|commits| commits.crashing.clone());
}

#[test]
fn a_crash_is_repaired_by_a_larger_batch() {
    assert_repaired(|commits| vec![group(&[&commits.crashing[..], &commits.after].concat())]);
}

#[test]
fn a_crash_is_repaired_by_batches_that_part_elsewhere() {
    assert_repaired(|commits| {
        let (first, second) = commits.crashing.split_at(1);
        vec![group(first), group(&[second, &commits.after].concat())]
    });
}

#[test]
fn a_crash_between_any_two_operations_on_mutations_is_repaired() {
    let mut history = History::default();
    let before = vec![
        history.remembered((None, "m", 700), &[(ROOMS, "a", Some(LARGE))]),
        history.remembered((Some("p"), "m", 700), &[]),
        history.remembered((Some("p"), "n", 1), &[]),
    ];
    history.forget_through(3);
    let crashing = vec![
        history.remembered((Some("p"), "m", 700), &[(ROOMS, "a", Some(SMALL))]),
        history.remembered((None, "m", 1), &[]),
    ];
    let commits = Commits {
        before,
        crashing,
        after: Vec::new(),
    };
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.apply(&group(&commits.before)).unwrap();
    let operations = operations(&store, &commits);
    assert!(operations > 20, "{operations}: enough to crash between");
    for replayed in [vec![group(&commits.crashing)], commits.crashing.clone()] {
        assert_repaired_after((0..operations).collect(), &commits, &replayed);
    }
}

#[test]
fn what_comes_back_after_a_scrub_of_what_a_crash_left_is_found() {
    let mut history = History::default();
    let before = history.commit(&[(ROOMS, "a", Some(SMALL)), (ROOMS, "b", Some(SMALL))]);
    let crashing = [
        history.commit(&[(ROOMS, "a", Some(SMALL + 1))]),
        history.commit(&[(ROOMS, "a", None)]),
    ];
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.apply(&before).unwrap();
    // The head of the document is gone, and nothing else was done.
    crash(&store, &group(&crashing), 1).unwrap_err();
    drop(store);

    let store = open(&dir);
    assert_eq!(store.get(ROOMS, "a").unwrap(), None);
    assert!(!store.scrub().unwrap().matches());
    store.apply(&crashing[0]).unwrap();
    assert_eq!(store.get(ROOMS, "a").unwrap(), crashing[0].changes[0].after);
}

#[test]
fn after_a_failed_apply_documents_are_read_whole_and_nothing_else_is_done() {
    let commits = commits();
    for survivors in crashes(&commits) {
        let dir = TempDir::new().unwrap();
        let store = open(&dir);
        store.apply(&group(&commits.before)).unwrap();
        let (before, after) = (MemoryStore::new(), MemoryStore::new());
        before.apply(&group(&commits.before)).unwrap();
        after
            .apply(&group(&[&commits.before[..], &commits.crashing].concat()))
            .unwrap();
        crash(&store, &group(&commits.crashing), survivors).unwrap_err();
        for document in documents(&store, ROOMS) {
            let versions = [&before, &after].map(|model| model.get(ROOMS, &document.id).unwrap());
            assert!(versions.contains(&Some(document)), "survivors: {survivors}");
        }
        assert_eq!(store.applied(), before.applied());
        let refused = [
            store.apply(&group(&commits.crashing)),
            store.flush(),
            store.scrub().map(drop),
            Box::new(store).close(),
        ];
        for result in refused {
            assert!(matches!(result, Err(StoreError::ApplyFailed)), "{result:?}");
        }
    }
}
