//! What a feed is asked for.

use std::sync::Arc;
use std::time::Duration;

use wellspring_types::consumer::{ConsumerName, Consuming};
use wellspring_types::feed::{From, Known, SubscribeRequest, View};
use wellspring_types::limits::CHECKPOINT_INTERVAL_MS;
use wellspring_types::{CollectionSet, Filter, ResumeToken, Select, Timestamp};

use super::consumer::Consumer;
use super::stream::Changes;
use crate::connection::Link;
use crate::error::ChangesError;

/// A request for the changes of a collection or several, from [`crate::Client::changes`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `subscribe`"]
pub struct ChangesBuilder {
    link: Arc<Link>,
    request: SubscribeRequest,
}

impl ChangesBuilder {
    pub(crate) fn new(link: Arc<Link>, collections: CollectionSet) -> ChangesBuilder {
        let request = SubscribeRequest {
            collections,
            view: View::default(),
            from: From::Now,
            known: None,
            consumer: None,
            conflate: false,
            end_on_gap: false,
            checkpoint_interval_ms: CHECKPOINT_INTERVAL_MS,
        };
        ChangesBuilder { link, request }
    }

    /// Only documents that match. One that stops matching arrives as a delete whose cause says so.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.request.view.filter = Some(filter);
        self
    }

    /// Only these fields of each document.
    pub fn select(mut self, select: Select) -> Self {
        self.request.view.select = Some(select);
        self
    }

    /// Where to begin. With what is committed from now on, unless told otherwise.
    pub fn from(mut self, from: From) -> Self {
        self.request.from = from;
        self
    }

    /// First all documents as they are, then every change.
    pub fn from_snapshot(self) -> Self {
        self.from(From::Snapshot)
    }

    /// First every change that is still kept.
    pub fn from_beginning(self) -> Self {
        self.from(From::Beginning)
    }

    /// Every change after what a token stands for.
    pub fn after(self, token: ResumeToken) -> Self {
        self.from(From::Token(token))
    }

    /// Every change at or after a time.
    pub fn since(self, time: Timestamp) -> Self {
        self.from(From::Time(time))
    }

    /// The documents that you hold already, as this view shows them, by version. Where the feed
    /// begins with a snapshot, from [`From::Snapshot`] or as the token or time is too old, it shows
    /// [`ChangeEvent::Differences`](crate::ChangeEvent::Differences) instead of all documents. They
    /// need the token that was stored with them, unless the feed begins after that token.
    ///
    /// With [`From::Now`] and [`From::Beginning`] it is not used.
    pub fn known(mut self, known: Known) -> Self {
        self.request.known = Some(known);
        self
    }

    /// Changes carry the document as it was before.
    pub fn with_old(mut self) -> Self {
        self.request.view.old = true;
        self
    }

    /// Updates carry the difference as a merge patch (RFC 7396).
    pub fn with_patch(mut self) -> Self {
        self.request.view.patch = true;
        self
    }

    /// While the feed is behind, each document's newest state instead of every commit: see
    /// [`Commit::conflated`](crate::Commit::conflated).
    pub fn conflate(mut self) -> Self {
        self.request.conflate = true;
        self
    }

    /// Where the feed cannot go on from its position it ends with an error, instead of a reset and
    /// a snapshot.
    pub fn end_on_gap(mut self) -> Self {
        self.request.end_on_gap = true;
        self
    }

    /// The longest time between two checkpoints of a quiet feed. 25 s unless told otherwise.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.request.checkpoint_interval_ms =
            u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Takes part in a consumer: a subscription with a name, whose position the server keeps. It is
    /// made, for these changes, where there is none; where it begins counts only then.
    pub fn consumer(self, name: ConsumerName) -> ConsumerBuilder {
        ConsumerBuilder {
            changes: self,
            consuming: Consuming::new(name),
        }
    }

    /// Subscribes, and waits until the server has pinned the position: what is committed after
    /// this returns, the stream shows.
    ///
    /// # Errors
    /// If the server refuses, or there is no answer within the client's request timeout.
    ///
    /// # Cancel safety
    /// Dropping the future ends the subscription.
    pub async fn subscribe(self) -> Result<Changes, ChangesError> {
        let after = self.link.options.request_timeout;
        let mut changes = Changes::new(self.link, self.request);
        match tokio::time::timeout(after, changes.established()).await {
            Ok(established) => established.map(|()| changes),
            Err(_elapsed) => Err(ChangesError::TimedOut { after }),
        }
    }
}

/// A request to take part in a consumer, from [`ChangesBuilder::consumer`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `subscribe`"]
pub struct ConsumerBuilder {
    changes: ChangesBuilder,
    consuming: Consuming,
}

impl ConsumerBuilder {
    /// Commits that may be sent and not acknowledged, 1 to 10,000; then the server waits. 1,000
    /// unless told otherwise.
    pub fn unacked_max(mut self, commits: u32) -> Self {
        self.consuming.unacked_max = commits;
        self
    }

    /// The longest time without an acknowledgement while any is due, 1 s to 1 h; then what is due
    /// is given to others. 30 s unless told otherwise.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.consuming.ack_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Takes part, and waits until the server has accepted it.
    ///
    /// # Errors
    /// If the server refuses, or there is no answer within the client's request timeout.
    /// `precondition_failed`: the consumer was made for other changes.
    pub async fn subscribe(self) -> Result<Consumer, ChangesError> {
        let mut builder = self.changes;
        builder.request.consumer = Some(self.consuming);
        // The server keeps the position: a gap is not for the client to bridge.
        builder.request.end_on_gap = true;
        Ok(Consumer::new(builder.subscribe().await?))
    }
}
