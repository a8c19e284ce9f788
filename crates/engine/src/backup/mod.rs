//! Backups of a database, taken beside it while it works or rests, and databases made from them.
//!
//! ```
//! use wellspring_engine::{Database, Options, backup};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let (data, copy, again) = (
//! #     directory.path().join("data"), directory.path().join("backup"), directory.path().join("again"));
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! let database = Database::open(Options::new(&data), &mut |_| {})?;
//! let to = backup::BackupOptions::new(copy);
//! let taken = backup::take(&data, to.clone(), backup::now(), &mut |_| {})?;
//! # let _ = taken;
//! backup::restore(to, &again, backup::RestorePoint::Newest, &mut |_| {})?;
//! let restored = Database::open(Options::new(&again), &mut |_| {})?;
//! assert_ne!(restored.epoch(), database.epoch());
//! # runtime.block_on(async { restored.close().await?; database.close().await })?;
//! # Ok(())
//! # }
//! ```

mod error;
mod restore;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use wellspring_log::{Backup, BackupSource};
use wellspring_types::{Sequence, Timestamp};

pub use error::BackupError;
pub use restore::{Restored, restore};
pub use wellspring_log::{
    BackupManifest, BackupOptions, BackupProgress, BackupRange, BackupTaken, Held, RestorePoint,
};

use crate::open::{self, Meta};
use crate::options::{Clock, SystemClock};

/// Now, by the machine's clock: for [`take`].
#[must_use]
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// Takes a backup of the database in `data_dir`, or goes on with one: copies what it does not hold
/// yet. The database may be open in this or any process; it takes no notice. What it has
/// acknowledged before `now` is in the backup.
///
/// # Errors
/// If the backup is of another database, or of a history of this one that a restore or a disk that
/// was rolled back has ended; if a file is damaged; or if the file system fails. The backup is then
/// what it was before.
pub fn take(
    data_dir: &Path,
    to: BackupOptions,
    now: Timestamp,
    progress: &mut dyn FnMut(BackupProgress),
) -> Result<BackupTaken, BackupError> {
    let file_system = Arc::clone(&to.file_system);
    let loaded = Meta::load(&*file_system, data_dir)?;
    let meta = loaded.ok_or_else(|| BackupError::NoDatabase {
        data_dir: data_dir.to_owned(),
    })?;
    if open::is_being_restored(&*file_system, data_dir).map_err(|source| BackupError::Io {
        path: data_dir.to_owned(),
        source,
    })? {
        let data_dir = data_dir.to_owned();
        return Err(BackupError::RestoreUnfinished { data_dir });
    }
    let mut backup = Backup::open_to_take(to)?;
    if let Some(manifest) = backup.manifest() {
        let before = kept_meta(manifest)?;
        if (before.epoch, before.log_epoch) != (meta.epoch, meta.log_epoch) {
            return Err(BackupError::OtherHistory {
                backup: before.epoch,
                database: meta.epoch,
            });
        }
    }
    let source = BackupSource {
        log: data_dir.join("log"),
        snapshots: data_dir.join("snapshots"),
        file_system,
        epoch: meta.log_epoch,
        witnessed: meta.witnessed,
        database: Bytes::copy_from_slice(&meta.of_a_copy(Sequence::ZERO).encode()),
        taken_at: now,
    };
    Ok(backup.take(&source, progress)?)
}

/// META as the backup has it.
pub(crate) fn kept_meta(manifest: &BackupManifest) -> Result<Meta, BackupError> {
    Ok(Meta::decode(&manifest.database)?)
}
