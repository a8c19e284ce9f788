//! JSON Merge Patch (RFC 7396).

use super::{Object, Value};

/// Applies a merge patch: members of `patch` replace those of `target`, objects are merged, `null`
/// removes. Members that stay keep their place; new ones come last.
pub fn merge_patch(target: &mut Object, patch: &Object) {
    let mut removes = false;
    for (key, value) in patch {
        match value {
            Value::Null => removes = true,
            Value::Object(below) => match target.get_mut(key) {
                Some(Value::Object(object)) => merge_patch(object, below),
                found => {
                    // Merged into nothing rather than copied: the nulls in it must go.
                    let mut object = Object::new();
                    merge_patch(&mut object, below);
                    match found {
                        Some(found) => *found = object.into(),
                        None => drop(target.insert(key, object)),
                    }
                }
            },
            _ => drop(target.insert(key, value.clone())),
        }
    }
    if removes {
        // In one pass: member by member would take quadratic time on a hostile patch.
        target.retain(|key, _| !patch.get(key).is_some_and(Value::is_null));
    }
}

/// The merge patch that makes `before` into `after`. `None` where there is none: RFC 7396 cannot
/// set a member to `null`. Numbers count as different when they are written differently; the order
/// of keys does not count.
#[must_use]
pub fn merge_diff(before: &Object, after: &Object) -> Option<Object> {
    let mut patch = Object::new();
    for (key, value) in after {
        match (before.get(key), value) {
            (Some(Value::Object(before)), Value::Object(after)) => {
                let below = merge_diff(before, after)?;
                if !below.is_empty() {
                    patch.insert(key, below);
                }
            }
            (Some(before), _) if is_same(before, value) => {}
            _ if survives_merge(value) => drop(patch.insert(key, value.clone())),
            _ => return None,
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        patch.insert(key, Value::Null);
    }
    Some(patch)
}

/// Whether a patch with this value sets it as it is: `null` would remove, at any level of objects.
fn survives_merge(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(object) => object.iter().all(|(_, value)| survives_merge(value)),
        _ => true,
    }
}

/// Equal to the digit.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_str() == b.as_str(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, value)| b.get(key).is_some_and(|other| is_same(value, other));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => a == b,
    }
}
