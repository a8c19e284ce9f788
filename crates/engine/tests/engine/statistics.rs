//! What operators see of a database.

use wellspring_engine::{Database, SubscriptionState, SubscriptionStatistics};
use wellspring_types::Sequence;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest, View};
use wellspring_types::write::CommitRequest;

use crate::common::{Fixture, filter, fixture, fixture_with, set};

/// Waits until the hub has handed out what is visible.
async fn handed_out(database: &Database) {
    let visible = database.visible();
    let mut handed_out = database.handed_out();
    handed_out.wait_for(|seq| *seq >= visible).await.unwrap();
}

async fn the_one(fixture: &Fixture) -> SubscriptionStatistics {
    handed_out(&fixture.database).await;
    let mut all = fixture.database.subscriptions();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test]
async fn commits_and_their_groups_are_counted_and_refusals_are_not() {
    let fixture = fixture();
    for n in 0..3 {
        fixture.set(&format!("rooms/{n}"), r#"{"n":1}"#).await;
    }
    let nothing = fixture.database.commit(CommitRequest::of(Vec::new())).await;
    nothing.unwrap_err();
    let statistics = fixture.database.statistics();
    assert_eq!(statistics.commits, 3);
    // Each was waited for before the next.
    assert_eq!(statistics.group_commits.buckets[0], (1, 3));
    assert_eq!(statistics.group_commits.count(), 3);
    assert_eq!(statistics.append_micros.count(), 3);
    assert!(statistics.group_bytes.sum >= 3 * 7, "{statistics:?}");
    assert_eq!(statistics.visible, Sequence(3));
    assert_eq!(statistics.oldest, Sequence(1));
    assert!(statistics.applied <= statistics.visible);
    assert!(statistics.free_bytes.is_some());
}

#[tokio::test]
async fn a_quiet_live_subscription_does_not_lag_and_its_queue_is_seen() {
    let fixture = fixture();
    let mut request = SubscribeRequest::new("rooms".parse().unwrap(), From::Now);
    request.view = View {
        filter: Some(filter(r#"{"seen":true}"#)),
        ..View::default()
    };
    let mut subscriber = fixture.subscribe_to(request);
    fixture.set("rooms/1", r#"{"seen":false}"#).await;
    let quiet = the_one(&fixture).await;
    assert_eq!(quiet.state, SubscriptionState::Live);
    assert_eq!((quiet.lag, quiet.queued_bytes), (0, 0));
    assert_eq!(quiet.collections.to_string(), "rooms");
    assert_eq!(quiet.subscriber.transport, "embedded");
    let totals = fixture.database.statistics().subscriptions;
    assert_eq!(totals.counts, [("embedded", SubscriptionState::Live, 1)]);
    assert_eq!((totals.lag_max, totals.checkpoint_lag_max), (0, 1));

    let seen = fixture.set("rooms/2", r#"{"seen":true}"#).await;
    fixture.set("rooms/3", r#"{"seen":false}"#).await;
    let behind = the_one(&fixture).await;
    assert_eq!(behind.lag, 2);
    assert!(behind.queued_bytes > 0);

    subscriber.until(seen).await;
    let again = the_one(&fixture).await;
    assert_eq!((again.lag, again.queued_bytes), (0, 0));
    assert_eq!(again.position, seen);
    drop(subscriber);
    assert!(fixture.database.subscriptions().is_empty());
}

#[tokio::test]
async fn one_that_falls_behind_catches_up_and_what_that_reads_is_counted() {
    let fixture = fixture_with(|options| options.queue_bytes_max = 600);
    let mut subscriber = fixture.subscribe(From::Now);
    let mut last = Sequence::ZERO;
    for n in 0..20 {
        last = fixture.set(&format!("rooms/{n}"), r#"{"n":1}"#).await;
    }
    let behind = the_one(&fixture).await;
    assert_eq!(behind.state, SubscriptionState::CatchUp, "nobody asked it");
    assert_eq!((behind.lag, behind.queued_bytes), (20, 0));
    subscriber.until(last).await;
    let statistics = fixture.database.statistics();
    assert_eq!(statistics.subscription_overflows, 1);
    assert!(statistics.catch_up_bytes >= 20 * 7, "{statistics:?}");
    assert_eq!(statistics.subscriptions.lag_max, 0);
}

#[tokio::test]
async fn a_snapshot_is_told_from_what_follows_it() {
    let fixture = fixture();
    fixture.commit(vec![set("rooms/1", "{}")]).await;
    let mut subscriber = fixture.subscribe(From::Snapshot);
    assert_eq!(the_one(&fixture).await.state, SubscriptionState::Snapshot);
    while !matches!(subscriber.next().await, FeedMessage::Current { .. }) {}
    let checkpoint = subscriber.subscription.passed(Sequence(1));
    assert!(checkpoint, "everything of the snapshot was returned");
    assert_eq!(the_one(&fixture).await.state, SubscriptionState::CatchUp);
}
