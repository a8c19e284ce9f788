//! What the store keeps about itself: its format, and how far it has applied the log.

use wellspring_types::Sequence;

use super::keys;
use super::read::Lookup;
use super::value::{seal, unseal};
use crate::error::{Damage, from_sled};
use crate::{Applied, Batch, Digest, StoreError};

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// How far the store has applied the log, and what belongs to exactly that.
///
/// The digest changes only with `applied`, in one entry, although documents are written before
/// it. That is what makes a crash between the two harmless: the next apply starts from this
/// `applied`, its changes from the documents as they were then, and the sum of their deltas is
/// the difference to where it ends, whatever was already written of it. A digest that went with
/// each part would count the repeated part twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub applied: Applied,
    pub digest: Digest,
    /// Sum of all mutations ever remembered, see [`super::chain`].
    pub mutations: Digest,
    /// Mutation ids up to this ordinal are forgotten, whether they are deleted already or not.
    pub forgotten_through: u64,
}

impl Kept {
    /// What is kept after a batch, but for `mutations`, which advances as they are written.
    pub(super) fn after(mut self, batch: &Batch) -> Kept {
        self.applied = batch.applied;
        self.forgotten_through = self.forgotten_through.max(batch.forget_mutations_through);
        self.digest.batch(batch);
        self
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(68);
        value.extend_from_slice(&self.applied.sequence.0.to_be_bytes());
        value.extend_from_slice(&self.applied.position.to_be_bytes());
        value.extend_from_slice(&self.applied.mutations.to_be_bytes());
        value.extend_from_slice(&self.forgotten_through.to_be_bytes());
        value.extend_from_slice(&self.digest.bits().to_be_bytes());
        value.extend_from_slice(&self.mutations.bits().to_be_bytes());
        seal(keys::APPLIED, value)
    }

    fn decode(value: &[u8]) -> Result<Kept, StoreError> {
        let mut fields = unseal(keys::APPLIED, value)?;
        let sequence = Sequence(fields.u64()?);
        let applied = Applied {
            sequence,
            position: fields.u64()?,
            mutations: fields.u64()?,
        };
        let forgotten_through = fields.u64()?;
        let digest = Digest::from_bits(fields.u128()?);
        let mutations = Digest::from_bits(fields.u128()?);
        fields.end()?;
        Ok(Kept {
            applied,
            digest,
            mutations,
            forgotten_through,
        })
    }

    /// Reads what an existing store keeps; `None` where there is none yet.
    pub(super) fn load(db: &sled::Db) -> Result<Option<Kept>, StoreError> {
        let Some(format) = db.lookup(keys::FORMAT)? else {
            return Ok(None);
        };
        let mut fields = unseal(keys::FORMAT, &format)?;
        let found = fields.u32()?;
        // The entry of the format is alike in all of them; what else there may be is not.
        if found > FORMAT {
            return Err(StoreError::FormatUnknown {
                found,
                known: FORMAT,
            });
        }
        fields.end()?;
        let applied = db.lookup(keys::APPLIED)?;
        Kept::decode(&applied.ok_or_else(|| Damage::Missing.of(keys::APPLIED))?).map(Some)
    }

    /// Makes an empty database a store.
    pub(super) fn create(db: &sled::Db) -> Result<Kept, StoreError> {
        // A store is created by one batch, so there is nothing in it without its format.
        if let Some(entry) = db.iter().next() {
            entry.map_err(from_sled)?;
            return Err(Damage::Missing.of(keys::FORMAT));
        }
        let kept = Kept::default();
        let mut batch = sled::Batch::default();
        batch.insert(keys::FORMAT, encode_format(FORMAT));
        batch.insert(keys::APPLIED, kept.encode());
        db.apply_batch(batch).map_err(from_sled)?;
        Ok(kept)
    }
}

pub(super) fn encode_format(format: u32) -> Vec<u8> {
    seal(keys::FORMAT, format.to_be_bytes().to_vec())
}

impl Lookup for sled::Db {
    fn lookup(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.get(key).map_err(from_sled)
    }
}
