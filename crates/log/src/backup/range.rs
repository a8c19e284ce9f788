//! What can be restored, and finding what is asked for in it.

use std::fmt;

use wellspring_types::{Sequence, Timestamp};

use super::Backup;
use super::manifest::{BackupManifest, BackupSegment};
use crate::error::{BackupError, Damage, DamageKind};
use crate::group;
use crate::segment::SegmentHeader;
use crate::window::{Found, Window};

/// Commits that can be restored to: each from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupRange {
    /// The first commit; zero of a database without any.
    pub oldest: Sequence,
    /// The time of that.
    pub oldest_time: Timestamp,
    /// The last commit.
    pub newest: Sequence,
    /// The time of that.
    pub newest_time: Timestamp,
    /// The first segment of the log that leads to them.
    pub(super) first: Sequence,
}

/// All that can be restored, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(pub Vec<BackupRange>);

/// Where in its history a database is restored to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestorePoint {
    /// To the last commit that there is.
    Newest,
    /// To this commit.
    Sequence(Sequence),
    /// To the last commit at or before this time.
    Time(Timestamp),
}

impl fmt::Display for RestorePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestorePoint::Newest => f.write_str("the last commit"),
            RestorePoint::Sequence(sequence) => write!(f, "commit {sequence}"),
            RestorePoint::Time(time) => write!(f, "time {time}"),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (place, range) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(", and ")?;
            }
            write!(
                f,
                "commits {} to {} ({} to {})",
                range.oldest, range.newest, range.oldest_time, range.newest_time
            )?;
        }
        Ok(())
    }
}

impl BackupManifest {
    /// What can be restored. There is more than one range where the database had dropped a part of
    /// its log before that was backed up.
    #[must_use]
    pub fn held(&self) -> Held {
        let mut ranges = Vec::new();
        let mut rest = &self.segments[..];
        while let Some(first) = rest.first() {
            let joined = rest.windows(2);
            let joined = joined.take_while(|pair| pair[0].last.next() == pair[1].first);
            let (run, later) = rest.split_at(joined.count() + 1);
            rest = later;
            ranges.extend(self.range(first, run));
        }
        Held(ranges)
    }

    /// What a run of segments without a gap leads to.
    fn range(&self, first: &BackupSegment, run: &[BackupSegment]) -> Option<BackupRange> {
        let last = run.last()?;
        let mut snapshots = self.snapshots.iter();
        let base = snapshots.find(|snapshot| {
            snapshot.sequence.next() >= first.first && snapshot.sequence <= last.last
        });
        let (oldest, oldest_time) = match base {
            // Without a commit there is the empty database.
            _ if last.last == Sequence::ZERO => (last.last, last.last_time),
            _ if first.first == Sequence(1) => (first.first, first.first_time),
            Some(base) => (base.sequence, base.time),
            None => return None,
        };
        Some(BackupRange {
            oldest,
            oldest_time,
            newest: last.last,
            newest_time: last.last_time,
            first: first.first,
        })
    }
}

impl Backup {
    /// The commit that `point` stands for.
    ///
    /// # Errors
    /// If the backup does not hold it, or a segment that has to be looked into is damaged.
    pub fn find(&self, point: RestorePoint) -> Result<Sequence, BackupError> {
        Ok(self.locate(self.declared()?, point)?.0)
    }

    /// The commit that `point` stands for, and the range that it is in.
    pub(super) fn locate(
        &self,
        manifest: &BackupManifest,
        point: RestorePoint,
    ) -> Result<(Sequence, BackupRange), BackupError> {
        let held = manifest.held();
        let newest = held.0.last().copied();
        let found = match point {
            RestorePoint::Newest => newest.map(|range| (range.newest, range)),
            RestorePoint::Sequence(sequence) => {
                let mut ranges = held.0.iter();
                let range = ranges.find(|range| (range.oldest..=range.newest).contains(&sequence));
                range.map(|range| (sequence, *range))
            }
            RestorePoint::Time(time) => {
                let range = held.0.iter().rfind(|range| range.oldest_time <= time);
                match range {
                    // What comes behind the newest is known up to when it was taken.
                    Some(range) if range.newest_time <= time => (Some(*range) == newest
                        && time <= manifest.taken_at.max(range.newest_time))
                    .then_some((range.newest, *range)),
                    Some(range) => Some((self.last_at(manifest, range, time)?, *range)),
                    None => None,
                }
            }
        };
        found.ok_or(BackupError::OutOfRange {
            wanted: point,
            held,
        })
    }

    /// The last commit of the range at or before `time`, which is before the range's end.
    fn last_at(
        &self,
        manifest: &BackupManifest,
        range: &BackupRange,
        time: Timestamp,
    ) -> Result<Sequence, BackupError> {
        let mut segments = manifest.segments.iter();
        let Some(segment) = segments.find(|s| s.first >= range.first && s.last_time > time) else {
            return Ok(range.newest);
        };
        let file = self.segment(segment)?;
        let header = SegmentHeader::read(&file, manifest.epoch, segment.first)?;
        let (mut window, mut offset) = (Window::default(), group::FIRST_OFFSET);
        let mut link = header.link;
        let mut found = link.last.max(range.oldest);
        while link.last_time <= time && offset < segment.bytes {
            let damage = |what| Damage {
                file: file.path().to_path_buf(),
                offset,
                what,
            };
            let group = match window.group(&file, offset, header.salt)? {
                Found::Group(group) => group,
                Found::Fault(fault) => return Err(damage(DamageKind::Group(fault)).into()),
                Found::End => break,
            };
            group.header.follows(link).map_err(damage)?;
            let commit = |after: group::Link, _end| {
                if after.last_time <= time {
                    found = found.max(after.last);
                }
            };
            link = group::walk(group.header, group.body, link, |_| {}, commit)
                .map_err(|fault| damage(DamageKind::Record(fault.what)))?;
            offset += group.bytes.len() as u64;
        }
        Ok(found)
    }
}
