//! Logs that earlier releases have written still open. Each format has a folder of its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wellspring_log::CommitRecord;

use crate::support::{Fixture, commit, expected, full_commit, read, read_all};

fn folder(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/log/format-{format}"))
}

/// What the folders hold.
fn commits() -> Vec<CommitRecord> {
    let mut commits: Vec<_> = (2..=9)
        .zip([2, 0, 1].into_iter().cycle())
        .map(|(n, count)| commit(n, &[1, 2][..count]))
        .collect();
    commits.insert(0, full_commit(1));
    commits
}

fn append(fixture: &Fixture) {
    let mut log = fixture.open();
    for group in commits().chunks(2) {
        log.append(group).unwrap();
    }
    log.close().unwrap();
}

#[test]
fn format_1_opens_and_goes_on() {
    let fixture = Fixture::new(500);
    fs::create_dir_all(fixture.options().dir).unwrap();
    for entry in fs::read_dir(folder(1)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        fs::copy(entry.path(), fixture.path(&name)).unwrap();
    }
    let before = fixture.files();
    assert!(before.keys().filter(|name| name.ends_with(".idx")).count() >= 1);
    let mut log = fixture.open();
    assert_eq!(
        fixture.files(),
        before,
        "neither logs nor indexes are written anew"
    );
    assert_eq!(read_all(&log.reader()), commits());
    assert_eq!(
        read(&log.reader(), 3, Some(2)),
        expected(&commits(), 3, Some(2))
    );
    log.append(&[commit(10, &[1])]).unwrap();
}

/// Salts differ from log to log, and with them checksums; names and sizes do not. Where this fails the
/// format has changed: give it a folder of its own, written by running this test with the variable
/// `WRITE_FORMAT_TO`.
#[test]
fn what_is_written_today_is_format_1() {
    let fixture = Fixture::new(500);
    append(&fixture);
    if let Some(folder) = std::env::var_os("WRITE_FORMAT_TO").map(PathBuf::from) {
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in fixture.files() {
            fs::write(folder.join(name), content).unwrap();
        }
    }
    let written = fixture
        .files()
        .into_iter()
        .map(|(name, content)| (name, content.len()));
    let kept = fs::read_dir(folder(1)).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap().len())
    });
    let (written, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = (written.collect(), kept.collect());
    assert_eq!(written, kept);
}
