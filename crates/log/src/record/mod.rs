//! What the log keeps of a commit, and its bytes (drawn in `docs/format.md`).

mod borrowed;
mod decode;
mod encode;

use bytes::Bytes;
use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

pub use borrowed::{ChangeRef, ChangeRefs, RecordRef};
pub(crate) use borrowed::{Found, find_commit};
pub(crate) use decode::{Cursor, Fault, Wanted, path, read_commit, skim_commit};
pub(crate) use encode::{write_blob, write_commit};

/// A commit as it is on disk: everything that a reader needs, so that each record decodes alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRecord {
    /// Its place in the order. Sequences have no gaps.
    pub sequence: Sequence,
    /// Its place in what ordered it; equal to the sequence on one machine.
    pub position: u64,
    /// Its time; never before that of an earlier commit.
    pub time: Timestamp,
    /// Who committed it; `None` without authentication.
    pub principal: Option<Box<str>>,
    /// The committing client's name for it.
    pub mutation: Option<Mutation>,
    /// Collections that got their number by this commit.
    pub collections: Vec<(CollectionId, CollectionPath)>,
    /// What it changed.
    pub changes: Vec<ChangeRecord>,
}

/// The client's name for a commit, by which a repeat is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The name.
    pub id: Box<str>,
    /// SHA-256 of the command, by which another command of the same name is recognised.
    pub digest: [u8; 32],
}

/// The change of one document. At least one of `before` and `after` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// The document's collection.
    pub collection: CollectionId,
    /// The document's id in its collection.
    pub id: Box<str>,
    /// Time of the commit that inserted the document.
    pub created_at: Timestamp,
    /// The document before; `None`: it was absent.
    pub before: Option<Before>,
    /// The document's data after; `None`: it was deleted.
    pub after: Option<Bytes>,
}

/// A document before it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// Sequence of the commit that had last written it.
    pub version: Sequence,
    /// Time of that commit.
    pub updated_at: Timestamp,
    /// Its data.
    pub data: Bytes,
}

/// Flags of a commit.
mod commit_flags {
    pub(super) const PRINCIPAL: u8 = 1;
    pub(super) const MUTATION: u8 = 2;
}

/// Flags of a change.
mod change_flags {
    pub(super) const BEFORE: u8 = 1;
    pub(super) const AFTER: u8 = 2;
}
