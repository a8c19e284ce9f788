//! The apply worker: moves what is visible from the overlay into the store, behind the writer.

mod queue;

use std::sync::Arc;

use wellspring_store::{Batch, RememberedMutation, StoreChange, StoreError, StoredDocument};

use crate::commit::{Commit, DocumentChange, Group};
use crate::executor::{Next, Patience, Turn, Worker, caught};
use crate::store::OpenStore;
use crate::visible::Visible;

pub(crate) use queue::ApplyQueue;

/// Groups applied between two flushes of the store, which only shorten what a crash has to replay.
const FLUSH_EVERY_BYTES: usize = 64 << 20;

/// Mutation ids as the store numbers and forgets them.
pub(crate) struct MutationLedger {
    newest: u64,
    ids_max: u64,
}

impl MutationLedger {
    pub(crate) fn new(newest: u64, ids_max: u64) -> MutationLedger {
        MutationLedger { newest, ids_max }
    }

    /// The batch that brings a store from where the ledger is through these commits.
    pub(crate) fn batch<'a>(&mut self, commits: impl Iterator<Item = &'a Commit>) -> Batch {
        let mut batch = Batch::default();
        for commit in commits {
            batch.applied.sequence = commit.seq;
            batch.applied.position = commit.seq.0;
            batch
                .collections
                .extend(commit.new_collections.iter().cloned());
            batch.changes.extend(
                commit
                    .changes
                    .iter()
                    .map(|change| store_change(commit, change)),
            );
            batch.mutations.extend(self.remember(commit));
        }
        batch.applied.mutations = self.newest;
        batch.forget_mutations_through = self.newest.saturating_sub(self.ids_max);
        batch
    }

    fn remember(&mut self, commit: &Commit) -> Option<RememberedMutation> {
        let mutation = commit.mutation.as_ref()?;
        self.newest += 1;
        Some(RememberedMutation {
            principal: commit.principal.as_deref().map(Into::into),
            id: mutation.id.as_str().into(),
            ordinal: self.newest,
            digest: mutation.digest,
            sequence: commit.seq,
            time: commit.time,
            paths: commit
                .changes
                .iter()
                .map(|change| change.path.clone())
                .collect(),
        })
    }
}

fn store_change(commit: &Commit, change: &DocumentChange) -> StoreChange {
    StoreChange {
        collection: change.collection,
        id: change.path.id().into(),
        before: change
            .before
            .as_ref()
            .map(|b| (b.version, b.data.as_bytes().clone())),
        after: change.after.as_ref().map(|data| StoredDocument {
            id: change.path.id().into(),
            version: commit.seq,
            created_at: change.created_at,
            updated_at: commit.time,
            data: data.as_bytes().clone(),
        }),
    }
}

/// Applies groups until the queue is closed and drained, or the store fails: then the overlay is
/// frozen.
pub(crate) struct ApplyWorker {
    pub(crate) queue: Arc<ApplyQueue>,
    pub(crate) store: Arc<OpenStore>,
    pub(crate) visible: Arc<Visible>,
    pub(crate) ledger: MutationLedger,
    /// Bytes that were applied since the last flush.
    pub(crate) unflushed: usize,
    /// Called first of all when the store fails.
    pub(crate) on_failure: Box<dyn Fn(&StoreError) + Send>,
}

impl ApplyWorker {
    fn apply(&mut self, groups: &[Arc<Group>]) -> Result<(), StoreError> {
        let Some(last) = groups.last().map(|group| group.last()) else {
            return Ok(());
        };
        let commits = groups.iter().flat_map(|group| &group.commits);
        let batch = self.ledger.batch(commits.map(|commit| &**commit));
        self.visible.begin_apply(last);
        self.store.apply(&batch)?;
        self.visible.retire(groups);
        self.unflushed += groups.iter().map(|group| group.bytes).sum::<usize>();
        if self.unflushed >= FLUSH_EVERY_BYTES {
            self.unflushed = 0;
            self.store.flush()?;
        }
        Ok(())
    }
}

impl Worker for ApplyWorker {
    fn turn(&mut self, patience: Patience) -> Turn {
        let groups = match self.queue.next(patience) {
            Next::Found(groups) => groups,
            Next::Nothing => return Turn::Idle,
            Next::Over => return Turn::Over,
        };
        match caught(|| self.apply(&groups)) {
            Ok(()) => Turn::Done,
            Err(error) => {
                (self.on_failure)(&error);
                self.visible.freeze();
                Turn::Over
            }
        }
    }
}
