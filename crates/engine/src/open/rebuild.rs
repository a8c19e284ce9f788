//! Bringing a store up to the end of the log: the one that is there, or a new one.

use wellspring_log::ReadError::BeforeOldest;
use wellspring_log::{LogReader, Snapshot, SnapshotError};
use wellspring_store::{Store, StoreError};

use super::history::History;
use super::load::load;
use super::{MetaFile, OpenError, OpenProgress, store_directory};
use crate::apply::MutationLedger;
use crate::collections::Collections;
use crate::commit::Commit;
use crate::options::Options;
use crate::read::ReadError::{self, UnknownCollection};
use wellspring_types::Sequence;

/// Changes and bytes of one batch.
pub(super) const BATCH_CHANGES: usize = 256;
pub(super) const BATCH_BYTES: usize = 4 << 20;

/// A store of at most this many bytes on disk is scrubbed before it is used: that takes about a
/// second. A larger one is scrubbed while it is used.
const SCRUB_AT_ONCE_BYTES: u64 = 256 << 20;

/// A store with everything of the log.
pub(super) struct Level {
    pub(super) store: Box<dyn Store>,
    pub(super) collections: Collections,
    /// The newest snapshot that is good.
    pub(super) snapshot: Option<Snapshot>,
    /// Whether it still has to be compared with what was applied.
    pub(super) unscrubbed: bool,
}

/// The store with everything of the log, and the collections. Where `store` is `None`, or cannot
/// be brought up, or is wrong, a new one takes its place.
pub(super) fn bring_up(
    store: Option<Box<dyn Store>>,
    history: History,
    meta: &MetaFile,
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<Level, OpenError> {
    if let Some(store) = store {
        let directory = store_directory(&options.data_dir, meta.meta().store_number);
        match replay(&*store, &history.log, options, progress).and_then(|found| {
            let unscrubbed = options.stores.bytes(&directory) > SCRUB_AT_ONCE_BYTES;
            if !unscrubbed && !store.scrub()?.matches() {
                return Err(StoreError::Wrong.into());
            }
            Ok((found, unscrubbed))
        }) {
            Ok((collections, unscrubbed)) => {
                return Ok(Level {
                    store,
                    collections,
                    snapshot: history.snapshot,
                    unscrubbed,
                });
            }
            // The store says which collections there were before: it may have lost one.
            Err(error @ (OpenError::Store(_) | OpenError::Read(UnknownCollection { .. }))) => {
                tracing::error!(%error, "the store is wrong; it is built again from the log");
            }
            // What it lacks is only in the snapshot by now.
            Err(error @ OpenError::Read(ReadError::Log(BeforeOldest { .. }))) => {
                tracing::warn!(%error, "the store is behind the log; it is built again");
            }
            Err(error) => return Err(error),
        }
    }
    build(history, meta, options, progress)
}

/// A new store, from the newest snapshot and the log; from the whole log, where that is kept and
/// the snapshot turns out to be damaged.
fn build(
    history: History,
    meta: &MetaFile,
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<Level, OpenError> {
    match build_from(&history, meta, options, progress) {
        Err(OpenError::Snapshot(error @ SnapshotError::Damaged(_)))
            if history.log.oldest() == Sequence(1) =>
        {
            tracing::error!(%error, "the snapshot is damaged; the store is built from the log");
            let whole = History {
                snapshot: None,
                ..history
            };
            build_from(&whole, meta, options, progress)
        }
        built => built,
    }
}

fn build_from(
    history: &History,
    meta: &MetaFile,
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<Level, OpenError> {
    let number = meta.meta().store_number + 1;
    let directory = store_directory(&options.data_dir, number);
    let store = options.stores.create(&directory, options.cache_bytes)?;
    if let Some(snapshot) = &history.snapshot {
        load(&*store, snapshot, options.mutation_ids_max, progress)?;
    }
    let collections = replay(&*store, &history.log, options, progress)?;
    // Only now: a store that a crash leaves incomplete is not the current one.
    meta.change(|meta| {
        meta.store_number = number;
        meta.stamp = options.stores.stamp(&directory);
    })?;
    Ok(Level {
        store,
        collections,
        snapshot: history.snapshot.clone(),
        unscrubbed: false,
    })
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
pub(crate) struct Pending {
    commits: Vec<Commit>,
    changes: usize,
    bytes: usize,
}

impl Pending {
    pub(crate) fn add(&mut self, commit: Commit) {
        self.changes += commit.changes.len();
        self.bytes += commit.bytes();
        self.commits.push(commit);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.changes >= BATCH_CHANGES || self.bytes >= BATCH_BYTES
    }

    pub(crate) fn apply(
        &mut self,
        store: &dyn Store,
        ledger: &mut MutationLedger,
    ) -> Result<(), StoreError> {
        let pending = std::mem::take(self);
        if pending.commits.is_empty() {
            return Ok(());
        }
        store.apply(&ledger.batch(pending.commits.iter()))
    }
}
