//! The queue of one subscription: filled by a pass over the log while it is behind, then by the
//! hub; drained by the subscription.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use wellspring_types::Sequence;
use wellspring_types::feed::FeedCommit;

use super::view::feed_commit_bytes;

/// Commits and checkpoints in their order. Counted in bytes; one commit of any size goes into an
/// empty queue. When one more does not fit, nothing more comes, and the subscription goes on from
/// its place in the log: behind what waits, if a pass has filled the queue, which had to read it;
/// what waits of the hub's is dropped, and what was to come to one change.
pub(crate) struct Queue {
    state: Mutex<State>,
    bytes_max: usize,
}

struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    filler: Filler,
    /// Commits through here were pushed, or are not wanted.
    pushed: Sequence,
    ended: Option<Ended>,
    /// Whether it was woken and has not found that out yet.
    woken: bool,
    /// The subscription, while it waits.
    waits: Option<Waker>,
}

enum Entry {
    Commit(Arc<FeedCommit>),
    Checkpoint(Sequence),
    Live(Sequence),
}

/// Who fills a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filler {
    /// A pass over the log.
    Pass(Wakes),
    /// The hub.
    Hub,
}

/// When a pass wakes a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    /// Whenever there is something.
    Soon,
    /// When nothing more comes of the pass: for those who are told what all of it comes to.
    AtItsEnd,
}

/// Why nothing more comes into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The subscription fell behind what is live.
    Overflowed,
    /// A pass goes on without it: everything through here was pushed; or what was pushed is
    /// dropped, and this is zero.
    Left(Sequence),
    /// The subscription is gone.
    Abandoned,
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
    /// Everything up to here was read from the log, and the hub goes on from here.
    Live(Sequence),
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
    /// There was no room, and the pass is to go on without it.
    Full,
}

impl Queue {
    /// For commits after `after`.
    pub(crate) fn new(bytes_max: usize, filler: Filler, after: Sequence) -> Queue {
        Queue {
            state: Mutex::new(State {
                entries: VecDeque::new(),
                bytes: 0,
                filler,
                pushed: after,
                ended: None,
                woken: false,
                waits: None,
            }),
            bytes_max,
        }
    }

    pub(crate) fn push(&self, commit: &Arc<FeedCommit>, bytes: usize) -> Pushed {
        let mut state = self.state.lock();
        // The hub may hand out once more what a pass has read before.
        if state.ended.is_some() || commit.seq <= state.pushed {
            return Pushed::Queued;
        }
        if state.bytes + bytes > self.bytes_max && !state.entries.is_empty() {
            return match state.filler {
                Filler::Pass(Wakes::Soon) => {
                    state.ended = Some(Ended::Left(Sequence(commit.seq.0 - 1)));
                    Pushed::Full
                }
                // Without what was before, the rest would come to something else.
                Filler::Pass(Wakes::AtItsEnd) => {
                    state.end(Ended::Left(Sequence::ZERO));
                    Pushed::Full
                }
                Filler::Hub => {
                    state.end(Ended::Overflowed);
                    Pushed::Wake
                }
            };
        }
        state.pushed = commit.seq;
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

    /// The hub fills it from now on: a pass has read everything through `seq`. Not if it has ended.
    pub(crate) fn go_live(&self, seq: Sequence) -> bool {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return false;
        }
        state.filler = Filler::Hub;
        state.pushed = state.pushed.max(seq);
        state.push(Entry::Live(seq));
        true
    }

    /// A pass that has read everything through `seq` goes on without it.
    pub(crate) fn leave(&self, seq: Sequence) {
        self.state.lock().ended.get_or_insert(Ended::Left(seq));
        self.wake();
    }

    /// Nobody takes anything any more. Tells who has filled it.
    pub(crate) fn abandon(&self) -> Filler {
        let mut state = self.state.lock();
        state.end(Ended::Abandoned);
        state.filler
    }

    pub(crate) fn filler(&self) -> Filler {
        self.state.lock().filler
    }

    pub(crate) fn close(&self) {
        self.state.lock().end(Ended::Closed);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        let mut state = self.state.lock();
        state.woken = true;
        let waits = state.waits.take();
        drop(state);
        if let Some(waker) = waits {
            waker.wake();
        }
    }

    /// Waits until it is woken, for one at a time. What wakes it while nobody waits is kept for the
    /// next call.
    pub(crate) fn poll_filled(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if mem::take(&mut state.woken) {
            return Poll::Ready(());
        }
        let known = state.waits.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(context.waker())) {
            let before = state.waits.replace(context.waker().clone());
            // Not with the lock held: nobody knows what else goes with a waker.
            drop(state);
            drop(before);
        }
        Poll::Pending
    }

    /// Takes commits of about `bytes_max`, or one of the other entries.
    pub(crate) fn take(&self, bytes_max: usize) -> Taken {
        let mut state = self.state.lock();
        let mut commits = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = state.entries.pop_front() {
            match entry {
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
                other if !commits.is_empty() => {
                    state.entries.push_front(other);
                    break;
                }
                Entry::Checkpoint(seq) => return Taken::Checkpoint(seq),
                Entry::Live(seq) => return Taken::Live(seq),
            }
        }
        if state.entries.is_empty() {
            // There may be very many queues, and most of them wait most of the time.
            state.entries = VecDeque::new();
        }
        match state.ended {
            _ if !commits.is_empty() => Taken::Commits(commits),
            Some(ended) => Taken::Ended(ended),
            None => Taken::Nothing,
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
            Entry::Checkpoint(_) | Entry::Live(_) => None,
        })
    }

    fn push(&mut self, entry: Entry) -> Pushed {
        self.entries.push_back(entry);
        let waits = self.filler == Filler::Pass(Wakes::AtItsEnd);
        if self.entries.len() == 1 && !waits {
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
