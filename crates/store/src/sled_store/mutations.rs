//! Remembered mutations, and how they are forgotten.

use bytes::Bytes;
use wellspring_types::Sequence;

use super::apply::Writer;
use super::keys;
use super::read::{Lookup, Read, entry};
use super::value::{Fields, Stamp, chunk_count, chunks, decode_head, encode_head, seal, unseal};
use crate::error::{Damage, from_sled};
use crate::{RememberedMutation, StoreError};

/// Deletions of forgotten mutations in one apply, beside two for each one that is added: however
/// many are forgotten at once, no apply is held up by them, and yet their number shrinks.
const FORGOTTEN_PER_APPLY: usize = 64;

/// Writes one mutation: its chunks, the entry by which its ordinal finds it, and its head.
pub(super) fn remember(
    writer: &mut Writer<'_>,
    mutation: &RememberedMutation,
) -> Result<(), StoreError> {
    let key = keys::mutation(mutation.principal.as_deref(), &mutation.id);
    let payload = encode(mutation);
    for (index, chunk) in chunks(&payload) {
        writer.insert(keys::mutation_chunk(mutation.ordinal, index), chunk.into())?;
    }
    let ordinal_key = keys::ordinal(mutation.ordinal);
    let mut found = chunk_count(payload.len()).to_be_bytes().to_vec();
    found.extend_from_slice(&key);
    let found = seal(&ordinal_key, found);
    writer.insert(ordinal_key, found)?;
    let stamp = Stamp {
        version: Sequence(mutation.ordinal),
        created_at: mutation.time,
        updated_at: mutation.time,
    };
    let head = encode_head(&key, &stamp, &payload);
    writer.insert(key, head)
}

/// Deletes mutations with ordinals up to `through`, oldest first, as many as one apply may.
///
/// It looks at what is in the store, so it must come before the same apply remembers anything.
pub(super) fn forget(
    db: &sled::Db,
    writer: &mut Writer<'_>,
    through: u64,
    added: usize,
) -> Result<(), StoreError> {
    let end = keys::ordinal(through);
    let entries = db.range(keys::ORDINALS..=end.as_slice());
    for entry in entries.take(FORGOTTEN_PER_APPLY.saturating_add(added.saturating_mul(2))) {
        let (ordinal_key, value) = entry.map_err(from_sled)?;
        let ordinal = keys::parse_ordinal(&ordinal_key);
        let ordinal = ordinal.ok_or_else(|| Damage::Length.of(&ordinal_key))?;
        let mut fields = unseal(&ordinal_key, &value)?;
        let chunk_count = fields.u32()?;
        let key = fields.rest();
        // The same client may have used the id again since: then its head belongs to a newer
        // ordinal and stays.
        if let Some(head) = db.lookup(key)?
            && decode_head(key, &head)?.stamp.version.0 == ordinal
        {
            writer.remove(key.to_vec())?;
        }
        for index in 0..chunk_count {
            writer.remove(keys::mutation_chunk(ordinal, index))?;
        }
        writer.remove(ordinal_key.to_vec())?;
    }
    Ok(())
}

/// Looks a mutation up by its key.
pub(super) fn find(
    source: &impl Lookup,
    key: &[u8],
) -> Result<Option<RememberedMutation>, StoreError> {
    let head = source.lookup(key)?;
    let chunk_key = |ordinal: Sequence, index| keys::mutation_chunk(ordinal.0, index);
    match entry(source, key, head, chunk_key)? {
        Read::Found((stamp, payload)) => decode(key, &stamp, &payload).map(Some),
        Read::Absent => Ok(None),
        // Each time it was read again it had been forgotten and remembered anew: many times what
        // one client's window of ids allows, within one lookup.
        Read::Overtaken => Err(Damage::MissingPart.of(key)),
    }
}

fn encode(mutation: &RememberedMutation) -> Vec<u8> {
    let mut payload = mutation.digest.to_vec();
    payload.extend_from_slice(&mutation.sequence.0.to_be_bytes());
    for path in &mutation.paths {
        let path = path.as_str();
        // Paths are at most `PATH_BYTES_MAX` long, which types' limits.rs asserts to fit.
        let bytes = u16::try_from(path.len()).unwrap_or(u16::MAX);
        payload.extend_from_slice(&bytes.to_be_bytes());
        payload.extend_from_slice(path.as_bytes());
    }
    payload
}

fn decode(key: &[u8], stamp: &Stamp, payload: &Bytes) -> Result<RememberedMutation, StoreError> {
    let (principal, id) = keys::parse_mutation(key).ok_or_else(|| Damage::Text.of(key))?;
    let mut fields = Fields::new(key, payload);
    let digest = fields.take()?;
    let sequence = Sequence(fields.u64()?);
    let mut paths = Vec::new();
    while !fields.rest().is_empty() {
        let bytes = fields.u16()?;
        let path = fields.text(usize::from(bytes))?;
        paths.push(path.parse().map_err(|_no_path| Damage::Text.of(key))?);
    }
    Ok(RememberedMutation {
        principal: principal.map(Into::into),
        id: id.into(),
        ordinal: stamp.version.0,
        digest,
        sequence,
        time: stamp.created_at,
        paths,
    })
}
