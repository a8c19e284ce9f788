//! Bringing a store up to the end of the log: the one that is there, or a new one.

use std::fs;

use wellspring_log::LogReader;
use wellspring_store::{Store, StoreError};

use super::stamp::Stamp;
use super::{MetaFile, OpenError, OpenProgress, io_error, open_store, store_directory};
use crate::apply::MutationLedger;
use crate::collections::Collections;
use crate::commit::Commit;
use crate::options::Options;
use crate::read::ReadError;

/// Changes and bytes of one batch.
const BATCH_CHANGES: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

/// The store with everything of the log, and the collections. Where `store` is `None`, or cannot
/// be brought up, a new one takes its place.
pub(super) fn bring_up(
    store: Option<Box<dyn Store>>,
    log: &LogReader,
    meta: &MetaFile,
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<(Box<dyn Store>, Collections), OpenError> {
    if let Some(store) = store {
        match replay(&*store, log, options, progress) {
            Ok(collections) => return Ok((store, collections)),
            Err(OpenError::Store(error)) => {
                tracing::error!(%error, "the store is wrong; it is built again from the log");
            }
            Err(error) => return Err(error),
        }
    }
    let number = meta.meta().store_number + 1;
    let directory = store_directory(&options.data_dir, number);
    // What an earlier attempt has left.
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|source| io_error(&directory, source))?;
    }
    fs::create_dir_all(&directory).map_err(|source| io_error(&directory, source))?;
    let store = open_store(&directory, options)?;
    let collections = replay(&*store, log, options, progress)?;
    // Only now: a store that a crash leaves incomplete is not the current one.
    meta.change(|meta| {
        meta.store_number = number;
        meta.stamp = Stamp::of(&directory);
    })?;
    Ok((store, collections))
}

/// Applies what the store lacks.
fn replay(
    store: &dyn Store,
    log: &LogReader,
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<Collections, OpenError> {
    let collections = Collections::default();
    for (id, path) in store.collections()? {
        collections.add(id, path);
    }
    let applied = store.applied();
    let mut ledger = MutationLedger::new(applied.mutations, options.mutation_ids_max);
    let head = log.head();
    let mut pending = Pending::default();
    for record in log.read(applied.sequence, head, None) {
        let record = record.map_err(ReadError::from)?;
        for (id, path) in &record.collections {
            collections.add(*id, path.clone());
        }
        let seq = record.sequence;
        let commit = Commit::from_record(record, &collections);
        pending.add(commit.ok_or(ReadError::UnknownCollection { seq })?);
        if pending.is_full() {
            pending.apply(store, &mut ledger)?;
            progress(OpenProgress::Applying { applied: seq, head });
        }
    }
    pending.apply(store, &mut ledger)?;
    Ok(collections)
}

/// Commits for the next batch.
#[derive(Default)]
struct Pending {
    commits: Vec<Commit>,
    changes: usize,
    bytes: usize,
}

impl Pending {
    fn add(&mut self, commit: Commit) {
        self.changes += commit.changes.len();
        self.bytes += commit.bytes();
        self.commits.push(commit);
    }

    fn is_full(&self) -> bool {
        self.changes >= BATCH_CHANGES || self.bytes >= BATCH_BYTES
    }

    fn apply(&mut self, store: &dyn Store, ledger: &mut MutationLedger) -> Result<(), StoreError> {
        let pending = std::mem::take(self);
        if pending.commits.is_empty() {
            return Ok(());
        }
        store.apply(&ledger.batch(pending.commits.iter()))
    }
}
