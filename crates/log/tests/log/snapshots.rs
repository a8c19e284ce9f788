//! Snapshots: what the log comes to, whatever happens while they are made.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use wellspring_log::{
    ChangeRecord, CommitRecord, Faults, Log, Mutation, Snapshot, SnapshotDocument, SnapshotError,
    SnapshotMutation, SnapshotOptions, SnapshotPlan, Snapshots, Witnesses,
};
use wellspring_types::{CollectionId, CollectionPath, Epoch, Sequence, Timestamp};

use crate::support::{EPOCH, Fixture, read};

/// What commits come to, told by the simplest means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    head: u64,
    collections: BTreeMap<CollectionId, CollectionPath>,
    documents: BTreeMap<(CollectionId, Box<str>), SnapshotDocument>,
    mutations: Vec<SnapshotMutation>,
    newest_mutation: u64,
}

const IDS_MAX: u64 = 5;

impl Fold {
    fn commit(&mut self, record: &CommitRecord) {
        self.head = record.sequence.0;
        self.collections.extend(record.collections.iter().cloned());
        if let Some(mutation) = &record.mutation {
            self.newest_mutation += 1;
            self.mutations.push(SnapshotMutation {
                principal: record.principal.clone(),
                id: mutation.id.clone(),
                ordinal: self.newest_mutation,
                digest: mutation.digest,
                sequence: record.sequence,
                time: record.time,
                paths: record
                    .changes
                    .iter()
                    .map(|change| (change.collection, change.id.clone()))
                    .collect(),
            });
            let forgotten = self.newest_mutation.saturating_sub(IDS_MAX);
            self.mutations.retain(|kept| kept.ordinal > forgotten);
        }
        for change in &record.changes {
            let key = (change.collection, change.id.clone());
            match &change.after {
                None => drop(self.documents.remove(&key)),
                Some(data) => {
                    let document = SnapshotDocument {
                        collection: change.collection,
                        id: change.id.clone(),
                        version: record.sequence,
                        created_at: change.created_at,
                        updated_at: record.time,
                        data: data.clone(),
                    };
                    self.documents.insert(key, document);
                }
            }
        }
    }

    pub(crate) fn of<'a>(commits: impl IntoIterator<Item = &'a CommitRecord>) -> Fold {
        let mut fold = Fold::default();
        commits.into_iter().for_each(|commit| fold.commit(commit));
        fold
    }

    pub(crate) fn try_read(snapshot: &Snapshot) -> Result<Fold, SnapshotError> {
        let documents: Vec<_> = snapshot.documents().collect::<Result<_, _>>()?;
        assert!(
            documents.is_sorted_by_key(|document| (document.collection, document.id.clone())),
            "documents are in the order of their keys"
        );
        assert_eq!(documents.len() as u64, snapshot.documents_count());
        Ok(Fold {
            head: snapshot.sequence().0,
            collections: snapshot.collections().iter().cloned().collect(),
            documents: documents
                .into_iter()
                .map(|document| ((document.collection, document.id.clone()), document))
                .collect(),
            mutations: snapshot.mutations().collect::<Result<_, _>>()?,
            newest_mutation: snapshot.newest_mutation(),
        })
    }

    fn read(snapshot: &Snapshot) -> Fold {
        Fold::try_read(snapshot).unwrap()
    }
}

/// A small disk's worth of everything: many runs, files and merges.
fn options(fixture: &Fixture, faults: Faults) -> SnapshotOptions {
    let dir = fixture.options().dir.with_file_name("snapshots");
    SnapshotOptions {
        run_bytes: 300,
        file_bytes: 400,
        faults,
        ..SnapshotOptions::new(dir, EPOCH)
    }
}

pub(crate) fn open(fixture: &Fixture) -> Snapshots {
    Snapshots::open(options(fixture, Faults::default())).unwrap()
}

pub(crate) fn make(
    snapshots: &Snapshots,
    log: &Log,
    previous: Option<&Snapshot>,
    through: u64,
) -> Result<Snapshot, SnapshotError> {
    let plan = SnapshotPlan {
        previous,
        through: Sequence(through),
        pipeline: 3,
        mutation_ids_max: IDS_MAX,
        stop: &AtomicBool::new(false),
    };
    snapshots.make(&log.reader(), &plan)
}

/// The newest snapshot, as an opening finds it.
pub(crate) fn newest(snapshots: &Snapshots) -> Option<Snapshot> {
    let newest = *snapshots.list().unwrap().last()?;
    Some(snapshots.load(newest).unwrap())
}

#[derive(Clone, Debug)]
struct Change {
    collection: u32,
    id: u8,
    bytes: Option<usize>,
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![1 => Just(None), 4 => (0_usize..200).prop_map(Some)];
    (1_u32..4, 0_u8..12, bytes).prop_map(|(collection, id, bytes)| Change {
        collection,
        id,
        bytes,
    })
}

/// The commit `sequence`, as a pipeline would write it, but for the images before.
pub(crate) fn record(sequence: u64, changes: &[(u32, u8, Option<usize>)]) -> CommitRecord {
    let time = Timestamp::from_millis(1_000 + 10 * sequence);
    let mut keys = std::collections::BTreeSet::new();
    CommitRecord {
        sequence: Sequence(sequence),
        position: sequence + 2,
        time,
        principal: sequence.is_multiple_of(3).then(|| "ann".into()),
        mutation: (!sequence.is_multiple_of(4)).then(|| Mutation {
            id: format!("m{}", sequence % 9).into(),
            digest: [u8::try_from(sequence % 251).unwrap(); 32],
        }),
        collections: match sequence {
            1..4 => {
                let id = CollectionId(u32::try_from(sequence).unwrap());
                vec![(id, format!("c{sequence}").parse().unwrap())]
            }
            _ => Vec::new(),
        },
        changes: changes
            .iter()
            .filter(|(collection, id, _)| keys.insert((*collection, *id)))
            .map(|&(collection, id, bytes)| ChangeRecord {
                collection: CollectionId(collection),
                id: format!("d{id}").into(),
                created_at: time,
                before: None,
                after: Some(Bytes::from(vec![b'a' + id; bytes.unwrap_or(0)]))
                    .filter(|_| bytes.is_some()),
            })
            .filter(|change| change.after.is_some())
            .chain(deletions(sequence, changes))
            .collect(),
    }
}

/// A deletion's record has the document before.
fn deletions(
    sequence: u64,
    changes: &[(u32, u8, Option<usize>)],
) -> impl Iterator<Item = ChangeRecord> {
    let mut keys = std::collections::BTreeSet::new();
    let deleted = changes
        .iter()
        .filter(move |(c, id, _)| keys.insert((*c, *id)));
    deleted
        .filter(|(_, _, bytes)| bytes.is_none())
        .map(move |&(collection, id, _)| ChangeRecord {
            collection: CollectionId(collection),
            id: format!("d{id}").into(),
            created_at: Timestamp::from_millis(1),
            before: Some(wellspring_log::Before {
                version: Sequence(sequence - 1),
                updated_at: Timestamp::from_millis(1),
                data: Bytes::from_static(b"{}"),
            }),
            after: None,
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// A history of `count` commits in groups of one.
pub(crate) fn history(log: &mut Log, count: u64) -> Vec<CommitRecord> {
    let commits: Vec<_> = (1..=count)
        .map(|sequence| {
            let id = u8::try_from(sequence * 7 % 11).unwrap();
            let bytes = (!sequence.is_multiple_of(5)).then_some(30);
            record(sequence, &[(1, id, bytes), (2, id / 2, Some(9))])
        })
        .collect();
    for commit in &commits {
        log.append(std::slice::from_ref(commit)).unwrap();
    }
    commits
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_snapshot_and_the_log_behind_it_come_to_what_the_whole_log_does(
        commits in vec((vec(change(), 0..6), any::<bool>()), 1..60),
        trims in any::<bool>(),
    ) {
        let fixture = Fixture::new(700);
        let mut log = fixture.open();
        let snapshots = open(&fixture);
        let (mut model, mut previous) = (Vec::new(), None);
        for (sequence, (changes, snapshot)) in (1..).zip(commits) {
            let changes: Vec<_> = changes.iter().map(|c| (c.collection, c.id, c.bytes)).collect();
            let commit = record(sequence, &changes);
            log.append(std::slice::from_ref(&commit)).unwrap();
            model.push(commit);
            if !snapshot {
                continue;
            }
            let made = make(&snapshots, &log, previous.as_ref(), sequence).unwrap();
            prop_assert_eq!(Fold::read(&made), Fold::of(&model));
            prop_assert_eq!(made.position(), sequence + 2);
            prop_assert_eq!(made.time(), model[model.len() - 1].time);
            prop_assert_eq!(made.pipeline(), 3);
            snapshots.remove_before(&made).unwrap();
            if trims {
                log.trimmer().truncate_through(Sequence(sequence), &made).unwrap();
            }
            previous = Some(made);
        }
        // As an opening would find it.
        drop(log);
        let found = newest(&open(&fixture));
        prop_assert_eq!(found.is_some(), previous.is_some());
        let snapshot = found.as_ref().map_or(Sequence::ZERO, Snapshot::sequence);
        let log = fixture.try_open(Witnesses { snapshot, ..Witnesses::default() }).unwrap();
        let mut fold = found.as_ref().map_or_else(Fold::default, Fold::read);
        read(&log.reader(), snapshot.0, None).iter().for_each(|commit| fold.commit(commit));
        prop_assert_eq!(fold, Fold::of(&model));
    }
}

#[test]
fn many_runs_are_merged_a_few_at_a_time() {
    let fixture = Fixture::new(64 << 10);
    let mut log = fixture.open();
    let commits: Vec<_> = (1..=1_500_u64)
        .map(|n| {
            let bytes = (!n.is_multiple_of(5)).then_some(300);
            record(n, &[(1, u8::try_from(n * 7 % 90).unwrap(), bytes)])
        })
        .collect();
    for group in commits.chunks(50) {
        log.append(group).unwrap();
    }
    let made = make(&open(&fixture), &log, None, 1_500).unwrap();
    assert_eq!(Fold::read(&made), Fold::of(&commits));
}

#[test]
fn a_snapshot_of_nothing_new_is_refused() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    history(&mut log, 4);
    let snapshots = open(&fixture);
    let made = make(&snapshots, &log, None, 3).unwrap();
    for through in [0, 2, 3, 5] {
        let refused = make(&snapshots, &log, Some(&made), through);
        assert!(
            matches!(refused, Err(SnapshotError::NothingNew { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn one_that_is_told_to_stop_leaves_nothing() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    history(&mut log, 4);
    let snapshots = open(&fixture);
    let plan = SnapshotPlan {
        previous: None,
        through: Sequence(4),
        pipeline: 1,
        mutation_ids_max: 1,
        stop: &AtomicBool::new(true),
    };
    let stopped = snapshots.make(&log.reader(), &plan);
    assert!(
        matches!(stopped, Err(SnapshotError::Stopped)),
        "{stopped:?}"
    );
    let dir = options(&fixture, Faults::default()).dir;
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
}

#[test]
fn a_snapshot_of_another_epoch_is_refused() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    history(&mut log, 4);
    make(&open(&fixture), &log, None, 4).unwrap();
    let other = SnapshotOptions {
        epoch: Epoch(7),
        ..options(&fixture, Faults::default())
    };
    let refused = Snapshots::open(other).unwrap().load(Sequence(4));
    assert!(
        matches!(refused, Err(SnapshotError::WrongEpoch { .. })),
        "{refused:?}"
    );
}

/// Lets `passing` operations pass and fails all after them, as a process that has died.
pub(crate) fn dies_after(passing: usize, died: &Arc<AtomicBool>) -> Faults {
    let (left, died) = (AtomicUsize::new(passing), Arc::clone(died));
    Faults::new(move |_operation, _path| {
        let alive = left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if alive {
            return Ok(());
        }
        died.store(true, Ordering::SeqCst);
        Err(io::Error::other("dead"))
    })
}

#[test]
fn a_crash_at_any_operation_leaves_the_snapshot_before_or_the_new_one() {
    for passing in 0.. {
        let fixture = Fixture::new(700);
        let mut log = fixture.open();
        let commits = history(&mut log, 40);
        let before = make(&open(&fixture), &log, None, 15).unwrap();
        let died = Arc::new(AtomicBool::new(false));
        let made = Snapshots::open(options(&fixture, dies_after(passing, &died)))
            .map_err(SnapshotError::from)
            .and_then(|snapshots| {
                let before = snapshots.load(Sequence(15))?;
                let made = make(&snapshots, &log, Some(&before), 40)?;
                snapshots.remove_before(&made)?;
                Ok(made)
            });
        let snapshots = open(&fixture);
        let found = newest(&snapshots).unwrap();
        let head = usize::try_from(found.sequence().0).unwrap();
        assert!(head == 15 || head == 40, "after {passing}: {head}");
        assert_eq!(Fold::read(&found), Fold::of(&commits[..head]));
        let dir = before.dir().parent().unwrap();
        let left: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.len() != 16)
            .collect();
        assert!(left.is_empty(), "after {passing}: {left:?}");
        // Whatever was left, the next one can be made.
        if head == 15 {
            let again = make(&snapshots, &log, Some(&found), 40).unwrap();
            assert_eq!(Fold::read(&again), Fold::of(&commits));
        }
        if !died.load(Ordering::SeqCst) {
            made.unwrap();
            assert!(passing > 30, "every operation had its turn");
            return;
        }
    }
}

/// Reads all of the newest snapshot.
fn read_newest(fixture: &Fixture) -> Result<Fold, SnapshotError> {
    let snapshots = open(fixture);
    let newest = *snapshots.list().unwrap().last().unwrap();
    Fold::try_read(&snapshots.load(newest)?)
}

#[test]
fn damage_at_any_byte_is_found_and_named() {
    let fixture = Fixture::new(4_000);
    let mut log = fixture.open();
    let commits = history(&mut log, 30);
    let made = make(&open(&fixture), &log, None, 30).unwrap();
    let entries = std::fs::read_dir(made.dir()).unwrap();
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in &files {
        let good = std::fs::read(file).unwrap();
        let mut damaged: Vec<(usize, Vec<u8>)> = Vec::new();
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 1 << (place % 8);
            damaged.push((place, bytes));
            damaged.push((place, good[..place].to_vec()));
        }
        damaged.push((good.len(), [&good[..], &[0]].concat()));
        for (place, bytes) in damaged {
            std::fs::write(file, bytes).unwrap();
            match read_newest(&fixture) {
                Err(SnapshotError::Damaged(damage)) => {
                    assert_eq!(&damage.file, file, "at {place}");
                    assert!(damage.offset <= good.len() as u64 + 1);
                }
                other => panic!("{} at {place}: {other:?}", file.display()),
            }
        }
        std::fs::remove_file(file).unwrap();
        let missing = read_newest(&fixture);
        assert!(
            matches!(missing, Err(SnapshotError::Damaged(_))),
            "{missing:?}"
        );
        std::fs::write(file, good).unwrap();
    }
    assert_eq!(read_newest(&fixture).unwrap(), Fold::of(&commits));
}

#[test]
fn a_snapshot_of_many_blocks_and_files_is_read_and_merged_in_order() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let mut noise = 7_u32;
    let mut commits: Vec<_> = (1..=30_u64)
        .map(|n| record(n, &[(1, u8::try_from(n % 20).unwrap(), Some(40_000))]))
        .collect();
    for change in commits.iter_mut().flat_map(|commit| &mut commit.changes) {
        // Nothing that can be compressed.
        let mut data = vec![0; 40_000];
        data.fill_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        });
        change.after = Some(data.into());
    }
    log.append(&commits).unwrap();
    let snapshots = open(&fixture);
    let before = make(&snapshots, &log, None, 11).unwrap();
    assert_eq!(Fold::read(&before), Fold::of(&commits[..11]));
    let made = make(&snapshots, &log, Some(&before), 30).unwrap();
    assert_eq!(Fold::read(&made), Fold::of(&commits));
    let [first, second] = ["documents-00000001", "documents-00000002"].map(|n| made.dir().join(n));
    let kept = std::fs::read(&first).unwrap();
    std::fs::copy(&second, &first).unwrap();
    let swapped = read_newest(&fixture);
    assert!(
        matches!(swapped, Err(SnapshotError::Damaged(_))),
        "{swapped:?}"
    );
    std::fs::write(&first, kept).unwrap();
    assert_eq!(read_newest(&fixture).unwrap(), Fold::of(&commits));
}

/// Where this fails the format has changed: give it a folder of its own, written by running this
/// test with the variable `WRITE_SNAPSHOT_TO`.
#[test]
fn a_snapshot_of_format_1_is_read() {
    let fixture = Fixture::new(4_000);
    let mut log = fixture.open();
    let commits = history(&mut log, 30);
    if let Some(folder) = std::env::var_os("WRITE_SNAPSHOT_TO") {
        let made = make(&open(&fixture), &log, None, 30).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(made.dir()).unwrap().map(Result::unwrap) {
            std::fs::copy(entry.path(), Path::new(&folder).join(entry.file_name())).unwrap();
        }
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/log/snapshot-format-1");
    let dir = options(&fixture, Faults::default())
        .dir
        .join("0000000000000030");
    std::fs::create_dir_all(&dir).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let kept = newest(&open(&fixture)).unwrap();
    assert_eq!(Fold::read(&kept), Fold::of(&commits));
    // And the next one goes on from it.
    let next = record(31, &[(1, 0, Some(5)), (3, 1, None)]);
    log.append(std::slice::from_ref(&next)).unwrap();
    let made = make(&open(&fixture), &log, Some(&kept), 31).unwrap();
    assert_eq!(Fold::read(&made), Fold::of(commits.iter().chain([&next])));
}

#[test]
fn files_of_another_snapshot_do_not_pass() {
    let (one, other) = (Fixture::new(4_000), Fixture::new(4_000));
    let dirs = [&one, &other].map(|fixture| {
        let mut log = fixture.open();
        history(&mut log, 30);
        let made = make(&open(fixture), &log, None, 30).unwrap();
        made.dir().to_path_buf()
    });
    for name in ["documents-00000001", "mutations"] {
        let kept = std::fs::read(dirs[0].join(name)).unwrap();
        std::fs::copy(dirs[1].join(name), dirs[0].join(name)).unwrap();
        let found = read_newest(&one);
        assert!(matches!(found, Err(SnapshotError::Damaged(_))), "{found:?}");
        std::fs::write(dirs[0].join(name), kept).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn bytes_that_were_made_up_are_refused_without_a_panic(
        name in prop_oneof![Just("manifest"), Just("documents-00000001"), Just("mutations")],
        place in any::<prop::sample::Index>(),
        bytes in vec(any::<u8>(), 1..40),
    ) {
        let fixture = Fixture::new(4_000);
        let mut log = fixture.open();
        history(&mut log, 12);
        let made = make(&open(&fixture), &log, None, 12).unwrap();
        let file = made.dir().join(name);
        let good = std::fs::read(&file).unwrap();
        let at = place.index(good.len());
        let mut damaged = good.clone();
        damaged.splice(at..(at + bytes.len()).min(good.len()), bytes);
        prop_assume!(damaged != good);
        std::fs::write(&file, damaged).unwrap();
        prop_assert!(read_newest(&fixture).is_err());
    }
}
