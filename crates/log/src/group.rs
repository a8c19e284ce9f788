//! The unit on disk: commits that were written together and synced once.

use wellspring_types::{Sequence, Timestamp};

use crate::GROUP_BYTES_MAX;
use crate::error::{DamageKind, GroupFault, Malformed};
use crate::record::{Cursor, Fault, skim_commit};
use crate::segment::Salt;

/// Begins each group. Its first byte stands nowhere in UTF-8, so that documents, which are
/// most of what a log holds, never look like the beginning of a group.
pub(crate) const MAGIC: [u8; 4] = [0xf8, b'G', 0xff, 0xfe];

/// Bytes of a group's header.
pub(crate) const HEADER_BYTES: usize = 28;
/// Where a segment's first group begins.
pub(crate) const FIRST_OFFSET: u64 = crate::segment::HEADER_BYTES as u64;
/// Bytes of the header that the checksum, which ends it, covers.
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// A group's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// Bytes of the body.
    pub(crate) body_bytes: u32,
    /// The first commit.
    pub(crate) first: Sequence,
    /// How many commits there are.
    pub(crate) count: u32,
    /// The checksum of the group before, in whichever segment.
    pub(crate) previous_checksum: u32,
    /// The checksum of the header, so far, and of the body.
    pub(crate) checksum: u32,
}

/// Where the chain of groups stands: what the next group must follow. The default stands before the first group of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// The last commit.
    pub(crate) last: Sequence,
    /// Its time.
    pub(crate) last_time: Timestamp,
    /// The checksum of its group.
    pub(crate) checksum: u32,
}

/// Writes the header into the space that [`begin`] left before the body, and returns it.
pub(crate) fn finish(group: &mut [u8], salt: Salt, count: u32, link: Link) -> GroupHeader {
    let body_bytes = u32::try_from(group.len() - HEADER_BYTES).unwrap_or(u32::MAX);
    let first = link.last.next();
    group[0..4].copy_from_slice(&MAGIC);
    group[4..8].copy_from_slice(&body_bytes.to_le_bytes());
    group[8..16].copy_from_slice(&first.0.to_le_bytes());
    group[16..20].copy_from_slice(&count.to_le_bytes());
    group[20..24].copy_from_slice(&link.checksum.to_le_bytes());
    let checksum = checksum(group, salt);
    group[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    GroupHeader {
        body_bytes,
        first,
        count,
        previous_checksum: link.checksum,
        checksum,
    }
}

/// Empties `buffer` but for the space of a header.
pub(crate) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER_BYTES, 0);
}

fn checksum(group: &[u8], salt: Salt) -> u32 {
    let header = crc32c::crc32c_append(salt.seed(), &group[..CHECKED_BYTES]);
    crc32c::crc32c_append(header, &group[HEADER_BYTES..])
}

impl GroupHeader {
    /// The header that `bytes` begin with. Its checksum is not checked: that takes the body.
    pub(crate) fn parse(bytes: &[u8]) -> Result<GroupHeader, GroupFault> {
        if !bytes.starts_with(&MAGIC) {
            return Err(GroupFault::Magic);
        }
        let Some(header) = bytes.get(..HEADER_BYTES) else {
            return Err(GroupFault::CutShort);
        };
        let header = GroupHeader {
            body_bytes: u32_at(header, 4),
            first: Sequence(u64_at(header, 8)),
            count: u32_at(header, 16),
            previous_checksum: u32_at(header, 20),
            checksum: u32_at(header, CHECKED_BYTES),
        };
        let fits = (1..=GROUP_BYTES_MAX as u64).contains(&u64::from(header.body_bytes));
        if fits {
            Ok(header)
        } else {
            Err(GroupFault::Length)
        }
    }

    /// Bytes of the whole group.
    pub(crate) fn group_bytes(&self) -> usize {
        // `parse` and `finish` see to it that this is little more than GROUP_BYTES_MAX.
        HEADER_BYTES + usize::try_from(self.body_bytes).unwrap_or(GROUP_BYTES_MAX)
    }

    /// Checks the whole group, of which this is the header.
    pub(crate) fn check(&self, group: &[u8], salt: Salt) -> Result<(), GroupFault> {
        if checksum(group, salt) == self.checksum {
            Ok(())
        } else {
            Err(GroupFault::Checksum)
        }
    }

    /// The last commit, if the numbers make sense.
    pub(crate) fn last(&self) -> Option<Sequence> {
        let more = u64::from(self.count.checked_sub(1)?);
        self.first.0.checked_add(more).map(Sequence)
    }

    /// Whether this group follows `link`.
    pub(crate) fn follows(&self, link: Link) -> Result<(), DamageKind> {
        let next = self.first == link.last.next() && self.previous_checksum == link.checksum;
        if next && self.last().is_some_and(|last| last.0 < u64::MAX) {
            Ok(())
        } else {
            Err(DamageKind::GroupOrder {
                found: self.first,
                last: link.last,
            })
        }
    }
}

/// Reads through a group whose checksum is right and that follows `link`, and returns the link
/// after it. Calls `touch` with the collection of each change.
pub(crate) fn skim(
    header: GroupHeader,
    body: &[u8],
    link: Link,
    touch: impl FnMut(wellspring_types::CollectionId),
) -> Result<Link, Fault> {
    walk(header, body, link, touch, |_commit, _end| {})
}

/// As [`skim`]. Calls `commit` behind each commit, with the link there but for the checksum, and
/// with where in the body it ends.
pub(crate) fn walk(
    header: GroupHeader,
    body: &[u8],
    link: Link,
    mut touch: impl FnMut(wellspring_types::CollectionId),
    mut commit: impl FnMut(Link, usize),
) -> Result<Link, Fault> {
    let mut cursor = Cursor::new(body, 0);
    let mut after = Link {
        checksum: header.checksum,
        ..link
    };
    for _ in 0..header.count {
        let at = cursor.at();
        let (sequence, time) = skim_commit(&mut cursor, &mut touch)?;
        if sequence != after.last.next() || time < after.last_time {
            return Err(Fault {
                at,
                what: Malformed::Order,
            });
        }
        after.last = sequence;
        after.last_time = time;
        commit(after, cursor.at());
    }
    if !cursor.is_at_end() {
        return Err(Fault {
            at: cursor.at(),
            what: Malformed::LeftOver,
        });
    }
    Ok(after)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut copy = [0; 4];
    copy.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(copy)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut copy = [0; 8];
    copy.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(copy)
}
