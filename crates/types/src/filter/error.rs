//! Why JSON is not a filter.

use crate::limits::{DEPTH_MAX, FILTER_BYTES_MAX, FILTER_NODES_MAX};
use crate::{FieldPathError, JsonError};

/// Why something is not a [`super::Filter`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Not JSON.
    #[error("a filter is a JSON object: {0}")]
    Json(#[from] JsonError),
    /// Some other value where an object is wanted.
    #[error("a filter is an object, not {found}")]
    NotAnObject {
        /// What it is, such as `an array`.
        found: &'static str,
    },
    /// A key that is not a field's path.
    #[error(transparent)]
    Field(#[from] FieldPathError),
    /// A field's object has an operator beside one that there is not.
    #[error("field {field:?} has the unknown operator {operator:?}")]
    UnknownOperator {
        /// The field.
        field: Box<str>,
        /// The key that is no operator.
        operator: Box<str>,
    },
    /// A field's object has no operator in it.
    #[error(
        "field {field:?} has {key:?} where an operator is expected: \
         to compare with an object, write {{\"eq\":{{…}}}}"
    )]
    NoOperator {
        /// The field.
        field: Box<str>,
        /// The object's first key.
        key: Box<str>,
    },
    /// A field's object is empty.
    #[error(
        "field {field:?} has an empty object where operators are expected: \
         to compare with an empty object, write {{\"eq\":{{}}}}"
    )]
    EmptyObject {
        /// The field.
        field: Box<str>,
    },
    /// An operator's operand is of a type that it does not take.
    #[error("operator {operator:?} of field {field:?} takes {expected}, not {found}")]
    Operand {
        /// The field.
        field: Box<str>,
        /// The operator.
        operator: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
    /// `and`, `or` or `not` with something that it does not take.
    #[error(
        "{connective:?} takes {expected}, not {found} (a field of this name is \"/{connective}\")"
    )]
    Connective {
        /// Which.
        connective: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
    /// More than [`FILTER_NODES_MAX`] nodes.
    #[error("a filter has at most {FILTER_NODES_MAX} nodes")]
    TooManyNodes,
    /// Larger than [`FILTER_BYTES_MAX`].
    #[error("a filter has at most {FILTER_BYTES_MAX} bytes, this one {bytes}")]
    TooLarge {
        /// Its length in bytes, minified.
        bytes: usize,
    },
    /// Nested too deeply.
    #[error("a filter in its canonical form has at most {DEPTH_MAX} levels")]
    TooDeep,
}
