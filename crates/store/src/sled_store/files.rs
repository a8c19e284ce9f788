//! The store's files, from outside sled.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::StoreError;

/// Maps an error to the path that it is about.
fn about(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = PathBuf::from(path);
    move |source| StoreError::File { path, source }
}

/// Creates the directory if need be and deletes what a crash left of an unfinished snapshot of
/// sled's page table: sled would write the next one of that name over it without truncating it.
pub(super) fn prepare(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(about(dir))?;
    for entry in fs::read_dir(dir).map_err(about(dir))? {
        let entry = entry.map_err(about(dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path()).map_err(about(&entry.path()))?;
        }
    }
    Ok(())
}

/// Waits until nobody holds sled's lock. sled's helper threads may hold the file for a moment
/// after the last handle is gone: a store that was closed is not closed before that.
pub(super) fn wait_until_unlocked(dir: &Path, longest: Duration) -> Result<(), StoreError> {
    let path = dir.join("db");
    let started = Instant::now();
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(about(&path))?,
    };
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < longest => {
                thread::park_timeout(Duration::from_millis(1));
            }
            Err(error) => return Err(about(&path)(error.into())),
        }
    }
}

/// Bytes of sled's main file, 0 if there is none.
pub(super) fn bytes(dir: &Path) -> u64 {
    fs::metadata(dir.join("db")).map_or(0, |metadata| metadata.len())
}

/// Makes a directory and everything below it durable, the innermost first.
pub(super) fn sync_all(dir: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(dir).map_err(about(dir))? {
        let entry = entry.map_err(about(dir))?;
        let path = entry.path();
        if entry.file_type().map_err(about(&path))?.is_dir() {
            sync_all(&path)?;
        } else {
            sync(&path)?;
        }
    }
    sync(dir)
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(about(path))
}
