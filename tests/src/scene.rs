//! A history being recorded, and its end: the dump and the verdict.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wellspring_engine::{Database, Options};
use wellspring_log::{Log, SnapshotOptions, Snapshots, Witnesses};
use wellspring_testkit::history::recorder::{Recorder, dump};
use wellspring_testkit::history::{History, Report, check};
use wellspring_types::feed::{From, SubscribeRequest};
use wellspring_types::{CollectionId, CollectionPath, Epoch, Filter, Select, Sequence, limits};

use crate::server::small;
use crate::writers::COLLECTIONS;

/// A directory with a database and the history of those who use it. It stays, for whoever looks into
/// it, when the test panics.
#[derive(Debug)]
pub struct Scene {
    directory: TempDir,
    /// Writes the history down.
    pub recorder: Recorder,
}

impl Default for Scene {
    fn default() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(&directory.path().join("history.jsonl")).unwrap();
        Scene {
            directory,
            recorder,
        }
    }
}

impl Scene {
    /// Subscriptions begin in so many ways, in turn; these are two of them.
    pub const KINDS: usize = 3;
    /// With a snapshot.
    pub const FROM_SNAPSHOT: usize = 1;
    /// At the beginning of the log.
    pub const FROM_BEGINNING: usize = 2;

    /// The database's directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The file of the server's logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.directory.path().join("server.log")
    }

    /// Reads the log and the state of a database that nobody has open, and has the history judged.
    pub async fn judge(&self) -> Report {
        // Once, so that what a crash left behind is mended.
        open(&self.data_dir()).close().await.unwrap();
        let epoch = log_epoch(&self.data_dir());
        let (snapshot, older) = newest_snapshot(&self.data_dir(), epoch);
        let log = wellspring_log::Options::new(self.data_dir().join("log"), epoch);
        let witnesses = Witnesses {
            snapshot,
            ..Witnesses::default()
        };
        let log = Log::open(log, witnesses).unwrap();
        let reader = log.reader();
        let collections = dump::log(&self.recorder, &reader, &older).unwrap();
        let head = reader.head();
        log.close().unwrap();
        drop(reader);
        let database = open(&self.data_dir());
        let state = dump::state(&self.recorder, &database, &collections, head).await;
        state.unwrap();
        database.close().await.unwrap();
        self.recorder.finish().unwrap();
        let file = self.directory.path().join("history.jsonl");
        check(&History::read(&[&file]).unwrap()).unwrap()
    }

    /// Judges, and panics if a promise was not kept.
    pub async fn judge_clean(&self) -> Report {
        let report = self.judge().await;
        let (kept, found) = (self.directory.path(), &report.verdicts);
        assert!(found.is_empty(), "in {}: {found:#?}", kept.display());
        report
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
        }
    }
}

/// Opens a database with everything small.
#[must_use]
pub fn open(data_dir: &Path) -> Database {
    let mut options = Options::new(data_dir);
    small(&mut options);
    Database::open(options, &mut |_| {}).unwrap()
}

/// The epoch of the log, which is not the database's once that has lost its end: from the header
/// of a segment (`docs/format.md`).
fn log_epoch(data_dir: &Path) -> Epoch {
    let files = fs::read_dir(data_dir.join("log")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let segment = paths
        .into_iter()
        .find(|path| path.extension().is_some_and(|suffix| suffix == "seg"));
    let header = fs::read(segment.expect("a segment")).unwrap();
    Epoch(u32::from_le_bytes(header[12..16].try_into().unwrap()))
}

/// The newest snapshot, and its collections: the log may not name them any more.
fn newest_snapshot(
    data_dir: &Path,
    epoch: Epoch,
) -> (Sequence, Vec<(CollectionId, CollectionPath)>) {
    let snapshots = SnapshotOptions::new(data_dir.join("snapshots"), epoch);
    let snapshots = Snapshots::open(snapshots).unwrap();
    let Some(&newest) = snapshots.list().unwrap().last() else {
        return (Sequence::ZERO, Vec::new());
    };
    let newest = snapshots.load(newest).unwrap();
    (newest.sequence(), newest.collections().to_vec())
}

/// Views of many kinds, one for each subscription.
pub fn request(number: usize) -> SubscribeRequest {
    let collection = COLLECTIONS[number % 2].parse().unwrap();
    let from = [From::Now, From::Snapshot, From::Beginning][number % Scene::KINDS].clone();
    let mut request = SubscribeRequest::new(collection, from);
    let filter = [
        None,
        Some(r#"{"room":1}"#),
        Some(r#"{"n":{"gte":5}}"#),
        Some(r#"{"or":[{"room":0},{"n":{"lt":3}}]}"#),
    ][number % 4];
    request.view.filter = filter.map(|text| Filter::parse(text).unwrap());
    request.view.old = number % 3 == 1;
    if number % 5 == 4 {
        let fields = vec!["n".parse().unwrap(), "room".parse().unwrap()];
        request.view.select = Some(Select::new(fields).unwrap());
    }
    request.conflate = number % 7 == 3;
    request.checkpoint_interval_ms = limits::CHECKPOINT_INTERVAL_MS_MIN;
    request
}
