//! The order of remembered mutations: links by ordinal, each with a digest of all before it.
//!
//! What is forgotten is not in the log any more when it is forgotten, so a digest of what is
//! remembered cannot be kept by taking terms out. Instead each link has the sum through itself,
//! and the store keeps the sum through the newest: of a chain that ends with that sum no link is
//! missing, wherever it begins. It begins with the newest forgotten one, whose link is therefore
//! the one that stays.

use std::ops::Bound;

use wellspring_types::Sequence;

use super::kept::Kept;
use super::read::{Lookup, Read, entry};
use super::value::{seal, unseal};
use super::{keys, mutations};
use crate::error::{Damage, from_sled};
use crate::{Digest, StoreError};

/// Mutations that are read while `apply` waits.
const PAGE_MUTATIONS: usize = 64;

/// What stands under an ordinal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub ordinal: u64,
    /// The key of the mutation's head.
    pub key: Box<[u8]>,
    /// Number of its chunks.
    pub chunk_count: u32,
    /// CRC32C of its payload.
    pub checksum: u32,
    /// Sum of all mutations ever remembered through this one.
    pub through: Digest,
}

impl Link {
    pub(super) fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let key = keys::ordinal(self.ordinal);
        let mut value = self.chunk_count.to_be_bytes().to_vec();
        value.extend_from_slice(&self.checksum.to_be_bytes());
        value.extend_from_slice(&self.through.bits().to_be_bytes());
        value.extend_from_slice(&self.key);
        let value = seal(&key, value);
        (key, value)
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Link, StoreError> {
        let ordinal = keys::parse_ordinal(key).ok_or_else(|| Damage::Length.of(key))?;
        let mut fields = unseal(key, value)?;
        let (chunk_count, checksum) = (fields.u32()?, fields.u32()?);
        let through = Digest::from_bits(fields.u128()?);
        Ok(Link {
            ordinal,
            key: fields.rest().into(),
            chunk_count,
            checksum,
            through,
        })
    }

    /// The mutation must still be there, unless a newer one has its place.
    fn check_mutation(&self, db: &sled::Db) -> Result<(), StoreError> {
        let key = &*self.key;
        let chunk_key = |ordinal: Sequence, index| keys::mutation_chunk(ordinal.0, index);
        let Read::Found((stamp, payload)) = entry(db, key, db.lookup(key)?, chunk_key)? else {
            return Err(Damage::Missing.of(key));
        };
        if stamp.version.0 < self.ordinal {
            return Err(Damage::Missing.of(key));
        }
        if stamp.version.0 == self.ordinal && crc32c::crc32c(&payload) != self.checksum {
            return Err(Damage::Checksum.of(key));
        }
        mutations::decode(key, &stamp, &payload).map(drop)
    }
}

/// A walk along the chain, page by page. `apply` may lengthen it and cut it off in between.
#[derive(Default)]
pub(super) struct Walk {
    ordinal: u64,
    through: Digest,
}

impl Walk {
    /// Goes on for a page; tells whether there is more. Nobody may apply meanwhile.
    pub(super) fn page(&mut self, db: &sled::Db, kept: &Kept) -> Result<bool, StoreError> {
        if self.ordinal < kept.forgotten_through {
            self.begin_after_forgotten(db, kept.forgotten_through)?;
        }
        let start = Bound::Excluded(keys::ordinal(self.ordinal));
        let end = Bound::Excluded(keys::after_prefix(keys::ORDINALS));
        let mut count = 0;
        for entry in db.range((start, end)) {
            let (key, value) = entry.map_err(from_sled)?;
            let link = Link::decode(&key, &value)?;
            self.through
                .add_mutation(link.ordinal, &link.key, link.checksum);
            if link.through != self.through {
                return Err(Damage::Gap.of(&key));
            }
            link.check_mutation(db)?;
            self.ordinal = link.ordinal;
            count += 1;
            if count == PAGE_MUTATIONS {
                return Ok(true);
            }
        }
        if self.through != kept.mutations {
            return Err(Damage::Gap.of(keys::ORDINALS));
        }
        Ok(false)
    }

    fn begin_after_forgotten(&mut self, db: &sled::Db, through: u64) -> Result<(), StoreError> {
        let end = keys::ordinal(through);
        let newest = db
            .range(keys::ORDINALS..=end.as_slice())
            .next_back()
            .transpose();
        self.through = match newest.map_err(from_sled)? {
            Some((key, value)) => Link::decode(&key, &value)?.through,
            None => Digest::default(),
        };
        self.ordinal = through;
        Ok(())
    }
}
