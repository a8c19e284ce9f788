//! The manifest: what a snapshot is of, and which files it consists of.

use std::path::Path;

use wellspring_types::{CollectionId, CollectionPath, Epoch, Sequence, Timestamp};

use super::block::{FORMAT, Header, Identity, Kind, Written, damage_at};
use super::entry::{at_end, read_key, write_key};
use crate::error::{Malformed, SnapshotError, SnapshotFault};
use crate::group::{u32_at, u64_at};
use crate::record::{Cursor, Fault, path, write_blob};
use crate::varint;

pub(super) const NAME: &str = "manifest";

const MAGIC: [u8; 8] = *b"\xf9WSPMAN\n";
const HEADER_BYTES: usize = 80;
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// Fewest bytes of a collection: its number, its path's length.
const COLLECTION_BYTES_MIN: usize = 2;
/// Fewest bytes of a file: its number, length, entries and checksum, and two keys.
const FILE_BYTES_MIN: usize = 7;

/// What is true of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) identity: Identity,
    /// Of the commit that the snapshot is of: its place in what ordered it, and its time.
    pub(super) position: u64,
    pub(super) time: Timestamp,
    /// Version of the pipeline that made the state of the log.
    pub(super) pipeline: u32,
    /// Ordinal of the newest mutation id of the history.
    pub(super) newest_mutation: u64,
    /// Ascending.
    pub(super) collections: Vec<(CollectionId, CollectionPath)>,
    pub(super) mutations: Written,
    /// Ascending, by number and by keys.
    pub(super) documents: Vec<KeyRange>,
}

/// A file of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) written: Written,
    pub(super) first: (CollectionId, Box<str>),
    pub(super) last: (CollectionId, Box<str>),
}

pub(super) const MUTATIONS: &str = "mutations";

/// The name of the file of documents with this number.
pub(super) fn documents_name(number: u32) -> String {
    format!("documents-{number:08}")
}

/// The number of the file of documents at this place of the manifest.
pub(super) fn documents_number(place: usize) -> u32 {
    u32::try_from(place + 1).unwrap_or(u32::MAX)
}

impl Manifest {
    pub(super) fn mutations_header(&self) -> Header {
        Header {
            kind: Kind::Mutations,
            number: 0,
            snapshot: self.identity,
        }
    }

    pub(super) fn documents_header(&self, number: u32) -> Header {
        Header {
            kind: Kind::Documents,
            number,
            snapshot: self.identity,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        varint::put(&mut bytes, self.collections.len() as u64);
        for (id, path) in &self.collections {
            varint::put(&mut bytes, u64::from(id.0));
            write_blob(&mut bytes, path.as_str().as_bytes());
        }
        write_written(&mut bytes, self.mutations);
        varint::put(&mut bytes, self.documents.len() as u64);
        for file in &self.documents {
            write_written(&mut bytes, file.written);
            write_key(&mut bytes, file.first.0, &file.first.1);
            write_key(&mut bytes, file.last.0, &file.last.1);
        }
        let body_checksum = crc32c::crc32c(&bytes[HEADER_BYTES..]);
        let Identity {
            salt,
            epoch,
            sequence,
        } = self.identity;
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&epoch.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&salt);
        bytes[24..32].copy_from_slice(&sequence.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.position.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.time.as_millis().to_le_bytes());
        bytes[48..52].copy_from_slice(&self.pipeline.to_le_bytes());
        bytes[52..56].copy_from_slice(&body_checksum.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.newest_mutation.to_le_bytes());
        // 64..76: room; zero in this format.
        let checksum = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The manifest that `bytes` of the file at `file` are, of the snapshot of `named`.
    pub(super) fn decode(
        bytes: &[u8],
        file: &Path,
        (epoch, named): (Epoch, Sequence),
    ) -> Result<Manifest, SnapshotError> {
        let damaged = |offset, what| damage_at(file.to_path_buf(), offset, what);
        let header = bytes
            .get(..HEADER_BYTES)
            .filter(|header| header.starts_with(&MAGIC))
            .filter(|header| {
                u32_at(header, CHECKED_BYTES) == crc32c::crc32c(&header[..CHECKED_BYTES])
            })
            .ok_or_else(|| damaged(0, SnapshotFault::Manifest))?;
        let found = u32_at(header, 8);
        // Whatever a later format puts into its room, an earlier release must not read past it.
        if found > FORMAT || header[64..CHECKED_BYTES].iter().any(|&byte| byte != 0) {
            return Err(SnapshotError::NewerFormat {
                file: file.to_path_buf(),
                found,
                known: FORMAT,
            });
        }
        let identity = identity(header);
        if identity.epoch != epoch {
            return Err(SnapshotError::WrongEpoch {
                file: file.to_path_buf(),
                found: identity.epoch,
                expected: epoch,
            });
        }
        if identity.sequence != named {
            let found = identity.sequence;
            return Err(damaged(24, SnapshotFault::Name { found }));
        }
        if u32_at(header, 52) != crc32c::crc32c(&bytes[HEADER_BYTES..]) {
            return Err(damaged(HEADER_BYTES as u64, SnapshotFault::Manifest));
        }
        let mut manifest = Manifest {
            identity,
            position: u64_at(header, 32),
            time: Timestamp::from_millis(u64_at(header, 40)),
            pipeline: u32_at(header, 48),
            newest_mutation: u64_at(header, 56),
            collections: Vec::new(),
            mutations: Written::default(),
            documents: Vec::new(),
        };
        manifest
            .decode_body(&mut Cursor::new(bytes, HEADER_BYTES))
            .map_err(|fault| damaged(fault.at as u64, SnapshotFault::Entry(fault.what)))?;
        Ok(manifest)
    }

    fn decode_body(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        for _ in 0..cursor.count(COLLECTION_BYTES_MIN)? {
            let id = cursor.collection()?;
            let at = cursor.at();
            self.collections.push((id, path(cursor.text()?, at)?));
        }
        self.mutations = read_written(cursor)?;
        for _ in 0..cursor.count(FILE_BYTES_MIN)? {
            self.documents.push(KeyRange {
                written: read_written(cursor)?,
                first: read_key(cursor)?,
                last: read_key(cursor)?,
            });
        }
        at_end(cursor)
    }
}

/// What the header, whose checksum is right, says of whose manifest it is.
fn identity(header: &[u8]) -> Identity {
    let mut salt = [0; 8];
    salt.copy_from_slice(&header[16..24]);
    Identity {
        salt,
        epoch: Epoch(u32_at(header, 12)),
        sequence: Sequence(u64_at(header, 24)),
    }
}

fn write_written(buffer: &mut Vec<u8>, written: Written) {
    varint::put(buffer, written.bytes);
    varint::put(buffer, written.entries);
    varint::put(buffer, u64::from(written.checksum));
}

fn read_written(cursor: &mut Cursor<'_>) -> Result<Written, Fault> {
    let (bytes, entries) = (cursor.number()?, cursor.number()?);
    let at = cursor.at();
    let checksum = u32::try_from(cursor.number()?).map_err(|_too_large| Fault {
        at,
        what: Malformed::Number,
    })?;
    Ok(Written {
        bytes,
        entries,
        checksum,
    })
}
