//! The live subscriptions of one connection.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;
use wellspring_protocol::error::WireError;
use wellspring_types::feed::FeedMessage;
use wellspring_types::{ResumeToken, Sequence};

use super::feed::Feed;

/// Subscriptions by their ids. Each waits for its next message in a future of its own, which the
/// session keeps.
#[derive(Default)]
pub(super) struct Subscriptions {
    live: HashMap<Arc<str>, Live>,
    generation: u64,
}

/// A subscription as the session sees it while its future holds the rest.
struct Live {
    /// Tells a subscription from an earlier one with the same id, whose future is still there.
    generation: u64,
    /// Ends the wait: the session wants to look at the subscription.
    recall: Arc<Notify>,
    token: Option<ResumeToken>,
    passed: Sequence,
}

/// A subscription that has something to say, or was recalled.
pub(super) struct Turn {
    id: Arc<str>,
    generation: u64,
    recall: Arc<Notify>,
    subscription: Feed,
    what: Option<Result<FeedMessage, WireError>>,
}

/// What a subscription said.
pub(super) struct Said {
    pub(super) id: Arc<str>,
    pub(super) what: Result<FeedMessage, WireError>,
    /// The last token that it was sent.
    pub(super) token: Option<ResumeToken>,
}

impl Said {
    /// The first commit of a message of changes.
    pub(super) fn first_commit(&self) -> Option<Sequence> {
        match &self.what {
            Ok(FeedMessage::Changes { commits, .. }) => commits.first().map(|commit| commit.seq),
            _ => None,
        }
    }
}

impl Subscriptions {
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.live.contains_key(id)
    }

    /// Adds a subscription; the session is to wait for its turn.
    pub(super) fn add(&mut self, id: &str, subscription: Feed) -> Box<Turn> {
        self.generation += 1;
        let id: Arc<str> = id.into();
        let recall = Arc::new(Notify::new());
        let live = Live {
            generation: self.generation,
            recall: Arc::clone(&recall),
            token: None,
            passed: Sequence::ZERO,
        };
        self.live.insert(Arc::clone(&id), live);
        Box::new(Turn {
            id,
            generation: self.generation,
            recall,
            subscription,
            what: None,
        })
    }

    /// Ends a subscription. Its future ends too, and is then dropped.
    pub(super) fn remove(&mut self, id: &str) {
        if let Some(live) = self.live.remove(id) {
            live.recall.notify_one();
        }
    }

    /// Notes whether the subscription has passed `target`, and gives what it said and, where it
    /// goes on, its next turn, which the session is to wait for.
    pub(super) fn take_turn(
        &mut self,
        mut turn: Box<Turn>,
        target: Option<Sequence>,
    ) -> (Option<Said>, Option<Box<Turn>>) {
        let Some(live) = self.live.get_mut(&turn.id) else {
            return (None, None);
        };
        if live.generation != turn.generation {
            return (None, None);
        }
        if let Some(target) = target.filter(|target| turn.subscription.passed(*target)) {
            live.passed = live.passed.max(target);
        }
        let said = turn.what.take().map(|what| Said {
            id: Arc::clone(&turn.id),
            what,
            token: live.token.clone(),
        });
        match said.as_ref().map(|said| &said.what) {
            Some(Err(_over)) => {
                self.live.remove(&turn.id);
                return (said, None);
            }
            Some(Ok(message)) => {
                if let Some(token) = token_of(message) {
                    live.token = Some(token.clone());
                }
            }
            None => {}
        }
        (said, Some(turn))
    }

    /// Makes every subscription take a turn, if only to be looked at.
    pub(super) fn recall_all(&self) {
        for live in self.live.values() {
            live.recall.notify_one();
        }
    }

    pub(super) fn have_passed(&self, target: Sequence) -> bool {
        self.live.values().all(|live| live.passed >= target)
    }

    /// The last token that was sent, where there is one subscription.
    pub(super) fn only_token(&self) -> Option<&ResumeToken> {
        let mut all = self.live.values();
        match (all.next(), all.next()) {
            (Some(only), None) => only.token.as_ref(),
            _ => None,
        }
    }
}

impl Turn {
    /// Waits until the subscription has something to say, or is recalled.
    pub(super) async fn comes(mut self: Box<Self>) -> Box<Turn> {
        self.what = tokio::select! {
            // Messages first: a subscription that was recalled has passed a commit only once it
            // has no more of it to say.
            biased;
            what = self.subscription.next() => Some(what),
            () = self.recall.notified() => None,
        };
        self
    }
}

fn token_of(message: &FeedMessage) -> Option<&ResumeToken> {
    match message {
        FeedMessage::Subscribed { token, .. } => token.as_ref(),
        FeedMessage::Snapshot { token, .. }
        | FeedMessage::Current { token, .. }
        | FeedMessage::Changes { token, .. }
        | FeedMessage::Checkpoint { token, .. } => Some(token),
        FeedMessage::Reset { .. } => None,
    }
}
