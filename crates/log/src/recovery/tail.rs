//! The end of the log.

use memchr::memmem;
use wellspring_types::Sequence;

use super::scan::{Failure, Scan, scan};
use crate::error::{Damage, DamageKind, IoError};
use crate::files::LogFile;
use crate::group::{self, Link};
use crate::index::SegmentIndex;
use crate::segment::{Salt, SegmentHeader};
use crate::window::{Found, Window};

/// Bytes that are looked at, or zeroed, at a time.
const STEP_BYTES: usize = 256 << 10;

/// Reads the last segment, and makes sure that what follows its last group, if anything does,
/// was never acknowledged. Writes nothing.
pub(super) fn inspect(
    file: &LogFile,
    header: &SegmentHeader,
    witnessed: Sequence,
) -> Result<(SegmentIndex, Link), Failure> {
    let Scan { index, link, fault } = scan(file, header)?;
    let damage = |what| {
        let (file, offset) = (file.path().to_path_buf(), index.end());
        Failure::Damage(Damage { file, offset, what })
    };
    if let Some(fault) = fault
        && let Some(later) = later_group(file, index.end() + 1, header.salt)?
    {
        return Err(damage(DamageKind::GroupBeforeAnother { fault, later }));
    }
    if link.last < witnessed {
        return Err(damage(DamageKind::HeadLost {
            head: link.last,
            witnessed,
        }));
    }
    Ok((index, link))
}

/// Where the first group at or after `from` is, whatever it follows.
pub(crate) fn later_group(file: &LogFile, from: u64, salt: Salt) -> Result<Option<u64>, IoError> {
    let mut candidates = Window::default();
    let mut step = vec![0; STEP_BYTES];
    let mut start = from;
    loop {
        let read = file.read_at(start, &mut step)?;
        for place in memmem::find_iter(&step[..read], &group::MAGIC) {
            let offset = start + place as u64;
            // Candidates ascend, but each is read by itself: there are hardly ever any.
            candidates.reset();
            if let Found::Group(_) = candidates.group(file, offset, salt)? {
                return Ok(Some(offset));
            }
        }
        if read < step.len() {
            return Ok(None);
        }
        // A beginning that lies across two steps is seen whole in the second.
        start += (read - (group::MAGIC.len() - 1)) as u64;
    }
}

/// Zeroes what a write that was never acknowledged has left behind `end`, so that no later
/// recovery takes it for anything.
pub(super) fn clear(file: &LogFile, end: u64) -> Result<(), IoError> {
    let mut step = vec![0; STEP_BYTES];
    let mut start = end;
    let mut cleared = 0;
    loop {
        let read = file.read_at(start, &mut step)?;
        if step[..read].iter().any(|&byte| byte != 0) {
            step.fill(0);
            file.write_at(start, &step[..read])?;
            cleared += read;
        }
        if read < step.len() {
            break;
        }
        start += read as u64;
    }
    if cleared > 0 {
        file.sync_all()?;
        let file = file.path().display();
        tracing::warn!(%file, end, "dropped an append that a crash had cut short");
    }
    Ok(())
}

/// Writes the last group again where it is, and syncs. It may have been read from the page cache
/// of a process that was killed between its write and its sync, and a power cut would still take
/// what readers are about to see.
pub(super) fn make_durable(file: &LogFile, index: &SegmentIndex) -> Result<(), IoError> {
    if let Some(last) = index
        .groups()
        .checked_sub(1)
        .and_then(|number| index.span(number))
    {
        let mut group = vec![0; usize::try_from(last.bytes).unwrap_or(0)];
        file.read_at(last.offset, &mut group)?;
        file.write_at(last.offset, &group)?;
    }
    file.sync_all()
}
