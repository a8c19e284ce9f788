//! The stores that a data directory has: the current one, and what is left of earlier ones.

use std::fs;
use std::path::Path;

use wellspring_store::{SledStore, Store, StoreError};

use super::stamp::Stamp;
use super::{OpenError, io_error};

/// Where stores are, each in a directory of its own. META says which is the current one.
pub trait Stores: Send + Sync + 'static {
    /// Under which boot and mount the directory is there now; `None` where the system cannot tell,
    /// or there is no directory.
    fn stamp(&self, directory: &Path) -> Option<Stamp>;

    /// Opens the store in a directory; `None` where there is none.
    ///
    /// # Errors
    /// If it does not open: it has to be built again.
    fn open(
        &self,
        directory: &Path,
        cache_bytes: u64,
    ) -> Result<Option<Box<dyn Store>>, StoreError>;

    /// Makes an empty store in a directory, in place of whatever is there.
    ///
    /// # Errors
    /// If it cannot be made.
    fn create(&self, directory: &Path, cache_bytes: u64) -> Result<Box<dyn Store>, OpenError>;

    /// Bytes of a store's files; `u64::MAX` where they cannot be told.
    fn bytes(&self, directory: &Path) -> u64;

    /// Deletes what earlier stores have left beside the one in `current`. What cannot be deleted
    /// now is tried again next time.
    fn remove_others(&self, current: &Path);
}

/// Stores on disk, in sled's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct SledStores;

impl Stores for SledStores {
    fn stamp(&self, directory: &Path) -> Option<Stamp> {
        Stamp::of(directory)
    }

    fn open(
        &self,
        directory: &Path,
        cache_bytes: u64,
    ) -> Result<Option<Box<dyn Store>>, StoreError> {
        if !directory.exists() {
            return Ok(None);
        }
        open(directory, cache_bytes).map(Some)
    }

    fn create(&self, directory: &Path, cache_bytes: u64) -> Result<Box<dyn Store>, OpenError> {
        // What an earlier attempt has left.
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(|source| io_error(directory, source))?;
        }
        fs::create_dir_all(directory).map_err(|source| io_error(directory, source))?;
        Ok(open(directory, cache_bytes)?)
    }

    fn bytes(&self, directory: &Path) -> u64 {
        // It has few files.
        let files = fs::read_dir(directory).and_then(|entries| {
            entries
                .map(|entry| entry.and_then(|entry| Ok(entry.metadata()?.len())))
                .sum()
        });
        files.unwrap_or(u64::MAX)
    }

    fn remove_others(&self, current: &Path) {
        let Some(entries) = current.parent().and_then(|all| fs::read_dir(all).ok()) else {
            return;
        };
        for entry in entries.flatten() {
            let is_current = Some(&*entry.file_name()) == current.file_name();
            if !is_current && let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "an old store stays");
            }
        }
    }
}

fn open(directory: &Path, cache_bytes: u64) -> Result<Box<dyn Store>, StoreError> {
    let options = wellspring_store::Options { cache_bytes };
    Ok(Box::new(SledStore::open(directory, options)?))
}
