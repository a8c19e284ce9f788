//! The keeper: a thread that makes snapshots of the log, moves the floors as settings ask, and drops
//! what is below them, beside everything else and at nobody's expense: what fails here is logged
//! and tried again.

mod marks;
mod retention;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use wellspring_log::{
    ReadError, SegmentSpan, Snapshot, SnapshotError, SnapshotPlan, Snapshots, Trimmer,
};
use wellspring_types::{Sequence, limits};

use crate::commit::CommitError;
use crate::executor::{Patience, Turn, Worker};
use crate::feed::Hub;
use crate::floors::FloorMove;
use crate::options::Options;
use crate::pipeline::{self, Answered, Pipeline, Reserve};
use crate::read::Sources;
use marks::Marks;
use retention::Retention;

/// Rounds that are let pass after something has failed.
const ROUNDS_AFTER_FAILURE: u32 = 60;
/// Bytes of the log that a round reads for the floors of collections: all that is new, as a rule.
const READ_BYTES: usize = 256 << 20;

/// What is kept of a database's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The last commit of the newest snapshot; zero without one.
    pub snapshot: Sequence,
    /// The first commit in the log.
    pub oldest: Sequence,
    /// The last sequence whose changes are no longer offered, of any collection.
    pub floor: Sequence,
    /// Times since the opening that a snapshot could not be made, or something not be dropped.
    pub failures: u64,
}

/// Why a round was given up.
#[derive(Debug, thiserror::Error)]
enum KeeperError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the log could not be read: {0}")]
    Read(#[from] ReadError),
    #[error("the floors could not be moved: {0}")]
    Floors(#[from] CommitError),
}

/// What the keeper works with.
pub(crate) struct KeeperParts {
    pub(crate) snapshots: Snapshots,
    /// The newest snapshot.
    pub(crate) newest: Option<Snapshot>,
    pub(crate) read: Sources,
    pub(crate) trimmer: Trimmer,
    pub(crate) pipeline: Arc<Pipeline>,
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
    /// What the next round moves.
    announced: Vec<FloorMove>,
    /// The command that moves floors, until it is answered.
    moving: Option<Answered>,
    marks: Marks,
    /// Everything up to here is in `marks`.
    marked: Sequence,
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

impl KeeperParts {
    fn kept(&self, failures: u64) -> Kept {
        Kept {
            snapshot: sequence(self.newest.as_ref()),
            oldest: self.read.log.oldest(),
            floor: self.read.floor_of_all(),
            failures,
        }
    }
}

impl Keeper {
    pub(crate) fn new(parts: KeeperParts, options: &Options) -> Keeper {
        let kept = parts.kept(0);
        Keeper {
            parts,
            retention: Retention {
                age_ms_max: options.retention_age_ms_max,
                bytes_max: options.retention_bytes_max,
            },
            snapshot_log_bytes_min: options.snapshot_log_bytes_min,
            mutation_ids_max: options.mutation_ids_max,
            segments: VecDeque::new(),
            announced: Vec::new(),
            moving: None,
            marks: Marks::new(options.collection_retention.clone()),
            marked: Sequence::ZERO,
            rounds_to_wait: 0,
            kept: watch::Sender::new(kept),
        }
    }

    pub(crate) fn kept(&self) -> watch::Receiver<Kept> {
        self.kept.subscribe()
    }

    fn round(&mut self, stop: &KeeperStop) -> Result<(), KeeperError> {
        if self.rounds_to_wait > 0 {
            self.rounds_to_wait -= 1;
            return Ok(());
        }
        self.look_at_segments()?;
        if self.wants_snapshot() {
            self.make_snapshot(stop)?;
        }
        self.drop_segments()?;
        if self.have_moved()? && !self.move_floors() {
            self.announce_floors(stop)?;
        }
        self.kept.send_if_modified(|kept| {
            let now = self.parts.kept(kept.failures);
            std::mem::replace(kept, now) != now
        });
        Ok(())
    }

    /// Lets some rounds pass.
    fn has_failed(&mut self) {
        self.rounds_to_wait = ROUNDS_AFTER_FAILURE;
        self.kept.send_modify(|kept| kept.failures += 1);
    }

    /// Takes note of segments that are full by now.
    fn look_at_segments(&mut self) -> Result<(), KeeperError> {
        let known = self
            .segments
            .back()
            .map_or(Sequence::ZERO, |span| span.last);
        let full = self.parts.trimmer.full_segments(known);
        self.segments.extend(full.map_err(SnapshotError::from)?);
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
        let through = self.parts.read.visible.sequence();
        if !self.has_room() {
            self.has_failed();
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
        let made = match parts.snapshots.make(&parts.read.log, &plan(newest)) {
            // The log may still have everything.
            Err(SnapshotError::Damaged(damage)) if newest.is_some() && self.log_is_whole() => {
                tracing::error!(%damage, "the snapshot before is damaged; one is made from the log");
                parts.snapshots.make(&parts.read.log, &plan(None))?
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
        self.parts.read.log.oldest() == Sequence(1)
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

    /// Drops the segments that lie below the floor: it is visible since an earlier round.
    fn drop_segments(&mut self) -> Result<(), KeeperError> {
        let Some(newest) = &self.parts.newest else {
            return Ok(());
        };
        // The hub reads what fell off its ring from the log: that must stay.
        let floor = self.parts.read.floors.all().min(self.handed_out());
        let mut segments = self.segments.iter();
        if segments.next().is_none_or(|oldest| oldest.last > floor) {
            return Ok(());
        }
        let dropped = self.parts.trimmer.truncate_through(floor, newest);
        if dropped.map_err(SnapshotError::from)? > 0 {
            let oldest = self.parts.read.log.oldest();
            tracing::info!(%oldest, "dropped the oldest of the log");
            self.segments.retain(|span| span.first >= oldest);
        }
        Ok(())
    }

    fn handed_out(&self) -> Sequence {
        self.parts.hub.handed_out_through()
    }

    /// Hands over the command that moves the floors which the round before has announced; false
    /// if there is none.
    fn move_floors(&mut self) -> bool {
        let command = self.parts.read.floors.command(&self.announced);
        self.announced.clear();
        self.moving = command.and_then(|command| self.parts.pipeline.hand_over(command));
        self.moving.is_some()
    }

    /// Whether the last command that moved floors was carried out.
    fn have_moved(&mut self) -> Result<bool, CommitError> {
        let Some(moving) = &mut self.moving else {
            return Ok(true);
        };
        let Some(answer) = moving.look() else {
            return Ok(false);
        };
        self.moving = None;
        match answer {
            Ok(committed) => {
                let floor = self.parts.read.floors.all();
                tracing::debug!(seq = %committed.seq, %floor, "moved floors");
                Ok(true)
            }
            // An operator was faster: what is still wanted is announced again.
            Err(CommitError::PreconditionFailed { .. }) => Ok(true),
            Err(refused) => Err(refused),
        }
    }

    /// Announces the floors that the next round moves: a quiet subscription gets a checkpoint
    /// before its position is no longer offered.
    fn announce_floors(&mut self, stop: &KeeperStop) -> Result<(), KeeperError> {
        let handed_out = self.handed_out();
        let last_time = self.parts.read.log.last_time();
        let most = sequence(self.parts.newest.as_ref()).min(handed_out);
        let segments = self.segments.iter().copied();
        let floor = self.retention.floor(segments, last_time, most);
        let floor = floor.filter(|floor| *floor > self.parts.read.floors.all());
        self.announced.extend(floor.map(|through| FloorMove {
            collection: None,
            through,
        }));
        if !self.marks.is_idle() {
            self.read_on(handed_out, stop)?;
            let (floors, collections) = (&self.parts.read.floors, &self.parts.read.collections);
            let room = limits::COMMIT_WRITES_MAX - self.announced.len();
            let due = self.marks.due(last_time, room, |id| floors.of_number(id));
            let due = due.into_iter().filter_map(|(id, through)| {
                let collection = Some(collections.path(id)?);
                Some(FloorMove {
                    collection,
                    through,
                })
            });
            self.announced.extend(due);
        }
        if !self.announced.is_empty() {
            self.parts.hub.checkpoint_before(&self.announced);
        }
        Ok(())
    }

    /// Reads what has become visible since the last round, or since the log begins.
    fn read_on(&mut self, through: Sequence, stop: &KeeperStop) -> Result<(), KeeperError> {
        let read = &self.parts.read;
        self.marked = self.marked.max(Sequence(read.log.oldest().0 - 1));
        let mut bytes = 0;
        for record in read.log.read(self.marked, through, None) {
            let record = record?;
            for change in &record.changes {
                let collection = change.collection;
                let place = (record.sequence, record.time);
                self.marks
                    .note(collection, place, || read.collections.path(collection));
            }
            self.marked = record.sequence;
            bytes += record.encoded_bytes();
            if bytes >= READ_BYTES || stop.is_set() {
                break;
            }
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
            Ok(Err(KeeperError::Snapshot(SnapshotError::Stopped))) => return Turn::Over,
            Ok(Err(error)) => {
                self.keeper.has_failed();
                tracing::error!(%error, "the log is kept as it is: no snapshot, or no room made");
            }
            Err(_panic) => {
                self.keeper.has_failed();
                tracing::error!("the log is kept as it is: the keeper panicked");
            }
        }
        Turn::Done
    }
}

fn sequence(snapshot: Option<&Snapshot>) -> Sequence {
    snapshot.map_or(Sequence::ZERO, Snapshot::sequence)
}
