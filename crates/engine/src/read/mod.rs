//! Reads: one document, exact pages as of one sequence, queries.

mod exact;
mod query;

use std::sync::Arc;

use wellspring_log::LogReader;
use wellspring_store::{StoreError, StoredDocument};
use wellspring_types::{CollectionId, Data, Document, DocumentPath, Sequence};

use crate::collections::Collections;
use crate::commit::Commit;
use crate::floors::Floors;
use crate::store::OpenStore;
use crate::token::TokenError;
use crate::visible::Visible;

pub(crate) use exact::{Exact, Overrun, document_bytes};
pub(crate) use query::{Bounds, Cancelled, plan as plan_query, projected, run as run_query};

/// What reading needs: the parts of the database that hold its state.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) log: LogReader,
    pub(crate) store: Arc<OpenStore>,
    pub(crate) visible: Arc<Visible>,
    pub(crate) collections: Arc<Collections>,
    pub(crate) floors: Arc<Floors>,
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

    /// The commits after `after` through `through`, oldest first; of one collection only those
    /// that change it, with only their changes of it.
    pub(crate) fn commits(
        &self,
        after: Sequence,
        through: Sequence,
        collection: Option<CollectionId>,
    ) -> impl Iterator<Item = Result<Commit, ReadError>> + '_ {
        self.log.read(after, through, collection).map(|record| {
            let record = record?;
            let seq = record.sequence;
            let commit = Commit::from_record(record, &self.collections);
            commit.ok_or(ReadError::UnknownCollection { seq })
        })
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
    /// So much has changed since the first page that the next cannot be computed in memory:
    /// begin again with the first page.
    #[error("too much has changed since the first page; begin again with it")]
    TooMuchChanged,
    /// The query scanned for as long as one may.
    #[error("the query took longer than {limit_ms} ms")]
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
