//! Queries and their pages.

use wellspring_engine::ReadError;
use wellspring_types::Select;

use crate::common::{Fixture, filter, fixture, path, query, set, shown};
use wellspring_types::query::Query;
use wellspring_types::write::Write;

async fn ids(db: &Fixture, query: Query) -> String {
    let page = db.database.query(query).await.unwrap();
    page.documents
        .iter()
        .map(|d| d.path.id())
        .collect::<Vec<_>>()
        .join(" ")
}

async fn movies() -> Fixture {
    let db = fixture();
    db.commit(vec![
        set("movies/a", r#"{"year":1999,"title":"Tea"}"#),
        set("movies/b", r#"{"year":2001,"title":"Milk"}"#),
        set("movies/c", r#"{"title":"No year"}"#),
        set("movies/d", r#"{"year":null,"title":"Null"}"#),
        set("movies/e", r#"{"year":2001,"title":"Ale"}"#),
        set("moviesx/a", r#"{"year":1}"#),
    ])
    .await;
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_in_the_order_of_ids() {
    assert_eq!(ids(&movies().await, query("movies")).await, "a b c d e");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_has_ties_by_id_and_missing_before_null() {
    let db = movies().await;
    let ordered = |keys: &[&str]| Query {
        order_by: keys.iter().map(|key| key.parse().unwrap()).collect(),
        ..query("movies")
    };
    assert_eq!(ids(&db, ordered(&["year"])).await, "c d a b e");
    assert_eq!(ids(&db, ordered(&["-year"])).await, "b e a d c");
    assert_eq!(ids(&db, ordered(&["-year", "title"])).await, "e b a d c");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_and_a_selection_narrow_the_page() {
    let db = movies().await;
    let select = Select::new(vec!["title".parse().unwrap()]).unwrap();
    let narrowed = Query {
        filter: Some(filter(r#"{"year":{"gte":2000}}"#)),
        select: Some(select),
        ..query("movies")
    };
    let page = db.database.query(narrowed).await.unwrap();
    let expected = [("b", r#"{"title":"Milk"}"#), ("e", r#"{"title":"Ale"}"#)];
    let expected: Vec<_> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    assert_eq!(shown(&page.documents), expected);
    assert_eq!(page.cursor, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_exact_as_of_the_first_whatever_is_written_between() {
    for order_by in [vec![], vec!["-year".parse().unwrap()]] {
        let db = movies().await;
        let whole = Query {
            order_by: order_by.clone(),
            ..query("movies")
        };
        let expected = shown(&db.database.query(whole.clone()).await.unwrap().documents);
        let mut found = Vec::new();
        let mut cursor = None;
        for round in 0.. {
            let page = Query {
                limit: 2,
                cursor,
                ..whole.clone()
            };
            let page = db.database.query(page).await.unwrap();
            found.extend(shown(&page.documents));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
            // Behind, at and ahead of the cursor: inserted, changed, deleted.
            db.set(&format!("movies/{round}new"), r#"{"year":2000}"#)
                .await;
            db.set("movies/e", &format!(r#"{{"year":{round}}}"#)).await;
            if round == 0 {
                db.commit(vec![
                    Write::delete(path("movies/d")),
                    Write::delete(path("movies/a")),
                ])
                .await;
            }
        }
        assert_eq!(found, expected, "{order_by:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_bounded_in_bytes_and_skips_nothing() {
    let db = fixture();
    let long = "x".repeat(900_000);
    for n in [3, 1, 4, 2, 5] {
        let size = if n % 2 == 0 { "x" } else { long.as_str() };
        db.set(&format!("big/{n}"), &format!(r#"{{"n":{n},"s":"{size}"}}"#))
            .await;
    }
    for order_by in [
        vec![],
        vec!["n".parse().unwrap()],
        vec!["-n".parse().unwrap()],
    ] {
        let mut found = String::new();
        let mut cursor = None;
        loop {
            let page = Query {
                order_by: order_by.clone(),
                cursor,
                ..query("big")
            };
            let page = db.database.query(page).await.unwrap();
            let bytes: usize = page.documents.iter().map(|d| d.data.as_bytes().len()).sum();
            assert!(bytes <= wellspring_types::limits::PAGE_BYTES_MAX);
            found.extend(page.documents.iter().map(|d| d.path.id()));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected = if order_by.first().is_some_and(|o| o.to_string() == "-n") {
            "54321"
        } else {
            "12345"
        };
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_query_only() {
    let db = movies().await;
    let first = Query {
        limit: 1,
        ..query("movies")
    };
    let cursor = db.database.query(first.clone()).await.unwrap().cursor;
    assert!(cursor.is_some());
    let other = Query {
        cursor: cursor.clone(),
        ..query("moviesx")
    };
    assert!(matches!(
        db.database.query(other).await,
        Err(ReadError::Cursor(_))
    ));
    let forged = Query {
        cursor: Some("AAAA".into()),
        ..first.clone()
    };
    assert!(matches!(
        db.database.query(forged).await,
        Err(ReadError::Cursor(_))
    ));
    let no_limit = Query { limit: 0, ..first };
    assert!(matches!(
        db.database.query(no_limit).await,
        Err(ReadError::InvalidQuery { .. })
    ));
}
