//! Merge patches (RFC 7396).

use std::time::{Duration, Instant};

use proptest::prelude::*;
use wellspring_types::json::{merge_diff, merge_patch};
use wellspring_types::{Object, Value};

use crate::{arbitrary, object};

fn merged(target: &str, patch: &str) -> String {
    let mut target = object(target);
    merge_patch(&mut target, &object(patch));
    Value::from(target).to_text()
}

fn diff(before: &str, after: &str) -> Option<String> {
    merge_diff(&object(before), &object(after)).map(|patch| Value::from(patch).to_text())
}

/// The rows of appendix A whose target and patch are objects, as a document and its patch are.
#[test]
fn the_examples_of_the_rfc_hold() {
    for (target, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        ),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (
            r#"{}"#,
            r#"{"a":{"bb":{"ccc":null}}}"#,
            r#"{"a":{"bb":{}}}"#,
        ),
    ] {
        assert_eq!(merged(target, patch), result, "{target} + {patch}");
    }
}

/// The remaining rows, whose target or patch is no object, one level down.
#[test]
fn the_examples_of_the_rfc_hold_inside_an_object() {
    for (target, patch, result) in [
        (r#"["a","b"]"#, r#"["c","d"]"#, r#"{"x":["c","d"]}"#),
        (r#"{"a":"b"}"#, r#"["c"]"#, r#"{"x":["c"]}"#),
        (r#"{"a":"foo"}"#, r#"null"#, r#"{}"#),
        (r#"{"a":"foo"}"#, r#""bar""#, r#"{"x":"bar"}"#),
        (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"x":{"a":"b"}}"#),
    ] {
        let within = |value: &str| format!("{{\"x\":{value}}}");
        assert_eq!(
            merged(&within(target), &within(patch)),
            result,
            "{target} + {patch}"
        );
    }
}

#[test]
fn members_that_stay_keep_their_places() {
    assert_eq!(
        merged(
            r#"{"a":1,"b":2,"c":{"d":1,"e":2}}"#,
            r#"{"z":0,"c":{"d":null,"f":3},"a":null}"#
        ),
        r#"{"b":2,"c":{"e":2,"f":3},"z":0}"#
    );
}

#[test]
fn a_diff_says_no_more_than_what_changed() {
    let cases = [
        (
            r#"{"a":1,"b":{"c":2,"d":3}}"#,
            r#"{"b":{"d":3,"c":4},"a":1}"#,
            r#"{"b":{"c":4}}"#,
        ),
        (r#"{"a":1}"#, r#"{"a":1}"#, r#"{}"#),
        (r#"{"a":1,"b":2}"#, r#"{"b":2}"#, r#"{"a":null}"#),
        (
            r#"{"a":[1,{"b":null}]}"#,
            r#"{"a":[2,{"b":null}]}"#,
            r#"{"a":[2,{"b":null}]}"#,
        ),
        (r#"{"a":null,"b":1}"#, r#"{"a":null,"b":2}"#, r#"{"b":2}"#),
        (r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":{}}"#),
        (r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, r#"{"a":{"b":null}}"#),
    ];
    for (before, after, patch) in cases {
        assert_eq!(
            diff(before, after).as_deref(),
            Some(patch),
            "{before} -> {after}"
        );
    }
}

#[test]
fn a_number_spelled_in_another_way_is_a_change() {
    assert_eq!(
        diff(r#"{"a":1.0}"#, r#"{"a":1.00}"#).as_deref(),
        Some(r#"{"a":1.00}"#)
    );
    assert_eq!(
        diff(r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":1e0}]}"#).as_deref(),
        Some(r#"{"a":[{"b":1e0}]}"#)
    );
}

#[test]
fn no_patch_sets_a_member_to_null() {
    assert_eq!(diff(r#"{"a":1}"#, r#"{"a":null}"#), None);
    assert_eq!(diff(r#"{}"#, r#"{"a":null}"#), None);
    assert_eq!(diff(r#"{"a":1}"#, r#"{"a":{"b":{"c":null}}}"#), None);
    assert_eq!(diff(r#"{"a":{"b":1}}"#, r#"{"a":{"b":null}}"#), None);
}

#[test]
fn removing_many_members_takes_linear_time() {
    let object = |value: &Value| -> Object {
        (0..100_000)
            .map(|number| (format!("k{number}"), value.clone()))
            .collect()
    };
    let mut target = object(&Value::from(true));
    let start = Instant::now();
    let patch = merge_diff(&target, &Object::new()).unwrap();
    assert_eq!(patch, object(&Value::Null));
    merge_patch(&mut target, &patch);
    assert!(target.is_empty());
    // Moving up the rest for each removed member would move five thousand million.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

fn has_null(object: &Object) -> bool {
    object.values().any(|value| match value {
        Value::Object(object) => has_null(object),
        other => other.is_null(),
    })
}

/// RFC 7396's own pseudocode, literally.
fn reference_merge(target: Option<Value>, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = match target {
        Some(Value::Object(target)) => target,
        _ => Object::new(),
    };
    for (name, value) in patch {
        let before = target.remove(name);
        if !value.is_null() {
            target.insert(name, reference_merge(before, value));
        }
    }
    target.into()
}

proptest! {
    #[test]
    fn a_diff_applied_gives_the_later_object(
        before in arbitrary::object(),
        after in arbitrary::object(),
    ) {
        match merge_diff(&before, &after) {
            Some(patch) => {
                let mut merged = before.clone();
                merge_patch(&mut merged, &patch);
                prop_assert_eq!(&merged, &after);
                prop_assert_eq!(merge_diff(&merged, &after), Some(Object::new()), "to the digit");
            }
            None => prop_assert!(has_null(&after)),
        }
    }

    #[test]
    fn merging_does_what_the_rfc_says(target in arbitrary::object(), patch in arbitrary::object()) {
        let expected = reference_merge(Some(target.clone().into()), &patch.clone().into());
        let mut merged = target;
        merge_patch(&mut merged, &patch);
        prop_assert_eq!(Value::from(merged), expected);
    }
}
