//! Consumers: taking part in one, acknowledging, and which there are.

use std::sync::Arc;

use wellspring_types::consumer::{ConsumerName, ConsumersPage, ConsumersQuery};
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::query::Query;
use wellspring_types::{ResumeToken, Sequence};

use super::Database;
use crate::consumers::{self, ConsumeError, ConsumerError, ConsumerSubscription};
use crate::read::ReadError;
use crate::statistics::Subscriber;

impl Database {
    /// Takes part in the consumer that the request names, which is made where there is none. Its
    /// documents are shared out among all who do; what was not acknowledged before is sent again.
    ///
    /// Must be used inside a Tokio runtime.
    ///
    /// # Errors
    /// If the request is not valid. What needs the database is told by the subscription.
    pub fn consume(&self, request: SubscribeRequest) -> Result<ConsumerSubscription, ConsumeError> {
        self.consume_for(Subscriber::default(), request)
    }

    /// As [`Database::consume`], and says whom the subscription serves.
    ///
    /// # Errors
    /// If the request is not valid.
    pub fn consume_for(
        &self,
        subscriber: Subscriber,
        request: SubscribeRequest,
    ) -> Result<ConsumerSubscription, ConsumeError> {
        let consumers = Arc::clone(&self.inner.consumers);
        ConsumerSubscription::new(consumers, request, subscriber)
    }

    /// Acknowledges everything that a consumer's subscription was sent up to the token of one of
    /// its messages, and says through which sequence, once that is on disk.
    ///
    /// # Errors
    /// If it is no such token, its subscription has ended, or it could not be written; then what it
    /// stands for may be sent again.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the acknowledgement back.
    pub async fn ack(&self, token: &ResumeToken) -> Result<Sequence, ConsumerError> {
        self.inner.consumers.ack(token).await
    }

    /// Deletes a consumer, and says by which commit. Its subscriptions end.
    ///
    /// # Errors
    /// If there is none, or it could not be written.
    pub async fn delete_consumer(&self, name: &ConsumerName) -> Result<Sequence, ConsumerError> {
        self.inner.consumers.delete(name).await
    }

    /// A page of the consumers, by their names: those that were there as of its sequence, each as
    /// it is now.
    ///
    /// # Errors
    /// If the query or its cursor is not valid, or what it needs could not be read.
    pub async fn consumers(&self, query: ConsumersQuery) -> Result<ConsumersPage, ReadError> {
        let page = self
            .query(Query {
                collection: consumers::collection(),
                filter: None,
                select: None,
                order_by: Vec::new(),
                limit: query.limit,
                cursor: query.cursor,
                at: None,
            })
            .await?;
        let consumers = page.documents.iter();
        let consumers = consumers.filter_map(|document| self.inner.consumers.describe(document));
        Ok(ConsumersPage {
            consumers: consumers.collect(),
            seq: page.seq,
            cursor: page.cursor,
        })
    }
}
