//! Opening a database: META, the lock, the store if it can be trusted, the log, and a new store
//! from the log where it cannot.

mod history;
mod load;
mod meta;
mod rebuild;
mod stamp;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use wellspring_log::{Log, Snapshot, SnapshotError, Snapshots, Witnesses};
use wellspring_store::{SledStore, Store, StoreError};
use wellspring_types::{Epoch, Sequence};

use crate::collections::Collections;
use crate::options::Options;
use crate::read::ReadError;

use history::{Found, History};
pub(crate) use meta::Meta;
pub use meta::MetaError;
use stamp::Stamp;

/// How far opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenProgress {
    /// The log is being recovered.
    Recovering,
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
    pub(crate) lock: File,
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

/// META and where it is.
#[derive(Clone)]
pub(crate) struct MetaFile(Arc<Mutex<(PathBuf, Meta)>>);

impl MetaFile {
    /// Changes META, durably.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Meta)) -> Result<(), MetaError> {
        let mut file = self.0.lock();
        let mut changed = file.1.clone();
        change(&mut changed);
        changed.save(&file.0)?;
        file.1 = changed;
        Ok(())
    }

    /// Has the next opening build the store again, unless the store is closed cleanly.
    pub(crate) fn distrust_store(&self) {
        if let Err(error) = self.change(|meta| meta.stamp = None) {
            tracing::error!(%error, "META still names the failed store");
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        self.0.lock().1.clone()
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], OpenError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_unavailable| OpenError::Random)?;
    Ok(bytes)
}

/// Opens the durable parts.
pub(crate) fn open(
    options: &Options,
    progress: &mut dyn FnMut(OpenProgress),
) -> Result<Opened, OpenError> {
    let data_dir = &options.data_dir;
    create_directory(data_dir).map_err(|source| io_error(data_dir, source))?;
    let lock = lock(data_dir)?;
    let meta = load_or_create(data_dir)?;
    let (clean_close, witnessed) = (meta.clean_close, meta.witnessed);
    let directory = store_directory(data_dir, meta.store_number);
    let same_boot = meta.stamp.is_some() && meta.stamp == Stamp::of(&directory);
    let trusted = clean_close || same_boot;
    // Before anything is opened: from here on a crash must not look like a clean close.
    let file = MetaFile(Arc::new(Mutex::new((data_dir.clone(), meta))));
    let stamp = if trusted { Stamp::of(&directory) } else { None };
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
    } = history::find(data_dir, log_epoch, options.snapshot_run_bytes)?;
    let witnesses = Witnesses {
        applied,
        snapshot: snapshot.as_ref().map_or(Sequence::ZERO, Snapshot::sequence),
        clean_close: Some(witnessed.max(named)),
    };
    let mut log_options = wellspring_log::Options::new(data_dir.join("log"), log_epoch);
    log_options.segment_bytes = options.segment_bytes;
    let log = Log::open(log_options, witnesses)
        .inspect_err(|_refused| remember_witness(&file, applied))?;

    let history = History {
        log: log.reader(),
        snapshot,
    };
    let level = rebuild::bring_up(store, history, &file, options, progress)?;
    remove_other_stores(data_dir, file.meta().store_number);
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

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Makes a directory and those above it, durably: the files in it are no more durable than its name.
fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_directory(parent)?;
    // `create_dir_all`, as another process may be making it too.
    fs::create_dir_all(directory)?;
    File::open(parent)?.sync_all()
}

fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let path = data_dir.join("LOCK");
    let file = File::create(&path).map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse {
            data_dir: data_dir.to_owned(),
        }),
        Err(fs::TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

fn load_or_create(data_dir: &Path) -> Result<Meta, OpenError> {
    if let Some(meta) = Meta::load(data_dir)? {
        return Ok(meta);
    }
    let log_dir = data_dir.join("log");
    let has_log = fs::read_dir(&log_dir).is_ok_and(|mut entries| entries.next().is_some());
    if has_log {
        // A new META would have a new key and epoch: every token would be refused, and nobody
        // would know why.
        return Err(OpenError::MetaMissing {
            data_dir: data_dir.to_owned(),
        });
    }
    let epoch = Epoch(u32::from_le_bytes(random()?));
    let meta = Meta {
        epoch,
        log_epoch: epoch,
        token_key: random()?,
        clean_close: false,
        witnessed: Sequence::ZERO,
        store_number: 0,
        stamp: None,
    };
    meta.save(data_dir)?;
    Ok(meta)
}

fn store_directory(data_dir: &Path, number: u64) -> PathBuf {
    data_dir.join("store").join(number.to_string())
}

/// The store, if it opens: whatever is wrong with it, the log has everything.
fn try_open(directory: &Path, options: &Options) -> Option<Box<dyn Store>> {
    if !directory.exists() {
        return None;
    }
    match open_store(directory, options) {
        Ok(store) => Some(store),
        Err(error) => {
            tracing::error!(%error, "the store does not open; it is built again from the log");
            None
        }
    }
}

fn open_store(directory: &Path, options: &Options) -> Result<Box<dyn Store>, StoreError> {
    let store_options = wellspring_store::Options {
        cache_bytes: options.cache_bytes,
    };
    Ok(Box::new(SledStore::open(directory, store_options)?))
}

/// Deletes what earlier stores have left. What cannot be deleted now is tried again next time.
fn remove_other_stores(data_dir: &Path, current: u64) {
    let Ok(entries) = fs::read_dir(data_dir.join("store")) else {
        return;
    };
    for entry in entries.flatten() {
        let is_current = entry.file_name().to_str() == Some(&current.to_string());
        if !is_current && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "an old store stays");
        }
    }
}
