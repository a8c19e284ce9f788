//! Names of fields inside a document.

use std::fmt;

use crate::json::{Object, Value};

/// A field: dotted names (`address.city`), or a JSON Pointer (RFC 6901) where it begins with `/`
/// (`/a.b/0`). Dotted names go through objects only; a pointer's number also indexes an array.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath {
    text: Box<str>,
    names: Vec<Box<str>>,
}

/// Why a text is not a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldPathError {
    /// No name, or an empty one in a dotted path.
    #[error("field {text:?} has an empty name (a name with dots is written as a JSON Pointer)")]
    EmptyName {
        /// The text.
        text: Box<str>,
    },
    /// `~` in a JSON Pointer that is not `~0` or `~1`.
    #[error("JSON Pointer {text:?} has a ~ that is not followed by 0 or 1")]
    BadEscape {
        /// The text.
        text: Box<str>,
    },
    /// Longer than [`crate::limits::FIELD_PATH_BYTES_MAX`], or with more names than a document
    /// can be deep.
    #[error("a field's path is too long")]
    TooLong,
}

/// The fields of a document that are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Select(Vec<FieldPath>);

impl FieldPath {
    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names on the way to the field, outermost first; at least one.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }
}
