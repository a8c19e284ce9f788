//! A history of commits: what the log would hand to a store.

use std::collections::BTreeMap;

use bytes::Bytes;
use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

use crate::{
    Applied, Batch, RememberedMutation, ScanLimit, Scanned, Store, StoreChange, StoredDocument,
};

pub(crate) const ROOMS: CollectionId = CollectionId(1);
pub(crate) const USERS: CollectionId = CollectionId(2);

pub(crate) const EVERYTHING: ScanLimit = ScanLimit {
    documents: usize::MAX,
    bytes: usize::MAX,
};

/// Bytes of data that stay in a document's head, and that need chunks.
pub(crate) const SMALL: usize = 300;
pub(crate) const LARGE: usize = 40_000;

/// One write: a document of so many bytes, or none.
pub(crate) type Write<'id> = (CollectionId, &'id str, Option<usize>);

/// Makes batches whose changes know what was before.
#[derive(Clone, Default)]
pub(crate) struct History {
    applied: Applied,
    documents: BTreeMap<(CollectionId, Box<str>), StoredDocument>,
    forget_mutations_through: u64,
}

pub(crate) fn path(collection: CollectionId) -> CollectionPath {
    format!("collection-{}", collection.0).parse().unwrap()
}

/// Data that differs from version to version and from document to document in every chunk.
pub(crate) fn data(id: &str, version: u64, bytes: usize) -> Bytes {
    let mark = format!("{version}:{id};");
    mark.bytes().cycle().take(bytes).collect()
}

impl History {
    /// One commit.
    pub(crate) fn commit(&mut self, writes: &[Write<'_>]) -> Batch {
        self.applied.sequence = self.applied.sequence.next();
        self.applied.position = self.applied.sequence.0 + 1000;
        let mut batch = Batch {
            applied: self.applied,
            forget_mutations_through: self.forget_mutations_through,
            ..Batch::default()
        };
        if self.applied.sequence == Sequence(1) {
            batch.collections = [ROOMS, USERS].map(|id| (id, path(id))).into();
        }
        batch.changes = writes.iter().map(|write| self.change(*write)).collect();
        batch
    }

    fn change(&mut self, (collection, id, bytes): Write<'_>) -> StoreChange {
        let place = (collection, id.into());
        let version = self.applied.sequence;
        let before = self.documents.remove(&place);
        let time = Timestamp::from_millis(version.0 * 10);
        let after = bytes.map(|bytes| StoredDocument {
            id: id.into(),
            version,
            created_at: before.as_ref().map_or(time, |before| before.created_at),
            updated_at: time,
            data: data(id, version.0, bytes),
        });
        if let Some(after) = &after {
            self.documents.insert(place, after.clone());
        }
        let before = before.map(|before| (before.version, before.data));
        StoreChange {
            collection,
            id: id.into(),
            before,
            after,
        }
    }

    /// One commit that is remembered by a mutation id, with so many paths.
    pub(crate) fn remembered(
        &mut self,
        (principal, id, paths): (Option<&str>, &str, usize),
        writes: &[Write<'_>],
    ) -> Batch {
        self.applied.mutations += 1;
        let mut batch = self.commit(writes);
        batch.mutations.push(RememberedMutation {
            principal: principal.map(Into::into),
            id: id.into(),
            ordinal: self.applied.mutations,
            digest: [u8::try_from(self.applied.mutations % 256).unwrap(); 32],
            sequence: self.applied.sequence,
            time: Timestamp::from_millis(self.applied.sequence.0 * 10),
            paths: (0..paths)
                .map(|index| path(ROOMS).join(&format!("path-{index}")))
                .collect(),
        });
        batch
    }

    /// Every batch from here on forgets mutations through this ordinal.
    pub(crate) fn forget_through(&mut self, ordinal: u64) {
        self.forget_mutations_through = ordinal;
    }
}

/// Several batches as one, as a group of commits is applied.
pub(crate) fn group(batches: &[Batch]) -> Batch {
    let mut group = Batch::default();
    for batch in batches.iter().cloned() {
        group.applied = batch.applied;
        group.collections.extend(batch.collections);
        group.changes.extend(batch.changes);
        group.mutations.extend(batch.mutations);
        group.forget_mutations_through = batch.forget_mutations_through;
    }
    group
}

/// All documents of a collection, in one page.
pub(crate) fn documents(store: &dyn Store, collection: CollectionId) -> Vec<StoredDocument> {
    let page = store.scan(collection, None, EVERYTHING).unwrap();
    assert!(page.end);
    let document = |scanned| match scanned {
        Scanned::Document(document) => document,
        Scanned::Overtaken(id) => panic!("{id} overtaken by nobody"),
    };
    page.entries.into_iter().map(document).collect()
}

/// Everything that can be read of two stores is alike, and right by its digest.
pub(crate) fn assert_alike(
    store: &dyn Store,
    model: &dyn Store,
    mutations: &[(Option<&str>, &str)],
) {
    assert_eq!(store.applied(), model.applied());
    assert_eq!(store.collections().unwrap(), model.collections().unwrap());
    for collection in [ROOMS, USERS] {
        let found = documents(store, collection);
        assert_eq!(found, documents(model, collection));
        for document in found {
            assert_eq!(store.get(collection, &document.id).unwrap(), Some(document));
        }
    }
    for (principal, id) in mutations {
        let found = store.mutation(*principal, id).unwrap();
        assert_eq!(found, model.mutation(*principal, id).unwrap());
    }
    let scrub = store.scrub().unwrap();
    assert!(scrub.matches(), "{scrub:?}");
    assert_eq!(scrub, model.scrub().unwrap());
}
