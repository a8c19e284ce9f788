//! What a session subscribes to.

use std::sync::Arc;
use std::task::{Context, Poll};

use wellspring_engine::{ConsumerSubscription, Database, Subscriber, Subscription, Told};
use wellspring_protocol::error::WireError;
use wellspring_types::Sequence;
use wellspring_types::feed::{ChangesWriter, SubscribeRequest};

use crate::errors;

/// A subscription that keeps its own position, or one of a consumer.
pub(crate) enum Feed {
    /// With what writes what it reads of the log, where the session's framing has that.
    Plain(Box<Subscription>, Option<Arc<dyn ChangesWriter>>),
    OfConsumer(Box<ConsumerSubscription>),
}

impl Feed {
    /// # Errors
    /// If the database does not accept the request.
    pub(crate) fn open(
        database: &Database,
        subscriber: Subscriber,
        request: SubscribeRequest,
    ) -> Result<Feed, WireError> {
        if request.consumer.is_some() {
            let opened = database.consume_for(subscriber, request);
            let opened = opened.map_err(|error| errors::consume(&error))?;
            return Ok(Feed::OfConsumer(Box::new(opened)));
        }
        let opened = database.subscribe_for(subscriber, request);
        let opened = opened.map_err(|error| errors::subscribe(&error))?;
        Ok(Feed::Plain(Box::new(opened), None))
    }

    /// The same, written where it can be.
    pub(super) fn written_by(self, writer: Option<Arc<dyn ChangesWriter>>) -> Feed {
        match self {
            Feed::Plain(feed, _) => Feed::Plain(feed, writer),
            Feed::OfConsumer(_) => self,
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// When it is over.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Told, WireError> {
        match self {
            Feed::Plain(feed, writer) => {
                let next = match writer {
                    Some(writer) => feed.next_written(writer).await,
                    None => feed.next().await.map(Told::Message),
                };
                next.map_err(|error| errors::subscription(&error))
            }
            Feed::OfConsumer(feed) => {
                // Boxed, so that no other subscription is as large: it waits for more.
                let next = Box::pin(feed.next()).await.map(Told::Message);
                next.map_err(|error| errors::consume(&error))
            }
        }
    }

    /// Whether [`poll_live`](Feed::poll_live) has its next message.
    pub(super) fn is_live(&self) -> bool {
        match self {
            Feed::Plain(feed, _) => feed.is_live(),
            Feed::OfConsumer(_) => false,
        }
    }

    /// The next message of one that is live, where it is; `None` once it is not.
    pub(super) fn poll_live(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Told, WireError>>> {
        let Feed::Plain(feed, _) = self else {
            return Poll::Ready(None);
        };
        let next = feed.poll_live(context);
        next.map(|next| {
            let next = next?.map(Told::Message);
            Some(next.map_err(|error| errors::subscription(&error)))
        })
    }

    /// Whether answers to commits need not wait for it: it has said what it sees of the commits
    /// through `seq`, or never promised to. A consumer waits for acknowledgements, which may wait
    /// for the answers.
    pub(super) fn passed(&self, seq: Sequence) -> bool {
        match self {
            Feed::Plain(feed, _) => feed.passed(seq),
            Feed::OfConsumer(_) => true,
        }
    }
}
