//! Reading one collection, and the indexes that make it quick.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wellspring_log::{CommitRecord, Faults, Log, Operation};

use crate::support::{Fixture, commit, expected, read, read_all};

/// Commits of changing collections, in groups of two.
fn append_mixed(log: &mut Log, count: u64) -> Vec<CommitRecord> {
    let touched: [&[u32]; 5] = [&[1], &[2, 1], &[3], &[2, 3, 2], &[]];
    let commits: Vec<_> = (1..=count)
        .zip(touched.iter().cycle())
        .map(|(n, touched)| commit(n, touched))
        .collect();
    for group in commits.chunks(2) {
        log.append(group).unwrap();
    }
    commits
}

#[track_caller]
fn check_all(reader: &wellspring_log::LogReader, commits: &[CommitRecord]) {
    for collection in [None, Some(1), Some(2), Some(3), Some(4)] {
        for after in 0..=commits.len() as u64 {
            let found = read(reader, after, collection);
            assert_eq!(
                found,
                expected(commits, after, collection),
                "{collection:?} after {after}"
            );
        }
    }
}

#[test]
fn a_collection_is_read_from_any_position_before_and_after_reopening() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    let commits = append_mixed(&mut log, 40);
    assert!(fixture.segments().len() > 3);
    check_all(&log.reader(), &commits);
    drop(log);
    check_all(&fixture.open().reader(), &commits);
}

#[test]
fn missing_and_damaged_indexes_are_made_again() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    let commits = append_mixed(&mut log, 24);
    drop(log);
    let good = fixture.files();
    let indexes: Vec<_> = good
        .keys()
        .filter(|name| name.ends_with(".idx"))
        .cloned()
        .collect();
    assert_eq!(
        indexes.len(),
        fixture.segments().len() - 1,
        "the last segment has none yet"
    );

    for name in &indexes {
        std::fs::remove_file(fixture.path(name)).unwrap();
    }
    check_all(&fixture.open().reader(), &commits);
    assert_eq!(fixture.files(), good);

    for byte in 0..good[&indexes[0]].len() {
        let mut damaged = good.clone();
        damaged.get_mut(&indexes[0]).unwrap()[byte] ^= 0x10;
        fixture.put(&damaged);
        let reader = fixture.open().reader();
        assert_eq!(
            read(&reader, 1, Some(2)),
            expected(&commits, 1, Some(2)),
            "byte {byte}"
        );
        assert_eq!(fixture.files(), good, "byte {byte}");
    }
    for bytes in [0, 1, 71, 72, 75] {
        let mut damaged = good.clone();
        damaged.get_mut(&indexes[0]).unwrap().truncate(bytes);
        fixture.put(&damaged);
        assert_eq!(read_all(&fixture.open().reader()), commits);
        assert_eq!(
            read(&fixture.open().reader(), 1, Some(2)),
            expected(&commits, 1, Some(2))
        );
        assert_eq!(fixture.files(), good, "{bytes} bytes");
    }
    let mut swapped = good.clone();
    swapped.insert(indexes[0].clone(), good[&indexes[1]].clone());
    fixture.put(&swapped);
    check_all(&fixture.open().reader(), &commits);
    assert_eq!(fixture.files(), good);
}

#[test]
fn only_groups_that_hold_the_collection_are_read() {
    let fixture = Fixture::new(200_000);
    let mut log = fixture.open();
    let mut commits: Vec<_> = (1..=200)
        .map(|n| commit(n, &[u32::from(n % 100 == 0)]))
        .collect();
    for commit in &mut commits {
        commit.changes[0].after = Some(vec![b'x'; 10_000].into());
        log.append(std::slice::from_ref(commit)).unwrap();
    }
    drop(log);
    let reads = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&reads);
    let log = fixture.open_with(Faults::new(move |operation, path: &Path| {
        let segment = path.extension().is_some_and(|extension| extension == "seg");
        counted.fetch_add(
            u64::from(operation == Operation::Read && segment),
            Ordering::Relaxed,
        );
        Ok(())
    }));
    reads.store(0, Ordering::Relaxed);
    assert_eq!(
        read(&log.reader(), 0, Some(1)),
        expected(&commits, 0, Some(1))
    );
    assert_eq!(
        reads.load(Ordering::Relaxed),
        2,
        "one read for each of two groups in 2 MB of log"
    );
}
