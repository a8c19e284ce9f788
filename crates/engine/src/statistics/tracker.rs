//! The subscriptions that there are, as operators see them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wellspring_types::{CollectionSet, Sequence};

use super::{SubscriptionTotals, count};
use crate::commit::Commit;
use crate::feed::Queue;

/// Whom a subscription serves. For the eyes of operators: nothing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// How its changes go out.
    pub transport: &'static str,
    /// Where they go.
    pub peer: Option<SocketAddr>,
}

impl Default for Subscriber {
    /// The program that the database is embedded in.
    fn default() -> Subscriber {
        Subscriber {
            transport: "embedded",
            peer: None,
        }
    }
}

/// What a subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubscriptionState {
    /// It reads the documents that there are.
    Snapshot,
    /// It reads from the log, or will as soon as it is asked for more.
    CatchUp,
    /// It takes what the hub queues for it.
    Live,
}

/// One subscription.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionStatistics {
    /// Tells it from others of the same database, while that is open.
    pub id: u64,
    /// Whom it serves.
    pub subscriber: Subscriber,
    /// What it is subscribed to.
    pub collections: CollectionSet,
    /// Whether it is sent net changes while it is behind.
    pub conflates: bool,
    /// What it is doing.
    pub state: SubscriptionState,
    /// Everything up to here was returned by it, or is before where it began.
    pub position: Sequence,
    /// The floor of its collections: a position before it is of no use to whoever comes back.
    pub floor: Sequence,
    /// Commits that are visible and that it may still have to return.
    pub lag: u64,
    /// Bytes of changes in its queue.
    pub queued_bytes: u64,
    /// How long ago it began.
    pub age: Duration,
}

/// Knows all subscriptions.
pub(crate) struct Tracker {
    began: Instant,
    // Held for one operation on the map, or to copy its values; never across an await.
    all: Mutex<HashMap<u64, Arc<Tracked>>>,
    next_id: AtomicU64,
    overflows: AtomicU64,
    catch_up_commits: AtomicU64,
    catch_up_bytes: AtomicU64,
    passes: AtomicU64,
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker {
            began: Instant::now(),
            all: Mutex::default(),
            next_id: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
            catch_up_commits: AtomicU64::new(0),
            catch_up_bytes: AtomicU64::new(0),
            passes: AtomicU64::new(0),
        }
    }
}

/// What was read of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanned {
    commits: u64,
    pub(crate) bytes: usize,
}

impl Scanned {
    pub(crate) fn add(&mut self, commit: &Commit) {
        self.add_bytes(commit.bytes());
    }

    /// Adds a commit of so many bytes.
    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.commits += 1;
        self.bytes += bytes;
    }

    /// Adds what was read before.
    pub(crate) fn join(&mut self, before: Scanned) {
        self.commits += before.commits;
        self.bytes += before.bytes;
    }
}

/// What a subscription tells of itself.
struct Tracked {
    id: u64,
    subscriber: Subscriber,
    collections: CollectionSet,
    conflates: bool,
    /// Milliseconds since the tracker began: half of an `Instant`, as there may be very many of these.
    began_ms: u64,
    state: AtomicU8,
    position: AtomicU64,
    queue: Mutex<Weak<Queue>>,
}

/// A subscription's place in the tracker, given up when it is dropped.
pub(crate) struct Tracking {
    tracker: Arc<Tracker>,
    tracked: Arc<Tracked>,
}

impl Tracker {
    pub(crate) fn track(
        self: &Arc<Tracker>,
        subscriber: Subscriber,
        collections: CollectionSet,
        (position, conflates): (Sequence, bool),
    ) -> Tracking {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let tracked = Arc::new(Tracked {
            id,
            subscriber,
            collections,
            conflates,
            began_ms: self.now_ms(),
            state: AtomicU8::new(SubscriptionState::CatchUp.to_number()),
            position: AtomicU64::new(position.0),
            queue: Mutex::new(Weak::new()),
        });
        self.all.lock().insert(id, Arc::clone(&tracked));
        Tracking {
            tracker: Arc::clone(self),
            tracked,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }

    pub(crate) fn catch_up_commits(&self) -> u64 {
        self.catch_up_commits.load(Ordering::Relaxed)
    }

    pub(crate) fn catch_up_bytes(&self) -> u64 {
        self.catch_up_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// A pass over the log begins.
    pub(crate) fn pass_began(&self) {
        self.passes.fetch_add(1, Ordering::Relaxed);
    }

    /// This was read for who is not live.
    pub(crate) fn caught_up(&self, scanned: Scanned) {
        let (commits, bytes) = (scanned.commits, count(scanned.bytes));
        self.catch_up_commits.fetch_add(commits, Ordering::Relaxed);
        self.catch_up_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Every subscription, as it stands to what is visible and to what was handed out.
    pub(crate) fn list(
        &self,
        visible: Sequence,
        handed_out: Sequence,
    ) -> Vec<SubscriptionStatistics> {
        // Copied first: who subscribes must not wait until all queues were looked at.
        let all: Vec<Arc<Tracked>> = self.all.lock().values().cloned().collect();
        let now_ms = self.now_ms();
        let told = all
            .iter()
            .map(|one| one.statistics(now_ms, visible, handed_out));
        told.collect()
    }

    pub(crate) fn totals(&self, visible: Sequence, handed_out: Sequence) -> SubscriptionTotals {
        let mut totals = SubscriptionTotals::default();
        let mut counts = HashMap::new();
        for one in self.list(visible, handed_out) {
            let (transport, state) = (one.subscriber.transport, one.state);
            *counts.entry((transport, state)).or_insert(0) += 1;
            totals.queued_bytes += one.queued_bytes;
            totals.lag_max = totals.lag_max.max(one.lag);
            let behind = visible.0.saturating_sub(one.position.0);
            totals.checkpoint_lag_max = totals.checkpoint_lag_max.max(behind);
        }
        let counts = counts.into_iter();
        totals.counts = counts
            .map(|((transport, state), count)| (transport, state, count))
            .collect();
        totals.counts.sort_unstable();
        totals
    }
}

impl Tracked {
    fn statistics(
        &self,
        now_ms: u64,
        visible: Sequence,
        handed_out: Sequence,
    ) -> SubscriptionStatistics {
        let position = self.position.load(Ordering::Relaxed);
        let queue = self.queue.lock().upgrade();
        let backlog = queue.and_then(|queue| queue.backlog());
        let state = SubscriptionState::from_number(self.state.load(Ordering::Relaxed));
        let (state, reached) = match (state, &backlog) {
            (SubscriptionState::Live, Some(backlog)) => {
                // What waits in the queue is all that it has to return of what was handed out.
                let before_queue = backlog.first.map(|first| first.0.saturating_sub(1));
                (state, before_queue.unwrap_or(handed_out.0).max(position))
            }
            // It fell behind and was not asked for more since.
            (SubscriptionState::Live, None) => (SubscriptionState::CatchUp, position),
            (state, _) => (state, position),
        };
        SubscriptionStatistics {
            id: self.id,
            subscriber: self.subscriber,
            collections: self.collections.clone(),
            conflates: self.conflates,
            state,
            position: Sequence(position),
            floor: Sequence::ZERO,
            lag: visible.0.saturating_sub(reached),
            queued_bytes: backlog.map_or(0, |backlog| count(backlog.bytes)),
            age: Duration::from_millis(now_ms.saturating_sub(self.began_ms)),
        }
    }
}

impl Tracking {
    pub(crate) fn note(&self, state: SubscriptionState, position: Sequence) {
        let (told, number) = (&self.tracked, state.to_number());
        told.position.store(position.0, Ordering::Relaxed);
        told.state.store(number, Ordering::Relaxed);
    }

    /// From now on its changes come into this queue.
    pub(crate) fn note_queue(&self, queue: &Arc<Queue>) {
        *self.tracked.queue.lock() = Arc::downgrade(queue);
    }

    pub(crate) fn overflowed(&self) {
        self.tracker.overflows.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn caught_up(&self, scanned: Scanned) {
        self.tracker.caught_up(scanned);
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        self.tracker.all.lock().remove(&self.tracked.id);
    }
}

impl SubscriptionState {
    /// Every state.
    pub const ALL: [SubscriptionState; 3] = [
        SubscriptionState::Snapshot,
        SubscriptionState::CatchUp,
        SubscriptionState::Live,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionState::Snapshot => "snapshot",
            SubscriptionState::CatchUp => "catch_up",
            SubscriptionState::Live => "live",
        }
    }

    fn to_number(self) -> u8 {
        match self {
            SubscriptionState::Snapshot => 0,
            SubscriptionState::CatchUp => 1,
            SubscriptionState::Live => 2,
        }
    }

    fn from_number(number: u8) -> SubscriptionState {
        let all = SubscriptionState::ALL;
        all[usize::from(number).min(all.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_kept_as_a_number() {
        for state in SubscriptionState::ALL {
            assert_eq!(SubscriptionState::from_number(state.to_number()), state);
        }
    }
}
