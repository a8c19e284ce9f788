//! The simulated disk as the database uses it.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wellspring_log::{Access, FileSystem, OpenFile};

use super::content::below;
use super::names::Inode;
use super::tree::Tree;
use super::{Disk, Fate, crashed, failed};

impl Disk {
    /// An operation that changes something, or fails, or is the last.
    fn change<T>(
        &self,
        what: &'static str,
        path: &str,
        change: impl FnOnce(&mut Tree, Extent) -> io::Result<T>,
    ) -> io::Result<T> {
        let fate = self.fate(what, path, true)?;
        let extent = match fate {
            Fate::Done => Extent::Whole,
            Fate::Fails | Fate::Crashes => self.part(),
        };
        let changed = change(&mut self.0.tree.lock(), extent);
        match fate {
            Fate::Done => changed,
            Fate::Fails => Err(failed()),
            Fate::Crashes => Err(crashed()),
        }
    }

    fn look<T>(
        &self,
        what: &'static str,
        path: &str,
        look: impl FnOnce(&mut Tree) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.fate(what, path, false)? {
            Fate::Done => look(&mut self.0.tree.lock()),
            Fate::Fails => Err(failed()),
            Fate::Crashes => Err(crashed()),
        }
    }

    /// How much is done of an operation that does not end well.
    fn part(&self) -> Extent {
        let Some(world) = &self.0.world else {
            return Extent::Whole;
        };
        let mut random = world.random();
        match random.below(4) {
            0 => Extent::Nothing,
            1 => Extent::Whole,
            _ => Extent::Part(below(&mut random, 1000)),
        }
    }
}

/// How much of an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    Nothing,
    /// So many thousandths.
    Part(usize),
}

impl Extent {
    fn of(self, count: usize) -> usize {
        match self {
            Extent::Whole => count,
            Extent::Nothing => 0,
            Extent::Part(thousandths) => count * thousandths / 1000,
        }
    }

    /// For what is done whole or not at all.
    fn is_done(self) -> bool {
        match self {
            Extent::Whole => true,
            Extent::Nothing => false,
            Extent::Part(thousandths) => thousandths % 2 == 0,
        }
    }
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str()
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl FileSystem for Disk {
    fn is_dir(&self, path: &Path) -> bool {
        path.to_str()
            .is_some_and(|path| self.0.tree.lock().is_directory(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = text(path)?;
        self.change("create directory", path, |tree, extent| {
            if extent.is_done() {
                tree.create_directories(path)?;
            }
            Ok(())
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let path = text(path)?;
        self.change("create directory", path, |tree, extent| {
            if extent.is_done() {
                tree.create_directory(path)?;
            }
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let path = text(path)?;
        self.look("list", path, |tree| tree.list(path))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        let path = text(path)?;
        let inode = match access {
            Access::Read | Access::Write => self.look("open", path, |tree| tree.open(path))?,
            Access::Create => self.change("create", path, |tree, extent| {
                if extent.is_done() {
                    return tree.create(path);
                }
                Ok(0)
            })?,
        };
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            inode,
            path: path.into(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (text(from)?, text(to)?);
        self.change("rename to", to, |tree, extent| {
            if extent.is_done() {
                tree.rename(from, to)?;
            }
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = text(path)?;
        self.change("remove", path, |tree, extent| {
            if extent.is_done() {
                if path.ends_with(".seg") {
                    let inode = tree.open(path)?;
                    let bytes = tree.file(inode)?.bytes().to_vec();
                    self.0.dropped.lock().insert(path.to_owned(), bytes);
                }
                tree.remove_file(path)?;
            }
            Ok(())
        })
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = text(path)?;
        self.change("remove directory", path, |tree, extent| {
            let names = match extent {
                Extent::Whole => usize::MAX,
                part => part.of(tree.list(path)?.len()),
            };
            tree.remove_directory(path, names).map(|_is_all| ())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = text(path)?;
        self.change("sync directory", path, |tree, extent| {
            if extent.is_done() {
                tree.sync_directory(path)?;
            }
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Send + Sync>, TryLockError> {
        let path = text(path).map_err(TryLockError::Error)?;
        let made = self.change("lock", path, |tree, extent| {
            if extent.is_done() {
                tree.create(path)?;
            }
            Ok(())
        });
        made.map_err(TryLockError::Error)?;
        if self.0.locked.swap(true, Ordering::Relaxed) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(Box::new(Lock(Arc::clone(&self.0.locked))))
    }

    fn free_bytes(&self, _path: &Path) -> Option<u64> {
        self.0.world.as_ref().map(|world| world.free_bytes())
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        if let Some(world) = &self.0.world {
            world.fill(bytes);
        }
        Ok(())
    }
}

struct Lock(Arc<AtomicBool>);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: Disk,
    inode: Inode,
    path: Box<str>,
}

impl SimulatedFile {
    fn sync(&self) -> io::Result<()> {
        match self.disk.fate("sync", &self.path, true)? {
            Fate::Done => self.disk.0.tree.lock().file(self.inode)?.sync(),
            Fate::Fails => {
                if let Some(world) = &self.disk.0.world {
                    let mut random = world.random();
                    let mut tree = self.disk.0.tree.lock();
                    tree.file(self.inode)?.fail_sync(&mut random);
                }
                return Err(failed());
            }
            // Any of it is durable: a power cut decides.
            Fate::Crashes => return Err(crashed()),
        }
        Ok(())
    }
}

fn place(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

impl OpenFile for SimulatedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.disk.look("length of", &self.path, |tree| {
            u64::try_from(tree.file(self.inode)?.bytes().len()).map_err(io::Error::other)
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.look("read", &self.path, |tree| {
            let bytes = tree.file(self.inode)?.bytes();
            let start = place(offset)?.min(bytes.len());
            let read = (bytes.len() - start).min(buffer.len());
            buffer[..read].copy_from_slice(&bytes[start..start + read]);
            Ok(read)
        })
    }

    fn write_at(&self, offset: u64, content: &[u8]) -> io::Result<()> {
        self.disk.change("write", &self.path, |tree, extent| {
            let written = extent.of(content.len());
            if written > 0 {
                let file = tree.file(self.inode)?;
                file.write(place(offset)?, &content[..written]);
            }
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.disk.change("truncate", &self.path, |tree, extent| {
            if extent.is_done() {
                tree.file(self.inode)?.truncate(place(bytes)?);
            }
            Ok(())
        })
    }
}
