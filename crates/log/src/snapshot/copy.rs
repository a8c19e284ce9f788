//! Copying a snapshot block by block, each checked on its way.

use super::block::{BlockReader, HEADER_BYTES, Header, Written};
use super::entry::{Entry, SnapshotDocument, SnapshotMutation};
use super::manifest::{self, MUTATIONS, documents_name, documents_number};
use super::read::Snapshot;
use crate::error::SnapshotError;
use crate::files::Disk;

/// Bytes that are gathered before they are written.
const STEP_BYTES: usize = 1 << 20;

impl Snapshot {
    /// Copies its files into `target`, an empty directory, and makes them durable there. Returns the
    /// checksum of the manifest. `progress` is told bytes as they are copied.
    pub(crate) fn copy_to(
        &self,
        target: &Disk,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u32, SnapshotError> {
        let (header, written) = (self.manifest.mutations_header(), self.manifest.mutations);
        self.copy_file::<SnapshotMutation>(target, (MUTATIONS, header, written), progress)?;
        for (place, file) in self.manifest.documents.iter().enumerate() {
            let number = documents_number(place);
            let header = self.manifest.documents_header(number);
            let file = (&*documents_name(number), header, file.written);
            self.copy_file::<SnapshotDocument>(target, file, progress)?;
        }
        let bytes = self.manifest.encode();
        target.put(manifest::NAME, &bytes)?;
        target.sync_dir()?;
        progress(bytes.len() as u64);
        Ok(crc32c::crc32c(&bytes))
    }

    fn copy_file<E: Entry + Clone>(
        &self,
        target: &Disk,
        (name, header, written): (&str, Header, Written),
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), SnapshotError> {
        let mut blocks = BlockReader::<E>::open(&self.disk, name, &header, written)?;
        let file = target.create(name)?;
        let mut pending = Vec::with_capacity(HEADER_BYTES);
        pending.extend_from_slice(&header.encode());
        let mut offset = 0;
        loop {
            let block = blocks.next_block()?;
            let is_end = block.is_none();
            pending.extend_from_slice(&block.unwrap_or_default());
            if is_end || pending.len() >= STEP_BYTES {
                file.write_at(offset, &pending)?;
                offset += pending.len() as u64;
                progress(pending.len() as u64);
                pending.clear();
            }
            if is_end {
                break;
            }
        }
        Ok(file.sync_all()?)
    }

    /// Bytes of all its files, and the checksum of its manifest.
    pub(crate) fn extent(&self) -> (u64, u32) {
        let manifest = self.manifest.encode();
        let bytes = self.bytes() + manifest.len() as u64;
        (bytes, crc32c::crc32c(&manifest))
    }
}
