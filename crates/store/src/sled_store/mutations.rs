//! Remembered mutations, and how they are forgotten.

use bytes::Bytes;
use wellspring_types::{DocumentPath, Sequence};

use super::apply::Writer;
use super::chain::Link;
use super::keys;
use super::read::{Lookup, Read, entry};
use super::value::{Fields, Stamp, chunk_count, chunks, decode_head, encode_head};
use crate::error::{Damage, from_sled};
use crate::{Digest, RememberedMutation, StoreError};

/// Deletions of forgotten mutations in one apply, beside two for each one that is added: however
/// many are forgotten at once, no apply is held up by them, and yet their number shrinks.
const FORGOTTEN_PER_APPLY: usize = 64;

/// Writes one mutation, its chunks first, and the link by which its ordinal finds it; `through`
/// becomes the sum of the chain with it.
pub(super) fn remember(
    writer: &mut Writer<'_>,
    mutation: &RememberedMutation,
    through: &mut Digest,
) -> Result<(), StoreError> {
    let key = keys::mutation(mutation.principal.as_deref(), &mutation.id);
    let payload = encode(mutation);
    for (index, chunk) in chunks(&payload) {
        writer.insert(keys::mutation_chunk(mutation.ordinal, index), chunk.into())?;
    }
    let stamp = Stamp {
        version: Sequence(mutation.ordinal),
        created_at: mutation.time,
        updated_at: mutation.time,
    };
    let head = encode_head(&key, &stamp, &payload);
    let checksum = crc32c::crc32c(&payload);
    through.add_mutation(mutation.ordinal, &key, checksum);
    let (link_key, link) = Link {
        ordinal: mutation.ordinal,
        key: key.as_slice().into(),
        chunk_count: chunk_count(payload.len()),
        checksum,
        through: *through,
    }
    .encode();
    writer.insert(link_key, link)?;
    writer.insert(key, head)
}

/// Deletes mutations with ordinals below the newest one up to `through`, oldest first, as many as
/// one apply may. The newest itself stays until another takes its place: the chain begins there.
///
/// It looks at what is in the store, so it must come before the same apply remembers anything.
pub(super) fn forget(
    db: &sled::Db,
    writer: &mut Writer<'_>,
    through: u64,
    added: usize,
) -> Result<(), StoreError> {
    let end = keys::ordinal(through);
    let links = db.range(keys::ORDINALS..=end.as_slice());
    let most = FORGOTTEN_PER_APPLY.saturating_add(added.saturating_mul(2));
    let mut newest = None;
    for entry in links.take(most.saturating_add(1)) {
        let (key, value) = entry.map_err(from_sled)?;
        if let Some(link) = newest.replace(Link::decode(&key, &value)?) {
            delete(db, writer, &link)?;
        }
    }
    Ok(())
}

fn delete(db: &sled::Db, writer: &mut Writer<'_>, link: &Link) -> Result<(), StoreError> {
    let key = &*link.key;
    // The same client may have used the id again since: then its head belongs to a newer ordinal
    // and stays.
    if let Some(head) = db.lookup(key)?
        && decode_head(key, &head)?.stamp.version.0 == link.ordinal
    {
        writer.remove(key.to_vec())?;
    }
    for index in 0..link.chunk_count {
        writer.remove(keys::mutation_chunk(link.ordinal, index))?;
    }
    writer.remove(keys::ordinal(link.ordinal))
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

pub(super) fn decode(
    key: &[u8],
    stamp: &Stamp,
    payload: &Bytes,
) -> Result<RememberedMutation, StoreError> {
    let (principal, id) = keys::parse_mutation(key).ok_or_else(|| Damage::Text.of(key))?;
    let mut fields = Fields::new(key, payload);
    let digest = fields.take()?;
    let sequence = Sequence(fields.u64()?);
    let mut paths = Vec::new();
    while !fields.rest().is_empty() {
        let bytes = fields.u16()?;
        let path = fields.text(usize::from(bytes))?;
        let path = DocumentPath::from_stored(path);
        paths.push(path.map_err(|_no_path| Damage::Text.of(key))?);
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::SledStore;
    use super::*;
    use crate::tests::history::{History, group};
    use crate::{Options, Store};

    fn count(store: &SledStore, prefix: &[u8]) -> usize {
        store.db().scan_prefix(prefix).count()
    }

    #[test]
    fn what_is_forgotten_is_deleted_by_and_by_but_for_the_newest() {
        let dir = TempDir::new().unwrap();
        let store = SledStore::open(dir.path(), Options::default()).unwrap();
        let mut history = History::default();
        let names: Vec<String> = (1..=300).map(|ordinal| format!("m{ordinal}")).collect();
        // Every tenth has a payload in chunks.
        let paths = |index: usize| if index.is_multiple_of(10) { 700 } else { 1 };
        let remembered = names.iter().enumerate();
        let batches: Vec<_> = remembered
            .map(|(index, name)| history.remembered((Some("p"), name, paths(index)), &[]))
            .collect();
        store.apply(&group(&batches)).unwrap();
        assert!(count(&store, b"s") > 30);
        history.forget_through(295);
        let mut left = names.len();
        for _ in 0..5 {
            store.apply(&history.commit(&[])).unwrap();
            left = 6.max(left.saturating_sub(FORGOTTEN_PER_APPLY));
            assert_eq!(count(&store, keys::ORDINALS), left);
            assert_eq!(count(&store, keys::MUTATIONS), left);
            assert!(store.scrub().unwrap().matches());
        }
        assert_eq!((left, count(&store, b"s")), (6, 0));
    }
}
