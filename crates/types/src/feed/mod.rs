//! What a subscription asks for and what it is sent, whatever the transport.

mod written;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::consumer::Consuming;
use crate::{
    CollectionPath, CollectionSet, Data, Document, DocumentPath, Filter, MutationId, ResumeToken,
    Select, Sequence, Timestamp, limits,
};

pub use written::{ChangeRef, ChangesWriter, CommitRef, Room, WrittenChanges};

/// A request for the changes of one collection, or of several in their one order.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeRequest {
    /// Whose changes.
    pub collections: CollectionSet,
    /// What is wanted of each change.
    pub view: View,
    /// Where to begin.
    pub from: From,
    /// What the subscriber holds already, so that a snapshot sends only what differs.
    pub known: Option<Known>,
    /// The consumer that it takes part in; `None`: it keeps its position itself.
    pub consumer: Option<Consuming>,
    /// While behind, be sent what several commits come to instead of each of them.
    pub conflate: bool,
    /// End with `token_expired` where otherwise a reset would be sent.
    pub end_on_gap: bool,
    /// Longest time between two checkpoints, in milliseconds.
    pub checkpoint_interval_ms: u64,
}

impl SubscribeRequest {
    /// Every change of a whole collection.
    #[must_use]
    pub fn new(collection: CollectionPath, from: From) -> SubscribeRequest {
        SubscribeRequest::of(collection.into(), from)
    }

    /// Every change of these collections.
    #[must_use]
    pub fn of(collections: CollectionSet, from: From) -> SubscribeRequest {
        SubscribeRequest {
            collections,
            view: View::default(),
            from,
            known: None,
            consumer: None,
            conflate: false,
            end_on_gap: false,
            checkpoint_interval_ms: limits::CHECKPOINT_INTERVAL_MS,
        }
    }
}

/// Documents that a subscriber holds of the one collection, as this view shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// A token that was stored with them: it says which history of the database their versions are
    /// of. `None`: the one of [`From::Token`].
    pub token: Option<ResumeToken>,
    /// The version of each, by its id.
    pub versions: BTreeMap<Box<str>, Sequence>,
}

/// What a subscriber sees of a collection. Subscriptions with equal views of one collection are
/// matched and encoded together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Which documents; `None`: all of them.
    pub filter: Option<Filter>,
    /// Which of their fields; `None`: all of them.
    pub select: Option<Select>,
    /// Whether changes carry the document as it was before.
    pub old: bool,
    /// Whether updates carry the difference as a merge patch (RFC 7396).
    pub patch: bool,
}

/// Where a subscription begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// With what is committed after the subscription was accepted.
    #[default]
    Now,
    /// With the documents as they are, then their changes.
    Snapshot,
    /// With the oldest change that is kept.
    Beginning,
    /// After what a token stands for.
    Token(ResumeToken),
    /// With the first commit at or after this time.
    Time(Timestamp),
}

/// A message of a subscription, in the order: `Subscribed`, `Snapshot`…, `Current`, then `Changes`
/// and `Checkpoint` (and after a `Reset` again `Snapshot`…, `Current`).
#[derive(Clone, Debug)]
pub enum FeedMessage {
    /// The position is pinned.
    Subscribed {
        /// How the subscription goes on.
        how: How,
        /// The pinned sequence.
        seq: Sequence,
        /// The position's token; `None` with [`How::Snapshot`].
        token: Option<ResumeToken>,
        /// Whether the snapshot has only what differs from what is [`Known`].
        known: bool,
    },
    /// Documents as of the pin. Of several entries for one path, the last is right.
    Snapshot {
        /// Documents that are in the view.
        documents: Vec<Document>,
        /// Documents sent before, or known, that are not in it any more.
        removed: Vec<DocumentPath>,
        /// A place inside the snapshot.
        token: ResumeToken,
    },
    /// The snapshot is whole.
    Current {
        /// As of this sequence.
        seq: Sequence,
        /// That sequence's token.
        token: ResumeToken,
    },
    /// Commits, oldest first.
    Changes {
        /// At least one commit.
        commits: Vec<Arc<FeedCommit>>,
        /// The position of the last of them.
        token: ResumeToken,
    },
    /// Nothing else happened up to here.
    Checkpoint {
        /// The position.
        seq: Sequence,
        /// Its token.
        token: ResumeToken,
    },
    /// Forget what you hold: a snapshot follows.
    Reset {
        /// Why.
        reason: ResetReason,
        /// Do not forget it: only what differs from what is [`Known`] follows.
        known: bool,
    },
}

/// How a subscription goes on after it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// With the changes after the pin.
    Live,
    /// With a snapshot.
    Snapshot,
    /// After the position of a token, a time, or the beginning.
    Resumed,
}

/// Why a subscription starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The position is older than the oldest change that is kept.
    Retention,
    /// The position belongs to another history of the database.
    Epoch,
    /// The rules that the position was issued under have changed.
    Rules,
}

/// A commit as one view sees it. It has nothing of the subscriber in it, so that all whose views
/// are equal share one, encodings included.
pub struct FeedCommit {
    /// Its place in the order.
    pub seq: Sequence,
    /// Its time.
    pub time: Timestamp,
    /// Who committed it; `None` without authentication.
    pub actor: Option<Arc<str>>,
    /// The committing client's name for it.
    pub mutation_id: Option<MutationId>,
    /// What changed in the view: at least one, each of another document.
    pub changes: Vec<Change>,
    /// It is what several commits come to, through this one. Then it has no actor and no mutation
    /// id, and the changes are in the order of their versions.
    pub conflated: bool,
    /// The commit in encoded forms.
    pub encoded: Encoded,
}

/// A change of one document as one view sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The effect on the view.
    pub op: Op,
    /// Why, where the document itself was not inserted or deleted.
    pub cause: Option<Cause>,
    /// The document.
    pub path: DocumentPath,
    /// The document's version: the sequence of this commit, or of one that is conflated in it.
    pub version: Sequence,
    /// The document's data after; `None` with [`Op::Delete`].
    pub data: Option<Data>,
    /// The document's data before, if asked for; `None` with [`Op::Insert`]. In a conflated commit:
    /// before all that is conflated, as is what `patch` is the difference from.
    pub old: Option<Data>,
    /// The difference as a merge patch (RFC 7396), if asked for, with [`Op::Update`].
    pub patch: Option<Data>,
}

/// The effect of a change on a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The document came into the view.
    Insert,
    /// It was and stays in the view.
    Update,
    /// It left the view.
    Delete,
}

/// Why a document entered or left a view without being inserted or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It began or ceased to match the filter.
    Filter,
    /// It began or ceased to be allowed.
    Rules,
    /// It moved into or out of a window of an order.
    Window,
}

/// Encodings of one [`FeedCommit`], each made by the first who needs it and shared by the rest.
#[derive(Default)]
pub struct Encoded {
    forms: [OnceLock<Bytes>; Form::COUNT],
}

/// The encodings of a commit that are worth sharing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, for WebSocket, SSE, NDJSON and polls.
    Json,
    /// Protobuf with documents as JSON text, for gRPC.
    Protobuf,
}

impl Form {
    const COUNT: usize = 2;
}

impl Encoded {
    /// The encoding `form`, made by `encode` if nobody has yet.
    pub fn get_or_encode(&self, form: Form, encode: impl FnOnce() -> Bytes) -> &Bytes {
        self.forms[form as usize].get_or_init(encode)
    }
}

impl fmt::Debug for FeedCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedCommit")
            .field("seq", &self.seq)
            .field("time", &self.time)
            .field("actor", &self.actor)
            .field("mutation_id", &self.mutation_id)
            .field("changes", &self.changes)
            .field("conflated", &self.conflated)
            .finish_non_exhaustive()
    }
}

impl PartialEq for FeedCommit {
    /// Of the content; encodings follow from it.
    fn eq(&self, other: &FeedCommit) -> bool {
        (
            self.seq,
            self.time,
            &self.actor,
            &self.mutation_id,
            &self.changes,
            self.conflated,
        ) == (
            other.seq,
            other.time,
            &other.actor,
            &other.mutation_id,
            &other.changes,
            other.conflated,
        )
    }
}
