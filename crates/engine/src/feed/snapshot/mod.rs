//! The snapshot of a subscription: exact reads of its collections, page by page; and how it moves
//! to a later pin when more has changed meanwhile than fits into memory.

mod members;

use std::collections::BTreeMap;
use std::sync::Arc;

use wellspring_types::feed::{FeedMessage, Known, View};
use wellspring_types::{Document, DocumentPath, ResumeToken, Sequence, limits};

use super::view::show;
use crate::read::{Exact, Overrun, Permit, ReadError, Sources, WhenFull, document_bytes};
use crate::token::{Extent, Place, Scope, Sealer};
use crate::visible::document_after;

pub(super) use members::{Cursor, Members};

/// Pages of one step, at most: many collections may have next to nothing in them.
const STEP_PAGES: usize = 64;

/// A snapshot being sent.
pub(super) struct Snapshot {
    members: Members,
    pin: Sequence,
    /// The read of the current collection; `None` once all are read.
    exact: Option<Exact>,
    changed_bytes_max: usize,
    scope: Scope,
    view: Arc<View>,
    /// What the subscriber holds of what is to come; `None`: it holds nothing, or is to forget it.
    known: Option<Versions>,
    moving: Option<Moving>,
    /// A page was read since it was last moved.
    has_read: bool,
}

/// What is sent of one document.
enum Entry {
    Document(Document),
    /// It was known, and is not in the view.
    Removed(DocumentPath),
}

impl Entry {
    fn path(&self) -> &DocumentPath {
        match self {
            Entry::Document(document) => &document.path,
            Entry::Removed(path) => path,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Entry::Document(document) => document_bytes(document),
            Entry::Removed(path) => path.as_str().len(),
        }
    }
}

/// Known versions, taken away in the order of ids.
struct Versions(BTreeMap<Box<str>, Sequence>);

impl Versions {
    /// Those of the documents after `last_id`.
    fn after(known: Known, last_id: Option<&str>) -> Versions {
        let mut versions = known.versions;
        if let Some(last_id) = last_id {
            versions.retain(|id, _| &**id > last_id);
        }
        Versions(versions)
    }

    fn pop(&mut self, id: &str) -> Option<Sequence> {
        self.0.remove(id)
    }

    fn pop_before(&mut self, id: &str) -> Option<(Box<str>, Sequence)> {
        let first = self.0.first_entry().filter(|first| &**first.key() < id)?;
        Some(first.remove_entry())
    }

    /// Any, without `id`.
    fn pop_through(&mut self, id: Option<&str>) -> Option<(Box<str>, Sequence)> {
        let is_there = |key: &str| id.is_none_or(|id| key <= id);
        let first = self.0.first_entry().filter(|first| is_there(first.key()))?;
        Some(first.remove_entry())
    }
}

/// The move to a later pin: what was sent already is brought up to it.
struct Moving {
    to: Sequence,
    /// Changes up to here were sent.
    sent: Sequence,
}

/// What a step came to.
pub(super) enum Step {
    /// Messages, and more to come. None of them where nothing in the page was in the view.
    Messages(Vec<FeedMessage>),
    /// Messages, and everything is sent as of the pin.
    Done(Vec<FeedMessage>),
    /// The snapshot must move to a later pin: call [`Snapshot::move_to`].
    Overrun,
}

impl Snapshot {
    /// A snapshot of these collections as of `pin`; with something known, of one collection, only of
    /// what differs from that.
    pub(super) fn new(
        mut members: Members,
        view: Arc<View>,
        pin: Sequence,
        known: Option<Known>,
        changed_bytes_max: usize,
    ) -> Snapshot {
        let first_id = members.take_first_id();
        let known = known.map(|known| Versions::after(known, first_id.as_deref()));
        let scope = Scope::of_snapshot(members.set(), view.filter.as_ref());
        let mut snapshot = Snapshot {
            members,
            pin,
            exact: None,
            changed_bytes_max,
            scope,
            view,
            known,
            moving: None,
            has_read: false,
        };
        snapshot.read_current(first_id);
        snapshot
    }

    /// Begins with the current collection, after the document `id`.
    fn read_current(&mut self, id: Option<Box<str>>) {
        let when_full = (self.changed_bytes_max, WhenFull::Stop);
        let current = self.members.current().cloned();
        self.exact = current.map(|collection| Exact::new(collection, self.pin, id, when_full));
    }

    /// Of the current collection everything up to and with this document is read.
    fn cursor(&self) -> Option<&str> {
        self.exact.as_ref()?.cursor()
    }

    /// What the store must have applied before the next step.
    pub(super) fn needs(&self) -> Sequence {
        self.moving.as_ref().map_or(self.pin, |moving| moving.to)
    }

    pub(super) fn pin(&self) -> Sequence {
        self.pin
    }

    pub(super) fn extent(&self) -> Extent {
        match self.known {
            Some(_) => Extent::Differences,
            None => Extent::Whole,
        }
    }

    /// Goes on as of what is visible, once what was sent is brought up to it.
    pub(super) fn move_on(&mut self, sources: &Sources) {
        let to = sources.visible.sequence();
        // Afterwards: collections that are not known now are empty as of then.
        self.members.refresh(&sources.collections);
        if self.has_begun() {
            let sent = self.pin;
            self.moving = Some(Moving { to, sent });
        } else {
            self.re_pin(to);
        }
    }

    /// Whether anything was read that would have to be brought up to a later pin.
    fn has_begun(&self) -> bool {
        self.members.begun() || self.cursor().is_some()
    }

    fn re_pin(&mut self, to: Sequence) {
        self.pin = to;
        match &mut self.exact {
            Some(exact) => exact.re_pin(to),
            None => {
                self.members.advance();
                self.read_current(None);
            }
        }
    }

    /// Moves on, unless it has read nothing since it did so last: however fast it has to move, it
    /// comes to its end.
    pub(super) fn keep_up(&mut self, sources: &Sources) {
        if self.moving.is_none() && (self.has_read || !self.has_begun()) {
            self.move_on(sources);
            self.has_read = false;
        }
    }

    pub(super) fn step(&mut self, sources: &Sources, sealer: &Sealer) -> Result<Step, ReadError> {
        if self.moving.is_some() {
            return self.step_move(sources, sealer).map(Step::Messages);
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        for _ in 0..STEP_PAGES {
            let Some(exact) = &mut self.exact else { break };
            let page = match exact.page(sources, limits::PAGE_BYTES_MAX, &Permit::default()) {
                Ok(page) => page,
                Err(Overrun::Budget) if entries.is_empty() => return Ok(Step::Overrun),
                // It will say so again.
                Err(Overrun::Budget) => break,
                Err(Overrun::Failed(error)) => return Err(error),
            };
            self.has_read = true;
            let of_page = self.entries(page.documents, page.read_through.as_deref());
            bytes += of_page.iter().map(Entry::bytes).sum::<usize>();
            entries.extend(of_page);
            if page.read_through.is_some() {
                break;
            }
            self.members.advance();
            self.read_current(None);
            if bytes >= limits::PAGE_BYTES_MAX {
                break;
            }
        }
        let messages = self.messages(entries, sealer);
        // At once: with nothing left to read there is no place from which it could be moved.
        Ok(match self.exact {
            Some(_) => Step::Messages(messages),
            None => Step::Done(messages),
        })
    }

    /// What the subscriber is to be told of a page, in the order of ids: where it knows something
    /// already, what differs from that.
    fn entries(&mut self, documents: Vec<Document>, through: Option<&str>) -> Vec<Entry> {
        let view = Arc::clone(&self.view);
        let mut documents = documents.into_iter();
        let Some(known) = &mut self.known else {
            let shown = documents.filter_map(|document| show(&view, document));
            return shown.map(Entry::Document).collect();
        };
        let mut entries = Vec::new();
        // Only of one collection can something be known.
        let Some(collection) = self.members.current() else {
            return Vec::new();
        };
        let gone = |(id, _): (Box<str>, Sequence)| Entry::Removed(collection.join(&id));
        while let Some(document) = documents.find_map(|document| show(&view, document)) {
            let id = document.path.id();
            while let Some(other) = known.pop_before(id) {
                entries.push(gone(other));
            }
            // The version alone decides: it is that of one commit, which wrote the document once.
            if known.pop(id) != Some(document.version) {
                entries.push(Entry::Document(document));
            }
        }
        while let Some(other) = known.pop_through(through) {
            entries.push(gone(other));
        }
        entries
    }

    /// Entries in messages of a page's size: a page that was put right from the log may be larger
    /// than what the store was asked for.
    fn messages(&self, entries: Vec<Entry>, sealer: &Sealer) -> Vec<FeedMessage> {
        let mut messages = Vec::new();
        let mut page: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let entry_bytes = entry.bytes();
            if bytes + entry_bytes > limits::PAGE_BYTES_MAX && !page.is_empty() {
                messages.extend(self.message(std::mem::take(&mut page), sealer));
                bytes = 0;
            }
            bytes += entry_bytes;
            page.push(entry);
        }
        messages.extend(self.message(page, sealer));
        messages
    }

    fn message(&self, entries: Vec<Entry>, sealer: &Sealer) -> Option<FeedMessage> {
        let last = self.members.cursor_text(entries.last()?.path());
        let token = self.token(self.pin, last, sealer);
        let (mut documents, mut removed) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                Entry::Document(document) => documents.push(document),
                Entry::Removed(path) => removed.push(path),
            }
        }
        Some(FeedMessage::Snapshot {
            documents,
            removed,
            token,
        })
    }

    fn token(&self, pin: Sequence, last_id: Box<str>, sealer: &Sealer) -> ResumeToken {
        let place = Place::InSnapshot {
            pin,
            scope: self.scope,
            last_id,
            extent: self.extent(),
        };
        ResumeToken::new(&sealer.seal(&place))
    }

    /// Sends some of what changed, between the pins, in what was sent already. A resume from one
    /// of these messages starts over at the old pin; only the last has the new one.
    fn step_move(
        &mut self,
        sources: &Sources,
        sealer: &Sealer,
    ) -> Result<Vec<FeedMessage>, ReadError> {
        let cursor = self.members.cursor_text_at(self.cursor());
        let (Some(moving), Some(cursor)) = (&self.moving, cursor) else {
            return Ok(Vec::new());
        };
        let to = moving.to;
        let (newest, read) = self.read_behind(sources, moving.sent, to)?;
        let done = read == to;
        let mut documents = Vec::new();
        let mut removed = Vec::new();
        for (path, document) in newest {
            match document.and_then(|document| show(&self.view, document)) {
                Some(document) => documents.push(document),
                None => removed.push(path),
            }
        }
        let token_pin = if done { to } else { self.pin };
        let token = self.token(token_pin, cursor, sealer);
        if done {
            self.moving = None;
            self.re_pin(to);
        } else {
            self.moving = Some(Moving { to, sent: read });
        }
        Ok(vec![FeedMessage::Snapshot {
            documents,
            removed,
            token,
        }])
    }

    /// The newest state of documents that were read that changed after `after`, and how
    /// far was read.
    fn read_behind(
        &self,
        sources: &Sources,
        after: Sequence,
        through: Sequence,
    ) -> Result<(BTreeMap<DocumentPath, Option<Document>>, Sequence), ReadError> {
        let mut newest = BTreeMap::new();
        let only = match self.members.set().only() {
            Some(only) => match sources.collections.id(only.as_str()) {
                None => return Ok((newest, through)),
                id => id,
            },
            None => None,
        };
        let mut bytes = 0;
        for commit in sources.commits(after, through, only) {
            let mut commit = commit?;
            commit.detach();
            let changes = commit.changes.iter();
            for change in
                changes.filter(|change| self.members.is_behind(&change.path, self.cursor()))
            {
                bytes += change.bytes();
                let document = document_after(&commit, change).map(Arc::unwrap_or_clone);
                newest.insert(change.path.clone(), document);
            }
            if bytes >= limits::PAGE_BYTES_MAX && commit.seq < through {
                return Ok((newest, commit.seq));
            }
        }
        Ok((newest, through))
    }
}
