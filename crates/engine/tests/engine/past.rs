//! Reads as of a sequence, a token or a time in the past.

use std::collections::BTreeMap;
use std::sync::Arc;

use wellspring_engine::{FloorMove, ReadError, TokenError};
use wellspring_types::feed::{FeedMessage, From};
use wellspring_types::query::{Found, Query};
use wellspring_types::write::Write;
use wellspring_types::{At, ResumeToken, Sequence, Timestamp};

use crate::common::{Fixture, Hand, fixture, fixture_with, path, query, set, shown};

/// What a collection holds as of each sequence, from zero.
type States = Vec<BTreeMap<String, String>>;

/// Ids `a` to `e`, set, changed, deleted and made again, beside another collection.
async fn written(db: &Fixture) -> States {
    let commits: [&[(&str, Option<u32>)]; 11] = [
        &[("a", Some(1)), ("b", Some(1))],
        &[("c", Some(2))],
        &[("a", Some(3)), ("b", None)],
        &[],
        &[("b", Some(5)), ("d", Some(5))],
        &[("d", None), ("c", None), ("e", Some(6))],
        &[("a", None)],
        &[("a", Some(8)), ("e", Some(8))],
        &[],
        &[("a", None), ("e", None), ("b", None)],
        &[("c", Some(11))],
    ];
    let mut states = vec![BTreeMap::new()];
    for (writes, n) in commits.into_iter().zip(1..) {
        let mut state = states[states.len() - 1].clone();
        let mut batch = vec![set(&format!("other/{n}"), "{}")];
        for (id, value) in writes {
            let at = format!("rooms/{id}");
            match value {
                Some(v) => {
                    let json = format!(r#"{{"v":{v}}}"#);
                    batch.push(set(&at, &json));
                    state.insert((*id).to_owned(), json);
                }
                None => {
                    batch.push(Write::delete(path(&at)));
                    state.remove(*id);
                }
            }
        }
        assert_eq!(db.commit(batch).await.seq, Sequence(n));
        states.push(state);
    }
    states
}

fn at(seq: u64) -> At {
    At::Sequence(Sequence(seq))
}

fn rooms_at(at: At) -> Query {
    Query {
        at: Some(at),
        ..query("rooms")
    }
}

/// All pages of a query, and the sequence that they all said.
async fn pages(db: &Fixture, mut query: Query) -> (Sequence, Vec<(String, String)>) {
    let mut found = Vec::new();
    loop {
        let page = db.database.query(query.clone()).await.unwrap();
        found.extend(shown(&page.documents));
        query.cursor = page.cursor;
        if query.cursor.is_none() {
            return (page.seq, found);
        }
    }
}

async fn assert_past(db: &Fixture, states: &States) {
    for (seq, state) in (0..).zip(states) {
        for id in ["a", "b", "c", "d", "e", "never"] {
            let found = db.get_at(&format!("rooms/{id}"), at(seq)).await;
            let Found {
                document,
                seq: told,
            } = found.unwrap();
            assert_eq!(told, Sequence(seq));
            let data = document.map(|document| document.data.as_str().to_owned());
            assert_eq!(data.as_ref(), state.get(id), "{id} at {seq}");
        }
        let expected: Vec<_> = state.clone().into_iter().collect();
        for limit in [1, 2, 100] {
            let query = Query {
                limit,
                ..rooms_at(at(seq))
            };
            let descending = Query {
                order_by: vec!["-v".parse().unwrap()],
                ..query.clone()
            };
            let found = pages(db, query).await;
            assert_eq!(found, (Sequence(seq), expected.clone()), "limit {limit}");
            let mut sorted = expected.clone();
            sorted.sort_by_key(|(_, json)| {
                let digits = json.trim_matches(|c: char| !c.is_ascii_digit());
                std::cmp::Reverse(digits.parse::<u32>().unwrap())
            });
            assert_eq!(pages(db, descending).await.1, sorted);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sequence_is_read_as_it_was_after_every_opening() {
    let mut db = fixture();
    let states = written(&db).await;
    assert_past(&db, &states).await;
    db = db.reopen().await;
    assert_past(&db, &states).await;
    db.database.close().await.unwrap();
    std::fs::remove_dir_all(db.directory.path().join("data/store")).unwrap();
    db = db.crash();
    assert_past(&db, &states).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_memory_for_one_document_every_sequence_is_read_as_it_was() {
    let db = fixture_with(|options| options.exact_read_bytes_max = 0);
    let states = written(&db).await;
    assert_past(&db, &states).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_has_not_changed_since_is_read_without_the_log() {
    // No time to search anything.
    let db = fixture_with(|options| options.query_scan_ms_max = 0);
    db.set("rooms/quiet", r#"{"v":1}"#).await;
    for n in 0..50 {
        db.set("rooms/busy", &format!(r#"{{"v":{n}}}"#)).await;
    }
    let found = db.get_at("rooms/quiet", at(1)).await;
    let found = found.unwrap().document.unwrap();
    assert_eq!(found.version, Sequence(1));
    let found = db.get_at("rooms/busy", at(1)).await;
    assert!(matches!(found, Err(ReadError::TooLong { limit_ms: 0 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_committed_yet_cannot_be_read() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    for ahead in [2, u64::MAX] {
        let error = db.get_at("rooms/1", at(ahead)).await;
        let error = error.unwrap_err();
        let (asked, last) = (Sequence(ahead), Sequence(1));
        assert!(
            matches!(error, ReadError::Ahead { at, visible } if (at, visible) == (asked, last)),
            "{error}"
        );
        let error = db.database.query(rooms_at(at(ahead))).await.unwrap_err();
        assert!(matches!(error, ReadError::Ahead { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_below_a_floor_cannot_be_read_and_the_floor_itself_can() {
    let db = fixture();
    let states = written(&db).await;
    let move_floor = async |collection: Option<&str>, through| {
        let wished = FloorMove {
            collection: collection.map(|collection| collection.parse().unwrap()),
            through: Sequence(through),
        };
        db.database.move_floor(wished).await.unwrap();
    };
    let oldest_of = async |collection: &str| {
        let below = Query {
            at: Some(at(0)),
            ..query(collection)
        };
        let get = db.get_at(&format!("{collection}/c"), at(0)).await;
        match (db.database.query(below).await, get) {
            (Err(ReadError::Expired { oldest }), Err(ReadError::Expired { oldest: same })) => {
                assert_eq!(oldest, same);
                oldest.0
            }
            (Ok(page), Ok(found)) => {
                assert_eq!((page.seq, found.seq), (Sequence(0), Sequence(0)));
                0
            }
            other => panic!("{other:?}"),
        }
    };
    move_floor(Some("rooms"), 4).await;
    assert_eq!((oldest_of("rooms").await, oldest_of("other").await), (4, 0));
    let found = pages(&db, rooms_at(at(4))).await.1;
    assert_eq!(found, Vec::from_iter(states[4].clone()));
    // A page that was begun goes on for as long as it can.
    let first = Query {
        limit: 1,
        ..rooms_at(at(5))
    };
    let page = db.database.query(first.clone()).await.unwrap();
    move_floor(Some("rooms"), 6).await;
    let mut found = shown(&page.documents);
    let next = Query {
        cursor: page.cursor,
        ..first.clone()
    };
    found.extend(pages(&db, next.clone()).await.1);
    assert_eq!(found, Vec::from_iter(states[5].clone()));
    move_floor(None, 7).await;
    assert_eq!((oldest_of("rooms").await, oldest_of("other").await), (7, 7));
    let expired = db.database.query(next).await;
    assert!(matches!(expired, Err(ReadError::CursorExpired)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_the_last_commit_that_was_not_after_it() {
    let clock = Arc::new(Hand::default());
    let hand = Arc::clone(&clock);
    let db = fixture_with(move |options| options.clock = hand);
    // Sequences 1 at 1000, 2 and 3 at 2000, 4 at 3000; now it is 5000.
    for (turn, n) in [(1000, 1), (1000, 2), (0, 3), (1000, 4)] {
        clock.turn(turn);
        db.set("rooms/1", &format!(r#"{{"n":{n}}}"#)).await;
    }
    clock.turn(2000);
    let time = |ms| At::Time(Timestamp::from_millis(ms));
    let times = [
        (0, 0),
        (999, 0),
        (1000, 1),
        (1999, 1),
        (2000, 3),
        (2999, 3),
        (3000, 4),
        (4000, 4),
        (5000, 4),
    ];
    for (ms, seq) in times {
        let found = db.get_at("rooms/1", time(ms)).await;
        let found = found.unwrap();
        assert_eq!(found.seq, Sequence(seq), "at {ms}");
        let data = found.document.map(|found| found.data.as_str().to_owned());
        assert_eq!(data, (seq > 0).then(|| format!(r#"{{"n":{seq}}}"#)));
        let (told, _) = pages(&db, rooms_at(time(ms))).await;
        assert_eq!(told, Sequence(seq));
    }
    let error = db.database.query(rooms_at(time(5001))).await.unwrap_err();
    assert!(matches!(error, ReadError::TimeAhead { .. }), "{error}");
    let wished = FloorMove {
        collection: None,
        through: Sequence(3),
    };
    db.database.move_floor(wished).await.unwrap();
    let error = db.database.query(rooms_at(time(1999))).await.unwrap_err();
    let three = Sequence(3);
    assert!(
        matches!(error, ReadError::Expired { oldest } if oldest == three),
        "{error}"
    );
    let (told, _) = pages(&db, rooms_at(time(2000))).await;
    assert_eq!(told, three);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_the_position_that_it_stands_for() {
    let db = fixture();
    let states = written(&db).await;
    let mut follower = db.subscribe(From::Beginning);
    let mut tokens: Vec<(Sequence, ResumeToken)> = Vec::new();
    let last = Sequence(states.len() as u64 - 1);
    while follower.position < last {
        match follower.next().await {
            FeedMessage::Changes { .. } | FeedMessage::Checkpoint { .. } => {
                tokens.push((follower.position, follower.token.clone().unwrap()));
            }
            _ => {}
        }
    }
    let mut snapshot = db.subscribe(From::Snapshot);
    while snapshot.state.is_empty() {
        snapshot.next().await;
    }
    tokens.push((last, snapshot.token.clone().unwrap()));
    db.set("rooms/later", "{}").await;
    for (seq, token) in tokens {
        let (told, found) = pages(&db, rooms_at(At::Token(token.clone()))).await;
        let state = &states[usize::try_from(seq.0).unwrap()];
        assert_eq!((told, found), (seq, Vec::from_iter(state.clone())));
        let get = db.get_at("rooms/later", At::Token(token));
        assert_eq!(get.await.unwrap().document, None);
    }
    let page = Query {
        limit: 1,
        ..rooms_at(at(5))
    };
    let cursor = db.database.query(page).await.unwrap().cursor.unwrap();
    for (text, wrong) in [
        (cursor.as_str(), TokenError::WrongKind),
        ("AZ8sWgA", TokenError::Forged),
    ] {
        let token = At::Token(ResumeToken::new(text));
        let refused = db.get_at("rooms/a", token).await;
        assert!(matches!(refused, Err(ReadError::Cursor(error)) if error == wrong));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_with_the_at_that_its_first_page_had() {
    let db = fixture();
    written(&db).await;
    let first = Query {
        limit: 1,
        ..rooms_at(at(5))
    };
    let cursor = db.database.query(first.clone()).await.unwrap().cursor;
    for other in [None, Some(at(6))] {
        let next = Query {
            cursor: cursor.clone(),
            at: other,
            ..first.clone()
        };
        let refused = db.database.query(next).await;
        let other_query = TokenError::OtherQuery;
        assert!(matches!(refused, Err(ReadError::Cursor(error)) if error == other_query));
    }
}
