//! Whether the database takes commits, and why not.

use std::fmt;

use parking_lot::RwLock;

/// Whether the database takes commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Writable,
    /// It does not; reads and feeds go on.
    ReadOnly(ReadOnlyReason),
}

/// Why a database takes no commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadOnlyReason {
    /// Less than the reserve is free on the file system. Clears by itself.
    DiskFull,
    /// The log could not be written. Cleared by opening the database again.
    LogFailed,
    /// The store could not be written. Cleared by opening the database again.
    StoreFailed,
    /// The thread that writes panicked. Cleared by opening the database again.
    WriterFailed,
    /// What was committed cannot be handed out, so that live subscriptions have ended. Cleared by
    /// opening the database again.
    FeedFailed,
}

impl ReadOnlyReason {
    /// Every reason.
    pub const ALL: [ReadOnlyReason; 5] = [
        ReadOnlyReason::DiskFull,
        ReadOnlyReason::LogFailed,
        ReadOnlyReason::StoreFailed,
        ReadOnlyReason::WriterFailed,
        ReadOnlyReason::FeedFailed,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ReadOnlyReason::DiskFull => "disk_full",
            ReadOnlyReason::LogFailed => "log_failed",
            ReadOnlyReason::StoreFailed => "store_failed",
            ReadOnlyReason::WriterFailed => "writer_failed",
            ReadOnlyReason::FeedFailed => "feed_failed",
        }
    }
}

impl fmt::Display for ReadOnlyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadOnlyReason::DiskFull => "the disk is nearly full; free some space",
            ReadOnlyReason::LogFailed => "the log could not be written; reopen the database",
            ReadOnlyReason::StoreFailed => "the store could not be written; reopen the database",
            ReadOnlyReason::WriterFailed => "the writer panicked; reopen the database",
            ReadOnlyReason::FeedFailed => "the feed cannot go on; reopen the database",
        })
    }
}

/// What keeps a database from taking commits, shared by its threads.
#[derive(Default)]
pub(crate) struct Condition {
    state: RwLock<ConditionState>,
}

#[derive(Default)]
struct ConditionState {
    failed: Option<ReadOnlyReason>,
    store_failed: bool,
    disk_full: bool,
}

impl Condition {
    /// Read-only until reopened. The first reason stays.
    pub(crate) fn fail(&self, reason: ReadOnlyReason) {
        let mut state = self.state.write();
        state.failed.get_or_insert(reason);
        state.store_failed |= reason == ReadOnlyReason::StoreFailed;
    }

    /// Whether the store has failed, whatever else has.
    pub(crate) fn has_store_failed(&self) -> bool {
        self.state.read().store_failed
    }

    pub(crate) fn set_disk_full(&self, disk_full: bool) {
        if self.state.read().disk_full != disk_full {
            self.state.write().disk_full = disk_full;
            tracing::warn!(disk_full, "free space passed the reserve");
        }
    }

    pub(crate) fn read_only(&self) -> Option<ReadOnlyReason> {
        let state = self.state.read();
        state
            .failed
            .or(state.disk_full.then_some(ReadOnlyReason::DiskFull))
    }
}
