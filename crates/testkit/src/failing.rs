//! A file system that fails when it is told to.

use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellspring_log::{Access, FileSystem, LocalFileSystem, OpenFile, Operation};

/// What becomes of an operation.
#[derive(Debug)]
pub enum Fate {
    /// It is done.
    Done,
    /// It is not done, and fails.
    Fails,
    /// It is a write, and fails after so many bytes, as on a full disk.
    Short(usize),
    /// It is not done, as the disk is full.
    Full,
}

type Hook = dyn Fn(Operation, &Path) -> Fate + Send + Sync;

/// The machine's file system, but for what a hook says of each operation before it is done.
#[derive(Clone)]
pub struct FailingFileSystem(Arc<Hook>);

impl FailingFileSystem {
    /// With this hook. It may panic, as whatever does the operation then does.
    pub fn new(hook: impl Fn(Operation, &Path) -> Fate + Send + Sync + 'static) -> Self {
        FailingFileSystem(Arc::new(hook))
    }

    fn ask(&self, operation: Operation, path: &Path) -> io::Result<()> {
        match (self.0)(operation, path) {
            Fate::Done => Ok(()),
            Fate::Fails => Err(failure()),
            Fate::Short(_) | Fate::Full => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

fn failure() -> io::Error {
    io::Error::other("it was told to fail")
}

impl fmt::Debug for FailingFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingFileSystem").finish_non_exhaustive()
    }
}

impl FileSystem for FailingFileSystem {
    fn is_dir(&self, path: &Path) -> bool {
        LocalFileSystem.is_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::CreateDir, path)?;
        LocalFileSystem.create_dir_all(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::CreateDir, path)?;
        LocalFileSystem.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.ask(Operation::List, path)?;
        LocalFileSystem.list(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        self.ask(Operation::Open, path)?;
        Ok(Box::new(FailingFile {
            file: LocalFileSystem.open(path, access)?,
            path: path.to_owned(),
            system: self.clone(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Operation::Rename, to)?;
        LocalFileSystem.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::Remove, path)?;
        LocalFileSystem.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::Remove, path)?;
        LocalFileSystem.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::SyncDir, path)?;
        LocalFileSystem.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Send + Sync>, TryLockError> {
        self.ask(Operation::Open, path)
            .map_err(TryLockError::Error)?;
        LocalFileSystem.lock(path)
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        LocalFileSystem.free_bytes(path)
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.ask(Operation::Random, Path::new("/dev/urandom"))?;
        LocalFileSystem.random(bytes)
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Box<dyn OpenFile>,
    path: PathBuf,
    system: FailingFileSystem,
}

impl OpenFile for FailingFile {
    fn bytes(&self) -> io::Result<u64> {
        self.system.ask(Operation::Read, &self.path)?;
        self.file.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.system.ask(Operation::Read, &self.path)?;
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, content: &[u8]) -> io::Result<()> {
        match (self.system.0)(Operation::Write, &self.path) {
            Fate::Done => self.file.write_at(offset, content),
            Fate::Fails => Err(failure()),
            Fate::Full => Err(io::ErrorKind::StorageFull.into()),
            Fate::Short(bytes) => {
                let written = &content[..content.len().min(bytes)];
                self.file.write_at(offset, written)?;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.system.ask(Operation::Sync, &self.path)?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.system.ask(Operation::Sync, &self.path)?;
        self.file.sync_all()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.system.ask(Operation::Truncate, &self.path)?;
        self.file.truncate(bytes)
    }
}
