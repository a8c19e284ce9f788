//! An error as clients are told it.

use std::fmt;
use std::fmt::Write as _;

use wellspring_types::json::write_string;
use wellspring_types::{Object, Value};

use super::{Code, Retry};

/// Bytes of a message. It goes into an HTTP/2 header three times as long where it is not ASCII,
/// and many clients take 8 KiB of headers.
const MESSAGE_BYTES_MAX: usize = 1024;

/// An error as clients are told it: nothing about the server's inside.
#[derive(Clone, Debug, PartialEq)]
pub struct WireError {
    /// What went wrong.
    pub code: Code,
    /// What went wrong, for people.
    pub message: String,
    /// When to try again, in milliseconds from now; `None`: the client decides.
    pub after_ms: Option<u64>,
    /// What it is about, for programs.
    pub details: Option<Object>,
}

impl WireError {
    /// An error without details. A message that is too long is cut.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> WireError {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX - '…'.len_utf8()));
            message.push('…');
        }
        WireError {
            code,
            message,
            after_ms: None,
            details: None,
        }
    }

    /// [`Code::InvalidArgument`].
    #[must_use]
    pub fn invalid_argument(message: impl Into<String>) -> WireError {
        WireError::new(Code::InvalidArgument, message)
    }

    /// [`Code::Unimplemented`].
    #[must_use]
    pub fn unimplemented(message: impl Into<String>) -> WireError {
        WireError::new(Code::Unimplemented, message)
    }

    /// [`Code::Internal`], with the one message that there is: what happened is for the log.
    #[must_use]
    pub fn internal() -> WireError {
        WireError::new(
            Code::Internal,
            "the server met an error that it did not expect",
        )
    }

    /// With a time to try again.
    #[must_use]
    pub fn after_ms(mut self, after_ms: u64) -> WireError {
        self.after_ms = Some(after_ms);
        self
    }

    /// With one more member of `details`.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> WireError {
        self.details.get_or_insert_default().insert(name, value);
        self
    }

    /// Says where in a request it is about, as `writes[3]`.
    #[must_use]
    pub(crate) fn within(self, place: &str) -> WireError {
        let WireError {
            code,
            message,
            after_ms,
            details,
        } = self;
        WireError {
            after_ms,
            details,
            ..WireError::new(code, format!("{place}: {message}"))
        }
    }

    /// What the client is to do.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.code.retry()
    }

    /// As a JSON object: `{"code":…,"message":…,"retry":…,"after_ms":…,"details":…}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        self.write_members(&mut out);
        out.push('}');
        out
    }

    /// The members of [`WireError::to_json`], for a message that has more.
    pub(crate) fn write_members(&self, out: &mut String) {
        out.push_str("\"code\":");
        write_string(out, self.code.as_str());
        out.push_str(",\"message\":");
        write_string(out, &self.message);
        self.write_retry(out);
        if let Some(details) = &self.details {
            out.push_str(",\"details\":");
            details.write(out);
        }
    }

    /// `,"retry":…` and `,"after_ms":…`.
    pub(crate) fn write_retry(&self, out: &mut String) {
        out.push_str(",\"retry\":");
        write_string(out, self.retry().as_str());
        if let Some(after_ms) = self.after_ms {
            // Writing into a String cannot fail.
            let _infallible = write!(out, ",\"after_ms\":{after_ms}");
        }
    }

    /// From names that were received. A code that is not known is kept in the details, and what
    /// to do follows from `retry`; where that is not known either, trying later is harmless.
    pub(crate) fn received(code: &str, retry: &str, message: &str) -> WireError {
        match code.parse() {
            Ok(code) => WireError::new(code, message),
            Err(_unknown) => {
                let retry = retry.parse().unwrap_or(Retry::Backoff);
                WireError::new(Code::Unknown(retry), message).detail("code", code)
            }
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for WireError {}
