//! What can go wrong, one enum for each family of operations.

use std::io;
use std::time::Duration;

use wellspring_protocol::error::{Code, Retry, WireError};
use wellspring_types::MutationId;

/// Why a client did not come to be connected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one like `http://127.0.0.1:7654`.
    #[error("{url:?} is not a server's URL, like http://127.0.0.1:7654")]
    Address {
        /// The URL as it was given.
        url: Box<str>,
    },
    /// The URL asks for TLS, which this client does not speak.
    #[error("{url:?} asks for TLS, which this client does not speak: put a TLS proxy before it")]
    TlsUnsupported {
        /// The URL as it was given.
        url: Box<str>,
    },
    /// Nobody answers at the address.
    #[error("no server answers at {endpoint}")]
    Unreachable {
        /// The endpoint's URL.
        endpoint: Box<str>,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Somebody answers, but not with a WebSocket of ours.
    #[error("what answers at {endpoint} is not a Wellspring server")]
    Handshake {
        /// The endpoint's URL.
        endpoint: Box<str>,
        /// What went wrong.
        #[source]
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// No answer in time.
    #[error("no answer from {endpoint} within {after:?}")]
    TimedOut {
        /// The endpoint's URL.
        endpoint: Box<str>,
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended before the server's `welcome`.
    #[error("{endpoint} closed the connection before its welcome")]
    Closed {
        /// The endpoint's URL.
        endpoint: Box<str>,
    },
    /// The server answered with an error.
    #[error("the server refused the connection: {}", _0.message)]
    Refused(#[source] WireError),
}

/// Why a commit, a get or a query has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused it.
    #[error("{}", _0.message)]
    Refused(#[source] WireError),
    /// No answer in time, or no connection. A commit's outcome is unknown: sending it again with
    /// the same mutation id is safe and tells.
    #[error("no answer within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// The commit's mutation id; `None` for a read.
        mutation_id: Option<MutationId>,
    },
    /// The request is larger than a server takes.
    #[error("the request has {bytes} bytes; a server takes {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is taken.
        bytes_max: usize,
    },
    /// The system gave no random bytes for a mutation id.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// The answer is not one to this kind of request.
    #[error("the server's answer does not fit the request")]
    UnexpectedAnswer,
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl RequestError {
    /// The server's error code, where it was the server that refused.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            RequestError::Refused(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            RequestError::Refused(error) => error.code.retry(),
            RequestError::TimedOut { .. } => Retry::Backoff,
            _ => Retry::Never,
        }
    }
}

/// Why a feed ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// The server refused the subscription, or ended it for good.
    #[error("{}", _0.message)]
    Refused(#[source] WireError),
    /// No answer to a first subscription in time.
    #[error("no answer to the subscription within {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl ChangesError {
    /// The server's error code, where it was the server that refused.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            ChangesError::Refused(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            ChangesError::Refused(error) => error.code.retry(),
            ChangesError::TimedOut { .. } => Retry::Backoff,
            ChangesError::Closed => Retry::Never,
        }
    }
}
