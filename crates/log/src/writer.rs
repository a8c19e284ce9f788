//! Appending.

use std::sync::Arc;

use wellspring_types::Epoch;
use wellspring_types::limits::RECORD_BYTES_MAX;

use crate::error::{AppendError, CloseError, IoError, OpenError};
use crate::files::{Disk, LogFile};
use crate::group::{self, GroupHeader, Link};
use crate::index::{self, Touched};
use crate::record::{CommitRecord, write_commit};
use crate::recovery::{self, Recovered};
use crate::seeded::{self, Bugs, SeededBug};
use crate::segment::{self, SegmentHeader};
use crate::shared::Shared;
use crate::trim::Trimmer;
use crate::{GROUP_BYTES_MAX, LogReader, Options, Witnesses};

/// Zeros that are written behind a group where the file has to grow, so that the next groups fall
/// into space that is there: their syncs then have no new length and no new extents to write down.
/// Groups of 512 bytes to 8 KiB with a sync each took 1.5 to 1.8 times as long without (ext4).
const ZERO_AHEAD_BYTES: u64 = 1 << 20;
/// A buffer that a large group has made larger than this is given back.
const BUFFER_BYTES_KEPT_MAX: usize = 4 << 20;

/// The log, open for appending. There is one in a process, and one process: who opens it holds
/// the lock of the data directory.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    epoch: Epoch,
    segment_bytes: u64,
    /// The last segment.
    file: LogFile,
    header: SegmentHeader,
    /// Where its last group ends.
    end: u64,
    /// Where the file ends; between the two are zeros.
    file_bytes: u64,
    link: Link,
    /// The group that is written, reused.
    buffer: Vec<u8>,
    touched: Touched,
    state: WriteState,
    bugs: Bugs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteState {
    Good,
    /// A write or sync failed. What a later sync would say of the same pages means nothing, so
    /// there is no later one.
    Poisoned,
}

impl Log {
    /// Opens the log in `options.dir`, or begins one where there is none, and makes everything
    /// that readers will see durable. An append that a crash has cut short is dropped.
    ///
    /// # Errors
    /// If the log is damaged, of a newer format or of another epoch, or `witnesses` prove that it
    /// has lost its end: it is then left as it is. If the file system fails.
    pub fn open(options: Options, witnesses: Witnesses) -> Result<Log, OpenError> {
        let disk = Disk::new(options.dir, options.file_system, options.faults);
        let (mut recovered, mut file) = recovery::recover(&disk, options.epoch, witnesses)?;
        if options.bugs.has(SeededBug::HalfAGroup)
            && seeded::halve_last_group(&file, &recovered, witnesses.head())?
        {
            (recovered, file) = recovery::recover(&disk, options.epoch, witnesses)?;
        }
        let Recovered { header, link, .. } = recovered;
        let (end, file_bytes) = (recovered.index.end(), file.bytes()?);
        Ok(Log {
            shared: Arc::new(Shared::new(disk, recovered)),
            epoch: options.epoch,
            segment_bytes: options.segment_bytes,
            file,
            header,
            end,
            file_bytes,
            link,
            buffer: Vec::new(),
            touched: Touched::default(),
            state: WriteState::Good,
            bugs: options.bugs,
        })
    }

    /// Appends the commits as one group: one write, one sync. When this returns they are durable
    /// and readers see them. Without commits it does nothing.
    ///
    /// # Errors
    /// [`AppendError::Io`] if the write or the sync fails: the commits may or may not be there
    /// after the next open, readers do not see them, and every further append is refused with
    /// [`AppendError::Poisoned`]. After any other error nothing was written and the log is as good
    /// as before.
    pub fn append(&mut self, commits: &[CommitRecord]) -> Result<(), AppendError> {
        if self.state == WriteState::Poisoned {
            return Err(AppendError::Poisoned);
        }
        if commits.is_empty() {
            return Ok(());
        }
        let written = match self.encode(commits) {
            Ok(link) => {
                // Whatever happens while the disk is at work, only its end makes the log good.
                self.state = WriteState::Poisoned;
                self.write(commits.len(), link)
                    .map(|()| self.state = WriteState::Good)
            }
            Err(refused) => Err(refused),
        };
        if self.buffer.capacity() > BUFFER_BYTES_KEPT_MAX {
            self.buffer = Vec::new();
        }
        written
    }

    /// What reads from this log, now and while it goes on.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// What drops the beginning of this log, while it goes on.
    #[must_use]
    pub fn trimmer(&self) -> Trimmer {
        Trimmer::new(Arc::clone(&self.shared))
    }

    /// Makes sure once more that everything is durable. Readers stay good.
    ///
    /// # Errors
    /// If an append has failed, or the sync fails: the close is then not a clean one.
    pub fn close(self) -> Result<(), CloseError> {
        if self.state == WriteState::Poisoned {
            return Err(CloseError::Poisoned);
        }
        self.file.sync_all()?;
        self.shared.disk.sync_dir()?;
        Ok(())
    }

    /// Puts the commits into the buffer, behind the space of a header, and returns their last.
    fn encode(&mut self, commits: &[CommitRecord]) -> Result<Link, AppendError> {
        group::begin(&mut self.buffer);
        self.touched.clear();
        let mut link = self.link;
        for commit in commits {
            check(commit, link)?;
            let before = self.buffer.len();
            write_commit(&mut self.buffer, commit);
            let bytes = self.buffer.len() - before;
            if bytes > RECORD_BYTES_MAX {
                let sequence = commit.sequence;
                return Err(AppendError::RecordTooLarge { sequence, bytes });
            }
            for change in &commit.changes {
                self.touched.touch(change.collection);
            }
            (link.last, link.last_time) = (commit.sequence, commit.time);
        }
        let bytes = self.buffer.len() - group::HEADER_BYTES;
        if bytes > GROUP_BYTES_MAX {
            return Err(AppendError::GroupTooLarge { bytes });
        }
        Ok(link)
    }

    fn write(&mut self, count: usize, mut link: Link) -> Result<(), AppendError> {
        let bytes = self.buffer.len() as u64;
        let is_empty = self.end == segment::HEADER_BYTES as u64;
        if !is_empty && self.end + bytes > self.segment_bytes {
            self.roll()?;
        }
        // A commit takes several bytes and a group has fewer than 2^32.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let GroupHeader {
            first, checksum, ..
        } = group::finish(&mut self.buffer, self.header.salt, count, self.link);
        link.checksum = checksum;
        self.zero_ahead();
        self.file.write_at(self.end, &self.buffer)?;
        if !self.bugs.has(SeededBug::AcknowledgeBeforeSync) {
            self.file.sync_data()?;
        }
        self.file_bytes = self.file_bytes.max(self.end + self.buffer.len() as u64);
        self.end += bytes;
        self.link = link;
        // Publish after the sync: no reader may see what a crash can undo.
        self.shared.publish(first, bytes, &mut self.touched, link);
        Ok(())
    }

    /// Puts zeros behind the group in the buffer, if the file has to grow for it.
    fn zero_ahead(&mut self) {
        let end = self.end + self.buffer.len() as u64;
        if end > self.file_bytes {
            let zeros = ZERO_AHEAD_BYTES.min(self.segment_bytes.saturating_sub(end));
            let zeros = usize::try_from(zeros).unwrap_or(0);
            self.buffer.resize(self.buffer.len() + zeros, 0);
        }
    }

    /// Ends the last segment and begins the next.
    fn roll(&mut self) -> Result<(), IoError> {
        if self.file_bytes > self.end {
            // A segment that is not the last ends where its last group does.
            self.file.truncate(self.end)?;
            self.file.sync_all()?;
        }
        let disk = &self.shared.disk;
        let index = self
            .shared
            .with_last_index(|index| index::encode(&self.header, index, self.link));
        recovery::put_index(disk, self.header.first(), &index);
        let header = SegmentHeader::new(disk, self.epoch, self.link)?;
        self.file = segment::create(disk, &header)?;
        self.header = header;
        self.end = segment::HEADER_BYTES as u64;
        self.file_bytes = self.end;
        self.shared.roll(header);
        Ok(())
    }
}

/// Whether the commit may follow `link`.
fn check(commit: &CommitRecord, link: Link) -> Result<(), AppendError> {
    let (sequence, expected) = (commit.sequence, link.last.next());
    if sequence != expected {
        return Err(AppendError::NotNext {
            expected,
            found: sequence,
        });
    }
    if commit.time < link.last_time {
        let (time, last) = (commit.time, link.last_time);
        return Err(AppendError::TimeBackwards {
            sequence,
            time,
            last,
        });
    }
    match commit
        .changes
        .iter()
        .find(|change| change.before.is_none() && change.after.is_none())
    {
        Some(change) => Err(AppendError::EmptyChange {
            sequence,
            id: change.id.clone(),
        }),
        None => Ok(()),
    }
}
