//! Dropping the beginning of the log.

use std::sync::Arc;

use wellspring_types::{Sequence, Timestamp};

use crate::Snapshot;
use crate::error::IoError;
use crate::segment::{index_name, parse_index_name, parse_segment_name, segment_name};
use crate::shared::Shared;

/// Drops segments that a snapshot has made unnecessary, beside the log that goes on appending.
/// Clones are cheap.
#[derive(Clone, Debug)]
pub struct Trimmer {
    shared: Arc<Shared>,
}

/// A segment that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSpan {
    /// Its first commit.
    pub first: Sequence,
    /// Its last commit.
    pub last: Sequence,
    /// The time of its last commit.
    pub last_time: Timestamp,
    /// Its length.
    pub bytes: u64,
}

impl Trimmer {
    pub(crate) fn new(shared: Arc<Shared>) -> Trimmer {
        Trimmer { shared }
    }

    /// The full segments with commits after `after`, ascending: all but the last.
    ///
    /// # Errors
    /// If the length of one cannot be told.
    pub fn full_segments(&self, after: Sequence) -> Result<Vec<SegmentSpan>, IoError> {
        let segments = self.shared.segments();
        let pairs = segments.iter().zip(segments.iter().skip(1));
        pairs
            .filter(|(_segment, next)| next.link.last > after)
            .map(|(segment, next)| {
                let name = segment_name(segment.first());
                Ok(SegmentSpan {
                    first: segment.first(),
                    last: next.link.last,
                    last_time: next.link.last_time,
                    bytes: self.shared.disk.open_read(&name)?.bytes()?,
                })
            })
            .collect()
    }

    /// Drops the segments all of whose commits are at or before `floor`, as far as `snapshot`,
    /// which must be durable, holds them too. The oldest first, each durably before the next, so
    /// that a crash leaves no gap. Returns how many there were.
    ///
    /// Who is reading one of them goes on to its end, or is told that it is not kept any more.
    ///
    /// # Errors
    /// If the file system fails. What is dropped so far stays dropped.
    pub fn truncate_through(&self, floor: Sequence, snapshot: &Snapshot) -> Result<usize, IoError> {
        let _trimming = self.shared.trimming();
        let floor = floor.min(snapshot.sequence());
        let disk = &self.shared.disk;
        self.remove_dropped()?;
        let mut dropped = 0;
        // From the list first: whoever looks a segment up from here on is told, rather than
        // failing to open it.
        while let Some(segment) = self.shared.drop_first(floor) {
            disk.remove(&segment_name(segment.first()))?;
            disk.sync_dir()?;
            dropped += 1;
            // Without its segment it is removed the next time at the latest.
            if let Err(error) = disk.remove(&index_name(segment.first())) {
                tracing::debug!(%error, "the index of a dropped segment stays for now");
            }
        }
        Ok(dropped)
    }

    /// Removes what an earlier call that failed has dropped and left: a later segment must not be
    /// gone before it.
    fn remove_dropped(&self) -> Result<(), IoError> {
        let (disk, oldest) = (&self.shared.disk, self.shared.oldest());
        let names = disk.list()?;
        let firsts = |parse: fn(&str) -> Option<Sequence>| {
            let firsts = names.iter().filter_map(|name| parse(name));
            let mut firsts: Vec<_> = firsts.filter(|&first| first < oldest).collect();
            firsts.sort_unstable();
            firsts
        };
        for first in firsts(parse_segment_name) {
            disk.remove(&segment_name(first))?;
            disk.sync_dir()?;
        }
        for first in firsts(parse_index_name) {
            disk.remove(&index_name(first))?;
        }
        disk.sync_dir()
    }
}
