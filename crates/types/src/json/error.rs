//! Why JSON is refused.

use crate::limits::{DEPTH_MAX, DOCUMENT_BYTES_MAX, NUMBER_BYTES_MAX};

/// Bytes of a client's own text that an error repeats.
const CLIPPED_BYTES_MAX: usize = 128;

/// Why a text is not JSON that a document may hold. Offsets are in bytes from the text's start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not the grammar of RFC 8259.
    #[error("invalid JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Where.
        offset: usize,
        /// What would have been right there.
        expected: &'static str,
    },
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Where.
        offset: usize,
    },
    /// More levels of objects and arrays than are allowed.
    #[error("nested too deeply: a document has at most {DEPTH_MAX} levels")]
    TooDeep,
    /// An object has a key twice.
    #[error("duplicate key {key:?}")]
    DuplicateKey {
        /// The key after unescaping; a long one is clipped.
        key: Box<str>,
    },
    /// An escape for one half of a surrogate pair without the other: no Unicode character.
    #[error("lone surrogate at byte {offset}")]
    LoneSurrogate {
        /// Where the escape begins.
        offset: usize,
    },
    /// Too large for a double, or so small that a double would be 0.
    #[error("number {number} is beyond the range of a double")]
    NumberOutOfRange {
        /// The number.
        number: Box<str>,
    },
    /// Longer than [`NUMBER_BYTES_MAX`].
    #[error("a number has at most {NUMBER_BYTES_MAX} bytes, this one {bytes}")]
    NumberTooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Some other value where an object is wanted.
    #[error("expected a JSON object")]
    NotAnObject,
    /// Larger than [`DOCUMENT_BYTES_MAX`].
    #[error("a document has at most {DOCUMENT_BYTES_MAX} bytes, this one {bytes}")]
    TooLarge {
        /// Its length in bytes, minified.
        bytes: usize,
    },
}

/// Why there is no such [`crate::Number`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// Not a JSON number.
    #[error("{text:?} is not a JSON number")]
    Syntax {
        /// The text; a long one is clipped.
        text: Box<str>,
    },
    /// Longer than [`NUMBER_BYTES_MAX`].
    #[error("a number has at most {NUMBER_BYTES_MAX} bytes, this one {bytes}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Too large for a double, or so small that a double would be 0.
    #[error("number {number} is beyond the range of a double")]
    OutOfRange {
        /// The number.
        number: Box<str>,
    },
}

impl From<NumberError> for JsonError {
    fn from(error: NumberError) -> JsonError {
        match error {
            NumberError::Syntax { .. } => JsonError::Syntax {
                offset: 0,
                expected: "a number",
            },
            NumberError::TooLong { bytes } => JsonError::NumberTooLong { bytes },
            NumberError::OutOfRange { number } => JsonError::NumberOutOfRange { number },
        }
    }
}

/// A client's text as an error may repeat it: one of megabytes must not be sent back whole.
pub(crate) fn clip(text: &str) -> Box<str> {
    if text.len() <= CLIPPED_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(CLIPPED_BYTES_MAX);
    format!("{}…", &text[..end]).into()
}
