//! What every store does.

use std::sync::atomic::AtomicBool;

use wellspring_types::{CollectionId, CollectionPath};

use crate::StoredDocument;
use crate::{Applied, Batch, RememberedMutation, ScanLimit, ScanPage, Scrub, StoreError};

/// Current documents, collections' numbers and remembered mutation ids, as of some sequence.
///
/// One thread applies, any number read. While a batch is being applied, reads may see any part of
/// it, but each document whole: the version before or the version after.
pub trait Store: Send + Sync + 'static {
    /// Where the store stands: the `applied` of the last batch that was applied whole.
    fn applied(&self) -> Applied;

    /// Applies whole commits. Only one thread may call this.
    ///
    /// After a crash in the middle, parts of the batch are there and `applied` is as before:
    /// applying the same commits again, in the same or other batches, and then any that follow,
    /// gives what it would have given without the crash.
    ///
    /// # Errors
    /// [`StoreError::OutOfOrder`] if the batch lies before what is applied, or has changes and
    /// ends where the store already stands; these leave the store as it was. After any other
    /// error the store must be opened again before more can be applied.
    fn apply(&self, batch: &Batch) -> Result<(), StoreError>;

    /// A document, or `None` where there is none.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is replaced again and again while it is read.
    fn get(&self, collection: CollectionId, id: &str)
    -> Result<Option<StoredDocument>, StoreError>;

    /// The documents of a collection whose ids come after `after`, in the order of ids' bytes.
    ///
    /// # Errors
    /// If one of them cannot be read or is damaged.
    fn scan(
        &self,
        collection: CollectionId,
        after: Option<&str>,
        limit: ScanLimit,
    ) -> Result<ScanPage, StoreError>;

    /// All collections, in the order of their numbers.
    ///
    /// # Errors
    /// If they cannot be read.
    fn collections(&self) -> Result<Vec<(CollectionId, CollectionPath)>, StoreError>;

    /// What is remembered of a mutation id, unless it is forgotten.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    fn mutation(
        &self,
        principal: Option<&str>,
        id: &str,
    ) -> Result<Option<RememberedMutation>, StoreError>;

    /// Reads everything, and compares the digest of all documents with the one kept by `apply`.
    /// Reads and `apply` go on meanwhile: `apply` waits for one page of the scan at most.
    ///
    /// After a crash it tells nothing until what was being applied then has been applied again.
    ///
    /// # Errors
    /// If something cannot be read or is damaged, or an apply failed before.
    fn scrub(&self) -> Result<Scrub, StoreError> {
        self.scrub_until(&AtomicBool::new(false))
    }

    /// A [`scrub`](Store::scrub) that gives up soon after `stop` is set.
    ///
    /// # Errors
    /// As a scrub, and [`StoreError::Stopped`].
    fn scrub_until(&self, stop: &AtomicBool) -> Result<Scrub, StoreError>;

    /// Writes out what is applied. It shortens what a crash makes necessary to apply again, no
    /// more: nothing is durable by it.
    ///
    /// # Errors
    /// If writing fails now or failed before.
    fn flush(&self) -> Result<(), StoreError>;

    /// Closes the store, then makes every file and directory of it durable.
    ///
    /// # Errors
    /// If any of that fails: then the store must not be trusted when it is opened again.
    fn close(self: Box<Self>) -> Result<(), StoreError>;
}
