//! A database as operators see it.

use super::Database;
use crate::statistics::{Statistics, SubscriptionStatistics, count};

impl Database {
    /// What it has done since it was opened, and how it stands now.
    ///
    /// Looks at every subscription, and asks the file system for its free space: off the
    /// runtime's threads where there are many.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let inner = &self.inner;
        let (read, feed, writer) = (&inner.read, &inner.feed, &inner.writer_counters);
        let (visible, handed_out) = (self.visible(), feed.hub.handed_out_through());
        let kept = *inner.kept.borrow();
        Statistics {
            commits: writer.commits(),
            group_commits: writer.group_commits(),
            group_bytes: writer.group_bytes(),
            append_micros: writer.append_micros(),
            visible,
            applied: read.visible.progress().applied,
            handed_out,
            oldest: self.floor().next(),
            collection_floors: count(read.floors.count()),
            snapshot: kept.snapshot,
            keeper_failures: kept.failures,
            overlay_bytes: count(read.visible.pending_bytes()),
            ring_bytes: count(inner.ring.bytes()),
            subscriptions: feed.tracker.totals(visible, handed_out),
            subscription_overflows: feed.tracker.overflows(),
            catch_up_commits: feed.tracker.catch_up_commits(),
            catch_up_bytes: feed.tracker.catch_up_bytes(),
            passes: feed.tracker.passes(),
            health: self.health(),
            free_bytes: inner.reserve.free_bytes(),
            reserve_bytes: inner.reserve.bytes,
        }
    }

    /// Every subscription that there is, in no order.
    ///
    /// Looks at every one: off the runtime's threads where there are many.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<SubscriptionStatistics> {
        let feed = &self.inner.feed;
        let (tracker, handed_out) = (&feed.tracker, feed.hub.handed_out_through());
        let mut all = tracker.list(self.visible(), handed_out);
        for one in &mut all {
            one.floor = self.inner.read.floor_of_set(&one.collections);
        }
        all
    }
}
