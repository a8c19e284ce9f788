//! A part of a consumer's changes.

use wellspring_protocol::error::Code;
use wellspring_types::ResumeToken;

use super::event::{ChangeEvent, Commit};
use super::stream::Changes;
use crate::client::acknowledge;
use crate::error::{ChangesError, RequestError};

/// A part of a consumer's changes, from [`crate::ConsumerBuilder::subscribe`]: those of documents that
/// are with nobody else who takes part. Acknowledge what you have processed; what you have not comes
/// again, to you or another, after a connection was lost or this was dropped. So each change comes
/// at least once, and those of one document in their order.
#[derive(Debug)]
pub struct Consumer {
    changes: Changes,
}

impl Consumer {
    pub(super) fn new(changes: Changes) -> Consumer {
        Consumer { changes }
    }

    /// The next commit, with its changes of the documents that are with this one. It waits while
    /// too much is not acknowledged. `None` after the client was closed, and after an error.
    ///
    /// # Errors
    /// When the server refuses to go on and a further attempt cannot help: `not_found` once the
    /// consumer was deleted, `token_expired` where its position is not kept any more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped, so that it may stand in a `select!`.
    pub async fn next(&mut self) -> Option<Result<Commit, ChangesError>> {
        loop {
            match self.changes.next().await? {
                Ok(ChangeEvent::Commit(commit)) => return Some(Ok(commit)),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The token of what [`Consumer::next`] has returned: commits that came in one message share one,
    /// that is theirs once the last of them was returned. [`crate::Client::ack`] takes it, from
    /// anywhere.
    #[must_use]
    pub fn token(&self) -> Option<&ResumeToken> {
        self.changes.token()
    }

    /// Acknowledges what [`Consumer::token`] stands for, and waits until that is on disk. False if the
    /// subscription was another meanwhile, after a lost connection: then it comes again.
    ///
    /// # Errors
    /// If the server refuses, or time is over; it may be acknowledged then.
    pub async fn ack(&mut self) -> Result<bool, RequestError> {
        let Some(token) = self.changes.token() else {
            return Ok(true);
        };
        match acknowledge(self.changes.link(), token.clone()).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(Code::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
