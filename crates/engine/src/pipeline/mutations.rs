//! Mutation ids that are remembered: in the store, and until they are there, beside the writer.
//!
//! Whether an id is still remembered is judged by commit time and by its number in the order of
//! all ids, never by a clock, so that a replay comes to the same answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use wellspring_store::{RememberedMutation, StoreError};
use wellspring_types::{MutationId, Sequence, Timestamp};

use crate::store::OpenStore;

/// How long mutation ids are remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) ids_max: u64,
    pub(crate) age_ms_max: u64,
}

type Key = (Option<Arc<str>>, MutationId);

/// The remembered ids as the writer sees them.
pub(crate) struct Mutations {
    memory: Memory,
    /// Number of the newest id.
    newest: u64,
    /// What the store does not have yet.
    pending: HashMap<Key, Arc<RememberedMutation>>,
    order: VecDeque<(Sequence, Key)>,
}

impl Mutations {
    /// `newest` is the number of the newest id that the store has.
    pub(crate) fn new(memory: Memory, newest: u64) -> Mutations {
        Mutations {
            memory,
            newest,
            pending: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// What is remembered of `id` for a commit at `time`.
    pub(crate) fn find(
        &self,
        store: &OpenStore,
        principal: Option<&Arc<str>>,
        id: &MutationId,
        time: Timestamp,
    ) -> Result<Option<Arc<RememberedMutation>>, StoreError> {
        let found = match self.pending.get(&(principal.cloned(), id.clone())) {
            Some(pending) => Some(Arc::clone(pending)),
            None => store
                .mutation(principal.map(AsRef::as_ref), id.as_str())?
                .map(Arc::new),
        };
        Ok(found.filter(|remembered| self.is_remembered(remembered, time)))
    }

    fn is_remembered(&self, mutation: &RememberedMutation, time: Timestamp) -> bool {
        let age_ms = time.as_millis().saturating_sub(mutation.time.as_millis());
        let newer_ids = self.newest.saturating_sub(mutation.ordinal);
        age_ms < self.memory.age_ms_max && newer_ids < self.memory.ids_max
    }

    /// The number that the next id takes.
    pub(crate) fn next_ordinal(&self) -> u64 {
        self.newest + 1
    }

    /// Remembers an accepted commit's id.
    pub(crate) fn remember(&mut self, key: Key, mutation: RememberedMutation) {
        self.newest = mutation.ordinal;
        self.order.push_back((mutation.sequence, key.clone()));
        self.pending.insert(key, Arc::new(mutation));
    }

    /// Drops what the store has by now.
    pub(crate) fn retire(&mut self, applied: Sequence) {
        while let Some((seq, key)) = self.order.pop_front_if(|(seq, _)| *seq <= applied) {
            if self
                .pending
                .get(&key)
                .is_some_and(|pending| pending.sequence == seq)
            {
                self.pending.remove(&key);
            }
        }
    }
}
