//! Every operation on META, the log and its snapshots fails in turn, in each way that there is: what
//! was acknowledged is there, what was refused is not, reads go on, and health tells the truth.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;
use wellspring_engine::{CommitError, Database, Health, Options, ReadOnlyReason};
use wellspring_log::Operation;
use wellspring_testkit::failing::{FailingFileSystem, Fate};
use wellspring_testkit::workload::{Acknowledged, Entry, check};
use wellspring_types::Sequence;
use wellspring_types::feed::{From, SubscribeRequest};

use crate::common::PATIENCE;

/// Every how many operations one fails: every one with `WELLSPRING_FAULTS=1` set when this is
/// compiled, as the long form in `docs/testing.md` has it.
fn stride() -> u64 {
    option_env!("WELLSPRING_FAULTS")
        .and_then(|stride| stride.parse().ok())
        .unwrap_or(37)
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It is not done, once.
    Error,
    /// It is a write of which so many bytes are done, once.
    Short(usize),
    /// It is not done, and nothing is that changes the disk from then on.
    Dead,
    /// It is a write of which so many bytes are done, and nothing that takes space is from then on.
    Full(usize),
    /// The thread that does it panics, once.
    Panic,
}

impl Mode {
    /// Whether more fails after the first.
    fn lasts(self) -> bool {
        matches!(self, Mode::Dead | Mode::Full(_))
    }
}

/// The operation that fails, by its number.
struct Plan {
    mode: Mode,
    at: u64,
    count: AtomicU64,
    hit: AtomicBool,
}

impl Plan {
    fn file_system(self: &Arc<Plan>) -> Arc<FailingFileSystem> {
        let plan = Arc::clone(self);
        let hook = move |operation, path: &Path| plan.fate(operation, path);
        Arc::new(FailingFileSystem::new(hook))
    }

    fn fate(&self, operation: Operation, path: &Path) -> Fate {
        let counts = match self.mode {
            Mode::Short(_) => operation == Operation::Write,
            Mode::Dead => !matches!(
                operation,
                Operation::Read | Operation::List | Operation::Open | Operation::Random
            ),
            Mode::Full(_) => matches!(operation, Operation::Write | Operation::CreateDir),
            Mode::Error | Mode::Panic => true,
        };
        if !counts {
            return Fate::Done;
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if number < self.at || (number > self.at && !self.mode.lasts()) {
            return Fate::Done;
        }
        self.hit.store(true, Ordering::SeqCst);
        match self.mode {
            Mode::Panic => panic!("as told: {operation:?} {}", path.display()),
            Mode::Short(bytes) => Fate::Short(bytes),
            Mode::Full(bytes) if number == self.at => Fate::Short(bytes),
            Mode::Full(_) => Fate::Full,
            Mode::Error | Mode::Dead => Fate::Fails,
        }
    }

    fn is_hit(&self) -> bool {
        self.hit.load(Ordering::SeqCst)
    }
}

/// What the clients were told.
#[derive(Default)]
struct Told {
    acknowledged: Vec<Acknowledged>,
    unknown: u64,
    refused: Vec<Entry>,
}

fn options(directory: &Path) -> Options {
    let mut options = Options::new(directory.join("data"));
    options.segment_bytes = 1 << 10;
    options.reserve_bytes = 0;
    options.snapshot_log_bytes_min = 2 << 10;
    options.snapshot_run_bytes = 2 << 10;
    options.keeper_interval_ms = 1;
    options
}

/// Commits; whatever was refused, the reason must be one that health tells.
async fn write(database: &Database, numbers: std::ops::Range<u64>, told: &mut Told) {
    for number in numbers {
        let entry = Entry { number, writer: 0 };
        let request = entry.commit(2_000).unwrap();
        match database.commit(request).await {
            Ok(result) => told.acknowledged.push(Acknowledged {
                entry,
                seq: result.seq,
            }),
            Err(CommitError::OutcomeUnknown) => {
                told.unknown += 1;
                assert_ne!(database.health(), Health::Writable);
            }
            Err(CommitError::ReadOnly(reason)) => {
                told.refused.push(entry);
                assert_eq!(database.health(), Health::ReadOnly(reason));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Waits until a snapshot was made after `before`: the keeper tries again what fails.
async fn snapshot_after(before: Sequence, database: &Database) {
    let mut kept = database.kept();
    let made = kept.wait_for(|kept| kept.snapshot > before);
    let made = tokio::time::timeout(PATIENCE, made).await;
    made.expect("a snapshot in time").unwrap();
}

/// Reads everything; where the one failing operation fell into that, again.
async fn read(database: &Database, told: &Told, plan: &Plan) {
    let was_hit = plan.is_hit();
    let found = match check(database, &told.acknowledged).await {
        Err(_failed) if plan.is_hit() && !was_hit => check(database, &told.acknowledged).await,
        found => found,
    };
    let found = found.unwrap_or_else(|error| panic!("{error:#}"));
    for entry in &told.refused {
        let name = format!("{}-{}", entry.writer, entry.number);
        assert!(!found.journal.contains_key(&name), "{name} was refused");
    }
    let most = told.acknowledged.len() as u64 + told.unknown;
    assert!(found.head.0 <= most, "{} of {most}", found.head);
}

/// One life of a database: opened, written to, read, and left, closed or not.
async fn live(options: &Options, number: u64, told: &mut Told, plan: &Plan) {
    let open = || Database::open(options.clone(), &mut |_| {});
    let Ok(Ok(database)) = catch_unwind(AssertUnwindSafe(open)) else {
        assert!(plan.is_hit(), "it opens unless something fails");
        return;
    };
    let before = database.kept().borrow().snapshot;
    write(&database, number..number + 12, told).await;
    if database.health() == Health::Writable && !(plan.is_hit() && plan.mode.lasts()) {
        snapshot_after(before, &database).await;
        write(&database, number + 12..number + 16, told).await;
    }
    read(&database, told, plan).await;
    if number == 0 {
        let closed = database.close().await;
        assert!(closed.is_ok() || plan.is_hit(), "{closed:?}");
    }
}

/// Whether there was an operation of this number.
async fn fails_at(at: u64, mode: Mode) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan {
        mode,
        at,
        count: AtomicU64::new(0),
        hit: AtomicBool::new(false),
    });
    let mut told = Told::default();
    let well = options(directory.path());
    let mut failing = well.clone();
    failing.file_system = plan.file_system();
    for number in [0, 100] {
        live(&failing, number, &mut told, &plan).await;
    }
    let was_hit = plan.is_hit();
    // The disk is well again.
    let database = Database::open(well, &mut |_| {}).unwrap();
    read(&database, &told, &plan).await;
    write(&database, 200..201, &mut told).await;
    assert_eq!(database.health(), Health::Writable);
    read(&database, &told, &plan).await;
    database.close().await.unwrap();
    was_hit
}

async fn each_fails(mode: Mode, least: u64) {
    for at in (0..).step_by(usize::try_from(stride()).unwrap()) {
        // In a task of its own, so that its panic can be told with what failed.
        let mut task = JoinSet::new();
        task.spawn(fails_at(at, mode));
        match task.join_next().await.unwrap() {
            Ok(true) => {}
            Ok(false) => {
                assert!(at >= least, "only {at} operations, {mode:?}");
                return;
            }
            Err(error) => panic!("operation {at}, {mode:?}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_fails_costs_nothing_that_was_acknowledged() {
    each_fails(Mode::Error, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_cut_short_costs_nothing_that_was_acknowledged() {
    for bytes in [0, 30, 200, usize::MAX] {
        each_fails(Mode::Short(bytes), 40).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_more_leaves_everything_readable() {
    each_fails(Mode::Dead, 150).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_costs_nothing_that_was_acknowledged() {
    for bytes in [0, 30, 200] {
        each_fails(Mode::Full(bytes), 40).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_panics_at_its_disk_costs_nothing_that_was_acknowledged() {
    each_fails(Mode::Panic, 300).await;
}

/// A database whose hub fails when it reads from the log what fell off its ring, which takes
/// nothing more than one group.
async fn without_its_hub(panics: bool) {
    let directory = tempfile::tempdir().unwrap();
    let well = options(directory.path());
    let mut failing = well.clone();
    failing.ring_bytes_max = 0;
    failing.file_system = Arc::new(FailingFileSystem::new(move |_operation, _path| {
        if std::thread::current().name() != Some("wellspring-hub") {
            return Fate::Done;
        }
        assert!(!panics, "as told");
        Fate::Fails
    }));
    let database = Database::open(failing, &mut |_| {}).unwrap();
    let request = |from| SubscribeRequest::new("journal".parse().unwrap(), from);
    let mut live = database.subscribe(request(From::Now)).unwrap();
    let mut told = Told::default();
    let handed_out = database.handed_out();
    // The hub waits with the first commit while this is held, so that its ring overflows.
    let held = handed_out.borrow();
    write(&database, 0..4, &mut told).await;
    drop(held);
    let ended = async { while live.next().await.is_ok() {} };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    ended.expect("the live subscription ends");
    assert_eq!(
        database.health(),
        Health::ReadOnly(ReadOnlyReason::FeedFailed)
    );
    write(&database, 4..5, &mut told).await;
    assert_eq!((told.acknowledged.len(), told.refused.len()), (4, 1));
    // What does not need the hub goes on.
    let found = check(&database, &told.acknowledged).await.unwrap();
    assert_eq!(found.head, Sequence(4));
    database.close().await.unwrap();

    let database = Database::open(well, &mut |_| {}).unwrap();
    check(&database, &told.acknowledged).await.unwrap();
    assert_eq!(database.health(), Health::Writable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_cannot_read_makes_the_database_read_only_and_hides_nothing() {
    without_its_hub(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_panics_makes_the_database_read_only_and_hides_nothing() {
    without_its_hub(true).await;
}

#[test]
fn a_directory_that_a_killed_process_has_left_is_made_durable_before_anything_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let above = directory.path().join("above");
    let data_dir = above.join("data");
    // Made, and killed before their names were durable.
    std::fs::create_dir_all(data_dir.join("log")).unwrap();
    let log: Arc<std::sync::Mutex<Vec<(Operation, std::path::PathBuf)>>> = Arc::default();
    let told = Arc::clone(&log);
    let mut options = Options::new(&data_dir);
    options.reserve_bytes = 0;
    options.file_system = Arc::new(FailingFileSystem::new(move |operation, path| {
        told.lock().unwrap().push((operation, path.to_owned()));
        Fate::Done
    }));
    drop(Database::open(options, &mut |_| {}).unwrap());
    let log = log.lock().unwrap();
    let place = |operation, path: &Path| {
        let found = log
            .iter()
            .position(|(what, at)| *what == operation && at == path);
        found.unwrap_or_else(|| panic!("{operation:?} {}", path.display()))
    };
    let meta = place(Operation::Rename, &data_dir.join("META"));
    assert!(place(Operation::SyncDir, &above) < meta);
    assert!(place(Operation::SyncDir, directory.path()) < meta);
}
