//! The world of one seed: its random numbers, its clock, what fails and when it crashes, and what
//! was counted. Who goes on next is decided by the [turns](crate::turns).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use wellspring_engine::Clock;
use wellspring_testkit::random::Random;
use wellspring_types::Timestamp;

use crate::counts::Counts;
use crate::disk::{Fate, crashed};
use crate::plan::{Plan, RESERVE_BYTES};
use crate::turns::Turns;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process stops; what it has written is in the page cache.
    Kill,
    /// The machine stops.
    PowerCut,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) turns: Turns,
    random: Mutex<Random>,
    counts: Mutex<Counts>,
    now_ns: AtomicU64,
    /// Milliseconds that the wall clock is off by.
    off_ms: AtomicU64,
    /// Operations of the disk until it crashes in one; zero: it does not.
    crash_in: AtomicU64,
    dead: AtomicBool,
    /// Whether operations fail and the disk fills.
    calm: AtomicBool,
    full: AtomicBool,
    failure: Mutex<Option<String>>,
    trace: Option<Mutex<Vec<String>>>,
}

/// Whether a run writes down what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It does.
    Written,
    /// It does not.
    None,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> World {
        let mut random = Random::new(seed);
        World {
            plan: Plan::draw(&mut random),
            turns: Turns::default(),
            random: Mutex::new(random),
            counts: Mutex::default(),
            now_ns: AtomicU64::new(1_000_000_000),
            off_ms: AtomicU64::new(0),
            crash_in: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            full: AtomicBool::new(false),
            failure: Mutex::default(),
            trace: (trace == Trace::Written).then(Mutex::default),
        }
    }

    /// The random numbers, locked: for statements that call nothing else of the world.
    pub(crate) fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock()
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        self.random.lock().below(limit)
    }

    /// True as often as `count` in `of`.
    pub(crate) fn chance(&self, count: u64, of: u64) -> bool {
        count > 0 && self.below(of) < count
    }

    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        let mut random = self.random.lock();
        for byte in bytes {
            *byte = u8::try_from(random.below(256)).unwrap_or(0);
        }
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock());
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock()
    }

    /// Writes down what happens, if anybody wants to know.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let ms = self.now_ns.load(Ordering::Relaxed) / 1_000_000;
            trace.lock().push(format!("{ms:>7} {}", what()));
        }
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        let trace = self.trace.as_ref();
        trace.map(|trace| trace.lock().clone()).unwrap_or_default()
    }

    /// Something is wrong with the database. The first time counts.
    pub(crate) fn fail(&self, what: String) {
        self.note(|| format!("WRONG: {what}"));
        self.failure.lock().get_or_insert(what);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Nanoseconds, each moment once.
    pub(crate) fn moment(&self) -> u64 {
        self.now_ns.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.now_ns.fetch_add(ms * 1_000_000, Ordering::Relaxed);
    }

    /// Moves the wall clock to somewhere near.
    pub(crate) fn change_wall_clock(&self) {
        let off = self.below(5_000);
        self.off_ms.store(off, Ordering::Relaxed);
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        if self.full.load(Ordering::Relaxed) {
            RESERVE_BYTES / 2
        } else {
            u64::MAX / 4
        }
    }

    pub(crate) fn fill_disk(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// The process has stopped: nothing that it does from here on has an effect.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// The next process begins; it crashes in the operation of this number, unless that is zero.
    pub(crate) fn revive(&self, crash_in: u64) {
        self.crash_in.store(crash_in, Ordering::Relaxed);
        self.dead.store(false, Ordering::Relaxed);
    }

    /// From now on nothing fails.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.fill_disk(false);
    }

    /// Whether operations may fail, so that errors of the database have a good reason.
    pub(crate) fn may_fail(&self) -> bool {
        self.plan.fails > 0 && !self.calm.load(Ordering::Relaxed)
    }

    /// An operation of the disk: others go on before it, where nobody waits for it with a lock; it
    /// may fail, and the process may end in it.
    pub(crate) fn operation(
        &self,
        what: &'static str,
        path: &str,
        changes: bool,
        lets_others: bool,
    ) -> io::Result<Fate> {
        if self.is_dead() {
            return Err(crashed());
        }
        if lets_others {
            self.let_others();
            if self.is_dead() {
                return Err(crashed());
            }
        }
        self.count(|counts| counts.operations += 1);
        let fate = self.draw_fate(changes);
        if changes || fate != Fate::Done {
            self.note(|| match fate {
                Fate::Done => format!("{what} {path}"),
                Fate::Fails => format!("{what} {path}: fails"),
                Fate::Crashes => format!("{what} {path}: CRASH"),
            });
        }
        Ok(fate)
    }

    fn draw_fate(&self, changes: bool) -> Fate {
        let left = self.crash_in.load(Ordering::Relaxed);
        // Nothing is changed by a read that a crash comes into.
        if left > 0 && changes {
            self.crash_in.store(left - 1, Ordering::Relaxed);
            if left == 1 {
                self.die();
                self.count(|counts| counts.inside += 1);
                return Fate::Crashes;
            }
        }
        let often = if changes { 1 } else { 4 };
        if self.may_fail() && self.chance(self.plan.fails, 10_000 * often) {
            self.count(|counts| counts.failed += 1);
            return Fate::Fails;
        }
        Fate::Done
    }

    /// Lets others go on in the middle of something, now and then.
    pub(crate) fn let_others(&self) {
        if !self.is_dead() && self.chance(self.plan.nested, 1000) {
            for _ in 0..=self.below(6) {
                self.turns.nested(self);
            }
        }
    }
}

/// The wall clock of a world: near its time, and sometimes before what it was.
pub(crate) struct WallClock(pub(crate) Arc<World>);

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        const BEGAN_MS: u64 = 1_700_000_000_000;
        let passed = self.0.now_ns.load(Ordering::Relaxed) / 1_000_000;
        let off = self.0.off_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(BEGAN_MS + passed + off)
    }
}
