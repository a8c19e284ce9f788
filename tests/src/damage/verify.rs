//! What checking says of a harmed database, or of a harmed backup of it, before anybody opens it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wellspring_engine::Database;
use wellspring_engine::backup::{self, BackupOptions};
use wellspring_engine::verify::{
    Finding, FloorFault, Kind as Checked, Report, Severity, StoreChecked, VerifyOptions, verify,
};
use wellspring_log::{Before, ChangeRecord, CommitRecord, Log, Witnesses};
use wellspring_testkit::random::Random;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{CollectionId, CollectionPath, Data, Epoch, Sequence, Timestamp};

use super::examine::Outcome;
use super::harm::{Harm, What};
use super::places;
use super::scene::{Kind, Scene, State, all_files, copy, directory, options, runtime};

/// Each file's content, and when it was last changed.
type Files = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

fn files(directory: &Path) -> Files {
    let files = all_files(directory).into_iter();
    let file = |path: PathBuf| {
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        let content = fs::read(&path).unwrap();
        (path, (content, changed))
    };
    files.map(file).collect()
}

/// Checks what is there, and that it is as before.
pub(super) fn check(path: &Path) -> Report {
    let scratch = directory();
    let before = files(path);
    let report = verify(path, &VerifyOptions::new(scratch.path()), &mut |_| {}).unwrap();
    assert!(files(path) == before, "nothing is changed, no time either");
    report
}

/// Whether a finding is about the file, or of one that is missing about what lacks it.
fn is_named(report: &Report, harm: &Harm, least: Severity) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| {
        let is_of_store =
            harm.file.starts_with("store") && finding.file().starts_with(report.path.join("store"));
        let about = finding.file().ends_with(&harm.file)
            || is_of_store
            || (harm.what == What::Remove && finding.file().starts_with(report.path.join("log")));
        about && finding.severity() >= least
    })
}

/// Whether checking and opening say the same of a harmed database.
pub(super) fn judge(
    scene: &Scene,
    harm: &Harm,
    outcome: &Outcome,
    report: &Report,
) -> Result<(), String> {
    let wanted = match outcome {
        // What opening finds, checking finds.
        Outcome::Named { .. } => Some(Severity::Derived),
        // A log that was shortened may be one that was restored.
        Outcome::Shortened => Some(Severity::Note),
        Outcome::Unwitnessed | Outcome::Bad(_) => None,
        // And more: what nobody needed yet.
        Outcome::Harmless => harm.harmless_severity(scene),
    };
    match wanted {
        Some(least) if !is_named(report, harm, least) => {
            Err(format!("not named: {outcome}, and {:?}", report.findings))
        }
        None if report.is_damaged()
            && matches!(outcome, Outcome::Harmless)
            && !harm.file.starts_with("store") =>
        {
            Err(format!("made up: {:?}", report.findings))
        }
        _ => Ok(()),
    }
}

impl Harm {
    /// How bad it is at least that a file has changed which was not needed; `None` where nothing of
    /// it counts.
    fn harmless_severity(&self, scene: &Scene) -> Option<Severity> {
        let file = scene.data_dir().join(&self.file);
        let before = fs::read(&file).unwrap();
        if self.file.starts_with("store") {
            // sled leaves room and old pages in its files.
            return None;
        }
        if file == scene.last_segment() {
            // Behind its last group: zeros, or what a crash would leave.
            return None;
        }
        if self.what == What::Remove {
            return Some(Severity::Note);
        }
        (self.harmed(before.clone()) != before).then_some(Severity::Derived)
    }
}

#[test]
fn nothing_is_found_in_databases_that_were_not_harmed() {
    for state in State::ALL {
        let scene = Scene::build(state);
        let report = check(&scene.data_dir());
        let worst = report.worst();
        match state {
            State::Closed | State::Trimmed => assert_eq!(worst, None, "{:?}", report.findings),
            State::Crashed => assert!(worst <= Some(Severity::Note), "{:?}", report.findings),
        }
        assert_eq!(report.head, scene.head);
        assert_eq!(report.oldest, scene.oldest);
        assert_eq!(report.snapshots, 1);
        assert_eq!(report.commits, scene.head.0 - scene.oldest.0 + 1);
    }
}

#[test]
fn damage_to_a_backup_is_named() {
    for state in [State::Closed, State::Trimmed] {
        let scene = Scene::build(state);
        let place = directory();
        let whole = place.path().join("backup");
        let to = BackupOptions::new(&whole);
        backup::take(&scene.data_dir(), to, backup::now(), &mut |_| {}).unwrap();
        let report = check(&whole);
        assert_eq!(
            (report.kind, report.worst()),
            (Checked::Backup, None),
            "{:?}",
            report.findings
        );
        assert_eq!(report.head, scene.head);

        let mut random = Random::new(state as u64);
        let kept = |file: &PathBuf| !file.ends_with("LOCK");
        let names: Vec<_> = all_files(&whole).into_iter().filter(kept).collect();
        for case in 0..places() {
            let file = &names[usize::try_from(random.below(names.len() as u64)).unwrap()];
            let harm = Harm::of_file(&whole, file, &mut random);
            let harmed = place.path().join("harmed");
            copy(&whole, &harmed);
            harm.apply(&harmed);
            let before = fs::read(file).unwrap();
            let changed = harm.what == What::Remove || harm.harmed(before.clone()) != before;
            // Without its manifest it is a log, and that has no META.
            let manifest = whole.join("manifest");
            let is_gone = harm.what == What::Remove && *file == manifest;
            let report = check(&harmed);
            let named =
                is_named(&report, &harm, Severity::Damage) || is_gone && report.is_damaged();
            assert_eq!(
                named, changed,
                "case {case}: {harm:?}: {:?}",
                report.findings
            );
            fs::remove_dir_all(&harmed).unwrap();
        }
    }
}

#[test]
fn damage_at_many_places_at_once_is_named_at_each() {
    let scene = Scene::build(State::Trimmed);
    let copied = directory();
    let data_dir = copied.path().join("data");
    copy(&scene.data_dir(), &data_dir);
    let mut harmed: Vec<PathBuf> = Vec::new();
    for kind in [
        Kind::Segment,
        Kind::Index,
        Kind::Mutations,
        Kind::Documents,
        Kind::Meta,
    ] {
        for file in scene.files(kind) {
            let name = file.strip_prefix(scene.data_dir()).unwrap();
            let at = fs::read(&file).unwrap().len() / 2;
            let at = if file == scene.last_segment() { 70 } else { at };
            let what = What::Flip { at, bit: 3 };
            let file = name.to_owned();
            let harm = Harm { file, what };
            harm.apply(&data_dir);
            harmed.push(data_dir.join(name));
        }
    }
    let report = check(&data_dir);
    assert!(harmed.len() > 5, "{harmed:?}");
    for file in harmed {
        let mut findings = report.findings.iter();
        assert!(
            findings
                .any(|finding| finding.file() == file && finding.severity() >= Severity::Derived),
            "{file:?}: {:?}",
            report.findings
        );
    }
    assert!(report.commits > 0, "what is behind damage is read");
}

#[test]
fn a_later_pass_finds_what_the_first_had_no_memory_for() {
    let scene = Scene::build(State::Closed);
    let scratch = directory();
    let mut options = VerifyOptions::new(scratch.path());
    options.documents_max = 7;
    let mut last = (0, 0);
    let report = verify(&scene.data_dir(), &options, &mut |progress| {
        last = (progress.done, progress.total);
    });
    let report = report.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(last.0, last.1, "all is read");
    assert!(last.0 > 4 * report.bytes, "again and again: {last:?}");
}

/// A closed database with so many commits, whose data is told.
fn closed(data_dir: &Path, commits: u64, value: &str) -> Epoch {
    runtime().block_on(async {
        let database = Database::open(options(data_dir), &mut |_| {}).unwrap();
        for n in 0..commits {
            let path = format!("rooms/{n}").parse().unwrap();
            let data = Data::parse(format!(r#"{{"of":"{value}"}}"#).as_bytes()).unwrap();
            let request = CommitRequest::of(vec![Write::set(path, data)]);
            database.commit(request).await.unwrap();
        }
        let epoch = database.epoch();
        database.close().await.unwrap();
        epoch
    })
}

#[test]
fn a_store_that_is_whole_but_of_another_log_is_found() {
    let place = directory();
    let (data_dir, other) = (place.path().join("data"), place.path().join("other"));
    closed(&data_dir, 5, "tea");
    closed(&other, 5, "coffee");
    assert_eq!(
        check(&data_dir).store,
        StoreChecked::Checked { documents: 5 }
    );
    let store = all_files(&data_dir.join("store"))[0]
        .parent()
        .unwrap()
        .to_owned();
    let of_other = all_files(&other.join("store"))[0]
        .parent()
        .unwrap()
        .to_owned();
    fs::remove_dir_all(&store).unwrap();
    copy(&of_other, &store);
    let report = check(&data_dir);
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    let finding = &report.findings[0];
    assert!(matches!(finding, Finding::Store { .. }), "{finding:?}");
    assert_eq!(finding.severity(), Severity::Derived);
}

/// Appends commits from the fourth on, each of which writes a document of floors.
fn append_floors(data_dir: &Path, epoch: Epoch, floors: &[(&'static str, &str)]) {
    let number = CollectionId(2);
    let mut log = Log::open(
        wellspring_log::Options::new(data_dir.join("log"), epoch),
        Witnesses::default(),
    )
    .unwrap();
    let mut before: BTreeMap<&str, (Before, Timestamp)> = BTreeMap::new();
    for (sequence, &(name, data)) in (4..).zip(floors) {
        let (sequence, time) = (Sequence(sequence), log.reader().last_time());
        let data = data.as_bytes().to_vec();
        let image = Before {
            version: sequence,
            updated_at: time,
            data: data.clone().into(),
        };
        let last = before.get(name).cloned();
        let created_at = last.as_ref().map_or(time, |(_, created_at)| *created_at);
        before.insert(name, (image, created_at));
        let path = CollectionPath::from_stored("__floors").unwrap();
        log.append(&[CommitRecord {
            sequence,
            position: sequence.0,
            time,
            principal: None,
            mutation: None,
            collections: if sequence == Sequence(4) {
                vec![(number, path)]
            } else {
                vec![]
            },
            changes: vec![ChangeRecord {
                collection: number,
                id: name.into(),
                created_at,
                before: last.map(|(image, _)| image),
                after: Some(data.into()),
            }],
        }])
        .unwrap();
    }
    log.close().unwrap();
}

#[test]
fn a_floor_that_cannot_be_is_found() {
    let place = directory();
    let data_dir = place.path().join("data");
    let epoch = closed(&data_dir, 3, "tea");
    let wrong = [
        ("all", r#"{"through":2}"#),
        ("all", r#"{"through":1}"#),
        ("all", r#"{"through":99}"#),
        ("7", r#"{"collection":"halls","through":1}"#),
        ("1", r#"{"collection":"rooms"}"#),
        ("1", r#"{"collection":"rooms","through":3}"#),
    ];
    append_floors(&data_dir, epoch, &wrong);
    let report = check(&data_dir);
    let faults: Vec<_> = { report.findings.iter() }
        .map(|finding| match finding {
            Finding::Floor {
                fault, sequence, ..
            } => (sequence.0, fault.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let name = || "all".into();
    let back = FloorFault::Back {
        name: name(),
        from: Sequence(2),
        to: Sequence(1),
    };
    let through = Sequence(99);
    let ahead = FloorFault::Ahead {
        name: name(),
        through,
    };
    let collection = FloorFault::Collection { name: "7".into() };
    let unreadable = FloorFault::Unreadable { name: "1".into() };
    assert_eq!(
        faults,
        [(5, back), (6, ahead), (7, collection), (8, unreadable)]
    );
}
