//! Bytes to records. Total: whatever the bytes, it ends with a record or an error, and what it
//! allocates is bounded by a small multiple of the bytes that are there.

use std::ops::Range;

use bytes::Bytes;
use wellspring_types::{CollectionId, CollectionPath, Sequence, Timestamp};

use super::{Before, ChangeRecord, CommitRecord, Mutation, change_flags, commit_flags};
use crate::error::Malformed;
use crate::varint;

/// Fewest bytes of a change: flags, collection, an id's length, a time, a document's length.
pub(super) const CHANGE_BYTES_MIN: usize = 5;
/// Fewest bytes of a newly numbered collection: its number, its path's length.
pub(super) const COLLECTION_BYTES_MIN: usize = 2;

/// What is wrong, and how far into the group's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) what: Malformed,
}

/// A place in a group's body.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The end of what may be read: of the body, or of one record in it.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor {
            bytes,
            at,
            end: bytes.len(),
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    fn fault(&self, what: Malformed) -> Fault {
        Fault { at: self.at, what }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        let range = self.range(1)?;
        Ok(self.bytes[range.start])
    }

    pub(crate) fn number(&mut self) -> Result<u64, Fault> {
        let rest = &self.bytes[self.at..self.end];
        let Some((value, taken)) = varint::take(rest) else {
            let what = if rest.len() < 10 {
                Malformed::CutShort
            } else {
                Malformed::Number
            };
            return Err(self.fault(what));
        };
        self.at += taken;
        Ok(value)
    }

    pub(crate) fn range(&mut self, bytes: usize) -> Result<Range<usize>, Fault> {
        if bytes > self.end - self.at {
            return Err(self.fault(Malformed::CutShort));
        }
        let start = self.at;
        self.at += bytes;
        Ok(start..self.at)
    }

    pub(crate) fn blob(&mut self) -> Result<Range<usize>, Fault> {
        let before = self.at;
        let length = self.number()?;
        // A length that does not even fit a usize reaches beyond the end all the more.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.range(length).map_err(|fault| Fault {
            at: before,
            ..fault
        })
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Fault> {
        let range = self.blob()?;
        std::str::from_utf8(&self.bytes[range.clone()]).map_err(|_position| Fault {
            at: range.start,
            what: Malformed::NotUtf8,
        })
    }

    /// Where the text is that comes next.
    fn text_place(&mut self) -> Result<Range<usize>, Fault> {
        let bytes = self.text()?.len();
        Ok(self.at - bytes..self.at)
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Fault> {
        let before = self.at;
        let millis = self.number()?;
        if millis > Timestamp::MAX.as_millis() {
            return Err(Fault {
                at: before,
                what: Malformed::Number,
            });
        }
        Ok(Timestamp::from_millis(millis))
    }

    pub(crate) fn collection(&mut self) -> Result<CollectionId, Fault> {
        let before = self.at;
        let number = self.number()?;
        u32::try_from(number)
            .map(CollectionId)
            .map_err(|_too_large| Fault {
                at: before,
                what: Malformed::Number,
            })
    }

    /// How many of something follow that each take at least `bytes_min`.
    pub(crate) fn count(&mut self, bytes_min: usize) -> Result<usize, Fault> {
        let before = self.at;
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > (self.end - self.at) / bytes_min {
            return Err(Fault {
                at: before,
                what: Malformed::CutShort,
            });
        }
        Ok(count)
    }

    pub(crate) fn flags(&mut self, known: u8) -> Result<u8, Fault> {
        let before = self.at;
        let flags = self.byte()?;
        if flags & !known != 0 {
            return Err(Fault {
                at: before,
                what: Malformed::Flags { flags },
            });
        }
        Ok(flags)
    }

    /// Steps into the record that begins here, and returns where it ends.
    pub(super) fn enter(&mut self) -> Result<usize, Fault> {
        let range = self.blob()?;
        self.at = range.start;
        self.end = range.end;
        Ok(range.end)
    }

    /// Steps out of a record, to its end, without reading the rest of it.
    pub(super) fn pass(&mut self, end: usize) -> Result<(), Fault> {
        self.at = end;
        self.leave()
    }

    /// Steps out of a record that was read to its end.
    pub(super) fn leave(&mut self) -> Result<(), Fault> {
        if self.at != self.end {
            return Err(self.fault(Malformed::LeftOver));
        }
        self.end = self.bytes.len();
        Ok(())
    }
}

/// What a commit's record begins with.
pub(super) struct Head {
    pub(super) sequence: Sequence,
    position: u64,
    pub(super) time: Timestamp,
    /// Text, as the name of the mutation is.
    pub(super) principal: Option<Range<usize>>,
    /// Its name and its digest.
    pub(super) mutation: Option<(Range<usize>, Range<usize>)>,
}

pub(super) fn head(cursor: &mut Cursor<'_>) -> Result<Head, Fault> {
    let sequence = cursor.number()?;
    let code = cursor.number()?;
    let distance = (code >> 1) ^ (code & 1).wrapping_neg();
    let time = cursor.time()?;
    let flags = cursor.flags(commit_flags::PRINCIPAL | commit_flags::MUTATION)?;
    let principal = if flags & commit_flags::PRINCIPAL != 0 {
        Some(cursor.text_place()?)
    } else {
        None
    };
    let mutation = if flags & commit_flags::MUTATION != 0 {
        Some((cursor.text_place()?, cursor.range(32)?))
    } else {
        None
    };
    let position = sequence.wrapping_add(distance);
    Ok(Head {
        sequence: Sequence(sequence),
        position,
        time,
        principal,
        mutation,
    })
}

/// A change whose documents are still where they are.
pub(super) struct Change<'a> {
    pub(super) collection: CollectionId,
    pub(super) id: &'a str,
    created_at: Timestamp,
    pub(super) before: Option<(Sequence, Timestamp, Range<usize>)>,
    pub(super) after: Option<Range<usize>>,
}

pub(super) fn change<'a>(cursor: &mut Cursor<'a>) -> Result<Change<'a>, Fault> {
    let at = cursor.at;
    let flags = cursor.flags(change_flags::BEFORE | change_flags::AFTER)?;
    if flags == 0 {
        return Err(Fault {
            at,
            what: Malformed::Flags { flags },
        });
    }
    let collection = cursor.collection()?;
    let id = cursor.text()?;
    let created_at = cursor.time()?;
    let before = if flags & change_flags::BEFORE != 0 {
        Some((Sequence(cursor.number()?), cursor.time()?, cursor.blob()?))
    } else {
        None
    };
    let after = if flags & change_flags::AFTER != 0 {
        Some(cursor.blob()?)
    } else {
        None
    };
    Ok(Change {
        collection,
        id,
        created_at,
        before,
        after,
    })
}

/// Sequence and time of the record at `cursor`, which it leaves behind the record. Calls `touch`
/// with the collection of each change.
pub(crate) fn skim_commit(
    cursor: &mut Cursor<'_>,
    mut touch: impl FnMut(CollectionId),
) -> Result<(Sequence, Timestamp), Fault> {
    cursor.enter()?;
    let head = head(cursor)?;
    for _ in 0..cursor.count(COLLECTION_BYTES_MIN)? {
        cursor.collection()?;
        let at = cursor.at;
        path(cursor.text()?, at)?;
    }
    for _ in 0..cursor.count(CHANGE_BYTES_MIN)? {
        touch(change(cursor)?.collection);
    }
    cursor.leave()?;
    Ok((head.sequence, head.time))
}

pub(crate) fn path(text: &str, at: usize) -> Result<CollectionPath, Fault> {
    CollectionPath::from_stored(text).map_err(|_reason| Fault {
        at,
        what: Malformed::Path,
    })
}

/// Which records and changes are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) from: Sequence,
    pub(crate) collection: Option<CollectionId>,
}

/// The record at `cursor`, a place in `body`, which is left behind the record. `None` if it is
/// before `wanted.from` or has no change in the collection that is wanted.
pub(crate) fn read_commit(
    cursor: &mut Cursor<'_>,
    body: &Bytes,
    wanted: Wanted,
) -> Result<Option<CommitRecord>, Fault> {
    let end = cursor.enter()?;
    let head = head(cursor)?;
    if head.sequence < wanted.from {
        cursor.pass(end)?;
        return Ok(None);
    }
    let count = cursor.count(COLLECTION_BYTES_MIN)?;
    let mut collections = Vec::with_capacity(count);
    for _ in 0..count {
        let id = cursor.collection()?;
        let at = cursor.at;
        collections.push((id, path(cursor.text()?, at)?));
    }
    let changes = changes(cursor, body, wanted.collection)?;
    cursor.leave()?;
    if wanted.collection.is_some() && changes.is_empty() {
        return Ok(None);
    }
    let mutation = head.mutation.map(|(id, digest)| {
        let mut copy = [0; 32];
        copy.copy_from_slice(&body[digest]);
        Mutation {
            id: text_of(body, id).into(),
            digest: copy,
        }
    });
    Ok(Some(CommitRecord {
        sequence: head.sequence,
        position: head.position,
        time: head.time,
        principal: head.principal.map(|place| text_of(body, place).into()),
        mutation,
        collections,
        changes,
    }))
}

/// The text at a place where text was found.
pub(super) fn text_of(body: &[u8], place: Range<usize>) -> &str {
    std::str::from_utf8(&body[place]).unwrap_or_default()
}

fn changes(
    cursor: &mut Cursor<'_>,
    body: &Bytes,
    collection: Option<CollectionId>,
) -> Result<Vec<ChangeRecord>, Fault> {
    let count = cursor.count(CHANGE_BYTES_MIN)?;
    // With one collection wanted there may be few of many: room is made as they come.
    let mut changes = Vec::with_capacity(if collection.is_none() { count } else { 0 });
    for _ in 0..count {
        let change = change(cursor)?;
        if collection.is_some_and(|wanted| wanted != change.collection) {
            continue;
        }
        changes.push(ChangeRecord {
            collection: change.collection,
            id: change.id.into(),
            created_at: change.created_at,
            before: change.before.map(|(version, updated_at, data)| Before {
                version,
                updated_at,
                data: body.slice(data),
            }),
            after: change.after.map(|data| body.slice(data)),
        });
    }
    Ok(changes)
}
