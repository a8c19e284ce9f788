//! A subscriber that says what it holds is sent only what differs, and ends with exactly the view.

use std::collections::BTreeMap;

use wellspring_engine::{FloorMove, SubscribeError, TokenError};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{FeedMessage, From, How, Known, ResetReason, SubscribeRequest, View};
use wellspring_types::{ResumeToken, Select, Sequence, limits};

use crate::common::{Fixture, Subscriber, filter, fixture, fixture_with, query};

type State = BTreeMap<String, (Sequence, String)>;

fn rooms(from: From) -> SubscribeRequest {
    SubscribeRequest::new("rooms".parse().unwrap(), from)
}

fn known(token: Option<&ResumeToken>, versions: &[(&str, u64)]) -> Known {
    let versions = versions.iter();
    Known {
        token: token.cloned(),
        versions: versions
            .map(|(id, v)| ((*id).into(), Sequence(*v)))
            .collect(),
    }
}

/// What `state` says.
fn held(token: Option<&ResumeToken>, state: &State) -> Known {
    let versions = state.iter();
    Known {
        token: token.cloned(),
        versions: versions
            .map(|(id, (version, _))| (id.as_str().into(), *version))
            .collect(),
    }
}

async fn token(db: &Fixture) -> ResumeToken {
    let mut now = db.subscribe(From::Now);
    now.next().await;
    now.token.unwrap()
}

/// Everything that is not offered any more is before this.
async fn withhold_all(db: &Fixture) {
    let through = db.database.visible();
    let wished = FloorMove {
        collection: None,
        through,
    };
    db.database.move_floor(wished).await.unwrap();
}

/// Documents and ids that are gone, as they are sent before `current`.
async fn sent(subscriber: &mut Subscriber) -> (Vec<String>, Vec<String>) {
    let (mut changed, mut gone) = (Vec::new(), Vec::new());
    loop {
        match subscriber.next().await {
            FeedMessage::Snapshot {
                documents, removed, ..
            } => {
                changed.extend(documents.iter().map(|d| d.path.id().to_owned()));
                gone.extend(removed.iter().map(|path| path.id().to_owned()));
            }
            FeedMessage::Current { .. } => return (changed, gone),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reset_only_what_differs_is_sent() {
    let db = fixture();
    for n in 1..=5 {
        db.set(&format!("rooms/{n}"), "{}").await;
    }
    let early = token(&db).await;
    db.set("rooms/2", r#"{"new":1}"#).await;
    db.delete("rooms/3").await;
    db.set("rooms/6", "{}").await;
    withhold_all(&db).await;
    let versions = [
        ("1", 1),
        ("2", 2),
        ("3", 3),
        ("4", 4),
        ("5", 5),
        ("never", 2),
    ];
    let request = SubscribeRequest {
        known: Some(known(None, &versions)),
        ..rooms(From::Token(early))
    };
    let mut subscriber = db.subscribe_to(request);
    let first = subscriber.next().await;
    let FeedMessage::Subscribed {
        how: How::Snapshot,
        known: true,
        ..
    } = first
    else {
        panic!("{first:?}");
    };
    let second = subscriber.next().await;
    let FeedMessage::Reset {
        reason: ResetReason::Retention,
        known: true,
    } = second
    else {
        panic!("{second:?}");
    };
    let (changed, gone) = sent(&mut subscriber).await;
    assert_eq!(changed, ["2", "6"]);
    assert_eq!(gone, ["3", "never"]);
    // And then it is a subscription like any other.
    let last = db.set("rooms/7", "{}").await;
    subscriber.until(last).await;
    assert_eq!(subscriber.changes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_with_a_cache_is_sent_only_what_differs() {
    let db = fixture();
    let first = db.set("rooms/1", "{}").await;
    db.set("rooms/2", "{}").await;
    let early = token(&db).await;
    let request = |known| SubscribeRequest {
        known: Some(known),
        ..rooms(From::Snapshot)
    };
    let mut subscriber = db.subscribe_to(request(known(Some(&early), &[("1", first.0)])));
    assert!(matches!(
        subscriber.next().await,
        FeedMessage::Subscribed { known: true, .. }
    ));
    assert_eq!(sent(&mut subscriber).await, (vec!["2".into()], vec![]));
    // Nothing differs: nothing is sent.
    let mut subscriber = db.subscribe_to(request(known(Some(&early), &[("1", 1), ("2", 2)])));
    assert_eq!(sent(&mut subscriber).await, (vec![], vec![]));
    // To hold nothing is to hold something.
    let mut subscriber = db.subscribe_to(request(known(Some(&early), &[])));
    assert_eq!(sent(&mut subscriber).await.0, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_decides_what_differs() {
    let db = fixture();
    db.set("rooms/1", r#"{"open":true,"n":1}"#).await;
    db.set("rooms/2", r#"{"open":true,"n":2}"#).await;
    db.set("rooms/3", r#"{"open":false,"n":3}"#).await;
    let early = token(&db).await;
    db.set("rooms/2", r#"{"open":false,"n":2}"#).await;
    db.set("rooms/3", r#"{"open":true,"n":4}"#).await;
    let request = SubscribeRequest {
        view: View {
            filter: Some(filter(r#"{"open":true}"#)),
            select: Some(Select::new(vec!["n".parse().unwrap()]).unwrap()),
            old: true,
            patch: false,
        },
        known: Some(known(Some(&early), &[("1", 1), ("2", 2), ("3", 3)])),
        ..rooms(From::Snapshot)
    };
    let mut subscriber = db.subscribe_to(request);
    let (changed, gone) = sent(&mut subscriber).await;
    assert_eq!((changed, gone), (vec!["3".into()], vec!["2".into()]));
    assert_eq!(subscriber.state["3"].1, r#"{"n":4}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn known_is_not_used_where_the_token_goes_on() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    let now = token(&db).await;
    db.set("rooms/2", "{}").await;
    let request = SubscribeRequest {
        known: Some(known(None, &[("9", 9)])),
        ..rooms(From::Token(now))
    };
    let mut subscriber = db.subscribe_to(request);
    let first = subscriber.next().await;
    assert!(
        matches!(
            first,
            FeedMessage::Subscribed {
                how: How::Resumed,
                known: false,
                ..
            }
        ),
        "{first:?}"
    );
    subscriber.until(Sequence(2)).await;
    assert_eq!(subscriber.state.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_another_history_say_nothing() {
    let other = fixture();
    for n in 0..9 {
        other.set(&format!("rooms/{n}"), "{}").await;
    }
    let foreign = token(&other).await;
    other.database.close().await.unwrap();
    // The same database with less history: a disk that was rolled back. Its key is the same.
    let meta = other.directory.path().join("data/META");
    let db = fixture();
    db.set("rooms/1", r#"{"another":1}"#).await;
    db.database.close().await.unwrap();
    let here = db.directory.path().join("data/META");
    // The key of the first, and the epoch and the rest of the second.
    let (theirs, mut ours) = (std::fs::read(&meta).unwrap(), std::fs::read(&here).unwrap());
    ours[32..64].copy_from_slice(&theirs[32..64]);
    let sum = crc32c(&ours[..124]);
    ours[124..].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&here, ours).unwrap();
    let db = db.crash();
    for from in [From::Token(foreign.clone()), From::Snapshot] {
        let request = SubscribeRequest {
            known: Some(known(Some(&foreign), &[("1", 1)])),
            ..rooms(from)
        };
        let mut subscriber = db.subscribe_to(request);
        let first = subscriber.next().await;
        assert!(
            matches!(first, FeedMessage::Subscribed { known: false, .. }),
            "{first:?}"
        );
        assert_eq!(sent(&mut subscriber).await.0, ["1"], "the whole of it");
    }
}

/// CRC-32C, as META has it.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_be_known_is_checked() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    db.set("rooms/2", "{}").await;
    let now = token(&db).await;
    let refused = |from, known| {
        let request = SubscribeRequest {
            known: Some(known),
            ..rooms(from)
        };
        db.database.subscribe(request).err()
    };
    for from in [From::Now, From::Beginning] {
        let error = refused(from, known(Some(&now), &[]));
        assert_eq!(error, Some(SubscribeError::KnownUnused));
    }
    let error = refused(From::Snapshot, known(None, &[]));
    assert_eq!(error, Some(SubscribeError::KnownWithoutToken));
    let forged = ResumeToken::new("AZ8sWgA");
    let error = refused(From::Snapshot, known(Some(&forged), &[]));
    assert_eq!(error, Some(SubscribeError::Token(TokenError::Forged)));
    let mut page = query("rooms");
    page.limit = 1;
    let cursor = db.database.query(page).await.unwrap().cursor.unwrap();
    let cursor = ResumeToken::new(&cursor);
    let error = refused(From::Snapshot, known(Some(&cursor), &[]));
    assert_eq!(error, Some(SubscribeError::Token(TokenError::WrongKind)));
    let many = |count: usize, bytes: usize| Known {
        token: Some(now.clone()),
        versions: (0..count)
            .map(|n| (format!("{n:0bytes$}").into(), Sequence(1)))
            .collect(),
    };
    let most = limits::KNOWN_DOCUMENTS_MAX;
    assert_eq!(refused(From::Snapshot, many(most, 6)), None);
    for too_much in [many(most + 1, 6), many(5000, 250)] {
        let error = refused(From::Snapshot, too_much);
        assert_eq!(error, Some(SubscribeError::TooMuchKnown));
    }
}

/// So much that a snapshot has several messages.
async fn large_documents(db: &Fixture, count: u32) {
    let large = format!(r#"{{"s":"{}"}}"#, "x".repeat(200_000));
    for n in 0..count {
        db.set(&format!("rooms/{n:02}"), &large).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_inside_needs_known_again() {
    let db = fixture();
    large_documents(&db, 30).await;
    let now = token(&db).await;
    // It holds the last documents, and one that is gone.
    let versions = [("28", 29), ("29", 1), ("zz", 1)];
    let request = SubscribeRequest {
        known: Some(known(Some(&now), &versions)),
        ..rooms(From::Snapshot)
    };
    let mut subscriber = db.subscribe_to(request);
    while subscriber.state.is_empty() {
        subscriber.next().await;
    }
    let inside = subscriber.token.clone().unwrap();
    let refused = db.database.subscribe(rooms(From::Token(inside.clone())));
    let missing = SubscribeError::Token(TokenError::KnownMissing);
    assert_eq!(refused.err(), Some(missing));
    let request = SubscribeRequest {
        known: Some(known(None, &versions)),
        ..rooms(From::Token(inside))
    };
    let mut again = db.subscribe_to(request);
    let (changed, gone) = sent(&mut again).await;
    assert!(changed.len() < 29 && !changed.contains(&"28".to_owned()));
    assert!(changed.contains(&"29".to_owned()));
    assert_eq!(gone, ["zz"]);
    // A place in a whole snapshot is none of these: what comes after it was to be forgotten.
    let mut whole = db.subscribe(From::Snapshot);
    while whole.state.is_empty() {
        whole.next().await;
    }
    let request = SubscribeRequest {
        known: Some(known(None, &[("28", 29), ("29", 30)])),
        ..rooms(From::Token(whole.token.clone().unwrap()))
    };
    let mut rest = db.subscribe_to(request);
    let (changed, _) = sent(&mut rest).await;
    assert!(changed.contains(&"28".to_owned()) && changed.contains(&"29".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_what_it_holds_ends_though_the_floor_passes_it_at_each_message() {
    let db = fixture();
    large_documents(&db, 40).await;
    let mut from = From::Token(token(&db).await);
    let mut state = State::new();
    let mut resets = 0;
    for connection in 0.. {
        assert!(connection < 60, "it comes to its end");
        db.set("others/1", "{}").await;
        withhold_all(&db).await;
        let request = SubscribeRequest {
            known: Some(held(None, &state)),
            ..rooms(from.clone())
        };
        let mut subscriber = db.subscribe_to(request);
        subscriber.state = state;
        let mut is_over = false;
        loop {
            match subscriber.next().await {
                FeedMessage::Reset { known, .. } => {
                    assert!(known);
                    resets += 1;
                }
                FeedMessage::Snapshot { .. } => break,
                FeedMessage::Current { .. } => {
                    is_over = true;
                    break;
                }
                _ => {}
            }
        }
        state = subscriber.state;
        from = From::Token(subscriber.token.unwrap());
        if is_over {
            break;
        }
    }
    assert!(resets > 2, "{resets}");
    assert_eq!(state.len(), 40);
}

const IDS: u64 = 60;

async fn write(db: &Fixture, random: &mut Random, count: u64) {
    for n in 0..count {
        let at = format!("rooms/{:02}", random.below(IDS));
        if random.below(3) == 0 && db.get(&at).await.is_some() {
            db.delete(&at).await;
        } else {
            let padding = "x".repeat(if random.below(4) == 0 { 60_000 } else { 5 });
            let open = random.below(2) == 0;
            let json = format!(r#"{{"n":{n},"open":{open},"s":"{padding}"}}"#);
            db.set(&at, &json).await;
        }
    }
}

/// What a fresh query finds.
async fn fresh(db: &Fixture, view: &View) -> State {
    let mut page = query("rooms");
    page.filter.clone_from(&view.filter);
    page.select.clone_from(&view.select);
    let mut state = State::new();
    loop {
        let found = db.database.query(page.clone()).await.unwrap();
        for document in found.documents {
            let shown = (document.version, document.data.as_str().to_owned());
            state.insert(document.path.id().to_owned(), shown);
        }
        page.cursor = found.cursor;
        if page.cursor.is_none() {
            return state;
        }
    }
}

fn some_view(random: &mut Random) -> View {
    let filter = (random.below(2) == 0).then(|| filter(r#"{"open":true}"#));
    let select = (random.below(3) == 0).then(|| Select::new(vec!["n".parse().unwrap()]).unwrap());
    View {
        filter,
        select,
        old: random.below(2) == 0,
        patch: false,
    }
}

/// One client: what it holds is of some moment, with gaps and with documents that never were; it
/// is cut off inside, while writes go on; and it ends with the view as of `current`.
async fn resync(db: &Fixture, random: &mut Random) {
    let view = some_view(random);
    let mut state = fresh(db, &view).await;
    state.retain(|_, _| random.below(4) > 0);
    for n in 0..random.below(3) {
        // Of a version that no document here has, so that it is removed or replaced.
        let id = format!("{:02}", random.below(IDS + 20));
        state.insert(id, (Sequence(1_000_000 + n), "made up".into()));
    }
    let mut from = From::Token(token(db).await);
    let past = 1 + random.below(60);
    write(db, random, past).await;
    if random.below(3) > 0 {
        withhold_all(db).await;
    } else {
        from = From::Snapshot;
    }
    let any = token(db).await;
    loop {
        let request = SubscribeRequest {
            view: view.clone(),
            known: Some(held(Some(&any), &state)),
            ..rooms(from)
        };
        let mut subscriber = db.subscribe_to(request);
        subscriber.state = state;
        let mut messages = random.below(4);
        let is_over = loop {
            match subscriber.next().await {
                FeedMessage::Current { seq, .. } => break Some(seq),
                FeedMessage::Reset { known, .. } => assert!(known),
                FeedMessage::Snapshot { .. } => {
                    let more = random.below(8);
                    write(db, random, more).await;
                    if random.below(6) == 0 {
                        withhold_all(db).await;
                    }
                    if messages == 0 {
                        break None;
                    }
                    messages -= 1;
                }
                _ => {}
            }
        };
        if let Some(seq) = is_over {
            // What was written since is applied as changes.
            let json = format!(r#"{{"open":true,"n":{}}}"#, db.database.visible());
            let last = db.set("rooms/99", &json).await;
            subscriber.until(last).await;
            let mut expected = fresh(db, &view).await;
            if view.select.is_some() {
                // An update of what is not selected is not sent: versions may lag then.
                for (id, (version, _)) in &mut expected {
                    *version = subscriber.state.get(id).map_or(*version, |held| held.0);
                }
            }
            assert!(
                subscriber.state == expected,
                "not the view at {last}, after {seq}"
            );
            return;
        }
        state = subscriber.state;
        from = From::Token(subscriber.token.unwrap());
    }
}

async fn resyncs(seed: u64, changed_bytes_max: usize) {
    let db = fixture_with(|options| {
        options.exact_read_bytes_max = changed_bytes_max;
        options.segment_bytes = 4 << 20;
    });
    let mut random = Random::new(seed);
    write(&db, &mut random, 100).await;
    for _ in 0..25 {
        resync(&db, &mut random).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_known_the_differences_lead_to_the_view() {
    resyncs(0x5EED, 64 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_known_the_differences_lead_to_the_view_though_the_pin_moves() {
    resyncs(0xC0FFEE, 600).await;
}
