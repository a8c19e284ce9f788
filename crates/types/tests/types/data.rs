//! What a document holds.

use bytes::Bytes;
use wellspring_types::limits::{DEPTH_MAX, DOCUMENT_BYTES_MAX};
use wellspring_types::{Data, JsonError, Object};

use crate::object;

fn data(text: &str) -> Data {
    Data::parse(text.as_bytes()).unwrap()
}

#[test]
fn data_is_minified_and_keeps_digits_and_the_order_of_keys() {
    let data = data("{ \"b\": 1.10, \"a\": [ \"\\u0041\" ] }");
    assert_eq!(data.as_str(), r#"{"b":1.10,"a":["A"]}"#);
    assert_eq!(Data::parse(data.as_bytes()).unwrap(), data);
    assert_eq!(*data.object(), object(r#"{"a":["A"],"b":1.1}"#));
}

#[test]
fn data_is_equal_by_its_text() {
    assert_eq!(data(r#"{"a":1}"#), data(r#"{ "a" : 1 }"#));
    assert_ne!(data(r#"{"a":1}"#), data(r#"{"a":1.0}"#));
}

#[test]
fn text_is_replaced_for_one_and_not_for_its_clones() {
    let read = Bytes::from(br#"{"a":1},{"b":2}"#.to_vec());
    let mut only = Data::from_stored(read.slice(..7));
    assert_eq!(only.object().len(), 1);
    let copy = |text: &[u8]| Bytes::copy_from_slice(text);
    only.replace_text(copy);
    assert_eq!(only, data(r#"{"a":1}"#));
    assert_eq!(*only.object(), object(r#"{"a":1}"#));
    assert!(
        read.is_unique(),
        "it holds nothing of what it was read with"
    );

    let mut replaced = only.clone();
    replaced.replace_text(copy);
    assert_eq!(replaced, only);
    assert_ne!(replaced.as_bytes().as_ptr(), only.as_bytes().as_ptr());
}

#[test]
fn only_an_object_within_the_limits_is_data() {
    for text in ["1", "[]", "null", "\"a\""] {
        assert_eq!(Data::parse(text.as_bytes()), Err(JsonError::NotAnObject));
    }
    let sized = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert!(Data::parse(sized(DOCUMENT_BYTES_MAX).as_bytes()).is_ok());
    let bytes = DOCUMENT_BYTES_MAX + 1;
    assert_eq!(
        Data::parse(sized(bytes).as_bytes()),
        Err(JsonError::TooLarge { bytes })
    );

    let deeper = (0..DEPTH_MAX).fold(Object::new(), |inner, _| Object::from_iter([("a", inner)]));
    assert_eq!(Data::from_object(deeper), Err(JsonError::TooDeep));
}

#[test]
fn white_space_does_not_count_towards_the_size() {
    let padded = format!("{{{}}}", " ".repeat(DOCUMENT_BYTES_MAX));
    assert_eq!(data(&padded).as_str(), "{}");
}

#[test]
fn stored_text_is_parsed_when_somebody_looks_inside() {
    let stored = Data::from_stored(Bytes::from_static(br#"{"a":1}"#));
    assert_eq!(*stored.object(), object(r#"{"a":1}"#));
    assert_eq!(stored, data(r#"{"a":1}"#));
}
