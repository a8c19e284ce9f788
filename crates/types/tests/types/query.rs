//! Orders of documents.

use wellspring_types::query::{Direction, OrderBy, compare};
use wellspring_types::{Data, Document, FieldPathError, Sequence, Timestamp};

fn document(id: &str, data: &str) -> Document {
    let time: Timestamp = "2026-11-24T09:00:00.000Z".parse().unwrap();
    Document {
        path: format!("films/{id}").parse().unwrap(),
        version: Sequence(1),
        created_at: time,
        updated_at: time,
        data: Data::parse(data.as_bytes()).unwrap(),
    }
}

fn keys(texts: &[&str]) -> Vec<OrderBy> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[track_caller]
fn check_order(order_by: &[&str], ids: &[&str]) {
    let mut documents = [
        document("d", r#"{"year":1999,"title":"b"}"#),
        document("a", r#"{"year":1999.0,"title":"b"}"#),
        document("c", r#"{"year":2001,"title":"a"}"#),
        document("b", r#"{"year":null,"title":"B"}"#),
        document("e", r#"{"title":"é"}"#),
    ];
    documents.sort_by(|a, b| compare(&keys(order_by), a, b));
    assert_eq!(
        documents
            .iter()
            .map(|document| document.path.id())
            .collect::<Vec<_>>(),
        ids
    );
}

#[test]
fn ties_and_the_default_go_by_id_and_missing_comes_before_null() {
    check_order(&[], &["a", "b", "c", "d", "e"]);
    check_order(&["year"], &["e", "b", "a", "d", "c"]);
    check_order(&["-year"], &["c", "a", "d", "b", "e"]);
    check_order(&["title"], &["b", "c", "a", "d", "e"]);
    check_order(&["-title", "-year"], &["e", "a", "d", "c", "b"]);
    check_order(&["-year", "title"], &["c", "a", "d", "b", "e"]);
}

#[test]
fn a_minus_means_descending_and_is_written_again() {
    let order: OrderBy = "-address.city".parse().unwrap();
    assert_eq!(order.direction, Direction::Descending);
    assert_eq!(order.field.as_str(), "address.city");
    assert_eq!(order.to_string(), "-address.city");
    let order: OrderBy = "/-odd".parse().unwrap();
    assert_eq!(
        (order.direction, order.to_string()),
        (Direction::Ascending, "/-odd".to_owned())
    );
    assert!(matches!(
        "-".parse::<OrderBy>(),
        Err(FieldPathError::EmptyName { .. })
    ));
}
