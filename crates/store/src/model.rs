//! What goes into a store and what comes out.

use bytes::Bytes;
use wellspring_types::{CollectionId, CollectionPath, DocumentPath, Sequence, Timestamp};

use crate::{Digest, StoreError};

/// How far a store has applied the log. The default is that of an empty store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Sequence of the last commit that was applied whole.
    pub sequence: Sequence,
    /// That commit's position in the order of commands.
    pub position: u64,
    /// Ordinal of the newest mutation id that was ever remembered.
    pub mutations: u64,
}

/// What one or more whole commits change.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Where the store stands after this batch. While a snapshot is loaded in several batches it
    /// stays at the default; the last of them brings the snapshot's.
    pub applied: Applied,
    /// Collections that got their number in these commits: each once in a store's life.
    pub collections: Vec<(CollectionId, CollectionPath)>,
    /// Changes in the order of their commits; a document may occur more than once.
    pub changes: Vec<StoreChange>,
    /// Mutation ids of these commits, in the rising order of their ordinals.
    pub mutations: Vec<RememberedMutation>,
    /// Mutation ids with this ordinal or a smaller one are forgotten; 0 forgets none. It never
    /// goes back: a smaller one than before changes nothing.
    pub forget_mutations_through: u64,
}

/// A change of one document.
#[derive(Clone, Debug)]
pub struct StoreChange {
    /// The document's collection.
    pub collection: CollectionId,
    /// The document's id.
    pub id: Box<str>,
    /// Version and data before, from the log's record: the store never looks up its own. `None`:
    /// the document was absent.
    pub before: Option<(Sequence, Bytes)>,
    /// The document after, with the same `id`. `None`: it was deleted.
    pub after: Option<StoredDocument>,
}

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// The last segment of its path.
    pub id: Box<str>,
    /// Sequence of the commit that last wrote it.
    pub version: Sequence,
    /// Time of the commit that inserted it.
    pub created_at: Timestamp,
    /// Time of the commit that last wrote it.
    pub updated_at: Timestamp,
    /// Its data: opaque bytes to the store.
    pub data: Bytes,
}

/// A commit's result, remembered under its mutation id so that a repeat gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedMutation {
    /// Who committed it; `None` without authentication.
    pub principal: Option<Box<str>>,
    /// The client's name for it.
    pub id: Box<str>,
    /// Its place among all mutation ids ever remembered, from 1, rising.
    pub ordinal: u64,
    /// SHA-256 of the command.
    pub digest: [u8; 32],
    /// The commit's sequence.
    pub sequence: Sequence,
    /// The commit's time.
    pub time: Timestamp,
    /// The documents it wrote, in the order of its request.
    pub paths: Vec<DocumentPath>,
}

/// How much one page of a scan may hold. A page ends before it would pass either; one document
/// always fits, so that a scan makes progress whatever the limit.
#[derive(Clone, Copy, Debug)]
pub struct ScanLimit {
    /// Entries.
    pub documents: usize,
    /// Bytes of ids and data.
    pub bytes: usize,
}

/// Documents of one collection, in the order of their ids' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage {
    /// What was found.
    pub entries: Vec<Scanned>,
    /// Whether the collection had no key after the last entry.
    pub end: bool,
}

/// One key of a [`ScanPage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A document.
    Document(StoredDocument),
    /// The document with this id was replaced while it was read, each time it was tried. Whoever
    /// knows the changes since the scan began has it from there.
    Overtaken(Box<str>),
}

/// What a scrub found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrub {
    /// Documents read.
    pub documents: u64,
    /// The digest that was kept while changes were applied.
    pub kept: Digest,
    /// The digest of what is there.
    pub found: Digest,
}

impl Scrub {
    /// Whether what is there is what was applied.
    #[must_use]
    pub fn matches(&self) -> bool {
        self.kept == self.found
    }
}

/// Fills pages: counts what is in one and tells when it is full, alike for every store.
pub(crate) struct PageBudget {
    limit: ScanLimit,
    documents: usize,
    bytes: usize,
}

impl PageBudget {
    pub(crate) fn new(limit: ScanLimit) -> Self {
        PageBudget {
            limit,
            documents: 0,
            bytes: 0,
        }
    }

    /// Takes room for one more entry, or refuses.
    pub(crate) fn take(&mut self, id: &str, data_bytes: usize) -> bool {
        let bytes = self
            .bytes
            .saturating_add(id.len())
            .saturating_add(data_bytes);
        let over = self.documents >= self.limit.documents || bytes > self.limit.bytes;
        if over && self.documents > 0 {
            return false;
        }
        self.documents += 1;
        self.bytes = bytes;
        true
    }
}

impl Batch {
    /// Refuses a batch that would be counted twice into the digest: what a store has applied, it
    /// has applied.
    pub(crate) fn check_follows(&self, applied: Applied) -> Result<(), StoreError> {
        let batch = self.applied.sequence;
        let repeats = batch == applied.sequence && batch > Sequence::ZERO;
        if batch < applied.sequence || repeats && !self.changes.is_empty() {
            return Err(StoreError::OutOfOrder {
                applied: applied.sequence,
                batch,
            });
        }
        Ok(())
    }
}
