//! The format: one JSON object a line, whose only key says what it is.
//!
//! ```text
//! {"W":{"client":"w1","op_id":"w1-7","writes":[{"path":"rooms/1","kind":"set","hash":"5f0c"}],"t_inv":10,"t_ret":25,"outcome":"ok","seq":3}}
//! {"R":{"sub":"s1","session":1,"idx":4,"t_recv":31,"got":{"change":{"seq":3,"op":"update","path":"rooms/1","old_hash":"91aa","hash":"5f0c","last_of_commit":true}}}}
//! {"LOG":{"seq":3,"op_id":"w1-7","changes":[{"path":"rooms/1","old_hash":"91aa","prev_version":1,"hash":"5f0c"}]}}
//! ```
//!
//! Times (`t_…`) are nanoseconds of **one monotonic clock**: `CLOCK_MONOTONIC` of one machine, which
//! all its processes share. Sequences and versions are the database's; 0 as a version is "absent".
//! Unknown fields are refused. Lines may stand in any order and in any number of files: what is
//! ordered says so itself. Blank lines, and lines that begin with `#`, are skipped.
//!
//! A document stands as its `hash`, as its `data`, or both, which then must agree. Clients record
//! hashes only. `LOG` and `STATE` must carry the data of every document of a collection on which
//! some subscription has a filter or a select: what such a view should have shown can be worked out
//! only from the documents before and after each change, and worked out by the checker: a log that
//! said "matches subscription 7" would have asked the code under test.

mod consumer;
mod feed;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::DocumentHash;

pub use consumer::{AckRecord, PositionRecord};
pub use feed::{
    ChangeEvent, CheckpointEvent, CurrentEvent, DrainedEvent, EndedEvent, Event, How, LeftEvent,
    Op, Origin, PageEvent, Reception, RemovedEvent, ResetEvent, ResetReason, SnapshotEvent,
    SubscribedEvent,
};

/// One line of a history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Record {
    /// A commit that a client asked for.
    W(WriteRecord),
    /// Something that a subscription was sent.
    R(Box<Reception>),
    /// A document or a query that a client has read.
    G(ReadRecord),
    /// An acknowledgement of what a consumer's subscription was sent.
    A(AckRecord),
    /// Where a consumer was.
    P(PositionRecord),
    /// Something that was done to the database.
    X(FaultRecord),
    /// The range of the dump that `LOG` and `STATE` are of: once in a history.
    #[serde(rename = "DUMP")]
    Dump(DumpRecord),
    /// A commit of the log.
    #[serde(rename = "LOG")]
    Log(LogRecord),
    /// A document of the state.
    #[serde(rename = "STATE")]
    State(StateRecord),
}

/// What became of a request, as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Acknowledged.
    Ok,
    /// Refused: it did not happen and will not.
    Fail,
    /// Nobody can tell: a timeout, a lost connection, `unavailable`.
    Unknown,
}

/// `W`: one try of one commit. A commit that is tried again has a record for each try, all with
/// the same `op_id`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteRecord {
    /// Who wrote.
    pub client: Box<str>,
    /// The commit's name in the whole history: the mutation id it was sent with.
    pub op_id: Box<str>,
    /// What was to be written, a path at most once.
    pub writes: Vec<WriteOf>,
    /// When it was sent.
    pub t_inv: u64,
    /// When the answer came; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_ret: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// The commit's sequence; there if, and only if, it is `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteKind {
    /// Creates an absent document.
    Insert,
    /// Creates or replaces.
    Set,
    /// Changes an existing document in parts.
    Update,
    /// Removes an existing document.
    Delete,
}

/// One write of a `W`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteOf {
    /// The document.
    pub path: Box<str>,
    /// What was to happen to it.
    pub kind: WriteKind,
    /// The version that it was to have before; 0: it was to be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
    /// The document after; absent on a delete, and where the client cannot know it (an update).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<DocumentHash>,
    /// The document after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// `G`: a read that was answered. With `path` of one document, with `collection` a query whose
/// pages are all here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadRecord {
    /// Who read.
    pub client: Box<str>,
    /// When it was asked.
    pub t_inv: u64,
    /// When the (last) answer came.
    pub t_ret: u64,
    /// The document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// The document's version; 0: it was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The document, unless it was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<DocumentHash>,
    /// The document, unless it was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// The collection queried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<Box<str>>,
    /// The query's filter; absent: every document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Box<RawValue>>,
    /// The sequence that the query's answer is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The query's documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<StateRecord>,
}

/// `X`: for whoever reads a verdict; `restore` (another history from here on) also allows resets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRecord {
    /// What was done: `kill`, `power_cut`, `restart`, `disk_full`, `retention`, `restore`…
    pub fault: Box<str>,
    /// When.
    pub t: u64,
    /// Anything that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<str>>,
}

/// `DUMP`: what the separate reader found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DumpRecord {
    /// The oldest sequence that is kept: 1 unless retention has moved on. `head + 1` without any.
    pub oldest: u64,
    /// The last sequence; 0 without any.
    pub head: u64,
    /// The oldest sequence that the database itself keeps, where the dump has more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
}

/// `LOG`: one commit as the log has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRecord {
    /// Its sequence.
    pub seq: u64,
    /// Its mutation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_id: Option<Box<str>>,
    /// What it changed.
    pub changes: Vec<LogChange>,
}

/// One change of a `LOG`: without `old` an insert, without `hash` a delete.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogChange {
    /// The document.
    pub path: Box<str>,
    /// Its version before; 0: it was absent.
    #[serde(default)]
    pub prev_version: u64,
    /// The document before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_hash: Option<DocumentHash>,
    /// The document before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Box<RawValue>>,
    /// The document after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<DocumentHash>,
    /// The document after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// `STATE`: one document as a fresh read shows it at the dump's head; also a document of a query.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRecord {
    /// The document.
    pub path: Box<str>,
    /// Its version.
    pub version: u64,
    /// Its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<DocumentHash>,
    /// Its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}
