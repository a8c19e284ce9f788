//! The versions of one document, from the newest to the oldest that is kept.
//!
//! Each change in the log says which version it found, so that versions are followed back one by
//! one, however much else is between them. Only where a document was absent is the log searched
//! for what was there before. That is bounded in time: a page then ends early, and its cursor
//! goes on where the search stood.

use wellspring_log::ReadError::BeforeOldest;
use wellspring_types::feed::Op;
use wellspring_types::history::{DocumentVersion, HistoryPage, HistoryQuery};
use wellspring_types::{CollectionId, Data, Document, DocumentPath, Sequence, limits};

use super::as_of::{change_at, change_of, document_before};
use super::permit::Permit;
use super::{ReadError, Sources, before};
use crate::commit::{Commit, DocumentChange, detach};
use crate::token::{Place, Scope, Sealer, TokenError};

/// Where a walk through the versions stands.
enum Walk {
    /// The next version is this one.
    At(Document),
    /// The document was absent just before this sequence, or it is not known what it was.
    Before(Sequence),
    /// There is nothing older.
    End(Oldest),
}

/// Whether there is, or may have been, something older than the oldest version found.
enum Oldest {
    First,
    NotKept,
}

/// A page of the versions of a document.
pub(crate) fn page(
    query: &HistoryQuery,
    sources: &Sources,
    sealer: &Sealer,
    permit: &Permit,
) -> Result<HistoryPage, ReadError> {
    if !(1..=limits::PAGE_DOCUMENTS_MAX).contains(&query.limit) {
        let reason = format!("limit is 1 to {}", limits::PAGE_DOCUMENTS_MAX);
        return Err(ReadError::InvalidQuery {
            reason: reason.into(),
        });
    }
    let cursor = query.cursor.as_deref();
    let seen = cursor.map(|cursor| seen_from(cursor, query, sealer));
    let seen = seen.transpose()?;
    let visible = sources.visible.sequence();
    if seen.is_some_and(|seen| seen > visible) {
        return Err(ReadError::CursorExpired);
    }
    let mut history = History {
        sources,
        path: &query.path,
        permit,
        limit: usize::try_from(query.limit).unwrap_or(usize::MAX),
        versions: Vec::new(),
        bytes: 0,
    };
    let Some(collection) = sources.collections.id(query.path.collection_str()) else {
        return Ok(history.page(visible, None, &Oldest::First));
    };
    let (walk, seq) = match seen {
        None => {
            let current = super::get(sources, &query.path)?;
            // It is as new as what was visible before, or newer.
            let version = current.as_ref().map_or(visible, |current| current.version);
            let absent = Walk::Before(visible.next());
            (current.map_or(absent, Walk::At), visible.max(version))
        }
        Some(seen) => (history.after(collection, seen)?, visible),
    };
    let (stands, oldest) = history.walk(collection, walk)?;
    let cursor = stands.map(|before| {
        let scope = Scope::of_history(&query.path);
        sealer.seal(&Place::InHistory { before, scope })
    });
    Ok(history.page(seq, cursor, &oldest))
}

/// The version that a cursor was given after, or where a search stood.
fn seen_from(cursor: &str, query: &HistoryQuery, sealer: &Sealer) -> Result<Sequence, ReadError> {
    let opened = sealer.open(cursor)?;
    let Place::InHistory { before, scope } = opened.place else {
        return Err(TokenError::WrongKind.into());
    };
    if scope != Scope::of_history(&query.path) {
        return Err(TokenError::OtherQuery.into());
    }
    if opened.epoch != sealer.epoch() {
        return Err(ReadError::CursorExpired);
    }
    Ok(before)
}

/// A page being filled.
struct History<'a> {
    sources: &'a Sources,
    path: &'a DocumentPath,
    permit: &'a Permit,
    limit: usize,
    versions: Vec<DocumentVersion>,
    bytes: usize,
}

impl History<'_> {
    fn page(self, seq: Sequence, cursor: Option<String>, oldest: &Oldest) -> HistoryPage {
        HistoryPage {
            versions: self.versions,
            seq,
            truncated: cursor.is_none() && matches!(oldest, Oldest::NotKept),
            cursor,
        }
    }

    /// The last sequence whose changes of the document are not offered any more.
    fn floor(&self) -> Sequence {
        self.sources.floor(self.path.collection_str())
    }

    /// Where to go on behind the version `seen`; or the place in the log, if that is none.
    fn after(&self, collection: CollectionId, seen: Sequence) -> Result<Walk, ReadError> {
        if seen <= self.floor() {
            return Ok(Walk::End(Oldest::NotKept));
        }
        Ok(match self.change_at(collection, seen)? {
            Some((_, change)) => behind(&change, seen),
            None => Walk::Before(seen),
        })
    }

    /// Takes versions until the page is full: then it returns the one that was taken last. Or until
    /// time is over: then, how far it came.
    fn walk(
        &mut self,
        collection: CollectionId,
        mut walk: Walk,
    ) -> Result<(Option<Sequence>, Oldest), ReadError> {
        loop {
            walk = match walk {
                Walk::End(oldest) => return Ok((None, oldest)),
                Walk::At(document) => {
                    let data = Some(&document.data);
                    if let Some(last) = self.full_behind(data) {
                        return Ok((Some(last), Oldest::First));
                    }
                    self.take(collection, document)?
                }
                Walk::Before(stands) => match self.search(collection, stands)? {
                    Searched::Nothing(oldest) => Walk::End(oldest),
                    Searched::StoppedAt(stopped) => return Ok((Some(stopped), Oldest::First)),
                    Searched::Found(commit, change) => {
                        if self.full_behind(change.after.as_ref()).is_some() {
                            // It is found again by a search from just behind it.
                            return Ok((Some(commit.seq.next()), Oldest::First));
                        }
                        self.push_change(&commit, &change);
                        behind(&change, commit.seq)
                    }
                },
            };
        }
    }

    /// Takes a version that is known, and says what was before it.
    fn take(&mut self, collection: CollectionId, document: Document) -> Result<Walk, ReadError> {
        let seq = document.version;
        let made = if seq > self.floor() {
            self.change_at(collection, seq)?
        } else {
            None
        };
        let Some((commit, change)) = made else {
            // What made it so is not kept any more, and nothing older.
            self.push(DocumentVersion {
                version: seq,
                time: document.updated_at,
                op: None,
                data: Some(document.data),
                actor: None,
                mutation_id: None,
            });
            return Ok(Walk::End(Oldest::NotKept));
        };
        self.push_change(&commit, &change);
        Ok(behind(&change, seq))
    }

    /// The change that a commit made; `None` as well if it has been dropped meanwhile.
    fn change_at(
        &self,
        collection: CollectionId,
        seq: Sequence,
    ) -> Result<Option<(Commit, DocumentChange)>, ReadError> {
        match change_at(self.sources, collection, self.path, seq) {
            Err(ReadError::Log(BeforeOldest { .. })) => Ok(None),
            found => found,
        }
    }

    /// Searches for the last change before `stands`.
    fn search(&self, collection: CollectionId, stands: Sequence) -> Result<Searched, ReadError> {
        let floor = self.floor();
        for commit in self
            .sources
            .commits_backwards(floor, before(stands), collection)
        {
            let commit = match commit {
                Err(ReadError::Log(BeforeOldest { .. })) => {
                    return Ok(Searched::Nothing(Oldest::NotKept));
                }
                commit => commit?,
            };
            let stood = commit.seq;
            if let Some((commit, change)) = change_of(commit, self.path) {
                return Ok(Searched::Found(commit, change));
            }
            match self.permit.check() {
                Err(ReadError::TooLong { .. }) => return Ok(Searched::StoppedAt(stood)),
                checked => checked?,
            }
        }
        Ok(Searched::Nothing(if floor == Sequence::ZERO {
            Oldest::First
        } else {
            Oldest::NotKept
        }))
    }

    /// If there is no room for another version, the one that was taken last.
    fn full_behind(&self, data: Option<&Data>) -> Option<Sequence> {
        let last = self.versions.last()?;
        let bytes = self.bytes + data.map_or(0, |data| data.as_bytes().len());
        let full = self.versions.len() >= self.limit || bytes > limits::PAGE_BYTES_MAX;
        // A page that has something may end whenever its time is over.
        let over = self.permit.check().is_err();
        (full || over).then_some(last.version)
    }

    fn push_change(&mut self, commit: &Commit, change: &DocumentChange) {
        let op = match (&change.before, &change.after) {
            (_, None) => Op::Delete,
            (None, Some(_)) => Op::Insert,
            (Some(_), Some(_)) => Op::Update,
        };
        self.push(DocumentVersion {
            version: commit.seq,
            time: commit.time,
            op: Some(op),
            data: change.after.clone(),
            actor: commit.principal.clone(),
            mutation_id: commit.mutation.as_ref().map(|mutation| mutation.id.clone()),
        });
    }

    fn push(&mut self, mut version: DocumentVersion) {
        if let Some(data) = &mut version.data {
            detach(data);
            self.bytes += data.as_bytes().len();
        }
        self.versions.push(version);
    }
}

/// What a search came to.
enum Searched {
    Found(Commit, DocumentChange),
    Nothing(Oldest),
    /// Time is over: nothing is from here on.
    StoppedAt(Sequence),
}

/// What was there before a change.
fn behind(change: &DocumentChange, seq: Sequence) -> Walk {
    document_before(change).map_or(Walk::Before(seq), Walk::At)
}
