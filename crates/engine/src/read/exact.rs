//! Exact reads: the documents of a collection as of one sequence, in pages, while writes go on.
//!
//! The store is behind what is visible, goes on changing, and shows parts of a batch. So a page is
//! read as it comes, and then put right from the log: whatever changed after the pin is replaced
//! by its *before image* of the first such change, which is its state at the pin.
//!
//! Why no change is missed: let `begun` be the last sequence whose applying had begun when the
//! page ended. Nothing that was applied later can be in the page, and the log, which is ahead of
//! the store, is read through `begun` before the page is put right.
//!
//! The pin may be long past: then more may have changed since than fits into memory. A read that
//! cannot move its pin keeps the first documents of what has changed, and ends its page before
//! the first that did not fit; from there on it reads the log once more.

use std::collections::BTreeMap;
use std::ops::Bound;

use wellspring_store::{ScanLimit, Scanned};
use wellspring_types::{CollectionId, CollectionPath, Document, DocumentPath, Sequence};

use super::as_of::document_before;
use super::permit::Permit;
use super::{ReadError, Sources, document_of};
use crate::commit::{DocumentChange, detach};
use crate::seeded::SeededBug;
use crate::visible::Pending;

/// Documents of one page, at most.
const PAGE_DOCUMENTS: usize = 512;

/// A read of one collection as of `pin`, in the order of ids.
pub(crate) struct Exact {
    collection: CollectionPath,
    pin: Sequence,
    /// Everything up to and with this id has been read; `None` at the beginning.
    cursor: Option<Box<str>>,
    /// State at the pin of each document ahead of the cursor that has changed since: `None`
    /// where it was absent.
    changed: BTreeMap<Box<str>, Option<Document>>,
    /// Changes up to here are in `changed`.
    fed: Sequence,
    changed_bytes: usize,
    changed_bytes_max: usize,
    when_full: WhenFull,
    /// Of documents from this id on, `changed` has nothing: it was full.
    horizon: Option<Box<str>>,
}

/// What an exact read does when more has changed than it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It says so by [`Overrun::Budget`].
    Stop,
    /// It goes on with fewer documents a page, and reads the log again for the next ones.
    Narrow,
}

/// Documents of a collection as of one sequence.
#[derive(Debug)]
pub(crate) struct ExactPage {
    pub(crate) documents: Vec<Document>,
    /// Everything up to and with this id has been read; `None` once everything has.
    pub(crate) read_through: Option<Box<str>>,
}

/// Why a page could not be read as of the pin.
#[derive(Debug)]
pub(crate) enum Overrun {
    /// More has changed since than fits into memory.
    Budget,
    /// The read failed.
    Failed(ReadError),
}

impl<E: Into<ReadError>> From<E> for Overrun {
    fn from(error: E) -> Overrun {
        Overrun::Failed(error.into())
    }
}

impl Exact {
    /// A read as of `pin`, after the document `cursor`. The store must have applied `pin` before
    /// the first page is read (or be frozen): see [`crate::visible::Visible::applied`].
    pub(crate) fn new(
        collection: CollectionPath,
        pin: Sequence,
        cursor: Option<Box<str>>,
        (changed_bytes_max, when_full): (usize, WhenFull),
    ) -> Exact {
        let changed = BTreeMap::new();
        Exact {
            collection,
            pin,
            cursor,
            changed,
            fed: pin,
            changed_bytes: 0,
            changed_bytes_max,
            when_full,
            horizon: None,
        }
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Goes on as of a later pin: what was read is the caller's to bring up to it.
    pub(crate) fn re_pin(&mut self, pin: Sequence) {
        debug_assert!(self.pin <= pin, "a pin moves on: {} to {pin}", self.pin);
        self.pin = pin;
        self.feed_again();
    }

    /// Nothing is known of what has changed since the pin.
    fn feed_again(&mut self) {
        self.fed = self.pin;
        self.changed.clear();
        self.changed_bytes = 0;
        self.horizon = None;
    }

    /// The next page, of `bytes_max` or one document; an empty one may be followed by others. On
    /// [`Overrun::Budget`] the read stands where it stood.
    pub(crate) fn page(
        &mut self,
        sources: &Sources,
        bytes_max: usize,
        permit: &Permit,
    ) -> Result<ExactPage, Overrun> {
        let Some(collection) = sources.collections.id(self.collection.as_str()) else {
            return Ok(ExactPage {
                documents: Vec::new(),
                read_through: None,
            });
        };
        let limit = ScanLimit {
            documents: PAGE_DOCUMENTS,
            bytes: bytes_max,
        };
        let scan = loop {
            let cursor = self.cursor.as_deref();
            let scan = sources.store.scan(collection, cursor, limit)?;
            if scan.end || !scan.entries.is_empty() {
                break scan;
            }
            // Everything that had filled the page was deleted while it was read.
        };
        let mut found = scan.entries;
        let mut read_through = if scan.end {
            None
        } else {
            found.last().map(|entry| entry_id(entry).into())
        };
        self.feed(sources, collection, permit)?;
        let narrowed = self.ends_before(read_through.as_deref());
        if let Some(horizon) = &narrowed {
            found.retain(|entry| entry_id(entry) < &**horizon);
            let last_changed = self.changed.last_key_value().map(|(id, _)| &**id);
            let last = found.last().map(entry_id).max(last_changed);
            // With neither, nothing is between where it stands and the horizon.
            read_through = last.or(self.cursor.as_deref()).map(Into::into);
        }
        let documents = self.merge(found, read_through.as_deref())?;
        self.cursor.clone_from(&read_through);
        if narrowed.is_some() {
            self.feed_again();
        }
        Ok(ExactPage {
            documents,
            read_through,
        })
    }

    /// The horizon, if a page through `read_through` would pass it.
    fn ends_before(&self, read_through: Option<&str>) -> Option<Box<str>> {
        let horizon = self.horizon.as_ref()?;
        let passes = read_through.is_none_or(|through| through >= &**horizon);
        passes.then(|| horizon.clone())
    }

    /// Brings `changed` up to everything that the page just read may show.
    fn feed(
        &mut self,
        sources: &Sources,
        collection: CollectionId,
        permit: &Permit,
    ) -> Result<(), Overrun> {
        let progress = sources.visible.progress();
        // A store that failed in the middle of a batch may show any of what was visible. The group
        // that was under way becomes visible after that: what was and the overlay go together.
        let (through, frozen) = if progress.frozen {
            sources.visible.of_collection(self.collection.as_str())
        } else {
            (progress.begun, Vec::new())
        };
        if through > self.fed {
            for commit in sources.commits(self.fed, through, Some(collection)) {
                let commit = commit?;
                permit.check()?;
                for change in &commit.changes {
                    if change.after.is_none() && sources.bugs.has(SeededBug::MissDeleted) {
                        continue;
                    }
                    self.note(change);
                }
                if self.changed_bytes > self.changed_bytes_max {
                    match self.when_full {
                        WhenFull::Stop => return Err(Overrun::Budget),
                        WhenFull::Narrow => self.narrow(),
                    }
                }
                self.fed = commit.seq;
            }
            self.fed = through;
        }
        self.note_frozen(frozen);
        Ok(())
    }

    /// Forgets the last of what has changed until the rest fits, one document at least.
    fn narrow(&mut self) {
        while self.changed_bytes > self.changed_bytes_max && self.changed.len() > 1 {
            let Some((id, document)) = self.changed.pop_last() else {
                return;
            };
            self.changed_bytes -= changed_bytes(&id, document.as_ref());
            self.horizon = Some(id);
        }
    }

    /// Whether a document is among those that are still to be read, and are heeded now.
    fn is_ahead(&self, id: &str) -> bool {
        let behind_cursor = self.cursor.as_deref().is_some_and(|cursor| id <= cursor);
        let beyond = self.horizon.as_deref().is_some_and(|horizon| id >= horizon);
        !behind_cursor && !beyond
    }

    fn note(&mut self, change: &DocumentChange) {
        let id = change.path.id();
        if self.is_ahead(id) && !self.changed.contains_key(id) {
            let mut before = document_before(change);
            // What is counted is what is kept, not the group that it was read with.
            if let Some(document) = &mut before {
                detach(&mut document.data);
            }
            self.changed_bytes += changed_bytes(id, before.as_ref());
            self.changed.insert(id.into(), before);
        }
    }

    /// What a frozen store may lack is in the overlay. What is newer than the pin there is noted
    /// already.
    fn note_frozen(&mut self, overlay: Vec<(DocumentPath, Pending)>) {
        for (path, pending) in overlay {
            if self.is_ahead(path.id()) && pending.seq <= self.pin {
                let document = pending.document.map(std::sync::Arc::unwrap_or_clone);
                if !self.changed.contains_key(path.id()) {
                    self.changed_bytes += changed_bytes(path.id(), document.as_ref());
                    self.changed.insert(path.id().into(), document);
                }
            }
        }
    }

    /// The page as of the pin: what was found, replaced by what `changed` knows better.
    fn merge(
        &mut self,
        found: Vec<Scanned>,
        through: Option<&str>,
    ) -> Result<Vec<Document>, ReadError> {
        let changed = self.take_changed(through);
        let mut documents = Vec::with_capacity(found.len());
        let mut changed = changed.into_iter().peekable();
        for entry in found {
            let id: Box<str> = entry_id(&entry).into();
            while let Some((_, document)) = changed.next_if(|(other, _)| *other < id) {
                documents.extend(document);
            }
            match (changed.next_if(|(other, _)| *other == id), entry) {
                (Some((_, document)), _) => documents.extend(document),
                (None, Scanned::Document(stored)) => {
                    debug_assert!(stored.version <= self.pin, "{id} is newer than the pin");
                    documents.push(document_of(self.collection.join(&id), stored));
                }
                // Replaced while it was read, and yet the log has no change of it since the pin.
                (None, Scanned::Overtaken(id)) => {
                    let path = self.collection.join(&id);
                    return Err(ReadError::Damaged { path });
                }
            }
        }
        documents.extend(changed.filter_map(|(_, document)| document));
        Ok(documents)
    }

    /// Takes out what is known of the documents up to `through`; of all, if `None`.
    fn take_changed(&mut self, through: Option<&str>) -> BTreeMap<Box<str>, Option<Document>> {
        let Some(through) = through else {
            self.changed_bytes = 0;
            return std::mem::take(&mut self.changed);
        };
        let range = (Bound::Excluded(through), Bound::Unbounded);
        let first_kept = self
            .changed
            .range::<str, _>(range)
            .next()
            .map(|(id, _)| id.clone());
        let kept = first_kept
            .map(|id| self.changed.split_off(&id))
            .unwrap_or_default();
        let taken = std::mem::replace(&mut self.changed, kept);
        self.changed_bytes -= taken
            .iter()
            .map(|(id, document)| changed_bytes(id, document.as_ref()))
            .sum::<usize>();
        taken
    }
}

pub(super) fn entry_id(entry: &Scanned) -> &str {
    match entry {
        Scanned::Document(document) => &document.id,
        Scanned::Overtaken(id) => id,
    }
}

/// About how many bytes an entry of `changed` takes.
fn changed_bytes(id: &str, document: Option<&Document>) -> usize {
    128 + id.len() + document.map_or(0, document_bytes)
}

/// About how many bytes a document takes.
pub(crate) fn document_bytes(document: &Document) -> usize {
    document.path.as_str().len() + document.data.as_bytes().len()
}
