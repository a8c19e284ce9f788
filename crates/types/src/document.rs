//! A document as it stands at some sequence.

use crate::{Data, DocumentPath, Sequence, Timestamp};

/// A document with its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it is.
    pub path: DocumentPath,
    /// Sequence of the commit that last wrote it.
    pub version: Sequence,
    /// Time of the commit that inserted it.
    pub created_at: Timestamp,
    /// Time of the commit that last wrote it.
    pub updated_at: Timestamp,
    /// What it holds.
    pub data: Data,
}
