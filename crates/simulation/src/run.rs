//! The lives of one database, from its creation to its end.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wellspring_engine::{Bugs, Database, Options};
use wellspring_testkit::history::Verdict;
use wellspring_testkit::history::recorder::Recorder;

use crate::clients::{Commits, Follower, finish, follow, read, write};
use crate::counts::Counts;
use crate::disk::Disk;
use crate::judge;
use crate::stores::MemoryStores;
use crate::turns::{InTurns, TURNS_MAX};
use crate::world::{Crash, Trace, WallClock, World};

/// Bytes of one history.
const HISTORY_BYTES_MAX: usize = 256 << 20;
/// Openings that may fail one after the other, on a disk that fails.
const ATTEMPTS: u64 = 8;

/// What became of a seed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// What is wrong with the database; `None`: every promise was kept.
    pub failure: Option<String>,
    /// What the checker has to say; it is asked where nothing else went wrong before.
    pub verdicts: Vec<Verdict>,
    /// SHA-256 of the history that was recorded.
    pub history: [u8; 32],
    /// What happened.
    pub counts: Counts,
    /// What was done, if it was to be written.
    pub trace: Vec<String>,
}

thread_local! {
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Panics that the database catches itself are wrong all the same.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICKED.set(true);
            before(info);
        }));
    });
}

/// Lets a seed happen.
#[must_use]
pub fn run(seed: u64, trace: Trace) -> Outcome {
    run_with(seed, trace, Bugs::default())
}

/// Lets a seed happen to a database that has bugs.
#[must_use]
pub fn run_with(seed: u64, trace: Trace, bugs: Bugs) -> Outcome {
    watch_panics();
    PANICKED.set(false);
    let world = Arc::new(World::new(seed, trace));
    let recorder = {
        let clock = Arc::clone(&world);
        Recorder::in_memory(HISTORY_BYTES_MAX).with_clock(move || clock.moment())
    };
    let scene = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .context("a runtime")?;
        let scene = Scene::new(Arc::clone(&world), recorder.clone(), bugs);
        let done = runtime.block_on(scene.run());
        world.turns.drop_clients();
        world.turns.drop_workers();
        done
    };
    let mut verdicts = Vec::new();
    match catch_unwind(AssertUnwindSafe(scene)) {
        Ok(Ok(found)) => verdicts = found,
        Ok(Err(error)) => world.fail(format!("{error:#}")),
        Err(_panic) => world.fail("a panic".to_owned()),
    }
    if PANICKED.get() {
        world.fail("a panic that was caught".to_owned());
    }
    let history = recorder.finish().unwrap_or_default();
    Outcome {
        failure: world.failure(),
        verdicts,
        history: Sha256::digest(&history).into(),
        counts: world.counts(),
        trace: world.trace(),
    }
}

pub(crate) struct Scene {
    pub(crate) world: Arc<World>,
    pub(crate) recorder: Recorder,
    pub(crate) disk: Disk,
    stores: MemoryStores,
    followers: Vec<Arc<Mutex<Follower>>>,
    pub(crate) commits: Arc<Mutex<Commits>>,
    bugs: Bugs,
}

pub(crate) fn data_dir() -> PathBuf {
    Path::new("/simulated/data").to_owned()
}

impl Scene {
    fn new(world: Arc<World>, recorder: Recorder, bugs: Bugs) -> Scene {
        let followers = (0..world.plan.followers)
            .filter_map(|number| Follower::new(&world, &recorder, number))
            .map(|follower| Arc::new(Mutex::new(follower)));
        let followers = followers.collect();
        world.note(|| format!("{:?}", world.plan));
        Scene {
            disk: Disk::new(Arc::clone(&world)),
            stores: MemoryStores::new(Arc::clone(&world)),
            followers,
            commits: Arc::default(),
            recorder,
            world,
            bugs,
        }
    }

    /// Returns what the checker says.
    async fn run(&self) -> anyhow::Result<Vec<Verdict>> {
        for _ in 0..self.world.plan.lives {
            self.live().await?;
            if self.world.failure().is_some() {
                return Ok(Vec::new());
            }
        }
        self.end().await
    }

    fn options(&self) -> Options {
        let mut options = self.world.plan.options(&data_dir());
        options.file_system = Arc::new(self.disk.clone());
        options.stores = Arc::new(self.stores.clone());
        options.executor = Arc::new(InTurns(Arc::clone(&self.world)));
        options.clock = Arc::new(WallClock(Arc::clone(&self.world)));
        options.bugs = self.bugs;
        options
    }

    /// Opens the database. A crash while it is opened is followed by another opening.
    fn open(&self) -> anyhow::Result<Option<Database>> {
        for attempt in 0.. {
            match Database::open(self.options(), &mut |_progress| {}) {
                Ok(database) if !self.world.is_dead() => {
                    self.world.count(|counts| counts.openings += 1);
                    self.world
                        .note(|| format!("open at {}", database.visible()));
                    return Ok(Some(database));
                }
                Ok(database) => drop(database),
                Err(error) if self.world.is_dead() => {
                    self.world.note(|| format!("opening ends: {error}"));
                }
                Err(error) if self.world.may_fail() && attempt < ATTEMPTS => {
                    self.world.note(|| format!("opening fails: {error}"));
                    self.world.turns.drop_workers();
                    continue;
                }
                Err(_error) if self.world.may_fail() => {
                    self.world.calm_down();
                    continue;
                }
                Err(error) => return Err(error).context("the database does not open"),
            }
            self.world.turns.drop_workers();
            if self.world.is_dead() {
                self.world.count(|counts| counts.while_opening += 1);
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// One life of the process.
    async fn live(&self) -> anyhow::Result<()> {
        let world = &self.world;
        let crash_in = match world.below(3) {
            0 => 0,
            1 => 1 + world.below(40),
            _ => 1 + world.below(1500),
        };
        world.revive(crash_in);
        let Some(database) = self.open()? else {
            self.crash();
            return Ok(());
        };
        self.add_clients(&database);
        let turns = world.below(world.plan.turns_max);
        for _ in 0..turns {
            if world.is_dead() || world.failure().is_some() {
                break;
            }
            self.tick().await;
            world.turns.one(world);
        }
        self.look_at(&database);
        if world.is_dead() {
            self.lose(database);
            self.crash();
            return Ok(());
        }
        match world.below(4) {
            0 => self.close(database).await,
            1 => {
                world.note(|| "dropped without a close".to_owned());
                self.lose(database);
                world.count(|counts| counts.drops += 1);
                self.recorder.fault("drop", None);
                if world.is_dead() {
                    self.crash();
                }
                Ok(())
            }
            _ => {
                world.die();
                self.lose(database);
                self.crash();
                Ok(())
            }
        }
    }

    fn add_clients(&self, database: &Database) {
        let (world, turns) = (&self.world, &self.world.turns);
        for follower in &self.followers {
            let (follower, database) = (Arc::clone(follower), database.clone());
            let name = follower.lock().name();
            turns.add_client(name, follow(Arc::clone(world), database, follower));
        }
        for number in 0..world.plan.writers {
            let (recorder, commits) = (self.recorder.clone(), Arc::clone(&self.commits));
            let writer = write(Arc::clone(world), database.clone(), recorder, commits);
            turns.add_client(format!("writer {number}"), writer);
        }
        for number in 0..world.plan.readers {
            let reader = read(Arc::clone(world), database.clone(), self.recorder.clone());
            turns.add_client(format!("reader {number}"), reader);
        }
    }

    /// Lets time pass now and then, and the disk fill and empty.
    async fn tick(&self) {
        let world = &self.world;
        if world.chance(world.plan.ticks, 1000) {
            self.pass(1 + world.below(30)).await;
        }
        if world.chance(1, 300) {
            world.change_wall_clock();
        }
        if world.chance(world.plan.fills, 1000) {
            let full = world.chance(1, 2);
            world.note(|| format!("the disk is full: {full}"));
            world.fill_disk(full);
        }
    }

    async fn pass(&self, ms: u64) {
        self.world.pass(ms);
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    fn look_at(&self, database: &Database) {
        let overflows = database.statistics().subscription_overflows;
        let snapshot = u64::from(database.kept().has_changed().unwrap_or(false));
        self.world.count(|counts| {
            counts.overflows += overflows;
            counts.snapshots += snapshot;
        });
    }

    /// Lets go of a database, as a process does that ends.
    fn lose(&self, database: Database) {
        self.world.turns.drop_clients();
        drop(database);
        self.world.turns.drop_workers();
    }

    fn crash(&self) {
        let world = &self.world;
        world.die();
        let crash = if world.chance(1, 2) {
            Crash::Kill
        } else {
            Crash::PowerCut
        };
        world.note(|| format!("{crash:?}"));
        self.disk.restart(crash);
        match crash {
            Crash::Kill => {
                world.count(|counts| counts.kills += 1);
                self.recorder.fault("kill", None);
            }
            Crash::PowerCut => {
                self.stores.power_cut();
                world.count(|counts| counts.power_cuts += 1);
                self.recorder.fault("power_cut", None);
            }
        }
    }

    /// Closes a database under its clients. A crash may come into that as well.
    async fn close(&self, database: Database) -> anyhow::Result<()> {
        let world = &self.world;
        world.note(|| "closing".to_owned());
        let closed = Arc::new(Mutex::new(None));
        let (closing, told) = (database.clone(), Arc::clone(&closed));
        world.turns.add_client("close".to_owned(), async move {
            let done = closing.close().await;
            *told.lock() = Some(done);
        });
        world.turns.begin_closing();
        for _ in 0..TURNS_MAX {
            if closed.lock().is_some() || world.is_dead() {
                break;
            }
            world.turns.one(world);
        }
        let done = closed.lock().take();
        self.lose(database);
        if world.is_dead() {
            self.crash();
            return Ok(());
        }
        match done {
            Some(Ok(())) => world.count(|counts| counts.closes += 1),
            Some(Err(error)) if world.may_fail() => {
                world.note(|| format!("not closed cleanly: {error}"));
            }
            Some(Err(error)) => world.fail(format!("the database does not close: {error}")),
            None => world.fail("the database does not close: it hangs".to_owned()),
        }
        self.recorder.fault("close", None);
        Ok(())
    }

    /// The last life: nothing fails any more, everybody reads to the end, and all is compared.
    async fn end(&self) -> anyhow::Result<Vec<Verdict>> {
        let world = &self.world;
        world.note(|| "the end".to_owned());
        world.revive(0);
        world.calm_down();
        let database = self.open()?.context("nothing stops it from opening")?;
        for _ in 0..world.below(200) {
            world.turns.one(world);
        }
        world.turns.rest_keeper();
        world.turns.settle(world);
        for follower in &self.followers {
            let (follower, database) = (Arc::clone(follower), database.clone());
            let name = follower.lock().name();
            let last = finish(Arc::clone(world), database, follower);
            world.turns.add_client(name, last);
        }
        world.turns.settle(world);
        // Some wait for a page's time.
        self.pass(100).await;
        world.turns.settle(world);
        let left = world.turns.clients_left();
        if !left.is_empty() {
            world.fail(format!(
                "nobody has anything to do, and these wait: {left:?}"
            ));
        }
        self.look_at(&database);
        let dropped = u64::try_from(self.disk.dropped_segments()).unwrap_or(0);
        world.count(|counts| counts.dropped += dropped);
        judge::dump(self, &database).await?;
        self.close(database).await?;
        if world.failure().is_some() {
            return Ok(Vec::new());
        }
        judge::judge(self)
    }

    /// Waits for something that must come to an end.
    pub(crate) fn wait_for<T: Send + 'static>(
        &self,
        name: &str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let result = Arc::new(Mutex::new(None));
        let told = Arc::clone(&result);
        self.world.turns.add_client(name.to_owned(), async move {
            let done = work.await;
            *told.lock() = Some(done);
        });
        self.world.turns.settle(&self.world);
        let done = result.lock().take();
        done.with_context(|| format!("{name} does not come to an end"))
    }
}
