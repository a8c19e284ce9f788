//! The fields of documents that somebody wants.

use std::collections::BTreeMap;

use super::FieldPath;
use crate::json::{Object, Value};
use crate::limits::SELECT_FIELDS_MAX;

/// The fields of a document that are wanted: at least one, in the order they were asked for,
/// without repeats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Select(Vec<FieldPath>);

/// Why a list of fields is not a [`Select`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// No field.
    #[error("a select names at least one field")]
    Empty,
    /// More than [`SELECT_FIELDS_MAX`].
    #[error("a select names at most {SELECT_FIELDS_MAX} fields, this one {fields}")]
    TooMany {
        /// Their number.
        fields: usize,
    },
}

/// What is wanted below a member or an element.
enum Branch<'a> {
    Whole,
    /// Fields that go on, with the number of names behind them.
    Parts(Vec<(&'a FieldPath, usize)>),
}

impl Select {
    /// From the fields; what comes again is dropped.
    ///
    /// # Errors
    /// If there is none, or there are more than [`SELECT_FIELDS_MAX`].
    pub fn new(fields: Vec<FieldPath>) -> Result<Select, SelectError> {
        if fields.is_empty() {
            return Err(SelectError::Empty);
        }
        if fields.len() > SELECT_FIELDS_MAX {
            return Err(SelectError::TooMany {
                fields: fields.len(),
            });
        }
        let mut unique: Vec<FieldPath> = Vec::with_capacity(fields.len());
        for field in fields {
            if !unique.contains(&field) {
                unique.push(field);
            }
        }
        Ok(Select(unique))
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldPath] {
        &self.0
    }

    /// What `object` has of the fields, in its own order. Of what a nested field is in, only that
    /// branch is kept; of an array that a pointer goes into, only the elements named, close
    /// together.
    #[must_use]
    pub fn project(&self, object: &Object) -> Object {
        let fields: Vec<_> = self.0.iter().map(|field| (field, 0)).collect();
        project_object(object, &fields)
    }
}

fn project_object(object: &Object, fields: &[(&FieldPath, usize)]) -> Object {
    let branches = branches(fields, |_, name| object.position(name));
    let members = branches.iter().filter_map(|(position, branch)| {
        let (name, value) = object.member(*position)?;
        Some((name, project_value(value, branch)?))
    });
    members.collect()
}

fn project_value(value: &Value, branch: &Branch<'_>) -> Option<Value> {
    match (branch, value) {
        (Branch::Whole, _) => Some(value.clone()),
        (Branch::Parts(fields), Value::Object(object)) => {
            let projected = project_object(object, fields);
            if projected.is_empty() {
                None
            } else {
                Some(projected.into())
            }
        }
        (Branch::Parts(fields), Value::Array(elements)) => {
            let branches = branches(fields, |field, name| field.index(name));
            let kept = branches
                .iter()
                .filter_map(|(index, branch)| project_value(elements.get(*index)?, branch));
            let kept: Vec<Value> = kept.collect();
            if kept.is_empty() {
                None
            } else {
                Some(kept.into())
            }
        }
        _ => None,
    }
}

/// What is wanted of each place that one of `fields` names, in the order of places.
fn branches<'a>(
    fields: &[(&'a FieldPath, usize)],
    place: impl Fn(&FieldPath, &str) -> Option<usize>,
) -> BTreeMap<usize, Branch<'a>> {
    let mut branches = BTreeMap::new();
    for &(field, depth) in fields {
        let Some(place) = field.names().get(depth).and_then(|name| place(field, name)) else {
            continue;
        };
        let is_last = depth + 1 == field.names().len();
        let branch = branches
            .entry(place)
            .or_insert_with(|| Branch::Parts(Vec::new()));
        match branch {
            Branch::Parts(_) if is_last => *branch = Branch::Whole,
            Branch::Parts(parts) => parts.push((field, depth + 1)),
            Branch::Whole => {}
        }
    }
    branches
}
