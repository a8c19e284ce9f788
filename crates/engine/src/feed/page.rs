//! Pages of a feed, for clients that poll.

use std::time::Duration;

use tokio::time::Instant;
use wellspring_types::ResumeToken;
use wellspring_types::feed::FeedMessage;

use super::subscription::Step;
use super::view::feed_commit_bytes;
use super::{Subscription, SubscriptionError};
use crate::read::document_bytes;

/// How much one page of a feed may hold. One message always fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Bytes of documents and changes, about.
    pub bytes: usize,
    /// Messages.
    pub messages: usize,
}

/// Messages of a feed, and where the next page goes on.
#[derive(Clone, Debug)]
pub struct FeedPage {
    /// The messages; none where nothing happened.
    pub messages: Vec<FeedMessage>,
    /// Gives the next page. It may have advanced over an empty page.
    pub token: ResumeToken,
    /// Whether more is there already.
    pub more: bool,
}

impl Subscription {
    /// A page of what has happened; if nothing has, waits up to `wait` for something. The token
    /// in the page, with a new subscription, goes on after it. A page that reads the log for as
    /// long as the checkpoint interval and finds nothing ends there, with more to come.
    ///
    /// # Errors
    /// When the subscription is over.
    pub async fn page(
        &mut self,
        limit: PageLimit,
        wait: Duration,
    ) -> Result<FeedPage, SubscriptionError> {
        let deadline = Instant::now() + wait;
        self.checkpoint_later();
        self.writer = None;
        let mut page = Building {
            messages: Vec::new(),
            bytes: 0,
            token: None,
        };
        let mut waited = false;
        let mut asked = false;
        let more = loop {
            if page.is_full(limit) {
                break true;
            }
            match self.step().await? {
                Step::Message(FeedMessage::Checkpoint { token, .. }) => {
                    page.token = Some(token);
                    // Whoever asks would not wait for the end of a long log, and then ask for the
                    // same again.
                    if self.is_catching_up() {
                        break true;
                    }
                }
                Step::Message(message) => page.push(message),
                Step::Written(written) => self.take_back(&written),
                // Everything visible by now is queued before the checkpoint: behind it the page is
                // whole, what its reader has committed included, and its token as new as can be.
                Step::Idle if !asked => {
                    asked = true;
                    self.request_checkpoint_of_all_visible().await;
                }
                Step::Idle if waited || page.has_news() => break false,
                Step::Idle => {
                    waited = tokio::time::timeout_at(deadline, self.wait())
                        .await
                        .is_err();
                    // Once more at the end: an empty page, too, has as new a token as can be.
                    asked = !waited;
                }
            }
        };
        self.finish(page, more)
    }

    fn finish(&self, page: Building, more: bool) -> Result<FeedPage, SubscriptionError> {
        // While messages wait in the outbox, the position is ahead of what is in the page.
        let position = if more { None } else { self.position_token() };
        let token = position.or(page.token).ok_or(SubscriptionError::Closed)?;
        Ok(FeedPage {
            messages: page.messages,
            token,
            more,
        })
    }
}

/// A page being filled.
struct Building {
    messages: Vec<FeedMessage>,
    bytes: usize,
    /// Of the last message that has one.
    token: Option<ResumeToken>,
}

impl Building {
    /// A page is full only behind a message with a token: others are no place to go on from.
    fn is_full(&self, limit: PageLimit) -> bool {
        let enough = self.bytes >= limit.bytes || self.messages.len() >= limit.messages;
        let resumable = self.messages.last().and_then(token_of).is_some();
        enough && resumable
    }

    /// Whether there is more than the word that the position is pinned.
    fn has_news(&self) -> bool {
        self.messages
            .iter()
            .any(|m| !matches!(m, FeedMessage::Subscribed { .. }))
    }

    fn push(&mut self, message: FeedMessage) {
        self.bytes += bytes_of(&message);
        if let Some(token) = token_of(&message) {
            self.token = Some(token.clone());
        }
        self.messages.push(message);
    }
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

fn bytes_of(message: &FeedMessage) -> usize {
    match message {
        FeedMessage::Snapshot {
            documents, removed, ..
        } => {
            let removed = removed.iter().map(|path| path.as_str().len());
            documents.iter().map(document_bytes).sum::<usize>() + removed.sum::<usize>()
        }
        FeedMessage::Changes { commits, .. } => {
            commits.iter().map(|commit| feed_commit_bytes(commit)).sum()
        }
        _ => 64,
    }
}
