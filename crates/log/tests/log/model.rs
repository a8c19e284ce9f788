//! Any sequence of appends and reopenings, compared with a vector of commits.

use proptest::collection::vec;
use proptest::prelude::*;
use wellspring_log::{ChangeRecord, CommitRecord, Log, LogReader, Mutation};
use wellspring_types::{CollectionId, Sequence, Timestamp};

use crate::support::{Fixture, commit, expected, read, read_backwards};

#[derive(Clone, Debug)]
enum Step {
    /// The collections and the data's bytes of each commit of a group.
    Append(Vec<(Vec<u32>, usize)>),
    Reopen,
    RemoveIndexes,
    Read {
        after: u64,
        collection: Option<u32>,
    },
    ReadBackwards {
        after: u64,
        through: u64,
        collection: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let data = prop_oneof![9 => 0_usize..100, 1 => 0_usize..40_000];
    let group = vec((vec(1_u32..6, 0..5), data), 1..6);
    prop_oneof![
        8 => group.prop_map(Step::Append),
        1 => Just(Step::Reopen),
        1 => Just(Step::RemoveIndexes),
        4 => (0_u64..60, proptest::option::of(1_u32..7))
            .prop_map(|(after, collection)| Step::Read { after, collection }),
        4 => (0_u64..40, 0_u64..90, 1_u32..7)
            .prop_map(|(after, through, collection)| Step::ReadBackwards { after, through, collection }),
    ]
}

fn record(sequence: u64, collections: &[u32], bytes: usize) -> CommitRecord {
    let mut record = commit(sequence, collections);
    record.position = sequence.wrapping_mul(sequence).wrapping_sub(40);
    // Several commits of one time, none earlier than the last.
    record.time = Timestamp::from_millis(sequence / 3 * 5);
    record.principal = bytes.is_multiple_of(3).then(|| "ann".into());
    record.mutation = bytes.is_multiple_of(2).then(|| Mutation {
        id: format!("m{bytes}").into(),
        digest: [7; 32],
    });
    if bytes.is_multiple_of(5) {
        record.collections = vec![(
            CollectionId(u32::try_from(sequence).unwrap()),
            "a/b/c".parse().unwrap(),
        )];
    }
    for ChangeRecord { after, .. } in &mut record.changes {
        if let Some(data) = after {
            *data = vec![b'x'; bytes].into();
        }
    }
    record
}

/// What a record says when it is read where it lies.
#[derive(Debug, PartialEq)]
struct Borrowed {
    sequence: Sequence,
    time: Timestamp,
    names: [Option<String>; 2],
    changes: Vec<(CollectionId, String, Images)>,
}

/// A document before and after.
type Images = [Option<Vec<u8>>; 2];

fn read_refs(reader: &LogReader, after: u64, collection: Option<u32>) -> Vec<Borrowed> {
    let collection = collection.map(CollectionId);
    let mut records = reader.read(Sequence(after), reader.head(), collection);
    let mut read = Vec::new();
    while let Some(record) = records.next_ref() {
        let record = record.unwrap();
        let changes = record.changes().map(|change| {
            let images = [change.before, change.after];
            let images = images.map(|data| data.map(<[u8]>::to_vec));
            (change.collection, change.id.to_owned(), images)
        });
        read.push(Borrowed {
            sequence: record.sequence,
            time: record.time,
            names: [record.principal, record.mutation_id].map(|name| name.map(str::to_owned)),
            changes: changes.collect(),
        });
    }
    read
}

fn refs(records: &[CommitRecord]) -> Vec<Borrowed> {
    let borrowed = |record: &CommitRecord| {
        let mutation_id = record.mutation.as_ref().map(|mutation| &*mutation.id);
        let names = [record.principal.as_deref(), mutation_id];
        let changes = record.changes.iter().map(|change| {
            let before = change.before.as_ref().map(|before| before.data.to_vec());
            let images = [before, change.after.as_ref().map(|data| data.to_vec())];
            (change.collection, change.id.to_string(), images)
        });
        Borrowed {
            sequence: record.sequence,
            time: record.time,
            names: names.map(|name| name.map(str::to_owned)),
            changes: changes.collect(),
        }
    };
    records.iter().map(borrowed).collect()
}

fn run(segment_bytes: u64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let fixture = Fixture::new(segment_bytes);
    let mut log: Option<Log> = None;
    let mut model: Vec<CommitRecord> = Vec::new();
    for step in steps {
        let open = log.get_or_insert_with(|| fixture.open());
        match step {
            Step::Append(group) => {
                let next = model.len() as u64 + 1;
                let group: Vec<_> = (next..)
                    .zip(&group)
                    .map(|(sequence, (collections, bytes))| record(sequence, collections, *bytes))
                    .collect();
                open.append(&group).unwrap();
                model.extend(group);
            }
            Step::Reopen => log = None,
            Step::RemoveIndexes => {
                log = None;
                for name in fixture
                    .files()
                    .into_keys()
                    .filter(|name| name.ends_with(".idx"))
                {
                    std::fs::remove_file(fixture.path(&name)).unwrap();
                }
            }
            Step::Read { after, collection } => {
                let expected = expected(&model, after, collection);
                prop_assert_eq!(
                    read_refs(&open.reader(), after, collection),
                    refs(&expected)
                );
                prop_assert_eq!(read(&open.reader(), after, collection), expected);
            }
            Step::ReadBackwards {
                after,
                through,
                collection,
            } => {
                let found = read_backwards(&open.reader(), (after, through), collection);
                let mut wanted = expected(&model, after, Some(collection));
                wanted.retain(|commit| commit.sequence <= Sequence(through));
                wanted.reverse();
                prop_assert_eq!(found, wanted);
            }
        }
    }
    let reader = log.unwrap_or_else(|| fixture.open()).reader();
    prop_assert_eq!(reader.head(), Sequence(model.len() as u64));
    for collection in [None, Some(1), Some(5)] {
        prop_assert_eq!(
            read(&reader, 0, collection),
            expected(&model, 0, collection)
        );
    }
    for millis in [0, 4, 5, 40, 1_000] {
        let time = Timestamp::from_millis(millis);
        let first = model.iter().find(|commit| commit.time >= time);
        let first = first.map_or(reader.head().next(), |commit| commit.sequence);
        prop_assert_eq!(reader.first_at(time).unwrap(), first);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn the_log_is_a_vector_of_commits(
        segment_bytes in prop_oneof![Just(200_u64), Just(2_000), Just(64 << 20)],
        steps in vec(step(), 1..30),
    ) {
        run(segment_bytes, steps)?;
    }
}
