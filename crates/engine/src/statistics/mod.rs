//! Numbers for operators: counted where the work is done, for an atomic addition each, and
//! gathered when somebody looks. What they are called outside is not known here.

mod histogram;
mod tracker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wellspring_types::Sequence;

use crate::health::Health;

pub use histogram::Distribution;
pub(crate) use histogram::Histogram;
pub(crate) use tracker::{Scanned, Tracker, Tracking};
pub use tracker::{Subscriber, SubscriptionState, SubscriptionStatistics};

/// Largest observations of the buckets of commits in a group.
const GROUP_COMMITS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/// Largest observations of the buckets of bytes of a group.
const GROUP_BYTES: &[u64] = &[
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
];
/// Largest observations of the buckets of the time of an append, in microseconds.
const APPEND_MICROS: &[u64] = &[
    50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// What a database has done since it was opened, and how it stands now. Its parts are read one
/// after another, while the database goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Commits that became durable.
    pub commits: u64,
    /// Commits that became durable together, by one append and one sync.
    pub group_commits: Distribution,
    /// Bytes of such groups, about.
    pub group_bytes: Distribution,
    /// How long it took to write such a group to the log and to sync it, in microseconds.
    pub append_micros: Distribution,
    /// The last visible sequence.
    pub visible: Sequence,
    /// The last sequence that the store has.
    pub applied: Sequence,
    /// The last sequence that is in the queues of all live subscriptions.
    pub handed_out: Sequence,
    /// The first sequence that is offered to those who come back.
    pub oldest: Sequence,
    /// Collections that have a floor of their own.
    pub collection_floors: u64,
    /// The last commit of the newest snapshot of the log; zero without one.
    pub snapshot: Sequence,
    /// Times that a snapshot could not be made, or something of the log not be dropped.
    pub keeper_failures: u64,
    /// Bytes of commits that are visible and not yet in the store.
    pub overlay_bytes: u64,
    /// Bytes of commits that wait for the hub.
    pub ring_bytes: u64,
    /// The subscriptions that there are.
    pub subscriptions: SubscriptionTotals,
    /// Times that a live subscription fell behind and went on from the log.
    pub subscription_overflows: u64,
    /// Commits read from the log for subscriptions that were not live. What a pass reads counts
    /// once, however many it is for.
    pub catch_up_commits: u64,
    /// Bytes of changes of these.
    pub catch_up_bytes: u64,
    /// Passes over the log, each for all subscriptions of the same collections that were about as
    /// far behind.
    pub passes: u64,
    /// Whether it takes commits.
    pub health: Health,
    /// Bytes free on the file system; `None` where it does not say.
    pub free_bytes: Option<u64>,
    /// Free bytes below which commits are refused.
    pub reserve_bytes: u64,
}

/// All subscriptions together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionTotals {
    /// How many there are, by the transport that they were made with and their state; none where
    /// there are none.
    pub counts: Vec<(&'static str, SubscriptionState, u64)>,
    /// Bytes of changes in their queues. What several share is counted for each.
    pub queued_bytes: u64,
    /// Commits between what the one furthest behind has and what is visible.
    pub lag_max: u64,
    /// Commits between the oldest position that one was told and what is visible: a token is so
    /// much older than the database.
    pub checkpoint_lag_max: u64,
}

/// What the writer counts.
#[derive(Debug)]
pub(crate) struct WriterCounters {
    commits: AtomicU64,
    group_commits: Histogram,
    group_bytes: Histogram,
    append_micros: Histogram,
}

impl Default for WriterCounters {
    fn default() -> WriterCounters {
        WriterCounters {
            commits: AtomicU64::new(0),
            group_commits: Histogram::new(GROUP_COMMITS),
            group_bytes: Histogram::new(GROUP_BYTES),
            append_micros: Histogram::new(APPEND_MICROS),
        }
    }
}

impl WriterCounters {
    /// A group became durable.
    pub(crate) fn appended(&self, commits: usize, bytes: usize, took: Duration) {
        let commits = count(commits);
        self.commits.fetch_add(commits, Ordering::Relaxed);
        self.group_commits.observe(commits);
        self.group_bytes.observe(count(bytes));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.append_micros.observe(micros);
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn group_commits(&self) -> Distribution {
        self.group_commits.distribution()
    }

    pub(crate) fn group_bytes(&self) -> Distribution {
        self.group_bytes.distribution()
    }

    pub(crate) fn append_micros(&self) -> Distribution {
        self.append_micros.distribution()
    }
}

/// A size as it is told.
pub(crate) fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
