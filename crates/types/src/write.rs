//! What a client asks to be written, and what it is told.

use crate::{
    CollectionPath, Data, DocumentPath, FieldPath, Filter, MutationId, Number, Object, Sequence,
    Timestamp, Value,
};

/// A request to change documents: all of it is applied, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommitRequest {
    /// The client's name for this commit, by which a repeat is recognised.
    pub mutation_id: Option<MutationId>,
    /// The changes, each of another document.
    pub writes: Vec<Write>,
    /// What the client has read and relies on: the commit is refused if any of it has changed.
    pub reads: Vec<Read>,
}

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The document.
    pub path: DocumentPath,
    /// What happens to it.
    pub action: WriteAction,
    /// What must be true of the document before.
    pub precondition: Option<Precondition>,
}

/// What a [`Write`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteAction {
    /// Creates the document; it must be absent.
    Insert(Data),
    /// Creates or replaces the document.
    Set(Data),
    /// Changes parts of the document, which must exist: first the merge patch, then the
    /// transforms in order.
    Update {
        /// RFC 7396: `null` removes a member.
        patch: Object,
        /// Changes that depend on what is there.
        transforms: Vec<Transform>,
    },
    /// Removes the document, which must exist.
    Delete,
}

/// What must be true of a document before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// `if_version`: it is at exactly this version.
    Version(Sequence),
    /// `if_absent`: it is absent.
    Absent,
    /// `if_exists`: it exists.
    Exists,
}

/// A change of one field that depends on what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// The field.
    pub field: FieldPath,
    /// What happens to it.
    pub operation: TransformOperation,
}

/// What a [`Transform`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum TransformOperation {
    /// Adds, in exact decimal; a missing field counts as 0.
    Increment(Number),
    /// Appends the elements that the array does not have; a missing field counts as `[]`.
    ArrayUnion(Vec<Value>),
    /// Removes every element equal to one of these; a missing field counts as `[]`.
    ArrayRemove(Vec<Value>),
    /// Sets the commit's time, as an RFC 3339 string.
    ServerTime,
    /// Removes the field; a missing one is left missing.
    Remove,
}

/// Something a client has read and relies on.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The document was at this version; [`Sequence::ZERO`]: it was absent.
    Document {
        /// The document.
        path: DocumentPath,
        /// The version that was read.
        version: Sequence,
    },
    /// The collection was queried at a sequence: no change after it may have matched the filter,
    /// before or after.
    Query {
        /// The collection.
        collection: CollectionPath,
        /// The query's filter; `None` matches every document.
        filter: Option<Filter>,
        /// The sequence of the query's answer.
        at: Sequence,
    },
}

/// What an accepted commit became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitResult {
    /// Its place in the order.
    pub seq: Sequence,
    /// Its time; never before that of an earlier commit.
    pub time: Timestamp,
    /// The documents written, in the order of the request.
    pub paths: Vec<DocumentPath>,
}

impl CommitRequest {
    /// A commit of these writes, without a mutation id and without reads.
    #[must_use]
    pub fn of(writes: Vec<Write>) -> CommitRequest {
        CommitRequest {
            writes,
            ..CommitRequest::default()
        }
    }
}

impl Write {
    fn of(path: DocumentPath, action: WriteAction) -> Write {
        Write {
            path,
            action,
            precondition: None,
        }
    }

    /// Creates a document that must be absent.
    #[must_use]
    pub fn insert(path: DocumentPath, data: Data) -> Write {
        Write::of(path, WriteAction::Insert(data))
    }

    /// Creates or replaces a document.
    #[must_use]
    pub fn set(path: DocumentPath, data: Data) -> Write {
        Write::of(path, WriteAction::Set(data))
    }

    /// Changes a document by a merge patch (RFC 7396).
    #[must_use]
    pub fn update(path: DocumentPath, patch: Object) -> Write {
        Write::of(
            path,
            WriteAction::Update {
                patch,
                transforms: Vec::new(),
            },
        )
    }

    /// Removes a document.
    #[must_use]
    pub fn delete(path: DocumentPath) -> Write {
        Write::of(path, WriteAction::Delete)
    }

    /// The same write, but only where `precondition` holds.
    #[must_use]
    pub fn only_if(self, precondition: Precondition) -> Write {
        Write {
            precondition: Some(precondition),
            ..self
        }
    }
}
