//! Opening after a crash: what was acknowledged is there, what was not is gone for good.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use wellspring_log::{CommitRecord, DamageKind, Faults, OpenError, Operation, Witnesses};
use wellspring_types::Sequence;

use crate::support::{Fixture, append_each, commit, full_commit, read_all};

const SEGMENT: &str = "0000000000000001.seg";

/// A log of one segment that ends with a group of its own, and where that group is.
struct Torn {
    fixture: Fixture,
    files: BTreeMap<String, Vec<u8>>,
    commits: Vec<CommitRecord>,
    last: std::ops::Range<usize>,
}

fn torn() -> Torn {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let mut commits = append_each(&mut log, 1..=3);
    let start = group_end(&fixture.files()[SEGMENT]);
    let last = [full_commit(4), commit(5, &[1])];
    log.append(&last).unwrap();
    commits.extend(last);
    drop(log);
    let files = fixture.files();
    let last = start..group_end(&files[SEGMENT]);
    Torn {
        fixture,
        files,
        commits,
        last,
    }
}

/// Where the zeros behind the last group begin: no record ends with one in these tests.
fn group_end(content: &[u8]) -> usize {
    content.len() - content.iter().rev().take_while(|&&byte| byte == 0).count()
}

impl Torn {
    /// Opens with the segment's content changed by `change`.
    fn open_with(
        &self,
        witnesses: Witnesses,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<CommitRecord>, OpenError> {
        let mut files = self.files.clone();
        change(files.get_mut(SEGMENT).unwrap());
        self.fixture.put(&files);
        let opened = self.fixture.try_open(witnesses);
        if opened.is_err() {
            assert_eq!(
                self.fixture.files(),
                files,
                "a log that is refused is left as it is"
            );
        }
        opened.map(|log| read_all(&log.reader()))
    }

    /// Checks that the last group is gone for good, and that the log goes on from there.
    #[track_caller]
    fn check_recovered(&self, what: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let kept = self.open_with(Witnesses::default(), change).expect(what);
        assert_eq!(kept, self.commits[..3], "{what}");
        let content = self.fixture.files().remove(SEGMENT).unwrap();
        assert!(
            content[self.last.start..].iter().all(|&byte| byte == 0),
            "{what}: zeros follow"
        );
        let mut log = self.fixture.open();
        log.append(&[commit(4, &[2])]).unwrap();
        drop(log);
        let reopened = read_all(&self.fixture.open().reader());
        assert_eq!(reopened[..3], self.commits[..3], "{what}");
        assert_eq!(reopened[3..], [commit(4, &[2])], "{what}");
    }
}

#[test]
fn a_last_group_cut_short_at_any_byte_is_dropped() {
    let torn = torn();
    for cut in torn.last.clone() {
        torn.check_recovered(&format!("truncated at {cut}"), |content| {
            content.truncate(cut)
        });
        torn.check_recovered(&format!("zeroed from {cut}"), |content| {
            content[cut..].fill(0)
        });
    }
}

#[test]
fn a_last_group_that_is_wrong_at_any_byte_is_dropped() {
    let torn = torn();
    for byte in torn.last.clone() {
        torn.check_recovered(&format!("bits of {byte}"), |content| content[byte] ^= 0xff);
        // Sectors of one write may reach the disk in any order.
        torn.check_recovered(&format!("a hole at {byte}"), |content| {
            let end = (byte + 16).min(torn.last.end);
            content[byte..end].fill(0xaa);
            content[torn.last.start..torn.last.start + 1].fill(0);
        });
    }
}

#[test]
fn a_last_group_that_is_whole_stays_whatever_follows() {
    let torn = torn();
    let whole = |change: &dyn Fn(&mut Vec<u8>)| {
        torn.open_with(Witnesses::default(), |content| change(content))
            .unwrap()
    };
    assert_eq!(whole(&|_| {}), torn.commits);
    assert_eq!(
        whole(&|content| content.truncate(torn.last.end)),
        torn.commits
    );
    assert_eq!(
        whole(&|content| content[torn.last.end + 9..][..50].fill(0x55)),
        torn.commits
    );
    assert_eq!(
        whole(&|content| content.extend([0xf8, b'G', 0xff, 0xfe])),
        torn.commits
    );
}

#[test]
fn each_witness_turns_a_last_group_cut_short_into_damage() {
    let torn = torn();
    let (applied, snapshot, clean_close) = (Sequence(5), Sequence(5), Some(Sequence(5)));
    let witnesses = [
        Witnesses {
            applied,
            ..Witnesses::default()
        },
        Witnesses {
            snapshot,
            ..Witnesses::default()
        },
        Witnesses {
            clean_close,
            ..Witnesses::default()
        },
        Witnesses {
            applied: Sequence(4),
            ..Witnesses::default()
        },
    ];
    for witnesses in witnesses {
        for cut in torn.last.clone() {
            let error = torn
                .open_with(witnesses, |content| content[cut..].fill(0))
                .unwrap_err();
            let OpenError::Damaged(damage) = error else {
                panic!("{error}")
            };
            assert!(damage.file.ends_with(SEGMENT));
            assert_eq!(damage.offset, torn.last.start as u64);
            assert!(
                matches!(damage.what, DamageKind::HeadLost { head: Sequence(3), witnessed } if witnessed >= Sequence(4))
            );
        }
        assert_eq!(torn.open_with(witnesses, |_| {}).unwrap(), torn.commits);
    }
}

#[test]
fn a_witness_of_what_is_there_is_no_obstacle() {
    let torn = torn();
    let applied = Sequence(3);
    let witnesses = Witnesses {
        applied,
        ..Witnesses::default()
    };
    let kept = torn
        .open_with(witnesses, |content| content.truncate(torn.last.end - 1))
        .unwrap();
    assert_eq!(kept, torn.commits[..3]);
}

#[test]
fn a_log_that_is_gone_altogether_is_damage_to_a_witness() {
    let fixture = Fixture::roomy();
    let witnesses = Witnesses {
        applied: Sequence(2),
        ..Witnesses::default()
    };
    let error = fixture.try_open(witnesses).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("ends at commit 0, but commit 2 was there"),
        "{error}"
    );
    assert!(fixture.files().is_empty());
}

#[test]
fn what_was_left_half_made_is_removed() {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let commits = append_each(&mut log, 1..=2);
    drop(log);
    let good = fixture.files();
    let mut files = good.clone();
    files.insert("0000000000000003.seg.tmp".to_owned(), b"half".to_vec());
    files.insert("0000000000000001.idx.tmp".to_owned(), Vec::new());
    fixture.put(&files);
    assert_eq!(read_all(&fixture.open().reader()), commits);
    assert_eq!(fixture.files(), good);
}

#[test]
fn a_crash_before_the_first_segment_was_named_leaves_an_empty_log() {
    let fixture = Fixture::roomy();
    drop(fixture.open());
    let header = fixture.files().remove(SEGMENT).unwrap();
    fixture.put(&BTreeMap::from([(
        format!("{SEGMENT}.tmp"),
        header[..20].to_vec(),
    )]));
    let mut log = fixture.open();
    assert_eq!(log.reader().head(), Sequence::ZERO);
    append_each(&mut log, 1..=1);
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_acknowledged() {
    // Rolls over several segments, with a crash instead of the n-th operation that changes the
    // disk, for every n.
    for crash_at in 0.. {
        let fixture = Fixture::new(300);
        let left = Arc::new(Mutex::new(crash_at));
        let counter = Arc::clone(&left);
        let faults = Faults::new(move |operation, _path: &Path| {
            let changes = !matches!(operation, Operation::Read | Operation::List);
            let mut left = counter.lock().unwrap();
            if changes && *left == 0 {
                return Err(std::io::ErrorKind::Other.into());
            }
            *left -= u32::from(changes);
            Ok(())
        });
        let options = wellspring_log::Options {
            faults,
            ..fixture.options()
        };
        let mut acknowledged = Vec::new();
        let mut finished = false;
        if let Ok(mut log) = wellspring_log::Log::open(options, Witnesses::default()) {
            let commits = (1..=12).map(|sequence| commit(sequence, &[1]));
            acknowledged.extend(
                commits.take_while(|commit| log.append(std::slice::from_ref(commit)).is_ok()),
            );
            finished = acknowledged.len() == 12 && *left.lock().unwrap() > 0;
        }
        let log = fixture.open();
        let kept = read_all(&log.reader());
        assert_eq!(
            kept[..acknowledged.len()],
            acknowledged,
            "crash at {crash_at}"
        );
        assert!(kept.len() <= acknowledged.len() + 1, "crash at {crash_at}");
        drop(log);
        assert_eq!(
            read_all(&fixture.open().reader()),
            kept,
            "crash at {crash_at}"
        );
        if finished {
            assert!(crash_at > 50, "the crashes reached all operations");
            return;
        }
    }
}

#[test]
fn the_last_group_is_made_durable_before_anything_is_served() {
    let torn = torn();
    torn.fixture.put(&torn.files);
    let done: Arc<Mutex<Vec<(Operation, String)>>> = Arc::default();
    let record = Arc::clone(&done);
    let log = torn
        .fixture
        .open_with(Faults::new(move |operation, path: &Path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            record.lock().unwrap().push((operation, name));
            Ok(())
        }));
    let done = done.lock().unwrap().clone();
    let place = |operation, name: &str| {
        done.iter()
            .rposition(|step| *step == (operation, name.to_owned()))
            .unwrap()
    };
    let write = place(Operation::Write, SEGMENT);
    let sync = place(Operation::Sync, SEGMENT);
    let dir = place(Operation::SyncDir, "log");
    assert!(write < sync && sync < dir, "{done:?}");
    assert_eq!(
        torn.fixture.files(),
        torn.files,
        "the same bytes at the same place"
    );
    assert_eq!(read_all(&log.reader()), torn.commits);
}

#[test]
fn a_directory_that_a_killed_process_has_left_is_made_durable() {
    let fixture = Fixture::roomy();
    let dir = fixture.options().dir;
    std::fs::create_dir_all(&dir).unwrap();
    let (asked, above) = (
        Arc::new(AtomicBool::new(false)),
        dir.parent().unwrap().to_owned(),
    );
    let told = Arc::clone(&asked);
    drop(
        fixture.open_with(Faults::new(move |operation, path: &Path| {
            if operation == Operation::SyncDir && path == above {
                told.store(true, Ordering::Relaxed);
            }
            Ok(())
        })),
    );
    assert!(asked.load(Ordering::Relaxed));
}
