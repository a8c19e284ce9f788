//! The snapshot of a subscription: an exact read, page by page; and how it moves to a later pin
//! when more has changed meanwhile than fits into memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use wellspring_types::feed::{FeedMessage, Known, View};
use wellspring_types::{CollectionPath, Document, DocumentPath, ResumeToken, Sequence, limits};

use super::view::show;
use crate::read::{Exact, Overrun, Permit, ReadError, Sources, WhenFull, document_bytes};
use crate::token::{Extent, Place, Scope, Sealer};
use crate::visible::document_after;

/// A snapshot being sent.
pub(super) struct Snapshot {
    exact: Exact,
    scope: Scope,
    collection: CollectionPath,
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
    /// A snapshot as of `pin` of what comes after the document `last_id`; with something known only
    /// of what differs from that.
    pub(super) fn new(
        collection: CollectionPath,
        view: Arc<View>,
        (pin, last_id): (Sequence, Option<Box<str>>),
        known: Option<Known>,
        changed_bytes_max: usize,
    ) -> Snapshot {
        let known = known.map(|known| Versions::after(known, last_id.as_deref()));
        let scope = Scope::of_snapshot(&collection, view.filter.as_ref());
        let exact = Exact::new(
            collection.clone(),
            pin,
            last_id,
            (changed_bytes_max, WhenFull::Stop),
        );
        Snapshot {
            exact,
            scope,
            collection,
            view,
            known,
            moving: None,
            has_read: false,
        }
    }

    /// What the store must have applied before the next step.
    pub(super) fn needs(&self) -> Sequence {
        self.moving
            .as_ref()
            .map_or(self.exact.pin(), |moving| moving.to)
    }

    pub(super) fn pin(&self) -> Sequence {
        self.exact.pin()
    }

    pub(super) fn extent(&self) -> Extent {
        match self.known {
            Some(_) => Extent::Differences,
            None => Extent::Whole,
        }
    }

    /// Goes on as of `to`, once what was sent is brought up to it.
    pub(super) fn move_to(&mut self, to: Sequence) {
        if self.exact.cursor().is_none() {
            self.exact.re_pin(to);
        } else {
            self.moving = Some(Moving {
                to,
                sent: self.exact.pin(),
            });
        }
    }

    /// Moves to `to`, unless it has read nothing since it was moved last: however fast it has to
    /// move, it comes to its end.
    pub(super) fn keep_up(&mut self, to: Sequence) {
        if self.moving.is_none() && (self.has_read || self.exact.cursor().is_none()) {
            self.move_to(to);
            self.has_read = false;
        }
    }

    pub(super) fn step(&mut self, sources: &Sources, sealer: &Sealer) -> Result<Step, ReadError> {
        if self.moving.is_some() {
            return self.step_move(sources, sealer).map(Step::Messages);
        }
        let page = match self
            .exact
            .page(sources, limits::PAGE_BYTES_MAX, &Permit::default())
        {
            Ok(page) => page,
            Err(Overrun::Budget) => return Ok(Step::Overrun),
            Err(Overrun::Failed(error)) => return Err(error),
        };
        self.has_read = true;
        let entries = self.entries(page.documents, page.read_through.as_deref());
        let messages = self.messages(entries, sealer);
        Ok(match page.read_through {
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
        let gone = |(id, _): (Box<str>, Sequence)| Entry::Removed(self.collection.join(&id));
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
        let last_id: Box<str> = entries.last()?.path().id().into();
        let token = self.token(self.exact.pin(), last_id, sealer);
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
        let (Some(moving), Some(cursor)) = (&self.moving, self.exact.cursor()) else {
            return Ok(Vec::new());
        };
        let (to, cursor) = (moving.to, Box::<str>::from(cursor));
        let (newest, read) = self.read_behind(sources, &cursor, moving.sent, to)?;
        let done = read == to;
        let mut documents = Vec::new();
        let mut removed = Vec::new();
        for (path, document) in newest {
            match document.and_then(|document| show(&self.view, document)) {
                Some(document) => documents.push(document),
                None => removed.push(path),
            }
        }
        let token_pin = if done { to } else { self.exact.pin() };
        let token = self.token(token_pin, cursor, sealer);
        if done {
            self.moving = None;
            self.exact.re_pin(to);
        } else {
            self.moving = Some(Moving { to, sent: read });
        }
        Ok(vec![FeedMessage::Snapshot {
            documents,
            removed,
            token,
        }])
    }

    /// The newest state of documents at or behind the cursor that changed after `after`, and how
    /// far was read.
    fn read_behind(
        &self,
        sources: &Sources,
        cursor: &str,
        after: Sequence,
        through: Sequence,
    ) -> Result<(BTreeMap<DocumentPath, Option<Document>>, Sequence), ReadError> {
        let mut newest = BTreeMap::new();
        let Some(id) = sources.collections.id(self.collection.as_str()) else {
            return Ok((newest, through));
        };
        let mut bytes = 0;
        for commit in sources.commits(after, through, Some(id)) {
            let mut commit = commit?;
            commit.detach();
            for change in commit
                .changes
                .iter()
                .filter(|change| change.path.id() <= cursor)
            {
                bytes += change.bytes();
                let document = document_after(&commit, change).map(std::sync::Arc::unwrap_or_clone);
                newest.insert(change.path.clone(), document);
            }
            if bytes >= limits::PAGE_BYTES_MAX && commit.seq < through {
                return Ok((newest, commit.seq));
            }
        }
        Ok((newest, through))
    }
}
