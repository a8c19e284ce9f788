//! Taking a backup, beside a database at work.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use wellspring_types::{Epoch, Sequence, Timestamp};

use super::manifest::{self, BackupManifest, BackupSegment, BackupSnapshot};
use super::segment::{Copying, End};
use super::{Backup, BackupProgress, Progress, open_segment};
use crate::error::{BackupError, Damage, DamageKind, IoError, SnapshotError};
use crate::file_system::FileSystem;
use crate::files::{Disk, Faults, LogFile, TEMPORARY_SUFFIX};
use crate::recovery::later_group;
use crate::segment::{SegmentHeader, parse_segment_name, segment_name};
use crate::snapshot::{self, Snapshot};

/// How often copying begins again because what was to be copied has gone.
const ATTEMPTS: usize = 100;
/// How often the log is looked at again because it has begun another segment.
const ROUNDS: usize = 100;

/// No commit comes after this one.
const WHOLE: Sequence = Sequence(u64::MAX >> 1);

/// What a backup is taken of.
#[derive(Clone, Debug)]
pub struct BackupSource {
    /// The directory of the segments.
    pub log: PathBuf,
    /// The directory of the snapshots.
    pub snapshots: PathBuf,
    /// Where both are.
    pub file_system: Arc<dyn FileSystem>,
    /// The epoch of the log.
    pub epoch: Epoch,
    /// A commit that the log had reached for certain; zero if none is known.
    pub witnessed: Sequence,
    /// What the database keeps beside the log, kept as it is.
    pub database: Bytes,
    /// Now, or earlier: what is acknowledged before is in the backup.
    pub taken_at: Timestamp,
}

impl BackupSource {
    fn disk(&self, dir: &Path, faults: Faults) -> Disk {
        Disk::new(dir.to_path_buf(), Arc::clone(&self.file_system), faults).read_only()
    }
}

/// What taking a backup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupTaken {
    /// The last commit in it.
    pub head: Sequence,
    /// Bytes that were copied.
    pub copied: u64,
}

/// Why copying has stopped.
#[derive(Debug)]
enum Stop {
    /// What was to be copied has gone: the database has dropped it, and there is something newer.
    Moved,
    Failed(BackupError),
}

impl<E: Into<BackupError>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

impl Backup {
    /// Takes the backup: copies what it does not hold yet, makes that durable, and then says so in
    /// its manifest. Whatever happens before, the backup is what it was.
    ///
    /// Reads the database's files and syncs the last segment; writes none of them, and needs no
    /// lock.
    ///
    /// # Errors
    /// If the database's files are damaged or are not of the backup's history, or if the file system
    /// fails.
    pub fn take(
        &mut self,
        source: &BackupSource,
        tell: &mut dyn FnMut(BackupProgress),
    ) -> Result<BackupTaken, BackupError> {
        let mut manifest = self.begin(source)?;
        let mut progress = Progress::new(tell);
        for _ in 0..ATTEMPTS {
            let mut taking = Taking {
                backup: self,
                source,
                log: source.disk(&source.log, self.disk.faults()),
                snapshots: source.disk(&source.snapshots, self.disk.faults()),
                manifest: &mut manifest,
                progress: &mut progress,
            };
            match taking.pass() {
                Ok(()) => {
                    let copied = progress.counted.done;
                    let head = manifest.head();
                    self.end(manifest)?;
                    return Ok(BackupTaken { head, copied });
                }
                Err(Stop::Moved) => {}
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Err(BackupError::Restless)
    }

    /// The manifest to go on from. Everything that it names is there, as far as lengths tell.
    fn begin(&self, source: &BackupSource) -> Result<BackupManifest, BackupError> {
        for disk in [self.log(), self.snapshots()] {
            disk.create_dir()?;
        }
        let mut manifest = match &self.manifest {
            Some(before) if before.epoch != source.epoch => {
                return Err(BackupError::WrongEpoch {
                    file: source.log.clone(),
                    found: source.epoch,
                    expected: before.epoch,
                });
            }
            Some(before) => before.clone(),
            None => BackupManifest {
                epoch: source.epoch,
                taken_at: source.taken_at,
                database: Bytes::new(),
                segments: Vec::new(),
                snapshots: Vec::new(),
            },
        };
        for segment in &manifest.segments {
            self.segment(segment)?;
        }
        for snapshot in &manifest.snapshots {
            snapshot::load_from(&self.snapshots(), manifest.epoch, snapshot.sequence)?;
        }
        manifest.taken_at = manifest.taken_at.max(source.taken_at);
        manifest.database = source.database.clone();
        Ok(manifest)
    }

    /// Declares what was copied, and removes what runs that were cut short have left.
    fn end(&mut self, manifest: BackupManifest) -> Result<(), BackupError> {
        self.log().sync_dir()?;
        self.snapshots().sync_dir()?;
        self.disk.put(manifest::NAME, &manifest.encode())?;
        self.disk.sync_dir()?;
        let log = self.log();
        for name in log.list()? {
            let first = parse_segment_name(&name);
            if first.is_none_or(|first| manifest.segment(first).is_none()) {
                log.remove(&name)?;
            }
        }
        let snapshots = self.snapshots();
        for name in snapshots.list()? {
            let sequence = snapshot::parse_name(&name);
            let mut held = manifest.snapshots.iter();
            if sequence.is_none_or(|sequence| !held.any(|s| s.sequence == sequence)) {
                snapshots.remove_below(&name)?;
            }
        }
        self.manifest = Some(manifest);
        Ok(())
    }
}

/// One attempt to copy everything that is missing.
struct Taking<'a, 'p> {
    backup: &'a Backup,
    source: &'a BackupSource,
    log: Disk,
    snapshots: Disk,
    manifest: &'a mut BackupManifest,
    progress: &'a mut Progress<'p>,
}

impl Taking<'_, '_> {
    fn pass(&mut self) -> Result<(), Stop> {
        // The snapshot first: the log that is found later begins at it or before, or else there is a
        // newer one.
        let newest = self.newest_snapshot()?;
        if let Some(newest) = newest
            && self
                .manifest
                .snapshots
                .iter()
                .all(|held| held.sequence != newest)
        {
            self.copy_snapshot(newest)?;
        }
        self.copy_log()?;
        let head = self.manifest.head();
        let log_head = self
            .manifest
            .segments
            .last()
            .map_or(Sequence::ZERO, |s| s.last);
        let witnessed = self.source.witnessed.max(head);
        if log_head < witnessed {
            let what = DamageKind::HeadLost {
                head: log_head,
                witnessed,
            };
            let file = self.source.log.clone();
            return Err(Damage {
                file,
                offset: 0,
                what,
            }
            .into());
        }
        match self.manifest.held().0.last() {
            Some(range) if range.newest == head => Ok(()),
            _ if self.newest_snapshot()? != newest => Err(Stop::Moved),
            _ => {
                let what = DamageKind::StartLost {
                    oldest: self.segments()?.first().copied().unwrap_or(Sequence(1)),
                    snapshot: newest.unwrap_or(Sequence::ZERO),
                };
                let file = self.source.log.clone();
                Err(Damage {
                    file,
                    offset: 0,
                    what,
                }
                .into())
            }
        }
    }

    fn newest_snapshot(&self) -> Result<Option<Sequence>, IoError> {
        match snapshot::list_in(&self.snapshots) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(None),
            listed => Ok(listed?.last().copied()),
        }
    }

    fn copy_snapshot(&mut self, sequence: Sequence) -> Result<(), Stop> {
        let failed = |error: SnapshotError, source: &Disk| -> Stop {
            match snapshot::list_in(source) {
                // It has gone while it was read, which looks like damage.
                Ok(listed) if !listed.contains(&sequence) => Stop::Moved,
                _ => error.into(),
            }
        };
        let found = snapshot::load_from(&self.snapshots, self.source.epoch, sequence);
        let found = found.map_err(|error| failed(error, &self.snapshots))?;
        let (bytes, checksum) = found.extent();
        self.progress.expect(bytes);
        let target = self.backup.snapshots();
        if !self.is_copied(&found)? {
            let name = snapshot::name(sequence);
            let temporary = format!("{name}{TEMPORARY_SUFFIX}");
            for left in [&name, &temporary] {
                if target.list()?.contains(left) {
                    target.remove_below(left)?;
                }
            }
            let below = target.create_below(&temporary)?;
            let progress = &mut *self.progress;
            found
                .copy_to(&below, &mut |bytes| progress.add(bytes))
                .map_err(|error| failed(error, &self.snapshots))?;
            target.rename(&temporary, &name)?;
            target.sync_dir()?;
        }
        self.manifest.snapshots.push(BackupSnapshot {
            sequence,
            time: found.time(),
            bytes,
            checksum,
        });
        self.manifest.snapshots.sort_by_key(|held| held.sequence);
        Ok(())
    }

    /// Whether a run that was cut short has copied it.
    fn is_copied(&self, snapshot: &Snapshot) -> Result<bool, IoError> {
        let (target, epoch) = (self.backup.snapshots(), self.source.epoch);
        if !snapshot::list_in(&target)?.contains(&snapshot.sequence()) {
            return Ok(false);
        }
        let copied = snapshot::load_from(&target, epoch, snapshot.sequence());
        Ok(copied.is_ok_and(|copied| copied.extent() == snapshot.extent()))
    }

    fn segments(&self) -> Result<Vec<Sequence>, IoError> {
        let names = self.log.list()?;
        let mut firsts: Vec<_> = names.iter().filter_map(|n| parse_segment_name(n)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    fn copy_log(&mut self) -> Result<(), Stop> {
        let mut firsts = self.segments()?;
        for _ in 0..ROUNDS {
            let held = self.manifest.segments.last().map(|segment| segment.first);
            if let (Some(held), Some(&last)) = (held, firsts.last())
                && last < held
            {
                return Err(BackupError::Diverged { commit: held }.into());
            }
            self.expect(&firsts)?;
            for (place, &first) in firsts.iter().enumerate() {
                let next = firsts.get(place + 1).copied();
                let held = self.manifest.segment(first);
                let is_whole = held.is_some_and(|held| Some(held.last.next()) == next);
                if !is_whole {
                    self.copy_segment(first, next)?;
                }
            }
            let now = self.segments()?;
            // While there was no other, what was found at the end of the last one was its end.
            if now.last() == firsts.last() {
                return Ok(());
            }
            firsts = now;
        }
        Err(Stop::Moved)
    }

    /// Says how much there is to be copied.
    fn expect(&mut self, firsts: &[Sequence]) -> Result<(), Stop> {
        let mut bytes = 0_u64;
        for &first in firsts {
            let held = self.manifest.segment(first).map_or(0, |held| held.bytes);
            let all = open_source(&self.log, first)?.bytes()?;
            bytes = bytes.saturating_add(all.saturating_sub(held));
        }
        self.progress.expect(bytes);
        Ok(())
    }

    /// Copies what is missing of a segment. `next`: the first commit of the one after it.
    fn copy_segment(&mut self, first: Sequence, next: Option<Sequence>) -> Result<(), Stop> {
        let file = open_source(&self.log, first)?;
        let header = SegmentHeader::read(&file, self.source.epoch, first)?;
        self.check_follows(&header)?;
        let held = self.manifest.segment(first).copied();
        let mut copying = self.begin_copy(&file, header, held)?;
        let end = loop {
            let end = copying.groups(WHOLE, self.progress)?;
            let End::Fault(fault) = end else { break end };
            let at = copying.copied().bytes;
            let Some(later) = later_group(&file, at + 1, header.salt)? else {
                break end;
            };
            // The one behind it was begun once this one was synced. It may have been since it was
            // looked at; if it still is none, it is damaged.
            copying.groups(WHOLE, self.progress)?;
            if copying.copied().bytes == at {
                let what = DamageKind::GroupBeforeAnother { fault, later };
                return Err(damage(&file, at, what).into());
            }
        };
        let at = copying.copied();
        match (next, end) {
            (Some(_), End::Fault(fault)) => {
                return Err(damage(&file, at.bytes, DamageKind::Group(fault)).into());
            }
            (Some(next), _) => self.check_end(&file, &at, next)?,
            // What was read may still be in memory only, and a power cut would take it from the
            // database: then the backup would have what never was.
            (None, _) => file.sync_data()?,
        }
        let copied = copying.finish(self.progress)?.segment;
        let mut later = self.manifest.segments.iter();
        if later.any(|held| held.first > first && held.first <= copied.last) {
            return Err(BackupError::Diverged { commit: first }.into());
        }
        self.manifest.put_segment(copied);
        Ok(())
    }

    /// Checks that a segment is chained to what the backup holds of the one before it.
    fn check_follows(&self, header: &SegmentHeader) -> Result<(), BackupError> {
        let commit = header.first();
        let mut before = self.manifest.segments.iter();
        let fits =
            before
                .rfind(|held| held.first < commit)
                .is_none_or(|held| match held.last.next() {
                    next if next == commit => held.link() == header.link,
                    next => next < commit,
                });
        fits.then_some(()).ok_or(BackupError::Diverged { commit })
    }

    fn begin_copy<'f>(
        &self,
        file: &'f LogFile,
        header: SegmentHeader,
        held: Option<BackupSegment>,
    ) -> Result<Copying<'f>, BackupError> {
        let (target, name) = (self.backup.log(), segment_name(header.first()));
        if let Some(held) = held {
            // The salt is random: with another one it is another segment.
            let copy = open_segment(&target, held.first, held.bytes)?;
            let same = SegmentHeader::read(&copy, header.epoch, held.first)? == header;
            let resumed = match same {
                true => Copying::resume(file, header, target.open_write(&name)?, held)?,
                false => None,
            };
            let commit = held.last.max(held.first);
            return resumed.ok_or(BackupError::Diverged { commit });
        }
        if let Some(left) = self.left_over(&header)?
            && let Some(resumed) = Copying::resume(file, header, target.open_write(&name)?, left)?
        {
            return Ok(resumed);
        }
        Ok(Copying::begin(
            file,
            header,
            Some(target.open_or_create(&name)?),
        )?)
    }

    /// What a run that was cut short has copied of a segment, as far as it is whole.
    fn left_over(&self, header: &SegmentHeader) -> Result<Option<BackupSegment>, IoError> {
        let file = match self.backup.log().open_read(&segment_name(header.first())) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let same = SegmentHeader::read(&file, header.epoch, header.first());
        if !same.is_ok_and(|found| found == *header) {
            return Ok(None);
        }
        let mut looking = Copying::begin(&file, *header, None)?;
        let looked = looking.groups(WHOLE, &mut Progress::new(&mut |_| {}));
        Ok(looked.is_ok().then(|| looking.copied()))
    }

    /// Checks that a segment ends where the next one, which begins with `next`, says.
    fn check_end(&self, file: &LogFile, end: &BackupSegment, next: Sequence) -> Result<(), Stop> {
        let follower = open_source(&self.log, next)?;
        let link = SegmentHeader::read(&follower, self.source.epoch, next)?.link;
        let what = match end.link() {
            found if found == link => return Ok(()),
            found if found.last == link.last => DamageKind::SegmentEnd,
            found => {
                let last = found.last;
                DamageKind::SegmentGap { last, next }
            }
        };
        Err(damage(file, end.bytes, what).into())
    }
}

fn open_source(log: &Disk, first: Sequence) -> Result<LogFile, Stop> {
    match log.open_read(&segment_name(first)) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => Err(Stop::Moved),
        opened => Ok(opened?),
    }
}

fn damage(file: &LogFile, offset: u64, what: DamageKind) -> BackupError {
    BackupError::Damaged(Damage {
        file: file.path().to_path_buf(),
        offset,
        what,
    })
}
