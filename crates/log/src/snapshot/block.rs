//! Files of blocks: entries, compressed some hundred at a time, each block with its checksum.

use std::marker::PhantomData;

use bytes::Bytes;
use wellspring_types::limits::RECORD_BYTES_MAX;
use wellspring_types::{Epoch, Sequence};

use super::entry::Entry;
use crate::error::{Damage, DamageKind, IoError, SnapshotError, SnapshotFault};
use crate::files::{Disk, LogFile, Operation};
use crate::group::u32_at;
use crate::record::{Cursor, Fault};

const MAGIC: [u8; 8] = *b"\xf9WSPSNP\n";
/// The format that is written.
pub(super) const FORMAT: u32 = 1;
pub(super) const HEADER_BYTES: usize = 48;
const HEADER_CHECKED_BYTES: usize = HEADER_BYTES - 4;

const BLOCK_HEADER_BYTES: usize = 16;
const BLOCK_CHECKED_BYTES: usize = BLOCK_HEADER_BYTES - 4;
/// A block that has grown to this many bytes is written. Larger ones hardly compress better, and
/// every file that is merged takes the memory of one.
const BLOCK_BYTES: usize = 128 << 10;
/// The longest block: an entry takes no more than the record that it comes from, and a block that
/// has less than its length takes one more.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + RECORD_BYTES_MAX;
/// The lowest level: a snapshot is written once and read hardly ever, beside a database at work.
const COMPRESSION_LEVEL: i32 = 1;

/// What a file is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Documents,
    Mutations,
    /// A sorted run of the log: only while a snapshot is made.
    Run,
}

impl Kind {
    fn code(self) -> u32 {
        match self {
            Kind::Documents => 1,
            Kind::Mutations => 2,
            Kind::Run => 3,
        }
    }
}

/// A snapshot as its files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Random bytes that tell its files from those of any other.
    pub(super) salt: [u8; 8],
    pub(super) epoch: Epoch,
    pub(super) sequence: Sequence,
}

/// A file of a snapshot as its header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) number: u32,
    pub(super) snapshot: Identity,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.kind.code().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.snapshot.salt);
        bytes[24..32].copy_from_slice(&self.snapshot.sequence.0.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.snapshot.epoch.0.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.number.to_le_bytes());
        // 40..44: room; zero in this format.
        let checksum = crc32c::crc32c(&bytes[..HEADER_CHECKED_BYTES]);
        bytes[HEADER_CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// A file that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) entries: u64,
    /// Of the whole file.
    pub(super) checksum: u32,
}

/// Writes entries into a new file.
pub(super) struct BlockWriter<E> {
    file: LogFile,
    /// Seeds the blocks' checksums, so that one of another file does not pass.
    seed: u32,
    written: Written,
    compressor: zstd::bulk::Compressor<'static>,
    block: Vec<u8>,
    block_entries: u32,
    of: PhantomData<fn(&E)>,
}

impl<E: Entry> BlockWriter<E> {
    pub(super) fn create(disk: &Disk, name: &str, header: &Header) -> Result<Self, IoError> {
        let file = disk.create(name)?;
        let bytes = header.encode();
        file.write_at(0, &bytes)?;
        let compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL)
            .map_err(|source| compression(&file, source))?;
        let written = Written {
            bytes: HEADER_BYTES as u64,
            entries: 0,
            checksum: crc32c::crc32c(&bytes),
        };
        Ok(BlockWriter {
            file,
            seed: u32_at(&bytes, HEADER_CHECKED_BYTES),
            written,
            compressor,
            block: Vec::with_capacity(BLOCK_BYTES),
            block_entries: 0,
            of: PhantomData,
        })
    }

    pub(super) fn push(&mut self, entry: &E) -> Result<(), IoError> {
        entry.write(&mut self.block);
        self.block_entries += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Bytes that are in the file so far.
    pub(super) fn bytes(&self) -> u64 {
        self.written.bytes
    }

    /// Writes what is left. The file is not durable yet.
    pub(super) fn finish(mut self) -> Result<(LogFile, Written), IoError> {
        self.flush()?;
        Ok((self.file, self.written))
    }

    fn flush(&mut self) -> Result<(), IoError> {
        if self.block_entries == 0 {
            return Ok(());
        }
        let compressed = self
            .compressor
            .compress(&self.block)
            .map_err(|source| compression(&self.file, source))?;
        let mut bytes = vec![0; BLOCK_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&length(&compressed).to_le_bytes());
        bytes[4..8].copy_from_slice(&length(&self.block).to_le_bytes());
        bytes[8..12].copy_from_slice(&self.block_entries.to_le_bytes());
        bytes.extend_from_slice(&compressed);
        let checksum = checksum(self.seed, self.written.bytes, &bytes);
        bytes[BLOCK_CHECKED_BYTES..BLOCK_HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_at(self.written.bytes, &bytes)?;
        self.written.bytes += bytes.len() as u64;
        self.written.entries += u64::from(self.block_entries);
        self.written.checksum = crc32c::crc32c_append(self.written.checksum, &bytes);
        self.block.clear();
        self.block_entries = 0;
        Ok(())
    }
}

/// Blocks are not longer than `BLOCK_BYTES_MAX` and a little.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn compression(file: &LogFile, source: std::io::Error) -> IoError {
    IoError {
        operation: Operation::Write,
        file: file.path().to_path_buf(),
        source,
    }
}

/// Of the block at `offset`: of where it is, of its header but for the checksum, and of its content.
fn checksum(seed: u32, offset: u64, block: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(seed, &offset.to_le_bytes());
    let header = crc32c::crc32c_append(place, &block[..BLOCK_CHECKED_BYTES]);
    crc32c::crc32c_append(header, &block[BLOCK_HEADER_BYTES..])
}

/// Reads the entries of a file, in order.
pub(super) struct BlockReader<E> {
    file: LogFile,
    /// Seeds the blocks' checksums.
    seed: u32,
    expected: Written,
    /// What was read so far, as far as whole blocks go.
    found: Written,
    block: Bytes,
    /// Where the block begins in the file, and the next entry in the block.
    block_offset: u64,
    at: usize,
    left: u32,
    last: Option<E>,
    /// Whether the block that is next could not be read.
    at_bad_block: bool,
    /// Whether something was passed over, so that the file is known not to be whole.
    has_skipped: bool,
}

impl<E: Entry + Clone> BlockReader<E> {
    /// The file `name`, which must be what `header` and `expected` say.
    pub(super) fn open(
        disk: &Disk,
        name: &str,
        header: &Header,
        expected: Written,
    ) -> Result<Self, SnapshotError> {
        let file = match disk.open_read(name) {
            Ok(file) => file,
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
                let file = error.file;
                return Err(damage_at(file, 0, SnapshotFault::Missing));
            }
            Err(error) => return Err(error.into()),
        };
        let found = file.bytes()?;
        if found != expected.bytes {
            let (offset, expected) = (found.min(expected.bytes), expected.bytes);
            let what = SnapshotFault::Length { found, expected };
            return Err(damage(&file, offset, what));
        }
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(0, &mut bytes)?;
        if read < HEADER_BYTES || bytes != header.encode() {
            return Err(damage(&file, 0, SnapshotFault::Header));
        }
        let found = Written {
            bytes: HEADER_BYTES as u64,
            entries: 0,
            checksum: crc32c::crc32c(&bytes),
        };
        Ok(BlockReader {
            file,
            seed: u32_at(&bytes, HEADER_CHECKED_BYTES),
            expected,
            found,
            block: Bytes::new(),
            block_offset: 0,
            at: 0,
            left: 0,
            last: None,
            at_bad_block: false,
            has_skipped: false,
        })
    }

    /// The next entry; `None` at the end, once the file is known to be whole.
    pub(super) fn next(&mut self) -> Result<Option<E>, SnapshotError> {
        if self.left == 0 && self.next_block()?.is_none() {
            return Ok(None);
        }
        let mut cursor = Cursor::new(&self.block, self.at);
        let entry = E::read(&mut cursor, &self.block).map_err(|fault| self.entry(fault))?;
        self.at = cursor.at();
        self.left -= 1;
        if self.left == 0 {
            super::entry::at_end(&cursor).map_err(|fault| self.entry(fault))?;
        }
        if self.last.as_ref().is_some_and(|last| !entry.follows(last)) {
            return Err(damage(&self.file, self.block_offset, SnapshotFault::Order));
        }
        self.last = Some(entry.clone());
        Ok(Some(entry))
    }

    fn entry(&self, fault: Fault) -> SnapshotError {
        let what = SnapshotFault::Entry(fault.what);
        damage(&self.file, self.block_offset, what)
    }

    /// Reads the next block and returns it as it stands in the file; `None` at the end, once the
    /// file is known to be whole.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        let offset = self.found.bytes;
        if offset == self.expected.bytes {
            if self.found != self.expected && !self.has_skipped {
                return Err(damage(&self.file, offset, SnapshotFault::Entries));
            }
            return Ok(None);
        }
        self.at_bad_block = true;
        let wrong = |reader: &Self| damage(&reader.file, offset, SnapshotFault::Block);
        let mut header = [0; BLOCK_HEADER_BYTES];
        let read = self.file.read_at(offset, &mut header)?;
        let lengths = (
            u64::from(u32_at(&header, 0)),
            u32_at(&header, 4),
            u32_at(&header, 8),
        );
        let (compressed, raw, entries) = lengths;
        let end = offset + BLOCK_HEADER_BYTES as u64 + compressed;
        let raw = usize::try_from(raw).unwrap_or(usize::MAX);
        // What was made up is not worth the memory.
        if read < BLOCK_HEADER_BYTES || end > self.expected.bytes || raw > BLOCK_BYTES_MAX {
            return Err(wrong(self));
        }
        let bytes = usize::try_from(end - offset).unwrap_or(BLOCK_BYTES_MAX);
        let mut block = vec![0; bytes];
        let read = self.file.read_at(offset, &mut block)?;
        let expected = u32_at(&block, BLOCK_CHECKED_BYTES);
        if read < bytes || checksum(self.seed, offset, &block) != expected || entries == 0 {
            return Err(wrong(self));
        }
        let content = zstd::bulk::decompress(&block[BLOCK_HEADER_BYTES..], raw);
        let Some(content) = content.ok().filter(|content| content.len() == raw) else {
            return Err(wrong(self));
        };
        self.found.bytes = end;
        self.found.entries += u64::from(entries);
        self.found.checksum = crc32c::crc32c_append(self.found.checksum, &block);
        self.block = content.into();
        (self.block_offset, self.at, self.left) = (offset, 0, entries);
        self.at_bad_block = false;
        Ok(Some(block))
    }

    /// Passes over the block that an error was about, to tell what else there is. Whether there is
    /// another one behind it.
    pub(super) fn skip_block(&mut self) -> bool {
        self.has_skipped = true;
        if !self.at_bad_block {
            // An entry of it was wrong, but not where the next block begins.
            self.left = 0;
            return true;
        }
        let mut length = [0; 4];
        let offset = self.found.bytes;
        if !self
            .file
            .read_at(offset, &mut length)
            .is_ok_and(|read| read == length.len())
        {
            return false;
        }
        let compressed = u64::from(u32_at(&length, 0));
        self.found.bytes = offset + BLOCK_HEADER_BYTES as u64 + compressed;
        // If its length is wrong, what stands there is no block.
        matches!(self.next_block(), Ok(Some(_)))
    }

    /// The file, and where in it the block is that the last entry came from.
    pub(super) fn place(&self) -> (&std::path::Path, u64) {
        (self.file.path(), self.block_offset)
    }

    /// Where what is read now is, for what the caller finds wrong with it.
    pub(super) fn damage(&self, what: SnapshotFault) -> SnapshotError {
        damage(&self.file, self.block_offset, what)
    }
}

fn damage(file: &LogFile, offset: u64, what: SnapshotFault) -> SnapshotError {
    damage_at(file.path().to_path_buf(), offset, what)
}

pub(super) fn damage_at(
    file: std::path::PathBuf,
    offset: u64,
    what: SnapshotFault,
) -> SnapshotError {
    SnapshotError::Damaged(Damage {
        file,
        offset,
        what: DamageKind::Snapshot(what),
    })
}
