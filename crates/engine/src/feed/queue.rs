//! The queue of one live subscription: filled by the hub, drained by the subscription.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use wellspring_types::Sequence;
use wellspring_types::feed::FeedCommit;

use super::view::feed_commit_bytes;

/// Commits and checkpoints in the hub's order. Counted in bytes; one commit of any size goes into
/// an empty queue. When one more does not fit, everything is dropped: the subscription has its
/// place in the log and reads on from there.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Notify,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    ended: Option<Ended>,
}

enum Entry {
    Commit(Arc<FeedCommit>),
    Checkpoint(Sequence),
}

/// Why nothing more comes into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The subscription fell behind.
    Overflowed,
    /// The database is closing.
    Closed,
}

/// What came out of a queue.
#[derive(Debug)]
pub(crate) enum Taken {
    /// At least one commit, oldest first.
    Commits(Vec<Arc<FeedCommit>>),
    /// Everything up to here was handed out.
    Checkpoint(Sequence),
    /// Nothing now.
    Nothing,
    /// Nothing more.
    Ended(Ended),
}

/// What waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) bytes: usize,
    /// The oldest commit.
    pub(crate) first: Option<Sequence>,
}

/// Whether the subscription must be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The first entry, or the end: it may be waiting.
    Wake,
    /// It was woken for an earlier entry that it has not taken yet.
    Queued,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Queue {
        Queue {
            state: Mutex::default(),
            filled: Notify::new(),
            bytes_max,
        }
    }

    pub(crate) fn push(&self, commit: &Arc<FeedCommit>, bytes: usize) -> Pushed {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return Pushed::Queued;
        }
        if state.bytes + bytes > self.bytes_max && !state.entries.is_empty() {
            state.end(Ended::Overflowed);
            return Pushed::Wake;
        }
        state.bytes += bytes;
        state.push(Entry::Commit(Arc::clone(commit)))
    }

    pub(crate) fn push_checkpoint(&self, seq: Sequence) -> Pushed {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return Pushed::Queued;
        }
        state.push(Entry::Checkpoint(seq))
    }

    pub(crate) fn close(&self) {
        self.state.lock().end(Ended::Closed);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Waits until something was pushed since the last time that nothing was taken.
    ///
    /// # Cancel safety
    /// A wake-up that is not awaited is kept for the next call.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes commits of about `bytes_max`, or one checkpoint.
    pub(crate) fn take(&self, bytes_max: usize) -> Taken {
        let mut state = self.state.lock();
        if let Some(ended) = state.ended {
            return Taken::Ended(ended);
        }
        let mut commits = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = state.entries.pop_front() {
            match entry {
                Entry::Checkpoint(seq) if commits.is_empty() => return Taken::Checkpoint(seq),
                Entry::Checkpoint(_) => {
                    state.entries.push_front(entry);
                    break;
                }
                Entry::Commit(commit) => {
                    let commit_bytes = feed_commit_bytes(&commit);
                    bytes += commit_bytes;
                    if bytes > bytes_max && !commits.is_empty() {
                        state.entries.push_front(Entry::Commit(commit));
                        break;
                    }
                    state.bytes -= commit_bytes;
                    commits.push(commit);
                }
            }
        }
        if state.entries.is_empty() {
            // There may be very many queues, and most of them wait most of the time.
            state.entries = VecDeque::new();
        }
        if commits.is_empty() {
            Taken::Nothing
        } else {
            Taken::Commits(commits)
        }
    }

    /// Whether a commit at or before `seq` waits. None does once the subscription has fallen behind:
    /// it is not live any more.
    pub(crate) fn holds(&self, seq: Sequence) -> bool {
        self.state.lock().first().is_some_and(|first| first <= seq)
    }

    /// What waits; `None` once nothing more comes.
    pub(crate) fn backlog(&self) -> Option<Backlog> {
        let state = self.state.lock();
        let (bytes, first) = (state.bytes, state.first());
        state.ended.is_none().then_some(Backlog { bytes, first })
    }

    pub(crate) fn has_overflowed(&self) -> bool {
        self.state.lock().ended == Some(Ended::Overflowed)
    }
}

impl State {
    /// The oldest commit.
    fn first(&self) -> Option<Sequence> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Commit(commit) => Some(commit.seq),
            Entry::Checkpoint(_) => None,
        })
    }

    fn push(&mut self, entry: Entry) -> Pushed {
        self.entries.push_back(entry);
        if self.entries.len() == 1 {
            Pushed::Wake
        } else {
            Pushed::Queued
        }
    }

    fn end(&mut self, ended: Ended) {
        self.entries = VecDeque::new();
        self.bytes = 0;
        self.ended.get_or_insert(ended);
    }
}
