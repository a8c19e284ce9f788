//! The machine's file system, for what is nobody's business but the owner's.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::file_system::{Access, FileSystem, LocalFileSystem, OpenFile};

/// The machine's file system, where files and directories are made for their owner alone (modes 0600
/// and 0700): copies of a database, which hold its key.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrivateFileSystem(LocalFileSystem);

impl FileSystem for PrivateFileSystem {
    fn is_dir(&self, path: &Path) -> bool {
        self.0.is_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match self.create_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Those above it are not ours: they are as the system makes them.
                if let Some(parent) = path.parent() {
                    self.0.create_dir_all(parent)?;
                }
                self.create_dir(path)
            }
            // Another process may be making it too.
            Err(_) if path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        if access == Access::Create {
            make(path)?;
        }
        self.0.open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Send + Sync>, TryLockError> {
        make(path).map_err(TryLockError::Error)?;
        self.0.lock(path)
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        self.0.free_bytes(path)
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.0.random(bytes)
    }
}

/// Makes the file where it is missing.
fn make(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.write(true).create(true).truncate(false).mode(0o600);
    how.open(path)
}
