//! Making a database from a backup.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wellspring_log::{
    Access, Backup, BackupOptions, BackupProgress, FileSystem, RestorePoint, RestoreTarget,
};
use wellspring_types::{Epoch, Sequence};

use super::{BackupError, kept_meta};
use crate::open::{self, Meta, RESTORING};

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last commit.
    pub head: Sequence,
    /// The epoch of the database's tokens: a new one. Tokens from before the backup was taken are
    /// answered with a reset.
    pub epoch: Epoch,
}

/// What a restore that was cut short may have left.
const OURS: [&str; 6] = ["LOCK", "META", "META.tmp", "log", "snapshots", RESTORING];

/// Makes the database as it was at `point` in `data_dir`, which must be empty or not there. Until
/// all of it is durable nobody can open it. Its store is built when it is opened.
///
/// # Errors
/// If there is anything in the directory but what a restore has left that was cut short; if the
/// backup does not hold the point, or is damaged; or if the file system fails.
pub fn restore(
    from: BackupOptions,
    data_dir: &Path,
    point: RestorePoint,
    progress: &mut dyn FnMut(BackupProgress),
) -> Result<Restored, BackupError> {
    let file_system = Arc::clone(&from.file_system);
    let faults = from.faults.clone();
    let backup = Backup::open(from)?;
    // Whatever is wrong with the request is found before anything is made.
    let head = backup.find(point)?;
    let before = backup.manifest().map(kept_meta).transpose()?;
    let before = before.ok_or_else(|| wellspring_log::BackupError::Missing {
        dir: backup.dir().to_path_buf(),
    })?;

    let place = Place {
        file_system: &*file_system,
        data_dir,
    };
    let _lock = place.begin()?;
    let target = RestoreTarget {
        file_system: Arc::clone(&file_system),
        faults,
        ..RestoreTarget::new(data_dir)
    };
    backup.restore(RestorePoint::Sequence(head), &target, progress)?;
    let epoch = new_epoch(&*file_system, &before)?;
    let meta = Meta {
        epoch,
        ..before.of_a_copy(head)
    };
    meta.save(&*file_system, data_dir)?;
    place.end()?;
    Ok(Restored { head, epoch })
}

/// An epoch that is not one of those that the backup's tokens and segments have.
fn new_epoch(file_system: &dyn FileSystem, before: &Meta) -> Result<Epoch, BackupError> {
    loop {
        let mut bytes = [0; 4];
        let filled = file_system.random(&mut bytes);
        filled.map_err(|_unavailable| BackupError::Random)?;
        let epoch = Epoch(u32::from_le_bytes(bytes));
        if epoch != before.epoch && epoch != before.log_epoch {
            return Ok(epoch);
        }
    }
}

/// Where a database is restored.
struct Place<'a> {
    file_system: &'a dyn FileSystem,
    data_dir: &'a Path,
}

impl Place<'_> {
    fn io<T>(&self, done: io::Result<T>) -> Result<T, BackupError> {
        done.map_err(|source| BackupError::Io {
            path: self.data_dir.to_owned(),
            source,
        })
    }

    /// Makes sure that there is nothing, and marks that there is nothing whole.
    fn begin(&self) -> Result<open::Lock, BackupError> {
        let (files, data_dir) = (self.file_system, self.data_dir);
        self.io(open::create_directory(files, data_dir))?;
        self.check_empty()?;
        let lock = match files.lock(&data_dir.join("LOCK")) {
            Ok(lock) => lock,
            Err(TryLockError::WouldBlock) => {
                let data_dir = data_dir.to_owned();
                return Err(BackupError::InUse { data_dir });
            }
            Err(TryLockError::Error(error)) => return self.io(Err(error)),
        };
        // Another may have restored it until it was locked.
        self.check_empty()?;
        self.io(self.mark())?;
        for name in ["log", "snapshots"] {
            let dir = data_dir.join(name);
            if files.is_dir(&dir) {
                self.io(files.remove_dir_all(&dir))?;
            }
        }
        self.io(files.sync_dir(data_dir))?;
        Ok(lock)
    }

    fn check_empty(&self) -> Result<(), BackupError> {
        let names = self.io(self.file_system.list(self.data_dir))?;
        let unfinished = self.io(open::is_being_restored(self.file_system, self.data_dir))?;
        let may_be = |name: &String| match unfinished {
            true => OURS.contains(&name.as_str()),
            false => name == "LOCK",
        };
        if names.iter().all(may_be) {
            return Ok(());
        }
        let data_dir = self.data_dir.to_owned();
        Err(BackupError::NotEmpty { data_dir })
    }

    fn mark(&self) -> io::Result<()> {
        let file = self.data_dir.join(RESTORING);
        self.file_system.open(&file, Access::Create)?.sync_all()?;
        self.file_system.sync_dir(self.data_dir)
    }

    /// Everything is there: takes the mark away.
    fn end(&self) -> Result<(), BackupError> {
        let (files, data_dir) = (self.file_system, self.data_dir);
        self.io(files.sync_dir(data_dir))?;
        self.io(files.remove_file(&data_dir.join(RESTORING)))?;
        self.io(files.sync_dir(data_dir))
    }
}
