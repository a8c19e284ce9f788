//! The index of a full segment as a file (drawn in `docs/format.md`). It can always be made again
//! from its segment, so whatever is wrong with it is no more than a reason to do that.

use wellspring_types::{CollectionId, Sequence, Timestamp};

use super::SegmentIndex;
use crate::group::{Link, u32_at, u64_at};
use crate::segment::{self, SegmentHeader};
use crate::varint;

const MAGIC: [u8; 8] = *b"\xf9WSPIDX\n";
const FORMAT: u32 = 1;
/// Bytes of the file's header, which is read by itself when a log is opened.
pub(crate) const HEADER_BYTES: usize = 72;
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// How a full segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Where its last group begins.
    pub(crate) last_group: u64,
    /// Where its last group ends, which is the file's length.
    pub(crate) end: u64,
    /// What the next segment follows.
    pub(crate) link: Link,
}

/// The file's bytes.
pub(crate) fn encode(header: &SegmentHeader, index: &SegmentIndex, link: Link) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    let mut offset = segment::HEADER_BYTES as u64;
    let mut sequence = header.first().0;
    varint::put(&mut bytes, index.groups.len() as u64);
    for &(next, first) in &index.groups {
        varint::put(&mut bytes, next - offset);
        varint::put(&mut bytes, first.0 - sequence);
        (offset, sequence) = (next, first.0);
    }
    varint::put(&mut bytes, index.collections.len() as u64);
    for (collection, numbers) in &index.collections {
        varint::put(&mut bytes, u64::from(collection.0));
        varint::put(&mut bytes, numbers.len() as u64);
        let mut last = 0;
        for &number in numbers {
            varint::put(&mut bytes, u64::from(number - last));
            last = number;
        }
    }
    let body_checksum = crc32c::crc32c(&bytes[HEADER_BYTES..]);
    let last_group = index.groups.last().map_or(index.end, |&(offset, _)| offset);
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..16].copy_from_slice(&header.salt.seed().to_le_bytes());
    bytes[16..24].copy_from_slice(&header.first().0.to_le_bytes());
    bytes[24..32].copy_from_slice(&last_group.to_le_bytes());
    bytes[32..40].copy_from_slice(&index.end.to_le_bytes());
    bytes[40..48].copy_from_slice(&link.last.0.to_le_bytes());
    bytes[48..56].copy_from_slice(&link.last_time.as_millis().to_le_bytes());
    bytes[56..60].copy_from_slice(&link.checksum.to_le_bytes());
    bytes[60..64].copy_from_slice(&body_checksum.to_le_bytes());
    // 64..68: room; zero in this format.
    let checksum = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
    bytes[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// How the segment of `header` ends, if `bytes` begin like its index.
pub(crate) fn decode_summary(bytes: &[u8], header: &SegmentHeader) -> Option<Summary> {
    let bytes = bytes.get(..HEADER_BYTES)?;
    let good = bytes[0..8] == MAGIC
        && u32_at(bytes, 8) == FORMAT
        && u32_at(bytes, 12) == header.salt.seed()
        && u64_at(bytes, 16) == header.first().0
        && u32_at(bytes, CHECKED_BYTES) == crc32c::crc32c(&bytes[..CHECKED_BYTES]);
    good.then(|| Summary {
        last_group: u64_at(bytes, 24),
        end: u64_at(bytes, 32),
        link: Link {
            last: Sequence(u64_at(bytes, 40)),
            last_time: Timestamp::from_millis(u64_at(bytes, 48)),
            checksum: u32_at(bytes, 56),
        },
    })
}

/// The index of the segment of `header`, if `bytes` are that.
pub(crate) fn decode(bytes: &[u8], header: &SegmentHeader) -> Option<SegmentIndex> {
    let summary = decode_summary(bytes, header)?;
    let body = &bytes[HEADER_BYTES..];
    if u32_at(bytes, 60) != crc32c::crc32c(body) {
        return None;
    }
    let mut numbers = Numbers(body);
    let mut index = SegmentIndex::new(segment::HEADER_BYTES as u64);
    let mut sequence = header.first().0;
    for _ in 0..numbers.next()? {
        let offset = index.end.checked_add(numbers.next()?)?;
        sequence = sequence.checked_add(numbers.next()?)?;
        index.groups.push((offset, Sequence(sequence)));
        index.end = offset;
    }
    if index.end > summary.end {
        return None;
    }
    index.end = summary.end;
    for _ in 0..numbers.next()? {
        let collection = CollectionId(u32::try_from(numbers.next()?).ok()?);
        let count = usize::try_from(numbers.next()?).ok()?;
        // Each number takes at least a byte.
        let mut groups = Vec::with_capacity(count.min(numbers.0.len()));
        let mut group = 0_u32;
        for _ in 0..count {
            group = group.checked_add(u32::try_from(numbers.next()?).ok()?)?;
            groups.push(group);
        }
        index.collections.insert(collection, groups);
    }
    numbers.0.is_empty().then_some(index)
}

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let (number, taken) = varint::take(self.0)?;
        self.0 = &self.0[taken..];
        Some(number)
    }
}
