//! Backups: a directory of segments and snapshots as they are in a database, and a manifest that
//! says which of their bytes count. They are copied beside a database at work, which takes no
//! notice, and each byte is checked on its way; what is damaged is named and not copied. The files
//! are drawn in `docs/format.md`.

mod manifest;
mod range;
mod restore;
mod segment;
mod take;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellspring_types::Sequence;

pub use manifest::{BackupManifest, BackupSegment, BackupSnapshot};
pub use range::{BackupRange, Held, RestorePoint};
pub use restore::RestoreTarget;
pub use take::{BackupSource, BackupTaken};

use crate::error::{BackupError, BackupFault, Damage, DamageKind};
use crate::file_system::FileSystem;
use crate::files::{Disk, Faults, Lock, LogFile, TEMPORARY_SUFFIX};
use crate::private_files::PrivateFileSystem;
use crate::segment::segment_name;

/// The directory of segments, in a backup as in a database.
const LOG: &str = "log";
/// The directory of snapshots, in a backup as in a database.
const SNAPSHOTS: &str = "snapshots";
/// Locked while a backup is taken.
const LOCK: &str = "LOCK";

/// Where a backup is.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Its directory.
    pub dir: PathBuf,
    /// Where the directory is: the machine's file system, unless a simulation says otherwise, where
    /// files are made for their owner alone.
    pub file_system: Arc<dyn FileSystem>,
    /// Operations on disk that are to fail; none unless a test says so.
    pub faults: Faults,
}

impl BackupOptions {
    /// The defaults, for a backup in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> BackupOptions {
        BackupOptions {
            dir: dir.into(),
            file_system: Arc::new(PrivateFileSystem::default()),
            faults: Faults::default(),
        }
    }
}

/// A backup.
#[derive(Debug)]
pub struct Backup {
    disk: Disk,
    manifest: Option<BackupManifest>,
    /// Held while a backup may be taken.
    _lock: Option<Lock>,
}

/// How far copying has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Bytes that were copied.
    pub done: u64,
    /// Bytes that there are to be copied, as far as is known.
    pub total: u64,
}

/// Counts bytes, and tells of it.
struct Progress<'a> {
    counted: BackupProgress,
    tell: &'a mut dyn FnMut(BackupProgress),
}

impl<'a> Progress<'a> {
    fn new(tell: &'a mut dyn FnMut(BackupProgress)) -> Self {
        let (done, total) = (0, 0);
        let counted = BackupProgress { done, total };
        Progress { counted, tell }
    }

    /// There is this much more to be copied.
    fn expect(&mut self, bytes: u64) {
        self.counted.total = self.counted.done.saturating_add(bytes);
    }

    fn add(&mut self, bytes: u64) {
        let BackupProgress { done, total } = &mut self.counted;
        *done = done.saturating_add(bytes);
        *total = (*total).max(*done);
        (self.tell)(self.counted);
    }
}

impl Backup {
    /// The backup in `options.dir`, to be read.
    ///
    /// # Errors
    /// If there is none, or its manifest is damaged or of a newer format.
    pub fn open(options: BackupOptions) -> Result<Backup, BackupError> {
        let disk = Disk::new(options.dir, options.file_system, options.faults).read_only();
        let manifest = load(&disk)?;
        if manifest.is_none() {
            let dir = disk.dir().to_path_buf();
            return Err(BackupError::Missing { dir });
        }
        Ok(Backup {
            disk,
            manifest,
            _lock: None,
        })
    }

    /// The backup in `options.dir`, to be taken or gone on with. The directory is made where it is missing,
    /// for its owner alone.
    ///
    /// # Errors
    /// If the directory holds something else, if another process takes a backup into it, or if its
    /// manifest is damaged or of a newer format.
    pub fn open_to_take(options: BackupOptions) -> Result<Backup, BackupError> {
        let disk = Disk::new(options.dir, options.file_system, options.faults);
        disk.create_dir()?;
        let manifest = load(&disk)?;
        if manifest.is_none() && disk.list()?.iter().any(|name| !is_ours(name)) {
            let dir = disk.dir().to_path_buf();
            return Err(BackupError::NotABackup { dir });
        }
        let Some(lock) = disk.lock(LOCK)? else {
            let dir = disk.dir().to_path_buf();
            return Err(BackupError::InUse { dir });
        };
        Ok(Backup {
            disk,
            manifest,
            _lock: Some(lock),
        })
    }

    /// What it holds; `None`: it is being taken for the first time.
    #[must_use]
    pub fn manifest(&self) -> Option<&BackupManifest> {
        self.manifest.as_ref()
    }

    /// What it holds, once that is something.
    pub(crate) fn declared(&self) -> Result<&BackupManifest, BackupError> {
        let dir = || self.disk.dir().to_path_buf();
        let manifest = self.manifest.as_ref();
        manifest.ok_or_else(|| BackupError::Missing { dir: dir() })
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.disk.dir()
    }

    pub(crate) fn log(&self) -> Disk {
        self.disk.below(LOG)
    }

    pub(crate) fn snapshots(&self) -> Disk {
        self.disk.below(SNAPSHOTS)
    }

    /// The segment of the backup, as far as it counts.
    fn segment(&self, segment: &BackupSegment) -> Result<LogFile, BackupError> {
        open_segment(&self.log(), segment.first, segment.bytes)
    }
}

fn open_segment(log: &Disk, first: Sequence, expected: u64) -> Result<LogFile, BackupError> {
    let name = segment_name(first);
    let damage = |what| Damage {
        file: log.dir().join(&name),
        offset: 0,
        what: DamageKind::Backup(what),
    };
    let file = match log.open_read(&name) {
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
            return Err(damage(BackupFault::Missing).into());
        }
        opened => opened?.limited(expected),
    };
    match file.bytes()? {
        found if found == expected => Ok(file),
        found => Err(damage(BackupFault::Length { found, expected }).into()),
    }
}

fn load(disk: &Disk) -> Result<Option<BackupManifest>, BackupError> {
    let Some(bytes) = disk.read_whole(manifest::NAME)? else {
        return Ok(None);
    };
    let file = disk.dir().join(manifest::NAME);
    BackupManifest::decode(&bytes, &file).map(Some)
}

/// Whether a backup that was never finished may have left it.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
    [LOG, SNAPSHOTS, LOCK, manifest::NAME].contains(&name)
}
