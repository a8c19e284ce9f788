//! The manifest: what a backup holds. It is written last, so that what it does not name is not
//! there yet (drawn in `docs/format.md`).

use std::path::Path;

use bytes::Bytes;
use wellspring_types::{Epoch, Sequence, Timestamp};

use crate::error::{BackupError, BackupFault, Damage, DamageKind, Malformed};
use crate::group::{Link, u32_at, u64_at};
use crate::record::{Cursor, Fault, write_blob};
use crate::segment;
use crate::varint;

pub(super) const NAME: &str = "manifest";

const MAGIC: [u8; 8] = *b"\xf9WSPBAK\n";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 40;
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// Fewest bytes of a segment: eight numbers.
const SEGMENT_BYTES_MIN: usize = 8;
/// Fewest bytes of a snapshot: four numbers.
const SNAPSHOT_BYTES_MIN: usize = 4;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupManifest {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// Everything that was acknowledged before this time is in it.
    pub taken_at: Timestamp,
    /// What the database keeps beside the log; opaque here.
    pub database: Bytes,
    /// Ascending, none of them overlapping.
    pub segments: Vec<BackupSegment>,
    /// Ascending.
    pub snapshots: Vec<BackupSnapshot>,
}

/// A segment in a backup: all of it, or as much as there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSegment {
    /// Its first commit.
    pub first: Sequence,
    /// The time of that.
    pub first_time: Timestamp,
    /// Its last commit that the backup holds; the one before `first`, if it holds none.
    pub last: Sequence,
    /// The time of that.
    pub last_time: Timestamp,
    /// Bytes of it that count. What comes after them is not in the backup.
    pub bytes: u64,
    /// Checksum of these bytes.
    pub checksum: u32,
    /// Where the last group begins.
    pub(super) last_group: u64,
    /// Checksum of the last group, which the next one is chained to.
    pub(super) last_checksum: u32,
}

/// A snapshot in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSnapshot {
    /// The last commit that it holds.
    pub sequence: Sequence,
    /// The time of that.
    pub time: Timestamp,
    /// Bytes of its files.
    pub bytes: u64,
    /// Checksum of its own manifest, which has those of its other files.
    pub checksum: u32,
}

impl BackupSegment {
    /// Where the last group begins; zero where there is none.
    pub(crate) fn last_group(&self) -> u64 {
        self.last_group
    }

    pub(crate) fn link(&self) -> Link {
        Link {
            last: self.last,
            last_time: self.last_time,
            checksum: self.last_checksum,
        }
    }

    fn is_sound(&self) -> bool {
        let header = segment::HEADER_BYTES as u64;
        let placed = self.last_group >= header && self.last_group < self.bytes;
        let is_empty = self.last.next() == self.first;
        let holds = self.last >= self.first && self.first_time <= self.last_time && placed;
        self.first > Sequence::ZERO && (holds || is_empty && self.bytes == header)
    }
}

impl BackupManifest {
    /// The last commit; zero if it holds none.
    #[must_use]
    pub fn head(&self) -> Sequence {
        let segment = self.segments.last().map_or(Sequence::ZERO, |s| s.last);
        segment.max(self.snapshots.last().map_or(Sequence::ZERO, |s| s.sequence))
    }

    /// Bytes that count, the manifest's own apart.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.bytes);
        let snapshots = self.snapshots.iter().map(|snapshot| snapshot.bytes);
        segments.chain(snapshots).fold(0, u64::saturating_add)
    }

    pub(crate) fn segment(&self, first: Sequence) -> Option<&BackupSegment> {
        let found = self.segments.binary_search_by_key(&first, |s| s.first);
        found.ok().map(|place| &self.segments[place])
    }

    /// Puts a segment in, in place of what there was of it.
    pub(super) fn put_segment(&mut self, segment: BackupSegment) {
        match self
            .segments
            .binary_search_by_key(&segment.first, |s| s.first)
        {
            Ok(place) => self.segments[place] = segment,
            Err(place) => self.segments.insert(place, segment),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        write_blob(&mut bytes, &self.database);
        varint::put(&mut bytes, self.segments.len() as u64);
        for segment in &self.segments {
            for number in [
                segment.first.0,
                segment.first_time.as_millis(),
                segment.last.0,
                segment.last_time.as_millis(),
                segment.bytes,
                u64::from(segment.checksum),
                segment.last_group,
                u64::from(segment.last_checksum),
            ] {
                varint::put(&mut bytes, number);
            }
        }
        varint::put(&mut bytes, self.snapshots.len() as u64);
        for snapshot in &self.snapshots {
            varint::put(&mut bytes, snapshot.sequence.0);
            varint::put(&mut bytes, snapshot.time.as_millis());
            varint::put(&mut bytes, snapshot.bytes);
            varint::put(&mut bytes, u64::from(snapshot.checksum));
        }
        let body_checksum = crc32c::crc32c(&bytes[HEADER_BYTES..]);
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.taken_at.as_millis().to_le_bytes());
        bytes[24..28].copy_from_slice(&body_checksum.to_le_bytes());
        // 28..36: room; zero in this format.
        let checksum = crc32c::crc32c(&bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The manifest that `bytes` of the file at `file` are.
    pub(super) fn decode(bytes: &[u8], file: &Path) -> Result<BackupManifest, BackupError> {
        let damaged = |offset: usize, what| {
            BackupError::Damaged(Damage {
                file: file.to_path_buf(),
                offset: offset as u64,
                what: DamageKind::Backup(what),
            })
        };
        let header = bytes
            .get(..HEADER_BYTES)
            .filter(|header| header.starts_with(&MAGIC))
            .filter(|header| {
                u32_at(header, CHECKED_BYTES) == crc32c::crc32c(&header[..CHECKED_BYTES])
            })
            .ok_or_else(|| damaged(0, BackupFault::Manifest))?;
        let found = u32_at(header, 8);
        // Whatever a later format puts into its room, an earlier release must not read past it.
        if found > FORMAT || header[28..CHECKED_BYTES].iter().any(|&byte| byte != 0) {
            return Err(BackupError::NewerFormat {
                file: file.to_path_buf(),
                found,
                known: FORMAT,
            });
        }
        if u32_at(header, 24) != crc32c::crc32c(&bytes[HEADER_BYTES..]) {
            return Err(damaged(HEADER_BYTES, BackupFault::Manifest));
        }
        let mut manifest = BackupManifest {
            epoch: Epoch(u32_at(header, 12)),
            taken_at: Timestamp::from_millis(u64_at(header, 16)),
            database: Bytes::new(),
            segments: Vec::new(),
            snapshots: Vec::new(),
        };
        manifest
            .decode_body(bytes)
            .map_err(|fault| damaged(fault.at, BackupFault::Entry(fault.what)))?;
        if !manifest.is_in_order() {
            return Err(damaged(HEADER_BYTES, BackupFault::Order));
        }
        Ok(manifest)
    }

    fn decode_body(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut cursor = Cursor::new(bytes, HEADER_BYTES);
        self.database = Bytes::copy_from_slice(&bytes[cursor.blob()?]);
        for _ in 0..cursor.count(SEGMENT_BYTES_MIN)? {
            self.segments.push(BackupSegment {
                first: sequence(&mut cursor)?,
                first_time: cursor.time()?,
                last: sequence(&mut cursor)?,
                last_time: cursor.time()?,
                bytes: cursor.number()?,
                checksum: checksum(&mut cursor)?,
                last_group: cursor.number()?,
                last_checksum: checksum(&mut cursor)?,
            });
        }
        for _ in 0..cursor.count(SNAPSHOT_BYTES_MIN)? {
            self.snapshots.push(BackupSnapshot {
                sequence: sequence(&mut cursor)?,
                time: cursor.time()?,
                bytes: cursor.number()?,
                checksum: checksum(&mut cursor)?,
            });
        }
        if cursor.is_at_end() {
            return Ok(());
        }
        let at = cursor.at();
        let what = Malformed::LeftOver;
        Err(Fault { at, what })
    }

    /// Whether what it says can be: what follows relies on it.
    fn is_in_order(&self) -> bool {
        let segments = self.segments.windows(2);
        let snapshots = self.snapshots.windows(2);
        self.segments.iter().all(BackupSegment::is_sound)
            && { segments }
                .all(|pair| pair[0].last < pair[1].first && pair[0].first < pair[1].first)
            && { snapshots }.all(|pair| pair[0].sequence < pair[1].sequence)
    }
}

/// No commit has a greater one, and what counts on from it does not overflow.
const SEQUENCE_MAX: u64 = u64::MAX >> 1;

fn sequence(cursor: &mut Cursor<'_>) -> Result<Sequence, Fault> {
    let at = cursor.at();
    match cursor.number()? {
        number if number <= SEQUENCE_MAX => Ok(Sequence(number)),
        _ => Err(Fault {
            at,
            what: Malformed::Number,
        }),
    }
}

fn checksum(cursor: &mut Cursor<'_>) -> Result<u32, Fault> {
    let at = cursor.at();
    u32::try_from(cursor.number()?).map_err(|_too_large| Fault {
        at,
        what: Malformed::Number,
    })
}
