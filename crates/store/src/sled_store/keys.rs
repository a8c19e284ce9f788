//! Keys of every entry. The crate's documentation describes them byte by byte.

use wellspring_types::{CollectionId, Sequence};

/// The store's format.
pub(super) const FORMAT: &[u8] = b"mf";
/// How far the store has applied the log.
pub(super) const APPLIED: &[u8] = b"ma";

const COLLECTION: u8 = b'n';
const HEAD: u8 = b'd';
const CHUNK: u8 = b'c';
const MUTATION: u8 = b'r';
const MUTATION_CHUNK: u8 = b's';
const ORDINAL: u8 = b'o';

/// Prefixes of the keys of all collections, document heads and mutations.
pub(super) const COLLECTIONS: &[u8] = &[COLLECTION];
pub(super) const HEADS: &[u8] = &[HEAD];
pub(super) const MUTATIONS: &[u8] = &[MUTATION];
pub(super) const ORDINALS: &[u8] = &[ORDINAL];

fn join(prefix: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(prefix);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(super) fn collection(collection: CollectionId) -> Vec<u8> {
    join(COLLECTION, &[&collection.0.to_be_bytes()])
}

/// The collection of a [`collection`] key.
pub(super) fn parse_collection(key: &[u8]) -> Option<CollectionId> {
    let number = key.strip_prefix(COLLECTIONS)?.try_into().ok()?;
    Some(CollectionId(u32::from_be_bytes(number)))
}

pub(super) fn head(collection: CollectionId, id: &str) -> Vec<u8> {
    join(HEAD, &[&collection.0.to_be_bytes(), id.as_bytes()])
}

/// The collection and the id of a [`head`] key.
pub(super) fn parse_head(key: &[u8]) -> Option<(CollectionId, &str)> {
    let (number, id) = key.strip_prefix(HEADS)?.split_first_chunk()?;
    Some((
        CollectionId(u32::from_be_bytes(*number)),
        std::str::from_utf8(id).ok()?,
    ))
}

/// The version and the index have a fixed length, so no two documents share a chunk's key,
/// whatever their ids.
pub(super) fn chunk(place: (CollectionId, &str), version: Sequence, index: u32) -> Vec<u8> {
    let (collection, id) = place;
    let collection = collection.0.to_be_bytes();
    let version = version.0.to_be_bytes();
    join(
        CHUNK,
        &[&collection, id.as_bytes(), &version, &index.to_be_bytes()],
    )
}

/// The principal's length stands before it, so no two pairs share a key.
pub(super) fn mutation(principal: Option<&str>, id: &str) -> Vec<u8> {
    match principal {
        None => join(MUTATION, &[&[0], id.as_bytes()]),
        Some(principal) => {
            let length = u64::try_from(principal.len()).unwrap_or(u64::MAX);
            join(
                MUTATION,
                &[
                    &[1],
                    &length.to_be_bytes(),
                    principal.as_bytes(),
                    id.as_bytes(),
                ],
            )
        }
    }
}

/// The principal and the id of a [`mutation`] key.
pub(super) fn parse_mutation(key: &[u8]) -> Option<(Option<&str>, &str)> {
    let (tag, rest) = key.strip_prefix(MUTATIONS)?.split_first()?;
    match tag {
        0 => Some((None, std::str::from_utf8(rest).ok()?)),
        1 => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (principal, id) = std::str::from_utf8(rest).ok()?.split_at_checked(length)?;
            Some((Some(principal), id))
        }
        _ => None,
    }
}

pub(super) fn mutation_chunk(ordinal: u64, index: u32) -> Vec<u8> {
    join(
        MUTATION_CHUNK,
        &[&ordinal.to_be_bytes(), &index.to_be_bytes()],
    )
}

pub(super) fn ordinal(ordinal: u64) -> Vec<u8> {
    join(ORDINAL, &[&ordinal.to_be_bytes()])
}

/// The ordinal of an [`ordinal`] key.
pub(super) fn parse_ordinal(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(
        key.strip_prefix(ORDINALS)?.try_into().ok()?,
    ))
}

/// The smallest key that is larger than every key with `prefix`, one that does not end in 0xff
/// bytes only.
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}
