//! A file system of which nothing is changed, whatever is asked of it.

use std::fs::TryLockError;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use crate::file_system::{Access, FileSystem, OpenFile};

/// Another file system, to be read: everything that would change it fails with
/// [`ErrorKind::ReadOnlyFilesystem`], and is not done.
#[derive(Clone, Debug)]
pub struct ReadOnlyFileSystem(Arc<dyn FileSystem>);

impl ReadOnlyFileSystem {
    /// `files`, to be read.
    #[must_use]
    pub fn new(files: Arc<dyn FileSystem>) -> ReadOnlyFileSystem {
        ReadOnlyFileSystem(files)
    }
}

fn refused<T>() -> io::Result<T> {
    Err(ErrorKind::ReadOnlyFilesystem.into())
}

impl FileSystem for ReadOnlyFileSystem {
    fn is_dir(&self, path: &Path) -> bool {
        self.0.is_dir(path)
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        match access {
            Access::Read => self.0.open(path, access),
            Access::Write | Access::Create => refused(),
        }
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_file(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn lock(&self, _path: &Path) -> Result<Box<dyn Send + Sync>, TryLockError> {
        // It would make the file where it is missing.
        refused().map_err(TryLockError::Error)
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        self.0.free_bytes(path)
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.0.random(bytes)
    }
}
