//! Reading ahead in one file.

use crate::error::{GroupFault, IoError};
use crate::files::LogFile;
use crate::group::{self, GroupHeader};
use crate::segment::Salt;

/// The first read ahead; each further one is twice as long, so that whoever reads little takes
/// little memory.
const AHEAD_BYTES_MIN: usize = 16 << 10;
/// The longest read ahead.
pub(crate) const AHEAD_BYTES_MAX: usize = 512 << 10;

/// A part of a file, read ahead and used again while what is wanted lies inside of it.
#[derive(Debug, Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    start: u64,
    /// How much to read next.
    ahead: usize,
}

/// A group in the window.
pub(crate) struct Framed<'a> {
    pub(crate) header: GroupHeader,
    pub(crate) body: &'a [u8],
    /// Header and body as they stand there.
    pub(crate) bytes: &'a [u8],
}

/// What stands at a place in a segment.
pub(crate) enum Found<'a> {
    Group(Framed<'a>),
    Fault(GroupFault),
    /// The file ends here.
    End,
}

impl Window {
    /// Forgets what was read, as another file is next.
    pub(crate) fn reset(&mut self) {
        self.buffer.clear();
        self.ahead = 0;
    }

    /// The bytes from `offset`, `wanted` of them unless the file ends before.
    pub(crate) fn bytes(
        &mut self,
        file: &LogFile,
        offset: u64,
        wanted: usize,
    ) -> Result<&[u8], IoError> {
        if !self.holds(offset, wanted as u64) {
            self.ahead = (self.ahead * 2).clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
            self.fill(file, offset, wanted.max(self.ahead))?;
        }
        let skipped = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let rest = &self.buffer[skipped.min(self.buffer.len())..];
        Ok(&rest[..wanted.min(rest.len())])
    }

    /// Whether a part of the file is in the window.
    pub(crate) fn holds(&self, offset: u64, bytes: u64) -> bool {
        offset >= self.start
            && offset.saturating_add(bytes) <= self.start + self.buffer.len() as u64
    }

    /// Reads a part of the file into the window, in place of what was there.
    pub(crate) fn fill(
        &mut self,
        file: &LogFile,
        offset: u64,
        bytes: usize,
    ) -> Result<(), IoError> {
        // One large group must not make every later window as large.
        if self.buffer.capacity() > 4 * AHEAD_BYTES_MAX && bytes <= AHEAD_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.start = offset;
        self.buffer.resize(bytes, 0);
        let read = file.read_at(offset, &mut self.buffer);
        // After a failure nothing of the buffer may pass for the file.
        self.buffer.truncate(read.as_ref().map_or(0, |&read| read));
        read.map(|_read| ())
    }

    /// The group at `offset`, its checksum checked.
    pub(crate) fn group(
        &mut self,
        file: &LogFile,
        offset: u64,
        salt: Salt,
    ) -> Result<Found<'_>, IoError> {
        let head = self.bytes(file, offset, group::HEADER_BYTES)?;
        if head.is_empty() {
            return Ok(Found::End);
        }
        let header = match GroupHeader::parse(head) {
            Ok(header) => header,
            Err(fault) => return Ok(Found::Fault(fault)),
        };
        // A length that was made up is not worth the memory: the file's length is asked first.
        let bytes = header.group_bytes();
        if !self.holds(offset, bytes as u64) && offset + bytes as u64 > file.bytes()? {
            return Ok(Found::Fault(GroupFault::CutShort));
        }
        let whole = self.bytes(file, offset, bytes)?;
        if whole.len() < bytes {
            return Ok(Found::Fault(GroupFault::CutShort));
        }
        Ok(match header.check(whole, salt) {
            Ok(()) => Found::Group(Framed {
                header,
                body: &whole[group::HEADER_BYTES..],
                bytes: whole,
            }),
            Err(fault) => Found::Fault(fault),
        })
    }
}
