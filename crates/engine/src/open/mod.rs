//! Opening a database: META, the lock, the store if it can be trusted, the log, and a new store
//! from the log where it cannot.

mod history;
mod load;
mod meta;
mod rebuild;
mod stamp;
mod stores;

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use wellspring_log::{
    Damage, DamageKind, FileSystem, Log, Snapshot, SnapshotError, Snapshots, Witnesses,
};
use wellspring_store::{Store, StoreError};
use wellspring_types::{Epoch, Sequence};

use crate::collections::Collections;
use crate::options::Options;
use crate::read::ReadError;

use history::{Found, History};
pub(crate) use meta::Meta;
pub use meta::MetaError;
pub(crate) use rebuild::Pending;
pub use stamp::Stamp;
pub use stores::{SledStores, Stores};

/// How far opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenProgress {
    /// The log is being recovered.
    Recovering,
    /// A new store takes what a snapshot of the log holds, before it takes the rest from the log.
    Loading {
        /// Documents that it has.
        loaded: u64,
        /// Documents in the snapshot.
        documents: u64,
    },
    /// The store takes from the log what it lacks: after a crash a little, or everything, if the
    /// store had to be replaced.
    Applying {
        /// The store has everything up to here.
        applied: Sequence,
        /// The end of the log.
        head: Sequence,
    },
}

/// Why a database did not open. Nothing that is durable was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or directory could not be made or opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the database open.
    #[error("{} is in use by another process", data_dir.display())]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// META is there no more, but the log is.
    #[error("{} has a log but no META; restore META or the whole directory", data_dir.display())]
    MetaMissing {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// A restore into the directory was cut short.
    #[error("{} was not restored to the end: restore it again", data_dir.display())]
    RestoreUnfinished {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// META cannot be used.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The log cannot be used.
    #[error("log: {0}")]
    Log(#[from] wellspring_log::OpenError),
    /// The log cannot be read.
    #[error("log: {0}")]
    Read(#[from] ReadError),
    /// A snapshot cannot be used, and the log does not have what it holds.
    #[error("snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    /// A new store cannot be made.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("no thread could be started: {0}")]
    Thread(#[source] io::Error),
    /// The system has no random numbers.
    #[error("the system gives no random bytes")]
    Random,
}

/// The durable parts of a database, opened and consistent: the store has everything of the log.
pub(crate) struct Opened {
    pub(crate) lock: Lock,
    pub(crate) meta: MetaFile,
    pub(crate) log: Log,
    pub(crate) store: Box<dyn Store>,
    pub(crate) collections: Collections,
    pub(crate) snapshots: Snapshots,
    /// The newest snapshot that is good.
    pub(crate) snapshot: Option<Snapshot>,
    /// Whether the store still has to be compared with what was applied to it.
    pub(crate) unscrubbed: bool,
}

/// Nobody else opens the data directory until it is dropped.
pub(crate) type Lock = Box<dyn Send + Sync>;

/// META and where it is.
#[derive(Clone)]
pub(crate) struct MetaFile {
    file_system: Arc<dyn FileSystem>,
    data_dir: PathBuf,
    meta: Arc<Mutex<Meta>>,
}

impl MetaFile {
    fn new(options: &Options, meta: Meta) -> MetaFile {
        MetaFile {
            file_system: Arc::clone(&options.file_system),
            data_dir: options.data_dir.clone(),
            meta: Arc::new(Mutex::new(meta)),
        }
    }

    /// Changes META, durably.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Meta)) -> Result<(), MetaError> {
        let mut meta = self.meta.lock();
        let mut changed = meta.clone();
        change(&mut changed);
        changed.save(&*self.file_system, &self.data_dir)?;
        *meta = changed;
        Ok(())
    }

    /// An epoch that was never used before, as far as chance goes.
    pub(crate) fn new_epoch(&self) -> Result<Epoch, OpenError> {
        Ok(Epoch(u32::from_le_bytes(random(&*self.file_system)?)))
    }

    /// Has the next opening build the store again, unless the store is closed cleanly.
    pub(crate) fn distrust_store(&self) {
        let mut meta = self.meta.lock();
        // Also if it cannot be written now: what is written later must not name the store again.
        meta.stamp = None;
        if let Err(error) = meta.save(&*self.file_system, &self.data_dir) {
            tracing::error!(%error, "META still names the failed store");
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        self.meta.lock().clone()
    }
}

pub(crate) fn random<const N: usize>(file_system: &dyn FileSystem) -> Result<[u8; N], OpenError> {
    let mut bytes = [0; N];
    let filled = file_system.random(&mut bytes);
    filled.map_err(|_unavailable| OpenError::Random)?;
    Ok(bytes)
}

/// Opens the durable parts.
pub(crate) fn open(
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<Opened, OpenError> {
    let data_dir = &options.data_dir;
    let file_system = &*options.file_system;
    create_directory(file_system, data_dir).map_err(|source| io_error(data_dir, source))?;
    let lock = lock(file_system, data_dir)?;
    let unfinished = is_being_restored(file_system, data_dir);
    if unfinished.map_err(|source| io_error(data_dir, source))? {
        let data_dir = data_dir.clone();
        return Err(OpenError::RestoreUnfinished { data_dir });
    }
    let meta = load_or_create(file_system, data_dir)?;
    let (clean_close, witnessed) = (meta.clean_close, meta.witnessed);
    let directory = store_directory(data_dir, meta.store_number);
    let same_boot = meta.stamp.is_some() && meta.stamp == options.stores.stamp(&directory);
    let trusted = clean_close || same_boot;
    // Before anything is opened: from here on a crash must not look like a clean close.
    let file = MetaFile::new(options, meta);
    let stamp = options.stores.stamp(&directory).filter(|_| trusted);
    file.change(|meta| (meta.clean_close, meta.stamp) = (false, stamp))?;

    let store = if trusted {
        try_open(&directory, options)
    } else {
        None
    };
    progress(OpenProgress::Recovering);
    let applied = store
        .as_ref()
        .map_or(Sequence::ZERO, |store| store.applied().sequence);
    let log_epoch = file.meta().log_epoch;
    let Found {
        snapshots,
        snapshot,
        named,
        damaged,
    } = history::find(options, log_epoch)?;
    let witnesses = Witnesses {
        applied,
        snapshot: snapshot.as_ref().map_or(Sequence::ZERO, Snapshot::sequence),
        clean_close: Some(witnessed.max(named)),
    };
    let mut log_options = wellspring_log::Options::new(data_dir.join("log"), log_epoch);
    log_options.segment_bytes = options.segment_bytes;
    log_options.file_system = Arc::clone(&options.file_system);
    log_options.bugs = options.bugs.log;
    let log = Log::open(log_options, witnesses)
        .inspect_err(|_refused| remember_witness(&file, applied))
        .map_err(|refused| name_snapshot(refused, damaged))?;

    let history = History {
        log: log.reader(),
        snapshot,
    };
    let level = rebuild::bring_up(store, history, &file, options, progress)?;
    let current = store_directory(data_dir, file.meta().store_number);
    options.stores.remove_others(&current);
    let rebuild::Level {
        store,
        collections,
        snapshot,
        unscrubbed,
    } = level;
    Ok(Opened {
        lock,
        meta: file,
        log,
        store,
        collections,
        snapshots,
        snapshot,
        unscrubbed,
    })
}

/// What the store knows of a log that was refused: it may not be trusted any more when the log is
/// opened again, after the machine has started anew.
fn remember_witness(meta: &MetaFile, applied: Sequence) {
    if applied > meta.meta().witnessed
        && let Err(error) = meta.change(|meta| meta.witnessed = applied)
    {
        tracing::error!(%error, %applied, "META does not say how far the log had come");
    }
}

/// Where the log lacks its beginning because a snapshot is damaged, that is what is to be told.
fn name_snapshot(refused: wellspring_log::OpenError, damaged: Option<Damage>) -> OpenError {
    match (refused, damaged) {
        (
            wellspring_log::OpenError::Damaged(Damage {
                what: DamageKind::StartLost { .. },
                ..
            }),
            Some(snapshot),
        ) => SnapshotError::Damaged(snapshot).into(),
        (refused, _) => refused.into(),
    }
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Makes a directory and those above it, durably: the files in it are no more durable than its name.
pub(crate) fn create_directory(file_system: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    if file_system.is_dir(directory) {
        return Ok(());
    }
    let parent = directory.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_directory(file_system, parent)?;
    // `create_dir_all`, as another process may be making it too.
    file_system.create_dir_all(directory)?;
    file_system.sync_dir(parent)
}

/// Makes the names of all directories on the way to this one durable. That they are there does not
/// say that they are: whoever made them may have been killed before it could see to that.
fn sync_above(file_system: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    for above in directory.ancestors().skip(1) {
        let is_here = above.as_os_str().is_empty();
        match file_system.sync_dir(if is_here { Path::new(".") } else { above }) {
            // Somebody else's, who made it long ago: what we make we may open.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            // Or on a file system where that is nothing that one does.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Stands in a data directory while it is restored from a backup: what is there is not whole.
pub(crate) const RESTORING: &str = "RESTORING";

/// Whether a restore into the directory goes on, or was cut short.
pub(crate) fn is_being_restored(file_system: &dyn FileSystem, data_dir: &Path) -> io::Result<bool> {
    Ok(file_system.read(&data_dir.join(RESTORING))?.is_some())
}

fn lock(file_system: &dyn FileSystem, data_dir: &Path) -> Result<Lock, OpenError> {
    let path = data_dir.join("LOCK");
    file_system.lock(&path).map_err(|refused| match refused {
        TryLockError::WouldBlock => OpenError::InUse {
            data_dir: data_dir.to_owned(),
        },
        TryLockError::Error(source) => io_error(&path, source),
    })
}

fn load_or_create(file_system: &dyn FileSystem, data_dir: &Path) -> Result<Meta, OpenError> {
    if let Some(meta) = Meta::load(file_system, data_dir)? {
        return Ok(meta);
    }
    let log_dir = data_dir.join("log");
    let has_log = file_system
        .list(&log_dir)
        .is_ok_and(|names| !names.is_empty());
    if has_log {
        // A new META would have a new key and epoch: every token would be refused, and nobody
        // would know why.
        return Err(OpenError::MetaMissing {
            data_dir: data_dir.to_owned(),
        });
    }
    sync_above(file_system, data_dir).map_err(|source| io_error(data_dir, source))?;
    let epoch = Epoch(u32::from_le_bytes(random(file_system)?));
    let meta = Meta {
        epoch,
        log_epoch: epoch,
        token_key: random(file_system)?,
        clean_close: false,
        witnessed: Sequence::ZERO,
        store_number: 0,
        stamp: None,
    };
    meta.save(file_system, data_dir)?;
    Ok(meta)
}

pub(crate) fn store_directory(data_dir: &Path, number: u64) -> PathBuf {
    data_dir.join("store").join(number.to_string())
}

/// The store, if it opens: whatever is wrong with it, the log has everything.
fn try_open(directory: &Path, options: &Options) -> Option<Box<dyn Store>> {
    match options.stores.open(directory, options.cache_bytes) {
        Ok(store) => store,
        Err(error) => {
            tracing::error!(%error, "the store does not open; it is built again from the log");
            None
        }
    }
}
