//! A stream of changes that resumes by itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::time::Instant;

use wellspring_protocol::error::{Retry, WireError};
use wellspring_types::ResumeToken;
use wellspring_types::feed::{From, Known, ResetReason, SubscribeRequest};

use super::assembly::Assembly;
use super::event::ChangeEvent;
use crate::backoff::Backoff;
use crate::connection::Link;
use crate::connection::queue::{End, Queue, Taken};
use crate::connection::routes::{Ending, Id};
use crate::error::ChangesError;
use crate::wire::{self, FeedPart};

/// A collection's changes, from [`crate::ChangesBuilder::subscribe`].
///
/// It resumes by itself: after a lost connection it subscribes again by its last token, and drops
/// what it has shown already. Between a token and the next it holds what is not whole: a
/// snapshot's documents until the last has come, and the parts of a large commit.
///
/// **Reading slowly** is allowed. Up to `feed_queue_bytes_max` bytes wait in memory; past that the
/// subscription is ended on the server and begun again by token once the stream has been read
/// empty. Other streams, and the results of commits on the same connection, never wait for it.
/// Only a change that the server has meanwhile dropped from its retention is not shown: then there
/// is a [`ChangeEvent::Reset`], or an error after [`crate::ChangesBuilder::end_on_gap`].
#[derive(Debug)]
pub struct Changes {
    link: Arc<Link>,
    request: SubscribeRequest,
    assembly: Assembly,
    subscription: Option<Subscription>,
    backoff: Backoff,
    /// Not to subscribe before.
    not_before: Option<Instant>,
    /// The server has accepted the subscription at least once.
    established: bool,
    /// Nothing more will be shown.
    finished: bool,
}

/// A subscription on the present connection.
#[derive(Debug)]
struct Subscription {
    id: Id,
    queue: Arc<Queue>,
}

impl Changes {
    pub(crate) fn new(link: Arc<Link>, request: SubscribeRequest) -> Changes {
        Changes {
            assembly: Assembly::new(request.from.clone(), request.consumer.is_some()),
            backoff: Backoff::new(link.options.backoff),
            link,
            request,
            subscription: None,
            not_before: None,
            established: false,
            finished: false,
        }
    }

    /// The next event. `None` after the client was closed, and after an error.
    ///
    /// # Errors
    /// When the server refuses to go on and a further attempt cannot help. The feed has ended
    /// then; [`Changes::token`] still says where.
    ///
    /// # Cancel safety
    /// No event is lost when the future is dropped, so that it may stand in a `select!`.
    pub async fn next(&mut self) -> Option<Result<ChangeEvent, ChangesError>> {
        loop {
            if let Some(event) = self.assembly.pop() {
                return Some(Ok(event));
            }
            if self.finished {
                return None;
            }
            match self.advance().await {
                Ok(()) => {}
                Err(ChangesError::Closed) => self.finished = true,
                Err(error) => {
                    self.finished = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// The token of what [`Changes::next`] has returned so far: a feed that begins after it shows
    /// what follows. `None` before a first position is known.
    #[must_use]
    pub fn token(&self) -> Option<&ResumeToken> {
        self.assembly.token()
    }

    /// Says what the application holds now, by version, for the case that the feed has to start over:
    /// see [`crate::ChangesBuilder::known`]. It counts until the feed shows something more.
    pub fn set_known(&mut self, known: Known) {
        self.request.known = Some(known);
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The same as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<ChangeEvent, ChangesError>> + Send {
        futures_util::stream::unfold(self, |mut changes| async move {
            changes.next().await.map(|event| (event, changes))
        })
    }

    /// Waits for the server's first acceptance.
    pub(super) async fn established(&mut self) -> Result<(), ChangesError> {
        while !self.established {
            self.advance().await?;
        }
        Ok(())
    }

    /// One step: subscribes if there is no subscription, and takes one message if there is.
    async fn advance(&mut self) -> Result<(), ChangesError> {
        let Some(subscription) = &self.subscription else {
            return self.subscribe().await;
        };
        match subscription.queue.take().await {
            Taken::Part(part) => {
                self.established = true;
                self.backoff.reset();
                // From here on the application holds something else than it has said.
                if matches!(
                    part,
                    FeedPart::Current { .. }
                        | FeedPart::Changes { .. }
                        | FeedPart::Checkpoint { .. }
                ) {
                    self.request.known = None;
                }
                self.assembly.take(part);
                Ok(())
            }
            Taken::End(end) => {
                self.leave();
                self.ended(end)
            }
        }
    }

    async fn subscribe(&mut self) -> Result<(), ChangesError> {
        if let Some(instant) = self.not_before {
            tokio::time::sleep_until(instant).await;
            self.not_before = None;
        }
        self.request.from.clone_from(self.assembly.from());
        let id = self.link.next_id();
        let queue = Arc::new(Queue::new(self.link.options.feed_queue_bytes_max));
        let mut request = self.request.clone();
        if matches!(request.from, From::Now | From::Beginning) {
            request.known = None;
        }
        let text = wire::subscribe(id, request);
        match self.link.subscribe(id, text, &queue).await {
            Ok(()) => {
                self.subscription = Some(Subscription { id, queue });
                Ok(())
            }
            Err(Ending::Closed) => Err(ChangesError::Closed),
            Err(Ending::Refused(error)) => Err(ChangesError::Refused(error)),
        }
    }

    fn ended(&mut self, end: End) -> Result<(), ChangesError> {
        match end {
            End::Cut | End::Lost => {
                self.assembly.interrupt(None);
                Ok(())
            }
            End::Closed => Err(ChangesError::Closed),
            End::Ended { error, token } => {
                self.assembly.interrupt(token);
                self.refused(error)
            }
        }
    }

    fn refused(&mut self, error: WireError) -> Result<(), ChangesError> {
        match error.code.retry() {
            Retry::Now | Retry::Backoff => {
                let wait = self.backoff.next(error.after_ms.map(Duration::from_millis));
                self.not_before = Some(Instant::now() + wait);
                Ok(())
            }
            // A token that was good before belongs to a history that is gone. A token that the
            // application brought and that never was good is the application's to know of.
            Retry::Resync if self.established && !self.request.end_on_gap => {
                self.request.known = None;
                self.assembly.start_over(ResetReason::Epoch);
                Ok(())
            }
            _ => Err(ChangesError::Refused(error)),
        }
    }

    fn leave(&mut self) {
        if let Some(subscription) = self.subscription.take() {
            self.link.routes.forget_feed(subscription.id);
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.leave();
    }
}
