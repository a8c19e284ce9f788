//! The collections of a snapshot, read one after the other in the order of their paths.

use std::collections::VecDeque;

use wellspring_types::{CollectionPath, CollectionSet, DocumentPath};

use crate::collections::Collections;

/// How far a snapshot has come: everything of the collections before this one is read, and of it
/// what is up to and with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) struct Cursor {
    collection: CollectionPath,
    /// `None`: nothing of it.
    id: Option<Box<str>>,
}

impl Cursor {
    /// Reads what [`Members::cursor_text`] wrote for a subscription to the same set.
    pub(in crate::feed) fn read(set: &CollectionSet, text: &str) -> Option<Cursor> {
        if let Some(only) = set.only() {
            let (collection, id) = (only.clone(), Some(text.into()));
            return Some(Cursor { collection, id });
        }
        if let Ok(path) = DocumentPath::from_stored(text) {
            let (collection, id) = (path.collection(), Some(path.id().into()));
            return Some(Cursor { collection, id });
        }
        let collection = CollectionPath::from_stored(text).ok()?;
        let id = None;
        Some(Cursor { collection, id })
    }
}

/// The collections that a snapshot has to read.
pub(in crate::feed) struct Members {
    set: CollectionSet,
    /// The one that is being read; `None` once all are.
    current: Option<CollectionPath>,
    /// Those that come later.
    ahead: VecDeque<CollectionPath>,
    /// Of the first, everything up to and with this document is read already.
    first_id: Option<Box<str>>,
    /// Whether anything was read, or counts as read.
    begun: bool,
}

impl Members {
    /// Those of the set that were written to, from `after` on. The snapshot's pin must have been
    /// visible before: collections that are not known yet are empty at it.
    pub(in crate::feed) fn new(
        set: CollectionSet,
        known: &Collections,
        after: Option<Cursor>,
    ) -> Members {
        let mut members = Members {
            set,
            current: None,
            ahead: VecDeque::new(),
            first_id: None,
            begun: after.is_some(),
        };
        match after {
            None => {
                members.refresh(known);
                members.current = members.ahead.pop_front();
            }
            Some(Cursor { collection, id }) => {
                members.first_id = id;
                members.current = Some(collection);
                members.refresh(known);
            }
        }
        members
    }

    /// Looks again which collections come later.
    pub(super) fn refresh(&mut self, known: &Collections) {
        let mut all = known.of_set(&self.set);
        if let Some(current) = &self.current {
            all.retain(|member| member > current);
        }
        self.ahead = all.into();
    }

    pub(super) fn set(&self) -> &CollectionSet {
        &self.set
    }

    pub(super) fn current(&self) -> Option<&CollectionPath> {
        self.current.as_ref()
    }

    /// Where reading begins in the first collection.
    pub(super) fn take_first_id(&mut self) -> Option<Box<str>> {
        self.first_id.take()
    }

    /// Everything of the current collection is read: on to the next.
    pub(super) fn advance(&mut self) {
        self.begun |= self.current.is_some();
        self.current = self.ahead.pop_front();
    }

    /// Whether a collection was read, or the snapshot did not begin with the first.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// Whether a document was read already, where of the current collection everything up to and
    /// with `id` was.
    pub(super) fn is_behind(&self, path: &DocumentPath, id: Option<&str>) -> bool {
        let Some(current) = &self.current else {
            return self.set.contains(&path.collection());
        };
        match path.collection_str().cmp(current.as_str()) {
            std::cmp::Ordering::Less => self.set.contains(&path.collection()),
            std::cmp::Ordering::Equal => id.is_some_and(|id| path.id() <= id),
            std::cmp::Ordering::Greater => false,
        }
    }

    /// A cursor behind a document, as text for a token.
    pub(super) fn cursor_text(&self, path: &DocumentPath) -> Box<str> {
        match self.set.only() {
            Some(_) => path.id().into(),
            None => path.as_str().into(),
        }
    }

    /// The same for what was read up to now, where of the current collection everything up to and
    /// with `id` was.
    pub(super) fn cursor_text_at(&self, id: Option<&str>) -> Option<Box<str>> {
        let current = self.current.as_ref()?;
        match (self.set.only(), id) {
            (Some(_), id) => id.map(Into::into),
            (None, Some(id)) => Some(current.join(id).as_str().into()),
            (None, None) => Some(current.as_str().into()),
        }
    }
}
