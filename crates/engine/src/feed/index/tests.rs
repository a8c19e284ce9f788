//! What views are found by, and that what is taken out leaves nothing behind.

use wellspring_types::filter::Filter;
use wellspring_types::{CollectionId, Data, Sequence, Timestamp};

use super::keys::keys_of;
use super::{FilterIndex, ViewId};
use crate::commit::{DocumentChange, Image};

fn filter(json: &str) -> Filter {
    Filter::parse(json).unwrap()
}

/// The keys of a filter, where `cheap` is the only field with few views.
fn keys(json: &str) -> Option<Vec<String>> {
    let filter = filter(json);
    let cost = |field: &wellspring_types::FieldPath, _: &wellspring_types::Value| {
        if field.as_str() == "cheap" { 1 } else { 100 }
    };
    let keys = keys_of(filter.node(), &cost)?;
    let pairs = keys.pairs.iter();
    Some(
        pairs
            .map(|(field, value)| format!("{field}={value}"))
            .collect(),
    )
}

fn data(json: &str) -> Data {
    Data::parse(json.as_bytes()).unwrap()
}

fn change(before: Option<&str>, after: Option<&str>) -> DocumentChange {
    DocumentChange {
        collection: CollectionId(1),
        path: "rooms/1".parse().unwrap(),
        created_at: Timestamp::default(),
        before: before.map(|json| Image {
            version: Sequence(1),
            updated_at: Timestamp::default(),
            data: data(json),
        }),
        after: after.map(data),
    }
}

/// An index of views that are numbered in order.
fn index(filters: &[&str]) -> FilterIndex {
    let mut index = FilterIndex::default();
    for (id, json) in (0..).zip(filters) {
        index.insert(ViewId(id), Some(&filter(json)));
    }
    index
}

fn found(index: &FilterIndex, before: Option<&str>, after: Option<&str>) -> Vec<u64> {
    let change = change(before, after);
    let found = index.candidates(&[&change]);
    found.into_iter().map(|(view, _)| view.0).collect()
}

#[test]
fn an_equality_that_must_hold_is_a_key() {
    assert_eq!(keys(r#"{"room":"r1"}"#).unwrap(), [r#"room="r1""#]);
    assert_eq!(keys(r#"{"room":null}"#).unwrap(), ["room=null"]);
    assert_eq!(
        keys(r#"{"room":{"in":["r1","r2"]}}"#).unwrap(),
        [r#"room="r1""#, r#"room="r2""#]
    );
    let with_a_range = r#"{"votes":{"gte":3},"room":"r1"}"#;
    assert_eq!(keys(with_a_range).unwrap(), [r#"room="r1""#]);
    let nested = r#"{"and":[{"and":[{"a.b":1},{"n":{"lt":3}}]},{"not":{"c":1}}]}"#;
    assert_eq!(keys(nested).unwrap(), ["a.b=1"]);
}

#[test]
fn what_holds_for_missing_fields_or_many_values_is_no_key() {
    for json in [
        "{}",
        r#"{"room":{"ne":"r1"}}"#,
        r#"{"room":{"not_in":["r1"]}}"#,
        r#"{"room":{"exists":true}}"#,
        r#"{"room":{"exists":false}}"#,
        r#"{"room":{"contains":"r1"}}"#,
        r#"{"room":{"prefix":"r"}}"#,
        r#"{"room":{"gte":"r1","lte":"r1"}}"#,
        r#"{"not":{"room":"r1"}}"#,
        r#"{"not":{"room":{"ne":"r1"}}}"#,
    ] {
        assert_eq!(keys(json), None, "{json}");
    }
}

#[test]
fn an_or_needs_a_key_in_every_branch() {
    let whole = r#"{"or":[{"a":1},{"b":2,"n":{"gt":0}},{"c":{"in":[3,4]}}]}"#;
    let mut keys_of_whole = keys(whole).unwrap();
    keys_of_whole.sort();
    assert_eq!(keys_of_whole, ["a=1", "b=2", "c=3", "c=4"]);
    assert_eq!(keys(r#"{"or":[{"a":1},{"n":{"gt":0}}]}"#), None);
    let beside = r#"{"or":[{"a":1},{"n":{"gt":0}}],"room":"r1"}"#;
    assert_eq!(keys(beside).unwrap(), [r#"room="r1""#]);
}

#[test]
fn what_matches_nothing_is_found_by_nothing() {
    assert_eq!(keys(r#"{"or":[]}"#).unwrap(), [] as [&str; 0]);
    assert_eq!(keys(r#"{"a":{"in":[]}}"#).unwrap(), [] as [&str; 0]);
}

#[test]
fn of_several_keys_the_cheapest_is_taken() {
    assert_eq!(keys(r#"{"a":1,"cheap":2,"z":3}"#).unwrap(), ["cheap=2"]);
    let either = r#"{"a":1,"or":[{"cheap":2},{"cheap":3}]}"#;
    assert_eq!(keys(either).unwrap(), ["cheap=2", "cheap=3"]);
    let many = r#"{"room":{"in":[1,2,3]},"to":4}"#;
    assert_eq!(keys(many).unwrap(), ["to=4"]);
}

#[test]
fn views_are_found_by_what_a_document_was_and_by_what_it_is() {
    let index = index(&[r#"{"room":"r1"}"#, r#"{"room":"r2"}"#, r#"{"room":"r3"}"#]);
    let (r1, r2) = (r#"{"room":"r1"}"#, r#"{"room":"r2"}"#);
    assert_eq!(found(&index, None, Some(r1)), [0]);
    assert_eq!(found(&index, Some(r1), None), [0]);
    assert_eq!(found(&index, Some(r1), Some(r2)), [0, 1]);
    assert_eq!(found(&index, Some(r1), Some(r1)), [0], "once");
    assert_eq!(found(&index, None, Some("{}")), [] as [u64; 0]);
}

#[test]
fn values_are_compared_by_meaning() {
    let index = index(&[
        r#"{"a":{"eq":1.0}}"#,
        r#"{"a":{"eq":0}}"#,
        r#"{"a":{"eq":{"x":1,"y":[2]}}}"#,
        r#"{"a":null}"#,
        r#"{"a":"1"}"#,
    ]);
    let found = |value: &str| found(&index, None, Some(&format!(r#"{{"a":{value}}}"#)));
    assert_eq!(found("10e-1"), [0]);
    assert_eq!(found("-0.0"), [1]);
    assert_eq!(found(r#"{"y":[2.0],"x":1e0}"#), [2]);
    assert_eq!(found("null"), [3]);
    assert_eq!(found(r#""1""#), [4]);
}

#[test]
fn views_are_spread_over_the_field_that_tells_them_apart() {
    let mut index = FilterIndex::default();
    for to in 0..1000 {
        let json = format!(r#"{{"kind":"message","to":"user {to}","open":true}}"#);
        index.insert(ViewId(to), Some(&filter(&json)));
    }
    let message = r#"{"kind":"message","to":"user 7","open":true}"#;
    let candidates = found(&index, None, Some(message));
    assert!(candidates.contains(&7));
    assert!(candidates.len() < 5, "{} candidates", candidates.len());
}

#[test]
fn each_change_of_a_commit_has_candidates_of_its_own() {
    let index = index(&[r#"{"room":"r1"}"#, r#"{"room":"r2"}"#]);
    let (first, second) = (
        change(Some(r#"{"room":"r2"}"#), Some(r#"{"room":"r1"}"#)),
        change(None, Some(r#"{"room":"r2"}"#)),
    );
    let found = index.candidates(&[&first, &second]);
    let expected = [(ViewId(0), 0), (ViewId(1), 0), (ViewId(1), 1)];
    assert_eq!(found, expected);
}

#[test]
fn what_is_taken_out_is_not_found_and_leaves_nothing() {
    let filters = [
        Some(r#"{"room":"r1"}"#),
        Some(r#"{"room":"r1","n":{"gt":0}}"#),
        Some(r#"{"room":"r1","n":{"gt":1}}"#),
        Some(r#"{"or":[{"room":"r1"},{"room":"r1","n":1},{"other":1}]}"#),
        Some(r#"{"or":[]}"#),
        Some(r#"{"n":{"gt":0}}"#),
        None,
    ];
    let mut index = FilterIndex::default();
    let mut places = Vec::new();
    for (id, json) in (0..).zip(filters) {
        let place = index.insert(ViewId(id), json.map(filter).as_ref());
        places.push((ViewId(id), place));
    }
    let mut left = vec![0, 1, 2, 3];
    let document = r#"{"room":"r1"}"#;
    assert_eq!(found(&index, None, Some(document)), left);
    assert_eq!(index.residual().count(), 2);
    for (view, place) in places {
        index.remove(view, &place);
        left.retain(|id| *id != view.0);
        assert_eq!(found(&index, None, Some(document)), left);
    }
    assert!(index.fields.is_empty());
    assert_eq!(index.residual().count(), 0);
}
