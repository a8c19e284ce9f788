//! Loading a snapshot into a new store.

use wellspring_log::{Snapshot, SnapshotDocument, SnapshotMutation};
use wellspring_store::{Applied, Batch, RememberedMutation, Store, StoreChange, StoredDocument};

use super::rebuild::{BATCH_BYTES, BATCH_CHANGES};
use super::{OpenError, OpenProgress};
use crate::collections::Collections;
use crate::read::ReadError;

/// Puts everything that the snapshot holds into `store`, which is empty. Only its last batch says
/// how far the store is: one that a crash leaves before has applied nothing.
pub(super) fn load(
    store: &dyn Store,
    snapshot: &Snapshot,
    mutation_ids_max: u64,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<(), OpenError> {
    let collections = Collections::default();
    for some in snapshot.collections().chunks(BATCH_CHANGES) {
        for (id, path) in some {
            collections.add(*id, path.clone());
        }
        let collections = some.to_vec();
        store.apply(&Batch {
            collections,
            ..Batch::default()
        })?;
    }
    let mut loading = Loading {
        store,
        progress,
        batch: Batch::default(),
        bytes: 0,
        loaded: 0,
        documents: snapshot.documents_count(),
    };
    for document in snapshot.documents() {
        loading.add_document(document?)?;
    }
    for mutation in snapshot.mutations() {
        loading.add_mutation(remembered(mutation?, &collections)?)?;
    }
    loading.batch.applied = Applied {
        sequence: snapshot.sequence(),
        position: snapshot.position(),
        mutations: snapshot.newest_mutation(),
    };
    let newest = snapshot.newest_mutation();
    loading.batch.forget_mutations_through = newest.saturating_sub(mutation_ids_max);
    loading.apply()
}

/// What goes into the next batch.
struct Loading<'a> {
    store: &'a dyn Store,
    progress: &'a mut dyn FnMut(OpenProgress),
    batch: Batch,
    bytes: usize,
    /// Documents that the store has.
    loaded: u64,
    /// Documents in the snapshot.
    documents: u64,
}

impl Loading<'_> {
    fn add_document(&mut self, document: SnapshotDocument) -> Result<(), OpenError> {
        self.bytes += document.id.len() + document.data.len();
        self.batch.changes.push(StoreChange {
            collection: document.collection,
            id: document.id.clone(),
            before: None,
            after: Some(StoredDocument {
                id: document.id,
                version: document.version,
                created_at: document.created_at,
                updated_at: document.updated_at,
                data: document.data,
            }),
        });
        self.apply_if_full()
    }

    fn add_mutation(&mut self, mutation: RememberedMutation) -> Result<(), OpenError> {
        let paths = mutation.paths.iter().map(|path| path.as_str().len());
        self.bytes += mutation.id.len() + paths.sum::<usize>();
        self.batch.mutations.push(mutation);
        self.apply_if_full()
    }

    fn apply_if_full(&mut self) -> Result<(), OpenError> {
        let entries = self.batch.changes.len() + self.batch.mutations.len();
        if entries < BATCH_CHANGES && self.bytes < BATCH_BYTES {
            return Ok(());
        }
        self.apply()
    }

    fn apply(&mut self) -> Result<(), OpenError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.store.apply(&batch)?;
        self.loaded += batch.changes.len() as u64;
        (self.progress)(OpenProgress::Loading {
            loaded: self.loaded,
            documents: self.documents,
        });
        Ok(())
    }
}

/// A mutation id as the store has it.
fn remembered(
    mutation: SnapshotMutation,
    collections: &Collections,
) -> Result<RememberedMutation, ReadError> {
    let seq = mutation.sequence;
    let paths = mutation.paths.iter().map(|(collection, id)| {
        let collection = collections.path(*collection);
        let collection = collection.ok_or(ReadError::UnknownCollection { seq })?;
        Ok(collection.join(id))
    });
    Ok(RememberedMutation {
        paths: paths.collect::<Result<_, ReadError>>()?,
        principal: mutation.principal,
        id: mutation.id,
        ordinal: mutation.ordinal,
        digest: mutation.digest,
        sequence: mutation.sequence,
        time: mutation.time,
    })
}
