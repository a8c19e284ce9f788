//! Filters: which documents somebody means.
//!
//! ```text
//! {"room":"r1","votes":{"gte":3},"or":[{"open":true},{"tags":{"contains":"tea"}}],"not":{…}}
//! ```
//!
//! All entries of an object must hold. A key names a field, dotted for a nested one; a key that
//! begins with `/` is a JSON Pointer (RFC 6901), by which fields called `and`, `or` and `not` are
//! reached. A value that is an object holds operators, any other value is compared for equality.
//!
//! | operator | operand | holds if the field |
//! | --- | --- | --- |
//! | `eq`, `ne` | any value | is equal to it; is not, or is missing |
//! | `lt` `lte` `gt` `gte` | a number, string or boolean | is of the same type and so ordered |
//! | `in`, `not_in` | an array | is equal to an element; to none, or is missing |
//! | `exists` | a boolean | is there (`null` is there); is missing |
//! | `contains` | any value | is an array with an element equal to it |
//! | `prefix` | a string | is a string that begins with it |
//!
//! `and` and `or` hold arrays of filters, `not` one filter, which it negates exactly. `{}` and an
//! empty `and` match every document, an empty `or` none. `null`, arrays and objects have no
//! ranges: their place in the order of types is for sorting.

mod canonical;
mod error;
mod evaluate;
mod node;
mod parse;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

pub use error::FilterError;
pub use node::{Condition, Node, Range, Test};

use crate::json::{self, Object, Value};
use crate::limits::{DEPTH_MAX, FILTER_BYTES_MAX};

/// A filter; see [`crate::filter`]. Clones are cheap. Equality and hash are of the canonical form
/// ([`Filter::canonical`]): filters that are spelled differently can be equal.
#[derive(Clone)]
pub struct Filter(Arc<Inner>);

struct Inner {
    node: Node,
    canonical: Box<str>,
}

impl Filter {
    /// Reads a filter's JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not a filter.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        Filter::from_value(&json::parse(text.as_bytes())?)
    }

    /// Reads a filter from parsed JSON.
    ///
    /// # Errors
    /// If it is not a filter.
    pub fn from_value(value: &Value) -> Result<Filter, FilterError> {
        check_size(&value.to_text())?;
        let node = canonical::normalize(parse::parse(value)?);
        let value = canonical::to_value(&node);
        // The canonical form has levels of its own, and must be a filter that can be sent.
        if json::check_depth([&value], DEPTH_MAX + 1).is_err() {
            return Err(FilterError::TooDeep);
        }
        let canonical = json::canonical_text(&value);
        check_size(&canonical)?;
        let canonical = canonical.into();
        Ok(Filter(Arc::new(Inner { node, canonical })))
    }

    /// Whether the document with this data is meant.
    #[must_use]
    pub fn matches(&self, data: &Object) -> bool {
        evaluate::matches(&self.0.node, data)
    }

    /// The filter as a tree, normalised.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    /// The canonical JSON text. It is the same however numbers are spelled and whatever the order
    /// of keys, of branches and of alternatives; and read again it is this filter.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// The canonical form as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        canonical::to_value(&self.0.node)
    }
}

fn check_size(text: &str) -> Result<(), FilterError> {
    let bytes = text.len();
    if bytes > FILTER_BYTES_MAX {
        return Err(FilterError::TooLarge { bytes });
    }
    Ok(())
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(text)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.canonical == other.0.canonical
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.canonical.hash(state);
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.canonical)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.0.canonical)
    }
}
