//! A filter as a tree.

use crate::{FieldPath, Value};

/// A part of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Node {
    /// Every one holds; none: matches everything.
    All(Vec<Node>),
    /// One of them holds; none: matches nothing.
    Any(Vec<Node>),
    /// It does not hold.
    Not(Box<Node>),
    /// One field's condition.
    Field(Condition),
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The field.
    pub field: FieldPath,
    /// What must be true of it.
    pub test: Test,
}

/// What must be true of a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Test {
    /// `eq`.
    Equal(Value),
    /// `ne`: not equal, or missing.
    NotEqual(Value),
    /// `lt`, `lte`, `gt`, `gte`: of the operand's type, and so ordered.
    Range(Range, Value),
    /// `in`: equal to one of them.
    In(Vec<Value>),
    /// `not_in`: equal to none of them, or missing.
    NotIn(Vec<Value>),
    /// `exists: true`.
    Exists,
    /// `exists: false`.
    Missing,
    /// `contains`: an array with an equal element.
    Contains(Value),
    /// `prefix`: a string that begins so.
    Prefix(Box<str>),
}

/// On which side of its operand a range lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// `lt`.
    Less,
    /// `lte`.
    LessOrEqual,
    /// `gt`.
    Greater,
    /// `gte`.
    GreaterOrEqual,
}
