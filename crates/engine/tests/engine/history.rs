//! The versions of a document, newest first.

use wellspring_engine::{FloorMove, ReadError, TokenError};
use wellspring_types::Sequence;
use wellspring_types::feed::Op;
use wellspring_types::history::{DocumentVersion, HistoryPage, HistoryQuery};
use wellspring_types::write::{CommitRequest, Write};

use crate::common::{Fixture, data, fixture, fixture_with, path, set};

fn history(at: &str) -> HistoryQuery {
    HistoryQuery {
        path: path(at),
        limit: 100,
        cursor: None,
    }
}

/// A version as `12 insert {"v":1}`.
fn line(version: &DocumentVersion) -> String {
    let op = match version.op {
        Some(Op::Insert) => "insert",
        Some(Op::Update) => "update",
        Some(Op::Delete) => "delete",
        None => "kept",
    };
    let data = version.data.as_ref();
    let data = data.map_or("-", |data| data.as_str());
    format!("{} {op} {data}", version.version)
}

/// All pages, and what the last one says.
async fn pages(db: &Fixture, mut query: HistoryQuery) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    loop {
        let page: HistoryPage = db.database.history(query.clone()).await.unwrap();
        assert!(page.versions.len() <= query.limit as usize);
        lines.extend(page.versions.iter().map(line));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return (lines, page.truncated);
        }
        assert!(!page.truncated, "only the last page can tell");
    }
}

/// Two lives of one document, with others written between.
async fn two_lives(db: &Fixture) -> Vec<&'static str> {
    for json in [r#"{"v":1}"#, r#"{"v":2}"#] {
        db.set("rooms/a", json).await;
        db.set("rooms/b", json).await;
    }
    db.delete("rooms/a").await;
    db.set("rooms/b", "{}").await;
    db.set("other/a", "{}").await;
    db.commit(vec![set("rooms/b", "{}"), set("rooms/a", r#"{"v":3}"#)])
        .await;
    db.delete("rooms/a").await;
    db.set("rooms/b", r#"{"last":true}"#).await;
    vec![
        "9 delete -",
        r#"8 insert {"v":3}"#,
        "5 delete -",
        r#"3 update {"v":2}"#,
        r#"1 insert {"v":1}"#,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_told_from_the_newest_through_every_life_of_the_document() {
    let db = fixture();
    let expected = two_lives(&db).await;
    for limit in [1, 2, 3, 100] {
        let query = HistoryQuery {
            limit,
            ..history("rooms/a")
        };
        let found = pages(&db, query).await;
        assert_eq!(found.0, expected, "limit {limit}");
        assert!(!found.1);
    }
    let db = db.reopen().await;
    assert_eq!(pages(&db, history("rooms/a")).await.0, expected);
    assert_eq!(pages(&db, history("rooms/b")).await.0.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_never_was_has_no_versions() {
    let db = fixture();
    two_lives(&db).await;
    for never in ["rooms/never", "nobody/never"] {
        assert_eq!(pages(&db, history(never)).await, (Vec::new(), false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_below_the_floor_is_left_out_but_for_what_was_there_at_it() {
    let db = fixture();
    let expected = two_lives(&db).await;
    let kept: [(u64, &[&str]); 5] = [
        // What was there at the floor can be read as of it, though not who made it so.
        (
            3,
            &[expected[0], expected[1], expected[2], r#"3 kept {"v":2}"#],
        ),
        (5, &expected[..2]),
        (7, &expected[..2]),
        (8, &[expected[0], r#"8 kept {"v":3}"#]),
        (9, &[]),
    ];
    for (through, kept) in kept {
        let before = history("rooms/a");
        let first = HistoryQuery {
            limit: 1,
            ..before.clone()
        };
        let page = db.database.history(first.clone()).await.unwrap();
        let wished = FloorMove {
            collection: Some("rooms".parse().unwrap()),
            through: Sequence(through),
        };
        db.database.move_floor(wished).await.unwrap();
        let (found, truncated) = pages(&db, before).await;
        assert_eq!(found, kept, "floor {through}");
        assert!(truncated);
        // A history that was begun ends where what is kept begins.
        if page.cursor.is_some() {
            let next = HistoryQuery {
                cursor: page.cursor,
                ..first
            };
            let (found, truncated) = pages(&db, next).await;
            assert_eq!(found, *kept.get(1..).unwrap_or_default());
            assert!(truncated);
        }
    }
    let (found, truncated) = pages(&db, history("rooms/b")).await;
    assert_eq!(found, [r#"10 update {"last":true}"#, "8 kept {}"]);
    assert!(truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_says_when_it_was_made_and_by_which_commit() {
    let db = fixture();
    let mut request = CommitRequest::of(vec![Write::set(path("rooms/a"), data("{}"))]);
    request.mutation_id = Some("m1".parse().unwrap());
    let committed = db.database.commit(request).await.unwrap();
    let page = db.database.history(history("rooms/a")).await.unwrap();
    assert_eq!(page.seq, committed.seq);
    let expected = DocumentVersion {
        version: committed.seq,
        time: committed.time,
        op: Some(Op::Insert),
        data: Some(data("{}")),
        actor: None,
        mutation_id: Some("m1".parse().unwrap()),
    };
    assert_eq!(page.versions, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_without_time_ends_its_page_and_goes_on_with_the_next() {
    let db = fixture_with(|options| options.query_scan_ms_max = 0);
    db.set("rooms/a", r#"{"v":1}"#).await;
    db.delete("rooms/a").await;
    for n in 0..50 {
        db.set("rooms/b", &format!(r#"{{"v":{n}}}"#)).await;
    }
    let (found, truncated) = pages(&db, history("rooms/a")).await;
    assert_eq!(found, ["2 delete -", r#"1 insert {"v":1}"#]);
    assert!(!truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_bounded_in_bytes_and_leaves_no_version_out() {
    let db = fixture();
    let long = "x".repeat(900_000);
    for n in 0..5 {
        db.set("rooms/a", &format!(r#"{{"n":{n},"s":"{long}"}}"#))
            .await;
        db.delete("rooms/a").await;
    }
    let mut query = history("rooms/a");
    let mut found = Vec::new();
    loop {
        let page = db.database.history(query.clone()).await.unwrap();
        let data = page
            .versions
            .iter()
            .filter_map(|version| version.data.as_ref());
        let bytes: usize = data.map(|data| data.as_bytes().len()).sum();
        assert!(bytes <= wellspring_types::limits::PAGE_BYTES_MAX);
        found.extend(page.versions.iter().map(|version| version.version.0));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, (1..=10).rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_document_only() {
    let db = fixture();
    two_lives(&db).await;
    let first = HistoryQuery {
        limit: 1,
        ..history("rooms/a")
    };
    let cursor = db.database.history(first.clone()).await.unwrap().cursor;
    let other = HistoryQuery {
        cursor,
        ..history("rooms/b")
    };
    let refused = db.database.history(other).await;
    let other_query = TokenError::OtherQuery;
    assert!(matches!(refused, Err(ReadError::Cursor(error)) if error == other_query));
    let no_limit = HistoryQuery { limit: 0, ..first };
    let refused = db.database.history(no_limit).await;
    assert!(matches!(refused, Err(ReadError::InvalidQuery { .. })));
}
