//! The `A` rules: what acknowledgements of consumers stand for. And, as they are of a share of a
//! consumer's changes: S1 (its sequence rises), S4 (it begins where it says), S7 and S8 (what the log
//! says).
//!
//! What the server had done by a moment follows from what its clients had been told and had asked by
//! then, and nothing else is taken for granted: an acknowledgement counts from when it was sent where
//! it may count, and from when it was answered where it must; a subscription is gone once it may be.

mod acks;
mod documents;
mod positions;
mod shares;

use std::collections::{BTreeMap, HashMap};

use super::facts::Facts;
use super::view::{Shown, ViewLog};
use crate::history::model::{Feed, Name};
use crate::history::verdict::Report;

/// How much there was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) sessions: u64,
    /// Changes that were sent once more.
    pub(super) repeats: u64,
}

/// A consumer: what all who took part in it were sent and have acknowledged.
struct Consumer<'h> {
    name: Name,
    taken: shares::Taken<'h>,
    view: &'h ViewLog,
    /// Where it began.
    start: u64,
    /// What it was to be sent of each document: sequences, oldest first.
    expected: HashMap<Name, Vec<u64>>,
}

pub(super) fn check(facts: &Facts<'_>, views: &[ViewLog], report: &mut Report) -> Counts {
    let mut feeds: BTreeMap<Name, Vec<&Feed>> = BTreeMap::new();
    for feed in &facts.history.feeds {
        if let Some(name) = feed.consumer() {
            feeds.entry(name).or_default().push(feed);
        }
    }
    let mut counts = Counts::default();
    for (name, feeds) in feeds {
        let taken = shares::take(facts, &feeds, report);
        counts.sessions += u64::try_from(taken.sessions.len()).unwrap_or(u64::MAX);
        let view = taken
            .shares
            .first()
            .and_then(|share| views.get(share.opened.view));
        let (Some(view), Some(start)) = (view, taken.shares.iter().map(|of| of.opened.seq).min())
        else {
            continue;
        };
        let mut expected: HashMap<Name, Vec<u64>> = HashMap::new();
        let changes = view.between(start, u64::MAX).iter();
        for change in changes.filter(|change| change.shown == Shown::Sent) {
            expected.entry(change.path).or_default().push(change.seq);
        }
        let consumer = Consumer {
            name,
            taken,
            view,
            start,
            expected,
        };
        acks::check(facts, &consumer, report);
        counts.repeats += documents::check(facts, &consumer, report);
        positions::check(facts, &consumer, report);
    }
    counts
}
