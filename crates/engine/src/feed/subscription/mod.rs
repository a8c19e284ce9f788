//! A subscription: one state machine for every transport.

mod begin;
mod catch_up;
mod known;
mod live;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use wellspring_log::ReadError::BeforeOldest;
use wellspring_store::StoreError;
use wellspring_types::feed::{ChangesWriter, FeedMessage, How, ResetReason, View, WrittenChanges};
use wellspring_types::{CollectionSet, ResumeToken, Sequence, limits};

use super::SubscriptionError;
use super::catch_up::CaughtUp;
use super::conflate::Telling;
use super::hub::Hub;
use super::passes::Passes;
use super::queue::Wakes;
use super::registration::Registration;
use super::snapshot::{Cursor, Members, Snapshot, Step as SnapshotStep};
use crate::executor::{Executor, Job};
use crate::read::{ReadError, Sources};
use crate::seeded::SeededBug;
use crate::statistics::{SubscriptionState, Tracker, Tracking};
use crate::token::Sealer;

pub(crate) use begin::subscribe;
pub use catch_up::Told;
use known::Said;
use live::Took;

/// Bytes of commits in one `Changes` message, about.
const MESSAGE_BYTES: usize = 512 << 10;

/// What subscriptions work with.
pub(crate) struct FeedSources {
    pub(crate) read: Sources,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) queue_bytes_max: usize,
    pub(crate) changed_bytes_max: usize,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) passes: Arc<Passes>,
    pub(crate) executor: Arc<dyn Executor>,
    /// Called when a token proves that history was lost: it is of this epoch, and ahead of
    /// everything durable. Changes the epoch.
    pub(crate) lost_future: Box<dyn Fn(Sequence) + Send + Sync>,
}

/// The changes of one collection or several, from [`crate::Database::subscribe`]. It works only while it is
/// asked for the [`next`](Subscription::next) message; while it is not, its queue may overflow,
/// and then it goes on from the log: nothing is lost, and no writer waits.
pub struct Subscription {
    sources: Arc<FeedSources>,
    wanted: Wanted,
    phase: Phase,
    /// Everything up to here was returned, or is before where it began.
    position: Sequence,
    /// What is known of the snapshot that it may begin with.
    known: Said,
    /// Messages that are ready.
    outbox: VecDeque<FeedMessage>,
    checkpoint_due: Instant,
    /// Runs out at `checkpoint_due` or before.
    checkpoint_timer: Option<Pin<Box<Sleep>>>,
    /// Writes what it reads of the log, for who asks so.
    pub(super) writer: Option<Arc<dyn ChangesWriter>>,
    tracking: Tracking,
}

/// What is needed of a request once it is accepted, the view shared with the hub.
struct Wanted {
    collections: CollectionSet,
    /// What is looked through.
    view: Arc<View>,
    /// How what is seen through it is told.
    telling: Telling,
    end_on_gap: bool,
    checkpoint_interval_ms: u64,
}

enum Phase {
    /// Finding the sequence of a time.
    Locating(Job<Result<Sequence, ReadError>>),
    /// Sending a snapshot; not working on it right now.
    Snapshot(Box<Snapshot>),
    /// Reading a page of it.
    SnapshotWork(Job<(Box<Snapshot>, Result<SnapshotStep, ReadError>)>),
    /// Not live, and not on its way there yet.
    Behind,
    /// Taking what a pass over the log queues.
    InPass(Registration),
    /// Reading the log by itself. With a registration: through the sequence that its queue starts
    /// after.
    CatchUp(Option<(Registration, Sequence)>),
    /// Reading a part of it.
    CatchUpWork(
        Option<(Registration, Sequence)>,
        Job<Result<CaughtUp, ReadError>>,
    ),
    /// Taking what the hub queues.
    Live(Registration),
    /// Over: nothing but its error, which was returned.
    Over,
}

/// What [`Subscription::step`] came to.
pub(super) enum Step {
    Message(FeedMessage),
    /// Only for who asks for it.
    Written(WrittenChanges),
    /// Live, and nothing is queued.
    Idle,
}

impl Subscription {
    /// The next message. It waits as long as there is none.
    ///
    /// # Errors
    /// When the subscription is over. It stays over.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: the next call goes on where it was.
    pub async fn next(&mut self) -> Result<FeedMessage, SubscriptionError> {
        self.writer = None;
        loop {
            match self.step().await? {
                Step::Message(message) => {
                    self.checkpoint_later();
                    return Ok(message);
                }
                Step::Written(written) => self.take_back(&written),
                Step::Idle => self.wait().await,
            }
        }
    }

    /// Whether every change that it is to see of the commits through `seq` was returned; also
    /// true while it is not live, as it has no promise to keep then.
    #[must_use]
    pub fn passed(&self, seq: Sequence) -> bool {
        let Phase::Live(registration) = &self.phase else {
            return true;
        };
        // In this order: what the hub has handed out is in the queue or was taken from it.
        self.sources.hub.handed_out_through() >= seq
            && !registration.queue.holds(seq)
            && self.outbox.is_empty()
    }

    /// The token of the position that everything returned so far leads to; `None` inside a
    /// snapshot, whose messages carry their own.
    pub(super) fn position_token(&self) -> Option<ResumeToken> {
        match self.phase {
            Phase::Locating(_) | Phase::Snapshot(_) | Phase::SnapshotWork(_) | Phase::Over => None,
            _ => Some(self.sources.sealer.position(self.position)),
        }
    }

    /// Has a live subscription's position brought up to what is visible now.
    pub(super) async fn request_checkpoint_of_all_visible(&mut self) {
        let visible = self.sources.read.visible.sequence();
        // The hub, which sends, lives in `self`; if it stops, the queue says so. What is awaited
        // holds the watch locked, and must be gone before the hub is asked for anything.
        let mut handed_out = self.sources.hub.handed_out();
        let _is_open = handed_out.wait_for(|now| *now >= visible).await.is_ok();
        if self.has(SeededBug::CheckpointOvertakes) {
            self.position = visible;
            self.push_checkpoint();
        } else if let Phase::Live(registration) = &self.phase {
            registration.request_checkpoint();
        }
    }

    /// The next message, or the word that there is none now. After an error it is over.
    pub(super) async fn step(&mut self) -> Result<Step, SubscriptionError> {
        let step = self.work().await;
        if step.is_err() {
            self.phase = Phase::Over;
        }
        step
    }

    async fn work(&mut self) -> Result<Step, SubscriptionError> {
        loop {
            self.tell_tracker();
            if let Some(message) = self.pop_ready() {
                return Ok(Step::Message(message));
            }
            match &mut self.phase {
                Phase::Over => return Err(SubscriptionError::Closed),
                Phase::Locating(work) => {
                    let first = done(work).await?;
                    self.located(first)?;
                }
                Phase::Snapshot(snapshot) => {
                    // A client that is cut off inside must have a place to come back to.
                    let read = &self.sources.read;
                    if snapshot.pin() < read.floor_of_set(&self.wanted.collections) {
                        snapshot.keep_up(read);
                    }
                    self.sources.read.visible.applied(snapshot.needs()).await;
                    self.work_on_snapshot();
                }
                Phase::SnapshotWork(work) => {
                    let (snapshot, step) = done(work).await?;
                    self.snapshot_step(snapshot, step)?;
                }
                Phase::Behind => {
                    self.set_out();
                    // For all that is found at a time: what was found first may be there already.
                    self.wait().await;
                }
                Phase::InPass(_) => match self.take()? {
                    Took::Message(message) => return Ok(self.told(message)),
                    Took::Silence => {}
                    Took::Nothing => self.wait().await,
                },
                Phase::CatchUp(_) => self.catch_up(),
                Phase::CatchUpWork(_, work) => {
                    let caught_up = done(work).await?;
                    if let Some(written) = self.caught_up(caught_up)? {
                        return Ok(Step::Written(written));
                    }
                }
                Phase::Live(_) => match self.take()? {
                    Took::Message(message) => return Ok(self.told(message)),
                    Took::Silence => {}
                    Took::Nothing => return Ok(Step::Idle),
                },
            }
        }
    }

    /// The next of the messages that are ready.
    fn pop_ready(&mut self) -> Option<FeedMessage> {
        let message = self.outbox.pop_front()?;
        if self.outbox.is_empty() {
            // There may be very many subscriptions, and most of them wait.
            self.outbox = VecDeque::new();
        }
        Some(message)
    }

    fn told(&self, message: FeedMessage) -> Step {
        self.tell_tracker();
        Step::Message(message)
    }

    pub(super) fn is_catching_up(&self) -> bool {
        matches!(
            self.phase,
            Phase::Behind | Phase::InPass(_) | Phase::CatchUp(_) | Phase::CatchUpWork(..)
        )
    }

    pub(super) fn checkpoint_later(&mut self) {
        let interval_ms = self
            .wanted
            .checkpoint_interval_ms
            .min(limits::CHECKPOINT_INTERVAL_MS);
        self.checkpoint_due = Instant::now() + Duration::from_millis(interval_ms);
    }

    fn register(&self) -> (Registration, Sequence) {
        let (collections, view) = (&self.wanted.collections, &self.wanted.view);
        let queue_bytes_max = self.sources.queue_bytes_max;
        let registered =
            Registration::in_hub(&self.sources.hub, collections, view, queue_bytes_max);
        self.tracking.note_queue(&registered.0.queue);
        registered
    }

    fn has(&self, bug: SeededBug) -> bool {
        self.sources.read.bugs.has(bug)
    }

    fn tell_tracker(&self) {
        let state = match self.phase {
            Phase::Snapshot(_) | Phase::SnapshotWork(_) => SubscriptionState::Snapshot,
            Phase::Live(_) => SubscriptionState::Live,
            _ => SubscriptionState::CatchUp,
        };
        self.tracking.note(state, self.position);
    }

    fn subscribed(&mut self, how: How) {
        let is_snapshot = how == How::Snapshot;
        if !is_snapshot {
            self.known = Said::Nothing;
        }
        let token = (!is_snapshot).then(|| self.sources.sealer.position(self.position));
        self.outbox.push_back(FeedMessage::Subscribed {
            how,
            seq: self.position,
            token,
            known: self.known.is_known(),
        });
    }

    fn snapshot(&mut self, pin: Sequence, after: Option<Cursor>) -> Snapshot {
        let (collections, view) = (self.wanted.collections.clone(), self.wanted.view.clone());
        let members = Members::new(collections, &self.sources.read.collections, after);
        Snapshot::new(
            members,
            view,
            pin,
            self.known.take(),
            self.sources.changed_bytes_max,
        )
    }

    fn work_on_snapshot(&mut self) {
        let Phase::Snapshot(mut snapshot) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        let sources = Arc::clone(&self.sources);
        let work = move || {
            let step = snapshot.step(&sources.read, &sources.sealer);
            (snapshot, step)
        };
        self.phase = Phase::SnapshotWork(Job::start(&self.sources.executor, work));
    }

    fn snapshot_step(
        &mut self,
        mut snapshot: Box<Snapshot>,
        step: Result<SnapshotStep, ReadError>,
    ) -> Result<(), SubscriptionError> {
        match step {
            Ok(SnapshotStep::Messages(messages)) => {
                self.outbox.extend(messages);
                self.phase = Phase::Snapshot(snapshot);
            }
            Ok(SnapshotStep::Done(messages)) => {
                self.outbox.extend(messages);
                self.position = snapshot.pin();
                let token = self.sources.sealer.position(self.position);
                self.outbox.push_back(FeedMessage::Current {
                    seq: self.position,
                    token,
                });
                self.phase = Phase::Behind;
            }
            Ok(SnapshotStep::Overrun) => {
                snapshot.move_on(&self.sources.read);
                self.phase = Phase::Snapshot(snapshot);
            }
            Err(error) => self.gap_or(error)?,
        }
        Ok(())
    }

    /// Takes a place: in the hub where there is nothing to catch up with, else in a pass.
    fn set_out(&mut self) {
        if self.position >= self.sources.read.visible.sequence() {
            self.phase = Phase::CatchUp(Some(self.register()));
            return;
        }
        let (collections, view) = (&self.wanted.collections, &self.wanted.view);
        let wakes = match self.wanted.telling {
            Telling::Every => Wakes::Soon,
            Telling::Net { .. } => Wakes::AtItsEnd,
        };
        let from = (self.position, wakes, self.sources.queue_bytes_max);
        let registration = Registration::in_pass(&self.sources.passes, collections, view, from);
        self.tracking.note_queue(&registration.queue);
        self.phase = Phase::InPass(registration);
    }

    fn push_checkpoint(&mut self) {
        let checkpoint = self.checkpoint();
        self.outbox.push_back(checkpoint);
    }

    fn checkpoint(&self) -> FeedMessage {
        FeedMessage::Checkpoint {
            seq: self.position,
            token: self.sources.sealer.position(self.position),
        }
    }

    /// Turns "not kept any more" into a declared gap.
    fn gap_or(&mut self, error: ReadError) -> Result<(), SubscriptionError> {
        let oldest = match error {
            ReadError::Log(BeforeOldest { oldest, .. }) => oldest,
            ReadError::Store(StoreError::Closed) => return Err(SubscriptionError::Closed),
            error => return Err(error.into()),
        };
        if self.wanted.end_on_gap {
            return Err(SubscriptionError::TokenExpired { oldest });
        }
        self.begin_snapshot();
        // On a running subscription the reset stands alone, without another `subscribed`.
        self.outbox.pop_back();
        self.outbox.push_back(FeedMessage::Reset {
            reason: ResetReason::Retention,
            known: false,
        });
        Ok(())
    }
}

/// The outcome of blocking work. Only the runtime's end cancels it.
async fn done<T>(work: &mut Job<T>) -> Result<T, SubscriptionError> {
    work.await.map_err(|_lost| SubscriptionError::Closed)
}
