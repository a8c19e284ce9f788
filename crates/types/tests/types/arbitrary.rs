//! Values for property tests. Names and values are few, so that they meet.

use proptest::prelude::*;
use wellspring_types::{Number, Object, Value};

/// The text of a number that is in range: any digits, points and exponents.
pub(crate) fn number_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?(0|[1-9][0-9]{0,50})(\\.[0-9]{1,50})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?0\\.0{0,60}[0-9]{1,40}(e-[0-9]{2})?",
        1 => "-?[1-9][0-9]{100,123}(\\.[0-9])?e-?[0-9]",
        1 => "-?[1-9](\\.[0-9]{90,120})?(e-?[0-9])?",
        1 => "0e-?[0-9]{1,30}",
        1 => "-?[1-9]e[+-]?(29[0-9]|30[0-7])",
    ]
}

pub(crate) fn number() -> impl Strategy<Value = Number> {
    number_text().prop_filter_map("out of range", |text| text.parse().ok())
}

/// Numbers that are often equal, in different spellings.
fn near_number() -> impl Strategy<Value = Number> {
    let texts = [
        "0", "-0", "0.0", "1", "1.0", "1e0", "10e-1", "2", "2.50", "25e-1", "-1", "1e308",
    ];
    prop::sample::select(texts.to_vec()).prop_filter_map("a number", |text| text.parse().ok())
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,2}", any::<String>()]
}

pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        3 => near_number().prop_map(Value::from),
        1 => number().prop_map(Value::from),
        3 => "[ab]{0,2}".prop_map(Value::from),
        1 => string().prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[abc]", 1 => string()]
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Object> {
    prop::collection::vec((key(), value), 0..5).prop_map(Object::from_iter)
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 5, |value| {
        prop_oneof![
            2 => members(value.clone()).prop_map(Value::from),
            1 => prop::collection::vec(value, 0..4).prop_map(Value::from),
        ]
    })
}

pub(crate) fn object() -> impl Strategy<Value = Object> {
    members(value())
}

/// The value with every object's keys in the other order, and every number spelled in another way.
pub(crate) fn respelled(value: &Value) -> Value {
    match value {
        Value::Number(number) => respelled_number(number).into(),
        Value::Array(elements) => elements.iter().map(respelled).collect::<Vec<_>>().into(),
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.reverse();
            let members = members
                .into_iter()
                .map(|(key, value)| (key, respelled(value)));
            Object::from_iter(members).into()
        }
        other => other.clone(),
    }
}

/// The number with a zero more, if there is room and a place for it.
pub(crate) fn respelled_number(number: &Number) -> Number {
    let text = number.as_str();
    let (mantissa, exponent) = text
        .find(['e', 'E'])
        .map_or((text, ""), |at| text.split_at(at));
    let zeros = if mantissa.contains('.') { "0" } else { ".0" };
    format!("{mantissa}{zeros}{exponent}")
        .parse()
        .unwrap_or_else(|_| number.clone())
}
