//! Finding the first commit at or after a time.

use wellspring_types::{Sequence, Timestamp};

use crate::support::{Fixture, commit};

#[test]
fn the_first_commit_at_or_after_a_time_is_found_in_every_segment() {
    let fixture = Fixture::new(700);
    let mut log = fixture.open();
    // Pairs and quadruples of commits have one time, also across groups and segments.
    let time = |n: u64| 1_000 + 10 * if n > 40 { n / 4 * 4 } else { n / 2 * 2 };
    let commits: Vec<_> = (1..=80)
        .map(|n| {
            let mut commit = commit(n, &[1]);
            commit.time = Timestamp::from_millis(time(n));
            commit
        })
        .collect();
    for group in commits.chunks(3) {
        log.append(group).unwrap();
    }
    assert!(fixture.segments().len() > 5);
    let check = |reader: &wellspring_log::LogReader| {
        for millis in (0..2_000).step_by(5) {
            let first = (1..=80).find(|&n| time(n) >= millis).unwrap_or(81);
            let found = reader.first_at(Timestamp::from_millis(millis)).unwrap();
            assert_eq!(found, Sequence(first), "{millis} ms");
        }
    };
    check(&log.reader());
    drop(log);
    check(&fixture.open().reader());
}

#[test]
fn in_an_empty_log_it_is_the_first_to_come() {
    let fixture = Fixture::roomy();
    let reader = fixture.open().reader();
    for millis in [0, 1] {
        assert_eq!(
            reader.first_at(Timestamp::from_millis(millis)).unwrap(),
            Sequence(1)
        );
    }
}
