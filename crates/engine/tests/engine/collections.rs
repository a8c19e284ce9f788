//! Which collections there are.

use wellspring_engine::{Database, FloorMove, ReadError, TokenError};
use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::{At, ResumeToken, Sequence};

use crate::common::{Fixture, fixture, path, query, set};

fn page(
    database: &Database,
    below: Option<&str>,
    limit: u32,
    cursor: Option<String>,
) -> Result<CollectionsPage, ReadError> {
    database.collections(&CollectionsQuery {
        below: below.map(path),
        limit,
        cursor,
    })
}

/// All pages of so many paths; their sequences are one.
fn listed(db: &Fixture, below: Option<&str>, limit: u32) -> Vec<String> {
    let (mut paths, mut cursor, mut seqs) = (Vec::new(), None, Vec::new());
    loop {
        let page = page(&db.database, below, limit, cursor).unwrap();
        assert!(page.collections.len() <= limit as usize);
        paths.extend(page.collections.iter().map(ToString::to_string));
        seqs.push(page.seq);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(seqs.iter().all(|seq| *seq == seqs[0]), "{seqs:?}");
    paths
}

async fn some() -> Fixture {
    let db = fixture();
    db.commit(vec![
        set("rooms/42/messages/1/marks/x", "{}"),
        set("rooms/42/messages/1", "{}"),
        set("rooms/420/messages/1", "{}"),
        set("users/ann", "{}"),
        set("rooms-old/1", "{}"),
    ])
    .await;
    db.set("rooms/42", "{}").await;
    db
}

const ALL: [&str; 6] = [
    "rooms",
    "rooms-old",
    "rooms/42/messages",
    "rooms/42/messages/1/marks",
    "rooms/420/messages",
    "users",
];

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_listed_by_the_bytes_of_their_paths_in_pages_of_any_size() {
    let db = some().await;
    for limit in 1..=7 {
        assert_eq!(listed(&db, None, limit), ALL, "{limit}");
    }
    let empty = fixture();
    let none = page(&empty.database, None, 10, None).unwrap();
    assert_eq!((none.collections, none.seq), (vec![], Sequence::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_document_are_the_collections_under_it_at_any_depth_and_no_others() {
    let db = some().await;
    for limit in 1..=3 {
        assert_eq!(listed(&db, Some("rooms/42"), limit), ALL[2..4], "{limit}");
    }
    assert_eq!(listed(&db, Some("rooms/4"), 9), [""; 0]);
    assert_eq!(listed(&db, Some("rooms/42/messages/1"), 9), ALL[3..4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_emptied_stays_listed_and_what_the_database_keeps_for_itself_never_is() {
    let db = some().await;
    db.delete("users/ann").await;
    // Floors are documents of a collection that no client can name.
    db.database
        .move_floor(FloorMove {
            collection: Some("users".parse().unwrap()),
            through: Sequence(1),
        })
        .await
        .unwrap();
    assert_eq!(listed(&db, None, 100), ALL);
    let db = db.reopen().await;
    assert_eq!(listed(&db, None, 100), ALL);
    let db = db.crash();
    assert_eq!(listed(&db, None, 2), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_they_were_while_collections_are_made() {
    let db = some().await;
    let first = page(&db.database, None, 3, None).unwrap();
    let seq = first.seq;
    for new in ["a/1", "rooms/42/notes/1", "z/1"] {
        db.set(new, "{}").await;
    }
    let rest = page(&db.database, None, 100, first.cursor).unwrap();
    assert_eq!(rest.seq, seq);
    // None of those of the first page's sequence is missing; newer ones may be there.
    let paths: Vec<_> = first.collections.iter().chain(&rest.collections).collect();
    for expected in ALL {
        assert!(paths.iter().any(|path| path.as_str() == expected));
    }
    assert!(paths.is_sorted_by(|a, b| a < b), "{paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_and_a_query_of_each_as_of_its_sequence_are_the_whole_database() {
    let db = some().await;
    let listing = page(&db.database, None, 100, None).unwrap();
    db.delete("rooms/42").await;
    db.set("later/1", "{}").await;
    let mut found = Vec::new();
    for collection in &listing.collections {
        let mut query = query(collection.as_str());
        query.at = Some(At::Sequence(listing.seq));
        let page = db.database.query(query).await.unwrap();
        found.extend(page.documents.iter().map(|d| d.path.to_string()));
    }
    assert_eq!(
        found,
        [
            "rooms/42",
            "rooms-old/1",
            "rooms/42/messages/1",
            "rooms/42/messages/1/marks/x",
            "rooms/420/messages/1",
            "users/ann"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_own_listing_alone() {
    let db = some().await;
    let first = page(&db.database, None, 1, None).unwrap();
    let below = page(&db.database, Some("rooms/42"), 1, first.cursor.clone());
    assert!(matches!(
        below,
        Err(ReadError::Cursor(TokenError::OtherQuery))
    ));
    let mut of_documents = query("rooms");
    of_documents.cursor = first.cursor.clone();
    let of_documents = db.database.query(of_documents).await;
    assert!(matches!(
        of_documents,
        Err(ReadError::Cursor(TokenError::WrongKind))
    ));
    let at = At::Token(ResumeToken::new(&first.cursor.unwrap()));
    let as_of = db.get_at("rooms/42", at).await;
    assert!(matches!(
        as_of,
        Err(ReadError::Cursor(TokenError::WrongKind))
    ));
    let forged = page(&db.database, None, 1, Some("AZ8sWgA".into()));
    assert!(matches!(forged, Err(ReadError::Cursor(TokenError::Forged))));
    for limit in [0, 1001] {
        let refused = page(&db.database, None, limit, None);
        assert!(matches!(refused, Err(ReadError::InvalidQuery { .. })));
    }
}
