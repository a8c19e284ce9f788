//! A document's text that is made without a tree is what the tree would be written as, and refused for
//! the same reason.

use proptest::prelude::*;
use wellspring_types::json::{parse, parse_lifting, parse_message};
use wellspring_types::limits::{DEPTH_MAX, MESSAGE_DEPTH_MAX};
use wellspring_types::{Data, JsonError, Value};

use crate::arbitrary;

/// What [`Data::parse`] gives, by way of the tree.
fn by_tree(parsed: Result<Value, JsonError>) -> Result<Data, JsonError> {
    match parsed? {
        Value::Object(object) => Data::from_object(object),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Holds the two ways against each other: alone, and in a message.
fn check(text: &str) {
    let expected = by_tree(parse(text.as_bytes()));
    assert_eq!(Data::parse(text.as_bytes()), expected, "{text}");

    let message = format!(
        r#"{{"a":{{"data":{{}}}},"writes":[{{"op":1,"data":{text},"x":[]}},{{"data":2}}]}}"#
    );
    let lifted = parse_lifting(message.as_bytes(), "writes", "data");
    let (tree, lifted) = match (parse_message(message.as_bytes()), lifted) {
        (Ok(tree), Ok((_, lifted))) => (tree, lifted),
        (tree, lifted) => return assert_eq!(tree.err(), lifted.err(), "{text}"),
    };
    // A text may have closed the brackets around it, and then begun a list of its own.
    let writes = tree.as_object().and_then(|message| message.get("writes"));
    let writes = writes.and_then(Value::as_array).unwrap_or_default();
    let writes = writes.iter().filter_map(Value::as_object);
    let expected = writes.filter_map(|write| write.get("data")?.as_object().cloned());
    let expected: Vec<_> = expected.map(Data::from_object).collect();
    let lifted: Vec<_> = lifted.into_iter().map(Data::from_minified).collect();
    assert_eq!(lifted, expected, "{text}");
}

fn nested(levels: usize) -> String {
    let inside = levels - 1;
    format!("{}{{}}{}", r#"{"a":"#.repeat(inside), "}".repeat(inside))
}

#[test]
fn each_limit_is_the_same() {
    for text in [
        "{}",
        " { \"a\" : [ ] , \"b\" : [ 1.10 , { } , \"\\u0041\\/\\n\" ] } ",
        r#"{"a":"[","b":"{","[":["{"],"{":{"a":"["}}"#,
        r#"{"\u0061":1,"a":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":{"b":1},"b":{"a":1},"c":[{"a":1},{"a":2}]}"#,
        r#"{"a":1e999}"#,
        r#"{"a":"\ud800"}"#,
        "[]",
        "1",
    ] {
        check(text);
    }
    for levels in [
        DEPTH_MAX,
        DEPTH_MAX + 1,
        MESSAGE_DEPTH_MAX,
        MESSAGE_DEPTH_MAX + 1,
    ] {
        check(&nested(levels));
    }
    check(&format!("{{\"a\":{}}}", "7".repeat(2000)));
}

#[test]
fn a_key_that_comes_twice_is_found_among_many() {
    let members = |keys: &[usize]| -> Vec<String> {
        keys.iter()
            .map(|key| format!(r#""k{key}":{{"k{key}":0}}"#))
            .collect()
    };
    for count in [15, 16, 17, 18, 40] {
        let mut keys: Vec<usize> = (0..count).collect();
        let all = format!("{{{}}}", members(&keys).join(","));
        assert!(Data::parse(all.as_bytes()).is_ok());
        check(&all);
        for twice in [0, 1, count / 2, count - 1] {
            keys.push(twice);
            let text = format!("{{{}}}", members(&keys).join(","));
            let key = format!("k{twice}").into();
            assert_eq!(
                Data::parse(text.as_bytes()),
                Err(JsonError::DuplicateKey { key })
            );
            check(&text);
            keys.pop();
        }
    }
}

proptest! {
    #[test]
    fn a_text_is_the_same_by_either_way(object in arbitrary::object()) {
        check(&Value::from(object).to_text());
    }

    #[test]
    fn a_damaged_text_is_refused_alike(
        object in arbitrary::object(),
        at in any::<prop::sample::Index>(),
        removed in 0..3_usize,
        put in "[\\[\\]{}:,\"\\\\abc0-9 .-]{0,3}",
    ) {
        let mut text: Vec<char> = Value::from(object).to_text().chars().collect();
        let start = at.index(text.len());
        let end = (start + removed).min(text.len());
        text.splice(start..end, put.chars());
        check(&text.into_iter().collect::<String>());
    }

    #[test]
    fn members_without_order_are_refused_alike(text in "(\"[ab]\":(1|\\{\"a\":2\\}|\\[\\]),?){0,4}") {
        check(&format!("{{{text}}}"));
    }
}
