//! Copying a segment group by group: each is checked on its way, and so is that it follows the one
//! before it.

use wellspring_types::Sequence;

use super::Progress;
use super::manifest::BackupSegment;
use crate::error::{BackupError, Damage, DamageKind, GroupFault, IoError};
use crate::files::LogFile;
use crate::group::{self, GroupHeader, Link};
use crate::index::{SegmentIndex, Touched};
use crate::segment::SegmentHeader;
use crate::window::{Found, Framed, Window};

/// Bytes that are gathered before they are written.
const STEP_BYTES: usize = 1 << 20;

/// A segment that is being copied, or only looked through.
pub(super) struct Copying<'a> {
    source: &'a LogFile,
    header: SegmentHeader,
    window: Window,
    output: Output,
    /// The segment as far as it is copied.
    copied: BackupSegment,
    index: SegmentIndex,
    touched: Touched,
}

/// Where the copy goes; nowhere, if a segment is only looked through.
struct Output {
    target: Option<LogFile>,
    /// What is not written yet.
    pending: Vec<u8>,
    /// Where that belongs.
    offset: u64,
}

/// Why there is no further group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The file ends.
    OfFile,
    /// None begins here.
    Fault(GroupFault),
    /// None is wanted.
    Wanted,
}

/// A segment that was copied: durable, but for its name.
pub(super) struct Copied {
    pub(super) segment: BackupSegment,
    pub(super) index: SegmentIndex,
}

impl<'a> Copying<'a> {
    /// Begins with the header, in place of what `target` holds.
    pub(super) fn begin(
        source: &'a LogFile,
        header: SegmentHeader,
        target: Option<LogFile>,
    ) -> Result<Self, IoError> {
        if let Some(target) = &target {
            target.truncate(0)?;
        }
        let pending = header.encode().to_vec();
        let copied = BackupSegment {
            first: header.first(),
            first_time: header.link.last_time,
            last: header.link.last,
            last_time: header.link.last_time,
            bytes: pending.len() as u64,
            checksum: crc32c::crc32c(&pending),
            last_group: 0,
            last_checksum: header.link.checksum,
        };
        let offset = 0;
        let output = Output {
            target,
            pending,
            offset,
        };
        Ok(Copying::of(source, header, output, copied))
    }

    /// Goes on behind what was `copied` before. `None` if that is not what the source has there.
    pub(super) fn resume(
        source: &'a LogFile,
        header: SegmentHeader,
        target: LogFile,
        copied: BackupSegment,
    ) -> Result<Option<Self>, IoError> {
        if !has(source, &header, &copied)? {
            return Ok(None);
        }
        // What a run that was cut short has left behind it.
        target.truncate(copied.bytes)?;
        let output = Output {
            target: Some(target),
            pending: Vec::new(),
            offset: copied.bytes,
        };
        Ok(Some(Copying::of(source, header, output, copied)))
    }

    fn of(
        source: &'a LogFile,
        header: SegmentHeader,
        output: Output,
        copied: BackupSegment,
    ) -> Self {
        Copying {
            source,
            header,
            window: Window::default(),
            output,
            copied,
            index: SegmentIndex::new(copied.bytes),
            touched: Touched::default(),
        }
    }

    /// The segment as far as it is copied.
    pub(super) fn copied(&self) -> BackupSegment {
        self.copied
    }

    /// Copies groups, through the commit `through`, up to the first place where there is none.
    pub(super) fn groups(
        &mut self,
        through: Sequence,
        progress: &mut Progress<'_>,
    ) -> Result<End, BackupError> {
        while self.copied.last < through {
            if self.step(through)?.is_some() {
                // What was read ahead may be from before the group was written.
                self.window.reset();
                if let Some(end) = self.step(through)? {
                    return Ok(end);
                }
            }
            if self.output.pending.len() >= STEP_BYTES {
                self.output.flush(progress)?;
            }
        }
        Ok(End::Wanted)
    }

    /// Copies one group; tells why, if there is none.
    fn step(&mut self, through: Sequence) -> Result<Option<End>, BackupError> {
        let offset = self.copied.bytes;
        let group = match self.window.group(self.source, offset, self.header.salt)? {
            Found::Group(group) => group,
            Found::Fault(fault) => return Ok(Some(End::Fault(fault))),
            Found::End => return Ok(Some(End::OfFile)),
        };
        let damage = |offset, what| Damage {
            file: self.source.path().to_path_buf(),
            offset,
            what,
        };
        let link = self.copied.link();
        group
            .header
            .follows(link)
            .map_err(|what| damage(offset, what))?;
        self.touched.clear();
        let (touched, copied) = (&mut self.touched, &mut self.copied);
        let first = copied.first;
        let mut cut = Cut::default();
        let walked = group::walk(
            group.header,
            group.body,
            link,
            |collection| touched.touch(collection),
            |after, end| {
                if after.last == first {
                    copied.first_time = after.last_time;
                }
                if after.last <= through {
                    cut = Cut { after, end };
                }
            },
        );
        let whole = walked.map_err(|fault| {
            let within = (group::HEADER_BYTES + fault.at) as u64;
            damage(offset + within, DamageKind::Record(fault.what))
        })?;
        let pending = &mut self.output.pending;
        let before = pending.len();
        let after = if whole.last <= through {
            pending.extend_from_slice(group.bytes);
            whole
        } else {
            let (header, bytes) = cut.group(&group, link, &self.header);
            pending.extend_from_slice(&bytes);
            Link {
                checksum: header.checksum,
                ..cut.after
            }
        };
        let bytes = &pending[before..];
        copied.last_group = offset;
        copied.bytes += bytes.len() as u64;
        copied.checksum = crc32c::crc32c_append(copied.checksum, bytes);
        copied.last = after.last;
        copied.last_time = after.last_time;
        copied.last_checksum = after.checksum;
        let (first, bytes) = (group.header.first, bytes.len() as u64);
        self.index.push(first, bytes, &mut self.touched);
        Ok(None)
    }

    /// Writes what is left, and makes all of it durable.
    pub(super) fn finish(mut self, progress: &mut Progress<'_>) -> Result<Copied, IoError> {
        self.output.flush(progress)?;
        if let Some(target) = &self.output.target {
            target.sync_all()?;
        }
        Ok(Copied {
            segment: self.copied,
            index: self.index,
        })
    }
}

impl Output {
    fn flush(&mut self, progress: &mut Progress<'_>) -> Result<(), IoError> {
        if let Some(target) = &self.target {
            target.write_at(self.offset, &self.pending)?;
        }
        let bytes = self.pending.len() as u64;
        self.offset += bytes;
        self.pending.clear();
        progress.add(bytes);
        Ok(())
    }
}

/// Where a group is cut: behind one of its commits.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    after: Link,
    /// In the body.
    end: usize,
}

impl Cut {
    /// What is left of `group`, which follows `link`.
    fn group(
        &self,
        group: &Framed<'_>,
        link: Link,
        segment: &SegmentHeader,
    ) -> (GroupHeader, Vec<u8>) {
        let mut bytes = Vec::with_capacity(group::HEADER_BYTES + self.end);
        group::begin(&mut bytes);
        bytes.extend_from_slice(&group.body[..self.end]);
        let count = u32::try_from(self.after.last.0 - link.last.0).unwrap_or(u32::MAX);
        let header = group::finish(&mut bytes, segment.salt, count, link);
        (header, bytes)
    }
}

/// Whether the segment `source` has what was `copied`: its chain of checksums leads to the same
/// last group at the same place.
fn has(source: &LogFile, header: &SegmentHeader, copied: &BackupSegment) -> Result<bool, IoError> {
    if copied.last < copied.first {
        return Ok(copied.link() == header.link);
    }
    let mut window = Window::default();
    Ok(
        match window.group(source, copied.last_group, header.salt)? {
            Found::Group(group) => {
                let end = copied.last_group + group.bytes.len() as u64;
                group.header.checksum == copied.last_checksum && end == copied.bytes
            }
            Found::Fault(_) | Found::End => false,
        },
    )
}
