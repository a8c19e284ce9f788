//! A subscription that takes part in a consumer: a plain one of the whole consumer from where its
//! share begins, of which it passes on the changes of its slots.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use wellspring_types::consumer::{ConsumerName, Consuming};
use wellspring_types::feed::{
    Change, Encoded, FeedCommit, FeedMessage, From, How, SubscribeRequest,
};
use wellspring_types::{ResumeToken, Sequence, limits};

use super::record::{Target, lowest};
use super::slots::slot_of;
use super::state::{MemberId, Share, ToDo};
use super::{ConsumeError, Consumer, Consumers};
use crate::feed::{Subscription, SubscriptionError, subscribe};
use crate::statistics::Subscriber;
use crate::token::Place;

/// A part of a consumer's changes, from [`crate::Database::consume`]. It works only while it is
/// asked for the [`next`](ConsumerSubscription::next) message; what it returned and nobody has
/// acknowledged when it is dropped is given to others.
pub struct ConsumerSubscription {
    consumers: Arc<Consumers>,
    /// Of the whole consumer.
    request: SubscribeRequest,
    consuming: Consuming,
    subscriber: Subscriber,
    changed: Arc<Notify>,
    phase: Phase,
}

enum Phase {
    /// Finding the consumer, or making it. Kept while nobody asks for the next message: it would
    /// never come to an end where that is given up and begun again.
    Joining(Pin<Box<dyn Future<Output = Result<Joined, ConsumeError>> + Send>>),
    Joined(Box<Joined>),
    /// Over: nothing but its error, which was returned.
    Over,
}

/// A place in the consumer, given up when it is dropped.
struct Joined {
    consumer: Arc<Consumer>,
    id: MemberId,
    /// `None` before the first.
    part: Option<Part>,
}

/// The changes of one share.
struct Part {
    share: Share,
    /// Of the whole consumer; `None` where the share is nothing.
    feed: Option<Subscription>,
    /// What was found and not sent yet.
    found: Option<Found>,
    /// Whether what is on disk is to be looked at: a floor may be about to pass it.
    look: bool,
}

/// Changes of the share, or none, and through where there are no others.
struct Found {
    commits: Vec<Arc<FeedCommit>>,
    through: Sequence,
    is_checkpoint: bool,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.consumer.state.lock().leave(self.id);
    }
}

impl ConsumerSubscription {
    pub(crate) fn new(
        consumers: Arc<Consumers>,
        mut request: SubscribeRequest,
        subscriber: Subscriber,
    ) -> Result<ConsumerSubscription, ConsumeError> {
        let consuming = request.consumer.take().ok_or(ConsumeError::Nameless)?;
        let unfit = |what| Err(ConsumeError::Unfit { what });
        if request.known.is_some() {
            return unfit("known");
        }
        if request.conflate {
            return unfit("conflate");
        }
        if request.from == From::Snapshot {
            return unfit("a snapshot");
        }
        if !(1..=limits::UNACKED_MAX).contains(&consuming.unacked_max) {
            return Err(ConsumeError::UnackedMax);
        }
        if !limits::ACK_TIMEOUT_MS_RANGE.contains(&consuming.ack_timeout_ms) {
            return Err(ConsumeError::AckTimeout);
        }
        // Its position is a position, or a gap that is declared.
        request.end_on_gap = true;
        let changed = Arc::new(Notify::new());
        let joining = join(
            Arc::clone(&consumers),
            request.clone(),
            consuming.name.clone(),
            (subscriber, Arc::clone(&changed)),
        );
        Ok(ConsumerSubscription {
            phase: Phase::Joining(Box::pin(joining)),
            consumers,
            request,
            consuming,
            subscriber,
            changed,
        })
    }

    /// The next message: `Subscribed` at first and whenever its share is another, then `Changes` and
    /// `Checkpoint`. It waits as long as there is none, and while too much is not acknowledged.
    ///
    /// # Errors
    /// When the subscription is over. It stays over.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: the next call goes on where it was.
    pub async fn next(&mut self) -> Result<FeedMessage, ConsumeError> {
        let next = self.work().await;
        if next.is_err() {
            self.phase = Phase::Over;
        }
        next
    }

    async fn work(&mut self) -> Result<FeedMessage, ConsumeError> {
        let unacked_max = usize::try_from(self.consuming.unacked_max).unwrap_or(usize::MAX);
        let timeout = Duration::from_millis(self.consuming.ack_timeout_ms);
        loop {
            let joined = match &mut self.phase {
                Phase::Over => return Err(SubscriptionError::Closed.into()),
                Phase::Joining(joining) => {
                    self.phase = Phase::Joined(Box::new(joining.await?));
                    continue;
                }
                Phase::Joined(joined) => joined,
            };
            let generation = joined.part.as_ref().map(|part| part.share.generation);
            let (to_do, due) = {
                let state = joined.consumer.state.lock();
                state.to_do(joined.id, generation, unacked_max)
            };
            let goes_on = match to_do {
                ToDo::Over => {
                    let name = self.consuming.name.clone();
                    return Err(ConsumeError::Deleted { name });
                }
                ToDo::Begin => return self.begin(),
                ToDo::Wait => false,
                ToDo::Go => true,
            };
            let part = joined.part.as_mut().filter(|_| goes_on);
            if let Some(part) = part {
                if std::mem::take(&mut part.look) {
                    let consumer = Arc::clone(&joined.consumer);
                    self.consumers.store_before_floor(&consumer).await;
                    continue;
                }
                if part.found.is_some() {
                    match self.send(unacked_max) {
                        Some(message) => return Ok(message),
                        None => continue,
                    }
                }
            }
            let part = joined.part.as_mut();
            let overdue = async {
                match due {
                    Some(since) => tokio::time::sleep_until(since + timeout).await,
                    None => std::future::pending().await,
                }
            };
            let more = tokio::select! {
                biased;
                () = self.changed.notified() => None,
                () = overdue => return Err(self.unacknowledged()),
                more = more(part.filter(|_| goes_on)) => Some(more?),
            };
            if let Phase::Joined(joined) = &mut self.phase
                && let (Some(part), Some(more)) = (&mut joined.part, more)
            {
                part.take(more);
            }
        }
    }

    /// Begins with the share that it has now.
    fn begin(&mut self) -> Result<FeedMessage, ConsumeError> {
        let sources = &self.consumers.feed;
        let Phase::Joined(joined) = &mut self.phase else {
            return Err(SubscriptionError::Closed.into());
        };
        let share = joined.consumer.state.lock().share(joined.id);
        let share = share.ok_or(SubscriptionError::Closed)?;
        let held = share.slots.iter().map(|slot| share.positions[slot]);
        let (seq, feed) = match held.min() {
            None => (lowest(&share.positions), None),
            Some(first) => {
                let request = SubscribeRequest {
                    from: From::Token(sources.sealer.position(first)),
                    ..self.request.clone()
                };
                let feed = subscribe(Arc::clone(sources), request, self.subscriber)?;
                (first, Some(feed))
            }
        };
        let generation = share.generation;
        joined.part = Some(Part {
            share,
            feed,
            found: None,
            look: false,
        });
        Ok(FeedMessage::Subscribed {
            how: How::Resumed,
            seq,
            token: Some(self.token(generation, seq)),
            known: false,
        })
    }

    /// Sends what was found, as far as it may: the rest stays.
    fn send(&mut self, unacked_max: usize) -> Option<FeedMessage> {
        let Phase::Joined(joined) = &mut self.phase else {
            return None;
        };
        let part = joined.part.as_mut()?;
        let mut found = part.found.take()?;
        let generation = part.share.generation;
        let mut state = joined.consumer.state.lock();
        let room = unacked_max.saturating_sub(state.unacked(joined.id));
        if room == 0 && !found.commits.is_empty() {
            part.found = Some(found);
            return None;
        }
        let rest = found.commits.split_off(room.min(found.commits.len()));
        let through = match found.commits.last() {
            Some(last) if !rest.is_empty() => last.seq,
            _ => found.through,
        };
        let commits = found.commits.iter().map(|commit| commit.seq);
        if !state.send(joined.id, generation, commits, through) {
            return None; // Its share is another, and begins where everything is acknowledged.
        }
        drop(state);
        if !rest.is_empty() {
            part.found = Some(Found {
                commits: rest,
                ..found
            });
        }
        part.look |= found.is_checkpoint;
        let token = self.token(generation, through);
        if !found.commits.is_empty() {
            let commits = found.commits;
            return Some(FeedMessage::Changes { commits, token });
        }
        let seq = through;
        found
            .is_checkpoint
            .then_some(FeedMessage::Checkpoint { seq, token })
    }

    fn token(&self, generation: u64, position: Sequence) -> ResumeToken {
        ResumeToken::new(&self.consumers.feed.sealer.seal(&Place::InConsumer {
            position,
            generation,
            name: self.consuming.name.as_str().into(),
        }))
    }

    fn unacknowledged(&self) -> ConsumeError {
        let unacked = match &self.phase {
            Phase::Joined(joined) => joined.consumer.state.lock().unacked(joined.id),
            _ => 0,
        };
        ConsumeError::Unacknowledged {
            timeout_ms: self.consuming.ack_timeout_ms,
            unacked,
        }
    }
}

/// Takes part in the consumer, which is made where there is none.
async fn join(
    consumers: Arc<Consumers>,
    request: SubscribeRequest,
    name: ConsumerName,
    (subscriber, changed): (Subscriber, Arc<Notify>),
) -> Result<Joined, ConsumeError> {
    let target = Target {
        collections: request.collections.clone(),
        view: request.view.clone(),
    };
    let consumer = match consumers.find(&name).await? {
        Some(found) => found,
        None => {
            // A subscription knows where it begins.
            let mut pinned = subscribe(Arc::clone(&consumers.feed), request, subscriber)?;
            let FeedMessage::Subscribed { seq, .. } = pinned.next().await? else {
                return Err(SubscriptionError::Closed.into());
            };
            consumers.find_or_make(&name, target.clone(), seq).await?
        }
    };
    if consumer.target != target {
        return Err(ConsumeError::OtherTarget { name });
    }
    let id = consumer.state.lock().join(changed);
    Ok(Joined {
        consumer,
        id,
        part: None,
    })
}

impl Part {
    /// Takes what belongs to the share from a message of the whole consumer's feed.
    fn take(&mut self, message: FeedMessage) {
        self.found = match message {
            FeedMessage::Changes { commits, .. } => {
                let through = commits.last().map_or(Sequence::ZERO, |commit| commit.seq);
                let commits = commits.iter().filter_map(|commit| self.share.of(commit));
                Some(Found {
                    commits: commits.collect(),
                    through,
                    is_checkpoint: false,
                })
            }
            FeedMessage::Checkpoint { seq, .. } => Some(Found {
                commits: Vec::new(),
                through: seq,
                is_checkpoint: true,
            }),
            // It was pinned; and it ends where it would have to start over.
            _ => None,
        };
    }
}

impl Share {
    /// What the share has of a commit: changes of its slots that are not acknowledged.
    fn of(&self, commit: &Arc<FeedCommit>) -> Option<Arc<FeedCommit>> {
        let is_of = |change: &&Change| {
            let slot = slot_of(&change.path);
            self.slots.has(slot) && commit.seq > self.positions[slot]
        };
        let count = commit.changes.iter().filter(is_of).count();
        if count == commit.changes.len() {
            return Some(Arc::clone(commit));
        }
        (count > 0).then(|| {
            Arc::new(FeedCommit {
                seq: commit.seq,
                time: commit.time,
                actor: commit.actor.clone(),
                mutation_id: commit.mutation_id.clone(),
                changes: commit.changes.iter().filter(is_of).cloned().collect(),
                conflated: false,
                encoded: Encoded::default(),
            })
        })
    }
}

/// The next message of a feed; never, where there is none.
async fn more(part: Option<&mut Part>) -> Result<FeedMessage, SubscriptionError> {
    match part.and_then(|part| part.feed.as_mut()) {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}
