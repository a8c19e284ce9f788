//! Bytes that no log has written: refused or read, never a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use wellspring_log::{DamageKind, Malformed, OpenError, Witnesses};
use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::support::{EPOCH, Fixture, commit};

const SALT: [u8; 8] = *b"pepper!!";

/// A segment as `docs/format.md` draws it, built without the crate's own code. Each group is the
/// number of its commits and its body.
fn forge(groups: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut segment = b"\xf9WSPLOG\n".to_vec();
    segment.extend(1_u32.to_le_bytes());
    segment.extend(EPOCH.0.to_le_bytes());
    segment.extend(SALT);
    segment.extend(1_u64.to_le_bytes());
    segment.resize(60, 0);
    segment.extend(crc32c::crc32c(&segment).to_le_bytes());
    let (mut first, mut previous) = (1_u64, 0_u32);
    for (count, body) in groups {
        let mut group = vec![0xf8, b'G', 0xff, 0xfe];
        group.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        group.extend(first.to_le_bytes());
        group.extend(count.to_le_bytes());
        group.extend(previous.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&SALT), &group);
        previous = crc32c::crc32c_append(checksum, body);
        group.extend(previous.to_le_bytes());
        segment.extend(group);
        segment.extend(body);
        first = first.wrapping_add(u64::from(*count));
    }
    segment
}

/// Opens a log that holds `segment`, and reads what there is in every way.
fn open(segment: &[u8]) -> Result<u64, OpenError> {
    let fixture = Fixture::roomy();
    let dir = fixture.options().dir;
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(fixture.path("0000000000000001.seg"), segment).unwrap();
    let log = fixture.try_open(Witnesses::default())?;
    let reader = log.reader();
    for collection in [None, Some(CollectionId(1)), Some(CollectionId(0))] {
        // What passed the opening is read without an error.
        assert!(
            reader
                .read(Sequence::ZERO, reader.head(), collection)
                .all(|record| record.is_ok())
        );
    }
    reader.first_at(Timestamp::from_millis(1)).unwrap();
    Ok(reader.head().0)
}

/// The body of a group of one small commit, cut out of a log.
fn body() -> Vec<u8> {
    let fixture = Fixture::roomy();
    let mut log = fixture.open();
    let commit = commit(1, &[1, 2]);
    log.append(std::slice::from_ref(&commit)).unwrap();
    let segment = fixture.files().remove("0000000000000001.seg").unwrap();
    segment[64 + 28..64 + 28 + commit.encoded_bytes()].to_vec()
}

#[track_caller]
fn malformed(groups: &[(u32, Vec<u8>)]) -> (u64, DamageKind) {
    match open(&forge(groups)) {
        Err(OpenError::Damaged(damage)) => (damage.offset, damage.what),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_forged_segment_opens_like_a_written_one() {
    assert_eq!(open(&forge(&[])).unwrap(), 0);
    assert_eq!(open(&forge(&[(1, body())])).unwrap(), 1);
}

#[test]
fn records_that_make_no_sense_are_named_with_their_place() {
    let record = |what| DamageKind::Record(what);
    let body = body();
    assert_eq!(
        open(&forge(&[(1, vec![])])).unwrap(),
        0,
        "no write leaves a group without a body"
    );
    assert_eq!(
        malformed(&[(1, vec![5, 1])]),
        (92, record(Malformed::CutShort))
    );
    assert_eq!(
        malformed(&[(1, vec![0x80])]),
        (92, record(Malformed::CutShort))
    );
    assert_eq!(
        malformed(&[(1, vec![0xff; 11])]),
        (92, record(Malformed::Number))
    );
    assert_eq!(
        malformed(&[(2, body.clone())]).1,
        record(Malformed::CutShort)
    );
    assert_eq!(
        malformed(&[(1, [&body[..], &[0]].concat())]).1,
        record(Malformed::LeftOver)
    );
    assert_eq!(
        malformed(&[(2, body.repeat(2))]).1,
        record(Malformed::Order)
    );
    // sequence 1, position 1, time 0, flags
    assert_eq!(
        malformed(&[(1, vec![4, 1, 0, 0, 4])]),
        (96, record(Malformed::Flags { flags: 4 }))
    );
    let no_utf8 = vec![8, 1, 0, 0, 1, 1, 0xff, 0, 0];
    assert_eq!(malformed(&[(1, no_utf8)]).1, record(Malformed::NotUtf8));
    let no_path = vec![8, 1, 0, 0, 0, 1, 1, 0, 0];
    assert_eq!(malformed(&[(1, no_path)]).1, record(Malformed::Path));
    let neither = vec![11, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0];
    assert_eq!(
        malformed(&[(1, neither)]).1,
        record(Malformed::Flags { flags: 0 })
    );
    let changes_without_end = vec![7, 1, 0, 0, 0, 0, 0xff, 0x7f];
    assert_eq!(
        malformed(&[(1, changes_without_end)]).1,
        record(Malformed::CutShort)
    );
}

#[test]
fn a_group_without_commits_is_refused() {
    let order = DamageKind::GroupOrder {
        found: Sequence(1),
        last: Sequence(0),
    };
    assert_eq!(malformed(&[(0, vec![0])]), (64, order));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_bytes_are_opened_without_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&bytes).is_err());
        let mut behind_a_header = forge(&[]);
        behind_a_header.extend(&bytes);
        prop_assert_eq!(open(&behind_a_header).unwrap(), 0);
    }

    #[test]
    fn any_body_with_a_right_checksum_is_opened_without_a_panic(
        count in prop_oneof![Just(1_u32), any::<u32>()],
        body in vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..60),
    ) {
        let _either = open(&forge(&[(count, body)]));
    }

    #[test]
    fn a_written_body_with_bytes_changed_is_opened_without_a_panic(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut body = body();
        for (place, byte) in changes {
            *place.get_mut(&mut body) = byte;
        }
        let _either = open(&forge(&[(1, body)]));
    }
}
