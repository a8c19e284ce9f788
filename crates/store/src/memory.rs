//! The store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::AtomicBool;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use wellspring_types::{CollectionId, CollectionPath};

use crate::model::PageBudget;
use crate::{
    Applied, Batch, Digest, RememberedMutation, ScanLimit, ScanPage, Scanned, Scrub, Store,
    StoreError, StoredDocument,
};

/// A store that keeps everything in memory and loses it at the end: what the others are compared
/// with, and what tests of the engine can use.
#[derive(Default)]
pub struct MemoryStore(RwLock<State>);

#[derive(Default)]
struct State {
    applied: Applied,
    digest: Digest,
    forgotten_through: u64,
    collections: BTreeMap<CollectionId, CollectionPath>,
    documents: BTreeMap<(CollectionId, Box<str>), StoredDocument>,
    mutations: BTreeMap<(Option<Box<str>>, Box<str>), RememberedMutation>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // No invariant of the state spans a panic: maps are changed by calls that cannot panic half-way.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn applied(&self) -> Applied {
        self.read().applied
    }

    fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.write();
        batch.check_follows(state.applied)?;
        state.collections.extend(batch.collections.iter().cloned());
        state.digest.batch(batch);
        for change in &batch.changes {
            let place = (change.collection, change.id.clone());
            match &change.after {
                Some(after) => state.documents.insert(place, after.clone()),
                None => state.documents.remove(&place),
            };
        }
        for mutation in &batch.mutations {
            let place = (mutation.principal.clone(), mutation.id.clone());
            state.mutations.insert(place, mutation.clone());
        }
        let forgotten = state.forgotten_through.max(batch.forget_mutations_through);
        state.forgotten_through = forgotten;
        state
            .mutations
            .retain(|_, mutation| mutation.ordinal > forgotten);
        state.applied = batch.applied;
        Ok(())
    }

    fn get(
        &self,
        collection: CollectionId,
        id: &str,
    ) -> Result<Option<StoredDocument>, StoreError> {
        Ok(self.read().documents.get(&(collection, id.into())).cloned())
    }

    fn scan(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError> {
        let state = self.read();
        let start = match after {
            Some(id) => Bound::Excluded((collection, id.into())),
            None => Bound::Included((collection, "".into())),
        };
        let mut budget = PageBudget::new(limit);
        let mut page = ScanPage {
            entries: Vec::new(),
            end: true,
        };
        let documents = state.documents.range((start, Bound::Unbounded));
        for ((_, id), document) in documents.take_while(|((owner, _), _)| *owner == collection) {
            if !budget.take(id, document.data.len()) {
                page.end = false;
                break;
            }
            page.entries.push(Scanned::Document(document.clone()));
        }
        Ok(page)
    }

    fn collections(&self) -> Result<Vec<(CollectionId, CollectionPath)>, StoreError> {
        let state = self.read();
        Ok(state
            .collections
            .iter()
            .map(|(id, path)| (*id, path.clone()))
            .collect())
    }

    fn mutation(
        &self,
        principal: Option<&str>,
        id: &str,
    ) -> Result<Option<RememberedMutation>, StoreError> {
        Ok(self
            .read()
            .mutations
            .get(&(principal.map(Into::into), id.into()))
            .cloned())
    }

    fn scrub_until(&self, _stop: &AtomicBool) -> Result<Scrub, StoreError> {
        let state = self.read();
        let mut scrub = Scrub {
            documents: 0,
            kept: state.digest,
            found: Digest::default(),
        };
        for ((collection, id), document) in &state.documents {
            scrub
                .found
                .add((*collection, id), document.version, &document.data);
            scrub.documents += 1;
        }
        for (id, path) in &state.collections {
            scrub.found.add_collection(*id, path);
        }
        Ok(scrub)
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
