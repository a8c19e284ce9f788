//! Checking files: what is wrong is told, all of it, and what a crash leaves is told from it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use wellspring_log::{
    Before, ChangeRecord, CommitRecord, DamageKind, DatabaseFiles, Disagreement, FINDINGS_MAX,
    Finding, LocalFileSystem, Mutation, Severity, Snapshot, SnapshotDocument, Verified,
    VerifyProgress, Watch,
};
use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::snapshots::{make, open};
use crate::support::{EPOCH, Fixture};

/// Commits as a pipeline writes them, images included.
#[derive(Default)]
struct History {
    commits: Vec<CommitRecord>,
    documents: BTreeMap<(u32, String), (Before, Timestamp)>,
}

impl History {
    /// Commits changes of documents: collection, id, data after.
    fn commit(&mut self, changes: &[(u32, &str, Option<&str>)]) {
        let sequence = Sequence(self.commits.len() as u64 + 1);
        let time = Timestamp::from_millis(1_000 + 10 * sequence.0);
        let mut collections = Vec::new();
        let mut records = Vec::new();
        for &(collection, id, data) in changes {
            let id_of = CollectionId(collection);
            let mut all = self.commits.iter().flat_map(|commit| &commit.collections);
            let is_known = all.any(|(known, _)| *known == id_of);
            if !is_known && !collections.iter().any(|(known, _)| *known == id_of) {
                collections.push((id_of, format!("c{collection}").parse().unwrap()));
            }
            let key = (collection, id.to_owned());
            let before = self.documents.remove(&key);
            let created_at = before.as_ref().map_or(time, |(_, created_at)| *created_at);
            let after = data.map(|data| Bytes::copy_from_slice(data.as_bytes()));
            if let Some(data) = after.clone() {
                let image = Before {
                    version: sequence,
                    updated_at: time,
                    data,
                };
                self.documents.insert(key, (image, created_at));
            }
            records.push(ChangeRecord {
                collection: id_of,
                id: id.into(),
                created_at,
                before: before.map(|(before, _)| before),
                after,
            });
        }
        let digest = [u8::try_from(sequence.0).unwrap(); 32];
        self.commits.push(CommitRecord {
            sequence,
            position: sequence.0,
            time,
            principal: None,
            mutation: Some(Mutation {
                id: format!("m{sequence}").into(),
                digest,
            }),
            collections,
            changes: records,
        });
    }

    /// Twelve commits over two collections.
    fn sample() -> History {
        History::sample_with(Some("{}"))
    }

    /// The same, with this as what the eighth makes of a document that the third has inserted.
    fn sample_with(eighth: Option<&str>) -> History {
        let mut history = History::default();
        for n in 0..12 {
            let id = format!("d{}", n % 5);
            let data = format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(150));
            match n {
                7 => history.commit(&[(1, "d2", eighth)]),
                _ => history.commit(&[(1 + n % 2, &id, Some(&data))]),
            };
        }
        history
    }

    /// The log of it, in segments of some commits, with a snapshot of its first commits.
    fn write(&self, snapshot_through: Option<u64>) -> Fixture {
        let fixture = Fixture::new(700);
        let mut log = fixture.open();
        for commit in &self.commits {
            log.append(std::slice::from_ref(commit)).unwrap();
        }
        if let Some(through) = snapshot_through {
            make(&open(&fixture), &log, None, through).unwrap();
        }
        log.close().unwrap();
        fixture
    }
}

/// Nobody who looks along.
struct Nobody;

impl Watch for Nobody {
    fn begin(&mut self, _snapshot: Option<&Snapshot>) {}
    fn document(&mut self, _document: &SnapshotDocument) {}
    fn commit(&mut self, _place: (&Path, u64), _commit: &CommitRecord) {}
    fn lose(&mut self) {}
    fn progress(&mut self, _progress: VerifyProgress) {}
}

fn database(fixture: &Fixture) -> DatabaseFiles {
    let log = fixture.options().dir;
    DatabaseFiles {
        snapshots: log.with_file_name("snapshots"),
        log,
        file_system: Arc::new(LocalFileSystem),
        epoch: EPOCH,
        witnessed: Sequence::ZERO,
        documents_max: 1_000,
    }
}

fn verify(fixture: &Fixture) -> Verified {
    database(fixture).verify(&mut Nobody)
}

fn worst(verified: &Verified) -> Option<Severity> {
    verified
        .findings
        .listed()
        .iter()
        .map(Finding::severity)
        .max()
}

/// Where log and snapshot do not say the same.
fn disagreements(verified: &Verified) -> Vec<Disagreement> {
    let findings = verified.findings.listed().iter();
    let found = findings.map(|finding| match finding {
        Finding::Damaged { damage, .. } => match &damage.what {
            DamageKind::Disagreement(disagreement) => disagreement.clone(),
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    });
    found.collect()
}

/// What is found where the log is of one history and the snapshot, through commit 9, of another.
fn compared(of_log: &History, of_snapshot: &History, dropped: usize) -> Vec<Disagreement> {
    let (fixture, other) = (of_log.write(None), of_snapshot.write(Some(9)));
    for name in fixture.segments().iter().take(dropped) {
        fs::remove_file(fixture.path(name)).unwrap();
        fs::remove_file(fixture.path(&name.replace(".seg", ".idx"))).unwrap();
    }
    let mut files = database(&fixture);
    files.snapshots = database(&other).snapshots;
    let found = disagreements(&files.verify(&mut Nobody));
    // With memory for one document at a time the same is found, of documents in another order.
    files.documents_max = 1;
    let again = disagreements(&files.verify(&mut Nobody));
    let texts = |all: &[Disagreement]| {
        let mut texts: Vec<String> = all.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    assert_eq!(texts(&found), texts(&again));
    found
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    for snapshot in [None, Some(5), Some(12)] {
        let fixture = History::sample().write(snapshot);
        let verified = verify(&fixture);
        assert!(
            verified.findings.listed().is_empty(),
            "{:?}",
            verified.findings
        );
        let span = (verified.oldest, verified.head, verified.commits);
        assert_eq!(span, (Sequence(1), Sequence(12), 12));
        assert_eq!(verified.snapshots, u64::from(snapshot.is_some()));
    }
}

#[test]
fn a_snapshot_is_compared_with_what_the_log_comes_to() {
    let sample = History::sample;
    assert_eq!(compared(&sample(), &sample(), 0), []);
    let id = || "d2".into();

    let other = History::sample_with(Some(r#"{"other":1}"#));
    assert_eq!(
        compared(&other, &sample(), 0),
        [Disagreement::Document { id: id() }]
    );
    let found = compared(&sample(), &other, 0);
    assert_eq!(found, [Disagreement::Document { id: id() }]);

    // The log has deleted it, and knows nothing of it any more.
    let other = History::sample_with(None);
    assert_eq!(
        compared(&other, &sample(), 0),
        [Disagreement::Unknown { id: id() }]
    );
    let deleted = Sequence(8);
    let found = compared(&other, &sample(), 1);
    assert_eq!(found, [Disagreement::Deleted { id: id(), deleted }]);
    let found = compared(&sample(), &other, 0);
    assert_eq!(
        found,
        [Disagreement::Missing {
            version: Sequence(8)
        }]
    );
}

#[test]
fn mutation_ids_and_collections_are_compared_too() {
    let sequence = Sequence(8);
    let mut other = History::sample();
    other.commits[7].mutation.as_mut().unwrap().digest = [0; 32];
    let found = compared(&other, &History::sample(), 0);
    assert_eq!(found, [Disagreement::Mutation { sequence }]);

    let mut other = History::sample();
    other.commits[7].mutation = None;
    let found = compared(&other, &History::sample(), 0);
    assert_eq!(found, [Disagreement::Mutation { sequence }]);
    let found = compared(&History::sample(), &other, 0);
    assert_eq!(found, [Disagreement::Mutation { sequence }]);

    let mut other = History::sample();
    other.commits[1].collections[0].1 = "other".parse().unwrap();
    let found = compared(&other, &History::sample(), 0);
    assert_eq!(found, [Disagreement::Collection { number: 2 }]);
}

#[test]
fn a_change_must_follow_what_is_before_it() {
    let mut history = History::sample();
    // The first change of a document that was there before: of commit 1, as there are ten.
    let change = &mut history.commits[10].changes[0];
    assert_eq!(change.before.as_ref().unwrap().version, Sequence(1));
    change.before.as_mut().unwrap().version = Sequence(2);
    let found = disagreements(&verify(&history.write(None)));
    let (sequence, id) = (Sequence(11), "d0".into());
    assert_eq!(found, [Disagreement::Before { sequence, id }]);
}

/// The commits that are told to be lost.
fn lost(verified: &Verified) -> Vec<RangeInclusive<u64>> {
    let findings = verified.findings.listed().iter();
    let lost = findings.filter_map(|finding| match finding {
        Finding::Damaged { commits, .. } => commits.clone(),
        _ => None,
    });
    lost.map(|commits| commits.start().0..=commits.end().0)
        .collect()
}

#[test]
fn what_is_behind_damage_is_read_and_what_is_lost_is_told() {
    let fixture = History::sample().write(Some(6));
    let whole = fixture.files();
    let segments = fixture.segments();
    assert!(segments.len() > 3, "{segments:?}");
    let first_of = |place: usize| segments[place][..16].parse::<u64>().unwrap();

    // One group of the first segment, and all of the third.
    let mut content = whole[&segments[0]].clone();
    content[64 + 40] ^= 1;
    fs::write(fixture.path(&segments[0]), content).unwrap();
    fs::remove_file(fixture.path(&segments[2])).unwrap();
    let verified = verify(&fixture);
    assert_eq!(lost(&verified), [1..=1, first_of(2)..=first_of(3) - 1]);
    assert_eq!(verified.head, Sequence(12));
    // What is left of it is compared with the snapshot no more, and nothing is made up.
    let damaged = { verified.findings.listed().iter() }
        .filter(|finding| finding.severity() == Severity::Damage);
    assert_eq!(damaged.count(), 2, "{:?}", verified.findings);
}

#[test]
fn a_log_that_lacks_its_beginning_or_its_end_is_told_from_one_that_does_not() {
    let fixture = History::sample().write(Some(6));
    let segments = fixture.segments();
    let mut files = database(&fixture);
    files.witnessed = Sequence(14);
    assert_eq!(lost(&files.verify(&mut Nobody)), [13..=14]);
    for name in &segments[..4] {
        fs::remove_file(fixture.path(name)).unwrap();
    }
    let oldest = segments[4][..16].parse::<u64>().unwrap();
    assert!(oldest > 7);
    assert_eq!(lost(&verify(&fixture)), [7..=oldest - 1]);
}

#[test]
fn what_a_crash_leaves_is_a_note() {
    let fixture = History::sample().write(Some(6));
    let segments = fixture.segments();
    let last = fixture.path(segments.last().unwrap());
    let end = fs::metadata(&last).unwrap().len();
    let mut file = fs::OpenOptions::new().append(true).open(&last).unwrap();
    file.write_all(&[0xf8, b'G', 0xff, 0xfe, 9, 9]).unwrap();
    fs::remove_file(fixture.path(&segments[0].replace(".seg", ".idx"))).unwrap();
    fs::write(fixture.path("0000000000000099.seg.tmp"), b"half").unwrap();
    fs::write(fixture.path("notes.txt"), b"of a person").unwrap();
    fs::create_dir(database(&fixture).snapshots.join("0000000000000009.tmp")).unwrap();
    let verified = verify(&fixture);
    assert_eq!(worst(&verified), Some(Severity::Note));
    let findings = verified.findings.listed();
    assert_eq!(findings.len(), 5, "{findings:?}");
    let torn = findings.iter().find_map(|finding| match finding {
        Finding::Torn { offset, bytes, .. } => Some((*offset, *bytes)),
        _ => None,
    });
    let groups = fs::read(&last).unwrap();
    let (offset, bytes) = torn.unwrap();
    assert_eq!(offset + bytes, groups.len() as u64);
    assert!(offset <= end, "{offset}");
}

#[test]
fn damage_is_listed_however_much_else_is_found() {
    let fixture = History::sample().write(None);
    for number in 0..=FINDINGS_MAX {
        fs::write(fixture.path(&format!("note-{number}.txt")), b"of a person").unwrap();
    }
    let first = fixture.path(&fixture.segments()[0]);
    let mut bytes = fs::read(&first).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&first, bytes).unwrap();
    let verified = verify(&fixture);
    assert_eq!(worst(&verified), Some(Severity::Damage));
    let (listed, omitted) = verified.findings.into_parts();
    assert_eq!(listed.len(), FINDINGS_MAX);
    assert!(omitted >= 2, "{omitted}");
}
