//! The snapshot of a subscription: an exact read, page by page; and how it moves to a later pin
//! when more has changed meanwhile than fits into memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use wellspring_types::feed::{FeedMessage, View};
use wellspring_types::{CollectionPath, Document, DocumentPath, ResumeToken, Sequence, limits};

use super::view::show;
use crate::read::{Exact, Overrun, ReadError, Sources, document_bytes};
use crate::token::{Place, Scope, Sealer};
use crate::visible::document_after;

/// A snapshot being sent.
pub(super) struct Snapshot {
    exact: Exact,
    scope: Scope,
    collection: CollectionPath,
    view: Arc<View>,
    moving: Option<Moving>,
    /// A page was read since it was last moved.
    has_read: bool,
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
    /// A snapshot as of `pin` of what comes after the document `last_id`.
    pub(super) fn new(
        collection: CollectionPath,
        view: Arc<View>,
        (pin, last_id): (Sequence, Option<Box<str>>),
        changed_bytes_max: usize,
    ) -> Snapshot {
        let scope = Scope::of_snapshot(&collection, view.filter.as_ref());
        let exact = Exact::new(collection.clone(), pin, last_id, changed_bytes_max);
        Snapshot {
            exact,
            scope,
            collection,
            view,
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
        let page = match self.exact.page(sources, limits::PAGE_BYTES_MAX) {
            Ok(page) => page,
            Err(Overrun::Budget) => return Ok(Step::Overrun),
            Err(Overrun::Failed(error)) => return Err(error),
        };
        self.has_read = true;
        let documents = page.documents.into_iter();
        let documents = documents.filter_map(|document| show(&self.view, document));
        let messages = self.messages(documents, sealer);
        Ok(match page.read_through {
            Some(_) => Step::Messages(messages),
            None => Step::Done(messages),
        })
    }

    /// Documents in messages of a page's size: a page that was put right from the log may be
    /// larger than what the store was asked for.
    fn messages(
        &self,
        documents: impl Iterator<Item = Document>,
        sealer: &Sealer,
    ) -> Vec<FeedMessage> {
        let mut messages = Vec::new();
        let mut page: Vec<Document> = Vec::new();
        let mut bytes = 0;
        for document in documents {
            let document_bytes = document_bytes(&document);
            if bytes + document_bytes > limits::PAGE_BYTES_MAX && !page.is_empty() {
                messages.extend(self.message(std::mem::take(&mut page), sealer));
                bytes = 0;
            }
            bytes += document_bytes;
            page.push(document);
        }
        messages.extend(self.message(page, sealer));
        messages
    }

    fn message(&self, documents: Vec<Document>, sealer: &Sealer) -> Option<FeedMessage> {
        let last_id: Box<str> = documents.last()?.path.id().into();
        let token = self.token(self.exact.pin(), last_id, sealer);
        Some(FeedMessage::Snapshot {
            documents,
            removed: Vec::new(),
            token,
        })
    }

    fn token(&self, pin: Sequence, last_id: Box<str>, sealer: &Sealer) -> ResumeToken {
        let place = Place::InSnapshot {
            pin,
            scope: self.scope,
            last_id,
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
