//! The file system: the machine's, or one that stands in for it.
//!
//! Everything durable goes through a [`FileSystem`]: the log's files, the snapshots', and the few
//! that the database has beside them. What is needed is what is here, so that a simulated disk has
//! little to implement, and forgets at a crash just what a real one may forget.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// For reading and writing; made where it is missing, and emptied where it is not.
    Create,
}

/// Directories and files by their paths.
///
/// What is written into a file is durable once the file is synced, and which names a directory
/// has once the directory is: until then a crash may leave any part of it.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Whether there is a directory of this name.
    fn is_dir(&self, path: &Path) -> bool;

    /// Makes a directory and those above it that are missing.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory that is not there.
    ///
    /// # Errors
    /// What the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order. Those that are not UTF-8 are none of ours.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Opens a file.
    ///
    /// # Errors
    /// What the system says: [`ErrorKind::NotFound`] where it is missing.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>>;

    /// The content of a small file; `None` if there is no such file.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = file.bytes()?;
        let mut content = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        let read = file.read_at(0, &mut content)?;
        content.truncate(read);
        Ok(Some(content))
    }

    /// Gives a file or a directory another name, at once: whatever had that name is gone.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and what is in it.
    ///
    /// # Errors
    /// What the system says.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: those that came and those that went.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes a lock that no other process has until what is returned is dropped. The file is made
    /// where it is missing.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] while another has it.
    fn lock(&self, path: &Path) -> Result<Box<dyn Send + Sync>, TryLockError>;

    /// Bytes that are free for files in a directory; `None` where that cannot be told.
    fn free_bytes(&self, path: &Path) -> Option<u64>;

    /// Fills `bytes` at random.
    ///
    /// # Errors
    /// If the system has no random numbers.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// An open file.
pub trait OpenFile: fmt::Debug + Send + Sync {
    /// Its length.
    ///
    /// # Errors
    /// What the system says.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads into `buffer`; fewer bytes than it has only at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `content`.
    ///
    /// # Errors
    /// What the system says. Any part of it may be written then.
    fn write_at(&self, offset: u64, content: &[u8]) -> io::Result<()>;

    /// Makes the content durable, and of the file's attributes what is needed to read it.
    ///
    /// # Errors
    /// What the system says. What is durable then is not known.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the content and all attributes durable.
    ///
    /// # Errors
    /// As [`OpenFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// Cuts the file to this length, or makes it longer with zeros.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        let mut how = OpenOptions::new();
        match access {
            Access::Read => how.read(true),
            Access::Write => how.read(true).write(true),
            Access::Create => how.read(true).write(true).create(true).truncate(true),
        };
        Ok(Box::new(LocalFile(how.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Send + Sync>, TryLockError> {
        let file = File::create(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Box::new(file))
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        let status = rustix::fs::statvfs(path).ok()?;
        Some(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::fill(bytes).map_err(|error| {
            error
                .raw_os_error()
                .map_or(ErrorKind::Unsupported.into(), io::Error::from_raw_os_error)
        })
    }
}

#[derive(Debug)]
struct LocalFile(File);

impl OpenFile for LocalFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .0
                .read_at(&mut buffer[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, content: &[u8]) -> io::Result<()> {
        self.0.write_all_at(content, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}
