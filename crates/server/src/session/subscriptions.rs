//! The live subscriptions of one connection.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;
use wellspring_protocol::error::WireError;
use wellspring_types::feed::FeedMessage;
use wellspring_types::{ResumeToken, Sequence};

use super::feed::Feed;

/// Subscriptions by their ids. Each waits for its next message in a future of its own, which is
/// polled only when it is woken, however many there are.
#[derive(Default)]
pub(super) struct Subscriptions {
    waiting: FuturesUnordered<BoxFuture<'static, Turn>>,
    live: HashMap<Box<str>, Live>,
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
    id: Box<str>,
    generation: u64,
    subscription: Feed,
    what: Option<Result<FeedMessage, WireError>>,
}

/// What a subscription said.
pub(super) struct Said {
    pub(super) id: Box<str>,
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

    pub(super) fn add(&mut self, id: Box<str>, subscription: Feed) {
        self.generation += 1;
        let generation = self.generation;
        let recall = Arc::new(Notify::new());
        let live = Live {
            generation,
            recall,
            token: None,
            passed: Sequence::ZERO,
        };
        self.wait(
            Turn {
                id: id.clone(),
                generation,
                subscription,
                what: None,
            },
            &live,
        );
        self.live.insert(id, live);
    }

    /// Ends a subscription. Its future ends too, and is then dropped.
    pub(super) fn remove(&mut self, id: &str) {
        if let Some(live) = self.live.remove(id) {
            live.recall.notify_one();
        }
    }

    /// The next subscription that has something to say; never `None` while there are any.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Turn> {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        self.waiting.next().await
    }

    /// Notes whether the subscription has passed `target`, lets it wait again, and gives what it
    /// said.
    pub(super) fn take_turn(&mut self, turn: Turn, target: Option<Sequence>) -> Option<Said> {
        let live = self.live.get_mut(&turn.id)?;
        if live.generation != turn.generation {
            return None;
        }
        if let Some(target) = target.filter(|target| turn.subscription.passed(*target)) {
            live.passed = live.passed.max(target);
        }
        let Turn {
            id,
            generation,
            subscription,
            what,
        } = turn;
        let said = what.map(|what| Said {
            id: id.clone(),
            what,
            token: live.token.clone(),
        });
        if let Some(Said { what: Err(_), .. }) = said {
            self.live.remove(&id);
            return said;
        }
        if let Some(Said {
            what: Ok(message), ..
        }) = &said
            && let Some(token) = token_of(message)
        {
            live.token = Some(token.clone());
        }
        let again = Turn {
            id,
            generation,
            subscription,
            what: None,
        };
        self.waiting.push(waiting(again, Arc::clone(&live.recall)));
        said
    }

    fn wait(&mut self, turn: Turn, live: &Live) {
        self.waiting.push(waiting(turn, Arc::clone(&live.recall)));
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

fn waiting(mut turn: Turn, recall: Arc<Notify>) -> BoxFuture<'static, Turn> {
    Box::pin(async move {
        turn.what = tokio::select! {
            // Messages first: a subscription that was recalled has passed a commit only once it
            // has no more of it to say.
            biased;
            what = turn.subscription.next() => Some(what),
            () = recall.notified() => None,
        };
        turn
    })
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
