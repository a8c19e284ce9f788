//! The sort order of values.

use std::cmp::Ordering;

use proptest::prelude::*;
use wellspring_types::json::{compare, compare_optional};

use crate::{arbitrary, json};

#[test]
fn types_are_ordered_and_values_within_them() {
    let sorted = [
        "null",
        "false",
        "true",
        "-1e300",
        "-1",
        "0",
        "0.5",
        "1",
        "1e300",
        r#""""#,
        r#""B""#,
        r#""a""#,
        r#""aa""#,
        r#""é""#,
        "\"\u{ffff}\"",
        r#""😀""#,
        "[]",
        "[null]",
        "[1]",
        "[1,0]",
        "[2]",
        "[[]]",
        "{}",
        r#"{"a":1}"#,
        r#"{"b":0,"a":1}"#,
        r#"{"a":1,"c":0}"#,
        r#"{"a":2}"#,
        r#"{"b":0}"#,
    ];
    for (position, a) in sorted.iter().enumerate() {
        for (other, b) in sorted.iter().enumerate() {
            assert_eq!(
                compare(&json(a), &json(b)),
                position.cmp(&other),
                "{a} and {b}"
            );
        }
    }
}

#[test]
fn missing_comes_before_null() {
    let null = json("null");
    assert_eq!(compare_optional(None, Some(&null)), Ordering::Less);
    assert_eq!(compare_optional(Some(&null), None), Ordering::Greater);
    assert_eq!(compare_optional(None, None), Ordering::Equal);
    assert_eq!(compare_optional(Some(&null), Some(&null)), Ordering::Equal);
}

proptest! {
    #[test]
    fn the_order_is_total_and_agrees_with_equality(
        a in arbitrary::value(),
        b in arbitrary::value(),
        c in arbitrary::value(),
    ) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
        prop_assert!(compare(&a, &arbitrary::respelled(&a)).is_eq());
        let mut sorted = [a, b, c];
        sorted.sort_by(compare);
        prop_assert!(compare(&sorted[0], &sorted[2]).is_le());
    }
}
