//! META: the one small file that is neither in the log nor derived from it.
//!
//! Layout, little-endian, 128 bytes:
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 8 | `WELLMETA` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | epoch that tokens are issued under |
//! | 16 | 4 | epoch that the log was created under |
//! | 20 | 1 | 1 if the database was closed cleanly and not opened since |
//! | 21 | 1 | 1 if the stamp is known |
//! | 22 | 2 | zero |
//! | 24 | 8 | a sequence that the log had reached for certain |
//! | 32 | 32 | key that tokens are authenticated with |
//! | 64 | 8 | number of the current `store/N` |
//! | 72 | 16 | stamp: boot id |
//! | 88 | 8 | stamp: mount id |
//! | 96 | 8 | stamp: inode of `store/N` |
//! | 104 | 20 | zero |
//! | 124 | 4 | CRC32C of the 124 bytes before |

use std::io;
use std::path::Path;

use wellspring_log::{Access, FileSystem};
use wellspring_types::{Epoch, Sequence};

use super::stamp::Stamp;

const MAGIC: &[u8; 8] = b"WELLMETA";
const FORMAT: u32 = 1;
const BYTES: usize = 128;
const NAME: &str = "META";
const TEMPORARY_NAME: &str = "META.tmp";

/// What META says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Epoch that tokens are issued under.
    pub(crate) epoch: Epoch,
    /// Epoch in the headers of the log's segments.
    pub(crate) log_epoch: Epoch,
    /// Key that tokens are authenticated with.
    pub(crate) token_key: [u8; 32],
    /// Whether the store was closed cleanly: not while open, nor after a crash.
    pub(crate) clean_close: bool,
    /// The log had everything up to here, when it was closed or when it was refused. It stays
    /// when the mark goes: a log that is refused for its lost end is refused again.
    pub(crate) witnessed: Sequence,
    /// Which `store/N` is current.
    pub(crate) store_number: u64,
    /// Under which boot and mount the store was opened last; `None` where it must not be trusted.
    pub(crate) stamp: Option<Stamp>,
}

/// Why META could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetaError {
    /// The file system refused.
    #[error("META: {0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("META is damaged: {reason}")]
    Damaged {
        /// What is wrong.
        reason: &'static str,
    },
    /// A newer Wellspring wrote it.
    #[error("META has format {format}; this version reads up to {FORMAT}")]
    NewerFormat {
        /// Its format.
        format: u32,
    },
}

impl Meta {
    /// Reads META; `None` where there is none.
    pub(crate) fn load(
        file_system: &dyn FileSystem,
        data_dir: &Path,
    ) -> Result<Option<Meta>, MetaError> {
        let bytes = file_system.read(&data_dir.join(NAME))?;
        bytes.map(|bytes| Meta::decode(&bytes)).transpose()
    }

    /// Replaces META, durably: after this returns, a crash finds the new one.
    pub(crate) fn save(
        &self,
        file_system: &dyn FileSystem,
        data_dir: &Path,
    ) -> Result<(), MetaError> {
        let temporary = data_dir.join(TEMPORARY_NAME);
        let file = file_system.open(&temporary, Access::Create)?;
        file.write_at(0, &self.encode())?;
        file.sync_all()?;
        file_system.rename(&temporary, &data_dir.join(NAME))?;
        file_system.sync_dir(data_dir)?;
        Ok(())
    }

    /// As a copy of the database has it, whose log ends at `head`.
    pub(crate) fn of_a_copy(&self, head: Sequence) -> Meta {
        Meta {
            clean_close: false,
            witnessed: head,
            store_number: 0,
            stamp: None,
            ..self.clone()
        }
    }

    pub(crate) fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, MAGIC);
        put(8, &FORMAT.to_le_bytes());
        put(12, &self.epoch.0.to_le_bytes());
        put(16, &self.log_epoch.0.to_le_bytes());
        put(
            20,
            &[u8::from(self.clean_close), u8::from(self.stamp.is_some())],
        );
        put(24, &self.witnessed.0.to_le_bytes());
        put(32, &self.token_key);
        put(64, &self.store_number.to_le_bytes());
        if let Some(stamp) = &self.stamp {
            put(72, &stamp.boot_id);
            put(88, &stamp.mount_id.to_le_bytes());
            put(96, &stamp.inode.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&bytes[..BYTES - 4]);
        bytes[BYTES - 4..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Meta, MetaError> {
        let damaged = |reason| MetaError::Damaged { reason };
        let bytes: &[u8; BYTES] = bytes.try_into().map_err(|_other| damaged("wrong length"))?;
        if &bytes[..8] != MAGIC {
            return Err(damaged("wrong magic"));
        }
        let u32_at = |at: usize| u32::from_le_bytes(array(bytes, at));
        let u64_at = |at: usize| u64::from_le_bytes(array(bytes, at));
        if u32_at(BYTES - 4) != crc32c::crc32c(&bytes[..BYTES - 4]) {
            return Err(damaged("wrong checksum"));
        }
        if u32_at(8) != FORMAT {
            return Err(MetaError::NewerFormat { format: u32_at(8) });
        }
        let stamp = Stamp {
            boot_id: array(bytes, 72),
            mount_id: u64_at(88),
            inode: u64_at(96),
        };
        Ok(Meta {
            epoch: Epoch(u32_at(12)),
            log_epoch: Epoch(u32_at(16)),
            token_key: array(bytes, 32),
            clean_close: bytes[20] == 1,
            witnessed: Sequence(u64_at(24)),
            store_number: u64_at(64),
            stamp: (bytes[21] == 1).then_some(stamp),
        })
    }
}

/// The `N` bytes at `at`.
fn array<const N: usize>(bytes: &[u8; BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use wellspring_log::LocalFileSystem;

    use super::*;

    fn meta() -> Meta {
        Meta {
            epoch: Epoch(5),
            log_epoch: Epoch(4),
            token_key: [9; 32],
            clean_close: true,
            witnessed: Sequence(77),
            store_number: 3,
            stamp: Some(Stamp {
                boot_id: [1; 16],
                mount_id: 8,
                inode: 12,
            }),
        }
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(
            Meta::load(&LocalFileSystem, directory.path()).unwrap(),
            None
        );
        for meta in [
            meta(),
            Meta {
                clean_close: false,
                stamp: None,
                ..meta()
            },
        ] {
            meta.save(&LocalFileSystem, directory.path()).unwrap();
            assert_eq!(
                Meta::load(&LocalFileSystem, directory.path()).unwrap(),
                Some(meta)
            );
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let good = meta().encode();
        for at in 0..BYTES {
            let mut bad = good;
            bad[at] ^= 0x20;
            assert!(Meta::decode(&bad).is_err(), "byte {at}");
        }
        assert!(Meta::decode(&good[1..]).is_err());
    }
}
