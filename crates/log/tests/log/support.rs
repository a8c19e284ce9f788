//! A log in a directory of its own, and commits to put into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempDir;
use wellspring_log::{
    Before, ChangeRecord, CommitRecord, Faults, Log, LogReader, Mutation, OpenError, Options,
    Witnesses,
};
use wellspring_types::{CollectionId, Epoch, Sequence, Timestamp};

pub(crate) const EPOCH: Epoch = Epoch(0x5eed_0001);

pub(crate) struct Fixture {
    dir: TempDir,
    pub(crate) segment_bytes: u64,
}

impl Fixture {
    pub(crate) fn new(segment_bytes: u64) -> Fixture {
        Fixture {
            dir: TempDir::new().unwrap(),
            segment_bytes,
        }
    }

    /// With one segment for everything small.
    pub(crate) fn roomy() -> Fixture {
        Fixture::new(16 << 10)
    }

    pub(crate) fn options(&self) -> Options {
        let dir = self.dir.path().join("log");
        Options {
            segment_bytes: self.segment_bytes,
            ..Options::new(dir, EPOCH)
        }
    }

    pub(crate) fn open(&self) -> Log {
        self.try_open(Witnesses::default()).unwrap()
    }

    pub(crate) fn open_with(&self, faults: Faults) -> Log {
        Log::open(
            Options {
                faults,
                ..self.options()
            },
            Witnesses::default(),
        )
        .unwrap()
    }

    pub(crate) fn try_open(&self, witnesses: Witnesses) -> Result<Log, OpenError> {
        Log::open(self.options(), witnesses)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.options().dir.join(name)
    }

    /// Every file, with its content.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.options().dir)
            .unwrap()
            .map(Result::unwrap);
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
        entries
            .map(|entry| (name(&entry), fs::read(entry.path()).unwrap()))
            .collect()
    }

    /// Makes the directory hold exactly `files`.
    pub(crate) fn put(&self, files: &BTreeMap<String, Vec<u8>>) {
        for name in self
            .files()
            .into_keys()
            .filter(|name| !files.contains_key(name))
        {
            fs::remove_file(self.path(&name)).unwrap();
        }
        for (name, content) in files {
            fs::write(self.path(name), content).unwrap();
        }
    }

    pub(crate) fn segments(&self) -> Vec<String> {
        self.files()
            .into_keys()
            .filter(|name| name.ends_with(".seg"))
            .collect()
    }
}

/// A commit that changes one document in each of `collections`, with data that tells commits
/// apart.
pub(crate) fn commit(sequence: u64, collections: &[u32]) -> CommitRecord {
    CommitRecord {
        sequence: Sequence(sequence),
        position: sequence,
        time: Timestamp::from_millis(1_000 + 10 * sequence),
        principal: None,
        mutation: None,
        collections: Vec::new(),
        changes: collections
            .iter()
            .map(|&collection| change(sequence, collection))
            .collect(),
    }
}

fn change(sequence: u64, collection: u32) -> ChangeRecord {
    let data = |version: u64| Bytes::from(format!(r#"{{"of":{version},"in":{collection}}}"#));
    ChangeRecord {
        collection: CollectionId(collection),
        id: format!("d{}", sequence % 7).into(),
        created_at: Timestamp::from_millis(900),
        before: sequence.is_multiple_of(2).then(|| Before {
            version: Sequence(sequence - 1),
            updated_at: Timestamp::from_millis(1_000),
            data: data(sequence - 1),
        }),
        after: (!sequence.is_multiple_of(4)).then(|| data(sequence)),
    }
}

/// A commit in which everything that can be there is there.
pub(crate) fn full_commit(sequence: u64) -> CommitRecord {
    CommitRecord {
        position: sequence + 7,
        principal: Some("ann".into()),
        mutation: Some(Mutation {
            id: "m-é".into(),
            digest: [0xab; 32],
        }),
        collections: vec![
            (CollectionId(1), "rooms".parse().unwrap()),
            (CollectionId(2), "rooms/42/messages".parse().unwrap()),
        ],
        ..commit(sequence, &[1, 2, 1])
    }
}

/// Groups of one small commit each.
pub(crate) fn append_each(
    log: &mut Log,
    sequences: std::ops::RangeInclusive<u64>,
) -> Vec<CommitRecord> {
    let commits: Vec<_> = sequences.map(|sequence| commit(sequence, &[1])).collect();
    for commit in &commits {
        log.append(std::slice::from_ref(commit)).unwrap();
    }
    commits
}

pub(crate) fn read_all(reader: &LogReader) -> Vec<CommitRecord> {
    read(reader, reader.oldest().0 - 1, None)
}

pub(crate) fn read(reader: &LogReader, after: u64, collection: Option<u32>) -> Vec<CommitRecord> {
    let collection = collection.map(CollectionId);
    reader
        .read(Sequence(after), reader.head(), collection)
        .map(Result::unwrap)
        .collect()
}

pub(crate) fn read_backwards(
    reader: &LogReader,
    (after, through): (u64, u64),
    collection: u32,
) -> Vec<CommitRecord> {
    reader
        .read_backwards(Sequence(after), Sequence(through), CollectionId(collection))
        .map(Result::unwrap)
        .collect()
}

/// What reading `collection` after `after` must give.
pub(crate) fn expected(
    commits: &[CommitRecord],
    after: u64,
    collection: Option<u32>,
) -> Vec<CommitRecord> {
    let mut wanted: Vec<_> = commits
        .iter()
        .filter(|commit| commit.sequence.0 > after)
        .cloned()
        .collect();
    if let Some(collection) = collection {
        for commit in &mut wanted {
            commit
                .changes
                .retain(|change| change.collection.0 == collection);
        }
        wanted.retain(|commit| !commit.changes.is_empty());
    }
    wanted
}
