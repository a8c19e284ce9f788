//! How a database is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use wellspring_log::{FileSystem, LocalFileSystem};
use wellspring_types::{CollectionPattern, Timestamp, limits};

use crate::executor::{Executor, Threads};
use crate::open::{SledStores, Stores};
use crate::seeded::Bugs;

/// Settings of one database. [`Options::new`] has the defaults.
#[derive(Clone)]
pub struct Options {
    /// The directory that holds everything. Created if it does not exist.
    pub data_dir: PathBuf,
    /// Bytes of a log segment.
    pub segment_bytes: u64,
    /// Bytes of the store's page cache; resident memory runs to about three times that.
    pub cache_bytes: u64,
    /// Bytes of commits that are visible and not yet in the store, before the writer waits.
    pub overlay_bytes_max: usize,
    /// Bytes of commits that wait for the hub, before it has to read them from the log.
    pub ring_bytes_max: usize,
    /// Bytes of changes queued for one subscription, before it falls back to the log.
    pub queue_bytes_max: usize,
    /// Bytes of before images that an exact read may hold before it starts over.
    pub exact_read_bytes_max: usize,
    /// Longest time that one query may scan, or a commit's reads may be searched for changes, in
    /// milliseconds.
    pub query_scan_ms_max: u64,
    /// Free bytes on the file system below which commits are refused.
    pub reserve_bytes: u64,
    /// Consumers that can be made; those that are there already, from before a lower limit too, go on.
    pub consumers_max: u32,
    /// Mutation ids remembered.
    pub mutation_ids_max: u64,
    /// How long a mutation id is remembered, in milliseconds of commit time.
    pub mutation_id_age_ms_max: u64,
    /// Bytes of the log behind the newest snapshot with which another one is made, unless half of
    /// that snapshot is more.
    pub snapshot_log_bytes_min: u64,
    /// Bytes of documents that are sorted in memory while a snapshot is made.
    pub snapshot_run_bytes: usize,
    /// How long changes are kept in the log, in milliseconds of commit time against the newest
    /// commit. Whole segments go, and only behind a snapshot. `None`: for ever.
    pub retention_age_ms_max: Option<u64>,
    /// Bytes of the log beyond which the oldest changes go: whole segments, and only behind a
    /// snapshot. `None`: none go.
    pub retention_bytes_max: Option<u64>,
    /// How long changes of single collections are offered: the first that stands for a collection
    /// counts.
    pub collection_retention: Vec<CollectionRetention>,
    /// How often it is looked whether a snapshot is due, or something of the log is to go.
    pub keeper_interval_ms: u64,
    /// Where commits take their time from.
    pub clock: Arc<dyn Clock>,
    /// Where everything but the stores is; the machine's file system, unless a simulation says
    /// otherwise.
    pub file_system: Arc<dyn FileSystem>,
    /// Where the stores are; sled's files, unless a simulation says otherwise.
    pub stores: Arc<dyn Stores>,
    /// Who does the work; threads, unless a simulation says otherwise.
    pub executor: Arc<dyn Executor>,
    /// Bugs that are in it; none unless a test has put them in.
    pub bugs: Bugs,
}

impl Options {
    /// The defaults for a database in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        let segment_bytes = 64 << 20;
        Options {
            data_dir: data_dir.into(),
            segment_bytes,
            cache_bytes: 64 << 20,
            overlay_bytes_max: 64 << 20,
            ring_bytes_max: 32 << 20,
            queue_bytes_max: limits::QUEUE_BYTES_MAX,
            exact_read_bytes_max: 64 << 20,
            query_scan_ms_max: 30_000,
            reserve_bytes: (1 << 30).max(2 * segment_bytes),
            consumers_max: limits::CONSUMERS_MAX,
            mutation_ids_max: limits::MUTATION_IDS_MAX,
            mutation_id_age_ms_max: limits::MUTATION_ID_AGE_MS_MAX,
            snapshot_log_bytes_min: 1 << 30,
            snapshot_run_bytes: 64 << 20,
            retention_age_ms_max: None,
            retention_bytes_max: None,
            collection_retention: Vec::new(),
            keeper_interval_ms: 1_000,
            clock: Arc::new(SystemClock),
            file_system: Arc::new(LocalFileSystem),
            stores: Arc::new(SledStores),
            executor: Arc::new(Threads),
            bugs: Bugs::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// How long changes of some collections are offered, where that is shorter than for the whole
/// database. It frees no space: the log is dropped by the settings of the whole. Changes are
/// withheld up to an eighth later than this says, so that a floor moves by steps that are worth a
/// commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionRetention {
    /// The collections.
    pub collections: CollectionPattern,
    /// How long, in milliseconds of commit time against the newest commit of the database. `None`:
    /// for ever.
    pub age_ms_max: Option<u64>,
    /// How many changes of the collection are offered, at least. `None`: all.
    pub changes_max: Option<u64>,
}

/// Tells the time that commits are stamped with.
pub trait Clock: Send + Sync + 'static {
    /// Now. It may go backwards: commits take the maximum of it and the previous commit's time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }
}
