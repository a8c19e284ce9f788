//! Dropping the beginning of the log behind a snapshot.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wellspring_log::{
    DamageKind, Faults, Log, OpenError, Operation, ReadError, Snapshot, Witnesses,
};
use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::snapshots::{history, make, open};
use crate::support::{Fixture, read, read_all};

fn witness(snapshot: &Snapshot) -> Witnesses {
    Witnesses {
        snapshot: snapshot.sequence(),
        ..Witnesses::default()
    }
}

#[test]
fn whole_segments_up_to_the_floor_are_dropped_and_no_others() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    let commits = history(&mut log, 40);
    let snapshot = make(&open(&fixture), &log, None, 40).unwrap();
    let spans = log.trimmer().full_segments(Sequence::ZERO).unwrap();
    assert!(spans.len() > 4);
    let floor = Sequence(spans[2].last.0 - 1);
    assert_eq!(log.trimmer().truncate_through(floor, &snapshot).unwrap(), 2);
    assert_eq!(log.reader().oldest(), spans[2].first);
    let kept = usize::try_from(spans[2].first.0 - 1).unwrap();
    assert_eq!(read_all(&log.reader()), commits[kept..]);
    assert_eq!(fixture.segments().len(), spans.len() + 1 - 2);
    let indexes = fixture
        .files()
        .into_keys()
        .filter(|name| name.ends_with(".idx"));
    assert_eq!(indexes.count(), spans.len() - 2);
    drop(log);
    let log = fixture.try_open(witness(&snapshot)).unwrap();
    assert_eq!(read_all(&log.reader()), commits[kept..]);
}

#[test]
fn nothing_is_dropped_beyond_the_snapshot_and_never_the_last_segment() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    history(&mut log, 40);
    let snapshots = open(&fixture);
    let early = make(&snapshots, &log, None, 9).unwrap();
    log.trimmer()
        .truncate_through(Sequence(40), &early)
        .unwrap();
    assert!(log.reader().oldest() <= Sequence(10));
    let late = make(&snapshots, &log, Some(&early), 40).unwrap();
    log.trimmer()
        .truncate_through(Sequence(u64::MAX - 1), &late)
        .unwrap();
    assert_eq!(fixture.segments().len(), 1);
    assert_eq!(log.reader().head(), Sequence(40));
}

#[test]
fn who_reads_what_was_dropped_is_told_and_never_gets_anything_wrong() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    let commits = history(&mut log, 40);
    let snapshot = make(&open(&fixture), &log, None, 40).unwrap();
    let reader = log.reader();
    let mut halfway = reader.read(Sequence::ZERO, Sequence(40), None);
    assert_eq!(halfway.next().unwrap().unwrap(), commits[0]);
    let mut of_one = reader.read(Sequence(3), Sequence(40), Some(CollectionId(1)));
    of_one.next().unwrap().unwrap();
    log.trimmer()
        .truncate_through(Sequence(30), &snapshot)
        .unwrap();
    let oldest = reader.oldest();
    assert!(oldest > Sequence(20));
    for records in [
        &mut halfway,
        &mut of_one,
        &mut reader.read(Sequence(0), Sequence(40), None),
        &mut reader.read(Sequence(oldest.0 - 2), Sequence(40), None),
    ] {
        let mut last = None;
        let end = records.find_map(|record| match record {
            Ok(record) => {
                let place = usize::try_from(record.sequence.0 - 1).unwrap();
                assert_eq!(record.time, commits[place].time);
                last = Some(record.sequence);
                None
            }
            Err(error) => Some(error),
        });
        let Some(ReadError::BeforeOldest {
            wanted,
            oldest: told,
        }) = end
        else {
            panic!("{end:?}, after {last:?}");
        };
        assert!(wanted < oldest && told == oldest);
    }
    let mut backwards =
        reader.read_backwards(Sequence(oldest.0 - 2), Sequence(40), CollectionId(1));
    let end = backwards.find_map(Result::err);
    assert!(
        matches!(end, Some(ReadError::BeforeOldest { .. })),
        "{end:?}"
    );
    assert_eq!(
        read(&reader, oldest.0 - 1, None)[0].sequence,
        oldest,
        "what is kept is read as before"
    );
    let early = Timestamp::from_millis(1);
    assert_eq!(reader.first_at(early).unwrap(), oldest);
}

#[test]
fn a_log_that_begins_behind_every_snapshot_is_refused() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    history(&mut log, 40);
    let snapshot = make(&open(&fixture), &log, None, 40).unwrap();
    log.trimmer()
        .truncate_through(Sequence(20), &snapshot)
        .unwrap();
    drop(log);
    let refused = fixture.try_open(Witnesses::default());
    let Err(OpenError::Damaged(damage)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(damage.what, DamageKind::StartLost { .. }),
        "{damage}"
    );
    fixture.try_open(witness(&snapshot)).unwrap();
}

/// Fails one operation of removing, and all that come at once after it if the process `dies`.
fn fails_at(place: usize, dies: Dies) -> (Faults, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let armed = Faults::new(move |operation, _path| {
        if !matches!(
            operation,
            Operation::Remove | Operation::SyncDir | Operation::List
        ) {
            return Ok(());
        }
        let now = counted.fetch_add(1, Ordering::SeqCst);
        if now == place || (dies == Dies::Yes && now > place) {
            return Err(io::Error::other("failed"));
        }
        Ok(())
    });
    (armed, seen)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dies {
    Yes,
    No,
}

#[test]
fn a_failure_or_a_crash_at_any_operation_leaves_no_gap() {
    for dies in [Dies::Yes, Dies::No] {
        for place in 0.. {
            let fixture = Fixture::new(700);
            let mut log = fixture.open();
            let commits = history(&mut log, 40);
            let snapshot = make(&open(&fixture), &log, None, 40).unwrap();
            drop(log);
            let (faults, seen) = fails_at(usize::MAX, Dies::No);
            drop(fixture.open_with(faults));
            let opening = seen.load(Ordering::SeqCst);
            let (faults, seen) = fails_at(opening + place, dies);
            let log: Log = fixture.open_with(faults);
            let result = log.trimmer().truncate_through(Sequence(30), &snapshot);
            let done = seen.load(Ordering::SeqCst) <= opening + place;
            if done {
                result.unwrap();
            } else if dies == Dies::No {
                // An index that stays is no failure.
                log.trimmer()
                    .truncate_through(Sequence(30), &snapshot)
                    .unwrap();
            }
            drop(log);
            let log = fixture.try_open(witness(&snapshot)).unwrap();
            let oldest = usize::try_from(log.reader().oldest().0).unwrap();
            assert_eq!(read_all(&log.reader()), commits[oldest - 1..], "at {place}");
            if done {
                assert!(place > 10, "every operation had its turn");
                break;
            }
        }
    }
}
