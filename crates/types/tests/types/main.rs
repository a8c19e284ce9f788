//! What the domain words do, seen from outside the crate.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod arbitrary;
mod data;
mod field;
mod filter;
mod filter_model;
mod json_merge;
mod json_minified;
mod json_number;
mod json_order;
mod json_parse;
mod query;

use wellspring_types::{Object, Value};

/// Parses JSON that is right.
fn json(text: &str) -> Value {
    wellspring_types::json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Parses an object that is right.
fn object(text: &str) -> Object {
    match json(text) {
        Value::Object(object) => object,
        other => panic!("{other} is not an object"),
    }
}
