//! Values: a checked header, and the payload beside it or in chunks of its own.
//!
//! Documents and remembered mutations are stored alike: the *head*, under the key that lookups
//! use, and for a large payload *chunks* under keys with the version in them, so that a reader of
//! the old head never meets chunks of the new one.

use bytes::Bytes;
use wellspring_types::{Sequence, Timestamp};

use crate::StoreError;
use crate::error::Damage;

/// Bytes of the largest value. sled splits a leaf at its 17th entry and writes a page over 128 KiB
/// to a file of its own, which it never syncs and never deletes: 17 × 6 KiB, with keys, stay below.
const VALUE_BYTES_MAX: usize = 6 << 10;
/// Bytes of a chunk.
const CHUNK_BYTES: usize = VALUE_BYTES_MAX;
/// Bytes of a head without its payload.
const HEAD_BYTES: usize = 1 + 8 + 8 + 8 + 4 + 4;
/// Bytes of the largest payload kept in the head: whatever fits. It is written by one operation
/// instead of three (chunk, head, the old chunk's deletion) and read by one lookup, and a reader
/// is never overtaken. The limit on pages is kept either way, so nothing speaks for a smaller one.
pub(super) const INLINE_BYTES_MAX: usize = VALUE_BYTES_MAX - HEAD_BYTES;
/// Bytes of the largest payload: a head that claims more is damaged.
const PAYLOAD_BYTES_MAX: usize = wellspring_types::limits::RECORD_BYTES_MAX;

const KIND_INLINE: u8 = 0;
const KIND_CHUNKED: u8 = 1;

const _: () = {
    assert!(
        17 * (VALUE_BYTES_MAX + 1024) < 128 << 10,
        "a leaf fits into a page"
    );
    assert!(PAYLOAD_BYTES_MAX <= u32::MAX as usize, "lengths are u32");
};

/// What a head says of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The document's version, or the mutation's ordinal.
    pub version: Sequence,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A decoded head.
#[derive(Debug)]
pub(super) struct Head {
    pub stamp: Stamp,
    pub payload: Payload,
}

#[derive(Debug)]
pub(super) enum Payload {
    /// It stood in the head and is checked.
    Inline(Bytes),
    /// It is in chunks.
    Chunked(Chunked),
}

/// Where to find a payload and what to check it with.
#[derive(Debug)]
pub(super) struct Chunked {
    pub bytes: usize,
    /// Checksum of key and header, to be continued over the payload.
    seed: u32,
    checksum: u32,
}

/// Number of chunks of a payload; 0 if it is inline.
pub(super) fn chunk_count(payload_bytes: usize) -> u32 {
    if payload_bytes <= INLINE_BYTES_MAX {
        return 0;
    }
    u32::try_from(payload_bytes.div_ceil(CHUNK_BYTES)).unwrap_or(u32::MAX)
}

/// The chunks of a payload, in order; none if it is inline.
pub(super) fn chunks(payload: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let chunked = if payload.len() <= INLINE_BYTES_MAX {
        &[]
    } else {
        payload
    };
    (0..).zip(chunked.chunks(CHUNK_BYTES))
}

/// The value of a head.
pub(super) fn encode_head(key: &[u8], stamp: &Stamp, payload: &[u8]) -> Vec<u8> {
    let inline = payload.len() <= INLINE_BYTES_MAX;
    let mut value = Vec::with_capacity(HEAD_BYTES + if inline { payload.len() } else { 0 });
    value.push(if inline { KIND_INLINE } else { KIND_CHUNKED });
    value.extend_from_slice(&stamp.version.0.to_be_bytes());
    value.extend_from_slice(&stamp.created_at.as_millis().to_be_bytes());
    value.extend_from_slice(&stamp.updated_at.as_millis().to_be_bytes());
    let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    value.extend_from_slice(&bytes.to_be_bytes());
    let checksum = crc32c::crc32c_append(checksum(key, &value), payload);
    value.extend_from_slice(&checksum.to_be_bytes());
    if inline {
        value.extend_from_slice(payload);
    }
    value
}

/// Key and value together: a value that turns up under another key is found too.
fn checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// Decodes the value of a head, and checks its payload if that is in it.
pub(super) fn decode_head(key: &[u8], value: &[u8]) -> Result<Head, StoreError> {
    let mut fields = Fields::new(key, value);
    let [kind] = fields.take()?;
    let version = Sequence(fields.u64()?);
    let created_at = Timestamp::from_millis(fields.u64()?);
    let updated_at = Timestamp::from_millis(fields.u64()?);
    let bytes = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
    let seed = checksum(key, fields.taken());
    let checksum = fields.u32()?;
    let rest = fields.rest();
    let stamp = Stamp {
        version,
        created_at,
        updated_at,
    };
    let payload = match kind {
        KIND_INLINE if rest.len() != bytes => return Err(Damage::Length.of(key)),
        KIND_INLINE if crc32c::crc32c_append(seed, rest) != checksum => {
            return Err(Damage::Checksum.of(key));
        }
        KIND_INLINE => Payload::Inline(Bytes::copy_from_slice(rest)),
        KIND_CHUNKED if !rest.is_empty() || chunk_count(bytes) == 0 => {
            return Err(Damage::Length.of(key));
        }
        KIND_CHUNKED if bytes > PAYLOAD_BYTES_MAX => return Err(Damage::Length.of(key)),
        KIND_CHUNKED => Payload::Chunked(Chunked {
            bytes,
            seed,
            checksum,
        }),
        _ => return Err(Damage::Kind.of(key)),
    };
    Ok(Head { stamp, payload })
}

impl Chunked {
    /// Whether `payload` is the one that the head was written with.
    pub(super) fn check(&self, key: &[u8], payload: &[u8]) -> Result<(), StoreError> {
        if payload.len() != self.bytes {
            return Err(Damage::Length.of(key));
        }
        if crc32c::crc32c_append(self.seed, payload) != self.checksum {
            return Err(Damage::Checksum.of(key));
        }
        Ok(())
    }
}

/// A small value of its own with its checksum behind it.
pub(super) fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(key, &value);
    value.extend_from_slice(&checksum.to_be_bytes());
    value
}

/// The inside of a sealed value, checked.
pub(super) fn unseal<'value>(
    key: &'value [u8],
    value: &'value [u8],
) -> Result<Fields<'value>, StoreError> {
    let (inside, sum) = value
        .split_last_chunk()
        .ok_or_else(|| Damage::Length.of(key))?;
    if checksum(key, inside) != u32::from_be_bytes(*sum) {
        return Err(Damage::Checksum.of(key));
    }
    Ok(Fields::new(key, inside))
}

/// Takes a value apart from front to back; a missing byte is damage of its key.
pub(super) struct Fields<'value> {
    key: &'value [u8],
    value: &'value [u8],
    position: usize,
}

impl<'value> Fields<'value> {
    pub(super) fn new(key: &'value [u8], value: &'value [u8]) -> Self {
        Fields {
            key,
            value,
            position: 0,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let rest = self.value.get(self.position..).unwrap_or_default();
        let field = rest
            .first_chunk()
            .ok_or_else(|| Damage::Length.of(self.key))?;
        self.position += N;
        Ok(*field)
    }

    pub(super) fn u16(&mut self) -> Result<u16, StoreError> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, StoreError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StoreError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn u128(&mut self) -> Result<u128, StoreError> {
        self.take().map(u128::from_be_bytes)
    }

    /// The next `bytes` bytes as text.
    pub(super) fn text(&mut self, bytes: usize) -> Result<&'value str, StoreError> {
        let rest = self.rest();
        let text = rest
            .get(..bytes)
            .ok_or_else(|| Damage::Length.of(self.key))?;
        self.position += bytes;
        std::str::from_utf8(text).map_err(|_not_utf8| Damage::Text.of(self.key))
    }

    /// What was taken so far.
    pub(super) fn taken(&self) -> &'value [u8] {
        self.value.get(..self.position).unwrap_or_default()
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'value [u8] {
        self.value.get(self.position..).unwrap_or_default()
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), StoreError> {
        if self.rest().is_empty() {
            Ok(())
        } else {
            Err(Damage::Length.of(self.key))
        }
    }
}

/// Bytes of the payload that a head says it has, before anything is checked.
pub(super) fn payload_bytes(key: &[u8], value: &[u8]) -> Result<usize, StoreError> {
    let mut fields = Fields::new(key, value);
    let _unread: [u8; HEAD_BYTES - 8] = fields.take()?;
    Ok(usize::try_from(fields.u32()?).unwrap_or(usize::MAX))
}
