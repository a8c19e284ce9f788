//! Files and directories, as the log uses them. Nothing else in this crate opens, writes, syncs,
//! renames or removes: each operation is named here, may be made to fail, and goes to the
//! [`FileSystem`].

use std::fmt;
use std::fs::TryLockError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::IoError;
use crate::file_system::{Access, FileSystem, OpenFile};

/// An operation on disk, as errors and [`Faults`] name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Makes a directory.
    CreateDir,
    /// Lists a directory.
    List,
    /// Opens or creates a file.
    Open,
    /// Reads from a file.
    Read,
    /// Writes into a file.
    Write,
    /// Makes a file's content durable.
    Sync,
    /// Cuts a file.
    Truncate,
    /// Gives a file its final name.
    Rename,
    /// Makes the names in a directory durable.
    SyncDir,
    /// Removes a file.
    Remove,
    /// Draws random bytes for a file.
    Random,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::CreateDir => "create",
            Operation::List => "list",
            Operation::Open => "open",
            Operation::Read => "read",
            Operation::Write => "write to",
            Operation::Sync => "sync",
            Operation::Truncate => "truncate",
            Operation::Rename => "rename",
            Operation::SyncDir => "sync directory",
            Operation::Remove => "remove",
            Operation::Random => "draw random bytes for",
        })
    }
}

type Hook = dyn Fn(Operation, &Path) -> io::Result<()> + Send + Sync;

/// Asked before each operation on disk; an error stands in for the operation, which is then not
/// done. The default lets everything pass.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

impl Faults {
    /// Fails what `hook` fails.
    pub fn new(
        hook: impl Fn(Operation, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Faults {
        Faults(Some(Arc::new(hook)))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.0.is_some()).finish()
    }
}

/// The file system under a log's directory.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    dir: PathBuf,
    file_system: Arc<dyn FileSystem>,
    faults: Faults,
    /// Whether nothing is to be changed, not even what could be made again.
    read_only: bool,
}

/// A lock that no other process has.
pub(crate) struct Lock(#[expect(dead_code, reason = "kept, not used")] Box<dyn Send + Sync>);

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// An open file of the log.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: Box<dyn OpenFile>,
    path: PathBuf,
    faults: Faults,
    /// Where it ends to whoever reads it, if before its end.
    limit: Option<u64>,
}

impl Disk {
    pub(crate) fn new(dir: PathBuf, file_system: Arc<dyn FileSystem>, faults: Faults) -> Disk {
        Disk {
            dir,
            file_system,
            faults,
            read_only: false,
        }
    }

    /// Of which nothing is changed, not even what could be made again.
    pub(crate) fn read_only(self) -> Disk {
        Disk {
            read_only: true,
            ..self
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn run<T>(
        &self,
        operation: Operation,
        path: &Path,
        work: impl FnOnce(&dyn FileSystem) -> io::Result<T>,
    ) -> Result<T, IoError> {
        run(&self.faults, operation, path, || work(&*self.file_system))
    }

    /// Makes the directory, unless it is there, and its name durable: one that is there may be of
    /// a process that was killed before it could do that.
    pub(crate) fn create_dir(&self) -> Result<(), IoError> {
        if !self.file_system.is_dir(&self.dir) {
            self.run(Operation::CreateDir, &self.dir, |system| {
                system.create_dir_all(&self.dir)
            })?;
        }
        match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.sync_at(parent),
            _ => self.sync_at(Path::new(".")),
        }
    }

    /// Names of the files in the directory.
    pub(crate) fn list(&self) -> Result<Vec<String>, IoError> {
        self.run(Operation::List, &self.dir, |system| system.list(&self.dir))
    }

    pub(crate) fn open_read(&self, name: &str) -> Result<LogFile, IoError> {
        self.open(name, Access::Read)
    }

    pub(crate) fn open_write(&self, name: &str) -> Result<LogFile, IoError> {
        self.open(name, Access::Write)
    }

    fn open(&self, name: &str, access: Access) -> Result<LogFile, IoError> {
        let path = self.path(name);
        let file = self.run(Operation::Open, &path, |system| system.open(&path, access))?;
        Ok(LogFile {
            file,
            path,
            faults: self.faults.clone(),
            limit: None,
        })
    }

    /// The content of a small file; `None` if there is no such file.
    pub(crate) fn read_whole(&self, name: &str) -> Result<Option<Vec<u8>>, IoError> {
        let path = self.path(name);
        self.run(Operation::Read, &path, |system| system.read(&path))
    }

    /// The first bytes of a file, at most `bytes` of them; `None` if there is no such file.
    pub(crate) fn read_start(&self, name: &str, bytes: usize) -> Result<Option<Vec<u8>>, IoError> {
        match self.open_read(name) {
            Ok(file) => {
                let mut content = vec![0; bytes];
                let read = file.read_at(0, &mut content)?;
                content.truncate(read);
                Ok(Some(content))
            }
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fills `bytes` at random, for the file of this name.
    pub(crate) fn random(&self, name: &str, bytes: &mut [u8]) -> Result<(), IoError> {
        self.run(Operation::Random, &self.path(name), |system| {
            system.random(bytes)
        })
    }

    /// Puts a whole file under its name: whoever finds the name finds the content. The name itself
    /// lasts once the directory is synced.
    pub(crate) fn put(&self, name: &str, content: &[u8]) -> Result<LogFile, IoError> {
        let temporary = format!("{name}{TEMPORARY_SUFFIX}");
        let mut file = self.create(&temporary)?;
        file.write_at(0, content)?;
        file.sync_all()?;
        self.rename(&temporary, name)?;
        file.path = self.path(name);
        Ok(file)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), IoError> {
        let path = self.path(name);
        self.run(Operation::Remove, &path, |system| system.remove_file(&path))
    }

    /// An empty file under a name that is not final: whoever writes it syncs it.
    pub(crate) fn create(&self, name: &str) -> Result<LogFile, IoError> {
        self.open(name, Access::Create)
    }

    /// The file of this name, with what is in it; an empty one, if there is none.
    pub(crate) fn open_or_create(&self, name: &str) -> Result<LogFile, IoError> {
        match self.open_write(name) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => self.create(name),
            opened => opened,
        }
    }

    /// Takes the lock that is the file of this name, for as long as it is kept; `None` if another
    /// process has it.
    pub(crate) fn lock(&self, name: &str) -> Result<Option<Lock>, IoError> {
        let path = self.path(name);
        self.run(Operation::Open, &path, |system| match system.lock(&path) {
            Ok(lock) => Ok(Some(Lock(lock))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Makes a new, empty directory below this one and returns it.
    pub(crate) fn create_below(&self, name: &str) -> Result<Disk, IoError> {
        let dir = self.path(name);
        self.run(Operation::CreateDir, &dir, |system| system.create_dir(&dir))?;
        Ok(self.below(name))
    }

    /// The directory `name` below this one, whether or not it is there.
    pub(crate) fn below(&self, name: &str) -> Disk {
        Disk {
            dir: self.path(name),
            ..self.clone()
        }
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), IoError> {
        let (from, to) = (self.path(from), self.path(to));
        self.run(Operation::Rename, &to, |system| system.rename(&from, &to))
    }

    /// Removes a directory and what is in it.
    pub(crate) fn remove_below(&self, name: &str) -> Result<(), IoError> {
        let dir = self.path(name);
        self.run(Operation::Remove, &dir, |system| {
            system.remove_dir_all(&dir)
        })
    }

    /// Makes names durable: those that were put and those that were removed.
    pub(crate) fn sync_dir(&self) -> Result<(), IoError> {
        self.sync_at(&self.dir)
    }

    fn sync_at(&self, dir: &Path) -> Result<(), IoError> {
        self.run(Operation::SyncDir, dir, |system| system.sync_dir(dir))
    }
}

/// Ends the names of files that are not complete yet.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

impl LogFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn run<T>(
        &self,
        operation: Operation,
        work: impl FnOnce(&dyn OpenFile) -> io::Result<T>,
    ) -> Result<T, IoError> {
        run(&self.faults, operation, &self.path, || work(&*self.file))
    }

    /// What of it is there to be read, from its beginning: `bytes`, or all, if it has fewer.
    pub(crate) fn limited(self, bytes: u64) -> LogFile {
        let limit = Some(bytes);
        LogFile { limit, ..self }
    }

    pub(crate) fn bytes(&self) -> Result<u64, IoError> {
        let bytes = self.run(Operation::Read, |file| file.bytes())?;
        Ok(self.limit.map_or(bytes, |limit| limit.min(bytes)))
    }

    /// Reads into `buffer`; fewer bytes than it has only at the end of the file.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, IoError> {
        let wanted = match self.limit {
            Some(limit) => usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX),
            None => buffer.len(),
        };
        let wanted = wanted.min(buffer.len());
        self.run(Operation::Read, |file| {
            file.read_at(offset, &mut buffer[..wanted])
        })
    }

    pub(crate) fn write_at(&self, offset: u64, content: &[u8]) -> Result<(), IoError> {
        self.run(Operation::Write, |file| file.write_at(offset, content))
    }

    /// Makes the content durable, and of the file's attributes what is needed to read it.
    pub(crate) fn sync_data(&self) -> Result<(), IoError> {
        self.run(Operation::Sync, |file| file.sync_data())
    }

    pub(crate) fn sync_all(&self) -> Result<(), IoError> {
        self.run(Operation::Sync, |file| file.sync_all())
    }

    pub(crate) fn truncate(&self, bytes: u64) -> Result<(), IoError> {
        self.run(Operation::Truncate, |file| file.truncate(bytes))
    }
}

fn run<T>(
    faults: &Faults,
    operation: Operation,
    path: &Path,
    work: impl FnOnce() -> io::Result<T>,
) -> Result<T, IoError> {
    let asked = faults
        .0
        .as_ref()
        .map_or(Ok(()), |hook| hook(operation, path));
    asked.and_then(|()| work()).map_err(|source| IoError {
        operation,
        file: path.to_path_buf(),
        source,
    })
}
