//! Who has subscribed to what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::SUBSCRIBE;

/// Messages that may wait for one subscriber. Who is further behind is cut off, which the load
/// generator counts as loss; no scenario comes near it.
const QUEUE_MESSAGES_MAX: usize = 16 * 1024;

type Topics = HashMap<Bytes, Vec<mpsc::Sender<Bytes>>>;

/// Hands what is written to a topic to everyone who has subscribed to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub {
    topics: Arc<Mutex<Topics>>,
}

impl Hub {
    /// Subscribes to the topic that a path names.
    pub(super) fn subscribe_at(&self, path: &str) -> Result<mpsc::Receiver<Bytes>> {
        let topic = path.strip_prefix(SUBSCRIBE);
        let topic = topic.with_context(|| format!("nothing is served at {path}"))?;
        let topic = Bytes::copy_from_slice(topic.as_bytes());
        let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        // Nothing below panics, so that the lock is never poisoned in the middle of a change.
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.entry(topic).or_default().push(sender);
        Ok(receiver)
    }

    pub(super) fn send(&self, topic: &Bytes, message: &Bytes) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscribers) = topics.get_mut(topic) {
            subscribers.retain(|subscriber| subscriber.try_send(message.clone()).is_ok());
        }
    }
}
