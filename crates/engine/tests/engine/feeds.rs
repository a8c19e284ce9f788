//! Subscriptions: order, views, resuming, falling behind, checkpoints, pages.

use std::sync::Arc;
use std::time::Duration;

use wellspring_engine::{PageLimit, ReadError, SubscribeError, SubscriptionError, TokenError};
use wellspring_types::feed::{Cause, Change, FeedMessage, From, How, Op, SubscribeRequest, View};
use wellspring_types::write::Write;
use wellspring_types::{ResumeToken, Select, Sequence, Timestamp};

use crate::common::{Fixture, Subscriber, filter, fixture, fixture_with, set};

fn view(view: View, from: From) -> SubscribeRequest {
    SubscribeRequest {
        view,
        ..SubscribeRequest::new("rooms".parse().unwrap(), from)
    }
}

fn ops(subscriber: &Subscriber) -> Vec<(Op, Option<Cause>, String)> {
    let one =
        |(_, change): &(Sequence, Change)| (change.op, change.cause, change.path.id().to_owned());
    subscriber.changes.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_now_shows_what_is_committed_later_and_nothing_else() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    let mut now = db.subscribe(From::Now);
    let FeedMessage::Subscribed {
        how: How::Live,
        seq,
        token: Some(_),
        ..
    } = now.next().await
    else {
        panic!("subscribed comes first");
    };
    assert_eq!(seq, Sequence(1));
    db.commit(vec![set("rooms/2", "{}"), set("other/1", "{}")])
        .await;
    let last = db.set("rooms/3", "{}").await;
    now.until(last).await;
    assert_eq!(
        ops(&now),
        [
            (Op::Insert, None, "2".into()),
            (Op::Insert, None, "3".into())
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn from_now_misses_nothing_after_its_pin_while_others_write() {
    let db = Arc::new(fixture());
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..2 {
        let db = Arc::clone(&db);
        writers.spawn(async move {
            loop {
                db.set(&format!("rooms/{n}"), "{}").await;
            }
        });
    }
    let mut subscribers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = Arc::clone(&db);
        subscribers.spawn(async move {
            for _ in 0..250 {
                let mut now = db.subscribe(From::Now);
                let FeedMessage::Subscribed { seq, .. } = now.next().await else {
                    panic!("subscribed comes first");
                };
                now.until(seq.next()).await;
                assert_eq!(now.changes[0].0, seq.next(), "the first after the pin");
            }
        });
    }
    subscribers.join_all().await;
    writers.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_then_live_adds_up_to_the_collection() {
    let db = fixture();
    for n in 0..1000 {
        db.database
            .commit(wellspring_types::write::CommitRequest::of(vec![set(
                &format!("rooms/{n:04}"),
                &format!(r#"{{"n":{n}}}"#),
            )]))
            .await
            .unwrap();
    }
    let mut snapshot = db.subscribe(From::Snapshot);
    assert_eq!(snapshot.until_current().await, Sequence(1000));
    assert_eq!(snapshot.state.len(), 1000);
    db.delete("rooms/0500").await;
    let last = db.set("rooms/0001", r#"{"n":-1}"#).await;
    snapshot.until(last).await;
    assert_eq!(snapshot.state.len(), 999);
    assert_eq!(snapshot.state["0001"], (last, r#"{"n":-1}"#.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_says_enter_and_leave_with_their_cause() {
    let db = fixture();
    let open = View {
        filter: Some(filter(r#"{"open":true}"#)),
        old: true,
        patch: true,
        ..View::default()
    };
    let mut live = db.subscribe_to(view(open.clone(), From::Now));
    db.set("rooms/1", r#"{"open":false}"#).await;
    db.set("rooms/1", r#"{"open":true,"n":1}"#).await;
    db.set("rooms/1", r#"{"open":true,"n":2}"#).await;
    db.set("rooms/1", r#"{"open":false}"#).await;
    db.set("rooms/2", r#"{"open":true}"#).await;
    let last = db.delete("rooms/2").await;
    live.until(last).await;
    let expected = [
        (Op::Insert, Some(Cause::Filter), "1".into()),
        (Op::Update, None, "1".into()),
        (Op::Delete, Some(Cause::Filter), "1".into()),
        (Op::Insert, None, "2".into()),
        (Op::Delete, None, "2".into()),
    ];
    assert_eq!(ops(&live), expected);
    let update = &live.changes[1].1;
    assert_eq!(
        update.old.as_ref().unwrap().as_str(),
        r#"{"open":true,"n":1}"#
    );
    assert_eq!(update.patch.as_ref().unwrap().as_str(), r#"{"n":2}"#);
    assert_eq!(
        live.changes[0].1.old, None,
        "what entered was not in view before"
    );

    let mut again = db.subscribe_to(view(open, From::Beginning));
    again.until(last).await;
    assert_eq!(again.changes, live.changes, "caught up and live alike");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_hides_other_fields_and_their_changes() {
    let db = fixture();
    let select = Some(Select::new(vec!["a".parse().unwrap()]).unwrap());
    let mut live = db.subscribe_to(view(
        View {
            select,
            ..View::default()
        },
        From::Now,
    ));
    db.set("rooms/1", r#"{"a":1,"b":1}"#).await;
    db.set("rooms/1", r#"{"a":1,"b":2}"#).await;
    let last = db.set("rooms/1", r#"{"a":2,"b":2}"#).await;
    live.until(last).await;
    let shown: Vec<_> = live
        .changes
        .iter()
        .map(|(_, c)| c.data.clone().unwrap())
        .collect();
    assert_eq!(
        shown.iter().map(|d| d.as_str()).collect::<Vec<_>>(),
        [r#"{"a":1}"#, r#"{"a":2}"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_resumes_after_any_message_and_any_opening() {
    let mut db = fixture();
    for n in 0..20 {
        db.set(&format!("rooms/{n}"), "{}").await;
    }
    let mut all = db.subscribe(From::Beginning);
    all.until(Sequence(20)).await;
    let all = all.changes;
    let mut token = None;
    let mut found = Vec::new();
    for round in 0..5 {
        let from = token.map_or(From::Beginning, From::Token);
        let mut part = Subscriber::new(
            db.database
                .subscribe(SubscribeRequest::new("rooms".parse().unwrap(), from))
                .unwrap(),
        );
        // Polls of at most one commit each would need smaller messages: resume from a position
        // in between by asking for what a filter leaves.
        part.until(Sequence(4 * (round + 1)).max(part.position))
            .await;
        found.extend(part.changes);
        token = part.token;
        db = if round % 2 == 0 {
            db.crash()
        } else {
            db.reopen().await
        };
        if found.len() == 20 {
            break;
        }
    }
    assert_eq!(found, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_positions_have_equal_tokens() {
    let db = fixture();
    let mut live = db.subscribe(From::Now);
    let last = db.set("rooms/1", "{}").await;
    live.until(last).await;
    let mut caught_up = db.subscribe(From::Beginning);
    caught_up.until(last).await;
    let mut snapshot = db.subscribe(From::Snapshot);
    snapshot.until_current().await;
    assert_eq!(live.token, caught_up.token);
    assert_eq!(live.token, snapshot.token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_begins_with_the_first_commit_at_or_after_it() {
    let db = fixture();
    let mut times = Vec::new();
    for n in 0..3 {
        let result = db.commit(vec![set(&format!("rooms/{n}"), "{}")]).await;
        times.push(result.time);
        while db_now() <= result.time {
            tokio::task::yield_now().await;
        }
    }
    let mut second = db.subscribe(From::Time(times[1]));
    second.until(Sequence(3)).await;
    assert_eq!(second.changes.len(), 2);
    let later = Timestamp::from_millis(times[2].as_millis() + 1);
    let mut future = db.subscribe(From::Time(later));
    let last = db.set("rooms/9", "{}").await;
    future.until(last).await;
    assert_eq!(future.changes.len(), 1);
}

fn db_now() -> Timestamp {
    use wellspring_engine::Clock as _;
    wellspring_engine::SystemClock.now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_falls_behind_goes_on_from_the_log_without_a_gap() {
    let db = fixture_with(|options| {
        options.queue_bytes_max = 4096;
        options.ring_bytes_max = 4096;
    });
    let mut slow = db.subscribe(From::Now);
    slow.next().await;
    let mut last = Sequence::ZERO;
    for n in 0..300 {
        last = db
            .set(&format!("rooms/{n:03}"), r#"{"text":"enough to overflow"}"#)
            .await;
    }
    slow.until(last).await;
    assert_eq!(slow.changes.len(), 300);
    let last = db.set("rooms/again", "{}").await;
    slow.until(last).await;
    assert_eq!(slow.changes.len(), 301, "live again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_passed_once_its_changes_were_returned() {
    let db = fixture();
    let mut live = db.subscribe(From::Now);
    live.next().await;
    let seq = db.set("rooms/1", "{}").await;
    let mut handed_out = db.database.handed_out();
    handed_out.wait_for(|now| *now >= seq).await.unwrap();
    assert!(!live.subscription.passed(seq));
    live.until(seq).await;
    assert!(live.subscription.passed(seq));
    let elsewhere = db.set("other/1", "{}").await;
    handed_out.wait_for(|now| *now >= elsewhere).await.unwrap();
    assert!(
        live.subscription.passed(elsewhere),
        "it concerns nobody here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_feed_has_checkpoints_that_advance() {
    let db = fixture();
    let request = SubscribeRequest {
        checkpoint_interval_ms: 100,
        ..SubscribeRequest::new("rooms".parse().unwrap(), From::Now)
    };
    let mut quiet = db.subscribe_to(request);
    quiet.next().await;
    let elsewhere = db.set("other/1", "{}").await;
    quiet.until(elsewhere).await;
    assert!(quiet.changes.is_empty());
    let too_often = SubscribeRequest {
        checkpoint_interval_ms: 1,
        ..SubscribeRequest::new("rooms".parse().unwrap(), From::Now)
    };
    let refused = db.database.subscribe(too_often).err();
    assert_eq!(refused, Some(SubscribeError::CheckpointInterval));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused_and_those_of_another_history_reset() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    let from = |token: &str| {
        SubscribeRequest::new(
            "rooms".parse().unwrap(),
            From::Token(ResumeToken::new(token)),
        )
    };
    let forged = db.database.subscribe(from("AZ8sKg9")).err();
    assert_eq!(forged, Some(SubscribeError::Token(TokenError::Forged)));

    let mut here = db.subscribe(From::Beginning);
    here.until(Sequence(1)).await;
    let token = here.token.unwrap();
    let elsewhere = fixture();
    let foreign = elsewhere.database.subscribe(from(token.as_str())).err();
    assert_eq!(foreign, Some(SubscribeError::Token(TokenError::Forged)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ahead_of_the_log_proves_lost_history_and_resets() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    db.database.close().await.unwrap();
    let Fixture {
        database,
        directory,
    } = db;
    drop(database);
    // The disk as it will be once it was rolled back to here.
    let saved = tempfile::tempdir().unwrap();
    copy(&directory.path().join("data"), &saved.path().join("data"));
    let db = Fixture {
        database: crate::common::open(&directory),
        directory,
    };
    let last = db.set("rooms/2", "{}").await;
    let mut lost = db.subscribe(From::Beginning);
    lost.until(last).await;
    let token = lost.token.clone().unwrap();

    let rolled_back = Fixture {
        database: crate::common::open(&saved),
        directory: saved,
    };
    let epoch = rolled_back.database.epoch();
    let mut resumed = rolled_back.subscribe(From::Token(token.clone()));
    assert!(matches!(
        resumed.next().await,
        FeedMessage::Subscribed {
            how: How::Snapshot,
            ..
        }
    ));
    assert!(matches!(resumed.next().await, FeedMessage::Reset { .. }));
    resumed.until_current().await;
    assert_eq!(resumed.state.len(), 1);
    assert_ne!(rolled_back.database.epoch(), epoch);
    // Even when the new history is as long as the old one was.
    rolled_back.set("rooms/3", "{}").await;
    let strict = SubscribeRequest {
        end_on_gap: true,
        ..SubscribeRequest::new("rooms".parse().unwrap(), From::Token(token))
    };
    let refused = rolled_back.database.subscribe(strict).err();
    assert!(matches!(refused, Some(SubscribeError::TokenExpired { .. })));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

const LIMIT: PageLimit = PageLimit {
    bytes: 1 << 20,
    messages: 100,
};

#[tokio::test(flavor = "multi_thread")]
async fn polls_add_up_to_the_feed_and_an_empty_page_advances() {
    let db = fixture();
    let poll = async |token: Option<ResumeToken>, limit| {
        let from = token.map_or(From::Beginning, From::Token);
        let request = SubscribeRequest::new("rooms".parse().unwrap(), from);
        let mut subscription = db.database.subscribe(request).unwrap();
        subscription.page(limit, Duration::ZERO).await.unwrap()
    };
    let first = poll(None, LIMIT).await;
    assert!(!first.more);
    db.set("other/1", "{}").await;
    let empty = poll(Some(first.token.clone()), LIMIT).await;
    assert_ne!(
        empty.token, first.token,
        "it has seen that nothing concerns it"
    );
    db.set("rooms/1", "{}").await;
    db.set("rooms/2", "{}").await;
    let page = poll(Some(empty.token), LIMIT).await;
    let commits = page.messages.iter().map(|message| match message {
        FeedMessage::Changes { commits, .. } => commits.len(),
        _ => 0,
    });
    assert_eq!(commits.sum::<usize>(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_client_keeps_no_more_memory_than_its_own() {
    let db = fixture();
    let large = format!(r#"{{"s":"{}"}}"#, "x".repeat(100_000));
    for n in 0..2 {
        db.commit(vec![
            set("rooms/1", &format!(r#"{{"n":{n}}}"#)),
            set("other/1", &large),
        ])
        .await;
    }
    let old = View {
        old: true,
        ..View::default()
    };
    let mut caught_up = db.subscribe_to(view(old, From::Beginning));
    caught_up.until(Sequence(2)).await;
    for (_, change) in &caught_up.changes {
        for data in change.data.iter().chain(&change.old) {
            assert!(data.as_bytes().is_unique(), "not a slice of a group");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_waits_for_a_change() {
    let db = fixture();
    let request = SubscribeRequest::new("rooms".parse().unwrap(), From::Now);
    let mut subscription = db.database.subscribe(request).unwrap();
    let (page, ()) = tokio::join!(subscription.page(LIMIT, Duration::from_secs(20)), async {
        tokio::task::yield_now().await;
        db.set("rooms/1", "{}").await;
    });
    let page = page.unwrap();
    assert!(
        page.messages
            .iter()
            .any(|message| matches!(message, FeedMessage::Changes { .. }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_subscriptions() {
    let db = fixture();
    let mut live = db
        .database
        .subscribe(view(View::default(), From::Now))
        .unwrap();
    live.next().await.unwrap();
    let (ended, closed) = tokio::join!(live.next(), db.database.close());
    closed.unwrap();
    assert!(matches!(ended, Err(SubscriptionError::Closed)));
    assert!(matches!(live.next().await, Err(SubscriptionError::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_its_pages_end_with_the_database() {
    let db = fixture();
    db.set("rooms/1", "{}").await;
    let snapshot = || db.database.subscribe(view(View::default(), From::Snapshot));
    let (mut paged, mut streamed) = (snapshot().unwrap(), snapshot().unwrap());
    db.database.close().await.unwrap();
    for _ in 0..2 {
        let page = paged.page(LIMIT, Duration::ZERO).await;
        assert!(matches!(page, Err(SubscriptionError::Closed)), "{page:?}");
    }
    streamed.next().await.unwrap();
    let ended = streamed.next().await;
    assert!(matches!(ended, Err(SubscriptionError::Closed)), "{ended:?}");
    let read = db.database.query(crate::common::query("rooms")).await;
    assert!(matches!(read, Err(ReadError::Cancelled)), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_finds_nothing_for_long_ends_where_it_has_come_to() {
    let db = fixture_with(|options| options.segment_bytes = 8 << 20);
    // What takes long to read.
    let json = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(500_000));
    let large = crate::common::data(&json);
    for n in 0..18 {
        let write = Write::set(crate::common::path(&format!("rooms/{n}")), large.clone());
        db.commit(vec![write]).await;
    }
    let last = db.set("rooms/wanted", r#"{"wanted":true}"#).await;
    let mut from = From::Beginning;
    let mut ended_early = 0;
    loop {
        let wanted = View {
            filter: Some(filter(r#"{"wanted":true}"#)),
            ..View::default()
        };
        let request = SubscribeRequest {
            checkpoint_interval_ms: 100,
            ..view(wanted, from)
        };
        let mut subscription = db.database.subscribe(request).unwrap();
        let page = subscription.page(LIMIT, Duration::ZERO).await.unwrap();
        if let Some(FeedMessage::Changes { commits, .. }) = page.messages.last() {
            assert_eq!(commits[0].seq, last);
            break;
        }
        assert!(page.more);
        ended_early += 1;
        from = From::Token(page.token);
    }
    assert!(ended_early > 0);
}
