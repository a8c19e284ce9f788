//! Reads: one document, exact pages as of one sequence, queries, and a document's history; as of
//! now or of the past. And which collections there are.

mod as_of;
mod collections;
mod exact;
mod history;
mod permit;
mod query;

use std::collections::HashMap;
use std::sync::Arc;

use wellspring_log::{CommitRecord, LogReader};
use wellspring_store::{ScanLimit, StoreError, StoredDocument};
use wellspring_types::{
    CollectionId, CollectionPath, CollectionSet, Data, Document, DocumentPath, Sequence, Timestamp,
};

use crate::collections::Collections;
use crate::commit::Commit;
use crate::floors::Floors;
use crate::seeded::Bugs;
use crate::store::OpenStore;
use crate::token::TokenError;
use crate::visible::Visible;

pub(crate) use as_of::{OfToken, check as check_kept, document_at, of_time, of_token};
pub(crate) use collections::page as collections_page;
pub(crate) use exact::{Exact, Overrun, WhenFull, document_bytes};
pub(crate) use history::page as history_page;
pub(crate) use permit::{Cancelled, Permit};
pub(crate) use query::{Bounds, plan as plan_query, projected, run as run_query};

/// What reading needs: the parts of the database that hold its state.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) log: LogReader,
    pub(crate) store: Arc<OpenStore>,
    pub(crate) visible: Arc<Visible>,
    pub(crate) collections: Arc<Collections>,
    pub(crate) floors: Arc<Floors>,
    pub(crate) bugs: Bugs,
}

impl Sources {
    /// The last sequence whose changes of this collection are not offered any more: that of its
    /// floor, unless the log begins later still, as a restored one may.
    pub(crate) fn floor(&self, collection: &str) -> Sequence {
        self.floors.of(collection).max(before(self.log.oldest()))
    }

    /// The same of every collection.
    pub(crate) fn floor_of_all(&self) -> Sequence {
        self.floors.all().max(before(self.log.oldest()))
    }

    /// The highest of these collections' floors: from there on nothing of any of them is missing.
    pub(crate) fn floor_of_set(&self, set: &CollectionSet) -> Sequence {
        self.floors.of_set(set).max(before(self.log.oldest()))
    }

    /// The error for what was to be read as of before the floor of a collection.
    fn expired(&self, collection: &str) -> ReadError {
        let oldest = self.floor(collection);
        ReadError::Expired { oldest }
    }

    /// The error of a read as of the past, where what it needed has been dropped meanwhile.
    pub(crate) fn unless_dropped(&self, error: ReadError, collection: &str) -> ReadError {
        match error {
            ReadError::Log(wellspring_log::ReadError::BeforeOldest { .. }) => {
                self.expired(collection)
            }
            error => error,
        }
    }

    /// The commits of a collection through `through` down to the one behind `after`, with only
    /// their changes of it.
    fn commits_backwards(
        &self,
        after: Sequence,
        through: Sequence,
        collection: CollectionId,
    ) -> impl Iterator<Item = Result<Commit, ReadError>> + '_ {
        let records = self.log.read_backwards(after, through, collection);
        records.map(|record| self.commit_of(record))
    }

    /// A commit as the log kept it.
    pub(crate) fn commit_of(
        &self,
        record: Result<CommitRecord, wellspring_log::ReadError>,
    ) -> Result<Commit, ReadError> {
        let record = record?;
        let seq = record.sequence;
        let commit = Commit::from_record(record, &self.collections);
        commit.ok_or(ReadError::UnknownCollection { seq })
    }

    /// The commits after `after` through `through`, oldest first; of one collection only those
    /// that change it, with only their changes of it.
    pub(crate) fn commits(
        &self,
        after: Sequence,
        through: Sequence,
        collection: Option<CollectionId>,
    ) -> impl Iterator<Item = Result<Commit, ReadError>> + '_ {
        let records = self.log.read(after, through, collection);
        records.map(|record| self.commit_of(record))
    }
}

/// Why a document or a page could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The query is not one.
    #[error("{reason}")]
    InvalidQuery {
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The cursor is not one of this query.
    #[error("cursor: {0}")]
    Cursor(#[from] TokenError),
    /// The sequence that the pages are exact at is not kept any more, or belongs to another
    /// history of the database: begin again with the first page.
    #[error("the cursor has expired; begin again with the first page")]
    CursorExpired,
    /// What the page needed of the log was dropped while it was read, each time that it was tried:
    /// try again.
    #[error("changes are dropped faster than the query reads; try again")]
    TooMuchChanged,
    /// It is to be read as of what is not committed yet.
    #[error("sequence {at} is ahead of the last commit, {visible}")]
    Ahead {
        /// As of when.
        at: Sequence,
        /// The last visible sequence.
        visible: Sequence,
    },
    /// It is to be read as of a time that is still to come, by this machine's clock.
    #[error("{time} is still to come: it is {now}")]
    TimeAhead {
        /// As of when.
        time: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// It is to be read as of what is not kept any more.
    #[error("that is not kept any more: the oldest sequence that can be read is {oldest}")]
    Expired {
        /// The oldest sequence as of which the collection can be read.
        oldest: Sequence,
    },
    /// The token as of which it is to be read belongs to another history of the database, from
    /// before a restore.
    #[error("the token belongs to another history of the database")]
    OtherHistory,
    /// The read took as long as one may.
    #[error(
        "the read took longer than {limit_ms} ms: ask for less, or, if it is as of long ago, as of \
         later"
    )]
    TooLong {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The store could not be read.
    #[error("the store could not be read: {0}")]
    Store(#[from] StoreError),
    /// The log could not be read.
    #[error("the log could not be read: {0}")]
    Log(#[from] wellspring_log::ReadError),
    /// A document of the store has lost a part.
    #[error("the store has lost a part of {path}")]
    Damaged {
        /// The document.
        path: DocumentPath,
    },
    /// The log names what was never written to it.
    #[error("the log's commit {seq} names an unknown collection")]
    UnknownCollection {
        /// The commit.
        seq: Sequence,
    },
    /// The read was given up, as nobody waits for it or the database is closing.
    #[error("the read was cancelled")]
    Cancelled,
}

/// The sequence before this one.
fn before(seq: Sequence) -> Sequence {
    Sequence(seq.0.saturating_sub(1))
}

/// How many documents a collection has, while nobody creates or deletes any of it.
pub(crate) fn count(sources: &Sources, collection: &CollectionPath) -> Result<u64, ReadError> {
    // The overlay first, as in `get`.
    let (_, pending) = sources.visible.of_collection(collection.as_str());
    let pending = pending.into_iter();
    let pending = pending.map(|(path, pending)| (path.id().into(), pending.document.is_some()));
    let pending: HashMap<Box<str>, bool> = pending.collect();
    let mut count = pending.values().filter(|is_there| **is_there).count();
    let mut after: Option<Box<str>> = None;
    while let Some(collection) = sources.collections.id(collection.as_str()) {
        let page = sources
            .store
            .scan(collection, after.as_deref(), COUNTED_AT_ONCE)?;
        let ids = page.entries.iter().map(exact::entry_id);
        count += ids.filter(|id| !pending.contains_key(*id)).count();
        if page.end {
            break;
        }
        after = page
            .entries
            .last()
            .map(|last| exact::entry_id(last).into())
            .or(after);
    }
    Ok(count as u64)
}

/// A document as the store kept it.
pub(crate) fn document_of(path: DocumentPath, stored: StoredDocument) -> Document {
    Document {
        path,
        version: stored.version,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        data: Data::from_stored(stored.data),
    }
}

/// Documents that are looked at together where they are counted.
const COUNTED_AT_ONCE: ScanLimit = ScanLimit {
    documents: 512,
    bytes: 1 << 20,
};

/// How often a document that is replaced while it is read is looked up again.
const ATTEMPTS: usize = 64;

/// The document at `path`, as new as what was visible when the read began, or newer.
pub(crate) fn get(sources: &Sources, path: &DocumentPath) -> Result<Option<Document>, ReadError> {
    let mut attempt = 1;
    loop {
        // The overlay first: what has left it by the time the store is asked is in the store.
        if let (_, Some(pending)) = sources.visible.get(path) {
            return Ok(pending.document.map(Arc::unwrap_or_clone));
        }
        let Some(collection) = sources.collections.id(path.collection_str()) else {
            return Ok(None);
        };
        match sources.store.get(collection, path.id()) {
            Ok(stored) => return Ok(stored.map(|stored| document_of(path.clone(), stored))),
            Err(StoreError::Overtaken { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
