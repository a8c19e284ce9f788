//! The error table: codes, and what follows from each.

use std::fmt;
use std::str::FromStr;

use super::Retry;

/// A name that is not one of the table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a name of the error table")]
pub struct UnknownName;

/// A row of the table.
struct Row {
    name: &'static str,
    /// `None`: it never answers an HTTP request.
    http: Option<u16>,
    grpc: tonic::Code,
    retry: Retry,
    close: Option<u16>,
    meaning: &'static str,
}

macro_rules! error_table {
    ($($code:ident $name:literal $http:expr, $grpc:ident, $retry:ident, $close:expr,
        $meaning:literal;)*) => {
        /// What went wrong, as every transport names it. `docs/protocol.md` shows the whole table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $code,)*
            /// A code of a newer server than this client: what to do is known all the same.
            /// Servers do not send it.
            Unknown(Retry),
        }

        impl Code {
            /// Every code of the table, in its order.
            pub const ALL: &[Code] = &[$(Code::$code),*];

            fn row(self) -> Row {
                match self {
                    $(Code::$code => Row {
                        name: $name,
                        http: $http,
                        grpc: tonic::Code::$grpc,
                        retry: Retry::$retry,
                        close: $close,
                        meaning: $meaning,
                    },)*
                    Code::Unknown(retry) => Row {
                        name: "unknown",
                        http: None,
                        grpc: tonic::Code::Unknown,
                        retry,
                        close: None,
                        meaning: "A code that this client does not know.",
                    },
                }
            }
        }
    };
}

// Name; HTTP status; gRPC status; what to do; WebSocket close code; what it means.
error_table! {
    InvalidArgument "invalid_argument" Some(400), InvalidArgument, Never, None,
        "The request is malformed, or asks for what cannot be.";
    TooDeep "too_deep" Some(400), InvalidArgument, Never, None,
        "JSON or a `Struct` is nested too deeply.";
    DuplicateKey "duplicate_key" Some(400), InvalidArgument, Never, None,
        "A JSON object has a key twice.";
    MutationIdReused "mutation_id_reused" Some(400), InvalidArgument, Never, None,
        "The mutation id was used before, for another commit.";
    TooLarge "too_large" Some(413), InvalidArgument, Never, None,
        "A message, document or commit is too large.";
    Unauthenticated "unauthenticated" Some(401), Unauthenticated, Reauth, Some(4401),
        "There is no valid access token.";
    PermissionDenied "permission_denied" Some(403), PermissionDenied, Never, Some(4403),
        "The rules do not allow it.";
    NotFound "not_found" Some(404), NotFound, Never, None,
        "The document is absent, or hidden.";
    AlreadyExists "already_exists" Some(409), AlreadyExists, Never, None,
        "The document to be inserted exists.";
    PreconditionFailed "precondition_failed" Some(412), FailedPrecondition, Never, None,
        "An `if_…` of a write does not hold.";
    Conflict "conflict" Some(409), Aborted, Now, None,
        "Something in `reads` has changed: read again, and commit again.";
    TokenInvalid "token_invalid" Some(400), InvalidArgument, Resync, None,
        "Not a token of this database, or not one for this request.";
    TokenExpired "token_expired" Some(410), OutOfRange, Resync, None,
        "The token's position is older than what is kept.";
    RateLimited "rate_limited" Some(429), ResourceExhausted, Backoff, Some(4429),
        "Too many requests in a second.";
    LimitExceeded "limit_exceeded" Some(429), ResourceExhausted, Never, None,
        "A limit is reached, such as subscriptions of a connection, or consumers of the database.";
    Slow "slow" None, ResourceExhausted, Now, Some(4409),
        "The client reads or acknowledges too slowly; only in streams.";
    Overloaded "overloaded" Some(503), Unavailable, Backoff, None,
        "The server has too much to do.";
    Unavailable "unavailable" Some(503), Unavailable, Backoff, Some(4500),
        "The server cannot answer now; a commit's outcome may be unknown.";
    ReadOnly "read_only" Some(503), FailedPrecondition, Backoff, None,
        "Writes are refused for now: the disk is full, or has failed.";
    Cancelled "cancelled" None, Cancelled, Never, None,
        "The client gave the request up; only in streams.";
    DeadlineExceeded "deadline_exceeded" Some(504), DeadlineExceeded, Backoff, None,
        "The client's deadline has passed.";
    Unimplemented "unimplemented" Some(501), Unimplemented, Never, None,
        "The server does not know the method, or not yet the feature.";
    Internal "internal" Some(500), Internal, Backoff, None,
        "A defect of the server.";
}

impl Code {
    /// The code as it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The status of an HTTP response. Two codes occur only in streams; should one have to answer
    /// a request after all, it is 499, by which proxies mark a client that went away.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().http.unwrap_or(499)
    }

    /// Whether the table gives the code an HTTP status.
    #[must_use]
    pub fn answers_http(self) -> bool {
        self.row().http.is_some()
    }

    /// The status code of a gRPC response.
    #[must_use]
    pub fn grpc(self) -> tonic::Code {
        self.row().grpc
    }

    /// What the client is to do.
    #[must_use]
    pub fn retry(self) -> Retry {
        self.row().retry
    }

    /// The close code of a WebSocket connection that ends with it, where one can.
    #[must_use]
    pub fn close_code(self) -> Option<u16> {
        self.row().close
    }

    /// What it means, as a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// The code of a status that came without one of ours: from a proxy, or from the gRPC library
    /// itself (for which `OUT_OF_RANGE` is a message that is too large).
    #[must_use]
    pub fn from_grpc(code: tonic::Code) -> Code {
        match code {
            tonic::Code::InvalidArgument => Code::InvalidArgument,
            tonic::Code::OutOfRange => Code::TooLarge,
            tonic::Code::Unauthenticated => Code::Unauthenticated,
            tonic::Code::PermissionDenied => Code::PermissionDenied,
            tonic::Code::NotFound => Code::NotFound,
            tonic::Code::AlreadyExists => Code::AlreadyExists,
            tonic::Code::FailedPrecondition => Code::PreconditionFailed,
            tonic::Code::Aborted => Code::Conflict,
            tonic::Code::ResourceExhausted => Code::LimitExceeded,
            tonic::Code::Unavailable => Code::Unavailable,
            tonic::Code::Cancelled => Code::Cancelled,
            tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
            tonic::Code::Unimplemented => Code::Unimplemented,
            tonic::Code::Ok
            | tonic::Code::Unknown
            | tonic::Code::DataLoss
            | tonic::Code::Internal => Code::Internal,
        }
    }
}

impl FromStr for Code {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Code, UnknownName> {
        Code::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or(UnknownName)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
