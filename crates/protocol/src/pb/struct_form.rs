//! JSON in protobuf: as text, or as a `google.protobuf.Struct`.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use wellspring_types::{Data, Number, Object, Value, json};

use super::generated::{Content, Elements, Format, content, elements};
use crate::error::{Code, WireError};
use crate::strict::STRUCT_DEPTH_MAX;

/// The form in which a response carries JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentForm {
    /// Text: exact.
    #[default]
    Json,
    /// A `Struct`, where the JSON is not too deep for one.
    Struct,
}

impl ContentForm {
    /// From the `format` of a request.
    ///
    /// # Errors
    /// If it is not a value of the enum.
    pub fn of(format: i32) -> Result<ContentForm, WireError> {
        match Format::try_from(format) {
            Ok(Format::Unspecified | Format::Json) => Ok(ContentForm::Json),
            Ok(Format::Struct) => Ok(ContentForm::Struct),
            Err(_unknown) => Err(WireError::invalid_argument(format!(
                "format must be FORMAT_JSON or FORMAT_STRUCT, not {format}"
            ))),
        }
    }
}

/// A request's content as an object.
pub(super) fn read_object(content: Content) -> Result<Object, WireError> {
    if content.inexact {
        return Err(WireError::invalid_argument("inexact is for responses only"));
    }
    match content.form {
        Some(content::Form::Json(text)) => match json::parse(text.as_bytes())? {
            Value::Object(object) => Ok(object),
            other => Err(WireError::invalid_argument(format!(
                "json must hold an object, not {}",
                other.type_name()
            ))),
        },
        Some(content::Form::Value(value)) => read_struct(value, 1),
        None => Err(WireError::invalid_argument(
            "one of json and value is needed",
        )),
    }
}

/// A request's array.
pub(super) fn read_elements(elements: Elements) -> Result<Vec<Value>, WireError> {
    match elements.form {
        Some(elements::Form::Json(text)) => match json::parse(text.as_bytes())? {
            Value::Array(elements) => Ok(elements),
            other => Err(WireError::invalid_argument(format!(
                "json must hold an array, not {}",
                other.type_name()
            ))),
        },
        Some(elements::Form::Values(list)) => read_list(list, 1),
        None => Err(WireError::invalid_argument(
            "one of json and values is needed",
        )),
    }
}

fn read_struct(value: Struct, depth: usize) -> Result<Object, WireError> {
    check_depth(depth)?;
    let member = |(name, value)| Ok((name, read_value(value, depth)?));
    value.fields.into_iter().map(member).collect()
}

fn read_list(list: ListValue, depth: usize) -> Result<Vec<Value>, WireError> {
    check_depth(depth)?;
    list.values
        .into_iter()
        .map(|value| read_value(value, depth))
        .collect()
}

/// Requests off the wire have been checked already; this bounds the recursion for all others.
fn check_depth(depth: usize) -> Result<(), WireError> {
    if depth > STRUCT_DEPTH_MAX {
        let message = format!("a Struct has at most {STRUCT_DEPTH_MAX} levels");
        return Err(WireError::new(Code::TooDeep, message));
    }
    Ok(())
}

fn read_value(value: prost_types::Value, depth: usize) -> Result<Value, WireError> {
    Ok(match value.kind {
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(number)) => Value::Number(Number::try_from(number)?),
        Some(Kind::StringValue(text)) => Value::String(text.into()),
        Some(Kind::ListValue(list)) => Value::Array(read_list(list, depth + 1)?),
        Some(Kind::StructValue(value)) => Value::Object(read_struct(value, depth + 1)?),
        None => {
            return Err(WireError::invalid_argument(
                "a Value of a Struct has no kind",
            ));
        }
    })
}

/// A response's content. A `Struct` that would be nested too deeply for a client's decoder is
/// sent as text.
pub(super) fn content(data: &Data, form: ContentForm) -> Content {
    if form == ContentForm::Struct {
        let mut exactness = Exactness::Exact;
        if let Some(value) = write_struct(data.object(), 1, &mut exactness) {
            let inexact = exactness == Exactness::Inexact;
            return Content {
                form: Some(content::Form::Value(value)),
                inexact,
            };
        }
    }
    Content {
        form: Some(content::Form::Json(data.as_str().to_owned())),
        inexact: false,
    }
}

/// Whether every number's digits went into its double.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exactness {
    Exact,
    Inexact,
}

/// `None`: too deep.
fn write_struct(object: &Object, depth: usize, exactness: &mut Exactness) -> Option<Struct> {
    if depth > STRUCT_DEPTH_MAX {
        return None;
    }
    let mut fields = std::collections::BTreeMap::new();
    for (name, value) in object {
        fields.insert(name.to_owned(), write_value(value, depth, exactness)?);
    }
    Some(Struct { fields })
}

fn write_value(
    value: &Value,
    depth: usize,
    exactness: &mut Exactness,
) -> Option<prost_types::Value> {
    let kind = match value {
        Value::Null => Kind::NullValue(prost_types::NullValue::NullValue.into()),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(write_number(number, exactness)),
        Value::String(text) => Kind::StringValue(text.to_string()),
        Value::Array(_) if depth == STRUCT_DEPTH_MAX => return None,
        Value::Array(elements) => {
            let values = elements
                .iter()
                .map(|element| write_value(element, depth + 1, exactness));
            Kind::ListValue(ListValue {
                values: values.collect::<Option<_>>()?,
            })
        }
        Value::Object(object) => Kind::StructValue(write_struct(object, depth + 1, exactness)?),
    };
    Some(prost_types::Value { kind: Some(kind) })
}

/// Digits are lost where the double, written as shortly as gives the same double again, is another
/// decimal: `0.1` is kept, `9007199254740993` is not.
fn write_number(number: &Number, exactness: &mut Exactness) -> f64 {
    let double = number.to_f64();
    if Number::try_from(double).as_ref() != Ok(number) {
        *exactness = Exactness::Inexact;
    }
    double
}
