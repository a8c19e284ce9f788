//! Filters against a naive evaluator that reads the JSON as it was written and knows nothing of
//! trees, canonical forms or exact numbers: its numbers are rationals over 100.

use proptest::prelude::*;
use wellspring_types::{Filter, Object, Value};

use crate::arbitrary::respelled;
use crate::{json, object};

const DOCUMENT_VALUES: [&str; 22] = [
    "null",
    "false",
    "true",
    "0",
    "-0.0",
    "1",
    "1.00",
    "1.5",
    "15e-1",
    "-2",
    "\"\"",
    "\"a\"",
    "\"ab\"",
    "\"b\"",
    "[]",
    "[1]",
    "[\"a\",1.0]",
    "[[1]]",
    "{}",
    r#"{"a":1}"#,
    r#"{"a":1,"b":"a"}"#,
    r#"{"b":"a","a":1e0}"#,
];

fn small_value() -> impl Strategy<Value = Value> {
    prop::sample::select(DOCUMENT_VALUES.to_vec()).prop_map(json)
}

fn document() -> impl Strategy<Value = Object> {
    prop::collection::vec(
        (prop::sample::select(vec!["a", "b", "or"]), small_value()),
        0..4,
    )
    .prop_map(Object::from_iter)
}

fn range_operand() -> impl Strategy<Value = Value> {
    let ordered = |value: &Value| {
        !(value.is_null() || value.as_array().is_some() || value.as_object().is_some())
    };
    small_value().prop_filter("a range's operand", ordered)
}

fn operator() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        (
            prop::sample::select(vec!["eq", "ne", "contains"]),
            small_value()
        ),
        (
            prop::sample::select(vec!["lt", "lte", "gt", "gte"]),
            range_operand()
        ),
        (
            prop::sample::select(vec!["in", "not_in"]),
            prop::collection::vec(small_value(), 0..3).prop_map(Value::from)
        ),
        (Just("exists"), any::<bool>().prop_map(Value::from)),
        (
            Just("prefix"),
            prop::sample::select(vec!["", "a", "ab"]).prop_map(Value::from)
        ),
    ]
}

fn entry() -> impl Strategy<Value = (String, Value)> {
    let names = prop::sample::select(vec!["a", "b", "a.a", "a.b", "/a/0", "/or", "/b/b"]);
    let plain = small_value().prop_filter("not operators", |value| value.as_object().is_none());
    let operators = prop::collection::vec(operator(), 1..3).prop_map(Object::from_iter);
    let test = prop_oneof![plain, operators.prop_map(Value::from)];
    (names, test).prop_map(|(name, test)| (name.to_owned(), test))
}

fn filter() -> impl Strategy<Value = Value> {
    let leaf = prop::collection::vec(entry(), 0..3).prop_map(Object::from_iter);
    leaf.prop_map(Value::from)
        .prop_recursive(3, 12, 3, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from);
            let connective = prop_oneof![
                list.clone().prop_map(|list| ("and".to_owned(), list)),
                list.prop_map(|list| ("or".to_owned(), list)),
                inner.prop_map(|filter| ("not".to_owned(), filter)),
            ];
            prop::collection::vec(prop_oneof![entry(), connective], 0..3)
                .prop_map(|entries| Object::from_iter(entries).into())
        })
}

/// A value in a form whose `==` and `<` are Rust's own: numbers as hundredths.
#[derive(PartialEq, PartialOrd)]
enum Plain {
    Null,
    Bool(bool),
    Hundredths(i64),
    Text(String),
    List(Vec<Plain>),
    Map(std::collections::BTreeMap<String, Plain>),
}

fn plain(value: &Value) -> Plain {
    match value {
        Value::Null => Plain::Null,
        Value::Bool(value) => Plain::Bool(*value),
        Value::Number(number) => {
            let hundredths = format!("{:.0}", number.to_f64() * 100.0);
            Plain::Hundredths(hundredths.parse().unwrap())
        }
        Value::String(text) => Plain::Text(text.to_string()),
        Value::Array(elements) => Plain::List(elements.iter().map(plain).collect()),
        Value::Object(members) => Plain::Map(
            members
                .iter()
                .map(|(key, value)| (key.to_owned(), plain(value)))
                .collect(),
        ),
    }
}

fn naive_find<'a>(data: &'a Object, name: &str) -> Option<&'a Value> {
    match name {
        "a" | "b" => data.get(name),
        "/or" => data.get("or"),
        "a.a" => data.get("a")?.as_object()?.get("a"),
        "a.b" => data.get("a")?.as_object()?.get("b"),
        "/b/b" => data.get("b")?.as_object()?.get("b"),
        "/a/0" => match data.get("a")? {
            Value::Array(elements) => elements.first(),
            Value::Object(members) => members.get("0"),
            _ => None,
        },
        other => panic!("no such field: {other}"),
    }
}

fn naive_test(operator: &str, operand: &Value, value: Option<&Value>) -> bool {
    let found = value.map(plain);
    let wanted = plain(operand);
    let among = || {
        operand
            .as_array()
            .unwrap()
            .iter()
            .any(|each| found == Some(plain(each)))
    };
    let same_type = value.is_some_and(|value| value.type_name() == operand.type_name());
    match operator {
        "eq" => found == Some(wanted),
        "ne" => found != Some(wanted),
        "lt" => same_type && found < Some(wanted),
        "lte" => same_type && found <= Some(wanted),
        "gt" => same_type && found > Some(wanted),
        "gte" => same_type && found >= Some(wanted),
        "in" => among(),
        "not_in" => !among(),
        "exists" => operand.as_bool() == Some(found.is_some()),
        "contains" => matches!(&found, Some(Plain::List(elements)) if elements.contains(&wanted)),
        "prefix" => matches!((&found, &wanted), (Some(Plain::Text(text)), Plain::Text(prefix))
            if text.len() >= prefix.len() && text[..prefix.len()] == **prefix),
        other => panic!("no such operator: {other}"),
    }
}

fn naive_matches(filter: &Value, data: &Object) -> bool {
    let mut result = true;
    for (key, value) in filter.as_object().unwrap() {
        let verdicts = || {
            value
                .as_array()
                .unwrap()
                .iter()
                .map(|filter| naive_matches(filter, data))
        };
        result &= match key {
            "and" => verdicts().filter(|matches| !matches).count() == 0,
            "or" => verdicts().filter(|matches| *matches).count() > 0,
            "not" => !naive_matches(value, data),
            name => match value.as_object() {
                None => naive_test("eq", value, naive_find(data, name)),
                Some(operators) => operators.iter().fold(true, |so_far, (operator, operand)| {
                    so_far & naive_test(operator, operand, naive_find(data, name))
                }),
            },
        };
    }
    result
}

#[test]
fn the_naive_evaluator_tells_documents_apart() {
    let filter = json(r#"{"a":{"gt":1},"not":{"b":true}}"#);
    assert!(naive_matches(&filter, &object(r#"{"a":1.5}"#)));
    assert!(!naive_matches(&filter, &object(r#"{"a":1}"#)));
    assert!(!naive_matches(&filter, &object(r#"{"a":1.5,"b":true}"#)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn matching_agrees_with_the_naive_evaluator(
        value in filter(),
        documents in prop::collection::vec(document(), 1..8),
    ) {
        let filter = Filter::from_value(&value).unwrap();
        for data in &documents {
            prop_assert_eq!(filter.matches(data), naive_matches(&value, data), "{} on {:?}", value, data);
        }
    }

    #[test]
    fn the_canonical_form_is_stable(value in filter()) {
        let filter = Filter::from_value(&value).unwrap();
        prop_assert_eq!(&Filter::parse(filter.canonical()).unwrap(), &filter);
        prop_assert_eq!(&Filter::from_value(&filter.to_value()).unwrap(), &filter);
        prop_assert_eq!(&Filter::from_value(&respelled(&value)).unwrap(), &filter);
        prop_assert_eq!(filter.to_string(), filter.canonical());
    }
}
