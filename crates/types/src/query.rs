//! Queries and their pages.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::{
    At, CollectionPath, Document, DocumentPath, FieldPath, FieldPathError, Filter, Select, Sequence,
};

/// Asks for one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// The document.
    pub path: DocumentPath,
    /// As of when; `None`: as of now.
    pub at: Option<At>,
}

/// A query of one collection, or its next page.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The collection.
    pub collection: CollectionPath,
    /// Which documents; `None`: all of them.
    pub filter: Option<Filter>,
    /// Which of their fields; `None`: all of them.
    pub select: Option<Select>,
    /// In which order; ties, and an empty list, by the bytes of the id.
    pub order_by: Vec<OrderBy>,
    /// Documents in a page, 1 to [`crate::limits::PAGE_DOCUMENTS_MAX`].
    pub limit: u32,
    /// The `cursor` of the page before, which was asked for with the same `at`.
    pub cursor: Option<String>,
    /// As of when; `None`: as of now.
    pub at: Option<At>,
}

/// One document, or none, as of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The document; `None`: there was none.
    pub document: Option<Document>,
    /// As of this sequence.
    pub seq: Sequence,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderBy {
    /// The field. A document without it comes before `null`.
    pub field: FieldPath,
    /// Ascending or descending.
    pub direction: Direction,
}

/// The direction of one key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first; written with a `-` before the field.
    Descending,
}

/// Documents of one query as of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The documents, in the order that was asked for.
    pub documents: Vec<Document>,
    /// The sequence as of which this page, and every further one, is exact.
    pub seq: Sequence,
    /// Gives the next page; `None` on the last.
    pub cursor: Option<String>,
}

/// Compares two documents of one collection in the order `keys`, ties by the bytes of the id.
#[must_use]
pub fn compare(keys: &[OrderBy], a: &Document, b: &Document) -> Ordering {
    for key in keys {
        let ordering = crate::json::compare_optional(
            key.field.find(a.data.object()),
            key.field.find(b.data.object()),
        );
        let ordering = match key.direction {
            Direction::Ascending => ordering,
            Direction::Descending => ordering.reverse(),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    a.path.id().as_bytes().cmp(b.path.id().as_bytes())
}

impl FromStr for OrderBy {
    type Err = FieldPathError;

    /// A field's path, with a `-` before it for [`Direction::Descending`]; a field whose own name
    /// begins with `-` is written as a JSON Pointer.
    fn from_str(text: &str) -> Result<OrderBy, FieldPathError> {
        let (direction, field) = match text.strip_prefix('-') {
            Some(field) => (Direction::Descending, field),
            None => (Direction::Ascending, text),
        };
        Ok(OrderBy {
            field: field.parse()?,
            direction,
        })
    }
}

impl fmt::Display for OrderBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.direction {
            Direction::Ascending => "",
            Direction::Descending => "-",
        };
        write!(f, "{sign}{}", self.field)
    }
}
