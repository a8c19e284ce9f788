//! Why files are not a history that can be judged.

use wellspring_types::json::JsonError;
use wellspring_types::{FieldPathError, FilterError, SelectError};

use crate::history::DocumentHash;

/// Why files are not a history that can be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// Its name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not a record, or does not fit to the others.
    #[error("{at}: {fault}")]
    Record {
        /// `file:line`.
        at: String,
        /// What is wrong.
        fault: Fault,
    },
    /// There is no `DUMP`.
    #[error("there is no DUMP record: nobody has read the log after the history's end")]
    NoDump,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is not a record in JSON.
    #[error("not a record: {0}")]
    Json(serde_json::Error),
    /// A second `DUMP`.
    #[error("a second DUMP: {first} has the first")]
    SecondDump {
        /// Where the first is.
        first: String,
    },
    /// A path without a collection.
    #[error("{path} is not the path of a document")]
    Path {
        /// The text.
        path: Box<str>,
    },
    /// A document as data is not a document.
    #[error("not a document: {0}")]
    Document(JsonError),
    /// A document's hash is not that of its data.
    #[error("the hash {hash} is not that of the data, {of_data}")]
    Hash {
        /// As it stands.
        hash: DocumentHash,
        /// As it should.
        of_data: DocumentHash,
    },
    /// A document has neither hash nor data.
    #[error("a document has neither hash nor data")]
    NoContent,
    /// A filter is not one.
    #[error("filter: {0}")]
    Filter(FilterError),
    /// A field of a select is not one.
    #[error("select: {0}")]
    Field(FieldPathError),
    /// A select is not one.
    #[error("select: {0}")]
    Select(SelectError),
    /// An outcome and a sequence that do not go together.
    #[error("an outcome of ok has `seq` and `t_ret`, any other has no `seq`")]
    Outcome,
    /// A time before one that it must follow.
    #[error("it ends before it begins")]
    Times,
    /// A read that says neither which document nor which collection.
    #[error("a read has `path` and `version`, or `collection` and `seq`")]
    Read,
    /// A change of the log with nothing before and nothing after, or a version that says otherwise.
    #[error("a change has a document before, with a version, or after")]
    Change,
    /// A token of nothing.
    #[error("`from: token` has `at_idx`, of an event before this one, or `after`")]
    Token,
    /// A line of a subscription is missing.
    #[error("the event {expected} of the subscription is missing, or there twice")]
    MissingIndex {
        /// Its `idx`.
        expected: u64,
    },
    /// A subscription's times fall.
    #[error("it was received before the event before it")]
    ClockFell,
    /// An event outside a session.
    #[error("its session has not begun with `subscribed`")]
    NotSubscribed,
    /// A subscription is of a consumer in one session, and of none, or another, in the next.
    #[error("a subscription is of one consumer in all its sessions, or of none")]
    OtherConsumer,
    /// An acknowledgement of what is not in the history.
    #[error("an acknowledgement is of an event of a consumer's subscription")]
    Ack,
    /// What a filter or a select shows of this document cannot be worked out.
    #[error("a subscription filters or selects in {collection}: the document's data must be here")]
    NoData {
        /// The collection.
        collection: String,
    },
}
