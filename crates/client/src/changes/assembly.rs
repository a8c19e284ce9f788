//! From messages as they arrive to events that are whole: parts of a commit are joined, documents
//! of a snapshot held until it is complete, and what was shown before is dropped. No I/O.

use std::collections::{BTreeMap, VecDeque};

use wellspring_types::feed::{From, How, ResetReason};
use wellspring_types::{Document, DocumentPath, ResumeToken, Sequence};

use super::event::{ChangeEvent, Commit, Differences, Snapshot};
use crate::wire::{FeedPart, ReceivedCommit};

/// Where a feed is.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// Where a subscription has to begin to go on from here.
    from: From,
    /// The server keeps the position, and says where it goes on; it may go back.
    of_consumer: bool,
    /// The last sequence that was shown; older commits are repetitions.
    shown: Sequence,
    /// Documents of a snapshot that is not complete; `None`: taken back.
    documents: BTreeMap<DocumentPath, Option<Document>>,
    /// What the snapshot has.
    extent: Extent,
    /// A commit of which parts are missing.
    unfinished: Option<Commit>,
    /// What is ready to be shown.
    ready: VecDeque<ChangeEvent>,
    /// The position of what was handed out last.
    token: Option<ResumeToken>,
}

/// What a snapshot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All documents.
    Whole,
    /// What differs from what the application said that it holds.
    Differences,
}

impl Extent {
    fn of(known: bool) -> Extent {
        if known {
            Extent::Differences
        } else {
            Extent::Whole
        }
    }
}

impl Assembly {
    pub(crate) fn new(from: From, of_consumer: bool) -> Assembly {
        let token = match &from {
            From::Token(token) => Some(token.clone()),
            _ => None,
        };
        Assembly {
            from,
            of_consumer,
            shown: Sequence::ZERO,
            documents: BTreeMap::new(),
            extent: Extent::Whole,
            unfinished: None,
            ready: VecDeque::new(),
            token,
        }
    }

    /// Where a subscription has to begin to go on from here.
    pub(crate) fn from(&self) -> &From {
        &self.from
    }

    fn go_on_after(&mut self, token: ResumeToken) {
        if !self.of_consumer {
            self.from = From::Token(token);
        }
    }

    /// The position of what was handed out last.
    pub(crate) fn token(&self) -> Option<&ResumeToken> {
        self.token.as_ref()
    }

    /// Hands out the next event.
    pub(crate) fn pop(&mut self) -> Option<ChangeEvent> {
        let event = self.ready.pop_front()?;
        if let Some(token) = event.token() {
            self.token = Some(token.clone());
        }
        Some(event)
    }

    /// The subscription ended, maybe in the middle of a commit; the next one brings it again.
    pub(crate) fn interrupt(&mut self, ended_at: Option<ResumeToken>) {
        self.unfinished = None;
        if let Some(token) = ended_at {
            self.go_on_after(token);
        }
    }

    /// What was shown belongs to the past: a snapshot replaces it.
    pub(crate) fn start_over(&mut self, reason: ResetReason) {
        self.reset(reason, Extent::Whole);
    }

    fn reset(&mut self, reason: ResetReason, extent: Extent) {
        self.unfinished = None;
        self.documents.clear();
        self.shown = Sequence::ZERO;
        self.from = From::Snapshot;
        self.extent = extent;
        let known = extent == Extent::Differences;
        self.ready.push_back(ChangeEvent::Reset { reason, known });
    }

    /// Takes a message.
    pub(crate) fn take(&mut self, part: FeedPart) {
        match part {
            FeedPart::Subscribed {
                how,
                seq,
                token,
                known,
            } => {
                if how == How::Snapshot {
                    self.extent = Extent::of(known);
                }
                self.subscribed(how, seq, token);
            }
            FeedPart::Snapshot {
                documents,
                removed,
                token,
            } => {
                for document in documents {
                    self.documents.insert(document.path.clone(), Some(document));
                }
                for path in removed {
                    self.documents.insert(path, None);
                }
                if let Some(token) = token {
                    self.go_on_after(token);
                }
            }
            FeedPart::Current { seq, token } => {
                self.shown = seq;
                self.go_on_after(token.clone());
                let event = self.snapshot(seq, token);
                self.ready.push_back(event);
            }
            FeedPart::Changes { commits, token } => self.changes(commits, token),
            FeedPart::Checkpoint { seq, token } => {
                self.shown = self.shown.max(seq);
                self.go_on_after(token.clone());
                self.ready.push_back(ChangeEvent::Checkpoint { seq, token });
            }
            FeedPart::Reset { reason, known } => self.reset(reason, Extent::of(known)),
        }
    }

    /// A snapshot that is whole.
    fn snapshot(&mut self, seq: Sequence, token: ResumeToken) -> ChangeEvent {
        let (mut documents, mut removed) = (Vec::new(), Vec::new());
        for (path, document) in std::mem::take(&mut self.documents) {
            match document {
                Some(document) => documents.push(document),
                None => removed.push(path),
            }
        }
        match std::mem::replace(&mut self.extent, Extent::Whole) {
            Extent::Whole => ChangeEvent::Snapshot(Snapshot {
                documents,
                seq,
                token,
            }),
            Extent::Differences => ChangeEvent::Differences(Differences {
                documents,
                removed,
                seq,
                token,
            }),
        }
    }

    fn subscribed(&mut self, how: How, seq: Sequence, token: Option<ResumeToken>) {
        self.unfinished = None;
        if self.of_consumer {
            // What is not acknowledged comes again, from here on; what was handed out is gone.
            self.ready.clear();
            self.shown = seq;
        }
        match how {
            How::Live | How::Resumed => self.shown = self.shown.max(seq),
            // A token of a place inside a snapshot goes on with the same one; else it is new.
            How::Snapshot if matches!(self.from, From::Snapshot) => self.documents.clear(),
            How::Snapshot => {}
        }
        if let Some(token) = token {
            if self.ready.is_empty() {
                self.token = Some(token.clone());
            }
            self.go_on_after(token);
        }
    }

    fn changes(&mut self, commits: Vec<ReceivedCommit>, token: Option<ResumeToken>) {
        for part in commits.into_iter().filter(|part| part.seq > self.shown) {
            let more = part.more;
            let mut commit = match self.unfinished.take() {
                Some(begun) if begun.seq == part.seq => begun,
                _ => Commit {
                    seq: part.seq,
                    time: part.time,
                    actor: part.actor,
                    mutation_id: part.mutation_id,
                    changes: Vec::with_capacity(part.changes.len()),
                    conflated: part.conflated,
                    token: None,
                },
            };
            commit.changes.extend(part.changes);
            if more {
                self.unfinished = Some(commit);
            } else {
                self.ready.push_back(ChangeEvent::Commit(commit));
            }
        }
        // Only now: commits of one message may be parts of one commit.
        if let Some(ChangeEvent::Commit(last)) = self.ready.back_mut() {
            self.shown = self.shown.max(last.seq);
            if token.is_some() {
                last.token.clone_from(&token);
            }
        }
        if let Some(token) = token {
            self.go_on_after(token);
        }
    }
}
