//! What the connection received for one subscription and its stream has not taken yet.
//!
//! The connection never waits for a stream: if it did, one that nobody reads would hold up the
//! results of commits on the same connection. Instead the queue is *cut*: the subscription ends on
//! the server, and the stream subscribes again, after the last token that it took, once it has
//! emptied the queue. Cuts fall only between commits, never between the parts of one, so that each
//! subscription brings a stream forward by at least one whole commit.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use wellspring_protocol::error::WireError;
use wellspring_types::ResumeToken;

use crate::wire::{self, FeedPart};

/// A queue of one subscription, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Queue {
    bytes_max: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    parts: VecDeque<(FeedPart, usize)>,
    bytes: usize,
    /// The last part has no token: what follows belongs with it.
    unfinished: bool,
    end: Option<End>,
}

/// Why nothing more comes from a subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// The stream was too slow; the server is told to end the subscription.
    Cut,
    /// The connection was lost.
    Lost,
    /// The server refused or ended it.
    Ended {
        /// Why.
        error: WireError,
        /// Where it ended, if that is known.
        token: Option<ResumeToken>,
    },
    /// The client was closed.
    Closed,
}

/// What a stream takes next.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    Part(FeedPart),
    End(End),
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Queue {
        Queue {
            bytes_max,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was received, or cuts the queue where that is too much. Whether the subscription
    /// goes on.
    #[must_use]
    pub(crate) fn push(&self, part: FeedPart, bytes: usize) -> bool {
        let mut state = self.state();
        if state.end.is_some() {
            return false;
        }
        let full = state.bytes > 0 && state.bytes.saturating_add(bytes) > self.bytes_max;
        if full && !state.unfinished {
            state.end = Some(End::Cut);
        } else {
            state.unfinished = wire::is_followed_by_parts(&part);
            state.bytes += bytes;
            state.parts.push_back((part, bytes));
        }
        let goes_on = state.end.is_none();
        drop(state);
        self.changed.notify_one();
        goes_on
    }

    /// Nothing more comes, for this reason, unless there was another before.
    pub(crate) fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.changed.notify_one();
    }

    fn try_take(&self) -> Option<Taken> {
        let mut state = self.state();
        if let Some((part, bytes)) = state.parts.pop_front() {
            state.bytes -= bytes;
            return Some(Taken::Part(part));
        }
        state.end.clone().map(Taken::End)
    }

    /// The next part; after the last, again and again the reason why nothing more comes.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn take(&self) -> Taken {
        loop {
            // One stream takes from a queue, and `notify_one` is remembered for it.
            let changed = self.changed.notified();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use wellspring_types::{Sequence, Timestamp};

    use super::*;

    fn checkpoint(seq: u64) -> FeedPart {
        FeedPart::Checkpoint {
            seq: Sequence(seq),
            token: ResumeToken::new("t"),
        }
    }

    fn unfinished(seq: u64) -> FeedPart {
        let commit = wire::ReceivedCommit {
            seq: Sequence(seq),
            time: Timestamp::default(),
            actor: None,
            mutation_id: None,
            changes: Vec::new(),
            conflated: false,
            more: true,
        };
        FeedPart::Changes {
            commits: vec![commit],
            token: None,
        }
    }

    #[tokio::test]
    async fn gives_what_was_received_before_it_tells_of_the_end() {
        let queue = Queue::new(100);
        assert!(queue.push(checkpoint(1), 10));
        queue.end(End::Lost);
        queue.end(End::Closed);
        assert!(!queue.push(checkpoint(2), 10));
        assert_eq!(queue.take().await, Taken::Part(checkpoint(1)));
        assert_eq!(queue.take().await, Taken::End(End::Lost));
        assert_eq!(queue.take().await, Taken::End(End::Lost));
    }

    #[tokio::test]
    async fn is_cut_when_it_would_grow_past_its_bound() {
        let queue = Queue::new(100);
        assert!(queue.push(checkpoint(1), 60));
        assert!(!queue.push(checkpoint(2), 60));
        assert_eq!(queue.take().await, Taken::Part(checkpoint(1)));
        assert_eq!(queue.take().await, Taken::End(End::Cut));
    }

    #[tokio::test]
    async fn takes_one_large_message_while_it_is_empty() {
        let queue = Queue::new(100);
        assert!(queue.push(checkpoint(1), 1000));
        assert_eq!(queue.take().await, Taken::Part(checkpoint(1)));
        assert!(queue.push(checkpoint(2), 1000));
    }

    #[tokio::test]
    async fn is_never_cut_between_the_parts_of_a_commit() {
        let queue = Queue::new(100);
        assert!(queue.push(unfinished(7), 80));
        assert!(queue.push(unfinished(7), 80));
        assert!(queue.push(checkpoint(7), 80));
        assert!(!queue.push(unfinished(8), 80));
    }
}
