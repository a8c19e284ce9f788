//! A subscription's sessions, with each event's place in the order worked out.

use crate::history::model::{Feed, Name, Opened, Received, Seen};

/// From one `subscribed` to the next.
pub(super) struct Session<'h> {
    pub(super) feed: &'h Feed,
    pub(super) opened: &'h Opened,
    /// The `subscribed`.
    pub(super) first: &'h Received,
    pub(super) start: Start,
    /// What followed, and how it fits.
    pub(super) events: Vec<(&'h Received, Placement)>,
    pub(super) stretches: Vec<Stretch<'h>>,
}

/// What the client knows of where a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing: it began anew.
    Fresh,
    /// After this position.
    Position(u64),
    /// At this position, or after it.
    AtLeast(u64),
    /// Inside a snapshot.
    InSnapshot,
    /// In another history.
    Foreign,
}

/// How an event fits to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    Fine,
    /// The same change was received before.
    Repeated,
    /// A change that is before where the session began.
    BeforeStart,
    /// A change that is before one that was received.
    Late,
    /// A change that is before a checkpoint that was received.
    LateAfterCheckpoint,
    /// A change, or a checkpoint, before the snapshot was whole.
    DuringSnapshot,
    /// Of a commit of which a part had come, and then something else, or its end.
    Split,
    /// It stands between parts of another commit.
    Interrupts,
    /// A position before one that was reached.
    Fell,
    /// A start over, at this position of the subscription, if it had one.
    StartsOver(Option<u64>),
}

/// Changes of a session in a row: what the view has sent between two positions.
pub(super) struct Stretch<'h> {
    pub(super) seam: Seam,
    /// Complete after this sequence…
    pub(super) from: u64,
    /// … through this one.
    pub(super) to: u64,
    /// The first position that was reached.
    pub(super) first: Option<u64>,
    /// The event that reached the last.
    pub(super) last: &'h Received,
    pub(super) changes: Vec<(Seen, &'h Received)>,
    /// Checkpoints, each with how many of the changes had come before it.
    pub(super) checkpoints: Vec<(usize, u64, &'h Received)>,
}

/// What a stretch begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seam {
    /// Nothing that it had to fit to.
    None,
    Token,
    Snapshot,
}

impl<'h> Stretch<'h> {
    pub(super) fn new(seam: Seam, from: u64, last: &'h Received) -> Stretch<'h> {
        Stretch {
            seam,
            from,
            to: from,
            first: None,
            last,
            changes: Vec::new(),
            checkpoints: Vec::new(),
        }
    }

    pub(super) fn reach(&mut self, position: u64, complete: u64, by: &'h Received) {
        self.first.get_or_insert(position);
        if complete > self.to {
            self.to = complete;
            self.last = by;
        }
    }

    /// What was received, in order.
    pub(super) fn keys(&self) -> Vec<(u64, Name)> {
        let keys = self.changes.iter().map(|(seen, _)| (seen.seq, seen.path));
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        keys
    }
}
