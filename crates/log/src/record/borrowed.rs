//! Records that are read where they lie: for who is done with one before the next.

use std::ops::Range;

use wellspring_types::{CollectionId, Sequence, Timestamp};

use super::decode::{
    CHANGE_BYTES_MIN, COLLECTION_BYTES_MIN, Cursor, Fault, Wanted, change, head, path, text_of,
};

/// A commit's record, borrowed from the group that it is in.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Its place in the order.
    pub sequence: Sequence,
    /// Its time.
    pub time: Timestamp,
    /// Who committed it; `None` without authentication.
    pub principal: Option<&'a str>,
    /// The committing client's name for it.
    pub mutation_id: Option<&'a str>,
    changes: ChangeRefs<'a>,
}

impl<'a> RecordRef<'a> {
    /// What it changed, in its order; where a collection was asked for, of that.
    #[must_use]
    pub fn changes(&self) -> ChangeRefs<'a> {
        self.changes
    }
}

/// The change of one document, borrowed like its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRef<'a> {
    /// The document's collection.
    pub collection: CollectionId,
    /// The document's id in its collection.
    pub id: &'a str,
    /// The document's data before; `None`: it was absent.
    pub before: Option<&'a [u8]>,
    /// The document's data after; `None`: it was deleted.
    pub after: Option<&'a [u8]>,
}

/// The changes of a commit, decoded as they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct ChangeRefs<'a> {
    body: &'a [u8],
    at: usize,
    left: usize,
    collection: Option<CollectionId>,
}

impl<'a> Iterator for ChangeRefs<'a> {
    type Item = ChangeRef<'a>;

    fn next(&mut self) -> Option<ChangeRef<'a>> {
        while self.left > 0 {
            self.left -= 1;
            let mut cursor = Cursor::new(self.body, self.at);
            // Each was read before, when the record was found.
            let change = change(&mut cursor).ok()?;
            self.at = cursor.at();
            if self.collection.is_none_or(|only| only == change.collection) {
                let before = change.before.map(|(_version, _time, data)| data);
                return Some(ChangeRef {
                    collection: change.collection,
                    id: change.id,
                    before: before.map(|data| &self.body[data]),
                    after: change.after.map(|data| &self.body[data]),
                });
            }
        }
        None
    }
}

/// Where the parts of a record are in a group's body, all of which was read and is well-formed.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) sequence: Sequence,
    time: Timestamp,
    principal: Option<Range<usize>>,
    mutation_id: Option<Range<usize>>,
    /// Where the changes begin, and how many there are.
    changes: (usize, usize),
    collection: Option<CollectionId>,
}

impl Found {
    /// The record, in the body that it was found in.
    pub(crate) fn of<'a>(&self, body: &'a [u8]) -> RecordRef<'a> {
        let text = |place: &Option<Range<usize>>| {
            let place = place.clone()?;
            Some(text_of(body, place))
        };
        let (at, left) = self.changes;
        RecordRef {
            sequence: self.sequence,
            time: self.time,
            principal: text(&self.principal),
            mutation_id: text(&self.mutation_id),
            changes: ChangeRefs {
                body,
                at,
                left,
                collection: self.collection,
            },
        }
    }
}

/// The place of the record at `cursor`, as [`read_commit`](super::read_commit) would read it.
pub(crate) fn find_commit(cursor: &mut Cursor<'_>, wanted: Wanted) -> Result<Option<Found>, Fault> {
    let end = cursor.enter()?;
    let head = head(cursor)?;
    if head.sequence < wanted.from {
        cursor.pass(end)?;
        return Ok(None);
    }
    for _ in 0..cursor.count(COLLECTION_BYTES_MIN)? {
        cursor.collection()?;
        let at = cursor.at();
        path(cursor.text()?, at)?;
    }
    let count = cursor.count(CHANGE_BYTES_MIN)?;
    let changes = (cursor.at(), count);
    let mut is_wanted = wanted.collection.is_none();
    for _ in 0..count {
        let change = change(cursor)?;
        is_wanted |= wanted.collection == Some(change.collection);
    }
    cursor.leave()?;
    Ok(is_wanted.then(|| Found {
        sequence: head.sequence,
        time: head.time,
        principal: head.principal,
        mutation_id: head.mutation.map(|(id, _digest)| id),
        changes,
        collection: wanted.collection,
    }))
}
