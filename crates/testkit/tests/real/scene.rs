//! A history being recorded, and its end: the dump and the verdict.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wellspring_engine::{Database, Options};
use wellspring_log::{Log, Witnesses};
use wellspring_testkit::history::recorder::{Recorder, dump};
use wellspring_testkit::history::{History, Report, check};
use wellspring_types::feed::{From, SubscribeRequest};
use wellspring_types::{Filter, Select, limits};

use crate::writers::COLLECTIONS;

pub(crate) struct Scene {
    directory: TempDir,
    pub(crate) recorder: Recorder,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(&directory.path().join("history.jsonl")).unwrap();
        Scene {
            directory,
            recorder,
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Reads the log and the state of a database that is closed, and has the history judged.
    pub(crate) async fn judge(&self) -> Report {
        let database = open(&self.data_dir());
        let epoch = database.epoch();
        database.close().await.unwrap();
        let log = wellspring_log::Options::new(self.data_dir().join("log"), epoch);
        let log = Log::open(log, Witnesses::default()).unwrap();
        let reader = log.reader();
        let collections = dump::log(&self.recorder, &reader, &[]).unwrap();
        let head = reader.head();
        log.close().unwrap();
        drop(reader);
        let database = open(&self.data_dir());
        let state = dump::state(&self.recorder, &database, &collections, head).await;
        state.unwrap();
        database.close().await.unwrap();
        self.recorder.finish().unwrap();
        let file = self.directory.path().join("history.jsonl");
        let report = check(&History::read(&[&file]).unwrap()).unwrap();
        if !report.is_clean() {
            // For whoever looks into it.
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("history.jsonl");
            std::fs::copy(file, kept).unwrap();
        }
        report
    }
}

/// Small everything, so that queues overflow, rings wrap and segments roll.
pub(crate) fn open(data_dir: &Path) -> Database {
    let mut options = Options::new(data_dir);
    options.segment_bytes = 64 << 10;
    options.reserve_bytes = 0;
    options.ring_bytes_max = 16 << 10;
    options.queue_bytes_max = 8 << 10;
    options.exact_read_bytes_max = 8 << 10;
    options.overlay_bytes_max = 64 << 10;
    Database::open(options, &mut |_| {}).unwrap()
}

/// Views of many kinds, one for each subscription.
pub(crate) fn request(number: usize) -> SubscribeRequest {
    let collection = COLLECTIONS[number % 2].parse().unwrap();
    let from = [From::Now, From::Snapshot, From::Beginning][number % 3].clone();
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
    request.checkpoint_interval_ms = limits::CHECKPOINT_INTERVAL_MS_MIN;
    request
}
