//! Turning a batch of whole commits into batches of sled's.

use std::collections::HashMap;

use wellspring_types::CollectionId;

use super::kept::Kept;
use super::value::{Stamp, chunk_count, chunks, encode_head, seal};
use super::{keys, mutations};
use crate::{Batch, StoreChange, StoreError, StoredDocument};

/// Operations in one of sled's batches. A batch holds a lock that readers take: this many hold it
/// for a few milliseconds.
const OPERATIONS_MAX: usize = 256;

/// Collects operations, in order, and passes them on in batches.
pub(super) struct Writer<'sink> {
    sink: &'sink mut dyn FnMut(sled::Batch) -> Result<(), StoreError>,
    batch: sled::Batch,
    operations: usize,
}

impl<'sink> Writer<'sink> {
    pub(super) fn new(sink: &'sink mut dyn FnMut(sled::Batch) -> Result<(), StoreError>) -> Self {
        Writer {
            sink,
            batch: sled::Batch::default(),
            operations: 0,
        }
    }

    pub(super) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        self.batch.insert(key, value);
        self.count()
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) -> Result<(), StoreError> {
        self.batch.remove(key);
        self.count()
    }

    fn count(&mut self) -> Result<(), StoreError> {
        self.operations += 1;
        if self.operations == OPERATIONS_MAX {
            self.pass_on()
        } else {
            Ok(())
        }
    }

    fn pass_on(&mut self) -> Result<(), StoreError> {
        self.operations = 0;
        (self.sink)(std::mem::take(&mut self.batch))
    }
}

/// Writes a batch, and `kept` as the last of it, with its mutations added.
///
/// The order is what readers and a crash rely on: the new chunks of all documents, then all
/// heads, then the deletion of all old chunks. Where they share one of sled's batches its order
/// does not count, as lookups see that whole or not at all.
///
/// Every operation is decided by the commits alone, and repeating them gives the same entries:
/// this is why a crash between two of sled's batches is repaired by applying again. What it may
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
    writer.insert(keys::APPLIED.to_vec(), kept.encode())?;
    if writer.operations > 0 {
        writer.pass_on()
    } else {
        Ok(())
    }
}

/// The last change of each document, in the order of the changes: what was written in between
/// would only be overwritten.
fn last_changes(changes: &[StoreChange]) -> Vec<&StoreChange> {
    let last: HashMap<_, usize> = (changes.iter().map(place)).zip(0..).collect();
    let is_last = |(change, index): &(&StoreChange, usize)| last.get(&place(change)) == Some(index);
    changes
        .iter()
        .zip(0..)
        .filter(is_last)
        .map(|(change, _)| change)
        .collect()
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
