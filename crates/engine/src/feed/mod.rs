//! The feed: one hub that matches commits to live subscriptions, passes over the log for those who
//! are behind, and subscriptions, each one state machine whatever the transport:
//! `pin -> snapshot -> catch-up -> live`, falling back to catch-up when it lags.

mod audience;
mod catch_up;
mod conflate;
mod few;
mod forms;
mod hub;
mod index;
mod page;
mod passes;
mod queue;
mod reading;
mod registration;
mod ring;
mod several;
mod snapshot;
mod subscription;
mod view;
mod written;

use wellspring_types::Sequence;
use wellspring_types::feed::ResetReason;

use crate::read::ReadError;
use crate::token::TokenError;

pub(crate) use hub::{Hub, HubWorker};
pub use page::{FeedPage, PageLimit};
pub(crate) use passes::{Passes, PassesWorker};
pub(crate) use queue::Queue;
pub(crate) use ring::Ring;
pub(crate) use subscription::{FeedSources, subscribe};
pub use subscription::{Subscription, Told};
pub(crate) use view::matches;

/// Why a subscription was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The resume token is not one of this database, or of this subscription.
    #[error("resume token: {0}")]
    Token(#[from] TokenError),
    /// The token's position is not kept any more, or belongs to another history of the database,
    /// and the request asked to end where otherwise a reset would be sent.
    #[error("the resume token has expired")]
    TokenExpired {
        /// Why.
        reason: ResetReason,
    },
    /// It is of a consumer, which is asked for otherwise.
    #[error("a consumer's changes are consumed, not subscribed to")]
    OfConsumer,
    /// What is known is of no use to where it begins.
    #[error("known goes with a beginning at a snapshot, a token or a time")]
    KnownUnused,
    /// What is known has no room for more than one collection.
    #[error("known goes with a subscription to one collection")]
    KnownOfSeveral,
    /// Nothing says which history of the database the known versions are of.
    #[error("known needs the token that was stored with the documents")]
    KnownWithoutToken,
    /// More is known than one may say.
    #[error(
        "known has at most {} documents and {} bytes of ids",
        wellspring_types::limits::KNOWN_DOCUMENTS_MAX,
        wellspring_types::limits::KNOWN_BYTES_MAX
    )]
    TooMuchKnown,
    /// `checkpoint_interval_ms` is too small.
    #[error(
        "checkpoint_interval_ms is at least {}",
        wellspring_types::limits::CHECKPOINT_INTERVAL_MS_MIN
    )]
    CheckpointInterval,
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// It asked to end where otherwise a reset would be sent: its position is before the oldest
    /// change that is kept.
    #[error("the resume token has expired; the oldest change kept is {oldest}")]
    TokenExpired {
        /// The oldest sequence that is kept.
        oldest: Sequence,
    },
    /// What it needs could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database is closed or closing.
    #[error("the database is closed")]
    Closed,
}
