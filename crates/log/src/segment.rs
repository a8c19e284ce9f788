//! Segments: the files of groups, their names and headers.

use wellspring_types::{Epoch, Sequence, Timestamp};

use crate::error::{Damage, DamageKind, IoError, OpenError};
use crate::files::{Disk, LogFile};
use crate::group::{Link, u32_at, u64_at};

/// The format that is written.
pub(crate) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"\xf9WSPLOG\n";
/// Bytes of a segment's header; its first group begins here.
pub(crate) const HEADER_BYTES: usize = 64;
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// Random bytes that seed the checksums of a segment's groups, so that bytes that were meant for
/// another place, or that a client made up, do not pass for a group of this segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt([u8; 8]);

impl Salt {
    pub(crate) fn seed(self) -> u32 {
        crc32c::crc32c(&self.0)
    }
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) epoch: Epoch,
    pub(crate) salt: Salt,
    /// What the segment's first group follows.
    pub(crate) link: Link,
}

/// The name of the segment that begins with commit `first`.
pub(crate) fn segment_name(first: Sequence) -> String {
    format!("{:016}{SEGMENT_SUFFIX}", first.0)
}

/// The name of the index of the segment that begins with commit `first`.
pub(crate) fn index_name(first: Sequence) -> String {
    format!("{:016}{INDEX_SUFFIX}", first.0)
}

const SEGMENT_SUFFIX: &str = ".seg";
const INDEX_SUFFIX: &str = ".idx";

/// The first commit of the segment of this name.
pub(crate) fn parse_segment_name(name: &str) -> Option<Sequence> {
    parse_name(name, SEGMENT_SUFFIX)
}

/// The first commit of the segment whose index has this name.
pub(crate) fn parse_index_name(name: &str) -> Option<Sequence> {
    parse_name(name, INDEX_SUFFIX)
}

fn parse_name(name: &str, suffix: &str) -> Option<Sequence> {
    let digits = name.strip_suffix(suffix)?;
    if digits.len() != 16 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|&first| first > 0).map(Sequence)
}

impl SegmentHeader {
    /// Of a new segment that follows `link`.
    pub(crate) fn new(disk: &Disk, epoch: Epoch, link: Link) -> Result<SegmentHeader, IoError> {
        let mut salt = [0; 8];
        disk.random(&segment_name(link.last.next()), &mut salt)?;
        Ok(SegmentHeader {
            epoch,
            salt: Salt(salt),
            link,
        })
    }

    pub(crate) fn first(&self) -> Sequence {
        self.link.last.next()
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.0);
        bytes[24..32].copy_from_slice(&self.first().0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.link.last_time.as_millis().to_le_bytes());
        bytes[40..44].copy_from_slice(&self.link.checksum.to_le_bytes());
        // 44..60: elided ranges, and room; zero in this format.
        let checksum = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header of the segment `file`, which is named after commit `named`.
    pub(crate) fn read(
        file: &LogFile,
        epoch: Epoch,
        named: Sequence,
    ) -> Result<SegmentHeader, OpenError> {
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(0, &mut bytes)?;
        let damaged = |offset, what| Damage {
            file: file.path().to_path_buf(),
            offset,
            what,
        };
        let checksum = u32_at(&bytes, CHECKED_BYTES);
        if read < HEADER_BYTES
            || bytes[0..8] != MAGIC
            || checksum != crc32c::crc32c(&bytes[..CHECKED_BYTES])
        {
            return Err(damaged(0, DamageKind::SegmentHeader).into());
        }
        let file = file.path().to_path_buf();
        let format = u32_at(&bytes, 8);
        // Whatever a later format puts into its room, an earlier release must not read past it.
        if format > FORMAT || bytes[44..CHECKED_BYTES].iter().any(|&byte| byte != 0) {
            return Err(OpenError::NewerFormat {
                file,
                found: format,
                known: FORMAT,
            });
        }
        let found = Epoch(u32_at(&bytes, 12));
        if found != epoch {
            return Err(OpenError::WrongEpoch {
                file,
                found,
                expected: epoch,
            });
        }
        let mut salt = [0; 8];
        salt.copy_from_slice(&bytes[16..24]);
        let first = Sequence(u64_at(&bytes, 24));
        if first != named {
            return Err(damaged(24, DamageKind::SegmentName { found: first }).into());
        }
        let link = Link {
            last: Sequence(first.0 - 1),
            last_time: Timestamp::from_millis(u64_at(&bytes, 32)),
            checksum: u32_at(&bytes, 40),
        };
        Ok(SegmentHeader {
            epoch,
            salt: Salt(salt),
            link,
        })
    }
}

/// The epoch in the header of a segment, if that is one.
pub(crate) fn peek_epoch(file: &LogFile) -> Option<Epoch> {
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(0, &mut bytes).ok()?;
    let good = read == HEADER_BYTES
        && bytes[0..8] == MAGIC
        && u32_at(&bytes, CHECKED_BYTES) == crc32c::crc32c(&bytes[..CHECKED_BYTES]);
    good.then(|| Epoch(u32_at(&bytes, 12)))
}

/// Makes the segment that begins after `link`, durably under its final name, without a group.
pub(crate) fn create(disk: &Disk, header: &SegmentHeader) -> Result<LogFile, IoError> {
    let file = disk.put(&segment_name(header.first()), &header.encode())?;
    disk.sync_dir()?;
    Ok(file)
}
