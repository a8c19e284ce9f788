//! The digest by which a store is compared with what was applied to it.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use wellspring_types::{CollectionId, Sequence};

use crate::StoreChange;

/// Sum modulo 2^128 of one hash for each document. A sum does not depend on the order of its
/// terms and each can be taken out again, so a change costs two hashes, not a scan.
///
/// A document's hash is the first 16 bytes, as a big-endian number, of SHA-256 over: collection
/// (4 bytes, big-endian), version (8), CRC32C of the data (4), id.
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
        self.0 = self.0.wrapping_add(hash(place, version, data));
    }

    /// Takes a change's document before out and its document after in.
    pub(crate) fn change(&mut self, change: &StoreChange) {
        let place = (change.collection, &*change.id);
        if let Some((version, data)) = &change.before {
            self.0 = self.0.wrapping_sub(hash(place, *version, data));
        }
        if let Some(after) = &change.after {
            self.add(place, after.version, &after.data);
        }
    }
}

fn hash((collection, id): (CollectionId, &str), version: Sequence, data: &Bytes) -> u128 {
    let hash = Sha256::new()
        .chain_update(collection.0.to_be_bytes())
        .chain_update(version.0.to_be_bytes())
        .chain_update(crc32c::crc32c(data).to_be_bytes())
        .chain_update(id)
        .finalize();
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
