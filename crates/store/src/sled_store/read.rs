//! Reading entries that a writer may replace meanwhile.

use bytes::Bytes;
use sled::IVec;
use wellspring_types::{CollectionId, Sequence};

use super::keys;
use super::value::{Chunked, Payload, Stamp, chunk_count, decode_head};
use crate::error::Damage;
use crate::{StoreError, StoredDocument};

/// How often a head is read again because its chunks were gone. Each time takes a whole write of
/// the same large document in between, so it ends far earlier.
const ATTEMPTS_MAX: usize = 16;

/// Looks one key up.
pub(super) trait Lookup {
    fn lookup(&self, key: &[u8]) -> Result<Option<IVec>, StoreError>;
}

/// What became of reading an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<T> {
    Found(T),
    Absent,
    /// Replaced each time it was tried.
    Overtaken,
}

impl<T> Read<T> {
    fn map<U>(self, map: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Read::Found(found) => Read::Found(map(found)),
            Read::Absent => Read::Absent,
            Read::Overtaken => Read::Overtaken,
        }
    }
}

/// A document, from its head or from wherever it has moved to since.
pub(super) fn document(
    source: &impl Lookup,
    (collection, id): (CollectionId, &str),
    head: Option<IVec>,
) -> Result<Read<StoredDocument>, StoreError> {
    let key = keys::head(collection, id);
    let chunk_key = |version, index| keys::chunk((collection, id), version, index);
    Ok(
        entry(source, &key, head, chunk_key)?.map(|(stamp, data)| StoredDocument {
            id: id.into(),
            version: stamp.version,
            created_at: stamp.created_at,
            updated_at: stamp.updated_at,
            data,
        }),
    )
}

/// The stamp and payload under `key`, whose head was just read as `head`.
///
/// A chunk is deleted only after the head has left it. So one that is missing means that the head
/// has changed, and reading that again shows it; if it has not, the chunk is lost.
pub(super) fn entry(
    source: &impl Lookup,
    key: &[u8],
    mut head: Option<IVec>,
    chunk_key: impl Fn(Sequence, u32) -> Vec<u8>,
) -> Result<Read<(Stamp, Bytes)>, StoreError> {
    for _attempt in 0..ATTEMPTS_MAX {
        let Some(value) = head else {
            return Ok(Read::Absent);
        };
        let decoded = decode_head(key, &value)?;
        let chunked = match decoded.payload {
            Payload::Inline(payload) => return Ok(Read::Found((decoded.stamp, payload))),
            Payload::Chunked(chunked) => chunked,
        };
        let version = decoded.stamp.version;
        if let Some(payload) = chunks(source, &chunked, |index| chunk_key(version, index))? {
            chunked.check(key, &payload)?;
            return Ok(Read::Found((decoded.stamp, payload.into())));
        }
        head = source.lookup(key)?;
        if head.as_ref() == Some(&value) {
            return Err(Damage::MissingPart.of(key));
        }
    }
    Ok(Read::Overtaken)
}

/// All chunks in one, or `None` if one is missing.
fn chunks(
    source: &impl Lookup,
    chunked: &Chunked,
    chunk_key: impl Fn(u32) -> Vec<u8>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut payload = Vec::with_capacity(chunked.bytes);
    for index in 0..chunk_count(chunked.bytes) {
        match source.lookup(&chunk_key(index))? {
            Some(chunk) => payload.extend_from_slice(&chunk),
            None => return Ok(None),
        }
    }
    Ok(Some(payload))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use wellspring_types::Timestamp;

    use super::super::value::encode_head;
    use super::*;

    const COLLECTION: CollectionId = CollectionId(7);

    /// A document of two chunks that a writer replaces whenever its head is read, until it rests.
    struct Restless {
        version: Cell<u64>,
        rests_at: u64,
    }

    fn data() -> Vec<u8> {
        vec![b'x'; 7000]
    }

    fn stamp(version: u64) -> Stamp {
        let time = Timestamp::from_millis(1);
        Stamp {
            version: Sequence(version),
            created_at: time,
            updated_at: time,
        }
    }

    impl Lookup for Restless {
        fn lookup(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
            if key.first() == keys::HEADS.first() {
                let version = self.version.get();
                self.version.set(self.rests_at.min(version + 1));
                return Ok(Some(encode_head(key, &stamp(version), &data()).into()));
            }
            let place = (COLLECTION, "a");
            let data = data();
            let mut there = super::super::value::chunks(&data);
            let version = Sequence(self.version.get());
            let found = there.find(|(index, _)| keys::chunk(place, version, *index) == key);
            Ok(found.map(|(_, chunk)| chunk.into()))
        }
    }

    fn read(source: &impl Lookup) -> Result<Read<StoredDocument>, StoreError> {
        let head = source.lookup(&keys::head(COLLECTION, "a")).unwrap();
        document(source, (COLLECTION, "a"), head)
    }

    #[test]
    fn a_document_that_is_replaced_while_it_is_read_is_read_again() {
        let source = Restless {
            version: Cell::new(1),
            rests_at: 5,
        };
        let Read::Found(document) = read(&source).unwrap() else {
            panic!("it rests at 5")
        };
        assert_eq!(
            (document.version, document.data),
            (Sequence(5), Bytes::from(data()))
        );
    }

    #[test]
    fn a_document_that_is_replaced_for_ever_is_reported_as_overtaken() {
        let source = Restless {
            version: Cell::new(1),
            rests_at: u64::MAX,
        };
        assert_eq!(read(&source).unwrap(), Read::Overtaken);
    }

    #[test]
    fn a_lost_chunk_is_damage_of_the_document_and_not_a_change() {
        struct Lossy;
        impl Lookup for Lossy {
            fn lookup(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
                let is_head = key.first() == keys::HEADS.first();
                Ok(is_head.then(|| encode_head(key, &stamp(3), &data()).into()))
            }
        }
        let error = read(&Lossy).unwrap_err();
        let StoreError::Damaged { key, damage } = error else {
            panic!("{error}")
        };
        assert_eq!(damage, Damage::MissingPart);
        assert_eq!(key.to_string(), r#""d\x00\x00\x00\x07a""#);
    }
}
