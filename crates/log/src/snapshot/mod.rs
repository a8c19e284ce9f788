//! Snapshots: the log up to some commit, merged into what it comes to. Each is made from the one
//! before and the log, never from a store, whose errors would become the truth. With one the log
//! up to it is no longer needed. The files are drawn byte by byte in `docs/format.md`.

mod block;
mod copy;
mod entry;
mod make;
mod manifest;
mod read;
mod runs;
mod salvage;

use std::path::PathBuf;
use std::sync::Arc;

use wellspring_types::{Epoch, Sequence};

pub use entry::{SnapshotDocument, SnapshotMutation};
pub use make::SnapshotPlan;
pub use read::{Snapshot, SnapshotDocuments, SnapshotMutations};
pub(crate) use salvage::Salvage;

use crate::LogReader;
use crate::error::{IoError, SnapshotError, SnapshotFault};
use crate::file_system::{FileSystem, LocalFileSystem};
use crate::files::{Disk, Faults, TEMPORARY_SUFFIX};
use block::{Identity, damage_at};
use make::{Maker, Sizes};
use manifest::Manifest;

/// Ends the name of the directory of what is only needed while a snapshot is made.
const SCRATCH_SUFFIX: &str = ".runs.tmp";

/// Where snapshots are and how they are made.
#[derive(Clone, Debug)]
pub struct SnapshotOptions {
    /// The directory of the snapshots; made when it is missing.
    pub dir: PathBuf,
    /// The log's history. Snapshots of another are refused.
    pub epoch: Epoch,
    /// Bytes of documents that are sorted in memory.
    pub run_bytes: usize,
    /// A file of documents that has grown to this many bytes is followed by a new one.
    pub file_bytes: u64,
    /// Where the directory is; the machine's file system, unless a simulation says otherwise.
    pub file_system: Arc<dyn FileSystem>,
    /// Operations on disk that are to fail; none unless a test says so.
    pub faults: Faults,
}

impl SnapshotOptions {
    /// The defaults, for snapshots in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, epoch: Epoch) -> SnapshotOptions {
        SnapshotOptions {
            dir: dir.into(),
            epoch,
            run_bytes: 64 << 20,
            file_bytes: 256 << 20,
            file_system: Arc::new(LocalFileSystem),
            faults: Faults::default(),
        }
    }
}

/// The directory of a log's snapshots. Who opens it holds the lock of the data directory.
#[derive(Debug)]
pub struct Snapshots {
    disk: Disk,
    epoch: Epoch,
    sizes: Sizes,
}

impl Snapshots {
    /// Opens the directory, makes it where it is missing, and removes what a crash has left of a
    /// snapshot that was being made or removed.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn open(options: SnapshotOptions) -> Result<Snapshots, IoError> {
        let disk = Disk::new(options.dir, options.file_system, options.faults);
        disk.create_dir()?;
        for name in disk.list()? {
            if is_temporary(&name) {
                disk.remove_below(&name)?;
            }
        }
        disk.sync_dir()?;
        Ok(Snapshots {
            disk,
            epoch: options.epoch,
            sizes: Sizes {
                run_bytes: options.run_bytes,
                file_bytes: options.file_bytes,
            },
        })
    }

    /// The commits that there are snapshots of, by the names of their directories, ascending.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub fn list(&self) -> Result<Vec<Sequence>, IoError> {
        list_in(&self.disk)
    }

    /// The snapshot of commit `sequence`, which [`list`](Snapshots::list) has told. Its manifest
    /// is checked, its other files are as they are read.
    ///
    /// # Errors
    /// If it is damaged, of a newer format or another epoch, or the file system fails.
    pub fn load(&self, sequence: Sequence) -> Result<Snapshot, SnapshotError> {
        load_from(&self.disk, self.epoch, sequence)
    }

    /// Makes the snapshot that `plan` describes. It is durable when this returns.
    ///
    /// # Errors
    /// If the log, or the snapshot before, cannot be read; if the file system fails; or if it was
    /// told to stop. Nothing is left of it then, or what the next opening removes.
    pub fn make(
        &self,
        log: &LogReader,
        plan: &SnapshotPlan<'_>,
    ) -> Result<Snapshot, SnapshotError> {
        let through = plan.through;
        let after = plan.previous.map_or(Sequence::ZERO, Snapshot::sequence);
        if through <= after || through > log.head() {
            return Err(SnapshotError::NothingNew { through });
        }
        let name = name(through);
        let names = (
            format!("{name}{TEMPORARY_SUFFIX}"),
            format!("{name}{SCRATCH_SUFFIX}"),
        );
        self.clear(&names)?;
        let made = self.make_in(log, plan, &names);
        if made.is_err()
            && let Err(error) = self.clear(&names)
        {
            tracing::warn!(%error, "what there is of a snapshot stays until the next opening");
        }
        made
    }

    fn make_in(
        &self,
        log: &LogReader,
        plan: &SnapshotPlan<'_>,
        (temporary, scratch): &(String, String),
    ) -> Result<Snapshot, SnapshotError> {
        let name = name(plan.through);
        let mut salt = [0; 8];
        self.disk.random(&name, &mut salt)?;
        let identity = Identity {
            salt,
            epoch: self.epoch,
            sequence: plan.through,
        };
        let disks = (
            self.disk.create_below(temporary)?,
            self.disk.create_below(scratch)?,
        );
        let manifest = Maker::new(plan, disks, identity, self.sizes).make(log)?;
        self.disk.remove_below(scratch)?;
        // One of this name can only be one that could not be loaded.
        if self.list()?.contains(&plan.through) {
            self.remove(plan.through)?;
        }
        self.disk.rename(temporary, &name)?;
        self.disk.sync_dir()?;
        Ok(Snapshot::new(self.disk.below(&name), manifest))
    }

    fn clear(&self, (temporary, scratch): &(String, String)) -> Result<(), IoError> {
        let names = self.disk.list()?;
        for name in [temporary, scratch] {
            if names.contains(name) {
                self.disk.remove_below(name)?;
            }
        }
        Ok(())
    }

    /// Removes the snapshots before `newest`, which holds all that they do.
    ///
    /// # Errors
    /// If the file system fails: what is left is removed with the next.
    pub fn remove_before(&self, newest: &Snapshot) -> Result<(), IoError> {
        for sequence in self.list()? {
            if sequence < newest.sequence() {
                self.remove(sequence)?;
            }
        }
        Ok(())
    }

    /// Removes a snapshot, first from its name: what a crash leaves of it is not taken for one.
    fn remove(&self, sequence: Sequence) -> Result<(), IoError> {
        let name = name(sequence);
        let removed = format!("{name}.old{TEMPORARY_SUFFIX}");
        if self.disk.list()?.contains(&removed) {
            self.disk.remove_below(&removed)?;
        }
        self.disk.rename(&name, &removed)?;
        self.disk.sync_dir()?;
        self.disk.remove_below(&removed)
    }
}

/// The commits that there are snapshots of in `disk`'s directory, ascending.
pub(crate) fn list_in(disk: &Disk) -> Result<Vec<Sequence>, IoError> {
    let names = disk.list()?;
    let mut found: Vec<Sequence> = names.iter().filter_map(|name| parse_name(name)).collect();
    found.sort_unstable();
    Ok(found)
}

/// The snapshot of commit `sequence` in `disk`'s directory.
pub(crate) fn load_from(
    disk: &Disk,
    epoch: Epoch,
    sequence: Sequence,
) -> Result<Snapshot, SnapshotError> {
    let disk = disk.below(&name(sequence));
    let file = disk.dir().join(manifest::NAME);
    let Some(bytes) = disk.read_whole(manifest::NAME)? else {
        return Err(damage_at(file, 0, SnapshotFault::Manifest));
    };
    let manifest = Manifest::decode(&bytes, &file, (epoch, sequence))?;
    Ok(Snapshot::new(disk, manifest))
}

/// The name of the directory of the snapshot of commit `sequence`.
pub(crate) fn name(sequence: Sequence) -> String {
    format!("{:016}", sequence.0)
}

pub(crate) fn parse_name(name: &str) -> Option<Sequence> {
    if name.len() != 16 || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    name.parse()
        .ok()
        .filter(|&sequence| sequence > 0)
        .map(Sequence)
}

/// Whether it is the name of a snapshot that is being made or removed, or that a crash has left so.
pub(crate) fn is_temporary(name: &str) -> bool {
    let digits = name.split('.').next().unwrap_or_default();
    name.ends_with(TEMPORARY_SUFFIX) && parse_name(digits).is_some()
}
