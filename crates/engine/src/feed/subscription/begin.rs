//! How a subscription begins: where it is pinned, and what it is told where it cannot go on from
//! where it wanted to.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;
use wellspring_log::ReadError::BeforeOldest;
use wellspring_types::feed::{FeedMessage, From, How, ResetReason, SubscribeRequest};
use wellspring_types::{ResumeToken, Sequence, limits};

use super::known::{self, Said};
use super::{FeedSources, Phase, Subscription, Wanted};
use crate::executor::Job;
use crate::feed::conflate::Telling;
use crate::feed::snapshot::Cursor;
use crate::feed::{SubscribeError, SubscriptionError};
use crate::read::ReadError;
use crate::statistics::Subscriber;
use crate::token::{Extent, Place, Scope, TokenError};

/// Accepts a request: pins its position before it returns.
pub(crate) fn subscribe(
    sources: Arc<FeedSources>,
    mut request: SubscribeRequest,
    subscriber: Subscriber,
) -> Result<Subscription, SubscribeError> {
    if request.checkpoint_interval_ms < limits::CHECKPOINT_INTERVAL_MS_MIN {
        return Err(SubscribeError::CheckpointInterval);
    }
    if request.consumer.is_some() {
        return Err(SubscribeError::OfConsumer);
    }
    let known = known::take(&sources, &mut request)?;
    let visible = sources.read.visible.sequence();
    let (telling, view) = Telling::of(&Arc::new(request.view), request.conflate);
    let wanted = Wanted {
        collections: request.collections,
        view,
        telling,
        end_on_gap: request.end_on_gap,
        checkpoint_interval_ms: request.checkpoint_interval_ms,
    };
    let collections = wanted.collections.clone();
    let conflates = wanted.telling.is_net();
    let tracking = sources
        .tracker
        .track(subscriber, collections, (visible, conflates));
    let mut subscription = Subscription {
        tracking,
        phase: Phase::Behind,
        position: visible,
        known,
        outbox: VecDeque::new(),
        checkpoint_due: Instant::now(),
        checkpoint_timer: None,
        writer: None,
        sources,
        wanted,
    };
    subscription.checkpoint_later();
    match request.from {
        From::Now => {
            // Live at once. Registered first, then pinned at what is visible: so the queue starts
            // at or before the pin, and what is not after the pin is dropped.
            let (registration, _handed_out) = subscription.register();
            subscription.position = subscription.sources.read.visible.sequence();
            subscription.phase = Phase::Live(registration);
            subscription.subscribed(How::Live);
        }
        From::Snapshot => {
            subscription.begin_snapshot();
        }
        From::Beginning => {
            subscription.position = subscription.floor();
            subscription.subscribed(How::Resumed);
        }
        From::Token(token) => subscription.resume(&token)?,
        From::Time(time) => {
            let read = subscription.sources.read.clone();
            let collections = subscription.wanted.collections.clone();
            let locate = move || {
                let first = read.log.first_at(time)?;
                // Afterwards: what is offered now was offered then.
                let floor = read.floor_of_set(&collections);
                if read.log.keeps_from(time) && first > floor {
                    return Ok(first);
                }
                let (oldest, wanted) = (floor.next(), floor);
                Err(BeforeOldest { wanted, oldest }.into())
            };
            subscription.phase =
                Phase::Locating(Job::start(&subscription.sources.executor, locate));
        }
    }
    subscription.tell_tracker();
    Ok(subscription)
}

impl Subscription {
    /// Begins with the commit `first`; with a snapshot, if what comes before it was to be seen too
    /// and is not kept any more.
    pub(super) fn located(
        &mut self,
        first: Result<Sequence, ReadError>,
    ) -> Result<(), SubscriptionError> {
        match first {
            Ok(first) => {
                self.phase = Phase::Behind;
                self.position = Sequence(first.0.saturating_sub(1));
                self.subscribed(How::Resumed);
            }
            Err(ReadError::Log(BeforeOldest { oldest, .. })) if self.wanted.end_on_gap => {
                return Err(SubscriptionError::TokenExpired { oldest });
            }
            Err(ReadError::Log(BeforeOldest { .. })) => {
                self.reset(ResetReason::Retention);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The last sequence whose changes of any of its collections are not offered any more.
    pub(super) fn floor(&self) -> Sequence {
        self.sources.read.floor_of_set(&self.wanted.collections)
    }

    /// Returns whether it sends only what differs from what is known.
    pub(super) fn begin_snapshot(&mut self) -> Extent {
        self.position = self.sources.read.visible.sequence();
        self.subscribed(How::Snapshot);
        let snapshot = self.snapshot(self.position, None);
        let extent = snapshot.extent();
        self.phase = Phase::Snapshot(Box::new(snapshot));
        extent
    }

    /// Begins with a snapshot, and says why.
    fn reset(&mut self, reason: ResetReason) {
        let known = self.begin_snapshot() == Extent::Differences;
        self.outbox.push_back(FeedMessage::Reset { reason, known });
    }

    /// Goes on after a token.
    fn resume(&mut self, token: &ResumeToken) -> Result<(), SubscribeError> {
        let opened = self.sources.sealer.open(token.as_str())?;
        let (at, inside) = match opened.place {
            Place::Position(position) => (position, None),
            Place::InSnapshot {
                pin,
                scope,
                last_id,
                extent,
            } => {
                let filter = self.wanted.view.filter.as_ref();
                if scope != Scope::of_snapshot(&self.wanted.collections, filter) {
                    return Err(TokenError::OtherQuery.into());
                }
                let cursor = Cursor::read(&self.wanted.collections, &last_id);
                let cursor = cursor.ok_or(TokenError::OtherQuery)?;
                (pin, Some((cursor, extent)))
            }
            Place::InConsumer { .. } => return Err(TokenError::OfConsumer.into()),
            Place::InQuery { .. } | Place::InHistory { .. } | Place::InCollections { .. } => {
                return Err(TokenError::WrongKind.into());
            }
        };
        if opened.epoch != self.sources.sealer.epoch() {
            return self.start_over(ResetReason::Epoch);
        }
        // The log's head, not what is visible: the position of a time may be ahead of that.
        if at > self.sources.read.log.head() {
            (self.sources.lost_future)(at);
            return self.start_over(ResetReason::Epoch);
        }
        if at < self.floor() {
            return self.start_over(ResetReason::Retention);
        }
        let inside = match inside {
            None => None,
            Some((cursor, Extent::Whole)) => {
                // What comes was to be forgotten.
                self.known = Said::Nothing;
                Some(cursor)
            }
            Some((cursor, Extent::Differences)) => match self.known {
                Said::Known(_) => Some(cursor),
                Said::Nothing => return Err(TokenError::KnownMissing.into()),
                Said::OfAnotherHistory => return self.start_over(ResetReason::Epoch),
            },
        };
        self.position = at;
        let token = Some(token.clone());
        self.outbox.push_back(FeedMessage::Subscribed {
            how: How::Resumed,
            seq: at,
            token,
            known: false,
        });
        match inside {
            None => self.known = Said::Nothing,
            Some(cursor) => {
                let snapshot = self.snapshot(at, Some(cursor));
                self.phase = Phase::Snapshot(Box::new(snapshot));
            }
        }
        Ok(())
    }

    /// Begins with a snapshot instead, and says why; or not at all, if that was asked for.
    fn start_over(&mut self, reason: ResetReason) -> Result<(), SubscribeError> {
        if self.wanted.end_on_gap {
            return Err(SubscribeError::TokenExpired { reason });
        }
        self.reset(reason);
        Ok(())
    }
}
