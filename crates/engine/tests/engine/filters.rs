//! What views show: whatever they ask for and whatever is committed, those who are live, those who
//! read the log from any token, and snapshots add up to the view at every sequence, by changes that
//! are exactly what the documents before and after say.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use wellspring_engine::PageLimit;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest, View};
use wellspring_types::query::Query;
use wellspring_types::write::Write;
use wellspring_types::{Filter, ResumeToken, Select, Sequence};

use crate::common::{Fixture, Subscriber, data, filter, fixture, path, query, set, shown};
use crate::views::{Changed, History, assert_folds, in_view, text};

/// Values that documents and filters share, some of them spelled in more than one way.
const VALUES: [&str; 13] = [
    "1",
    "1.0",
    "10e-1",
    "0",
    "-0.0",
    "2",
    "null",
    "true",
    r#""a""#,
    r#""ab""#,
    r#"[1,"a"]"#,
    r#"{"d":1,"e":"a"}"#,
    r#"{"e":"a","d":1.0}"#,
];
const FIELDS: [&str; 6] = ["a", "b", "b.d", "/b/d", "c", "/c/0"];

fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&VALUES[..])
}

fn values() -> impl Strategy<Value = String> {
    prop::collection::vec(value(), 0..4).prop_map(|values| values.join(","))
}

fn condition() -> impl Strategy<Value = String> {
    let order = prop::sample::select(vec!["lt", "lte", "gt", "gte"]);
    let bound = prop::sample::select(vec!["0", "1.0", "1.5", "true", r#""a""#, r#""aa""#]);
    let test = prop_oneof![
        8 => value().prop_map(|value| format!(r#""eq":{value}"#)),
        3 => values().prop_map(|values| format!(r#""in":[{values}]"#)),
        1 => value().prop_map(|value| format!(r#""ne":{value}"#)),
        1 => values().prop_map(|values| format!(r#""not_in":[{values}]"#)),
        3 => (order, bound).prop_map(|(order, bound)| format!(r#""{order}":{bound}"#)),
        1 => any::<bool>().prop_map(|there| format!(r#""exists":{there}"#)),
        1 => value().prop_map(|value| format!(r#""contains":{value}"#)),
        1 => Just(r#""prefix":"a""#.to_owned()),
    ];
    let field = prop::sample::select(&FIELDS[..]);
    (field, test).prop_map(|(field, test)| format!(r#"{{"{field}":{{{test}}}}}"#))
}

fn filters() -> impl Strategy<Value = Filter> {
    let text = condition().prop_recursive(3, 10, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|list| list.join(","));
        prop_oneof![
            3 => list.clone().prop_map(|list| format!(r#"{{"and":[{list}]}}"#)),
            3 => list.prop_map(|list| format!(r#"{{"or":[{list}]}}"#)),
            1 => inner.prop_map(|inner| format!(r#"{{"not":{inner}}}"#)),
        ]
    });
    text.prop_map(|text| filter(&text))
}

pub(crate) fn views() -> impl Strategy<Value = View> {
    let fields = prop::sample::subsequence(vec!["a", "b.d", "c"], 1..3);
    let select = fields.prop_map(|fields| {
        let fields = fields.iter().map(|field| field.parse().unwrap());
        Select::new(fields.collect()).unwrap()
    });
    (
        prop::option::weighted(0.95, filters()),
        prop::option::weighted(0.4, select),
        prop::bool::weighted(0.5),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(filter, select, old, patch)| View {
            filter,
            select,
            old,
            patch,
        })
}

pub(crate) fn documents() -> impl Strategy<Value = String> {
    let field = || prop::option::weighted(0.8, value());
    (field(), field(), field()).prop_map(|(a, b, c)| {
        let fields = [("a", a), ("b", b), ("c", c)];
        let fields = fields
            .iter()
            .filter_map(|(name, value)| value.map(|value| format!(r#""{name}":{value}"#)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    })
}

#[derive(Clone, Debug)]
enum Step {
    /// Documents by number, each set or deleted.
    Commit(BTreeMap<u8, Option<String>>),
    /// One more subscriber to a view that may have some.
    Join(prop::sample::Index),
    /// A subscriber goes.
    Leave(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let document = prop::option::weighted(0.8, documents());
    let commit = prop::collection::btree_map(0..5_u8, document, 1..4);
    let step = prop_oneof![
        8 => commit.prop_map(Step::Commit),
        1 => any::<prop::sample::Index>().prop_map(Step::Join),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..24)
}

/// A live subscriber, its view, and where it began.
struct Live {
    view: View,
    subscriber: Subscriber,
    began: (Sequence, ResumeToken),
}

pub(crate) fn request(view: &View, from: From) -> SubscribeRequest {
    SubscribeRequest {
        view: view.clone(),
        ..SubscribeRequest::new("rooms".parse().unwrap(), from)
    }
}

/// A subscriber that is live, and holds what is there.
async fn join(fixture: &Fixture, view: &View) -> Live {
    let mut subscriber = fixture.subscribe_to(request(view, From::Snapshot));
    let began = subscriber.until_current().await;
    take(&mut subscriber).await;
    let began = (began, subscriber.token.clone().unwrap());
    Live {
        view: view.clone(),
        subscriber,
        began,
    }
}

/// Takes everything that was committed.
pub(crate) async fn take(subscriber: &mut Subscriber) {
    let limit = PageLimit {
        bytes: 1 << 20,
        messages: 1000,
    };
    let page = subscriber.subscription.page(limit, Duration::ZERO);
    let page = page.await.unwrap();
    assert!(!page.more);
    for message in &page.messages {
        subscriber.absorb(message);
    }
    subscriber.token = Some(page.token);
}

async fn check(views: Vec<View>, steps: Vec<Step>) {
    let fixture = fixture();
    let mut live = Vec::new();
    for view in &views {
        live.push(join(&fixture, view).await);
    }
    let mut state = BTreeMap::new();
    let mut history = History::new();
    // Tells the token of each sequence: it is the same for all views.
    let mut clock = join(&fixture, &View::default()).await.subscriber;
    let mut tokens = Vec::new();
    for step in steps {
        match step {
            Step::Commit(wanted) => {
                let committed = commit(&fixture, wanted, &mut state).await;
                let Some((seq, changed)) = committed else {
                    continue;
                };
                history.push((seq, changed));
                take(&mut clock).await;
                tokens.push((seq, clock.token.clone().unwrap()));
                // A snapshot of some view at every sequence.
                let view = &views[history.len() % views.len()];
                let snapshot = join(&fixture, view).await.subscriber;
                let documents = snapshot.state.iter();
                let documents = documents
                    .map(|(id, (_, json))| (id.clone(), text(&data(json))))
                    .collect();
                assert_eq!(in_view(view, &history, seq), documents, "{view:?}");
            }
            Step::Join(which) => live.push(join(&fixture, which.get(&views)).await),
            Step::Leave(which) if !live.is_empty() => {
                live.swap_remove(which.index(live.len()));
            }
            Step::Leave(_) => {}
        }
    }
    for live in &mut live {
        take(&mut live.subscriber).await;
        let (view, began) = (&live.view, live.began.0);
        assert_folds(view, &history, began, &live.subscriber.changes);
        assert_fold(&fixture, live).await;
    }
    for (number, view) in views.iter().enumerate() {
        // From the beginning, and from a few of the tokens.
        let mut again = fixture.subscribe_to(request(view, From::Beginning));
        take(&mut again).await;
        assert_folds(view, &history, Sequence::ZERO, &again.changes);
        for (after, token) in tokens.iter().skip(number % 4).step_by(4) {
            let mut again = fixture.subscribe_to(request(view, From::Token(token.clone())));
            take(&mut again).await;
            assert_folds(view, &history, *after, &again.changes);
        }
    }
}

/// Writes what makes sense in `state`.
pub(crate) async fn commit(
    fixture: &Fixture,
    wanted: BTreeMap<u8, Option<String>>,
    state: &mut BTreeMap<String, String>,
) -> Option<(Sequence, Changed)> {
    let (mut writes, mut changes) = (Vec::new(), BTreeMap::new());
    for (id, after) in wanted {
        let id = id.to_string();
        let at = format!("rooms/{id}");
        let before = state.get(&id).cloned();
        match &after {
            Some(json) => {
                writes.push(set(&at, json));
                state.insert(id.clone(), json.clone());
            }
            None if before.is_some() => {
                writes.push(Write::delete(path(&at)));
                state.remove(&id);
            }
            None => continue,
        }
        changes.insert(id, (before, after));
    }
    if writes.is_empty() {
        return None;
    }
    Some((fixture.commit(writes).await.seq, changes))
}

async fn assert_fold(fixture: &Fixture, live: &Live) {
    let fresh = Query {
        filter: live.view.filter.clone(),
        select: live.view.select.clone(),
        ..query("rooms")
    };
    let fresh = shown(&fixture.database.query(fresh).await.unwrap().documents);
    let held = live.subscriber.state.iter();
    let held: Vec<_> = held
        .map(|(id, (_, json))| (id.clone(), json.clone()))
        .collect();
    assert_eq!(held, fresh, "folding the feed gives a fresh query");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_view_adds_up_at_every_sequence(
        views in prop::collection::vec(views(), 1..32),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(check(views, steps));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_show_the_same_share_one_commit() {
    let db = fixture();
    let wanted = [
        None,
        Some(r#"{"room":"r1"}"#),
        Some(r#"{"room":{"in":["r1","r2"]}}"#),
        Some(r#"{"n":{"gte":1}}"#),
    ];
    let mut live = Vec::new();
    for json in wanted {
        let view = View {
            filter: json.map(filter),
            ..View::default()
        };
        live.push(db.subscribe_to(request(&view, From::Now)));
    }
    let last = db.set("rooms/1", r#"{"room":"r1","n":1}"#).await;
    let mut seen = Vec::new();
    for subscriber in &mut live {
        subscriber.next().await;
        let FeedMessage::Changes { commits, .. } = subscriber.next().await else {
            panic!("a change");
        };
        assert_eq!(commits[0].seq, last);
        seen.extend(commits);
    }
    let first = &seen[0];
    assert!(
        seen.iter()
            .all(|commit| std::sync::Arc::ptr_eq(commit, first))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_goes_takes_nobody_along() {
    let db = fixture();
    let view = |json| View {
        filter: Some(filter(json)),
        ..View::default()
    };
    let equal = view(r#"{"room":"r1"}"#);
    let mut stays = db.subscribe_to(request(&equal, From::Now));
    let goes = db.subscribe_to(request(&equal, From::Now));
    let narrower = view(r#"{"room":"r1","n":{"gte":1}}"#);
    let mut narrow = db.subscribe_to(request(&narrower, From::Now));
    drop(goes);
    let first = db.set("rooms/1", r#"{"room":"r1","n":1}"#).await;
    stays.until(first).await;
    narrow.until(first).await;
    drop(stays);
    let second = db.set("rooms/1", r#"{"room":"r1","n":2}"#).await;
    narrow.until(second).await;
    assert_eq!(narrow.changes.len(), 2);
}
