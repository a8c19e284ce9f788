//! Taking what a pass or the hub has queued, and waiting for it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, sleep_until};
use wellspring_types::Sequence;
use wellspring_types::feed::FeedMessage;

use super::{MESSAGE_BYTES, Phase, Subscription};
use crate::feed::SubscriptionError;
use crate::feed::queue::{Ended, Taken};
use crate::seeded::SeededBug;

/// What came out of a subscription's queue.
pub(super) enum Took {
    Message(FeedMessage),
    /// Nothing that is told.
    Silence,
    /// Nothing was there.
    Nothing,
}

impl Subscription {
    /// Whether it is live: then [`poll_live`](Subscription::poll_live) has its next message.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live(_))
    }

    /// The next message of a live subscription, as [`next`](Subscription::next) has it but without a
    /// future of its own for each: who has very many polls them in place. `None` once it is not live,
    /// or not any more; `next` goes on then.
    pub fn poll_live(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<FeedMessage, SubscriptionError>>> {
        loop {
            if !self.is_live() {
                return Poll::Ready(None);
            }
            let took = match self.pop_ready() {
                Some(message) => Ok(Took::Message(message)),
                None => self.take(),
            };
            match took {
                Ok(Took::Message(message)) => {
                    self.tell_tracker();
                    self.checkpoint_later();
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(Took::Silence) => {}
                Ok(Took::Nothing) => ready!(self.poll_wait(context)),
                Err(error) => {
                    self.phase = Phase::Over;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Waits until a subscription whose queue is filled has something to do.
    pub(in crate::feed) async fn wait(&mut self) {
        poll_fn(|context| self.poll_wait(context)).await;
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (Phase::Live(registration) | Phase::InPass(registration)) = &self.phase else {
            return Poll::Ready(());
        };
        // First: what comes makes a checkpoint unnecessary.
        if registration.queue.poll_filled(context).is_ready() {
            return Poll::Ready(());
        }
        let due = self.checkpoint_due;
        let timer = self
            .checkpoint_timer
            .get_or_insert_with(|| Box::pin(sleep_until(due)));
        ready!(timer.as_mut().poll(context));
        // Set when it has run out and not with each message, of which there may be very many.
        if Instant::now() >= due {
            registration.request_checkpoint();
            self.checkpoint_later();
        }
        if let Some(timer) = &mut self.checkpoint_timer {
            timer.as_mut().reset(self.checkpoint_due);
        }
        Poll::Ready(())
    }

    /// Takes from the queue.
    pub(super) fn take(&mut self) -> Result<Took, SubscriptionError> {
        let (Phase::Live(registration) | Phase::InPass(registration)) = &self.phase else {
            return Ok(Took::Silence);
        };
        let bytes_max = match &self.phase {
            // All that its pass has found comes to one.
            Phase::InPass(_) if self.wanted.telling.is_net() => usize::MAX,
            _ => MESSAGE_BYTES,
        };
        match registration.queue.take(bytes_max) {
            Taken::Nothing => return Ok(Took::Nothing),
            Taken::Ended(Ended::Closed | Ended::Abandoned) => {
                return Err(SubscriptionError::Closed);
            }
            Taken::Ended(Ended::Left(seq)) => {
                self.position = self.position.max(seq);
                self.phase = Phase::CatchUp(None);
            }
            Taken::Live(seq) => self.go_live(seq),
            // Dropping the registration drops the queue: the log has it all.
            Taken::Ended(Ended::Overflowed) => {
                self.tracking.overflowed();
                self.phase = Phase::CatchUp(None);
            }
            Taken::Checkpoint(seq) => {
                // A pass that has turned back is behind those whom it took along.
                self.position = self.position.max(seq);
                return Ok(Took::Message(self.checkpoint()));
            }
            Taken::Commits(mut commits) => {
                commits.retain(|commit| commit.seq > self.position);
                if let Some(last) = commits.last().map(|commit| commit.seq) {
                    self.position = last;
                    let commits = self.wanted.telling.tell(commits);
                    if commits.is_empty() {
                        return Ok(Took::Silence); // They come to nothing.
                    }
                    let behind = u64::from(self.has(SeededBug::TokenOffByOne));
                    let token = self.sources.sealer.position(Sequence(last.0 - behind));
                    return Ok(Took::Message(FeedMessage::Changes { commits, token }));
                }
            }
        }
        Ok(Took::Silence)
    }

    /// The hub has taken over from a pass that has read everything through `seq`.
    fn go_live(&mut self, seq: Sequence) {
        self.position = self.position.max(seq);
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        if let Phase::InPass(registration) = phase {
            self.phase = Phase::Live(registration);
        }
    }
}
