//! Arbitrary bytes as a segment: opening and reading end with records or an error, never a panic,
//! and what was opened without an error is read without one.
//!
//! The first byte says how much of the segment is made right around the rest, since chance alone
//! hardly gets past a checksum: nothing, the segment's header, or that and the groups' headers,
//! whose bodies are then arbitrary.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wellspring_log::{Log, Options, Witnesses};
use wellspring_types::{CollectionId, Epoch, Sequence, Timestamp};

const EPOCH: Epoch = Epoch(7);
const SALT: [u8; 8] = *b"pepper!!";

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, rest)) = bytes.split_first() else { return };
    let segment = match how % 4 {
        0 => rest.to_vec(),
        1 => [&header()[..], rest].concat(),
        _ => with_groups(rest),
    };
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let dir = dir.expect("a directory for the log");
    std::fs::write(dir.path().join("0000000000000001.seg"), segment).expect("space for it");
    let options = Options { segment_bytes: 1 << 10, ..Options::new(dir.path(), EPOCH) };
    let Ok(log) = Log::open(options, Witnesses::default()) else { return };
    let reader = log.reader();
    for collection in [None, Some(CollectionId(0)), Some(CollectionId(1))] {
        let mut last = Sequence::ZERO;
        for record in reader.read(Sequence::ZERO, reader.head(), collection) {
            let record = record.expect("what was opened is readable");
            assert!(record.sequence > last, "sequences grow");
            last = record.sequence;
        }
    }
    reader.first_at(Timestamp::from_millis(1)).expect("what was opened is readable");
});

fn header() -> Vec<u8> {
    let mut header = b"\xf9WSPLOG\n".to_vec();
    header.extend(1_u32.to_le_bytes());
    header.extend(EPOCH.0.to_le_bytes());
    header.extend(SALT);
    header.extend(1_u64.to_le_bytes());
    header.resize(60, 0);
    header.extend(crc32c::crc32c(&header).to_le_bytes());
    header
}

/// Groups with right headers: of each, the first byte is the number of commits, the second the
/// length of the body that follows.
fn with_groups(mut bytes: &[u8]) -> Vec<u8> {
    let mut segment = header();
    let (mut first, mut previous) = (1_u64, 0_u32);
    while let [count, length, rest @ ..] = bytes {
        let (body, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        let mut group = vec![0xf8, b'G', 0xff, 0xfe];
        group.extend(u32::try_from(body.len()).expect("a short body").to_le_bytes());
        group.extend(first.to_le_bytes());
        group.extend(u32::from(*count).to_le_bytes());
        group.extend(previous.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&SALT), &group);
        previous = crc32c::crc32c_append(checksum, body);
        group.extend(previous.to_le_bytes());
        segment.extend(group);
        segment.extend(body);
        first += u64::from(*count);
        bytes = rest;
    }
    segment
}
