//! A history as the checker works on it: names as numbers, documents as hashes, everything sorted.

use std::collections::HashMap;

use wellspring_types::{Filter, Select};

use super::DocumentHash;
use super::record::{FaultRecord, How, Op, Origin, Outcome, ResetReason, WriteKind};

/// A line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which of the files, from 0.
    pub file: u32,
    /// The line, from 1.
    pub line: u32,
}

/// A number that stands for a name.
pub(super) type Name = u32;

/// Names, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: HashMap<Box<str>, Name>,
    names: Vec<Box<str>>,
}

impl Names {
    pub(super) fn intern(&mut self, text: &str) -> Name {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        // Lines are numbered by u32, and no line has so many names.
        let id = Name::try_from(self.names.len()).unwrap_or(Name::MAX);
        self.names.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }

    pub(super) fn text(&self, name: Name) -> &str {
        let index = usize::try_from(name).unwrap_or(usize::MAX);
        self.names.get(index).map_or("?", |text| text)
    }
}

/// A recorded history, read and sorted.
#[derive(Debug, Default)]
pub struct History {
    pub(super) files: Vec<String>,
    pub(super) records: u64,
    /// Documents, collections, clients, commits and subscriptions.
    pub(super) names: Names,
    pub(super) attempts: Vec<Attempt>,
    pub(super) feeds: Vec<Feed>,
    pub(super) acks: Vec<Ack>,
    pub(super) positions: Vec<Position>,
    pub(super) reads: Vec<Read>,
    pub(super) queries: Vec<QueryRead>,
    pub(super) faults: Vec<FaultRecord>,
    pub(super) dump: Dump,
    /// By sequence.
    pub(super) commits: Vec<LoggedCommit>,
    /// What commits of the database's own say of what is no longer offered.
    pub(super) floors: Vec<FloorMoved>,
    pub(super) states: Vec<StateDocument>,
    /// Distinct views of subscriptions and queries.
    pub(super) views: Vec<ViewOf>,
}

impl History {
    /// `file:line` of a record.
    #[must_use]
    pub fn locate(&self, place: Place) -> String {
        let index = usize::try_from(place.file).unwrap_or(usize::MAX);
        let file = self.files.get(index).map_or("?", String::as_str);
        format!("{file}:{}", place.line)
    }
}

#[derive(Debug, Default)]
pub(super) struct Dump {
    pub(super) oldest: u64,
    pub(super) head: u64,
    /// The oldest that the database keeps.
    pub(super) kept: u64,
    pub(super) place: Option<Place>,
}

/// A document's content: its hash, and its text where the history has it.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) hash: DocumentHash,
    pub(super) text: Option<Box<str>>,
}

/// A document and the collection it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DocumentName {
    pub(super) collection: Name,
    pub(super) path: Name,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) place: Place,
    pub(super) op: Name,
    pub(super) writes: Vec<AttemptedWrite>,
    pub(super) t_inv: u64,
    pub(super) t_ret: Option<u64>,
    pub(super) outcome: Outcome,
    pub(super) seq: Option<u64>,
}

#[derive(Debug)]
pub(super) struct AttemptedWrite {
    pub(super) document: DocumentName,
    pub(super) kind: WriteKind,
    pub(super) if_version: Option<u64>,
    pub(super) hash: Option<DocumentHash>,
}

#[derive(Debug)]
pub(super) struct LoggedCommit {
    pub(super) place: Place,
    pub(super) seq: u64,
    pub(super) op: Option<Name>,
    pub(super) changes: Vec<LoggedChange>,
}

/// Changes through a sequence are not offered any more, since a commit.
#[derive(Debug)]
pub(super) struct FloorMoved {
    /// Of the commit.
    pub(super) seq: u64,
    /// Whose changes; `None`: everybody's.
    pub(super) collection: Option<Name>,
    pub(super) through: u64,
}

#[derive(Debug)]
pub(super) struct LoggedChange {
    pub(super) document: DocumentName,
    pub(super) prev_version: u64,
    pub(super) old: Option<Image>,
    pub(super) new: Option<Image>,
}

#[derive(Debug)]
pub(super) struct StateDocument {
    pub(super) place: Place,
    pub(super) document: DocumentName,
    pub(super) version: u64,
    pub(super) image: Image,
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) place: Place,
    pub(super) t_inv: u64,
    pub(super) t_ret: u64,
    pub(super) document: DocumentName,
    pub(super) version: u64,
    pub(super) hash: Option<DocumentHash>,
}

#[derive(Debug)]
pub(super) struct QueryRead {
    pub(super) place: Place,
    pub(super) t_inv: u64,
    pub(super) t_ret: u64,
    pub(super) view: usize,
    pub(super) seq: u64,
    pub(super) documents: Vec<(Name, Held)>,
}

/// A document as a client holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) version: u64,
    pub(super) hash: DocumentHash,
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    pub(super) place: Place,
    /// The name of the subscription.
    pub(super) feed: Name,
    pub(super) at_idx: u64,
    pub(super) t_inv: u64,
    pub(super) t_ret: Option<u64>,
    pub(super) outcome: Outcome,
    pub(super) seq: Option<u64>,
}

/// Where a consumer was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) place: Place,
    pub(super) consumer: Name,
    pub(super) t_ret: u64,
    pub(super) seq: u64,
}

/// What decides which changes a subscription sees, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ViewOf {
    pub(super) collection: Name,
    pub(super) filter: Option<Filter>,
    pub(super) select: Option<Select>,
}

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) name: Name,
    /// By `idx`.
    pub(super) receptions: Vec<Received>,
}

impl Feed {
    /// The consumer that it takes part in.
    pub(super) fn consumer(&self) -> Option<Name> {
        self.receptions
            .iter()
            .find_map(|received| match &received.got {
                Got::Subscribed(opened) => opened.consumer,
                _ => None,
            })
    }
}

#[derive(Debug)]
pub(super) struct Received {
    pub(super) place: Place,
    pub(super) session: u32,
    pub(super) idx: u64,
    pub(super) t_recv: u64,
    pub(super) got: Got,
}

#[derive(Debug)]
pub(super) enum Got {
    Subscribed(Box<Opened>),
    Snapshot(Name, Held),
    Removed(Name),
    Current(u64),
    Change(Seen),
    Checkpoint(u64),
    Page,
    Reset { reason: ResetReason, known: bool },
    Ended { expired: bool },
    Left { lost: bool },
    Drained,
}

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) view: usize,
    pub(super) old: bool,
    pub(super) checkpoint_interval_ms: Option<u64>,
    pub(super) from: Origin,
    pub(super) at_idx: Option<u64>,
    pub(super) after: Option<u64>,
    pub(super) t_inv: Option<u64>,
    pub(super) how: How,
    pub(super) seq: u64,
    pub(super) known: bool,
    pub(super) conflate: bool,
    pub(super) consumer: Option<Name>,
    pub(super) ack_timeout_ms: Option<u64>,
}

/// A change as it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) seq: u64,
    /// The document's.
    pub(super) version: u64,
    pub(super) conflated: bool,
    pub(super) op: Op,
    pub(super) path: Name,
    pub(super) old: Option<DocumentHash>,
    pub(super) new: Option<DocumentHash>,
    pub(super) last_of_commit: bool,
}
