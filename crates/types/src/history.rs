//! The history of one document: its versions, newest first.

use std::sync::Arc;

use crate::feed::Op;
use crate::{Data, DocumentPath, MutationId, Sequence, Timestamp};

/// Asks for a page of a document's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The document, which need not exist any more.
    pub path: DocumentPath,
    /// Versions in a page, 1 to [`crate::limits::PAGE_DOCUMENTS_MAX`].
    pub limit: u32,
    /// The `cursor` of the page before.
    pub cursor: Option<String>,
}

/// Versions of one document, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The versions. There may be fewer than the limit, or none, and yet more to come.
    pub versions: Vec<DocumentVersion>,
    /// Nothing up to this sequence is newer than what the first page has.
    pub seq: Sequence,
    /// Gives the next page; `None` on the last.
    pub cursor: Option<String>,
    /// On the last page: whether there may have been older versions, which are not kept any more.
    pub truncated: bool,
}

/// What a document was from one commit to the next that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentVersion {
    /// Sequence of the commit that made it so.
    pub version: Sequence,
    /// Time of that commit.
    pub time: Timestamp,
    /// What that commit did to the document; `None` where it is not kept any more, which is so of
    /// the last version of a truncated history at most.
    pub op: Option<Op>,
    /// What the document held; `None` with [`Op::Delete`].
    pub data: Option<Data>,
    /// Who committed it; `None` without authentication, and without `op`.
    pub actor: Option<Arc<str>>,
    /// The committing client's name for the commit.
    pub mutation_id: Option<MutationId>,
}
