//! The digest by which a store is compared with what was applied to it.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use wellspring_types::{CollectionId, CollectionPath, Sequence};

use crate::{Batch, StoreChange};

/// Sum modulo 2^128 of one hash for each entry. A sum does not depend on the order of its terms
/// and each can be taken out again, so a change costs two hashes, not a scan.
///
/// An entry's hash is the first 16 bytes, as a big-endian number, of SHA-256 over, numbers
/// big-endian: for a document `d`, collection (4 bytes), version (8), CRC32C of the data (4), id;
/// for a collection `n`, its number (4), its path; for a remembered mutation `o`, its ordinal (8),
/// CRC32C of its payload (4), its key.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(u128);

impl Digest {
    pub(crate) fn from_bits(bits: u128) -> Self {
        Digest(bits)
    }

    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// Adds a document.
    pub(crate) fn add(&mut self, place: (CollectionId, &str), version: Sequence, data: &Bytes) {
        self.0 = self.0.wrapping_add(document(place, version, data));
    }

    pub(crate) fn add_collection(&mut self, id: CollectionId, path: &CollectionPath) {
        let hash = hash(b"n", &[&id.0.to_be_bytes(), path.as_str().as_bytes()]);
        self.0 = self.0.wrapping_add(hash);
    }

    pub(crate) fn add_mutation(&mut self, ordinal: u64, key: &[u8], checksum: u32) {
        let hash = hash(
            b"o",
            &[&ordinal.to_be_bytes(), &checksum.to_be_bytes(), key],
        );
        self.0 = self.0.wrapping_add(hash);
    }

    /// Takes a change's document before out and its document after in.
    pub(crate) fn change(&mut self, change: &StoreChange) {
        let place = (change.collection, &*change.id);
        if let Some((version, data)) = &change.before {
            self.0 = self.0.wrapping_sub(document(place, *version, data));
        }
        if let Some(after) = &change.after {
            self.add(place, after.version, &after.data);
        }
    }

    /// Takes in all of a batch but its mutations: who adds up batches from an empty store on has what
    /// the store keeps.
    pub fn batch(&mut self, batch: &Batch) {
        for (id, path) in &batch.collections {
            self.add_collection(*id, path);
        }
        for change in &batch.changes {
            self.change(change);
        }
    }
}

fn document((collection, id): (CollectionId, &str), version: Sequence, data: &Bytes) -> u128 {
    let (collection, version) = (collection.0.to_be_bytes(), version.0.to_be_bytes());
    let checksum = crc32c::crc32c(data).to_be_bytes();
    hash(b"d", &[&collection, &version, &checksum, id.as_bytes()])
}

fn hash(kind: &[u8; 1], parts: &[&[u8]]) -> u128 {
    let mut hash = Sha256::new_with_prefix(kind);
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    let (first, _) = hash.split_at(16);
    first
        .iter()
        .fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
