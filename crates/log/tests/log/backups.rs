//! Backups: whatever the database does meanwhile, what is restored is its log.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use wellspring_log::{
    Backup, BackupError, BackupManifest, BackupOptions, BackupSource, BackupTaken, CommitRecord,
    DamageKind, Faults, LocalFileSystem, Log, Options, RestorePoint, RestoreTarget, Snapshot,
    SnapshotOptions, Snapshots, Witnesses,
};
use wellspring_types::{Epoch, Sequence, Timestamp};

use crate::snapshots::{Fold, dies_after, make, newest, open, record};
use crate::support::{EPOCH, Fixture, read_all};

/// A log at work, and a backup of it.
pub(crate) struct Scene {
    pub(crate) fixture: Fixture,
    log: Log,
    snapshots: Snapshots,
    commits: Vec<CommitRecord>,
    directory: TempDir,
}

/// What was restored.
pub(crate) struct Restored {
    directory: TempDir,
    pub(crate) head: Sequence,
}

impl Scene {
    /// With segments of a few commits.
    pub(crate) fn new() -> Scene {
        Scene::with(Fixture::new(700))
    }

    fn with(fixture: Fixture) -> Scene {
        let snapshots = open(&fixture);
        Scene {
            log: fixture.open(),
            fixture,
            snapshots,
            commits: Vec::new(),
            directory: TempDir::new().unwrap(),
        }
    }

    /// Appends groups of so many commits.
    pub(crate) fn append(&mut self, groups: &[usize]) {
        for &count in groups {
            let first = self.commits.len() as u64 + 1;
            let group: Vec<_> = (first..first + count as u64)
                .map(|sequence| {
                    let id = u8::try_from(sequence * 7 % 11).unwrap();
                    let bytes = (!sequence.is_multiple_of(5)).then_some(30);
                    record(sequence, &[(1, id, bytes), (2, id / 2, Some(9))])
                })
                .collect();
            self.log.append(&group).unwrap();
            self.commits.extend(group);
        }
    }

    fn head(&self) -> u64 {
        self.commits.len() as u64
    }

    /// Makes a snapshot of everything; drops the log behind it through `floor`.
    pub(crate) fn snapshot(&self, floor: u64) {
        let previous = newest(&self.snapshots);
        if previous.as_ref().map(Snapshot::sequence) == Some(Sequence(self.head())) {
            return;
        }
        let made = make(&self.snapshots, &self.log, previous.as_ref(), self.head()).unwrap();
        self.snapshots.remove_before(&made).unwrap();
        let trimmer = self.log.trimmer();
        trimmer.truncate_through(Sequence(floor), &made).unwrap();
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.directory.path().join("backup")
    }

    fn source(&self) -> BackupSource {
        let log = self.fixture.options().dir;
        BackupSource {
            snapshots: log.with_file_name("snapshots"),
            log,
            file_system: Arc::new(LocalFileSystem),
            epoch: EPOCH,
            witnessed: Sequence::ZERO,
            database: Bytes::from_static(b"meta"),
            taken_at: Timestamp::from_millis(1_005 + 10 * self.head()),
        }
    }

    pub(crate) fn try_take(&self, faults: Faults) -> Result<BackupTaken, BackupError> {
        open_to_take(self.dir(), faults)?.take(&self.source(), &mut |_| {})
    }

    pub(crate) fn take(&self) -> BackupTaken {
        self.try_take(Faults::default()).unwrap()
    }

    fn backup(&self) -> Backup {
        Backup::open(BackupOptions::new(self.dir())).unwrap()
    }

    pub(crate) fn try_restore(&self, point: RestorePoint) -> Result<Restored, BackupError> {
        let directory = TempDir::new().unwrap();
        let target = RestoreTarget::new(directory.path());
        let head = self.backup().restore(point, &target, &mut |_| {})?;
        Ok(Restored { directory, head })
    }

    fn restore(&self, sequence: u64) -> Restored {
        let point = RestorePoint::Sequence(Sequence(sequence));
        self.try_restore(point).unwrap()
    }

    /// Restores to `sequence`, and compares everything.
    pub(crate) fn check(&self, sequence: u64) {
        let restored = self.restore(sequence);
        assert_eq!(restored.head, Sequence(sequence));
        let (snapshot, mut log) = restored.open();
        let commits = &self.commits[..usize::try_from(sequence).unwrap()];
        let reader = log.reader();
        assert_eq!(reader.head(), Sequence(sequence));
        let kept = usize::try_from(reader.oldest().0 - 1)
            .unwrap()
            .min(commits.len());
        assert_eq!(read_all(&reader), commits[kept..]);
        if let Some(snapshot) = snapshot {
            let held = &commits[..usize::try_from(snapshot.sequence().0).unwrap()];
            assert_eq!(Fold::try_read(&snapshot).unwrap(), Fold::of(held));
        } else {
            assert_eq!(reader.oldest(), Sequence(1));
        }
        // The history goes on from there.
        log.append(&[record(sequence + 1, &[(1, 3, Some(77))])])
            .unwrap();
    }

    fn held(&self) -> Vec<(u64, u64)> {
        let held = self.backup().manifest().unwrap().held();
        held.0
            .iter()
            .map(|range| (range.oldest.0, range.newest.0))
            .collect()
    }
}

/// The backup in `dir`, for writing.
fn open_to_take(dir: PathBuf, faults: Faults) -> Result<Backup, BackupError> {
    Backup::open_to_take(BackupOptions {
        faults,
        ..BackupOptions::new(dir)
    })
}

impl Restored {
    fn open(&self) -> (Option<Snapshot>, Log) {
        let target = RestoreTarget::new(self.directory.path());
        let snapshots = SnapshotOptions::new(target.snapshots, EPOCH);
        let snapshot = newest(&Snapshots::open(snapshots).unwrap());
        let witnesses = Witnesses {
            snapshot: snapshot.as_ref().map_or(Sequence::ZERO, Snapshot::sequence),
            clean_close: Some(self.head),
            ..Witnesses::default()
        };
        let log = Log::open(Options::new(target.log, EPOCH), witnesses).unwrap();
        (snapshot, log)
    }
}

pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn every_backup_restores_to_what_the_log_was(
        rounds in vec((vec(1_usize..4, 0..12), any::<bool>(), 0_u64..30, 0_u64..99), 1..5),
    ) {
        let mut scene = Scene::new();
        let mut copied = 0;
        for (groups, snapshot, kept, place) in rounds {
            scene.append(&groups);
            if snapshot && scene.head() > 0 {
                scene.snapshot(scene.head().saturating_sub(kept));
            }
            let taken = scene.take();
            prop_assert_eq!(taken.head, Sequence(scene.head()));
            copied += taken.copied;
            let (oldest, newest) = *scene.held().last().unwrap();
            prop_assert_eq!(newest, scene.head());
            for sequence in [oldest, oldest + place % (newest - oldest + 1), newest] {
                scene.check(sequence);
            }
        }
        // Each byte was copied once.
        let bytes = scene.backup().manifest().unwrap().bytes();
        prop_assert_eq!(copied, bytes);
        prop_assert_eq!(scene.take().copied, 0);
    }

    #[test]
    fn a_manifest_that_was_made_up_is_refused_or_restored_without_a_panic(
        at in 0_usize..400, bytes in vec(any::<u8>(), 1..12), sealed in any::<bool>(),
    ) {
        let mut scene = Scene::new();
        scene.append(&[2; 12]);
        scene.snapshot(10);
        scene.take();
        let file = scene.dir().join("manifest");
        let mut content = fs::read(&file).unwrap();
        let at = at % content.len();
        for (place, byte) in (at..content.len()).zip(bytes) {
            content[place] = byte;
        }
        if sealed {
            seal(&mut content);
        }
        fs::write(&file, content).unwrap();
        if let Ok(backup) = Backup::open(BackupOptions::new(scene.dir())) {
            let held = backup.manifest().map(BackupManifest::held).unwrap();
            let newest = held.0.iter().map(|range| RestorePoint::Sequence(range.newest));
            let time = RestorePoint::Time(Timestamp::from_millis(1_100));
            for point in newest.chain([RestorePoint::Newest, time]) {
                scene.try_restore(point).ok();
            }
        }
        scene.try_take(Faults::default()).ok();
    }
}

/// Makes the checksums of a manifest right.
fn seal(manifest: &mut [u8]) {
    let body = crc32c::crc32c(&manifest[40..]).to_le_bytes();
    manifest[24..28].copy_from_slice(&body);
    let header = crc32c::crc32c(&manifest[..36]).to_le_bytes();
    manifest[36..40].copy_from_slice(&header);
}

#[test]
fn what_the_log_drops_stays_in_the_backup() {
    let mut scene = Scene::new();
    scene.append(&[1; 30]);
    scene.take();
    scene.append(&[1; 10]);
    scene.snapshot(28);
    scene.append(&[1; 10]);
    assert!(scene.log.reader().oldest() > Sequence(20));
    scene.take();
    assert_eq!(scene.held(), [(1, 50)]);
    for sequence in [1, 2, 20, 28, 29, 30, 31, 39, 40, 41, 50] {
        scene.check(sequence);
    }
}

#[test]
fn what_was_dropped_before_it_was_copied_is_a_gap_that_is_told() {
    let mut scene = Scene::new();
    scene.append(&[1; 10]);
    scene.take();
    scene.append(&[1; 40]);
    scene.snapshot(50);
    scene.append(&[1; 5]);
    scene.take();
    let held = scene.held();
    assert_eq!(held[0], (1, 10));
    assert_eq!((held.len(), held[1].1), (2, 55));
    assert_eq!(held[1].0, 50);
    for sequence in [1, 9, 10, 50, 51, 55] {
        scene.check(sequence);
    }
    let point = RestorePoint::Sequence(Sequence(30));
    let refused = scene
        .try_restore(point)
        .map(|restored| restored.head)
        .unwrap_err();
    assert!(
        refused.to_string().starts_with(
            "commit 30 cannot be restored: the backup holds commits 1 to 10 (1970-01-01T00:00:01.010Z to "
        ),
        "{refused}"
    );
}

#[test]
fn a_time_is_the_last_commit_at_or_before_it() {
    let mut scene = Scene::new();
    scene.append(&[3, 1, 2, 4, 1, 5, 2, 2, 3, 1]);
    scene.take();
    let at = |millis| {
        let point = RestorePoint::Time(Timestamp::from_millis(millis));
        scene.try_restore(point).map(|restored| restored.head.0)
    };
    for sequence in [1, 2, 3, 4, 5, 11, 12, 13, 16, 23, 24] {
        assert_eq!(at(1_000 + 10 * sequence).unwrap(), sequence);
        if sequence < 24 {
            assert_eq!(at(1_009 + 10 * sequence).unwrap(), sequence);
        }
    }
    // It was taken at 1,245: whether anything was committed after that, it does not know.
    assert_eq!(at(1_245).unwrap(), 24);
    assert!(matches!(at(1_246), Err(BackupError::OutOfRange { .. })));
    assert!(matches!(at(1_009), Err(BackupError::OutOfRange { .. })));
}

#[test]
fn a_database_without_a_commit_is_backed_up_and_restored() {
    let scene = Scene::new();
    assert_eq!(scene.take().head, Sequence::ZERO);
    assert_eq!(scene.held(), [(0, 0)]);
    scene.check(0);
}

#[test]
fn only_the_owner_may_read_a_backup_and_what_is_restored() {
    let mut scene = Scene::new();
    scene.append(&[1; 20]);
    scene.snapshot(0);
    scene.take();
    let restored = scene.restore(20);
    for root in [scene.dir(), restored.directory.path().join("log")] {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&root), 0o700);
        for file in files(&root).keys() {
            assert_eq!(
                (mode(file), mode(file.parent().unwrap())),
                (0o600, 0o700),
                "{file:?}"
            );
        }
    }
}

#[test]
fn a_crash_at_any_operation_leaves_the_backup_before_and_the_next_run_goes_on() {
    for passing in 0.. {
        let mut scene = Scene::new();
        scene.append(&[2; 8]);
        scene.take();
        scene.append(&[1, 2, 3, 2, 1, 1]);
        scene.snapshot(12);
        scene.append(&[2; 3]);
        let died = Arc::new(AtomicBool::new(false));
        let taken = scene.try_take(dies_after(passing, &died));
        let died = died.load(Ordering::SeqCst);
        let head = scene.held().last().unwrap().1;
        assert!([16, 32].contains(&head), "{passing}: {head}");
        assert!(taken.is_err() || head == 32, "{passing}");
        for sequence in [7, head] {
            scene.check(sequence);
        }
        assert_eq!(scene.take().head, Sequence(32));
        for sequence in [16, 19, 32] {
            scene.check(sequence);
        }
        if !died {
            assert!(passing > 30, "{passing}");
            break;
        }
    }
}

#[test]
fn a_run_that_was_cut_short_is_not_copied_again() {
    let mut scene = Scene::new();
    scene.append(&[2; 30]);
    scene.snapshot(0);
    let whole = scene.take().copied;
    fs::remove_file(scene.dir().join("manifest")).unwrap();
    // As a crash between writing and syncing may leave it.
    let newest = scene
        .dir()
        .join("log")
        .join(scene.fixture.segments().last().unwrap());
    let mut bytes = fs::read(&newest).unwrap();
    bytes.truncate(bytes.len() - 3);
    fs::write(&newest, bytes).unwrap();
    let again = scene.take().copied;
    assert!(again > 0 && again < whole / 10, "{again} of {whole}");
    scene.check(60);
    scene.check(9);
}

#[test]
fn a_group_that_is_being_written_is_not_in_the_backup() {
    let mut scene = Scene::with(Fixture::roomy());
    scene.append(&[2; 3]);
    let file = scene.fixture.path("0000000000000001.seg");
    let before = fs::read(&file).unwrap();
    scene.append(&[1]);
    let after = fs::read(&file).unwrap();
    let end = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    for written in end(&before)..=end(&after) {
        let mut partly = before.clone();
        partly[..written].copy_from_slice(&after[..written]);
        fs::write(&file, partly).unwrap();
        let scene_dir = TempDir::new().unwrap();
        let mut backup = open_to_take(scene_dir.path().join("b"), Faults::default()).unwrap();
        let taken = backup.take(&scene.source(), &mut |_| {}).unwrap();
        let head = if written == end(&after) { 7 } else { 6 };
        assert_eq!(taken.head, Sequence(head));
    }
    fs::write(&file, after).unwrap();
    scene.take();
    scene.check(7);
}

#[test]
fn a_log_that_ends_before_a_witness_is_refused() {
    let mut scene = Scene::new();
    scene.append(&[1; 3]);
    let mut source = scene.source();
    source.witnessed = Sequence(4);
    let mut backup = open_to_take(scene.dir(), Faults::default()).unwrap();
    let refused = backup.take(&source, &mut |_| {}).unwrap_err();
    assert!(
        matches!(&refused, BackupError::Damaged(damage)
            if matches!(damage.what, DamageKind::HeadLost { .. })),
        "{refused:?}"
    );
}

#[test]
fn another_database_and_another_directory_are_refused() {
    let mut scene = Scene::new();
    scene.append(&[1; 3]);
    scene.take();
    let mut source = scene.source();
    source.epoch = Epoch(7);
    let mut backup = open_to_take(scene.dir(), Faults::default()).unwrap();
    let refused = backup.take(&source, &mut |_| {}).unwrap_err();
    assert!(
        matches!(refused, BackupError::WrongEpoch { .. }),
        "{refused:?}"
    );
    let second = open_to_take(scene.dir(), Faults::default()).unwrap_err();
    assert!(matches!(second, BackupError::InUse { .. }), "{second:?}");

    let home = TempDir::new().unwrap();
    fs::write(home.path().join("letter"), "dear").unwrap();
    let refused = open_to_take(home.path().into(), Faults::default()).unwrap_err();
    assert!(
        matches!(refused, BackupError::NotABackup { .. }),
        "{refused:?}"
    );
    let refused = Backup::open(BackupOptions::new(home.path())).unwrap_err();
    assert!(
        matches!(refused, BackupError::Missing { .. }),
        "{refused:?}"
    );
}

#[test]
fn bytes_behind_those_that_count_are_not_restored() {
    let mut scene = Scene::new();
    scene.append(&[1; 3]);
    scene.take();
    let file = scene.dir().join("log/0000000000000001.seg");
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend(b"left by a run that was cut short");
    fs::write(&file, bytes).unwrap();
    scene.check(3);
    scene.append(&[1; 3]);
    scene.take();
    scene.check(6);
}
