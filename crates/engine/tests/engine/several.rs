//! Subscriptions to several collections: one order, one position, whole commits, exact snapshots.

use std::collections::BTreeMap;

use wellspring_engine::{FloorMove, SubscribeError};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{FeedMessage, From, Known, ResetReason, SubscribeRequest};
use wellspring_types::write::Write;
use wellspring_types::{CollectionPath, CollectionSet, Sequence};

use crate::common::{Fixture, Subscriber, data, filter, fixture, fixture_with, path, set};

const SETS: &[&[&str]] = &[
    &["**"],
    &["*"],
    &["rooms", "rooms/*/messages"],
    &["rooms/**"],
    &["rooms/1/messages", "users"],
    &["rooms/2/**", "nothing", "*"],
];

fn set_of(patterns: &[&str]) -> CollectionSet {
    CollectionSet::matching(patterns.iter().map(|pattern| pattern.parse().unwrap())).unwrap()
}

fn to(patterns: &[&str], from: From) -> SubscribeRequest {
    SubscribeRequest::of(set_of(patterns), from)
}

/// Sequences and paths of the changes that came.
fn seen(subscriber: &Subscriber) -> Vec<(u64, String)> {
    let changes = subscriber.changes.iter();
    changes
        .map(|(seq, change)| (seq.0, change.path.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_several_collections_come_in_the_one_order_and_commits_whole() {
    let db = fixture();
    let both = &["rooms", "rooms/*/messages"];
    let mut live = db.subscribe_to(to(both, From::Now));
    live.next().await;
    db.set("rooms/1", "{}").await;
    db.set("users/1", "{}").await;
    let writes = vec![
        set("rooms/1/messages/1", "{}"),
        set("users/1", "{}"),
        set("rooms/1", r#"{"n":1}"#),
        set("rooms/2/messages/1", "{}"),
    ];
    let last = db.commit(writes).await.seq;
    live.until(last).await;
    let expected = [
        (1, "rooms/1"),
        (3, "rooms/1/messages/1"),
        (3, "rooms/1"),
        (3, "rooms/2/messages/1"),
    ];
    let expected = expected.map(|(seq, path)| (seq, path.to_owned()));
    assert_eq!(seen(&live), expected, "in the commit's own order");

    let mut from_log = db.subscribe_to(to(both, From::Beginning));
    from_log.until(last).await;
    assert_eq!(seen(&from_log), expected);
    assert_eq!(from_log.token, live.token, "one token for one position");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_asked_about_documents_of_every_collection() {
    let db = fixture();
    let mut request = to(&["**"], From::Now);
    request.view.filter = Some(filter(r#"{"by":"ann"}"#));
    let mut live = db.subscribe_to(request);
    live.next().await;
    db.set("rooms/1", r#"{"by":"ann"}"#).await;
    db.set("rooms/1/messages/1", r#"{"by":"bob"}"#).await;
    db.set("users/1", r#"{"by":"ann"}"#).await;
    let last = db.set("rooms/1", r#"{"by":"bob"}"#).await;
    live.until(last).await;
    let paths: Vec<String> = seen(&live).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["rooms/1", "users/1", "rooms/1"]);
    assert_eq!(live.state.keys().collect::<Vec<_>>(), ["users/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_created_later_belongs_to_a_pattern() {
    let db = fixture();
    let mut live = db.subscribe_to(to(&["rooms/*/messages"], From::Snapshot));
    live.until_current().await;
    assert!(live.state.is_empty());
    let last = db.set("rooms/7/messages/1", "{}").await;
    live.until(last).await;
    assert_eq!(live.state.keys().collect::<Vec<_>>(), ["7/messages/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_cannot_name_belongs_to_no_pattern() {
    let db = fixture();
    let mut live = db.subscribe_to(to(&["**"], From::Now));
    live.next().await;
    let through = db.set("rooms/1", "{}").await;
    let wished = FloorMove {
        collection: Some("rooms".parse().unwrap()),
        through,
    };
    let moved = db.database.move_floor(wished).await.unwrap();
    assert!(moved.seq.is_some(), "a commit to a reserved collection");
    let last = db.set("rooms/2", "{}").await;
    live.until(last).await;
    let paths: Vec<String> = seen(&live).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["rooms/1", "rooms/2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_of_any_of_the_collections_is_a_declared_gap() {
    let db = fixture();
    let mut early = db.subscribe_to(to(&["users", "rooms"], From::Now));
    early.next().await;
    let token = early.token.unwrap();
    db.set("users/1", "{}").await;
    let through = db.set("rooms/1", "{}").await;
    let collection: CollectionPath = "rooms".parse().unwrap();
    let wished = FloorMove {
        collection: Some(collection),
        through,
    };
    db.database.move_floor(wished).await.unwrap();

    let mut gap = db.subscribe_to(to(&["users", "rooms"], From::Token(token.clone())));
    gap.next().await;
    let second = gap.next().await;
    assert!(
        matches!(
            second,
            FeedMessage::Reset {
                reason: ResetReason::Retention,
                ..
            }
        ),
        "{second:?}"
    );
    gap.until_current().await;
    assert_eq!(gap.state.len(), 2);

    let mut other = db.subscribe_to(to(&["users", "teams"], From::Token(token)));
    let last = db.set("teams/1", "{}").await;
    other.until(last).await;
    assert_eq!(seen(&other).len(), 2, "the other collections have no gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_inside_a_snapshot_is_of_no_use_to_another_set() {
    let db = fixture();
    for n in 0..3 {
        db.set(&format!("c{n}/1"), "{}").await;
    }
    let mut subscriber = db.subscribe_to(to(&["c0", "c1", "c2"], From::Snapshot));
    while subscriber.state.is_empty() {
        subscriber.next().await;
    }
    let token = subscriber.token.unwrap();
    let resume = |patterns: &[&str]| {
        let request = to(patterns, From::Token(token.clone()));
        db.database.subscribe(request).map(|_| ())
    };
    assert!(resume(&["c2", "c0", "c1"]).is_ok(), "the same set");
    for other in [&["c0"][..], &["c0", "c1"], &["*"]] {
        assert!(
            matches!(resume(other), Err(SubscribeError::Token(_))),
            "{other:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_can_be_said_of_one_collection_only() {
    let db = fixture();
    let request = SubscribeRequest {
        known: Some(Known::default()),
        ..to(&["rooms", "users"], From::Snapshot)
    };
    let refused = db.database.subscribe(request).map(|_| ());
    assert_eq!(refused, Err(SubscribeError::KnownOfSeveral));
}

/// All documents, and what each commit changed.
#[derive(Default)]
struct Model {
    documents: BTreeMap<String, (Sequence, String)>,
    commits: BTreeMap<u64, Vec<String>>,
}

impl Model {
    async fn write(&mut self, db: &Fixture, random: &mut Random, count: u64) {
        for _ in 0..count {
            let mut changes: BTreeMap<String, Option<String>> = BTreeMap::new();
            for _ in 0..=random.below(3) {
                let path = any_path(random);
                let gone = random.below(4) == 0 && self.documents.contains_key(&path);
                let json = format!(r#"{{"n":{}}}"#, random.below(1000));
                changes.insert(path, (!gone).then_some(json));
            }
            self.commit(db, changes).await;
        }
    }

    async fn commit(
        &mut self,
        db: &Fixture,
        changes: BTreeMap<String, Option<String>>,
    ) -> Sequence {
        let writes = changes.iter().map(|(at, json)| match json {
            Some(json) => Write::set(path(at), data(json)),
            None => Write::delete(path(at)),
        });
        let seq = db.commit(writes.collect()).await.seq;
        for (path, json) in &changes {
            match json {
                Some(json) => self.documents.insert(path.clone(), (seq, json.clone())),
                None => self.documents.remove(path),
            };
        }
        self.commits.insert(seq.0, changes.into_keys().collect());
        seq
    }

    /// The documents of a set, by the names that a subscriber has for them.
    fn view(&self, set: &CollectionSet) -> BTreeMap<String, (Sequence, String)> {
        let documents = self.documents.iter();
        let of_set = documents.filter(|(at, _)| set.contains(&path(at).collection()));
        of_set
            .map(|(at, shown)| (Subscriber::name(&path(at)), shown.clone()))
            .collect()
    }

    fn changes(&self, set: &CollectionSet, after: Sequence) -> Vec<(u64, String)> {
        let commits = self.commits.range(after.0 + 1..);
        let changes =
            commits.flat_map(|(seq, paths)| paths.iter().map(|path| (*seq, path.clone())));
        changes
            .filter(|(_, at)| set.contains(&path(at).collection()))
            .collect()
    }
}

fn any_path(random: &mut Random) -> String {
    let id = random.below(12);
    let parent = random.below(4);
    match random.below(5) {
        0 => format!("rooms/{id}"),
        1 => format!("users/{id}"),
        2 => format!("rooms/{parent}/messages/{id}"),
        3 => format!("rooms/{parent}/votes/{id}"),
        // A collection that there may not have been before.
        _ => format!("c{}/{id}", random.below(30)),
    }
}

/// A subscriber that comes and goes while others write, and ends with what the model has.
async fn follow(db: &Fixture, random: &mut Random, model: &mut Model, patterns: &[&str]) {
    let of = set_of(patterns);
    let is_snapshot = random.below(3) > 0;
    let mut from = if is_snapshot {
        From::Snapshot
    } else {
        From::Beginning
    };
    let mut state = BTreeMap::new();
    let mut position = Sequence::ZERO;
    let mut changes = Vec::new();
    let mut pinned = Sequence::ZERO;
    for _ in 0..=random.below(6) {
        let mut subscriber = db.subscribe_to(SubscribeRequest::of(of.clone(), from));
        subscriber.state = state;
        subscriber.position = position;
        subscriber.next().await;
        for _ in 0..random.below(6) {
            let count = random.below(8);
            model.write(db, random, count).await;
            // There may be nothing for it to be told.
            let next = subscriber.subscription.next();
            let wait = std::time::Duration::from_millis(20);
            let Ok(message) = tokio::time::timeout(wait, next).await else {
                break;
            };
            let message = message.unwrap();
            subscriber.absorb(&message);
            if let FeedMessage::Current { seq, .. } = message {
                pinned = seq;
            }
        }
        changes.extend(seen(&subscriber));
        (state, position) = (subscriber.state, subscriber.position);
        match subscriber.token {
            Some(token) => from = From::Token(token),
            None => from = From::Snapshot,
        }
    }
    let mut subscriber = db.subscribe_to(SubscribeRequest::of(of.clone(), from));
    subscriber.state = state;
    subscriber.position = position;
    let last = ["rooms/1", "rooms/1/messages/0", "rooms/2/x/0", "users/1"];
    let last = last.map(|path| (path.to_owned(), Some("{}".to_owned())));
    let last = model.commit(db, last.into()).await;
    while subscriber.position < last {
        if let FeedMessage::Current { seq, .. } = subscriber.next().await {
            pinned = seq;
        }
    }
    changes.extend(seen(&subscriber));
    assert_eq!(subscriber.state, model.view(&of), "{patterns:?}");
    assert_eq!(changes, model.changes(&of, pinned), "{patterns:?}");
}

async fn follows(seed: u64, changed_bytes_max: usize, queue_bytes_max: usize) {
    let db = fixture_with(|options| {
        options.exact_read_bytes_max = changed_bytes_max;
        options.queue_bytes_max = queue_bytes_max;
        options.segment_bytes = 4 << 20;
    });
    let mut random = Random::new(seed);
    let mut model = Model::default();
    for round in 0..8 {
        model.write(&db, &mut random, round * 5).await;
        for patterns in SETS {
            follow(&db, &mut random, &mut model, patterns).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_any_place_the_feed_of_several_leads_to_what_there_is() {
    follows(1, 64 << 20, 1 << 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_any_place_the_feed_of_several_leads_to_what_there_is_though_pins_move_and_queues_overflow()
 {
    follows(2, 600, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_ends_though_the_floor_passes_it_behind_its_last_collection() {
    // As many as are read in one step.
    for collections in [63, 64, 65, 128] {
        let db = fixture();
        for n in 0..collections {
            db.set(&format!("rooms/{n}/messages/1"), "{}").await;
        }
        let mut subscriber = db.subscribe_to(to(&["rooms/*/messages"], From::Snapshot));
        while subscriber.state.len() < collections {
            subscriber.next().await;
        }
        let through = db.set("other/1", "{}").await;
        let collection = None;
        let wished = FloorMove {
            collection,
            through,
        };
        db.database.move_floor(wished).await.unwrap();
        subscriber.until_current().await;
        let last = db.set("rooms/0/messages/2", "{}").await;
        subscriber.until(last).await;
    }
}
