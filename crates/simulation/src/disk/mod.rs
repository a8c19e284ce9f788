//! The simulated disk: files and directories in memory, which of them are durable, and what a
//! crash in the middle of an operation, or a failing one, makes of it.

mod content;
mod file_system;
mod names;
mod survival;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::run::data_dir;
use crate::world::{Crash, World};
use tree::Tree;

pub(crate) use survival::Survival;

/// A disk, to be shared.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Shared>);

struct Shared {
    /// `None`: nothing happens to this disk.
    world: Option<Arc<World>>,
    tree: Mutex<Tree>,
    locked: Arc<AtomicBool>,
    /// Segments that were removed, by their names: with them the whole log can be read.
    dropped: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done.
    Done,
    /// It fails, having done nothing or a part of what it should.
    Fails,
    /// The process or the machine stops: before it, half-way, or after it.
    Crashes,
}

impl Disk {
    pub(crate) fn new(world: Arc<World>) -> Disk {
        Disk::of(Some(world), Tree::default())
    }

    fn of(world: Option<Arc<World>>, tree: Tree) -> Disk {
        Disk(Arc::new(Shared {
            world,
            tree: Mutex::new(tree),
            locked: Arc::default(),
            dropped: Mutex::default(),
        }))
    }

    /// What is left of it after a crash: what a process finds that is started next.
    pub(crate) fn restart(&self, crash: Crash) {
        self.0.locked.store(false, Ordering::Relaxed);
        let (Crash::PowerCut, Some(world)) = (crash, &self.0.world) else {
            return; // What was written is in the page cache.
        };
        let mut random = world.random();
        let survival = Survival::draw(&mut random);
        self.0.tree.lock().power_cut(survival, &mut random);
        drop(random);
        world.note(|| format!("the disk keeps of what was not synced: {survival:?}"));
    }

    /// A copy to which nothing happens, with every segment that was ever removed.
    pub(crate) fn with_whole_log(&self) -> Disk {
        let mut tree = self.0.tree.lock().clone();
        for (path, bytes) in self.0.dropped.lock().iter() {
            tree.restore(path, bytes);
        }
        Disk::of(None, tree)
    }

    /// Segments that were removed.
    pub(crate) fn dropped_segments(&self) -> usize {
        self.0.dropped.lock().len()
    }

    /// Lets others go on, then decides what becomes of an operation. The disk is not locked.
    fn fate(&self, what: &'static str, path: &str, changes: bool) -> io::Result<Fate> {
        let Some(world) = &self.0.world else {
            return Ok(Fate::Done);
        };
        // While an index is loaded, or put in place, its readers wait for each other; and so do
        // those who want META changed, once there is more than one who could: its directory is
        // synced last.
        let of_meta = path.contains("META") || Path::new(path) == data_dir();
        let is_locked = path.contains(".idx") || (of_meta && world.turns.has_clients());
        let waits = changes && !is_locked;
        world.operation(what, path, changes, waits)
    }
}

/// What a process gets from a disk that it has lost.
pub(crate) fn crashed() -> io::Error {
    io::Error::other("the simulated machine has stopped")
}

pub(crate) fn failed() -> io::Error {
    io::Error::other("the simulated disk fails")
}
