//! Why a commit is refused.

use wellspring_types::write::Precondition;
use wellspring_types::{DocumentPath, FieldPath, JsonError, Sequence, limits};

use crate::health::ReadOnlyReason;

/// Why a commit was not accepted. Nothing of it was written, except where
/// [`CommitError::OutcomeUnknown`] says that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is nothing to write.
    #[error("a commit needs at least one write")]
    NoWrites,
    /// More than [`limits::COMMIT_WRITES_MAX`] writes.
    #[error(
        "a commit has at most {} writes, this one {writes}",
        limits::COMMIT_WRITES_MAX
    )]
    TooManyWrites {
        /// How many.
        writes: usize,
    },
    /// More than [`limits::COMMIT_READS_MAX`] reads.
    #[error(
        "a commit has at most {} reads, this one {reads}",
        limits::COMMIT_READS_MAX
    )]
    TooManyReads {
        /// How many.
        reads: usize,
    },
    /// A write of a document that the database keeps for itself.
    #[error("{path} is reserved: it is the database's own")]
    Reserved {
        /// The document.
        path: DocumentPath,
    },
    /// Two writes of one document.
    #[error("{path} is written twice; a commit writes each document once")]
    PathTwice {
        /// The document.
        path: DocumentPath,
    },
    /// An insert of a document that exists.
    #[error("{path} already exists, at version {version}")]
    AlreadyExists {
        /// The document.
        path: DocumentPath,
        /// Its version.
        version: Sequence,
    },
    /// An update or delete of a document that does not exist.
    #[error("{path} does not exist")]
    NotFound {
        /// The document.
        path: DocumentPath,
    },
    /// A precondition does not hold.
    #[error("{}", precondition_text(path, *expected, *version))]
    PreconditionFailed {
        /// The document.
        path: DocumentPath,
        /// What was expected of it.
        expected: Precondition,
        /// Its version; [`Sequence::ZERO`] where it is absent.
        version: Sequence,
    },
    /// Something that the client has read and relies on has changed, or changed too long ago for
    /// the writer to tell that it has not.
    #[error("{what} has changed since it was read")]
    Conflict {
        /// The document or collection.
        what: Box<str>,
    },
    /// A read claims a sequence that is not reached yet.
    #[error("a read is at sequence {at}, but the database is at {visible}")]
    ReadAhead {
        /// The sequence claimed.
        at: Sequence,
        /// The sequence reached.
        visible: Sequence,
    },
    /// An update cannot be carried out on the document as it is.
    #[error("{path}: {source}")]
    Effect {
        /// The document.
        path: DocumentPath,
        /// Why.
        source: EffectError,
    },
    /// The commit's record, before and after images included, is larger than
    /// [`limits::RECORD_BYTES_MAX`].
    #[error(
        "a commit's documents before and after have at most {} bytes together, these {bytes}",
        limits::RECORD_BYTES_MAX
    )]
    RecordTooLarge {
        /// How large.
        bytes: usize,
    },
    /// The mutation id was used for a commit of other content.
    #[error("mutation id {id:?} was used before, at sequence {seq}, for another commit")]
    MutationIdReused {
        /// The id.
        id: Box<str>,
        /// The sequence of its commit.
        seq: Sequence,
    },
    /// The database does not take commits now.
    #[error("the database is read-only: {0}")]
    ReadOnly(ReadOnlyReason),
    /// The disk failed while this commit was being written: it may or may not be there after the
    /// database is opened again. Retry with the same mutation id.
    #[error("whether the commit was written is not known; retry with the same mutation id")]
    OutcomeUnknown,
    /// The state that the commit depends on could not be read.
    #[error("the store could not be read")]
    StoreFailed,
    /// The database is closed or closing.
    #[error("the database is closed")]
    Closed,
}

/// Why an update cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EffectError {
    /// More than [`limits::TRANSFORMS_MAX`] transforms.
    #[error("an update has at most {} transforms", limits::TRANSFORMS_MAX)]
    TooManyTransforms,
    /// The arrays are so large, or transformed so often, that every other commit would have to
    /// wait: more than [`limits::TRANSFORM_VALUES_MAX`] values.
    #[error(
        "the array transforms of a commit go through at most {} values; use several commits",
        limits::TRANSFORM_VALUES_MAX
    )]
    TooManyValues,
    /// The field holds something else than the transform needs.
    #[error("field {} holds {found}, not {expected}", field.as_str())]
    WrongType {
        /// The field.
        field: FieldPath,
        /// What is there, with its article.
        found: &'static str,
        /// What is needed, with its article.
        expected: &'static str,
    },
    /// The sum cannot be written as a number.
    #[error("the sum in field {} is out of range", field.as_str())]
    OutOfRange {
        /// The field.
        field: FieldPath,
    },
    /// A value that is no object stands in the way to the field.
    #[error("field {} cannot be set: something on the way is no object", field.as_str())]
    NoWay {
        /// The field.
        field: FieldPath,
    },
    /// The document would be too large or too deep.
    #[error(transparent)]
    Document(#[from] JsonError),
}

fn precondition_text(path: &DocumentPath, expected: Precondition, version: Sequence) -> String {
    let found = if version == Sequence::ZERO {
        format!("{path} does not exist")
    } else {
        format!("{path} is at version {version}")
    };
    match expected {
        Precondition::Version(expected) => format!("{found}, not {expected}"),
        Precondition::Absent => format!("{found}, but must not exist"),
        Precondition::Exists => format!("{found}, but must exist"),
    }
}
