//! `R`: what a subscription was sent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::history::DocumentHash;

/// `R`: one thing that one subscription was sent. A subscription here is what its user sees as
/// one: it goes on through resumes, each of which is a further session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reception {
    /// The subscription.
    pub sub: Box<str>,
    /// The session; every one begins with [`Event::Subscribed`].
    pub session: u32,
    /// Its place among everything the subscription was sent: 0, 1, 2, … without gaps, so that a
    /// lost line cannot look like a lost change.
    pub idx: u64,
    /// When it arrived.
    pub t_recv: u64,
    /// What it was.
    pub got: Event,
}

/// What arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A session began. The subscription's view stands here once, not on every line.
    Subscribed(Box<SubscribedEvent>),
    /// A document of a snapshot; of several for one path the last is right.
    Snapshot(SnapshotEvent),
    /// A document of a snapshot is taken back.
    Removed(RemovedEvent),
    /// The snapshot is whole.
    Current(CurrentEvent),
    /// A change.
    Change(ChangeEvent),
    /// Nothing else happened up to here.
    Checkpoint(CheckpointEvent),
    /// A poll's page ended, with a token whose position no message has told.
    Page(PageEvent),
    /// The view starts over.
    Reset(ResetEvent),
    /// The server ended the subscription, or refused to accept it.
    Ended(EndedEvent),
    /// The session is over without a word of the server.
    Left(LeftEvent),
    /// The client has followed to the end: until nothing more came, of a database that nobody wrote to.
    Drained(DrainedEvent),
}

/// Where a session was asked to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// With what comes after.
    Now,
    /// With the documents.
    Snapshot,
    /// With the oldest change that is kept.
    Beginning,
    /// With a time.
    Time,
    /// After a token of this history: of the event `at_idx` of the same subscription, or of the
    /// position `after`.
    Token,
    /// After a token of another history of the database: one from before a restore.
    Foreign,
}

/// How the server said it would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// With what comes after the pin.
    Live,
    /// With a snapshot.
    Snapshot,
    /// After a position.
    Resumed,
}

/// A session began.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribedEvent {
    /// `websocket`, `grpc`, `sse`, `ndjson`, `longpoll`, `poll`, `engine`…
    pub transport: Box<str>,
    /// The collection.
    pub collection: Box<str>,
    /// The subscription's filter, as JSON; absent: every document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Box<RawValue>>,
    /// The fields asked for; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<Box<str>>,
    /// Whether changes were asked for with the document before.
    #[serde(default)]
    pub old: bool,
    /// The checkpoint interval asked for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval_ms: Option<u64>,
    /// Where it was asked to begin.
    pub from: Origin,
    /// With `from: token`: the event whose token it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_idx: Option<u64>,
    /// With `from: token`: the position it stands for, where it came from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_inv: Option<u64>,
    /// How the server goes on.
    pub how: How,
    /// The pinned sequence.
    pub seq: u64,
    /// The snapshot has only what differs from what the client said that it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// Whether it was asked to be told what commits come to while it is behind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflate: bool,
    /// The consumer that it takes part in. Each name is of one consumer: one that was deleted is not
    /// made again. `subscribed` comes again, in the same session, with another share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Box<str>>,
    /// Of a consumer: the longest time without an acknowledgement, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_timeout_ms: Option<u64>,
}

/// A document of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotEvent {
    /// The document.
    pub path: Box<str>,
    /// Its version.
    pub version: u64,
    /// Its content, as the view shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<DocumentHash>,
    /// Its content, as the view shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// A document of a snapshot is taken back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovedEvent {
    /// The document.
    pub path: Box<str>,
}

/// The snapshot is whole.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrentEvent {
    /// As of this sequence.
    pub seq: u64,
}

/// The effect on the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It came into the view.
    Insert,
    /// It was and stays in the view.
    Update,
    /// It left the view.
    Delete,
}

/// A change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeEvent {
    /// The commit's sequence.
    pub seq: u64,
    /// The document's version, where that is not the commit's sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Whether the commit stands for all after the one before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflated: bool,
    /// The effect on the view.
    pub op: Op,
    /// The document.
    pub path: Box<str>,
    /// The document before, where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_hash: Option<DocumentHash>,
    /// The document before, where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Box<RawValue>>,
    /// The document after; absent on a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<DocumentHash>,
    /// The document after; absent on a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Whether the message said that the commit ends here: its last change, without `more`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last_of_commit: bool,
}

/// Nothing else happened up to here.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointEvent {
    /// The position.
    pub seq: u64,
}

/// A poll's page ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageEvent {}

/// Why a view starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetReason {
    /// The position is not kept any more.
    Retention,
    /// The position is of another history.
    Epoch,
    /// The rules have changed.
    Rules,
}

/// The view starts over: a snapshot follows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetEvent {
    /// Why.
    pub reason: ResetReason,
    /// Whether only what differs from what the client holds follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
}

/// The subscription ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedEvent {
    /// The error's code, `token_expired` for one.
    pub code: Box<str>,
}

/// The session is over without a word of the server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftEvent {
    /// Whether the connection was found to be gone; else the client is about to close it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// The client has followed to the end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainedEvent {}
