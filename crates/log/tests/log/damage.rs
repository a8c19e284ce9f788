//! Damage to what was acknowledged: found and named, and the log left as it is.

use std::collections::BTreeMap;

use wellspring_log::{
    CommitRecord, Damage, DamageKind, GroupFault, Log, OpenError, Options, ReadError, Witnesses,
};
use wellspring_types::{Epoch, Sequence};

use crate::support::{EPOCH, Fixture, append_each, expected, read, read_all};

const FIRST: &str = "0000000000000001.seg";

/// A log of several segments.
fn several() -> (Fixture, Vec<CommitRecord>, BTreeMap<String, Vec<u8>>) {
    let fixture = Fixture::new(400);
    let mut log = fixture.open();
    let commits = append_each(&mut log, 1..=16);
    drop(log);
    assert!(fixture.segments().len() >= 3);
    let files = fixture.files();
    (fixture, commits, files)
}

/// Opens with one file changed; a refusal must leave everything as it is.
fn open_changed(
    fixture: &Fixture,
    files: &BTreeMap<String, Vec<u8>>,
    name: &str,
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<Log, OpenError> {
    let mut files = files.clone();
    change(files.get_mut(name).unwrap());
    fixture.put(&files);
    let opened = fixture.try_open(Witnesses::default());
    if opened.is_err() {
        assert_eq!(
            fixture.files(),
            files,
            "a log that is refused is left as it is"
        );
    }
    opened
}

#[track_caller]
fn damage(opened: Result<Log, OpenError>, what: &str) -> Damage {
    match opened {
        Err(OpenError::Damaged(damage)) => damage,
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_wrong_byte_in_any_group_but_the_last_is_found_at_that_group() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let mut starts = vec![64_usize];
    for sequence in 1..=4 {
        let commit = &append_each(&mut log, sequence..=sequence)[0];
        starts.push(starts[starts.len() - 1] + 28 + commit.encoded_bytes());
    }
    drop(log);
    let files = fixture.files();
    let last = starts[3];
    for byte in 64..last {
        let opened = open_changed(&fixture, &files, FIRST, |content| content[byte] ^= 0x01);
        let damage = damage(opened, &format!("byte {byte}"));
        let group = starts.iter().rposition(|&start| start <= byte).unwrap();
        assert!(damage.file.ends_with(FIRST));
        assert_eq!(damage.offset, starts[group] as u64, "byte {byte}");
        let later = starts[group + 1] as u64;
        assert!(
            matches!(damage.what, DamageKind::GroupBeforeAnother { later: found, .. } if found == later),
            "byte {byte}: {damage}"
        );
    }
    // A hole over several groups, too, as long as one follows.
    let opened = open_changed(&fixture, &files, FIRST, |content| content[64..last].fill(0));
    assert_eq!(damage(opened, "a hole").offset, 64);
}

#[test]
fn groups_in_another_order_are_damage() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let commits = append_each(&mut log, 1..=3);
    drop(log);
    let [first, second] = [0, 1].map(|n| 28 + commits[n].encoded_bytes());
    let opened = open_changed(&fixture, &fixture.files(), FIRST, |content| {
        content[64..64 + first + second].rotate_left(first);
    });
    let damage = damage(opened, "exchanged");
    assert_eq!(damage.offset, 64);
    assert_eq!(
        damage.what,
        DamageKind::GroupOrder {
            found: Sequence(2),
            last: Sequence(0)
        }
    );
}

#[test]
fn a_wrong_byte_in_a_full_segment_is_found_at_the_latest_when_it_is_read() {
    let (fixture, commits, files) = several();
    let second = &fixture.segments()[1];
    let begins: u64 = second[..16].parse().unwrap();
    let mut found_at_open = 0;
    for byte in 64..files[second].len() {
        match open_changed(&fixture, &files, second, |content| content[byte] ^= 0x80) {
            Err(OpenError::Damaged(damage)) => {
                assert!(damage.file.ends_with(second), "{damage}");
                found_at_open += 1;
            }
            Err(other) => panic!("{other}"),
            Ok(log) => {
                let reader = log.reader();
                let results: Vec<_> = reader.read(Sequence(0), reader.head(), None).collect();
                let (error, good) = results.split_last().unwrap();
                let good: Vec<_> = good
                    .iter()
                    .map(|result| result.as_ref().unwrap().clone())
                    .collect();
                assert_eq!(good, commits[..good.len()], "what comes before is right");
                assert!(good.len() as u64 >= begins - 1);
                let Err(ReadError::Damaged(damage)) = error else {
                    panic!("byte {byte}: {error:?}")
                };
                assert!(damage.file.ends_with(second));
                assert!(damage.offset <= byte as u64);
                // What lies elsewhere is not held hostage.
                let after = begins + 8;
                assert_eq!(read(&reader, after, None), expected(&commits, after, None));
            }
        }
    }
    assert!(
        found_at_open > 28,
        "the last group is checked when the log is opened"
    );
}

#[test]
fn a_segment_must_end_where_the_next_begins() {
    let (fixture, _, files) = several();
    let [first, second] = [0, 1].map(|n| fixture.segments()[n].clone());
    for (name, bytes) in [
        (&first, files[&first].len()),
        (&second, files[&second].len()),
    ] {
        for cut in 64..bytes {
            let opened = open_changed(&fixture, &files, name, |content| content.truncate(cut));
            assert!(
                damage(opened, &format!("{name} cut at {cut}"))
                    .file
                    .ends_with(name)
            );
        }
        let opened = open_changed(&fixture, &files, name, |content| content.push(0));
        let damage = damage(opened, "a byte more");
        assert_eq!(damage.offset, bytes as u64);
    }
    let mut files = files;
    files.remove(&second);
    fixture.put(&files);
    let damage = damage(
        fixture.try_open(Witnesses::default()),
        "a segment is missing",
    );
    assert!(damage.file.ends_with(&first));
    assert!(
        matches!(damage.what, DamageKind::SegmentGap { .. }),
        "{damage}"
    );
}

#[test]
fn a_wrong_byte_in_the_header_of_any_segment_is_found() {
    let (fixture, _, files) = several();
    for name in fixture.segments() {
        for byte in 0..64 {
            let opened = open_changed(&fixture, &files, &name, |content| content[byte] ^= 0x04);
            let damage = damage(opened, &format!("{name} byte {byte}"));
            assert!(damage.file.ends_with(&name));
            assert_eq!((damage.offset, damage.what), (0, DamageKind::SegmentHeader));
        }
        for cut in 0..64 {
            let opened = open_changed(&fixture, &files, &name, |content| content.truncate(cut));
            assert_eq!(damage(opened, &name).what, DamageKind::SegmentHeader);
        }
    }
}

#[test]
fn a_segment_under_another_name_is_found() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    append_each(&mut log, 1..=1);
    drop(log);
    std::fs::rename(fixture.path(FIRST), fixture.path("0000000000000005.seg")).unwrap();
    let damage = damage(fixture.try_open(Witnesses::default()), "renamed");
    assert_eq!(damage.what, DamageKind::SegmentName { found: Sequence(1) });
}

/// Changes a header's field, checksum included.
fn set_header(content: &mut [u8], at: usize, value: u32) {
    content[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let checksum = crc32c::crc32c(&content[..60]);
    content[60..64].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn a_newer_format_is_refused_as_such() {
    let (fixture, _, files) = several();
    for name in fixture.segments() {
        let opened = open_changed(&fixture, &files, &name, |content| set_header(content, 8, 2));
        let Err(OpenError::NewerFormat {
            file,
            found: 2,
            known: 1,
        }) = opened
        else {
            panic!("{opened:?}");
        };
        assert!(file.ends_with(&name));
    }
    let elided = open_changed(&fixture, &files, FIRST, |content| {
        set_header(content, 44, 1)
    });
    assert!(
        matches!(elided, Err(OpenError::NewerFormat { .. })),
        "{elided:?}"
    );
}

#[test]
fn another_epoch_is_refused_as_such() {
    let (fixture, commits, files) = several();
    let options = Options {
        epoch: Epoch(1),
        ..fixture.options()
    };
    let error = Log::open(options, Witnesses::default()).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::WrongEpoch {
                found: EPOCH,
                expected: Epoch(1),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fixture.files(), files);
    assert_eq!(read_all(&fixture.open().reader()), commits);
}

#[test]
fn an_append_that_is_lost_from_the_middle_of_the_log_is_found_by_its_successor() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let commits = append_each(&mut log, 1..=3);
    drop(log);
    let [first, second] = [0, 1].map(|n| 28 + commits[n].encoded_bytes());
    let opened = open_changed(&fixture, &fixture.files(), FIRST, |content| {
        content.drain(64 + first..64 + first + second);
    });
    let damage = damage(opened, "a lost append");
    assert_eq!(damage.offset, (64 + first) as u64);
    assert_eq!(
        damage.what,
        DamageKind::GroupOrder {
            found: Sequence(3),
            last: Sequence(1)
        }
    );
    let text = OpenError::from(damage).to_string();
    assert!(
        text.contains("0000000000000001.seg is damaged at byte"),
        "{text}"
    );
    assert_eq!(GroupFault::Magic.to_string(), "no group begins here");
}
