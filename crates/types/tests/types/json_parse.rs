//! What the parser takes and refuses, and how it is written again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wellspring_types::json::{parse, parse_message, write_string};
use wellspring_types::limits::{DEPTH_MAX, MESSAGE_DEPTH_MAX, NUMBER_BYTES_MAX};
use wellspring_types::{JsonError, Object, Value};

use crate::{arbitrary, json, object};

fn error(text: &str) -> JsonError {
    parse(text.as_bytes()).expect_err(text)
}

#[track_caller]
fn check_written(text: &str, written: &str) {
    assert_eq!(json(text).to_text(), written);
    assert_eq!(
        json(written).to_text(),
        written,
        "writing it again changes nothing"
    );
}

#[test]
fn white_space_goes_and_the_order_of_keys_stays() {
    check_written(
        " { \"b\" : [ 1 , true ] ,\r\n\t\"a\" : null } ",
        r#"{"b":[1,true],"a":null}"#,
    );
    check_written("[]", "[]");
    check_written(" {\n} ", "{}");
    check_written("\"\"", "\"\"");
}

#[test]
fn numbers_keep_the_digits_that_were_written() {
    for number in [
        "1.10",
        "9007199254740993",
        "123456789012345678901234567890",
        "1E5",
        "-0",
        "0e99999999999",
        "1e-5",
        "1e+05",
        "4.9e-324",
        "1.7976931348623157e308",
        "0.0",
    ] {
        check_written(number, number);
    }
}

#[test]
fn strings_are_escaped_no_more_than_they_must() {
    check_written(r#""\u0041\/\u00e9\ud83d\ude00""#, "\"A/é😀\"");
    check_written(
        r#""\"\\\b\f\n\r\t\u0000\u001F\u007f\u2028""#,
        concat!(r#""\"\\\b\f\n\r\t\u0000\u001f"#, "\u{7f}\u{2028}\""),
    );
    let mut out = String::from("x");
    write_string(&mut out, "a\u{1}\"b\\");
    assert_eq!(out, r#"x"a\u0001\"b\\""#);
}

#[test]
fn what_must_be_escaped_is_found_at_every_place_of_a_string() {
    for byte in 0..=u8::MAX {
        let odd = char::from(byte);
        for (before, after) in (0..20).flat_map(|before| [(before, 0), (before, 11)]) {
            let text = format!("{}{odd}{}", "é".repeat(before), "x".repeat(after));
            let mut out = String::new();
            write_string(&mut out, &text);
            let escapes = byte < b' ' || odd == '"' || odd == '\\';
            assert_eq!(out.contains('\\'), escapes, "{text:?}");
            assert_eq!(parse(out.as_bytes()), Ok(Value::String(text.into())));
        }
    }
}

#[test]
fn text_that_is_not_strictly_json_is_refused_with_its_place() {
    for (text, place) in [
        ("", 0),
        (" ", 1),
        ("{", 1),
        ("[1", 2),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("{\"a\" 1}", 5),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("nul", 0),
        ("True", 0),
        ("NaN", 0),
        ("Infinity", 0),
        ("-Infinity", 1),
        ("01", 1),
        ("1.", 2),
        (".5", 0),
        ("+1", 0),
        ("1e", 2),
        ("1e+", 3),
        ("-", 1),
        ("0x1", 1),
        ("1 2", 2),
        ("{} {}", 3),
        ("// no\n1", 0),
        ("\"a", 2),
        ("\"\\x\"", 2),
        ("\"\\u12\"", 5),
        ("\"\\u12g4\"", 5),
        ("\"\n\"", 1),
        ("\"\u{0}\"", 1),
        ("\"a\\n\u{1f}\"", 4),
        ("\u{feff}1", 0),
        ("\u{a0}1", 0),
        ("[1]]", 3),
        ("1,", 1),
    ] {
        match error(text) {
            JsonError::Syntax { offset, .. } => assert_eq!(offset, place, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn duplicate_keys_are_found_after_unescaping() {
    let key = |text: &str| match error(text) {
        JsonError::DuplicateKey { key } => key.into_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(key(r#"{"a":1,"b":2,"a":1}"#), "a");
    assert_eq!(key(r#"{"x":[{"a":1,"\u0061":1}]}"#), "a");
    let long = "k".repeat(5000);
    assert_eq!(
        key(&format!("{{\"{long}\":1,\"{long}\":2}}"))
            .chars()
            .count(),
        129
    );
    check_written(r#"{"a":{"a":1},"A":2}"#, r#"{"a":{"a":1},"A":2}"#);
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    for (text, place) in [
        (r#""\ud800""#, 1),
        (r#""a\udc00""#, 2),
        (r#""\ud800\u0041""#, 1),
        (r#""\ud800\ud800""#, 1),
        (r#""\udc00\ud800""#, 1),
        (r#""\ud800x""#, 1),
        (r#"{"\udfff":1}"#, 2),
    ] {
        assert_eq!(
            error(text),
            JsonError::LoneSurrogate { offset: place },
            "{text}"
        );
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_their_place() {
    for text in [
        &b"\"\xff\""[..],
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
    ] {
        assert_eq!(parse(text), Err(JsonError::NotUtf8 { offset: 1 }));
    }
    assert!(
        matches!(
            parse(b"\xfe\xff\0\x31"),
            Err(JsonError::NotUtf8 { offset: 0 })
        ),
        "UTF-16"
    );
}

#[test]
fn depth_is_bounded_and_a_message_has_a_few_levels_more() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(error(&nested(DEPTH_MAX + 1)), JsonError::TooDeep);
    assert!(parse_message(nested(MESSAGE_DEPTH_MAX).as_bytes()).is_ok());
    let deeper = nested(MESSAGE_DEPTH_MAX + 1);
    assert_eq!(parse_message(deeper.as_bytes()), Err(JsonError::TooDeep));
    assert_eq!(error(&"[{\"a\":".repeat(100_000)), JsonError::TooDeep);

    let inside = |levels: usize| format!("{{\"a\":{}}}", nested(levels));
    let Value::Object(deepest) = json(&inside(DEPTH_MAX - 1)) else {
        panic!("an object")
    };
    assert_eq!(deepest.check_depth(), Ok(()));
    let Ok(Value::Object(deeper)) = parse_message(inside(DEPTH_MAX).as_bytes()) else {
        panic!("an object")
    };
    assert_eq!(deeper.check_depth(), Err(JsonError::TooDeep));
}

#[test]
fn numbers_beyond_a_double_or_too_long_are_refused() {
    for number in [
        "1e309",
        "-1e309",
        "1.8e308",
        "1e-400",
        "-1e-99999999999999999999",
        "1e99999999999999999999",
    ] {
        assert_eq!(
            error(number),
            JsonError::NumberOutOfRange {
                number: number.into()
            }
        );
    }
    let longest = "1".repeat(NUMBER_BYTES_MAX);
    check_written(&longest, &longest);
    let bytes = NUMBER_BYTES_MAX + 1;
    assert_eq!(
        error(&format!("{longest}1")),
        JsonError::NumberTooLong { bytes }
    );
}

#[test]
fn many_keys_cost_no_more_than_linear_time() {
    let count = 100_000;
    let members: Vec<String> = (0..count)
        .map(|number| format!("\"k{number}\":0"))
        .collect();
    let text = format!("{{{}}}", members.join(","));
    let start = Instant::now();
    assert_eq!(object(&text).len(), count);
    // Comparing each key with each would be five thousand million comparisons.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn an_object_keeps_places_when_members_are_replaced_and_removed() {
    let mut members = object(r#"{"a":1,"b":2,"c":3}"#);
    assert_eq!(members.insert("b", "x"), Some(json("2")));
    assert_eq!(members.insert("d", true), None);
    assert_eq!(members.remove("a"), Some(json("1")));
    assert_eq!(members.remove("a"), None);
    assert_eq!(
        Value::from(members.clone()).to_text(),
        r#"{"b":"x","c":3,"d":true}"#
    );
    assert_eq!(members.keys().collect::<Vec<_>>(), ["b", "c", "d"]);
    assert!(members.contains_key("c") && !members.contains_key("a"));
    if let Some(value) = members.get_mut("c") {
        *value = Value::Null;
    }
    assert_eq!(members.get("c"), Some(&Value::Null));
    assert_eq!(
        Object::from_iter([("a", "1"), ("b", "2"), ("a", "3")]),
        object(r#"{"b":"2","a":"3"}"#)
    );
}

proptest! {
    #[test]
    fn what_is_written_parses_to_the_same(value in arbitrary::value()) {
        let text = value.to_text();
        let parsed = parse_message(text.as_bytes()).unwrap();
        prop_assert_eq!(&parsed, &value);
        prop_assert_eq!(parsed.to_text(), text);
    }

    #[test]
    fn equality_and_hash_go_by_meaning(value in arbitrary::value()) {
        let other = arbitrary::respelled(&value);
        prop_assert_eq!(&value, &other);
        let state = RandomState::new();
        prop_assert_eq!(state.hash_one(&value), state.hash_one(&other));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_near_json_makes_the_parser_panic(text in "[\\[\\]{}:,\"\\\\u0-9a-fd8.eE+ -]{0,24}") {
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert_eq!(json(&value.to_text()), value);
        }
    }
}
