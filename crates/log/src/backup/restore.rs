//! Making a log and a snapshot again from a backup.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellspring_types::Sequence;

use super::manifest::{BackupManifest, BackupSegment};
use super::range::{BackupRange, RestorePoint};
use super::segment::{Copying, End};
use super::{Backup, BackupProgress, LOG, Progress, SNAPSHOTS};
use crate::error::{BackupError, BackupFault, Damage, DamageKind};
use crate::file_system::FileSystem;
use crate::files::{Disk, Faults};
use crate::group::Link;
use crate::index;
use crate::private_files::PrivateFileSystem;
use crate::segment::{SegmentHeader, index_name, segment_name};
use crate::snapshot;

/// Where a restored log goes.
#[derive(Clone, Debug)]
pub struct RestoreTarget {
    /// The directory of the segments, which is made.
    pub log: PathBuf,
    /// The directory of the snapshots, which is made.
    pub snapshots: PathBuf,
    /// Where both are: the machine's file system, unless a simulation says otherwise, where files are
    /// made for their owner alone.
    pub file_system: Arc<dyn FileSystem>,
    /// Operations on disk that are to fail; none unless a test says so.
    pub faults: Faults,
}

impl RestoreTarget {
    /// The defaults, for a database in `data_dir`.
    #[must_use]
    pub fn new(data_dir: &Path) -> RestoreTarget {
        RestoreTarget {
            log: data_dir.join(LOG),
            snapshots: data_dir.join(SNAPSHOTS),
            file_system: Arc::new(PrivateFileSystem::default()),
            faults: Faults::default(),
        }
    }

    fn disk(&self, dir: &Path) -> Disk {
        let (file_system, faults) = (Arc::clone(&self.file_system), self.faults.clone());
        Disk::new(dir.to_path_buf(), file_system, faults)
    }
}

impl Backup {
    /// Makes the log, as it was at `point`, and the snapshot that it needs, in directories that are
    /// not there or empty. Everything is durable when this returns, but for the names of the two
    /// directories. Returns the last commit.
    ///
    /// # Errors
    /// If the backup does not hold that, if it is damaged, or if the file system fails.
    pub fn restore(
        &self,
        point: RestorePoint,
        target: &RestoreTarget,
        tell: &mut dyn FnMut(BackupProgress),
    ) -> Result<Sequence, BackupError> {
        let manifest = self.declared()?;
        let (through, range) = self.locate(manifest, point)?;
        let restoring = Restoring {
            backup: self,
            manifest,
            through,
            range,
        };
        restoring.run(target, &mut Progress::new(tell))?;
        Ok(through)
    }
}

struct Restoring<'a> {
    backup: &'a Backup,
    manifest: &'a BackupManifest,
    /// The last commit that is restored.
    through: Sequence,
    range: BackupRange,
}

impl Restoring<'_> {
    fn run(&self, target: &RestoreTarget, progress: &mut Progress<'_>) -> Result<(), BackupError> {
        let segments = self.segments();
        let snapshots = self.manifest.snapshots.iter().rev();
        // The newest has the least to be read behind it.
        let base = { snapshots }
            .find(|held| held.sequence <= self.through && held.sequence.next() >= self.range.first);
        let bytes = segments.iter().map(|segment| segment.bytes);
        let bytes = bytes.chain(base.map(|base| base.bytes));
        progress.expect(bytes.fold(0, u64::saturating_add));

        let disk = target.disk(&target.snapshots);
        disk.create_dir()?;
        if let Some(base) = base {
            let epoch = self.manifest.epoch;
            let held = snapshot::load_from(&self.backup.snapshots(), epoch, base.sequence)?;
            let below = disk.create_below(&snapshot::name(base.sequence))?;
            held.copy_to(&below, &mut |bytes| progress.add(bytes))?;
        }
        disk.sync_dir()?;

        let disk = target.disk(&target.log);
        disk.create_dir()?;
        let mut before = None;
        for (place, segment) in segments.iter().enumerate() {
            let is_last = place + 1 == segments.len();
            before = Some(self.segment(&disk, (segment, is_last), before, progress)?);
        }
        Ok(disk.sync_dir()?)
    }

    /// The segments that lead to the last commit. One of them is there without a commit where the
    /// snapshot has them all: commits must go on from somewhere.
    fn segments(&self) -> Vec<BackupSegment> {
        let segments = self.manifest.segments.iter().copied();
        let of_range = segments.skip_while(|segment| segment.first < self.range.first);
        of_range
            .take_while(|segment| {
                segment.first <= self.through.max(Sequence(1)) || segment.first == self.range.first
            })
            .collect()
    }

    fn segment(
        &self,
        disk: &Disk,
        (held, is_last): (&BackupSegment, bool),
        before: Option<Link>,
        progress: &mut Progress<'_>,
    ) -> Result<Link, BackupError> {
        let file = self.backup.segment(held)?;
        let header = SegmentHeader::read(&file, self.manifest.epoch, held.first)?;
        let damage = |offset, what| Damage {
            file: file.path().to_path_buf(),
            offset,
            what,
        };
        if before.is_some_and(|before| before != header.link) {
            return Err(damage(0, DamageKind::SegmentEnd).into());
        }
        let target = disk.create(&segment_name(held.first))?;
        let mut copying = Copying::begin(&file, header, Some(target))?;
        if let End::Fault(fault) = copying.groups(self.through, progress)? {
            let offset = copying.copied().bytes;
            return Err(damage(offset, DamageKind::Group(fault)).into());
        }
        let copied = copying.finish(progress)?;
        if held.last <= self.through && copied.segment != *held {
            return Err(damage(0, DamageKind::Backup(BackupFault::Checksum)).into());
        }
        let link = copied.segment.link();
        if !is_last {
            // The next opening would have to read the segment for it.
            let bytes = index::encode(&header, &copied.index, link);
            disk.put(&index_name(held.first), &bytes)?;
        }
        Ok(link)
    }
}
