//! Fields: found, set, removed, selected.

use wellspring_types::limits::{DEPTH_MAX, FIELD_PATH_BYTES_MAX, SELECT_FIELDS_MAX};
use wellspring_types::{FieldPath, FieldPathError, FieldSetError, Select, SelectError, Value};

use crate::{json, object};

fn field(text: &str) -> FieldPath {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn dots_and_pointers_find_their_fields() {
    let data = object(r#"{"a":{"b":[{"c":1},{"0":2}]},"a.b":3,"x/y~z":4,"":5,"or":6,"n":null}"#);
    for (path, found) in [
        ("a.b", Some(r#"[{"c":1},{"0":2}]"#)),
        ("/a/b/0/c", Some("1")),
        ("/a/b/1/0", Some("2")),
        ("/a.b", Some("3")),
        ("/x~1y~0z", Some("4")),
        ("/", Some("5")),
        ("/or", Some("6")),
        ("n", Some("null")),
        ("a.b.0", None),
        ("/a/b/2", None),
        ("/a/b/00", None),
        ("/a/b/-", None),
        ("/a/b/+1", None),
        ("/a/b/99999999999999999999", None),
        ("n.x", None),
        ("a.c", None),
        ("z", None),
    ] {
        assert_eq!(
            field(path).find(&data).map(Value::to_text).as_deref(),
            found,
            "{path}"
        );
    }
}

#[test]
fn what_names_no_field_is_refused() {
    let error = |text: &str| text.parse::<FieldPath>().expect_err(text);
    for text in ["", ".", "a.", ".a", "a..b"] {
        assert_eq!(error(text), FieldPathError::EmptyName { text: text.into() });
    }
    for text in ["/~", "/a~2", "/a~/b"] {
        assert_eq!(error(text), FieldPathError::BadEscape { text: text.into() });
    }
    assert_eq!(
        error(&"a".repeat(FIELD_PATH_BYTES_MAX + 1)),
        FieldPathError::TooLong
    );
    assert_eq!(
        error(&vec!["a"; DEPTH_MAX + 1].join(".")),
        FieldPathError::TooLong
    );
    assert_eq!(
        field(&vec!["a"; DEPTH_MAX].join(".")).names().len(),
        DEPTH_MAX
    );
    assert_eq!(field("a.é").to_string(), "a.é");
}

#[track_caller]
fn check_set(data: &str, path: &str, expected: &str) {
    let mut data = object(data);
    field(path).set(&mut data, json("9")).unwrap();
    assert_eq!(Value::from(data.clone()).to_text(), expected);
    assert_eq!(field(path).find(&data), Some(&json("9")));
}

#[test]
fn setting_makes_the_objects_on_the_way() {
    check_set("{}", "a", r#"{"a":9}"#);
    check_set(r#"{"a":1,"b":2}"#, "a", r#"{"a":9,"b":2}"#);
    check_set("{}", "a.b.c", r#"{"a":{"b":{"c":9}}}"#);
    check_set(r#"{"a":{"x":1}}"#, "a.b.c", r#"{"a":{"x":1,"b":{"c":9}}}"#);
    check_set(r#"{"a":[1,2]}"#, "/a/1", r#"{"a":[1,9]}"#);
    check_set(r#"{"a":[1]}"#, "/a/1", r#"{"a":[1,9]}"#);
    check_set(r#"{"a":[{}]}"#, "/a/0/b/c", r#"{"a":[{"b":{"c":9}}]}"#);
    check_set(r#"{"a":[]}"#, "/a/0/b", r#"{"a":[{"b":9}]}"#);
}

#[test]
fn setting_fails_where_something_else_is_in_the_way_and_changes_nothing() {
    for (data, path, holder) in [
        (r#"{"a":1}"#, "a.b", "a number"),
        (r#"{"a":null}"#, "a.b", "null"),
        (r#"{"a":{"b":"x"}}"#, "a.b.c.d", "a string"),
        (r#"{"a":[1]}"#, "a.0", "an array"),
    ] {
        let mut changed = object(data);
        let error = field(path).set(&mut changed, json("9")).unwrap_err();
        assert!(
            matches!(error, FieldSetError::NotAnObject { holder: found, .. } if found == holder),
            "{error}"
        );
        assert_eq!(changed, object(data));
    }
    for path in ["/a/2", "/a/x", "/a/-", "/a/01", "/a/2/b"] {
        let mut changed = object(r#"{"a":[1]}"#);
        let error = field(path).set(&mut changed, json("9")).unwrap_err();
        assert!(
            matches!(error, FieldSetError::NotAnIndex { len: 1, .. }),
            "{error}"
        );
        assert_eq!(changed, object(r#"{"a":[1]}"#));
    }
}

#[test]
fn removing_returns_what_was_there() {
    for (path, removed, left) in [
        ("a", Some(r#"{"b":[1,2,3]}"#), r#"{"c":4}"#),
        ("a.b", Some("[1,2,3]"), r#"{"a":{},"c":4}"#),
        ("/a/b/1", Some("2"), r#"{"a":{"b":[1,3]},"c":4}"#),
        ("/a/b/3", None, r#"{"a":{"b":[1,2,3]},"c":4}"#),
        ("a.b.1", None, r#"{"a":{"b":[1,2,3]},"c":4}"#),
        ("c.d", None, r#"{"a":{"b":[1,2,3]},"c":4}"#),
        ("x.y", None, r#"{"a":{"b":[1,2,3]},"c":4}"#),
    ] {
        let mut data = object(r#"{"a":{"b":[1,2,3]},"c":4}"#);
        assert_eq!(
            field(path)
                .remove(&mut data)
                .as_ref()
                .map(Value::to_text)
                .as_deref(),
            removed
        );
        assert_eq!(Value::from(data).to_text(), left, "{path}");
    }
}

fn select(fields: &[&str]) -> Select {
    Select::new(fields.iter().map(|text| field(text)).collect()).unwrap()
}

#[test]
fn a_selection_keeps_the_order_of_the_document_and_only_the_branches_named() {
    let data = object(r#"{"a":{"b":1,"c":{"d":2,"e":3}},"f":4,"g":[{"h":5,"i":6},7,8],"n":null}"#);
    for (fields, kept) in [
        (&["f", "a.b"][..], r#"{"a":{"b":1},"f":4}"#),
        (&["a.c.e", "a.b"], r#"{"a":{"b":1,"c":{"e":3}}}"#),
        (&["a.c", "a"], r#"{"a":{"b":1,"c":{"d":2,"e":3}}}"#),
        (&["a", "a.c.d"], r#"{"a":{"b":1,"c":{"d":2,"e":3}}}"#),
        (&["/g/2", "/g/0/h"], r#"{"g":[{"h":5},8]}"#),
        (&["/a/c/d", "a.c.e"], r#"{"a":{"c":{"d":2,"e":3}}}"#),
        (&["n", "z"], r#"{"n":null}"#),
        (&["a.z", "f.z", "g.0", "/g/9"], "{}"),
    ] {
        assert_eq!(
            Value::from(select(fields).project(&data)).to_text(),
            kept,
            "{fields:?}"
        );
    }
}

#[test]
fn a_selection_has_from_one_to_its_limit_of_different_fields() {
    assert_eq!(Select::new(Vec::new()), Err(SelectError::Empty));
    let many = |count: usize| {
        (0..count)
            .map(|number| field(&format!("f{number}")))
            .collect()
    };
    assert!(Select::new(many(SELECT_FIELDS_MAX)).is_ok());
    let fields = SELECT_FIELDS_MAX + 1;
    assert_eq!(
        Select::new(many(fields)),
        Err(SelectError::TooMany { fields })
    );
    assert_eq!(select(&["a", "b", "a"]).fields(), [field("a"), field("b")]);
}
