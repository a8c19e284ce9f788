//! Checking every byte of a log, its snapshots, or a backup of both, beside the rules that opening
//! goes by: where opening stops at the first thing that is wrong, this goes on and tells all. It
//! reads, and changes nothing.
//!
//! One pass goes through the segments in their order, and through each snapshot where the log comes
//! to it. What the log comes to is kept meanwhile, as far as it fits into memory, to be compared with
//! snapshots and with what each change says was before it. What does not fit is left to further
//! passes.

mod backup;
mod finding;
mod fold;
mod mutations;
mod part;
mod pass;
mod segment;
mod snapshots;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wellspring_types::{Epoch, Sequence};

pub use finding::{FINDINGS_MAX, Finding, Findings, Severity};

use crate::backup::BackupSegment;
use crate::error::IoError;
use crate::file_system::FileSystem;
use crate::files::{Disk, Faults};
use crate::read_only_files::ReadOnlyFileSystem;
use crate::record::CommitRecord;
use crate::segment::{parse_index_name, parse_segment_name, peek_epoch, segment_name};
use crate::snapshot::{self, Snapshot, SnapshotDocument};
use part::Part;
use pass::Pass;

/// The files of a database, none of which anybody changes meanwhile.
#[derive(Clone, Debug)]
pub struct DatabaseFiles {
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
    /// Documents that are kept in memory at a time, each of which takes about a hundred bytes. Where
    /// there are more, all files are read again for the others.
    pub documents_max: usize,
}

/// Documents that are kept in memory at a time, unless told otherwise: about 200 MB.
pub const VERIFY_DOCUMENTS_MAX: usize = 2_000_000;

/// What checking came to.
#[derive(Debug, Default)]
pub struct Verified {
    /// What was found.
    pub findings: Findings,
    /// The first commit in the log; zero without one.
    pub oldest: Sequence,
    /// The last commit that could be read; zero without one.
    pub head: Sequence,
    /// Commits that were read.
    pub commits: u64,
    /// Documents that were read in snapshots.
    pub documents: u64,
    /// Snapshots that were read.
    pub snapshots: u64,
    /// Bytes of all that was read.
    pub bytes: u64,
}

/// How far checking has come, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes that were read.
    pub done: u64,
    /// Bytes that there are to be read, as far as is known.
    pub total: u64,
}

/// Who looks along while files are checked, and comes to know all that the database holds.
pub trait Watch {
    /// What comes now goes on from the beginning of the history, or from what this snapshot holds,
    /// which is told first.
    fn begin(&mut self, snapshot: Option<&Snapshot>);

    /// A document of the snapshot.
    fn document(&mut self, document: &SnapshotDocument);

    /// A commit, and where it stands: the segment, and the offset of its group.
    fn commit(&mut self, place: (&Path, u64), commit: &CommitRecord);

    /// Something is missing, so that what comes cannot be added to what came before.
    fn lose(&mut self);

    /// How far it has come.
    fn progress(&mut self, progress: VerifyProgress);
}

/// A segment to be read.
#[derive(Clone, Copy, Debug)]
struct SegmentPart {
    first: Sequence,
    /// In a backup, what its manifest says.
    held: Option<BackupSegment>,
    /// Bytes that there are to be read; none, where they cannot be told.
    bytes: u64,
}

/// What there is to be read.
struct Plan {
    log: Disk,
    epoch: Epoch,
    witnessed: Sequence,
    /// Ascending.
    segments: Vec<SegmentPart>,
    /// Those whose manifests are good, ascending.
    snapshots: Vec<Snapshot>,
    documents_max: usize,
}

impl Plan {
    /// Bytes that there are to be read.
    fn bytes(&self) -> u64 {
        let segments = self.segments.iter().map(|part| part.bytes);
        let snapshots = self.snapshots.iter().map(Snapshot::bytes);
        segments.chain(snapshots).fold(0, u64::saturating_add)
    }

    /// Reads everything, and as often as it takes.
    fn run(&self, mut findings: Findings, watch: &mut dyn Watch) -> Verified {
        let bytes = self.bytes();
        let mut progress = VerifyProgress {
            done: 0,
            total: bytes,
        };
        let mut passed = Pass::new(self, Part::default(), &mut progress, watch).run(&mut findings);
        let mut later = passed.later;
        while let Some(part) = later.pop() {
            progress.total = progress.done + bytes * (later.len() as u64 + 1);
            let mut silent = Silent(&mut *watch);
            let mut again = Findings::of_documents();
            let more = Pass::new(self, part, &mut progress, &mut silent).run(&mut again);
            later.extend(more.later);
            findings.extend(again);
        }
        passed.verified.findings = findings;
        passed.verified.bytes = bytes;
        passed.verified
    }
}

/// Is told of progress only.
struct Silent<'a>(&'a mut dyn Watch);

impl Watch for Silent<'_> {
    fn begin(&mut self, _snapshot: Option<&Snapshot>) {}
    fn document(&mut self, _document: &SnapshotDocument) {}
    fn commit(&mut self, _place: (&Path, u64), _commit: &CommitRecord) {}
    fn lose(&mut self) {}

    fn progress(&mut self, progress: VerifyProgress) {
        self.0.progress(progress);
    }
}

impl DatabaseFiles {
    /// Checks all of them.
    #[must_use]
    pub fn verify(&self, watch: &mut dyn Watch) -> Verified {
        let files: Arc<dyn FileSystem> =
            Arc::new(ReadOnlyFileSystem::new(Arc::clone(&self.file_system)));
        let disk = |dir: &Path| {
            Disk::new(dir.to_path_buf(), Arc::clone(&files), Faults::default()).read_only()
        };
        let (log, snapshot_disk) = (disk(&self.log), disk(&self.snapshots));
        let mut findings = Findings::default();
        let segments = list_log(&log, &mut findings);
        let named = list_snapshots(&snapshot_disk, &mut findings);
        let mut snapshots = Vec::new();
        for &sequence in &named {
            match snapshot::load_from(&snapshot_disk, self.epoch, sequence) {
                Ok(snapshot) => snapshots.push(snapshot),
                Err(error) => findings.add_snapshot(error),
            }
        }
        for snapshot in &snapshots {
            snapshots::list_strangers(snapshot, &mut findings);
        }
        let plan = Plan {
            epoch: self.epoch,
            witnessed: named
                .last()
                .copied()
                .unwrap_or_default()
                .max(self.witnessed),
            segments,
            snapshots,
            log,
            documents_max: self.documents_max,
        };
        plan.run(findings, watch)
    }

    /// The epoch in the header of the first segment that has one: of a log without META.
    #[must_use]
    pub fn find_epoch(log: &Path, file_system: &Arc<dyn FileSystem>) -> Option<Epoch> {
        let disk = Disk::new(
            log.to_path_buf(),
            Arc::clone(file_system),
            Faults::default(),
        );
        let mut names = disk.list().ok()?;
        names.sort_unstable();
        let mut segments = names
            .iter()
            .filter(|name| parse_segment_name(name).is_some());
        segments.find_map(|name| peek_epoch(&disk.open_read(name).ok()?))
    }
}

/// The names in a directory, sorted; none, where it is missing.
fn names(disk: &Disk, findings: &mut Findings) -> Vec<String> {
    match disk.list() {
        Ok(mut names) => {
            names.sort_unstable();
            names
        }
        Err(error) if is_missing(&error) => Vec::new(),
        Err(error) => {
            findings.add(error);
            Vec::new()
        }
    }
}

fn is_missing(error: &IoError) -> bool {
    error.source.kind() == ErrorKind::NotFound
}

/// The segments of a database; what else is there is told.
fn list_log(log: &Disk, findings: &mut Findings) -> Vec<SegmentPart> {
    let names = names(log, findings);
    let firsts: BTreeSet<Sequence> = names.iter().filter_map(|n| parse_segment_name(n)).collect();
    for name in &names {
        let file = log.dir().join(name);
        if parse_segment_name(name).is_some() {
            continue;
        }
        match parse_index_name(name) {
            Some(first) if firsts.contains(&first) => {}
            Some(_) => findings.add(Finding::LeftOver { file }),
            None if crate::recovery::is_temporary(name) => findings.add(Finding::LeftOver { file }),
            None => findings.add(Finding::Stranger { file }),
        }
    }
    let parts = firsts.into_iter();
    let part = |first| SegmentPart {
        first,
        held: None,
        bytes: { log.open_read(&segment_name(first)) }
            .and_then(|file| file.bytes())
            .unwrap_or(0),
    };
    parts.map(part).collect()
}

/// The snapshots of a database; what else is there is told.
fn list_snapshots(disk: &Disk, findings: &mut Findings) -> Vec<Sequence> {
    let mut found = Vec::new();
    for name in names(disk, findings) {
        let file = disk.dir().join(&name);
        match snapshot::parse_name(&name) {
            Some(sequence) => found.push(sequence),
            None if snapshot::is_temporary(&name) => findings.add(Finding::LeftOver { file }),
            None => findings.add(Finding::Stranger { file }),
        }
    }
    found
}
