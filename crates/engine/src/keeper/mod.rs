//! The keeper: a thread that makes snapshots of the log and drops what is no longer kept of it,
//! beside everything else and at nobody's expense: what fails here is logged and tried again.

mod retention;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use wellspring_log::{
    LogReader, SegmentSpan, Snapshot, SnapshotError, SnapshotPlan, Snapshots, Trimmer,
};
use wellspring_types::Sequence;

use crate::executor::{Patience, Turn, Worker};
use crate::feed::Hub;
use crate::options::Options;
use crate::pipeline::{self, Reserve};
use crate::visible::Visible;
use retention::Retention;

/// Rounds that are let pass after a snapshot could not be made.
const ROUNDS_AFTER_FAILURE: u32 = 60;

/// What is kept of a database's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The last commit of the newest snapshot; zero without one.
    pub snapshot: Sequence,
    /// The first commit in the log.
    pub oldest: Sequence,
}

/// What the keeper works with.
pub(crate) struct KeeperParts {
    pub(crate) snapshots: Snapshots,
    /// The newest snapshot.
    pub(crate) newest: Option<Snapshot>,
    pub(crate) log: LogReader,
    pub(crate) trimmer: Trimmer,
    pub(crate) visible: Arc<Visible>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reserve: Reserve,
}

/// Makes snapshots and drops segments.
pub(crate) struct Keeper {
    parts: KeeperParts,
    retention: Retention,
    snapshot_log_bytes_min: u64,
    mutation_ids_max: u64,
    /// The full segments of the log, ascending.
    segments: VecDeque<SegmentSpan>,
    /// Segments through here are dropped in the next round.
    announced: Option<Sequence>,
    rounds_to_wait: u32,
    kept: watch::Sender<Kept>,
}

/// Ends a keeper.
#[derive(Default)]
pub(crate) struct KeeperStop {
    stop: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl KeeperStop {
    pub(crate) fn stop(&self) {
        let lock = self.lock.lock();
        self.stop.store(true, Ordering::Relaxed);
        drop(lock);
        self.changed.notify_all();
    }

    /// Waits for the next round, with patience; false if there is none.
    fn wait(&self, interval: Duration, patience: Patience) -> bool {
        let mut lock = self.lock.lock();
        if !self.is_set() && patience == Patience::Wait {
            self.changed.wait_for(&mut lock, interval);
        }
        !self.is_set()
    }

    fn is_set(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Keeper {
    pub(crate) fn new(parts: KeeperParts, options: &Options) -> Keeper {
        let kept = Kept {
            snapshot: sequence(parts.newest.as_ref()),
            oldest: parts.log.oldest(),
        };
        Keeper {
            parts,
            retention: Retention {
                age_ms_max: options.retention_age_ms_max,
                bytes_max: options.retention_bytes_max,
            },
            snapshot_log_bytes_min: options.snapshot_log_bytes_min,
            mutation_ids_max: options.mutation_ids_max,
            segments: VecDeque::new(),
            announced: None,
            rounds_to_wait: 0,
            kept: watch::Sender::new(kept),
        }
    }

    pub(crate) fn kept(&self) -> watch::Receiver<Kept> {
        self.kept.subscribe()
    }

    fn round(&mut self, stop: &KeeperStop) -> Result<(), SnapshotError> {
        if self.rounds_to_wait > 0 {
            self.rounds_to_wait -= 1;
            return Ok(());
        }
        self.look_at_segments()?;
        if self.wants_snapshot() {
            self.make_snapshot(stop)?;
        }
        self.drop_segments()?;
        self.kept.send_if_modified(|kept| {
            let now = Kept {
                snapshot: sequence(self.parts.newest.as_ref()),
                oldest: self.parts.log.oldest(),
            };
            std::mem::replace(kept, now) != now
        });
        Ok(())
    }

    /// Takes note of segments that are full by now.
    fn look_at_segments(&mut self) -> Result<(), SnapshotError> {
        let known = self
            .segments
            .back()
            .map_or(Sequence::ZERO, |span| span.last);
        self.segments
            .extend(self.parts.trimmer.full_segments(known)?);
        Ok(())
    }

    /// Bytes of the full segments that the newest snapshot does not hold all of.
    fn bytes_behind(&self) -> u64 {
        let snapshot = sequence(self.parts.newest.as_ref());
        let behind = self.segments.iter().rev();
        let behind = behind.take_while(|span| span.last > snapshot);
        behind.map(|span| span.bytes).sum()
    }

    fn wants_snapshot(&self) -> bool {
        let half = self
            .parts
            .newest
            .as_ref()
            .map_or(0, |newest| newest.bytes() / 2);
        self.bytes_behind() > self.snapshot_log_bytes_min.max(half)
    }

    fn make_snapshot(&mut self, stop: &KeeperStop) -> Result<(), SnapshotError> {
        let through = self.parts.visible.sequence();
        if !self.has_room() {
            self.rounds_to_wait = ROUNDS_AFTER_FAILURE;
            tracing::warn!(%through, "no room for a snapshot: it would take from the reserve");
            return Ok(());
        }
        let parts = &self.parts;
        let plan = |previous| SnapshotPlan {
            previous,
            through,
            pipeline: pipeline::VERSION,
            mutation_ids_max: self.mutation_ids_max,
            stop: &stop.stop,
        };
        let newest = parts.newest.as_ref();
        let made = match parts.snapshots.make(&parts.log, &plan(newest)) {
            // The log may still have everything.
            Err(SnapshotError::Damaged(damage)) if newest.is_some() && self.log_is_whole() => {
                tracing::error!(%damage, "the snapshot before is damaged; one is made from the log");
                parts.snapshots.make(&parts.log, &plan(None))?
            }
            made => made?,
        };
        tracing::info!(
            seq = %made.sequence(),
            documents = made.documents_count(),
            bytes = made.bytes(),
            "made a snapshot of the log"
        );
        parts.snapshots.remove_before(&made)?;
        self.parts.newest = Some(made);
        Ok(())
    }

    fn log_is_whole(&self) -> bool {
        self.parts.log.oldest() == Sequence(1)
    }

    /// Whether a snapshot, and what it takes to make one, leave the reserve alone.
    fn has_room(&self) -> bool {
        let before = self.parts.newest.as_ref().map_or(0, Snapshot::bytes);
        // What the log adds is written twice: in sorted runs, and in the snapshot.
        let wanted = before.saturating_add(self.bytes_behind().saturating_mul(2));
        let reserve = self.parts.reserve.bytes.saturating_add(wanted);
        let free = self.parts.reserve.free_bytes();
        free.is_none_or(|free| free >= reserve)
    }

    /// Drops what the round before has announced, and announces what the next one drops: a quiet
    /// subscription gets a checkpoint before its position is no longer kept.
    fn drop_segments(&mut self) -> Result<(), SnapshotError> {
        if let (Some(floor), Some(newest)) = (self.announced.take(), &self.parts.newest) {
            let dropped = self.parts.trimmer.truncate_through(floor, newest)?;
            if dropped > 0 {
                let oldest = self.parts.log.oldest();
                tracing::info!(%oldest, segments = dropped, "dropped the oldest of the log");
                self.segments.retain(|span| span.first >= oldest);
            }
        }
        let last_time = self.parts.log.last_time();
        // The hub reads what fell off its ring from the log: that must stay.
        let handed_out = *self.parts.hub.handed_out().borrow();
        let most = sequence(self.parts.newest.as_ref()).min(handed_out);
        let segments = self.segments.iter().copied();
        if let Some(floor) = self.retention.floor(segments, last_time, most) {
            self.parts.hub.checkpoint_all();
            self.announced = Some(floor);
        }
        Ok(())
    }
}

/// Runs a keeper until it is stopped.
pub(crate) struct KeeperWorker {
    pub(crate) keeper: Keeper,
    pub(crate) stop: Arc<KeeperStop>,
    pub(crate) interval: Duration,
}

impl Worker for KeeperWorker {
    fn turn(&mut self, patience: Patience) -> Turn {
        if !self.stop.wait(self.interval, patience) {
            return Turn::Over;
        }
        let round = || self.keeper.round(&self.stop);
        match catch_unwind(AssertUnwindSafe(round)) {
            Ok(Ok(())) => {}
            Ok(Err(SnapshotError::Stopped)) => return Turn::Over,
            Ok(Err(error)) => {
                self.keeper.rounds_to_wait = ROUNDS_AFTER_FAILURE;
                tracing::error!(%error, "the log is kept as it is: no snapshot, or no room made");
            }
            Err(_panic) => {
                self.keeper.rounds_to_wait = ROUNDS_AFTER_FAILURE;
                tracing::error!("the log is kept as it is: the keeper panicked");
            }
        }
        Turn::Done
    }
}

fn sequence(snapshot: Option<&Snapshot>) -> Sequence {
    snapshot.map_or(Sequence::ZERO, Snapshot::sequence)
}
