//! Consumers: subscriptions with a name, whose position the database keeps.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::feed::View;
use crate::path::check_named;
use crate::{CollectionSet, PathError, ResumeToken, Sequence, limits};

/// The name of a consumer: as a segment of a path that clients can name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(Arc<str>);

/// Why a text is not a [`ConsumerName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a consumer's name is as one segment of a path: {0}")]
pub struct ConsumerNameError(#[from] PathError);

impl ConsumerName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConsumerName {
    type Err = ConsumerNameError;

    fn from_str(text: &str) -> Result<ConsumerName, ConsumerNameError> {
        check_named(text, text)?;
        Ok(ConsumerName(text.into()))
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a subscription that takes part in a consumer says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consuming {
    /// The consumer; made by the first subscription that names it.
    pub name: ConsumerName,
    /// Commits that may be sent and not acknowledged, 1 to [`limits::UNACKED_MAX`].
    pub unacked_max: u32,
    /// Longest time without an acknowledgement while any is due, in milliseconds.
    pub ack_timeout_ms: u64,
}

impl Consuming {
    /// With the default limits.
    #[must_use]
    pub fn new(name: ConsumerName) -> Consuming {
        Consuming {
            name,
            unacked_max: limits::UNACKED_DEFAULT,
            ack_timeout_ms: limits::ACK_TIMEOUT_MS,
        }
    }
}

/// Asks for a page of the consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumersQuery {
    /// Consumers in a page, 1 to [`limits::PAGE_DOCUMENTS_MAX`].
    pub limit: u32,
    /// The `cursor` of the page before.
    pub cursor: Option<String>,
}

/// Consumers, by the bytes of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumersPage {
    /// The consumers.
    pub consumers: Vec<ConsumerState>,
    /// Those that were there as of this sequence.
    pub seq: Sequence,
    /// Gives the next page; `None` on the last.
    pub cursor: Option<String>,
}

/// A consumer as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerState {
    /// Its name.
    pub name: ConsumerName,
    /// Whose changes it is sent.
    pub collections: CollectionSet,
    /// What is sent of them.
    pub view: View,
    /// Everything up to here is acknowledged, or was not for it.
    pub position: Sequence,
    /// That position, to go on from.
    pub token: ResumeToken,
    /// Subscriptions that take part in it now.
    pub subscriptions: u32,
    /// Commits that they were sent and have not acknowledged.
    pub unacked: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_segments_that_clients_can_name() {
        assert_eq!(
            "mailer é".parse::<ConsumerName>().unwrap().as_str(),
            "mailer é"
        );
        for bad in ["", "a/b", "__mine", "*", "a\n", &"x".repeat(257)] {
            assert!(bad.parse::<ConsumerName>().is_err(), "{bad:?}");
        }
    }
}
