//! What clients are told of the engine's errors. What happened inside stays in the log.

use tracing::error;
use wellspring_engine::{
    CommitError, ConsumeError, ConsumerError, EffectError, ReadError, SubscribeError,
    SubscriptionError, TokenError,
};
use wellspring_protocol::error::{Code, WireError};
use wellspring_types::{DocumentPath, Sequence};

/// How long clients are asked to wait before they try a write again, in milliseconds.
const READ_ONLY_AFTER_MS: u64 = 5000;

/// Why a commit was refused.
pub(crate) fn commit(error: &CommitError) -> WireError {
    let told = |code| WireError::new(code, error.to_string());
    match error {
        CommitError::AlreadyExists { path, version } => told(Code::AlreadyExists)
            .detail("path", path.as_str())
            .detail("version", version.0),
        CommitError::NotFound { path } => told(Code::NotFound).detail("path", path.as_str()),
        CommitError::PreconditionFailed { path, version, .. } => {
            let told = told(Code::PreconditionFailed).detail("path", path.as_str());
            if *version == Sequence::ZERO {
                told
            } else {
                told.detail("version", version.0)
            }
        }
        CommitError::Conflict { what } => told(Code::Conflict).detail("path", &**what),
        CommitError::Effect { path, source } => {
            let code = match source {
                EffectError::Document(error) => WireError::from(error.clone()).code,
                EffectError::TooManyValues => Code::TooLarge,
                _ => Code::InvalidArgument,
            };
            told(code).detail("path", path.as_str())
        }
        CommitError::TooManyWrites { .. }
        | CommitError::TooManyReads { .. }
        | CommitError::RecordTooLarge { .. } => told(Code::TooLarge),
        CommitError::MutationIdReused { .. } => told(Code::MutationIdReused),
        CommitError::ReadOnly(_) => told(Code::ReadOnly).after_ms(READ_ONLY_AFTER_MS),
        CommitError::OutcomeUnknown | CommitError::Closed => told(Code::Unavailable),
        CommitError::StoreFailed => store_failed(error),
        CommitError::NoWrites
        | CommitError::Reserved { .. }
        | CommitError::PathTwice { .. }
        | CommitError::ReadAhead { .. } => told(Code::InvalidArgument),
        other => internal(other),
    }
}

/// Why a document or a page was not given.
pub(crate) fn read(error: &ReadError) -> WireError {
    let told = |code| WireError::new(code, error.to_string());
    match error {
        ReadError::InvalidQuery { .. } => told(Code::InvalidArgument),
        ReadError::Cursor(reason) => token(reason),
        ReadError::Ahead { visible, .. } => told(Code::InvalidArgument).detail("seq", visible.0),
        ReadError::TimeAhead { .. } => told(Code::InvalidArgument),
        ReadError::CursorExpired | ReadError::OtherHistory => told(Code::TokenExpired),
        ReadError::Expired { oldest } => told(Code::TokenExpired).detail("oldest", oldest.0),
        ReadError::TooLong { .. } => told(Code::LimitExceeded),
        ReadError::TooMuchChanged => told(Code::Overloaded),
        ReadError::Cancelled => told(Code::Unavailable),
        ReadError::Store(_) => store_failed(error),
        other => internal(other),
    }
}

/// The store cannot be read, as after its disk has failed: that is no defect of the server, and another
/// attempt is worth it once the server was started again.
fn store_failed(error: &(dyn std::error::Error + 'static)) -> WireError {
    error!(error, "the store could not be read; start the server again");
    let told = "what is stored cannot be read until the server is started again";
    WireError::new(Code::Unavailable, told)
}

fn token(error: &TokenError) -> WireError {
    WireError::new(Code::TokenInvalid, error.to_string())
}

fn internal(error: &(dyn std::error::Error + 'static)) -> WireError {
    error!(error, "a request failed");
    WireError::internal()
}

/// Why a subscription was not accepted.
pub(crate) fn subscribe(error: &SubscribeError) -> WireError {
    match error {
        SubscribeError::Token(reason) => token(reason),
        SubscribeError::TokenExpired { .. } => {
            WireError::new(Code::TokenExpired, error.to_string())
        }
        SubscribeError::TooMuchKnown => WireError::new(Code::TooLarge, error.to_string()),
        SubscribeError::KnownOfSeveral
        | SubscribeError::KnownUnused
        | SubscribeError::KnownWithoutToken
        | SubscribeError::CheckpointInterval => WireError::invalid_argument(error.to_string()),
        other => internal(other),
    }
}

/// Why a subscription ended.
pub(crate) fn subscription(error: &SubscriptionError) -> WireError {
    let told = |code| WireError::new(code, error.to_string());
    match error {
        SubscriptionError::TokenExpired { .. } => told(Code::TokenExpired),
        SubscriptionError::Read(error) => read(error),
        SubscriptionError::Closed => told(Code::Unavailable),
        other => internal(other),
    }
}

/// Why a consumer's subscription was not accepted, or has ended.
pub(crate) fn consume(error: &ConsumeError) -> WireError {
    let told = |code| WireError::new(code, error.to_string());
    match error {
        ConsumeError::Nameless
        | ConsumeError::Unfit { .. }
        | ConsumeError::UnackedMax
        | ConsumeError::AckTimeout => told(Code::InvalidArgument),
        ConsumeError::OtherTarget { name } => {
            told(Code::PreconditionFailed).detail("consumer", name.as_str())
        }
        ConsumeError::TooMany { .. } => told(Code::LimitExceeded),
        ConsumeError::Deleted { name } => told(Code::NotFound).detail("consumer", name.as_str()),
        ConsumeError::Unacknowledged {
            timeout_ms,
            unacked,
        } => told(Code::Slow)
            .detail("ack_timeout_ms", *timeout_ms)
            .detail("unacked", u64::try_from(*unacked).unwrap_or(u64::MAX)),
        ConsumeError::Subscribe(error) => subscribe(error),
        ConsumeError::Subscription(error) => subscription(error),
        ConsumeError::Read(error) => read(error),
        ConsumeError::Commit(error) => commit(error),
        other => internal(other),
    }
}

/// Why an acknowledgement was not accepted, or a consumer not deleted.
pub(crate) fn consumer(error: &ConsumerError) -> WireError {
    let told = |code| WireError::new(code, error.to_string());
    match error {
        ConsumerError::Token(reason) => token(reason),
        ConsumerError::SubscriptionOver => told(Code::NotFound),
        ConsumerError::NotFound { name } => told(Code::NotFound).detail("consumer", name.as_str()),
        ConsumerError::Commit(error) => commit(error),
        other => internal(other),
    }
}

/// There is no such document, or none that the client may see.
pub(crate) fn no_document(path: &DocumentPath) -> WireError {
    let told = format!("{path} does not exist");
    WireError::new(Code::NotFound, told).detail("path", path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_cannot_be_read_is_no_defect_of_the_server() {
        let told = commit(&CommitError::StoreFailed);
        assert_eq!(told.code, Code::Unavailable);
    }
}
