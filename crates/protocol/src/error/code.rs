//! The error table: codes, and what follows from each.

use std::fmt;
use std::str::FromStr;

/// What went wrong, as every transport names it. `docs/protocol.md` shows the whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request is malformed, or asks for what cannot be.
    InvalidArgument,
    /// JSON or a `Struct` is nested too deeply.
    TooDeep,
    /// A JSON object has a key twice.
    DuplicateKey,
    /// The mutation id was used before, for another commit.
    MutationIdReused,
    /// A message, document or commit is too large.
    TooLarge,
    /// No valid access token.
    Unauthenticated,
    /// The rules do not allow it.
    PermissionDenied,
    /// The document is absent.
    NotFound,
    /// The document to be inserted exists.
    AlreadyExists,
    /// An `if_…` of a write does not hold.
    PreconditionFailed,
    /// Something that the commit relies on has changed.
    Conflict,
    /// Not a token of this database, or not one for this request.
    TokenInvalid,
    /// The token's position is older than what is kept.
    TokenExpired,
    /// Too many requests a second.
    RateLimited,
    /// A fixed limit is reached.
    LimitExceeded,
    /// The client reads too slowly.
    Slow,
    /// The server has too much to do.
    Overloaded,
    /// The server cannot answer now; a write's outcome may be unknown.
    Unavailable,
    /// Writes are refused until an operator, or free space, helps.
    ReadOnly,
    /// The client gave the request up.
    Cancelled,
    /// The client's deadline passed.
    DeadlineExceeded,
    /// The server does not know the method, or not yet the feature.
    Unimplemented,
    /// A defect of the server.
    Internal,
    /// A code of a newer server than this client: what to do is known all the same. Servers do
    /// not send it.
    Unknown(Retry),
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request would fail again.
    Never,
    /// The same, at once.
    Now,
    /// The same, after `after_ms` or with growing, random delays.
    Backoff,
    /// With a new access token.
    Reauth,
    /// From a snapshot.
    Resync,
}

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

impl Code {
    /// Every code of the table, in its order.
    pub const ALL: [Code; 23] = [
        Code::InvalidArgument,
        Code::TooDeep,
        Code::DuplicateKey,
        Code::MutationIdReused,
        Code::TooLarge,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PreconditionFailed,
        Code::Conflict,
        Code::TokenInvalid,
        Code::TokenExpired,
        Code::RateLimited,
        Code::LimitExceeded,
        Code::Slow,
        Code::Overloaded,
        Code::Unavailable,
        Code::ReadOnly,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Unimplemented,
        Code::Internal,
    ];

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

    #[expect(
        clippy::too_many_lines,
        reason = "one table, a line or two for each code"
    )]
    fn row(self) -> Row {
        use tonic::Code as Grpc;
        let row = |name, http, grpc, retry| Row {
            name,
            http,
            grpc,
            retry,
            close: None,
            meaning: "",
        };
        let row = match self {
            Code::InvalidArgument => row(
                "invalid_argument",
                Some(400),
                Grpc::InvalidArgument,
                Retry::Never,
            )
            .meaning("The request is malformed, or asks for what cannot be."),
            Code::TooDeep => row("too_deep", Some(400), Grpc::InvalidArgument, Retry::Never)
                .meaning("JSON or a `Struct` is nested too deeply."),
            Code::DuplicateKey => row(
                "duplicate_key",
                Some(400),
                Grpc::InvalidArgument,
                Retry::Never,
            )
            .meaning("A JSON object has a key twice."),
            Code::MutationIdReused => row(
                "mutation_id_reused",
                Some(400),
                Grpc::InvalidArgument,
                Retry::Never,
            )
            .meaning("The mutation id was used before, for another commit."),
            Code::TooLarge => row("too_large", Some(413), Grpc::InvalidArgument, Retry::Never)
                .meaning("A message, document or commit is too large."),
            Code::Unauthenticated => row(
                "unauthenticated",
                Some(401),
                Grpc::Unauthenticated,
                Retry::Reauth,
            )
            .close(4401)
            .meaning("There is no valid access token."),
            Code::PermissionDenied => row(
                "permission_denied",
                Some(403),
                Grpc::PermissionDenied,
                Retry::Never,
            )
            .close(4403)
            .meaning("The rules do not allow it."),
            Code::NotFound => row("not_found", Some(404), Grpc::NotFound, Retry::Never)
                .meaning("The document is absent, or hidden."),
            Code::AlreadyExists => row(
                "already_exists",
                Some(409),
                Grpc::AlreadyExists,
                Retry::Never,
            )
            .meaning("The document to be inserted exists."),
            Code::PreconditionFailed => row(
                "precondition_failed",
                Some(412),
                Grpc::FailedPrecondition,
                Retry::Never,
            )
            .meaning("An `if_…` of a write does not hold."),
            Code::Conflict => row("conflict", Some(409), Grpc::Aborted, Retry::Now)
                .meaning("Something in `reads` has changed: read again, and commit again."),
            Code::TokenInvalid => row(
                "token_invalid",
                Some(400),
                Grpc::InvalidArgument,
                Retry::Resync,
            )
            .meaning("Not a token of this database, or not one for this request."),
            Code::TokenExpired => row("token_expired", Some(410), Grpc::OutOfRange, Retry::Resync)
                .meaning("The token's position is older than what is kept."),
            Code::RateLimited => row(
                "rate_limited",
                Some(429),
                Grpc::ResourceExhausted,
                Retry::Backoff,
            )
            .close(4429)
            .meaning("Too many requests in a second."),
            Code::LimitExceeded => row(
                "limit_exceeded",
                Some(429),
                Grpc::ResourceExhausted,
                Retry::Never,
            )
            .meaning("A fixed limit is reached, such as subscriptions of a connection."),
            Code::Slow => row("slow", None, Grpc::ResourceExhausted, Retry::Now)
                .close(4409)
                .meaning("The client reads too slowly; only in streams."),
            Code::Overloaded => row("overloaded", Some(503), Grpc::Unavailable, Retry::Backoff)
                .meaning("The server has too much to do."),
            Code::Unavailable => row("unavailable", Some(503), Grpc::Unavailable, Retry::Backoff)
                .close(4500)
                .meaning("The server cannot answer now; a commit's outcome may be unknown."),
            Code::ReadOnly => row(
                "read_only",
                Some(503),
                Grpc::FailedPrecondition,
                Retry::Backoff,
            )
            .meaning("Writes are refused for now: the disk is full, or has failed."),
            Code::Cancelled => row("cancelled", None, Grpc::Cancelled, Retry::Never)
                .meaning("The client gave the request up; only in streams."),
            Code::DeadlineExceeded => row(
                "deadline_exceeded",
                Some(504),
                Grpc::DeadlineExceeded,
                Retry::Backoff,
            )
            .meaning("The client's deadline has passed."),
            Code::Unimplemented => row(
                "unimplemented",
                Some(501),
                Grpc::Unimplemented,
                Retry::Never,
            )
            .meaning("The server does not know the method, or not yet the feature."),
            Code::Internal => row("internal", Some(500), Grpc::Internal, Retry::Backoff)
                .meaning("A defect of the server."),
            Code::Unknown(retry) => row("unknown", Some(500), Grpc::Unknown, retry)
                .meaning("A code that this client does not know."),
        };
        debug_assert!(!row.meaning.is_empty(), "{} says what it means", row.name);
        row
    }
}

impl Row {
    fn close(self, code: u16) -> Row {
        Row {
            close: Some(code),
            ..self
        }
    }

    fn meaning(self, meaning: &'static str) -> Row {
        Row { meaning, ..self }
    }
}

impl Retry {
    /// Every value.
    pub const ALL: [Retry; 5] = [
        Retry::Never,
        Retry::Now,
        Retry::Backoff,
        Retry::Reauth,
        Retry::Resync,
    ];

    /// The value as it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Retry::Never => "never",
            Retry::Now => "now",
            Retry::Backoff => "backoff",
            Retry::Reauth => "reauth",
            Retry::Resync => "resync",
        }
    }
}

impl FromStr for Code {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Code, UnknownName> {
        Code::ALL
            .into_iter()
            .find(|code| code.as_str() == text)
            .ok_or(UnknownName)
    }
}

impl FromStr for Retry {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Retry, UnknownName> {
        Retry::ALL
            .into_iter()
            .find(|retry| retry.as_str() == text)
            .ok_or(UnknownName)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
