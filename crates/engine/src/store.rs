//! The store while the database is open.

use std::sync::atomic::AtomicBool;

use parking_lot::RwLock;
use wellspring_store::{
    Applied, Batch, RememberedMutation, ScanLimit, ScanPage, Scrub, Store, StoreError,
    StoredDocument,
};
use wellspring_types::CollectionId;

/// A store that can be closed while readers still hold on to it: they get
/// [`StoreError::Closed`], where a closing that waited for the last of them might wait forever.
pub(crate) struct OpenStore(RwLock<Option<Box<dyn Store>>>);

impl OpenStore {
    pub(crate) fn new(store: Box<dyn Store>) -> OpenStore {
        OpenStore(RwLock::new(Some(store)))
    }

    fn with<T>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        read(self.0.read().as_deref().ok_or(StoreError::Closed)?)
    }

    pub(crate) fn applied(&self) -> Result<Applied, StoreError> {
        self.with(|store| Ok(store.applied()))
    }

    pub(crate) fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        self.with(|store| store.apply(batch))
    }

    pub(crate) fn get(
        &self,
        collection: CollectionId,
        id: &str,
    ) -> Result<Option<StoredDocument>, StoreError> {
        self.with(|store| store.get(collection, id))
    }

    pub(crate) fn scan(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError> {
        self.with(|store| store.scan(collection, after, limit))
    }

    pub(crate) fn mutation(
        &self,
        principal: Option<&str>,
        id: &str,
    ) -> Result<Option<RememberedMutation>, StoreError> {
        self.with(|store| store.mutation(principal, id))
    }

    pub(crate) fn scrub_until(&self, stop: &AtomicBool) -> Result<Scrub, StoreError> {
        self.with(|store| store.scrub_until(stop))
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.with(Store::flush)
    }

    /// Closes it, once who is reading has read. A second time it is closed already.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        match self.0.write().take() {
            Some(store) => store.close(),
            None => Ok(()),
        }
    }
}
