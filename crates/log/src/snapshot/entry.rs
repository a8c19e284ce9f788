//! The entries of a snapshot's files, and their bytes (drawn in `docs/format.md`).

use bytes::Bytes;
use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::error::Malformed;
use crate::record::{Cursor, Fault, write_blob};
use crate::varint;

/// A document as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotDocument {
    /// Its collection.
    pub collection: CollectionId,
    /// Its id in the collection.
    pub id: Box<str>,
    /// Sequence of the commit that last wrote it.
    pub version: Sequence,
    /// Time of the commit that inserted it.
    pub created_at: Timestamp,
    /// Time of the commit that last wrote it.
    pub updated_at: Timestamp,
    /// Its data.
    pub data: Bytes,
}

/// A commit's result as it is remembered under the name that its client gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMutation {
    /// Who committed it; `None` without authentication.
    pub principal: Option<Box<str>>,
    /// The client's name for it.
    pub id: Box<str>,
    /// Its place among all such names of the history, from 1.
    pub ordinal: u64,
    /// SHA-256 of the command.
    pub digest: [u8; 32],
    /// The commit's sequence.
    pub sequence: Sequence,
    /// The commit's time.
    pub time: Timestamp,
    /// The documents that it changed, in the order of its record.
    pub paths: Vec<(CollectionId, Box<str>)>,
}

/// What the log says of a document, merged up to some commit: what a sorted run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Latest {
    pub(super) collection: CollectionId,
    pub(super) id: Box<str>,
    /// `None`: it was deleted.
    pub(super) content: Option<Content>,
}

/// A document but for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) version: Sequence,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) data: Bytes,
}

/// What stands in the blocks of a file, one after the other.
pub(crate) trait Entry: Sized {
    fn write(&self, buffer: &mut Vec<u8>);
    /// The entry at `cursor`, a place in `block`.
    fn read(cursor: &mut Cursor<'_>, block: &Bytes) -> Result<Self, Fault>;
    /// Whether it may stand behind `before`.
    fn follows(&self, before: &Self) -> bool;
}

const DELETED: u8 = 0;
const PRESENT: u8 = 1;

/// Flag of a mutation id: it has a principal.
const PRINCIPAL: u8 = 1;

/// Fewest bytes of a path of a mutation id: a collection and an id's length.
const PATH_BYTES_MIN: usize = 2;

impl Content {
    fn write(&self, buffer: &mut Vec<u8>) {
        varint::put(buffer, self.version.0);
        varint::put(buffer, self.created_at.as_millis());
        varint::put(buffer, self.updated_at.as_millis());
        write_blob(buffer, &self.data);
    }

    fn read(cursor: &mut Cursor<'_>, block: &Bytes) -> Result<Content, Fault> {
        Ok(Content {
            version: Sequence(cursor.number()?),
            created_at: cursor.time()?,
            updated_at: cursor.time()?,
            data: block.slice(cursor.blob()?),
        })
    }
}

impl Latest {
    pub(super) fn key(&self) -> (CollectionId, &str) {
        (self.collection, &self.id)
    }

    pub(super) fn into_document(self) -> Option<SnapshotDocument> {
        let Content {
            version,
            created_at,
            updated_at,
            data,
        } = self.content?;
        Some(SnapshotDocument {
            collection: self.collection,
            id: self.id,
            version,
            created_at,
            updated_at,
            data,
        })
    }
}

impl Entry for Latest {
    fn write(&self, buffer: &mut Vec<u8>) {
        buffer.push(if self.content.is_some() {
            PRESENT
        } else {
            DELETED
        });
        write_key(buffer, self.collection, &self.id);
        if let Some(content) = &self.content {
            content.write(buffer);
        }
    }

    fn read(cursor: &mut Cursor<'_>, block: &Bytes) -> Result<Latest, Fault> {
        let flags = cursor.flags(PRESENT)?;
        let (collection, id) = read_key(cursor)?;
        let content = match flags {
            PRESENT => Some(Content::read(cursor, block)?),
            _ => None,
        };
        Ok(Latest {
            collection,
            id,
            content,
        })
    }

    fn follows(&self, before: &Latest) -> bool {
        before.key() < self.key()
    }
}

impl SnapshotDocument {
    pub(super) fn key(&self) -> (CollectionId, &str) {
        (self.collection, &self.id)
    }

    pub(super) fn into_latest(self) -> Latest {
        Latest {
            collection: self.collection,
            id: self.id,
            content: Some(Content {
                version: self.version,
                created_at: self.created_at,
                updated_at: self.updated_at,
                data: self.data,
            }),
        }
    }
}

impl Entry for SnapshotDocument {
    fn write(&self, buffer: &mut Vec<u8>) {
        write_key(buffer, self.collection, &self.id);
        let content = Content {
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            data: self.data.clone(),
        };
        content.write(buffer);
    }

    fn read(cursor: &mut Cursor<'_>, block: &Bytes) -> Result<SnapshotDocument, Fault> {
        let (collection, id) = read_key(cursor)?;
        let Content {
            version,
            created_at,
            updated_at,
            data,
        } = Content::read(cursor, block)?;
        Ok(SnapshotDocument {
            collection,
            id,
            version,
            created_at,
            updated_at,
            data,
        })
    }

    fn follows(&self, before: &SnapshotDocument) -> bool {
        before.key() < self.key()
    }
}

impl Entry for SnapshotMutation {
    fn write(&self, buffer: &mut Vec<u8>) {
        buffer.push(self.principal.as_ref().map_or(0, |_| PRINCIPAL));
        if let Some(principal) = &self.principal {
            write_blob(buffer, principal.as_bytes());
        }
        write_blob(buffer, self.id.as_bytes());
        varint::put(buffer, self.ordinal);
        buffer.extend_from_slice(&self.digest);
        varint::put(buffer, self.sequence.0);
        varint::put(buffer, self.time.as_millis());
        varint::put(buffer, self.paths.len() as u64);
        for (collection, id) in &self.paths {
            write_key(buffer, *collection, id);
        }
    }

    fn read(cursor: &mut Cursor<'_>, block: &Bytes) -> Result<SnapshotMutation, Fault> {
        let principal = match cursor.flags(PRINCIPAL)? {
            PRINCIPAL => Some(cursor.text()?.into()),
            _ => None,
        };
        let id = cursor.text()?.into();
        let ordinal = cursor.number()?;
        let at = cursor.range(32)?;
        let mut digest = [0; 32];
        digest.copy_from_slice(&block[at]);
        let sequence = Sequence(cursor.number()?);
        let time = cursor.time()?;
        let count = cursor.count(PATH_BYTES_MIN)?;
        let mut paths = Vec::with_capacity(count);
        for _ in 0..count {
            paths.push(read_key(cursor)?);
        }
        Ok(SnapshotMutation {
            principal,
            id,
            ordinal,
            digest,
            sequence,
            time,
            paths,
        })
    }

    fn follows(&self, before: &SnapshotMutation) -> bool {
        before.ordinal < self.ordinal && before.sequence < self.sequence
    }
}

pub(super) fn write_key(buffer: &mut Vec<u8>, collection: CollectionId, id: &str) {
    varint::put(buffer, u64::from(collection.0));
    write_blob(buffer, id.as_bytes());
}

pub(super) fn read_key(cursor: &mut Cursor<'_>) -> Result<(CollectionId, Box<str>), Fault> {
    Ok((cursor.collection()?, cursor.text()?.into()))
}

/// Whether everything was read.
pub(super) fn at_end(cursor: &Cursor<'_>) -> Result<(), Fault> {
    if cursor.is_at_end() {
        return Ok(());
    }
    Err(Fault {
        at: cursor.at(),
        what: Malformed::LeftOver,
    })
}
