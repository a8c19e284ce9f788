//! What an update makes of a document: first the merge patch, then the transforms in order.

use wellspring_types::json::merge_patch;
use wellspring_types::write::{Transform, TransformOperation};
use wellspring_types::{Data, FieldPath, Number, Object, Timestamp, Value, limits};

use crate::commit::EffectError;

/// What the effects of one commit may cost: while they are worked out every writer waits.
pub(crate) struct Budget {
    values: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            values: limits::TRANSFORM_VALUES_MAX,
        }
    }
}

impl Budget {
    fn take(&mut self, array: &[Value], operands: &[Value]) -> Result<(), EffectError> {
        let values = array.iter().chain(operands).map(count).sum();
        let left = self.values.checked_sub(values);
        self.values = left.ok_or(EffectError::TooManyValues)?;
        Ok(())
    }
}

/// How many values a value is made of.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(array) => 1 + array.iter().map(count).sum::<usize>(),
        Value::Object(object) => 1 + object.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// The data after an update of `before`, committed at `time`.
pub(crate) fn update(
    before: &Data,
    patch: &Object,
    transforms: &[Transform],
    time: Timestamp,
    budget: &mut Budget,
) -> Result<Data, EffectError> {
    if transforms.len() > limits::TRANSFORMS_MAX {
        return Err(EffectError::TooManyTransforms);
    }
    let mut object = before.object().clone();
    merge_patch(&mut object, patch);
    for transform in transforms {
        apply(&mut object, transform, time, budget)?;
    }
    Ok(Data::from_object(object)?)
}

fn apply(
    object: &mut Object,
    transform: &Transform,
    time: Timestamp,
    budget: &mut Budget,
) -> Result<(), EffectError> {
    let field = &transform.field;
    let found = field.find(object);
    let value = match &transform.operation {
        TransformOperation::Increment(by) => increment(field, found, by)?,
        TransformOperation::ArrayUnion(values) => {
            let mut array = array(field, found, values, budget)?;
            union(&mut array, values);
            Value::Array(array)
        }
        TransformOperation::ArrayRemove(values) => {
            let mut array = array(field, found, values, budget)?;
            let unwanted: std::collections::HashSet<&Value> = values.iter().collect();
            array.retain(|element| !unwanted.contains(element));
            Value::Array(array)
        }
        TransformOperation::ServerTime => Value::String(time.to_string().into()),
        TransformOperation::Remove => {
            field.remove(object);
            return Ok(());
        }
    };
    field
        .set(object, value)
        .map_err(|_in_the_way| EffectError::NoWay {
            field: field.clone(),
        })
}

/// Appends what is not there yet. Hashed, as a document may hold 100,000 elements and the
/// request as many.
fn union(array: &mut Vec<Value>, values: &[Value]) {
    let mut present: std::collections::HashSet<&Value> = array.iter().collect();
    let new = values.iter().filter(|value| present.insert(value));
    let new: Vec<Value> = new.cloned().collect();
    array.extend(new);
}

fn increment(field: &FieldPath, found: Option<&Value>, by: &Number) -> Result<Value, EffectError> {
    let sum = match found {
        None => by.clone(),
        Some(Value::Number(number)) => {
            number.add(by).map_err(|_range| EffectError::OutOfRange {
                field: field.clone(),
            })?
        }
        Some(other) => return Err(wrong_type(field, other, "a number")),
    };
    Ok(Value::Number(sum))
}

/// The array in a field, to be gone through with `operands`.
fn array(
    field: &FieldPath,
    found: Option<&Value>,
    operands: &[Value],
    budget: &mut Budget,
) -> Result<Vec<Value>, EffectError> {
    let array = match found {
        None => &[],
        Some(Value::Array(array)) => array.as_slice(),
        Some(other) => return Err(wrong_type(field, other, "an array")),
    };
    budget.take(array, operands)?;
    Ok(array.to_vec())
}

fn wrong_type(field: &FieldPath, found: &Value, expected: &'static str) -> EffectError {
    EffectError::WrongType {
        field: field.clone(),
        found: found.type_name(),
        expected,
    }
}
