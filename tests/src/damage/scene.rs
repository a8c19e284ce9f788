//! The databases that are harmed, and what they must come to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use wellspring_engine::{Database, Options};
use wellspring_testkit::random::Random;
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{Data, Sequence};

pub(super) const COLLECTIONS: [&str; 2] = ["rooms", "users"];
const COMMITS: u64 = 160;
/// Each database was closed after so many, and opened again.
const CLOSED_AFTER: u64 = 110;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Segment,
    Index,
    Manifest,
    Mutations,
    Documents,
    Meta,
    Store,
}

/// How a database was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Closed, with all of its log.
    Closed,
    /// Closed, without the log that its snapshot makes unnecessary.
    Trimmed,
    /// By a crash, with all of its log; the last witness to how far that had come is the clean close
    /// before.
    Crashed,
}

impl State {
    pub(super) const ALL: [State; 3] = [State::Closed, State::Trimmed, State::Crashed];
}

/// One commit: its request, and of each document in it the collection, id and data.
pub(super) struct Commit {
    /// Where it stands. Between them are those by which retention moves what is offered.
    pub(super) seq: Sequence,
    pub(super) request: CommitRequest,
    pub(super) changes: Vec<(&'static str, String, Option<Data>)>,
}

/// A database on disk, and the commits that made it, from sequence 1.
pub(super) struct Scene {
    pub(super) state: State,
    pub(super) directory: TempDir,
    pub(super) commits: Vec<Commit>,
    pub(super) head: Sequence,
    /// The first commit in the log.
    pub(super) oldest: Sequence,
    /// The last whose changes are not offered any more.
    pub(super) floor: Sequence,
    /// The head when it was closed, before it was opened again.
    pub(super) closed_at: Sequence,
    /// The last commit of the snapshot.
    pub(super) snapshot: Sequence,
    /// The last commits of the groups of the last segment, and where the groups end.
    pub(super) groups: Vec<(u64, u64)>,
}

/// In memory where that can be had: thousands of databases are synced and thrown away.
pub(super) fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_none| tempfile::tempdir())
        .unwrap()
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

pub(super) fn options(data_dir: &Path) -> Options {
    let mut options = Options::new(data_dir);
    options.segment_bytes = 32 << 10;
    options.cache_bytes = 4 << 20;
    options.reserve_bytes = 0;
    options
}

fn commit(number: u64, random: &mut Random) -> Commit {
    let mut changes: Vec<(&'static str, String, Option<Data>)> = Vec::new();
    for collection in COLLECTIONS {
        if random.below(3) == 0 && !(changes.is_empty() && collection == COLLECTIONS[1]) {
            continue;
        }
        let id = format!("document-{}", random.below(40));
        let padding = match random.below(12) {
            0 => 9_000,
            1..4 => 1_000,
            _ => random.below(200),
        };
        // Text that does not compress away.
        let padding: String = (0..padding)
            .map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap()))
            .collect();
        let data = format!(r#"{{"number":{number},"padding":"{padding}"}}"#);
        let data = Data::parse(data.as_bytes()).unwrap();
        changes.push((collection, id, (random.below(10) != 0).then_some(data)));
    }
    let writes = changes.iter().map(|(collection, id, data)| {
        let path = format!("{collection}/{id}").parse().unwrap();
        match data {
            Some(data) => Write::set(path, data.clone()),
            None => Write::delete(path),
        }
    });
    let request = CommitRequest {
        mutation_id: Some(format!("mutation-{number}").parse().unwrap()),
        writes: writes.collect(),
        reads: Vec::new(),
    };
    let seq = Sequence::ZERO;
    Commit {
        seq,
        request,
        changes,
    }
}

/// Commits until there are so many.
async fn fill(database: &Database, commits: &mut Vec<Commit>, count: u64, random: &mut Random) {
    while (commits.len() as u64) < count {
        let mut commit = commit(commits.len() as u64, random);
        // Some delete what is not there: those are refused.
        if let Ok(done) = database.commit(commit.request.clone()).await {
            commit.seq = done.seq;
            commits.push(commit);
        }
    }
}

impl Scene {
    pub(super) fn build(state: State) -> Scene {
        let directory = directory();
        let (built, data_dir) = (
            directory.path().join("built"),
            directory.path().join("data"),
        );
        let mut random = Random::new(7);
        let mut commits = Vec::new();
        let (kept, closed_at, head) = runtime().block_on(async {
            let mut kept_short = options(&built);
            kept_short.keeper_interval_ms = 1;
            kept_short.snapshot_log_bytes_min = 150 << 10;
            if state == State::Trimmed {
                kept_short.retention_bytes_max = Some(20 << 10);
            }
            let database = Database::open(kept_short, &mut |_| {}).unwrap();
            fill(&database, &mut commits, CLOSED_AFTER, &mut random).await;
            let mut kept = database.kept();
            let wanted = kept.wait_for(|kept| {
                kept.snapshot.0 > 0 && (state != State::Trimmed || kept.oldest.0 > 1)
            });
            drop(wanted.await.unwrap());
            database.close().await.unwrap();
            let closed_at = database.visible();
            drop(database);

            // Without snapshots from here on.
            let database = Database::open(options(&built), &mut |_| {}).unwrap();
            fill(&database, &mut commits, COMMITS, &mut random).await;
            let kept = *database.kept().borrow();
            if state == State::Crashed {
                copy(&built, &data_dir);
            }
            database.close().await.unwrap();
            (kept, closed_at, database.visible())
        });
        match state {
            State::Crashed => fs::remove_dir_all(&built).unwrap(),
            State::Closed | State::Trimmed => fs::rename(&built, data_dir).unwrap(),
        }
        let mut scene = Scene {
            state,
            directory,
            commits,
            head,
            closed_at,
            oldest: kept.oldest,
            floor: kept.floor,
            snapshot: kept.snapshot,
            groups: Vec::new(),
        };
        scene.groups = groups(&fs::read(scene.last_segment()).unwrap());
        scene
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(super) fn last_segment(&self) -> PathBuf {
        self.files(Kind::Segment).pop().unwrap()
    }

    /// The files of a kind, in the order of their names.
    pub(super) fn files(&self, kind: Kind) -> Vec<PathBuf> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let data = self.data_dir();
        let mut files = all_files(&data);
        files.retain(|file| {
            let name = name(file);
            let of_store = file.starts_with(data.join("store"));
            match kind {
                Kind::Segment => name.ends_with(".seg"),
                Kind::Index => name.ends_with(".idx"),
                Kind::Manifest => name == "manifest",
                Kind::Mutations => name == "mutations",
                Kind::Documents => name.starts_with("documents-"),
                Kind::Meta => name == "META",
                Kind::Store => of_store,
            }
        });
        files
    }

    /// The documents of a collection as of a commit: version and data by id.
    pub(super) fn documents(
        &self,
        collection: &str,
        through: Sequence,
    ) -> BTreeMap<String, (Sequence, Data)> {
        let mut documents = BTreeMap::new();
        for (seq, id, data) in self.changes(collection, Sequence::ZERO, through) {
            match data {
                Some(data) => documents.insert(id, (seq, data)),
                None => documents.remove(&id),
            };
        }
        documents
    }

    /// The changes of a collection after one commit through another.
    pub(super) fn changes(
        &self,
        collection: &str,
        after: Sequence,
        through: Sequence,
    ) -> Vec<(Sequence, String, Option<Data>)> {
        let mut found = Vec::new();
        for commit in &self.commits {
            let seq = commit.seq;
            if seq > after && seq <= through {
                let of_it = commit.changes.iter().filter(|(of, ..)| *of == collection);
                found.extend(of_it.map(|(_, id, data)| (seq, id.clone(), data.clone())));
            }
        }
        found
    }
}

/// The first commit of a segment, which is named after it.
pub(super) fn first_commit(segment: &Path) -> Sequence {
    Sequence(
        segment
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap(),
    )
}

/// The last commit of each group of a segment, and where the group ends; see `docs/format.md`.
fn groups(segment: &[u8]) -> Vec<(u64, u64)> {
    let u32_at = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().unwrap());
    let mut found = Vec::new();
    let mut at = 64;
    while at + 28 <= segment.len() && segment[at..at + 4] == [0xf8, 0x47, 0xff, 0xfe] {
        let first = u64::from_le_bytes(segment[at + 8..at + 16].try_into().unwrap());
        let last = first + u64::from(u32_at(at + 16)) - 1;
        at += 28 + usize::try_from(u32_at(at + 4)).unwrap();
        found.push((last, at as u64));
    }
    found
}

pub(crate) fn all_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a directory and what is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
