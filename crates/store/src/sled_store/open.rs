//! Opening and closing: what may hang has a deadline here.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use super::ids::Ids;
use super::kept::Kept;
use super::{SledStore, files, guard};
use crate::StoreError;
use crate::error::from_sled;

/// Milliseconds between two flushes by sled's own thread, which also reclaims space: without it
/// the file would only grow.
const FLUSH_INTERVAL_MS: u64 = 500;
/// How long opening and closing may take, beside what the size of the store allows for.
const DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of the store that add one second to the deadline: far slower than any disk in use.
const DEADLINE_BYTES_PER_S: u64 = 10 << 20;
/// How long it is waited for sled's threads to let go of a store that was closed.
const UNLOCK_WAIT: Duration = Duration::from_secs(3);

/// How a [`SledStore`] is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of sled's page cache; resident memory runs to three times that.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 64 << 20,
        }
    }
}

impl SledStore {
    /// Opens the store in `dir`, which is created if need be; nothing else may be in it.
    ///
    /// It takes no longer than half a minute and what the store's size allows for (one second for
    /// each 10 MiB), whatever state the files are in.
    ///
    /// # Errors
    /// Any but those about batches. After each of them the directory can be replaced; after
    /// [`StoreError::TimedOut`] it must not be opened again in this process.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<SledStore, StoreError> {
        let deadline = deadline(dir.as_ref());
        SledStore::open_within(dir, options, deadline)
    }

    /// [`SledStore::open`] with a deadline of the caller's choice.
    ///
    /// # Errors
    /// As for [`SledStore::open`].
    pub fn open_within(
        dir: impl AsRef<Path>,
        options: Options,
        deadline: Duration,
    ) -> Result<SledStore, StoreError> {
        let dir = dir.as_ref().to_path_buf();
        let thread_dir = dir.clone();
        let (db, kept, ids) = guard::within(deadline, move || open_sled(&thread_dir, options))?;
        Ok(SledStore {
            dir,
            db: Some(db),
            kept: RwLock::new(kept),
            ids,
            turn: Mutex::new(None),
            apply_waits: AtomicBool::new(false),
            scrubbing: Mutex::new(()),
            failed: AtomicBool::new(false),
        })
    }

    /// Gives sled back, and waits until its threads have let go of the files.
    pub(super) fn release(&mut self) -> Result<(), StoreError> {
        let Some(db) = self.db.take() else {
            return Ok(());
        };
        let dir = self.dir.clone();
        guard::within(deadline(&self.dir), move || {
            // Dropping flushes as well, but only logs what goes wrong.
            while db.flush().map_err(from_sled)? > 0 {}
            drop(db);
            files::wait_until_unlocked(&dir, UNLOCK_WAIT)
        })
    }

    pub(super) fn close_all(mut self) -> Result<(), StoreError> {
        let failed = self.check_not_failed();
        self.release()?;
        files::sync_all(&self.dir)?;
        failed
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            tracing::warn!(%error, dir = ?self.dir, "the store was dropped without being closed");
        }
    }
}

fn open_sled(dir: &Path, options: Options) -> Result<(sled::Db, Kept, Ids), StoreError> {
    files::prepare(dir)?;
    files::wait_until_unlocked(dir, UNLOCK_WAIT)?;
    let db = sled::Config::new()
        .path(PathBuf::from(dir))
        .cache_capacity(options.cache_bytes)
        .flush_every_ms(Some(FLUSH_INTERVAL_MS))
        .open()
        .map_err(from_sled)?;
    Ok(match Kept::load(&db)? {
        Some(kept) => (db, kept, Ids::of_unread()),
        None => {
            let kept = Kept::create(&db)?;
            (db, kept, Ids::of_empty())
        }
    })
}

fn deadline(dir: &Path) -> Duration {
    DEADLINE + Duration::from_secs(files::bytes(dir) / DEADLINE_BYTES_PER_S)
}
