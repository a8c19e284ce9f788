//! The sort order of values.

use std::cmp::Ordering;

use super::Value;

/// The total order of all values, for sorting: null < booleans < numbers < strings < arrays <
/// objects. `false` < `true`; numbers by their exact value; strings by their bytes in UTF-8;
/// arrays element by element, a prefix first; objects as arrays of their members sorted by key, a
/// member by its key, then by its value.
#[must_use]
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Array(a), Value::Array(b)) => first_difference(
            a.iter().zip(b).map(|(a, b)| compare(a, b)),
            a.len().cmp(&b.len()),
        ),
        (Value::Object(a), Value::Object(b)) => {
            let (a, b) = (a.sorted(), b.sorted());
            let members = a
                .iter()
                .zip(&b)
                .map(|((a_key, a_value), (b_key, b_value))| {
                    a_key
                        .as_bytes()
                        .cmp(b_key.as_bytes())
                        .then_with(|| compare(a_value, b_value))
                });
            first_difference(members, a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// [`compare`], with a missing value before every other.
#[must_use]
pub fn compare_optional(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        _ => a.is_some().cmp(&b.is_some()),
    }
}

fn first_difference(mut pairs: impl Iterator<Item = Ordering>, lengths: Ordering) -> Ordering {
    pairs.find(|ordering| ordering.is_ne()).unwrap_or(lengths)
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}
