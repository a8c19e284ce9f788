//! Random histories: the store on disk and the one in memory cannot be told apart.

use proptest::prelude::*;
use tempfile::TempDir;
use wellspring_types::CollectionId;

use super::history::{History, ROOMS, USERS, Write, assert_alike, group};
use crate::{Batch, MemoryStore, Options, ScanLimit, SledStore, Store};

const IDS: [&str; 5] = ["a", "ab", "b", "é", "z"];
const PRINCIPALS: [Option<&str>; 3] = [None, Some("p"), Some("pm")];
const MUTATIONS: [&str; 3] = ["m", "mm", "n"];

/// What happens to the stores.
#[derive(Clone, Debug)]
enum Step {
    /// A group of commits is applied as one batch.
    Apply(Vec<Commit>),
    /// Mutations are forgotten through this many before the newest.
    Forget(u64),
    /// The store on disk is closed and opened.
    Reopen,
    /// The store on disk is dropped and opened.
    Drop,
}

#[derive(Clone, Debug)]
struct Commit {
    writes: Vec<(CollectionId, usize, Option<usize>)>,
    mutation: Option<(usize, usize, usize)>,
}

fn commit() -> impl Strategy<Value = Commit> {
    let size = prop_oneof![4 => 0..1000_usize, 2 => 6000..6300_usize, 1 => 6000..60_000_usize];
    let collection = prop_oneof![Just(ROOMS), Just(USERS)];
    let write = (collection, 0..IDS.len(), prop::option::weighted(0.8, size));
    let paths = prop_oneof![0..5_usize, 600..700_usize];
    let mutation = prop::option::of((0..PRINCIPALS.len(), 0..MUTATIONS.len(), paths));
    (prop::collection::vec(write, 0..6), mutation)
        .prop_map(|(writes, mutation)| Commit { writes, mutation })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(commit(), 1..5).prop_map(Step::Apply),
        2 => (0..6_u64).prop_map(Step::Forget),
        1 => Just(Step::Reopen),
        1 => Just(Step::Drop),
    ]
}

impl Commit {
    fn of(&self, history: &mut History) -> Batch {
        let mut writes: Vec<Write<'_>> = Vec::new();
        for (collection, id, bytes) in &self.writes {
            // A document occurs once in a commit.
            let id = IDS[*id];
            if writes
                .iter()
                .all(|write| (write.0, write.1) != (*collection, id))
            {
                writes.push((*collection, id, *bytes));
            }
        }
        match self.mutation {
            Some((principal, id, paths)) => {
                history.remembered((PRINCIPALS[principal], MUTATIONS[id], paths), &writes)
            }
            None => history.commit(&writes),
        }
    }
}

fn assert_same_pages(store: &dyn Store, model: &dyn Store) {
    let limit = ScanLimit {
        documents: 2,
        bytes: 10_000,
    };
    for collection in [ROOMS, USERS] {
        for after in std::iter::once(None).chain(IDS.map(Some)) {
            let page = store.scan(collection, after, limit).unwrap();
            assert_eq!(page, model.scan(collection, after, limit).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_histories_give_the_same_in_memory_and_on_disk(
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let dir = TempDir::new().unwrap();
        let open = || SledStore::open(dir.path(), Options::default()).unwrap();
        let (mut store, model) = (Box::new(open()), MemoryStore::new());
        let mut history = History::default();
        let names: Vec<_> = PRINCIPALS
            .iter()
            .flat_map(|principal| MUTATIONS.map(|id| (*principal, id)))
            .collect();
        for step in steps {
            match step {
                Step::Apply(commits) => {
                    let commits: Vec<_> =
                        commits.iter().map(|commit| commit.of(&mut history)).collect();
                    store.apply(&group(&commits)).unwrap();
                    model.apply(&group(&commits)).unwrap();
                }
                Step::Forget(kept) => {
                    history.forget_through(model.applied().mutations.saturating_sub(kept));
                }
                Step::Reopen => {
                    store.close().unwrap();
                    store = Box::new(open());
                }
                Step::Drop => {
                    drop(store);
                    store = Box::new(open());
                }
            }
            assert_alike(&*store, &model, &names);
            assert_same_pages(&*store, &model);
        }
    }
}
