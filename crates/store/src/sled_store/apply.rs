//! Turning a batch of whole commits into operations of sled's.

use wellspring_types::CollectionId;

use super::kept::Kept;
use super::value::{Stamp, chunk_count, chunks, encode_head, seal};
use super::{keys, mutations};
use crate::error::from_sled;
use crate::{Batch, StoreChange, StoreError, StoredDocument};

/// One entry that is written.
pub(super) enum Operation {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

/// Passes operations on, in order.
pub(super) struct Writer<'sink> {
    sink: &'sink mut dyn FnMut(Operation) -> Result<(), StoreError>,
}

impl<'sink> Writer<'sink> {
    pub(super) fn new(sink: &'sink mut dyn FnMut(Operation) -> Result<(), StoreError>) -> Self {
        Writer { sink }
    }

    pub(super) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        (self.sink)(Operation::Insert(key, value))
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        (self.sink)(Operation::Remove(key))
    }
}

impl Operation {
    /// Carries it out.
    pub(super) fn run(self, db: &sled::Db) -> Result<(), StoreError> {
        match self {
            Operation::Insert(key, value) => db.insert(key, value),
            Operation::Remove(key) => db.remove(key),
        }
        .map_err(from_sled)?;
        Ok(())
    }
}

/// Writes a batch, and `kept` as the last of it, with its mutations added.
///
/// The order is what readers and a crash rely on: the new chunks of all documents, then all
/// heads, then the deletion of all old chunks.
///
/// Every operation is decided by the commits alone, and repeating them gives the same entries:
/// this is why a crash between two of them is repaired by applying again. What it may
/// have left beyond that, chunks of versions on the way, is deleted with the `before` of the
/// change that follows them.
pub(super) fn write(
    db: &sled::Db,
    batch: &Batch,
    kept: &mut Kept,
    writer: &mut Writer<'_>,
) -> Result<(), StoreError> {
    for (collection, path) in &batch.collections {
        let key = keys::collection(*collection);
        let value = seal(&key, path.as_str().into());
        writer.insert(key, value)?;
    }
    let last = last_changes(&batch.changes);
    for change in &last {
        write_chunks(change, writer)?;
    }
    for change in &last {
        write_head(change, writer)?;
    }
    for change in &batch.changes {
        delete_old_chunks(change, writer)?;
    }
    mutations::forget(db, writer, kept.forgotten_through, batch.mutations.len())?;
    for mutation in &batch.mutations {
        mutations::remember(writer, mutation, &mut kept.mutations)?;
    }
    writer.insert(keys::APPLIED.to_vec(), kept.encode())
}

/// The last change of each document, what was written in between would only be overwritten; in the
/// order of places: sled finds the next one near the last.
fn last_changes(changes: &[StoreChange]) -> Vec<&StoreChange> {
    let mut last: Vec<_> = changes.iter().rev().collect();
    // It keeps the order of those of one document, the last of which is the first here.
    last.sort_by(|one, other| place(one).cmp(&place(other)));
    last.dedup_by(|one, other| place(one) == place(other));
    last
}

fn place(change: &StoreChange) -> (CollectionId, &str) {
    (change.collection, &change.id)
}

fn write_chunks(change: &StoreChange, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    let Some(StoredDocument { version, data, .. }) = &change.after else {
        return Ok(());
    };
    for (index, chunk) in chunks(data) {
        writer.insert(keys::chunk(place(change), *version, index), chunk.into())?;
    }
    Ok(())
}

fn write_head(change: &StoreChange, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    let key = keys::head(change.collection, &change.id);
    let Some(after) = &change.after else {
        return writer.remove(key);
    };
    let stamp = Stamp {
        version: after.version,
        created_at: after.created_at,
        updated_at: after.updated_at,
    };
    let head = encode_head(&key, &stamp, &after.data);
    writer.insert(key, head)
}

fn delete_old_chunks(change: &StoreChange, writer: &mut Writer<'_>) -> Result<(), StoreError> {
    let Some((version, data)) = &change.before else {
        return Ok(());
    };
    for index in 0..chunk_count(data.len()) {
        writer.remove(keys::chunk(place(change), *version, index))?;
    }
    Ok(())
}
