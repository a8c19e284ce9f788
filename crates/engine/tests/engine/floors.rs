//! Floors: what is no longer offered moves by a commit, of everything and of single collections.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use wellspring_engine::{
    CollectionRetention, CommitError, Database, FloorError, FloorMove, FloorMoved, Options,
    ReadError, SubscribeError, SubscriptionError,
};
use wellspring_types::feed::{FeedMessage, From, How, ResetReason, SubscribeRequest, View};
use wellspring_types::write::{CommitRequest, Write};
use wellspring_types::{DocumentPath, ResumeToken, Sequence, Timestamp};

use crate::common::{
    Fixture, Hand, Subscriber, data, filter, fixture, fixture_with, options, query,
};

const DAY_MS: u64 = 24 * 3600 * 1000;
const PATIENCE: Duration = Duration::from_secs(20);

fn of(collection: &str, through: Sequence) -> FloorMove {
    FloorMove {
        collection: Some(collection.parse().unwrap()),
        through,
    }
}

fn of_all(through: Sequence) -> FloorMove {
    FloorMove {
        collection: None,
        through,
    }
}

async fn move_floor(db: &Fixture, wished: FloorMove) -> FloorMoved {
    db.database.move_floor(wished).await.unwrap()
}

/// Where a collection's floor is.
fn floor(db: &Database, collection: &str) -> Sequence {
    let own = db.collection_floors();
    let own = own.iter().find(|own| own.collection.as_str() == collection);
    own.map_or(Sequence::ZERO, |own| own.through)
        .max(db.floor())
}

/// Waits for the keeper.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("the keeper is at work");
}

fn to(collection: &str, from: From) -> SubscribeRequest {
    SubscribeRequest::new(collection.parse().unwrap(), from)
}

/// A token of the position that is visible now.
async fn token(db: &Fixture, collection: &str) -> ResumeToken {
    let mut now = db.subscribe_to(to(collection, From::Now));
    now.next().await;
    now.token.unwrap()
}

/// How a subscription begins, and from where, or that it was reset.
async fn begins(db: &Fixture, request: SubscribeRequest) -> Result<(How, Sequence), ResetReason> {
    let mut subscriber = db.subscribe_to(request);
    let FeedMessage::Subscribed { how, seq, .. } = subscriber.next().await else {
        panic!("it says how it begins");
    };
    if how == How::Snapshot
        && let FeedMessage::Reset { reason, .. } = subscriber.next().await
    {
        subscriber.until_current().await;
        return Err(reason);
    }
    Ok((how, seq))
}

async fn resumes(db: &Fixture, collection: &str, token: &ResumeToken) -> bool {
    match begins(db, to(collection, From::Token(token.clone()))).await {
        Ok((how, _)) => how == How::Resumed,
        Err(reason) => {
            assert_eq!(reason, ResetReason::Retention);
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collections_floor_withholds_its_changes_and_nobody_elses() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    db.set("users/1", "{}").await;
    let (rooms, users) = (token(&db, "rooms").await, token(&db, "users").await);
    let second = db.set("rooms/2", "{}").await;
    let at_floor = token(&db, "rooms").await;
    let third = db.set("rooms/3", "{}").await;
    let moved = move_floor(&db, of("rooms", second)).await;
    assert_eq!((moved.floor, moved.seq), (second, Some(third.next())));
    assert_eq!(
        db.database.visible(),
        third.next(),
        "a commit like any other"
    );

    assert!(!resumes(&db, "rooms", &rooms).await);
    assert!(resumes(&db, "users", &users).await);
    assert!(resumes(&db, "rooms", &at_floor).await);
    let beginning = begins(&db, to("rooms", From::Beginning)).await;
    assert_eq!(beginning, Ok((How::Resumed, second)));
    let beginning = begins(&db, to("users", From::Beginning)).await;
    assert_eq!(beginning, Ok((How::Resumed, Sequence::ZERO)));
    let mut subscriber = db.subscribe(From::Beginning);
    subscriber.until(third).await;
    assert_eq!(subscriber.changes[0].0, third);
    // Documents, queries and snapshots have everything.
    assert!(db.get("rooms/1").await.is_some());
    let all = db.database.query(query("rooms")).await.unwrap();
    assert_eq!(all.documents.len(), 3);
    let mut subscriber = db.subscribe(From::Snapshot);
    subscriber.until_current().await;
    assert_eq!(subscriber.state.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_of_all_is_everybodys() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    let users = token(&db, "users").await;
    let second = db.set("rooms/2", "{}").await;
    let mut page = query("rooms");
    page.limit = 1;
    page.cursor = db.database.query(page.clone()).await.unwrap().cursor;
    let third = db.set("rooms/3", "{}").await;
    move_floor(&db, of("rooms", second)).await;
    move_floor(&db, of_all(third)).await;
    assert!(!resumes(&db, "users", &users).await);
    let beginning = begins(&db, to("rooms", From::Beginning)).await;
    assert_eq!(beginning, Ok((How::Resumed, third)));
    let expired = db.database.query(page).await;
    assert!(
        matches!(expired, Err(ReadError::CursorExpired)),
        "{expired:?}"
    );
    // Below it a collection's own says nothing, and cannot be moved.
    let moved = move_floor(&db, of("rooms", third)).await;
    assert_eq!((moved.floor, moved.seq), (third, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_to_end_on_a_gap_is_told_that_the_token_has_expired() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    let early = token(&db, "rooms").await;
    let second = db.set("rooms/2", "{}").await;
    move_floor(&db, of("rooms", second)).await;
    let ending = |from| SubscribeRequest {
        end_on_gap: true,
        ..to("rooms", from)
    };
    let refused = db.database.subscribe(ending(From::Token(early))).err();
    let reason = ResetReason::Retention;
    assert_eq!(refused, Some(SubscribeError::TokenExpired { reason }));
    let mut over = db
        .database
        .subscribe(ending(From::Time(Timestamp::default())))
        .unwrap();
    let ended = over.next().await;
    assert!(
        matches!(ended, Err(SubscriptionError::TokenExpired { oldest }) if oldest == second.next()),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_before_the_floor_is_a_reset_and_one_after_it_is_none() {
    let clock = Arc::new(Hand::default());
    let hand = Arc::clone(&clock);
    let db = fixture_with(move |options| options.clock = hand);
    let mut seqs = Vec::new();
    for n in 0..4 {
        clock.turn(1000);
        seqs.push(db.set(&format!("rooms/{n}"), "{}").await);
    }
    move_floor(&db, of("rooms", seqs[1])).await;
    let at = |ms| to("rooms", From::Time(Timestamp::from_millis(ms)));
    assert_eq!(begins(&db, at(2000)).await, Err(ResetReason::Retention));
    assert_eq!(begins(&db, at(2001)).await, Ok((How::Resumed, seqs[1])));
    assert_eq!(begins(&db, at(3001)).await, Ok((How::Resumed, seqs[2])));
    let users = to("users", From::Time(Timestamp::from_millis(1)));
    assert_eq!(begins(&db, users).await, Ok((How::Resumed, Sequence::ZERO)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floor_never_moves_back_nor_beyond_what_is_committed() {
    let db = fixture();
    let first = db.set("rooms/1", "{}").await;
    let second = db.set("rooms/2", "{}").await;
    for wished in [of("rooms", second), of_all(second)] {
        let visible = db.database.visible();
        let ahead = FloorMove {
            through: visible.next(),
            ..wished.clone()
        };
        let through = visible.next();
        let refused = db.database.move_floor(ahead).await;
        assert_eq!(refused, Err(FloorError::Ahead { through, visible }));
        assert!(move_floor(&db, wished.clone()).await.seq.is_some());
        for through in [first, second] {
            let back = FloorMove {
                through,
                ..wished.clone()
            };
            let moved = move_floor(&db, back).await;
            assert_eq!((moved.floor, moved.seq), (second, None));
        }
    }
    let refused = db.database.move_floor(of("never", first)).await;
    assert!(matches!(refused, Err(FloorError::UnknownCollection { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_moved_at_once_end_where_the_highest_was_to_be() {
    let db = fixture();
    for n in 0..50 {
        db.set(&format!("rooms/{n}"), "{}").await;
    }
    let mut moves = tokio::task::JoinSet::new();
    for n in (1..=50).rev() {
        let database = db.database.clone();
        moves.spawn(async move { database.move_floor(of("rooms", Sequence(n))).await });
    }
    while let Some(moved) = moves.join_next().await {
        let moved = moved.unwrap().unwrap();
        assert!(moved.floor <= Sequence(50), "{moved:?}");
    }
    assert_eq!(floor(&db.database, "rooms"), Sequence(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_floors_are_there_after_every_opening() {
    let mut db = fixture();
    for n in 0..10 {
        db.set(&format!("rooms/{n}"), "{}").await;
        db.set(&format!("rooms/{n}/messages/1"), "{}").await;
    }
    move_floor(&db, of_all(Sequence(3))).await;
    move_floor(&db, of("rooms", Sequence(7))).await;
    move_floor(&db, of("rooms/4/messages", Sequence(9))).await;
    move_floor(&db, of("rooms", Sequence(11))).await;
    let (all, own) = (db.database.floor(), db.database.collection_floors());
    assert_eq!((all, own.len()), (Sequence(3), 2));
    let visible = db.database.visible();
    for round in 0..3 {
        db = match round {
            0 => db.reopen().await,
            1 => db.crash(),
            _ => {
                db.database.close().await.unwrap();
                fs::remove_dir_all(db.directory.path().join("data/store")).unwrap();
                db.crash()
            }
        };
        assert_eq!(db.database.floor(), all);
        assert_eq!(db.database.collection_floors(), own);
        assert_eq!(db.database.visible(), visible, "round {round}");
    }
    // And they move on from there.
    let moved = move_floor(&db, of("rooms", Sequence(12))).await;
    assert_eq!(moved.seq, Some(visible.next()));
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_come_out_of_a_snapshot_of_the_log_as_well() {
    let small = |options: &mut Options| {
        options.segment_bytes = 4 << 10;
        options.snapshot_log_bytes_min = 1;
        options.retention_bytes_max = Some(8 << 10);
        options.keeper_interval_ms = 1;
    };
    let mut db = fixture_with(small);
    let seq = db.set("rooms/1", "{}").await;
    let moved = move_floor(&db, of("rooms", seq)).await;
    let written = moved.seq.unwrap();
    let text = format!(r#"{{"s":"{}"}}"#, "x".repeat(500));
    let mut n = 0;
    while db.database.kept().borrow().oldest <= written {
        db.set(&format!("other/{}", n % 10), &text).await;
        n += 1;
    }
    db.database.close().await.unwrap();
    let own = db.database.collection_floors();
    let all = db.database.floor();
    assert!(all >= written);
    fs::remove_dir_all(db.directory.path().join("data/store")).unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    let mut again = options(&directory);
    again.keeper_interval_ms = u64::from(u32::MAX);
    db = Fixture {
        database: Database::open(again, &mut |_| {}).unwrap(),
        directory,
    };
    assert_eq!(db.database.collection_floors(), own);
    assert_eq!(db.database.floor(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_floors_but_the_database() {
    let db = fixture();
    let path = DocumentPath::from_stored("__floors/all").unwrap();
    let write = Write::set(path.clone(), data(r#"{"through":9}"#));
    let refused = db.database.commit(CommitRequest::of(vec![write])).await;
    assert_eq!(refused.unwrap_err(), CommitError::Reserved { path });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_reads_the_log_goes_on_below_a_floor_that_moves_past_it() {
    let db = fixture();
    let large = format!(r#"{{"s":"{}"}}"#, "x".repeat(200_000));
    for n in 0..20 {
        db.set(&format!("rooms/{n}"), &large).await;
    }
    let mut subscriber = db.subscribe(From::Beginning);
    while subscriber.changes.is_empty() {
        subscriber.next().await;
    }
    assert!(subscriber.changes.len() < 20, "there is more to come");
    let behind = subscriber.token.clone().unwrap();
    move_floor(&db, of("rooms", Sequence(20))).await;
    // It began when all of that was offered.
    subscriber.until(Sequence(20)).await;
    let seqs = subscriber.changes.iter().map(|(seq, _)| seq.0);
    assert_eq!(seqs.collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert!(!resumes(&db, "rooms", &behind).await, "a new one does not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_subscription_has_a_newer_position_once_a_floor_has_moved() {
    let db = fixture();
    let mut rooms = db.subscribe(From::Now);
    let mut users = db.subscribe_to(to("users", From::Now));
    rooms.next().await;
    users.next().await;
    for n in 0..5 {
        db.set(&format!("others/{n}"), "{}").await;
    }
    db.set("rooms/1", "{}").await;
    db.delete("rooms/1").await;
    // A view that is sent nothing.
    let quiet = SubscribeRequest {
        view: View {
            filter: Some(filter(r#"{"never":1}"#)),
            ..View::default()
        },
        ..to("rooms", From::Now)
    };
    let mut quiet = db.subscribe_to(quiet);
    quiet.next().await;
    for round in 0..3 {
        let through = db.set("others/x", "{}").await;
        let moved = move_floor(&db, of("rooms", through)).await;
        rooms.until(through).await;
        quiet.until(through).await;
        assert!(resumes(&db, "rooms", &rooms.token.clone().unwrap()).await);
        assert!(resumes(&db, "rooms", &quiet.token.clone().unwrap()).await);
        assert!(moved.seq.is_some(), "round {round}");
    }
    let through = db.database.visible();
    move_floor(&db, of_all(through)).await;
    users.until(through).await;
    assert!(resumes(&db, "users", &users.token.clone().unwrap()).await);
}

/// A year, a day at a time: everything is kept for a month, messages for a week.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_year_of_dropped_changes_a_quiet_subscription_still_resumes() {
    let clock = Arc::new(Hand::default());
    let hand = Arc::clone(&clock);
    let db = fixture_with(|options| {
        options.clock = hand;
        options.segment_bytes = 4 << 10;
        options.snapshot_log_bytes_min = 1;
        options.keeper_interval_ms = 1;
        options.retention_age_ms_max = Some(30 * DAY_MS);
        options.collection_retention = vec![CollectionRetention {
            collections: "rooms/*/messages".parse().unwrap(),
            age_ms_max: Some(7 * DAY_MS),
            changes_max: None,
        }];
    });
    let messages = "rooms/1/messages";
    let quiet = SubscribeRequest {
        view: View {
            filter: Some(filter(r#"{"to":"nobody"}"#)),
            ..View::default()
        },
        ..to(messages, From::Now)
    };
    let mut quiet = db.subscribe_to(quiet.clone());
    let FeedMessage::Subscribed { how: How::Live, .. } = quiet.next().await else {
        panic!("it is live");
    };
    let text = format!(r#"{{"to":"all","s":"{}"}}"#, "x".repeat(300));
    let mut floors = std::collections::BTreeSet::new();
    let mut written = Vec::new();
    for day in 0..365 {
        clock.turn(DAY_MS);
        for n in 0..3 {
            db.set(&format!("{messages}/{day}-{n}"), &text).await;
            db.set(&format!("users/{}", n), &text).await;
        }
        written.push(db.database.visible());
        let floor = floor(&db.database, messages);
        floors.insert(floor);
        quiet.until(floor).await;
    }
    until(|| floor(&db.database, messages) >= written[350]).await;
    until(|| db.database.kept().borrow().oldest > written[300]).await;
    floors.insert(floor(&db.database, messages));
    assert!(floors.len() > 20, "{} floors", floors.len());
    // Nothing of the last week is withheld, nor of the last month of others.
    assert!(floor(&db.database, messages) <= written[364 - 7]);
    assert!(floor(&db.database, "users") <= written[364 - 30]);
    let resumed = loop {
        let floor_before = floor(&db.database, messages);
        quiet.until(floor_before).await;
        let token = quiet.token.clone().unwrap();
        let resumed = resumes(&db, messages, &token).await;
        if floor(&db.database, messages) == floor_before {
            break resumed;
        }
    };
    assert!(resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_changes_as_were_asked_for_are_offered_of_each_collection() {
    let db = fixture_with(|options| {
        options.keeper_interval_ms = 1;
        options.collection_retention = [("a", 16), ("*", 80)]
            .map(|(collections, changes)| CollectionRetention {
                collections: collections.parse().unwrap(),
                age_ms_max: None,
                changes_max: Some(changes),
            })
            .to_vec();
    });
    for n in 0..200 {
        db.set(&format!("a/{n}"), "{}").await;
        db.set(&format!("b/{n}"), "{}").await;
    }
    let offered = async |collection: &str| {
        let last = format!("{collection}/199").parse().unwrap();
        let last = db.database.get(&last).await.unwrap().unwrap().version;
        let mut subscriber = db.subscribe_to(to(collection, From::Beginning));
        subscriber.until(last).await;
        subscriber.changes.len()
    };
    // The subscriptions are counted, not the floors.
    let waiting = async {
        while offered("a").await > 18 || offered("b").await > 90 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert!(offered("a").await >= 16);
    assert!(offered("b").await >= 80);
    assert_eq!(db.database.floor(), Sequence::ZERO);
    assert_eq!(db.database.collection_floors().len(), 2, "no reserved one");
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_move_and_space_is_freed_though_the_disk_is_too_full_for_commits() {
    let small = |options: &mut Options| {
        options.segment_bytes = 4 << 10;
        options.snapshot_log_bytes_min = 1;
        options.keeper_interval_ms = 1;
    };
    let db = fixture_with(small);
    let text = format!(r#"{{"s":"{}"}}"#, "x".repeat(500));
    for n in 0..40 {
        db.set(&format!("rooms/{}", n % 5), &text).await;
    }
    until(|| db.database.kept().borrow().snapshot > Sequence(20)).await;
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    let mut full = options(&directory);
    small(&mut full);
    full.reserve_bytes = u64::MAX;
    full.retention_bytes_max = Some(0);
    let db = Fixture {
        database: Database::open(full, &mut |_| {}).unwrap(),
        directory,
    };
    until(|| db.database.kept().borrow().oldest > Sequence(10)).await;
    assert!(db.database.floor() >= Sequence(10));
    let write = Write::set("rooms/1".parse().unwrap(), data("{}"));
    let refused = db.database.commit(CommitRequest::of(vec![write])).await;
    assert!(
        matches!(refused, Err(CommitError::ReadOnly(_))),
        "{refused:?}"
    );
}

/// Twenty documents, of which a message of a snapshot has about ten.
async fn large_documents(db: &Fixture) {
    let large = format!(r#"{{"s":"{}"}}"#, "x".repeat(200_000));
    for n in 0..40 {
        db.set(&format!("rooms/{n:02}"), &large).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_to_its_end_though_the_floor_passes_it_before_each_message() {
    let db = fixture();
    large_documents(&db).await;
    let mut subscriber = db.subscribe(From::Snapshot);
    for round in 0.. {
        assert!(round < 100, "it comes to its end");
        let through = db.set("rooms/00", &format!(r#"{{"n":{round}}}"#)).await;
        move_floor(&db, of("rooms", through)).await;
        let message = subscriber.next().await;
        assert!(!matches!(message, FeedMessage::Reset { .. }));
        if let FeedMessage::Current { .. } = message {
            break;
        }
    }
    assert_eq!(subscriber.state.len(), 40);
    let last = db.set("rooms/last", "{}").await;
    subscriber.until(last).await;
    assert_eq!(subscriber.state.len(), 41);
    let mut whole = db.subscribe(From::Snapshot);
    whole.until_current().await;
    assert!(whole.state == subscriber.state, "and is exact");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_cut_off_inside_each_snapshot_is_reset_no_more_often_than_floors_move() {
    let db = fixture();
    large_documents(&db).await;
    let early = token(&db, "rooms").await;
    let through = db.set("rooms/00", "{}").await;
    move_floor(&db, of("rooms", through)).await;
    let (mut moves, mut resets) = (1, 0);
    let mut subscriber = db.subscribe(From::Token(early));
    for connection in 0.. {
        assert!(connection < 50, "it comes to its end");
        loop {
            match subscriber.next().await {
                FeedMessage::Reset { .. } => resets += 1,
                FeedMessage::Snapshot { .. } | FeedMessage::Current { .. } => break,
                _ => {}
            }
        }
        if subscriber.position > Sequence::ZERO {
            break;
        }
        if moves < 6 {
            let through = db.set("rooms/00", "{}").await;
            move_floor(&db, of("rooms", through)).await;
            moves += 1;
        }
        let from = From::Token(subscriber.token.clone().unwrap());
        let again = Subscriber::new(db.database.subscribe(to("rooms", from)).unwrap());
        subscriber.subscription = again.subscription;
    }
    assert!(resets <= moves, "{resets} resets for {moves} floors");
    assert_eq!(subscriber.state.len(), 40);
}
