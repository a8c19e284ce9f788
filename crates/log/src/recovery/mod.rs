//! Opening a log: what is a write that a crash has cut short, and what is damage.
//!
//! A group whose append returned was synced, so it is whole. A group that is not whole was
//! therefore never acknowledged, *if* it is the last thing that was ever written; everything here
//! asks whether it is. If anything shows that more was written after it, acknowledged commits
//! are damaged, and the log is refused as it is rather than cut.

mod scan;
mod tail;

use wellspring_types::{Epoch, Sequence};

use crate::Witnesses;
use crate::error::{Damage, DamageKind, IoError, OpenError};
use crate::files::{Disk, LogFile, TEMPORARY_SUFFIX};
use crate::group::Link;
use crate::index::{self, SegmentIndex};
use crate::segment::{
    self, SegmentHeader, index_name, parse_index_name, parse_segment_name, segment_name,
};
use crate::window::{Found, Window};

pub(crate) use scan::scan_full;
pub(crate) use tail::later_group;

/// A log that is ready to be read and appended to.
pub(crate) struct Recovered {
    /// The segments before the last, ascending.
    pub(crate) full: Vec<SegmentHeader>,
    /// The last segment.
    pub(crate) header: SegmentHeader,
    /// The groups of the last segment.
    pub(crate) index: SegmentIndex,
    /// What the next group follows.
    pub(crate) link: Link,
}

/// The log in `disk`'s directory, and its last segment, open for writing.
pub(crate) fn recover(
    disk: &Disk,
    epoch: Epoch,
    witnesses: Witnesses,
) -> Result<(Recovered, LogFile), OpenError> {
    disk.create_dir()?;
    let names = disk.list()?;
    let mut firsts: Vec<Sequence> = names
        .iter()
        .filter_map(|name| parse_segment_name(name))
        .collect();
    firsts.sort_unstable();
    let (recovered, file) = resume(disk, epoch, witnesses, &firsts)?;
    clean(disk, &firsts)?;
    disk.sync_dir()?;
    Ok((recovered, file))
}

/// Checks that nothing is missing between the newest snapshot and the first segment.
fn check_start(disk: &Disk, firsts: &[Sequence], snapshot: Sequence) -> Result<(), OpenError> {
    match firsts.first() {
        Some(&oldest) if oldest > snapshot.next() => Err(Damage {
            file: disk.dir().join(segment_name(oldest)),
            offset: 0,
            what: DamageKind::StartLost { oldest, snapshot },
        }
        .into()),
        _ => Ok(()),
    }
}

/// The first segment of a log without any.
fn start(
    disk: &Disk,
    epoch: Epoch,
    witnessed: Sequence,
) -> Result<(Recovered, LogFile), OpenError> {
    if witnessed > Sequence::ZERO {
        let what = DamageKind::HeadLost {
            head: Sequence::ZERO,
            witnessed,
        };
        return Err(Damage {
            file: disk.dir().to_path_buf(),
            offset: 0,
            what,
        }
        .into());
    }
    let header = SegmentHeader::new(disk, epoch, Link::default())?;
    let file = segment::create(disk, &header)?;
    let index = SegmentIndex::new(segment::HEADER_BYTES as u64);
    Ok((
        Recovered {
            full: Vec::new(),
            header,
            index,
            link: Link::default(),
        },
        file,
    ))
}

fn resume(
    disk: &Disk,
    epoch: Epoch,
    witnesses: Witnesses,
    firsts: &[Sequence],
) -> Result<(Recovered, LogFile), OpenError> {
    let mut full: Vec<SegmentHeader> = Vec::with_capacity(firsts.len());
    let mut last: Option<(SegmentHeader, LogFile)> = None;
    for &first in firsts {
        let file = disk.open_write(&segment_name(first))?;
        let header = SegmentHeader::read(&file, epoch, first)?;
        if let Some((before, file)) = last.replace((header, file)) {
            check_full(disk, &file, &before, header.link)?;
            full.push(before);
        }
    }
    let Some((header, file)) = last else {
        return start(disk, epoch, witnesses.head());
    };
    check_start(disk, firsts, witnesses.snapshot)?;
    let (index, link) = tail::inspect(&file, &header, witnesses.head())?;
    // From here on it is known that nothing acknowledged is missing, and the log may be written.
    tail::clear(&file, index.end())?;
    tail::make_durable(&file, &index)?;
    Ok((
        Recovered {
            full,
            header,
            index,
            link,
        },
        file,
    ))
}

/// Checks that a segment ends where the next one, which follows `next`, begins. Its groups
/// before the last are checked when they are read, or here, if its index cannot be trusted and
/// has to be made again.
fn check_full(
    disk: &Disk,
    file: &LogFile,
    header: &SegmentHeader,
    next: Link,
) -> Result<(), OpenError> {
    if ends_as_indexed(disk, file, header, next)? {
        return Ok(());
    }
    tracing::warn!(segment = %file.path().display(), "making the segment's index again");
    let (index, link) = scan_full(file, header)?;
    if link != next {
        let what = if link.last == next.last {
            DamageKind::SegmentEnd
        } else {
            DamageKind::SegmentGap {
                last: link.last,
                next: next.last.next(),
            }
        };
        let file = file.path().to_path_buf();
        return Err(Damage {
            file,
            offset: index.end(),
            what,
        }
        .into());
    }
    put_index(disk, header.first(), &index::encode(header, &index, link));
    Ok(())
}

fn ends_as_indexed(
    disk: &Disk,
    file: &LogFile,
    header: &SegmentHeader,
    next: Link,
) -> Result<bool, IoError> {
    let Some(summary) = disk
        .read_start(&index_name(header.first()), index::HEADER_BYTES)?
        .and_then(|bytes| index::decode_summary(&bytes, header))
    else {
        return Ok(false);
    };
    if summary.link != next || summary.end != file.bytes()? || summary.last_group >= summary.end {
        return Ok(false);
    }
    let mut window = Window::default();
    Ok(match window.group(file, summary.last_group, header.salt)? {
        Found::Group(group) => {
            group.header.checksum == next.checksum
                && group.header.last() == Some(next.last)
                && summary.last_group + group.header.group_bytes() as u64 == summary.end
        }
        Found::Fault(_) | Found::End => false,
    })
}

/// Writes the index of the full segment that begins with commit `first` beside it. It can be made
/// again, so that a failure costs time and nothing else.
pub(crate) fn put_index(disk: &Disk, first: Sequence, bytes: &[u8]) {
    if disk.is_read_only() {
        return;
    }
    if let Err(error) = disk.put(&index_name(first), bytes) {
        tracing::warn!(%error, "cannot keep a segment's index");
    }
}

/// Removes what a crash has left half-made, and indexes whose segments are gone.
fn clean(disk: &Disk, firsts: &[Sequence]) -> Result<(), IoError> {
    for name in &disk.list()? {
        let orphan =
            parse_index_name(name).is_some_and(|first| firsts.binary_search(&first).is_err());
        if orphan || is_temporary(name) {
            disk.remove(name)?;
        }
    }
    Ok(())
}

/// Whether it is the name of a file that is not complete, or that a crash has left so.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_suffix(TEMPORARY_SUFFIX)
        .is_some_and(|name| parse_segment_name(name).is_some() || parse_index_name(name).is_some())
}
