//! Which collections there are.

use crate::{CollectionPath, DocumentPath, Sequence};

/// Asks for a page of the collections' paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionsQuery {
    /// Only those below this document, at any depth; `None`: all of them.
    pub below: Option<DocumentPath>,
    /// Paths in a page, 1 to [`crate::limits::PAGE_DOCUMENTS_MAX`].
    pub limit: u32,
    /// The `cursor` of the page before.
    pub cursor: Option<String>,
}

/// Collections that have been written to, whether or not a document is left in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionsPage {
    /// Their paths, in the order of their bytes.
    pub collections: Vec<CollectionPath>,
    /// No collection that was written to up to here is missing from the pages together. One that is
    /// newer may be among them.
    pub seq: Sequence,
    /// Gives the next page; `None` on the last.
    pub cursor: Option<String>,
}
