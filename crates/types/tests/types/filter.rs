//! What filters mean, and what is refused.

use wellspring_types::filter::{Condition, Node, Test};
use wellspring_types::limits::{DEPTH_MAX, FILTER_BYTES_MAX, FILTER_NODES_MAX};
use wellspring_types::{Filter, FilterError, JsonError};

use crate::object;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Checks which of `documents` the filter matches.
#[track_caller]
fn check(text: &str, matching: &[&str], others: &[&str]) {
    let filter = filter(text);
    for data in matching {
        assert!(filter.matches(&object(data)), "{text} matches {data}");
    }
    for data in others {
        assert!(
            !filter.matches(&object(data)),
            "{text} does not match {data}"
        );
    }
}

#[test]
fn equality_is_of_whole_values() {
    check(
        r#"{"a":1}"#,
        &[r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"a":1e0}"#],
        &["{}", r#"{"a":"1"}"#, r#"{"a":[1]}"#],
    );
    check(r#"{"a":null}"#, &[r#"{"a":null}"#], &["{}", r#"{"a":0}"#]);
    check(r#"{"a":"\u00e9"}"#, &[r#"{"a":"é"}"#], &[r#"{"a":"e"}"#]);
    check(
        r#"{"a":[1,2]}"#,
        &[r#"{"a":[1,2.0]}"#],
        &[r#"{"a":[2,1]}"#, r#"{"a":1}"#],
    );
    check(
        r#"{"a":{"eq":{"x":1,"y":2}}}"#,
        &[r#"{"a":{"y":2,"x":1}}"#],
        &[r#"{"a":{"x":1}}"#, r#"{"a":{"x":1,"y":2,"z":3}}"#],
    );
    check(
        r#"{"a":{"ne":1}}"#,
        &["{}", r#"{"a":2}"#, r#"{"a":null}"#],
        &[r#"{"a":1.00}"#],
    );
}

#[test]
fn ranges_match_their_operands_own_type_only() {
    check(
        r#"{"a":{"gte":3}}"#,
        &[
            r#"{"a":3}"#,
            r#"{"a":3.0000000000000000000001}"#,
            r#"{"a":1e300}"#,
        ],
        &[
            "{}",
            r#"{"a":2.999999999999999999999}"#,
            r#"{"a":"4"}"#,
            r#"{"a":null}"#,
            r#"{"a":[9]}"#,
            r#"{"a":true}"#,
        ],
    );
    check(
        r#"{"a":{"gt":1,"lte":2}}"#,
        &[r#"{"a":2}"#],
        &[r#"{"a":1}"#, r#"{"a":2.1}"#],
    );
    check(
        r#"{"a":{"lt":"b"}}"#,
        &[r#"{"a":"a"}"#, r#"{"a":""}"#],
        &[r#"{"a":"b"}"#, r#"{"a":"é"}"#, r#"{"a":1}"#],
    );
    check(
        r#"{"a":{"gt":false}}"#,
        &[r#"{"a":true}"#],
        &[r#"{"a":false}"#, r#"{"a":1}"#],
    );
}

#[test]
fn lists_existence_containment_and_prefixes() {
    check(
        r#"{"a":{"in":[1,"x",null]}}"#,
        &[r#"{"a":1.0}"#, r#"{"a":null}"#],
        &["{}", r#"{"a":2}"#],
    );
    check(
        r#"{"a":{"not_in":[1,"x"]}}"#,
        &["{}", r#"{"a":2}"#],
        &[r#"{"a":1.0}"#, r#"{"a":"x"}"#],
    );
    check(r#"{"a":{"in":[]}}"#, &[], &["{}", r#"{"a":null}"#]);
    check(r#"{"a":{"not_in":[]}}"#, &["{}", r#"{"a":1}"#], &[]);
    check(r#"{"a":{"exists":true}}"#, &[r#"{"a":null}"#], &["{}"]);
    check(r#"{"a":{"exists":false}}"#, &["{}"], &[r#"{"a":null}"#]);
    check(
        r#"{"a":{"contains":{"x":1}}}"#,
        &[r#"{"a":[0,{"x":1.0}]}"#],
        &["{}", r#"{"a":{"x":1}}"#, r#"{"a":[[{"x":1}]]}"#],
    );
    check(
        r#"{"a":{"contains":"x"}}"#,
        &[r#"{"a":["x"]}"#],
        &[r#"{"a":"x"}"#, r#"{"a":[]}"#],
    );
    check(
        r#"{"a":{"prefix":"ab"}}"#,
        &[r#"{"a":"ab"}"#, r#"{"a":"abc"}"#],
        &["{}", r#"{"a":"a"}"#, r#"{"a":["ab"]}"#],
    );
}

#[test]
fn connectives_combine_and_not_is_exact_negation() {
    check("{}", &["{}", r#"{"a":1}"#], &[]);
    check(
        r#"{"a":1,"or":[{"b":1},{"c":1}],"not":{"d":1}}"#,
        &[r#"{"a":1,"b":1}"#, r#"{"a":1,"c":1,"d":2}"#],
        &[r#"{"a":1}"#, r#"{"b":1,"c":1}"#, r#"{"a":1,"b":1,"d":1}"#],
    );
    check(
        r#"{"and":[{"a":1},{"b":1}]}"#,
        &[r#"{"a":1,"b":1}"#],
        &[r#"{"a":1}"#],
    );
    check(
        r#"{"not":{"a":{"lt":3}}}"#,
        &["{}", r#"{"a":3}"#, r#"{"a":"x"}"#],
        &[r#"{"a":2}"#],
    );
    check(
        r#"{"not":{"a":1,"b":1}}"#,
        &["{}", r#"{"a":1}"#],
        &[r#"{"a":1,"b":1}"#],
    );
    check(r#"{"not":{"not":{"a":1}}}"#, &[r#"{"a":1}"#], &["{}"]);
    check(r#"{"or":[]}"#, &[], &["{}"]);
    check(r#"{"and":[]}"#, &["{}"], &[]);
}

#[test]
fn keys_name_nested_fields_and_pointers_reach_every_name() {
    check(
        r#"{"a.b":1}"#,
        &[r#"{"a":{"b":1}}"#],
        &[r#"{"a.b":1}"#, r#"{"a":[{"b":1}]}"#],
    );
    check(
        r#"{"/a.b":1,"/or":2,"/not":3}"#,
        &[r#"{"a.b":1,"or":2,"not":3}"#],
        &[r#"{"a":{"b":1},"or":2,"not":3}"#],
    );
    check(
        r#"{"/a/0/b":1}"#,
        &[r#"{"a":[{"b":1}]}"#, r#"{"a":{"0":{"b":1}}}"#],
        &[r#"{"a":[]}"#],
    );
}

#[track_caller]
fn check_refused(text: &str, message: &str) -> FilterError {
    let error = Filter::parse(text).expect_err(text);
    assert_eq!(error.to_string(), message);
    error
}

#[test]
fn refusals_say_what_is_wrong_and_what_would_be_right() {
    check_refused("[]", "a filter is an object, not an array");
    check_refused(
        r#"{"a":{"gt":1,"foo":2}}"#,
        r#"field "a" has the unknown operator "foo""#,
    );
    check_refused(
        r#"{"a":{"x":1}}"#,
        r#"field "a" has "x" where an operator is expected: to compare with an object, write {"eq":{…}}"#,
    );
    check_refused(
        r#"{"a":{}}"#,
        r#"field "a" has an empty object where operators are expected: to compare with an empty object, write {"eq":{}}"#,
    );
    for (operand, found) in [
        ("null", "null"),
        ("[1]", "an array"),
        (r#"{"x":1}"#, "an object"),
    ] {
        check_refused(
            &format!(r#"{{"a":{{"lte":{operand}}}}}"#),
            &format!(
                r#"operator "lte" of field "a" takes a number, a string or a boolean, not {found}"#
            ),
        );
    }
    check_refused(
        r#"{"a":{"in":1}}"#,
        r#"operator "in" of field "a" takes an array of values, not a number"#,
    );
    check_refused(
        r#"{"a":{"exists":1}}"#,
        r#"operator "exists" of field "a" takes true or false, not a number"#,
    );
    check_refused(
        r#"{"a":{"prefix":1}}"#,
        r#"operator "prefix" of field "a" takes a string, not a number"#,
    );
    check_refused(
        r#"{"or":1}"#,
        r#""or" takes an array of filters, not a number (a field of this name is "/or")"#,
    );
    check_refused(
        r#"{"not":[]}"#,
        r#""not" takes a filter, not an array (a field of this name is "/not")"#,
    );
    check_refused(r#"{"or":[1]}"#, "a filter is an object, not a number");
    assert!(matches!(
        Filter::parse(r#"{"a..b":1}"#),
        Err(FilterError::Field(_))
    ));
    assert!(matches!(
        Filter::parse(r#"{"a":1,"a":2}"#),
        Err(FilterError::Json(JsonError::DuplicateKey { .. }))
    ));
}

#[test]
fn nodes_are_bounded_alternatives_included() {
    let conditions = |count: usize| -> Vec<String> {
        (0..count)
            .map(|number| format!("{{\"f{number}\":1}}"))
            .collect()
    };
    let values: Vec<String> = (0..=FILTER_NODES_MAX)
        .map(|number| number.to_string())
        .collect();
    let empties = vec!["{}"; FILTER_NODES_MAX + 1].join(",");
    let most = format!("{{\"and\":[{}]}}", conditions(FILTER_NODES_MAX).join(","));
    assert_eq!(
        filter(filter(&most).canonical()),
        filter(&most),
        "the canonical form fits as well"
    );
    assert!(Filter::parse(&format!("{{\"a\":{{\"in\":[{}]}}}}", values[1..].join(","))).is_ok());
    for text in [
        format!("{{\"or\":[{}]}}", conditions(FILTER_NODES_MAX).join(",")),
        format!(
            "{{\"and\":[{}]}}",
            conditions(FILTER_NODES_MAX + 1).join(",")
        ),
        format!("{{\"a\":{{\"not_in\":[{}]}}}}", values.join(",")),
        format!("{{\"and\":[{empties}]}}"),
        format!("{}{{}}{}", "{\"not\":".repeat(60), "}".repeat(60))
            .replace("{}", r#"{"a":{"in":[1,2,3,4,5]}}"#),
    ] {
        assert_eq!(
            Filter::parse(&text),
            Err(FilterError::TooManyNodes),
            "{text}"
        );
    }
}

#[test]
fn depth_is_bounded_in_the_canonical_form() {
    let array = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let deepest = filter(&format!("{{\"a\":{}}}", array(DEPTH_MAX - 2)));
    assert_eq!(filter(deepest.canonical()), deepest);
    let deeper = format!("{{\"a\":{}}}", array(DEPTH_MAX - 1));
    assert_eq!(Filter::parse(&deeper), Err(FilterError::TooDeep));
}

#[test]
fn filters_of_one_meaning_share_a_canonical_form() {
    for (a, b, canonical) in [
        (r#"{"a":1.0}"#, r#"{"a":{"eq":1e0}}"#, r#"{"a":{"eq":1}}"#),
        (
            r#"{"b":1,"a":2}"#,
            r#"{"and":[{"a":2},{"and":[{"b":1}]}]}"#,
            r#"{"and":[{"a":{"eq":2}},{"b":{"eq":1}}]}"#,
        ),
        (
            r#"{"a":{"gte":1,"lt":5}}"#,
            r#"{"a":{"lt":5.0,"gte":1}}"#,
            r#"{"and":[{"a":{"gte":1}},{"a":{"lt":5}}]}"#,
        ),
        (
            r#"{"a":{"in":[2,1,1.0]}}"#,
            r#"{"a":{"in":[1,2]}}"#,
            r#"{"a":{"in":[1,2]}}"#,
        ),
        (
            r#"{"or":[{"a":1},{"b":1}]}"#,
            r#"{"or":[{"b":1},{"a":1},{"a":1}]}"#,
            r#"{"or":[{"a":{"eq":1}},{"b":{"eq":1}}]}"#,
        ),
        (r#"{"or":[{"a":1}]}"#, r#"{"a":1}"#, r#"{"a":{"eq":1}}"#),
        (
            r#"{"a":{"eq":{"y":1,"x":2}}}"#,
            r#"{"a":{"eq":{"x":2,"y":1}}}"#,
            r#"{"a":{"eq":{"x":2,"y":1}}}"#,
        ),
        ("{}", r#"{"and":[{},{}]}"#, "{}"),
    ] {
        assert_eq!(filter(a).canonical(), canonical);
        assert_eq!(filter(a), filter(b));
    }
    assert_ne!(filter(r#"{"a":1}"#), filter(r#"{"a":2}"#));
    assert_ne!(filter(r#"{"or":[]}"#), filter("{}"));
}

#[test]
fn the_tree_shows_equality_conjuncts() {
    let filter = filter(r#"{"room":"r1","votes":{"gte":3}}"#);
    let Node::All(nodes) = filter.node() else {
        panic!("{filter:?}")
    };
    let equal: Vec<_> = nodes
        .iter()
        .filter_map(|node| match node {
            Node::Field(Condition {
                field,
                test: Test::Equal(value),
            }) => Some((field.as_str(), value.to_text())),
            _ => None,
        })
        .collect();
    assert_eq!(equal, [("room", "\"r1\"".to_owned())]);
}

#[test]
fn the_size_is_bounded_as_it_is_spelt_and_in_canonical_form() {
    let operand = |bytes: usize| format!(r#"{{"a":{{"eq":["{}"]}}}}"#, "x".repeat(bytes));
    let around = operand(0).len();
    let most = operand(FILTER_BYTES_MAX - around);
    assert_eq!(filter(filter(&most).canonical()), filter(&most));
    let spaced = most.replace(':', " : ");
    assert_eq!(filter(&spaced), filter(&most), "white space does not count");
    let bytes = FILTER_BYTES_MAX + 1;
    let refused = Err(FilterError::TooLarge { bytes });
    assert_eq!(Filter::parse(&operand(bytes - around)), refused);
    // In canonical form each condition names the field again.
    let field = r"\u0001".repeat(1000);
    let conditions: Vec<String> = (0..10)
        .map(|number| format!(r#"{{"{field}{number}":{{"gt":1,"lt":9,"ne":5}}}}"#))
        .collect();
    let grows = format!(r#"{{"or":[{}]}}"#, conditions.join(","));
    assert!(grows.len() < FILTER_BYTES_MAX);
    let refused = Filter::parse(&grows);
    assert!(
        matches!(refused, Err(FilterError::TooLarge { bytes }) if bytes > 3 * 60_000),
        "{refused:?}"
    );
}
