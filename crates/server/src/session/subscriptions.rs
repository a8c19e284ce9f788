//! The subscriptions of one connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::task::waker_ref;
use tokio::sync::Notify;
use wellspring_engine::Told;
use wellspring_protocol::error::WireError;
use wellspring_types::feed::FeedMessage;
use wellspring_types::{ResumeToken, Sequence};

use super::bells::{Bell, Bells};
use super::feed::Feed;

/// Live subscriptions that are asked in a row before others have their turn: what wakes itself, as
/// that does which has used up its share of the runtime, is not to keep the session.
const ASKED_MAX: usize = 32;

/// Subscriptions, each with a place. One that is live stays there, and is asked when its bell is
/// rung: a change that comes to it touches nothing else. Any other waits for its next message in a
/// future of its own, which the session keeps.
#[derive(Default)]
pub(super) struct Subscriptions {
    places: HashMap<Arc<str>, usize>,
    at: Vec<Option<Running>>,
    free: Vec<usize>,
    bells: Bells,
    generation: u64,
}

/// A subscription as the session sees it.
struct Running {
    /// While it is live; otherwise its future holds it.
    live: Option<Feed>,
    bell: Arc<Bell>,
    id: Arc<str>,
    token: Option<ResumeToken>,
    passed: Sequence,
    /// Tells a subscription from an earlier one at the same place, whose future is still there.
    generation: u64,
    /// Ends the wait of its future: the session wants to look at the subscription.
    recall: Arc<Notify>,
}

/// A subscription that has something to say, or was recalled.
pub(super) struct Turn {
    place: usize,
    generation: u64,
    recall: Arc<Notify>,
    subscription: Feed,
    what: Option<Result<Told, WireError>>,
}

/// What came of looking at a subscription.
#[derive(Default)]
pub(super) struct Came {
    pub(super) said: Option<Said>,
    /// Its next turn, which the session is to wait for.
    pub(super) again: Option<Box<Turn>>,
}

/// What a subscription said.
pub(super) struct Said {
    pub(super) id: Arc<str>,
    pub(super) what: Result<Told, WireError>,
    /// The last token that it was sent.
    pub(super) token: Option<ResumeToken>,
}

impl Said {
    /// The first commit of a message of changes.
    pub(super) fn first_commit(&self) -> Option<Sequence> {
        match &self.what {
            Ok(Told::Message(FeedMessage::Changes { commits, .. })) => {
                commits.first().map(|commit| commit.seq)
            }
            Ok(Told::Written(changes)) => Some(changes.first),
            _ => None,
        }
    }
}

impl Subscriptions {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// Adds a subscription; where it has a turn, the session is to wait for that.
    pub(super) fn add(&mut self, id: &str, subscription: Feed) -> Option<Box<Turn>> {
        self.generation += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.at.push(None);
            self.at.len() - 1
        });
        let id: Arc<str> = id.into();
        self.places.insert(Arc::clone(&id), place);
        let running = self.at[place].insert(Running {
            live: None,
            bell: self.bells.bell(place),
            id,
            token: None,
            passed: Sequence::ZERO,
            generation: self.generation,
            recall: Arc::new(Notify::new()),
        });
        running.wait_for(place, subscription)
    }

    /// Ends a subscription. Its future, if it has one, ends too, and is then dropped.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(place) = self.places.remove(id) else {
            return;
        };
        if let Some(running) = self.at[place].take() {
            running.recall.notify_one();
            self.free.push(place);
        }
    }

    /// Waits until a live subscription has something to say, is live no more, or has passed
    /// `target`.
    ///
    /// # Cancel safety
    /// Nothing is lost where it is not polled again.
    pub(super) fn poll_live(
        &mut self,
        context: &Context<'_>,
        target: Option<Sequence>,
    ) -> Poll<Came> {
        for _ in 0..ASKED_MAX {
            let place = ready!(self.bells.poll_rung(context));
            // It may have gone, or its future may hold it.
            let Some(running) = &mut self.at[place] else {
                continue;
            };
            running.bell.answer();
            let Some(subscription) = &mut running.live else {
                continue;
            };
            let waker = waker_ref(&running.bell);
            let what = subscription.poll_live(&mut Context::from_waker(&waker));
            // Messages first: it has passed a commit only once it has no more of it to say.
            let has_passed =
                target.is_some_and(|target| running.passed < target && subscription.passed(target));
            if let Some(target) = target.filter(|_| has_passed) {
                running.passed = target;
            }
            match what {
                Poll::Ready(what) => {
                    if let Some(subscription) = running.live.take() {
                        return Poll::Ready(self.came(place, subscription, what));
                    }
                }
                Poll::Pending if has_passed => {
                    return Poll::Ready(Came::default());
                }
                Poll::Pending => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Notes whether the subscription has passed `target`, and tells what came of its turn.
    pub(super) fn take_turn(&mut self, turn: Turn, target: Option<Sequence>) -> Came {
        let Some(running) = &mut self.at[turn.place] else {
            return Came::default();
        };
        if running.generation != turn.generation {
            return Came::default();
        }
        if let Some(target) = target.filter(|target| turn.subscription.passed(*target)) {
            running.passed = running.passed.max(target);
        }
        self.came(turn.place, turn.subscription, turn.what)
    }

    fn came(
        &mut self,
        place: usize,
        subscription: Feed,
        what: Option<Result<Told, WireError>>,
    ) -> Came {
        let Some(running) = &mut self.at[place] else {
            return Came::default();
        };
        let said = what.map(|what| Said {
            id: Arc::clone(&running.id),
            what,
            token: running.token.clone(),
        });
        match said.as_ref().map(|said| &said.what) {
            Some(Err(_over)) => {
                let id = Arc::clone(&running.id);
                self.remove(&id);
                return Came { said, again: None };
            }
            Some(Ok(told)) => {
                if let Some(token) = token_of(told) {
                    running.token = Some(token.clone());
                }
            }
            None => {}
        }
        let again = running.wait_for(place, subscription);
        Came { said, again }
    }

    /// Has every subscription looked at.
    pub(super) fn recall_all(&self) {
        for running in self.at.iter().flatten() {
            match running.live {
                Some(_) => running.bell.ring(),
                None => running.recall.notify_one(),
            }
        }
    }

    pub(super) fn have_passed(&self, target: Sequence) -> bool {
        let mut all = self.at.iter().flatten();
        all.all(|running| running.passed >= target)
    }

    /// The last token that was sent, where there is one subscription.
    pub(super) fn only_token(&self) -> Option<&ResumeToken> {
        let mut all = self.at.iter().flatten();
        match (all.next(), all.next()) {
            (Some(only), None) => only.token.as_ref(),
            _ => None,
        }
    }
}

impl Running {
    /// Has it wait for its next message: where it is if it is live, else in its next turn.
    fn wait_for(&mut self, place: usize, subscription: Feed) -> Option<Box<Turn>> {
        if subscription.is_live() {
            self.live = Some(subscription);
            // There may be something already.
            self.bell.ring();
            return None;
        }
        Some(Box::new(Turn {
            place,
            generation: self.generation,
            recall: Arc::clone(&self.recall),
            subscription,
            what: None,
        }))
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

fn token_of(told: &Told) -> Option<&ResumeToken> {
    let message = match told {
        Told::Written(changes) => return Some(&changes.token),
        Told::Message(message) => message,
    };
    match message {
        FeedMessage::Subscribed { token, .. } => token.as_ref(),
        FeedMessage::Snapshot { token, .. }
        | FeedMessage::Current { token, .. }
        | FeedMessage::Changes { token, .. }
        | FeedMessage::Checkpoint { token, .. } => Some(token),
        FeedMessage::Reset { .. } => None,
    }
}
