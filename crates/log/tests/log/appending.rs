//! Appending, and reading beside it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use wellspring_log::{
    AppendError, CloseError, Faults, GROUP_BYTES_MAX, LogReader, Operation, ReadError, Witnesses,
};
use wellspring_types::limits::RECORD_BYTES_MAX;
use wellspring_types::{Sequence, Timestamp};

use crate::support::{Fixture, append_each, commit, full_commit, read, read_all};

#[test]
fn a_new_log_is_empty() {
    let fixture = Fixture::roomy();
    let reader = fixture.open().reader();
    assert_eq!(
        (reader.head(), reader.oldest()),
        (Sequence::ZERO, Sequence(1))
    );
    assert_eq!(reader.last_time(), Timestamp::from_millis(0));
    assert_eq!(read_all(&reader), []);
}

#[test]
fn everything_of_a_commit_comes_back_also_after_reopening() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let mut without_changes = commit(3, &[]);
    without_changes.position = 0;
    let commits = [full_commit(1), commit(2, &[2]), without_changes];
    log.append(&commits[..2]).unwrap();
    log.append(&commits[2..]).unwrap();
    assert_eq!(read_all(&log.reader()), commits);
    assert_eq!(log.reader().last_time(), commits[2].time);
    log.close().unwrap();
    let reader = fixture.open().reader();
    assert_eq!(read_all(&reader), commits);
    assert_eq!(
        (reader.head(), reader.last_time()),
        (Sequence(3), commits[2].time)
    );
}

#[test]
fn encoded_bytes_of_the_commits_are_the_body_of_their_group() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let commits = [full_commit(1), commit(2, &[1]), commit(3, &[])];
    log.append(&commits).unwrap();
    let content = &fixture.files()["0000000000000001.seg"];
    let body = u32::from_le_bytes(content[68..72].try_into().unwrap());
    let foretold: usize = commits
        .iter()
        .map(wellspring_log::CommitRecord::encoded_bytes)
        .sum();
    assert_eq!(usize::try_from(body).unwrap(), foretold);
}

#[test]
fn a_range_is_read_from_any_position_to_any_other() {
    let fixture = Fixture::new(600);
    let mut log = fixture.open();
    let commits: Vec<_> = (1..=30).map(|sequence| commit(sequence, &[1])).collect();
    for group in commits.chunks(3) {
        log.append(group).unwrap();
    }
    assert!(fixture.segments().len() > 3);
    let reader = log.reader();
    for after in 0..=31 {
        for through in 0..=31 {
            let found: Vec<_> = reader
                .read(Sequence(after), Sequence(through), None)
                .map(|record| record.unwrap().sequence.0)
                .collect();
            assert_eq!(found, (after + 1..=through.min(30)).collect::<Vec<_>>());
        }
    }
    assert_eq!(
        reader
            .read(Sequence(u64::MAX), Sequence(u64::MAX), None)
            .count(),
        0
    );
    assert_eq!(
        reader.read(Sequence(5), Sequence(u64::MAX), None).count(),
        25
    );
}

#[test]
fn a_segment_that_is_full_is_followed_by_another_and_no_group_is_split() {
    let fixture = Fixture::new(400);
    let mut log = fixture.open();
    let mut large = commit(9, &[1]);
    large.changes[0].after = Some(Bytes::from(vec![b'x'; 1000]));
    let mut commits = append_each(&mut log, 1..=8);
    log.append(std::slice::from_ref(&large)).unwrap();
    commits.push(large);
    commits.extend(append_each(&mut log, 10..=12));
    let segments = fixture.segments();
    assert!(
        segments.contains(&"0000000000000009.seg".to_owned()),
        "{segments:?}"
    );
    assert!(
        segments.contains(&"0000000000000010.seg".to_owned()),
        "{segments:?}"
    );
    for (name, content) in fixture.files() {
        let full = name.ends_with(".seg") && name != "0000000000000009.seg";
        assert!(
            !full || content.len() <= 400,
            "{name} has {} bytes",
            content.len()
        );
    }
    assert_eq!(read_all(&log.reader()), commits);
    drop(log);
    assert_eq!(read_all(&fixture.open().reader()), commits);
}

#[test]
fn refused_commits_leave_the_log_as_good_as_before() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let mut commits = append_each(&mut log, 1..=2);
    let before = fixture.files();

    let gap = log.append(&[commit(4, &[1])]).unwrap_err();
    assert!(matches!(
        gap,
        AppendError::NotNext {
            expected: Sequence(3),
            found: Sequence(4)
        }
    ));
    let mut late = commit(3, &[1]);
    late.time = Timestamp::from_millis(1_019);
    assert!(matches!(
        log.append(&[late]).unwrap_err(),
        AppendError::TimeBackwards { .. }
    ));
    let mut nothing = commit(3, &[1]);
    (nothing.changes[0].before, nothing.changes[0].after) = (None, None);
    assert!(matches!(
        log.append(&[nothing]).unwrap_err(),
        AppendError::EmptyChange { .. }
    ));
    log.append(&[]).unwrap();

    assert_eq!(fixture.files(), before);
    commits.extend(append_each(&mut log, 3..=3));
    assert_eq!(read_all(&log.reader()), commits);
}

#[test]
fn a_record_and_a_group_have_a_largest_size() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let sized = |sequence, bytes| {
        let mut commit = commit(sequence, &[1]);
        commit.changes[0].before = None;
        commit.changes[0].after = Some(Bytes::from(vec![b' '; bytes]));
        commit
    };
    let over = RECORD_BYTES_MAX - sized(1, RECORD_BYTES_MAX - 100).encoded_bytes() + 1;
    let too_large = sized(1, RECORD_BYTES_MAX - 100 + over);
    assert_eq!(too_large.encoded_bytes(), RECORD_BYTES_MAX + 1);
    let error = log.append(&[too_large]).unwrap_err();
    assert!(
        matches!(
            error,
            AppendError::RecordTooLarge {
                sequence: Sequence(1),
                ..
            }
        ),
        "{error}"
    );

    let largest = |sequence| sized(sequence, RECORD_BYTES_MAX - 100 + over - 1);
    let three = [largest(1), largest(2), commit(3, &[1])];
    let bytes: usize = three
        .iter()
        .map(wellspring_log::CommitRecord::encoded_bytes)
        .sum();
    assert!(bytes > GROUP_BYTES_MAX);
    assert!(matches!(
        log.append(&three).unwrap_err(),
        AppendError::GroupTooLarge { .. }
    ));
    log.append(&three[..1]).unwrap();
    assert_eq!(read(&log.reader(), 0, Some(1)), three[..1]);
}

/// Fails operations on segments while it is switched on.
fn failing(operation: Operation) -> (Faults, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&on);
    let faults = Faults::new(move |asked, path: &Path| {
        let segment = path.to_string_lossy().contains(".seg");
        if switch.load(Ordering::Relaxed) && asked == operation && segment {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    });
    (faults, on)
}

#[test]
fn after_a_failed_write_or_sync_nothing_more_is_appended_and_readers_go_on() {
    for operation in [Operation::Write, Operation::Sync] {
        let fixture = Fixture::roomy();
        let (faults, fail) = failing(operation);
        let mut log = fixture.open_with(faults);
        let commits = append_each(&mut log, 1..=2);
        fail.store(true, Ordering::Relaxed);
        let error = log.append(&[commit(3, &[1])]).unwrap_err();
        assert!(matches!(error, AppendError::Io(_)), "{error}");
        let (why, told) = (io::ErrorKind::StorageFull.to_string(), error.to_string());
        assert!(told.contains(".seg") && told.contains(&why), "{told}");
        fail.store(false, Ordering::Relaxed);
        assert!(matches!(
            log.append(&[commit(3, &[1])]),
            Err(AppendError::Poisoned)
        ));
        assert!(matches!(
            log.append(&[commit(4, &[1])]),
            Err(AppendError::Poisoned)
        ));
        assert_eq!(read_all(&log.reader()), commits);
        assert!(matches!(log.close(), Err(CloseError::Poisoned)));

        // The outcome was unknown; the next open decides, once and for all.
        let mut log = fixture.open();
        let there = log.reader().head().0;
        assert_eq!(there, if operation == Operation::Sync { 3 } else { 2 });
        append_each(&mut log, there + 1..=there + 1);
        assert_eq!(read(&log.reader(), 2, None).len() as u64, there - 1);
    }
}

#[test]
fn a_segment_that_cannot_be_made_poisons_the_log_too() {
    for operation in [Operation::Open, Operation::Rename, Operation::Truncate] {
        let fixture = Fixture::new(300);
        let (faults, fail) = failing(operation);
        let mut log = fixture.open_with(faults);
        let commits = append_each(&mut log, 1..=3);
        fail.store(true, Ordering::Relaxed);
        let failed = (4..20).find_map(|sequence| log.append(&[commit(sequence, &[1])]).err());
        assert!(
            matches!(failed, Some(AppendError::Io(_))),
            "{operation}: {failed:?}"
        );
        fail.store(false, Ordering::Relaxed);
        assert!(matches!(
            log.append(&[commit(4, &[1])]),
            Err(AppendError::Poisoned)
        ));
        assert_eq!(read_all(&log.reader())[..3], commits);
        let head = log.reader().head().0;
        drop(log);
        let mut log = fixture.open();
        assert_eq!(log.reader().head().0, head);
        append_each(&mut log, head + 1..=head + 9);
    }
}

#[test]
fn readers_see_a_group_only_after_its_sync() {
    let fixture = Fixture::new(500);
    let reader: Arc<OnceLock<LogReader>> = Arc::default();
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (probe, heads) = (Arc::clone(&reader), Arc::clone(&seen));
    let mut log = fixture.open_with(Faults::new(move |operation, path: &Path| {
        let segment = path.extension().is_some_and(|extension| extension == "seg");
        if let (Operation::Sync, true, Some(reader)) = (operation, segment, probe.get()) {
            heads.lock().unwrap().push(reader.head().0);
        }
        Ok(())
    }));
    reader.set(log.reader()).unwrap();
    for sequence in 1..=12 {
        append_each(&mut log, sequence..=sequence);
        // The sync that makes it durable is the last of the append.
        assert_eq!(seen.lock().unwrap().last(), Some(&(sequence - 1)));
        assert_eq!(reader.get().unwrap().head().0, sequence);
    }
    assert!(fixture.segments().len() > 1);
}

#[test]
fn a_reader_beside_the_writer_sees_a_prefix_that_only_grows() {
    const COMMITS: u64 = 400;
    let fixture = Fixture::new(4_000);
    let mut log = fixture.open();
    let reader = log.reader();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = std::thread::spawn({
        let acknowledged = Arc::clone(&acknowledged);
        move || {
            for sequence in 1..=COMMITS {
                log.append(&[commit(sequence, &[u32::from(sequence % 3 == 0)])])
                    .unwrap();
                acknowledged.store(sequence, Ordering::Release);
            }
        }
    });
    let mut position = 0;
    while position < COMMITS {
        let floor = acknowledged.load(Ordering::Acquire);
        let found = read(&reader, position, None);
        let expected: Vec<_> = (position + 1..=position + found.len() as u64)
            .map(|sequence| commit(sequence, &[u32::from(sequence % 3 == 0)]))
            .collect();
        assert_eq!(found, expected);
        position += found.len() as u64;
        assert!(position >= floor, "an acknowledged commit is there");
        let thirds = read(&reader, 0, Some(1));
        assert!(
            thirds
                .iter()
                .zip(1..)
                .all(|(commit, nth)| commit.sequence.0 == 3 * nth)
        );
        assert!(thirds.len() as u64 >= floor / 3);
    }
    writer.join().unwrap();
}

#[test]
fn an_iterator_ends_where_the_log_ended_when_it_was_made() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    append_each(&mut log, 1..=2);
    let records = log.reader().read(Sequence::ZERO, Sequence(u64::MAX), None);
    append_each(&mut log, 3..=4);
    assert_eq!(records.count(), 2);
}

#[test]
fn what_is_before_the_oldest_commit_is_refused_by_name() {
    let fixture = Fixture::new(300);
    let mut log = fixture.open();
    append_each(&mut log, 1..=9);
    drop(log);
    // Retention removes the oldest segments first; here by hand.
    std::fs::remove_file(fixture.path("0000000000000001.seg")).unwrap();
    let snapshot = Witnesses {
        snapshot: Sequence(9),
        ..Witnesses::default()
    };
    let reader = fixture.try_open(snapshot).unwrap().reader();
    let oldest = reader.oldest();
    assert!(oldest > Sequence(1) && oldest < Sequence(9), "{oldest}");
    let mut records = reader.read(Sequence::ZERO, reader.head(), None);
    let error = records.next().unwrap().unwrap_err();
    assert!(
        matches!(error, ReadError::BeforeOldest { wanted: Sequence(1), oldest: found } if found == oldest)
    );
    assert!(records.next().is_none(), "nothing comes after an error");
    assert_eq!(
        read_all(&reader).first().map(|commit| commit.sequence),
        Some(oldest)
    );
    assert!(
        !fixture.path("0000000000000001.idx").exists(),
        "an index without its segment goes"
    );
}
